//! Who calls a function: a workflow, a person, a timer, or the poller of a queue.

use std::sync::Arc;

use duet_asl::{Millis, TaskError};
use duet_core::Timestamp;
use duet_edge::intake;
use duet_edge::intake::sqs::{OF_A_TOPIC, REPLAYED};
use duet_edge::intake::{Attempt, Delivery};
use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use super::{CONCURRENCY, Call, Part, Running, Trigger};
use crate::fault::{Aim, Fault};
use crate::host::{Frame, timestamp};
use crate::lab::{Action, Lab};
use crate::meter::Owner;
use crate::plant::Plant;
use crate::profile::{Hop, WaitsFor};
use crate::random::mix;
use crate::sqs::{Message, message_id};

impl Lab {
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
        let frame = Frame::alone(ident, owner, service, state);
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
        let frame = Frame::alone(ident, owner, service, step.into());
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
            after: None,
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
        let mut last_of: FxHashMap<Arc<str>, usize> = FxHashMap::default();
        for id in received {
            let message = &self.queues[it.queue].messages[&id];
            let delivery = delivery(message, &queue.arn, deadline);
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
            let group = message.place.as_ref().map(|it| it.group.clone());
            let after = group.and_then(|group| last_of.insert(group, parts.len()));
            parts.push(Part {
                work: Some(Running::Message(work)),
                frame,
                message: id,
                after,
            });
            if self.host.has(Plant::AcknowledgeFirst) {
                self.delete(it.queue, id);
            }
        }
        self.launch(function, Trigger::Batch { mapping }, parts, wait);
    }
}

/// `message` of the queue `arn`, as a function receives it that has until `deadline`.
fn delivery(message: &Message, arn: &str, deadline: Timestamp) -> Delivery {
    let mut delivery = intake::sqs::delivery(
        message_id(message.ident),
        arn.to_owned(),
        message.body.clone(),
        Attempt::Known(message.receives),
        message.first_received.map(timestamp),
        deadline,
    );
    if message.attributes.contains_key(REPLAYED) {
        delivery.replay = Some(OF_A_TOPIC.to_owned());
    }
    if let Some(place) = &message.place {
        delivery.group = Some(place.group.to_string());
        delivery.deduplication = Some(place.deduplication.to_string());
    }
    delivery
}
