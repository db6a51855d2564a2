//! Functions: instances, invocations, their time limit, and how they die.
//!
//! An invocation of a queue's function has one part per message, which run side
//! by side as they do in the edge; an invocation by a workflow has one part.

mod called;
mod ended;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use duet_asl::{Millis, TaskId};
use duet_edge::door::Start;
use duet_edge::queue::Verdict;
use duet_edge::task::TaskError as Refused;
use duet_edge::wires::{QUEUE, REASON};
use serde_json::Value;

use crate::fault::{Aim, Fault};
use crate::fifo::is_fifo;
use crate::host::{Frame, Out};
use crate::lab::{Action, Lab};
use crate::latency::SLOW_START;
use crate::meter::Owner;
use crate::operate::SendError;
use crate::profile::{Hop, WaitsFor};
use crate::random::{digest, mix};
use crate::scheduler::TIMER;
use crate::services::Work;
use crate::sqs::{Attributes, Message, Sending};

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
    /// The part that comes first, of the same group: this one begins when that one has
    /// ended.
    after: Option<usize>,
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
        let first = invocation.parts.iter().enumerate();
        let first: Vec<usize> = first
            .filter(|(_, part)| part.after.is_none())
            .map(|(at, _)| at)
            .collect();
        for part in first {
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
            Out::Notify { topic, entries } => self.publish(&topic, entries),
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
                            attributes: Attributes::new(),
                            place: None,
                        },
                    );
                }
            }
            Out::Bury {
                queue,
                body,
                why,
                place,
                ident,
                owner,
                step,
            } => {
                let queue = self.definitions.queue_named(&queue);
                let Some((home, it)) = queue.map(|at| (at, &self.definitions.queues[at])) else {
                    return;
                };
                let attributes =
                    Attributes::from([(REASON.into(), why), (QUEUE.into(), it.arn.clone())]);
                let Some((dead, _)) = it.redrive else {
                    // On AWS the message would come back, for ever.
                    let place = it.name.clone();
                    return self.lose(&place, owner, "there is no dead-letter queue");
                };
                let fifo = is_fifo(&it.name);
                self.host.lock().meters.of(owner).request(fifo);
                let message = Message {
                    attributes,
                    home: Some(home),
                    place,
                    ..Message::new(body.into(), ident, owner, step, self.now)
                };
                self.bury(dead, message);
            }
            Out::Schedule(name) => self.await_schedule(name),
            Out::Answer { token, value } => self.answer_token(&token, value),
            Out::Start(start) => {
                let Start {
                    machine,
                    name,
                    input,
                } = start;
                self.start_by_answer(&machine, &name, &Value::Object(input));
            }
        }
    }
}
