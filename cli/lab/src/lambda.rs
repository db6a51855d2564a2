//! Functions: instances, invocations, their time limit, and how they die.
//!
//! An invocation of a queue's function has one part per message, which run side
//! by side as they do in the edge; an invocation by a workflow has one part.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use duet_asl::{Millis, TaskError, TaskId};
use duet_edge::intake::{self, Attempt};
use duet_edge::queue::Verdict;
use duet_edge::task::TaskError as Refused;
use duet_edge::wires::{QUEUE, REASON};
use serde_json::{Map, Value, json};

use crate::fault::{Aim, Fault};
use crate::host::{Frame, Out, timestamp};
use crate::lab::{Action, Lab};
use crate::latency::SLOW_START;
use crate::meter::Owner;
use crate::operate::SendError;
use crate::plant::Plant;
use crate::probe::Stamp;
use crate::profile::{Hop, WaitsFor};
use crate::random::{digest, mix};
use crate::scheduler::TIMER;
use crate::services::Work;
use crate::sqs::{Message, Sending, message_id};

/// The concurrency of an account (Lambda quotas: 1,000 by default).
const CONCURRENCY: usize = 1_000;

/// How far off an instance's clock may be, in milliseconds.
const SKEW: Millis = 3_000;

/// The instances of a function.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Instances {
    pub(crate) idle: u32,
}

/// One invocation.
pub(crate) struct Invocation {
    function: usize,
    trigger: Trigger,
    began: Millis,
    parts: Vec<Part>,
    left: usize,
    /// Messages to delete when the function has returned, and only then.
    done: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Trigger {
    Task { run: usize, task: TaskId },
    Batch { mapping: usize },
    Hand { call: u64 },
    Clock,
}

struct Part {
    work: Option<Running>,
    frame: Frame,
    /// The message, in the queue of the mapping.
    message: u64,
}

enum Running {
    Task(Work<Result<Value, Refused>>),
    Message(Work<Verdict>),
}

/// How a part ended.
enum Ended {
    Task(Result<Value, Refused>),
    Message(Verdict),
}

/// A call of a function by a workflow.
pub(crate) struct Call {
    pub(crate) run: usize,
    pub(crate) task: TaskId,
    pub(crate) function: usize,
    /// What the function is called with.
    pub(crate) payload: Value,
    pub(crate) state: Arc<str>,
    pub(crate) ident: u64,
    pub(crate) owner: Owner,
    /// How long the engine takes until it calls.
    pub(crate) gap: Millis,
}

impl Lab {
    /// Draws when which service is out of order.
    pub(crate) fn plan_outages(&mut self) {
        let mut services = self.services.clone();
        services.sort();
        services.dedup();
        for service in services {
            let ident = mix(digest(&service), 0x0bad);
            let aim = Aim {
                service: &service,
                step: "",
                ident,
                about: &[],
            };
            let (drawn, seconds) = {
                let faults = &mut self.host.lock().faults;
                (
                    faults.draw(Fault::Outage, aim),
                    faults.seconds(Fault::Outage, aim),
                )
            };
            if drawn == Some(true) {
                let from = self.now + self.draw((0, 8_000), ident);
                let lasts = seconds.map_or_else(
                    || self.draw((3_000, 90_000), mix(ident, 1)),
                    |seconds| Millis::from(seconds) * 1_000,
                );
                self.outages.push((service, from, from + lasts));
            }
        }
    }

    /// Takes a service out of order by hand, or brings it back: while it is
    /// down, each invocation of its functions dies before it did anything, as
    /// under [`Fault::Outage`].
    ///
    /// # Errors
    /// [`SendError::NoFunction`] when no function is that service's.
    pub fn set_down(&mut self, service: &str, down: bool) -> Result<(), SendError> {
        let mut functions = self.definitions.functions.iter();
        if !functions.any(|known| known.service == service && !known.gone) {
            return Err(SendError::NoFunction(service.to_owned()));
        }
        if down {
            self.down.insert(service.to_owned());
        } else {
            self.down.remove(service);
        }
        Ok(())
    }

    fn is_out(&self, service: &Arc<str>) -> bool {
        let planned = |(out, from, until): &(Arc<str>, Millis, Millis)| {
            out == service && (*from..*until).contains(&self.now)
        };
        self.down.contains(&**service) || self.outages.iter().any(planned)
    }

