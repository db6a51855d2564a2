//! How invocations end: answered, refused, out of time, or dead.

use duet_asl::{Millis, TaskError};
use duet_edge::queue::Verdict;
use duet_edge::task::TaskError as Refused;
use serde_json::{Value, json};

use super::{Ended, Part, Trigger};
use crate::fault::{Aim, Fault};
use crate::lab::Lab;
use crate::plant::Plant;
use crate::probe::Stamp;

impl Lab {
    /// Notes that the message of a part was handled, where messages have their turn.
    fn note_turn(&mut self, id: u64, at: usize) {
        let Some(invocation) = self.invocations.get(&id) else {
            return;
        };
        if let Trigger::Batch { mapping } = invocation.trigger {
            let queue = self.definitions.mappings[mapping].queue;
            let message = self.queues[queue]
                .messages
                .get(&invocation.parts[at].message);
            let place = message.and_then(|it| it.place.clone());
            self.in_turn(queue, place.as_ref());
        }
    }

    pub(super) fn part_ended(&mut self, id: u64, at: usize, ended: Ended) -> bool {
        if matches!(ended, Ended::Message(Verdict::Acknowledge)) {
            self.note_turn(id, at);
        }
        let Some(invocation) = self.invocations.get_mut(&id) else {
            return false;
        };
        invocation.left -= 1;
        let mut left = invocation.left;
        let frame = &invocation.parts[at].frame;
        let (owner, message) = (frame.owner, invocation.parts[at].message);
        let ident = frame.ident;
        match (ended, invocation.trigger) {
            (Ended::Task(result), Trigger::Task { run, task }) => {
                self.end_invocation(id, true);
                if let Ok(reply) = &result {
                    let sent = duet_asl::size(reply) as u64;
                    self.host.lock().meters.of(owner).task_bytes += sent;
                }
                self.answer_task(run, task, as_told(result));
                return false;
            }
            (Ended::Task(result), Trigger::Hand { call }) => {
                self.end_invocation(id, true);
                self.answers.insert(call, result);
                return false;
            }
            (Ended::Task(_), Trigger::Clock) => {
                self.end_invocation(id, true);
                return false;
            }
            (Ended::Message(verdict), Trigger::Batch { mapping }) => {
                let it = &self.definitions.mappings[mapping];
                let (queue, partial) = (it.queue, it.partial);
                match verdict {
                    Verdict::Acknowledge => {
                        let aim = Aim {
                            service: &frame.service,
                            step: &frame.step,
                            ident,
                            about: &[owner],
                        };
                        if !self.host.lock().faults.strikes(Fault::PartialBatch, aim) {
                            invocation.done.push(message);
                        }
                    }
                    Verdict::Again(wait) => {
                        if !partial || self.host.has(Plant::AcknowledgeAnyway) {
                            // The answer says which failed, and nobody reads it.
                            invocation.done.push(message);
                        }
                        self.note(
                            |lab| lab.subject(owner),
                            || format!("a message fails, to return in {wait:?}"),
                        );
                        let millis = wait.as_millis() as Millis;
                        self.hide(queue, message, millis);
                        if !self.host.has(Plant::GoesOnAfterFailure) {
                            left -= self.give_up_after(id, at, queue, millis);
                        }
                    }
                }
                if left == 0 {
                    self.end_invocation(id, true);
                    return false;
                }
                return match self.behind(id, at) {
                    Some(next) => self.run_part(id, next),
                    None => true,
                };
            }
            _ => {}
        }
        true
    }

    /// The part that waits for the part `at`, if any does: the next message of its group.
    fn behind(&self, id: u64, at: usize) -> Option<usize> {
        let parts = &self.invocations.get(&id)?.parts;
        let waits = |part: &Part| part.after == Some(at) && part.work.is_some();
        parts.iter().position(waits)
    }