    /// A workflow calls a function.
    pub(crate) fn invoke_task(&mut self, call: Call) {
        let Call {
            run,
            task,
            function,
            payload,
            state,
            ident,
            owner,
            gap,
        } = call;
        let service = self.services[function].clone();
        let aim = Aim {
            service: &service,
            step: &state,
            ident,
            about: &[owner],
        };
        let throttled = self.invocations.len() >= CONCURRENCY
            || self.host.lock().faults.strikes(Fault::Throttle, aim);
        if throttled {
            let error = TaskError::new("Lambda.TooManyRequestsException", "Rate Exceeded.");
            let wait = gap + self.time(Hop::InvokeTask, 0, ident);
            return self.after(wait, Action::FailTask(run, task, Box::new(error)));
        }
        let frame = Frame {
            ident,
            calls: 0,
            owner,
            company: [owner].into(),
            service,
            step: state,
            skew: 0,
        };
        self.launch_task(function, Trigger::Task { run, task }, gap, payload, frame);
    }

    /// Somebody calls a task function by hand. Gives the number of the call.
    pub(crate) fn invoke_by_hand(
        &mut self,
        function: usize,
        payload: Value,
        step: &str,
        ident: u64,
        owner: Owner,
    ) -> u64 {
        let call = self.next_id();
        let service = self.services[function].clone();
        let frame = Frame {
            ident,
            calls: 0,
            owner,
            company: [owner].into(),
            service,
            step: step.into(),
            skew: 0,
        };
        self.launch_task(function, Trigger::Hand { call }, 0, payload, frame);
        call
    }

    /// A schedule invokes a function.
    pub(crate) fn invoke_by_clock(&mut self, function: usize, frame: Frame) {
        let payload = Value::Object(Map::new());
        self.launch_task(function, Trigger::Clock, 0, payload, frame);
    }

    fn launch_task(
        &mut self,
        function: usize,
        trigger: Trigger,
        gap: Millis,
        payload: Value,
        frame: Frame,
    ) {
        self.host.lock().meters.of(frame.owner).task_bytes += duet_asl::size(&payload) as u64;
        let function = self.instance_of(function, frame.ident);
        let (hop, waits_for) = match trigger {
            Trigger::Task { .. } => (Hop::InvokeTask, WaitsFor::Engine),
            _ => (Hop::Invoke, WaitsFor::Other),
        };
        let called = self.now + gap + self.time(hop, 0, frame.ident);
        self.host
            .lock()
            .waits(frame.owner, waits_for, self.now, called);
        let (starts, frame) = self.take_instance(function, frame, called);
        let wait = called - self.now + starts;
        let deadline = self.now + wait + self.definitions.functions[function].timeout;
        let work = self.handlers[function].task(payload, timestamp(deadline));
        let part = Part {
            work: Some(Running::Task(work)),
            frame,
            message: 0,
        };
        self.launch(function, trigger, vec![part], wait);
    }

    /// A poller calls a function with the messages it received.
    pub(crate) fn invoke_batch(&mut self, mapping: usize, received: Vec<u64>) {
        let definitions = self.definitions.clone();
        let it = &definitions.mappings[mapping];
        let service = self.services[it.function].clone();
        let queue = &definitions.queues[it.queue];
        let first = &self.queues[it.queue].messages[&received[0]];
        let ident = mix(first.ident, first.receives.into());
        let messages = &self.queues[it.queue].messages;
        let company: Arc<[Owner]> = received.iter().map(|id| messages[id].owner).collect();
        let aim = Aim {
            service: &service,
            step: &first.step,
            ident,
            about: &company,
        };
        let throttled = self.invocations.len() >= CONCURRENCY
            || self.host.lock().faults.strikes(Fault::Throttle, aim);
        if throttled || definitions.functions[it.function].gone {
            // Not deleted: each comes back when its visibility timeout is over.
            self.pollers[mapping].running -= 1;
            return;
        }
        let function = self.instance_of(it.function, ident);
        let (owner, step) = (first.owner, first.step.clone());
        let frame = Frame {
            ident,
            calls: 0,
            owner,
            company: company.clone(),
            service: service.clone(),
            step,
            skew: 0,
        };
        let called = self.now + self.time(Hop::InvokeBatch, 0, ident);
        let (starts, first) = self.take_instance(function, frame, called);
        let wait = called - self.now + starts;
        let began = self.now + wait;
        let stopped = began + definitions.functions[function].timeout;
        let deadline = intake::deadline(timestamp(began), timestamp(stopped));
        let mut parts = Vec::with_capacity(received.len());
        for id in received {
            let message = &self.queues[it.queue].messages[&id];
            let delivery = intake::sqs::delivery(
                message_id(message.ident),
                queue.arn.clone(),
                message.body.clone(),
                Attempt::Known(message.receives),
                message.first_received.map(timestamp),
                deadline,
            );
            self.host
                .lock()
                .waits(message.owner, WaitsFor::Queue, message.shown, called);
            let frame = Frame {
                ident: mix(message.ident, message.receives.into()),
                calls: 0,
                owner: message.owner,
                company: company.clone(),
                service: service.clone(),
                step: message.step.clone(),
                skew: first.skew,
            };
            let work = self.handlers[function].receive(delivery);
            parts.push(Part {
                work: Some(Running::Message(work)),
                frame,
                message: id,
            });
            if self.host.has(Plant::AcknowledgeFirst) {
                self.delete(it.queue, id);
            }
        }
        self.launch(function, Trigger::Batch { mapping }, parts, wait);
    }

    /// An instance for the run of `frame` that is called at `called`: how long it
    /// takes to start, and its clock.
    fn take_instance(
        &mut self,
        function: usize,
        mut frame: Frame,
        called: Millis,
    ) -> (Millis, Frame) {
        let ident = frame.ident;
        let mut starts = 0;
        let instances = &mut self.instances[function];
        let cold = instances.idle == 0;
        if !cold {
            instances.idle -= 1;
        } else {
            starts += self.time(Hop::ColdStart, 0, mix(ident, 1));
        }
        let mut inner = self.host.lock();
        let aim = Aim {
            service: &frame.service,
            step: &frame.step,
            ident,
            about: &frame.company,
        };
        let (slow, skewed) = (
            inner.faults.strikes(Fault::ColdStart, aim),
            inner.faults.strikes(Fault::ClockSkew, aim),
        );
        let meter = inner.meters.of(frame.owner);
        meter.invocations += 1;
        meter.cold_starts += u64::from(cold);
        drop(inner);
        if slow {
            starts += self.draw(SLOW_START, mix(ident, 2));
        }
        let mut inner = self.host.lock();
        for owner in frame.company.iter() {
            inner.waits(*owner, WaitsFor::ColdStart, called, called + starts);
        }
        inner.meters.of(frame.owner).init_ms += starts as u64;
        drop(inner);
        if skewed {
            frame.skew = self.draw((-SKEW, SKEW), mix(ident, 3));
        }
        (starts, frame)
    }

    fn launch(&mut self, function: usize, trigger: Trigger, parts: Vec<Part>, wait: Millis) {
        let left = parts.len();
        let began = self.now + wait;
        let ident = parts.first().map_or(0, |part| part.frame.ident);
        let computed = began + self.time(Hop::Compute, 0, mix(ident, 4));
        {
            let mut inner = self.host.lock();
            for part in &parts {
                inner.waits(part.frame.owner, WaitsFor::Compute, began, computed);
            }
        }
        let id = self.next_id();
        self.invocations.insert(
            id,
            Invocation {
                function,
                trigger,
                began,
                parts,
                left,
                done: Vec::new(),
            },
        );
        self.at(computed, Action::Begin(id));
    }

    pub(crate) fn begin(&mut self, id: u64) {
        let Some(invocation) = self.invocations.get(&id) else {
            return;
        };
        let service = self.services[invocation.function].clone();
        let is_out = self.is_out(&service);
        {
            let faults = &mut self.host.lock().faults;
            if faults.any(Fault::Outage) {
                faults.count(Fault::Outage, is_out);
                if is_out && let Some(part) = invocation.parts.first() {
                    let aim = Aim {
                        service: &service,
                        step: &part.frame.step,
                        ident: id,
                        about: &part.frame.company,
                    };
                    faults.blow(Fault::Outage, aim);
                }
            }
        }
        if is_out {
            return self.crash(id);
        }
        for part in 0..invocation.parts.len() {
            if !self.run_part(id, part) {
                return;
            }
        }
    }

    pub(crate) fn resume(&mut self, id: u64, part: usize) {
        if self.invocations.contains_key(&id) {
            self.run_part(id, part);
        }
    }