    /// What waits for the part `at`, which failed, is not tried, and has failed with it. Gives
    /// how many that are.
    fn give_up_after(&mut self, id: u64, at: usize, queue: usize, millis: Millis) -> usize {
        let (mut at, mut many) = (at, 0);
        while let Some(next) = self.behind(id, at) {
            if let Some(invocation) = self.invocations.get_mut(&id) {
                invocation.parts[next].work = None;
                invocation.left -= 1;
                let message = invocation.parts[next].message;
                self.hide(queue, message, millis);
            }
            many += 1;
            at = next;
        }
        many
    }

    /// The process of an invocation dies.
    pub(super) fn crash(&mut self, id: u64) {
        let error = TaskError::new(
            "Runtime.ExitError",
            json!({ "errorType": "Runtime.ExitError", "errorMessage": "Error: Runtime exited with error: signal: killed" })
                .to_string(),
        );
        self.fail(id, error, "its process dies");
    }

    /// An invocation has used up its time.
    pub(crate) fn time_out(&mut self, id: u64) {
        let Some(invocation) = self.invocations.get(&id) else {
            return;
        };
        let seconds = self.definitions.functions[invocation.function].timeout as f64 / 1_000.0;
        let text = format!("Error: Task timed out after {seconds:.2} seconds");
        let cause = json!({ "errorType": "Sandbox.Timedout", "errorMessage": text }).to_string();
        self.fail(
            id,
            TaskError::new("Sandbox.Timedout", cause),
            "its time is over",
        );
    }

    fn fail(&mut self, id: u64, error: TaskError, why: &'static str) {
        let Some(invocation) = self.invocations.get(&id) else {
            return;
        };
        let (trigger, function) = (invocation.trigger, invocation.function);
        if let Some(part) = invocation.parts.iter().find(|part| part.work.is_some()) {
            let (owner, step) = (part.frame.owner, part.frame.step.clone());
            let name = self.definitions.functions[function].name.clone();
            self.note(
                |lab| lab.subject(owner),
                || format!("{name} at {step}: {why}"),
            );
        }
        // A batch's messages, the handled ones too, come back when their
        // visibility timeouts are over.
        self.end_invocation(id, false);
        match trigger {
            Trigger::Task { run, task } => self.answer_task(run, task, Err(error)),
            Trigger::Hand { call } => {
                let text = error.cause.unwrap_or_default();
                self.answers.insert(
                    call,
                    Err(Refused {
                        name: error.error,
                        text,
                    }),
                );
            }
            Trigger::Batch { .. } | Trigger::Clock => {}
        }
    }

    fn end_invocation(&mut self, id: u64, survives: bool) {
        let Some(invocation) = self.invocations.remove(&id) else {
            return;
        };
        if survives {
            self.instances[invocation.function].idle += 1;
        }
        if self.config.stamps {
            for part in &invocation.parts {
                let subject = self.subject(part.frame.owner);
                let (step, began) = (&part.frame.step, invocation.began);
                self.stamps
                    .push(Stamp::new(step, &subject, began, self.now));
            }
        }
        let ran = (self.now - invocation.began).max(0) as u64;
        let share = ran / invocation.parts.len().max(1) as u64;
        {
            let mut inner = self.host.lock();
            for part in &invocation.parts {
                inner.meters.of(part.frame.owner).function_ms += share;
            }
        }
        if let Trigger::Batch { mapping } = invocation.trigger {
            let queue = self.definitions.mappings[mapping].queue;
            if survives {
                invocation
                    .done
                    .iter()
                    .for_each(|message| self.delete(queue, *message));
            }
            self.pollers[mapping].running -= 1;
            self.call_poller(queue);
        }
    }
}

/// What a workflow is told of a function's end.
fn as_told(result: Result<Value, Refused>) -> Result<Value, TaskError> {
    match result {
        Ok(reply) => {
            Ok(json!({ "ExecutedVersion": "$LATEST", "Payload": reply, "StatusCode": 200 }))
        }
        Err(Refused { name, text }) => {
            let cause = json!({ "errorType": name, "errorMessage": text }).to_string();
            Err(TaskError::new(name, cause))
        }
    }
}