    /// Runs a part until it pauses, ends or dies. `false` when the whole
    /// invocation is over.
    fn run_part(&mut self, id: u64, at: usize) -> bool {
        let Some(invocation) = self.invocations.get_mut(&id) else {
            return false;
        };
        let part = &mut invocation.parts[at];
        let Some(work) = &mut part.work else {
            return true;
        };
        {
            let mut inner = self.host.lock();
            std::mem::swap(&mut inner.frame, &mut part.frame);
            inner.pause = None;
        }
        let mut context = Context::from_waker(Waker::noop());
        let polled = match work {
            Running::Task(work) => work.as_mut().poll(&mut context).map(Ended::Task),
            Running::Message(work) => work.as_mut().poll(&mut context).map(Ended::Message),
        };
        let (pause, dies, out) = {
            let mut inner = self.host.lock();
            std::mem::swap(&mut inner.frame, &mut part.frame);
            (
                inner.pause.take(),
                std::mem::take(&mut inner.dies),
                std::mem::take(&mut inner.out),
            )
        };
        let killed = invocation.began + self.definitions.functions[invocation.function].timeout;
        if polled.is_ready() {
            part.work = None;
        }
        for one in out {
            self.carry(one);
        }
        match (polled, pause) {
            _ if dies => {
                self.crash(id);
                false
            }
            (Poll::Ready(ended), _) => self.part_ended(id, at, ended),
            (Poll::Pending, Some(due)) if due < killed => {
                self.at(due, Action::Resume(id, at));
                true
            }
            (Poll::Pending, _) => {
                self.at(killed, Action::Kill(id));
                true
            }
        }
    }

    /// Sends what a function gave to be sent.
    fn carry(&mut self, out: Out) {
        match out {
            Out::Publish { bus, entries } => self.put_events(&bus, entries),
            Out::Send {
                queue,
                body,
                seconds,
                ident,
                owner,
            } => {
                if let Some(queue) = self.definitions.queue_named(&queue) {
                    let delay = Some(Millis::from(seconds) * 1_000);
                    self.send(
                        queue,
                        Sending {
                            body: body.into(),
                            ident,
                            owner,
                            step: TIMER.into(),
                            delay,
                        },
                    );
                }
            }
            Out::Bury {
                queue,
                body,
                why,
                ident,
                owner,
                step,
            } => {
                let queue = self.definitions.queue_named(&queue);
                let Some((home, it)) = queue.map(|at| (at, &self.definitions.queues[at])) else {
                    return;
                };
                let attributes = BTreeMap::from([(REASON, why), (QUEUE, it.arn.clone())]);
                let Some((dead, _)) = it.redrive else {
                    // On AWS the message would come back, for ever.
                    let place = it.name.clone();
                    return self.lose(&place, owner, "there is no dead-letter queue");
                };
                self.host.lock().meters.of(owner).queue_requests += 1;
                let message = Message {
                    body: body.into(),
                    ident,
                    owner,
                    step,
                    sent: self.now,
                    receives: 0,
                    in_flight: false,
                    shown: self.now,
                    overlooked: 0,
                    first_received: None,
                    attributes,
                    home: Some(home),
                    stamp: 0,
                };
                self.bury(dead, message);
            }
            Out::Schedule(name) => self.await_schedule(name),
            Out::Answer { token, value } => self.answer_token(&token, value),
        }
    }

    fn part_ended(&mut self, id: u64, at: usize, ended: Ended) -> bool {
        let Some(invocation) = self.invocations.get_mut(&id) else {
            return false;
        };
        invocation.left -= 1;
        let left = invocation.left;
        let frame = &invocation.parts[at].frame;
        let (owner, message) = (frame.owner, invocation.parts[at].message);
        let ident = frame.ident;
        match (ended, invocation.trigger) {
            (Ended::Task(result), Trigger::Task { run, task }) => {
                self.end_invocation(id, true);
                let result = match result {
                    Ok(reply) => {
                        let sent = duet_asl::size(&reply) as u64;
                        self.host.lock().meters.of(owner).task_bytes += sent;
                        Ok(
                            json!({ "ExecutedVersion": "$LATEST", "Payload": reply, "StatusCode": 200 }),
                        )
                    }
                    Err(Refused { name, text }) => {
                        let cause = json!({ "errorType": name, "errorMessage": text }).to_string();
                        Err(TaskError::new(name, cause))
                    }
                };
                self.answer_task(run, task, result);
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
                        self.hide(queue, message, wait.as_millis() as Millis);
                    }
                }
                if left == 0 {
                    self.end_invocation(id, true);
                    return false;
                }
            }
            _ => {}
        }
        true
    }

    /// The process of an invocation dies.
    fn crash(&mut self, id: u64) {
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
