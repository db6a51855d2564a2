//! Queues and the pollers behind them. What is particular of FIFO queues is told in
//! [`fifo`](crate::fifo).
//!
//! A message is received, hidden, and deleted by whoever handled it; if nobody
//! does, it comes back when its visibility timeout is over. Received more often
//! than `maxReceiveCount` allows, it goes to the dead-letter queue instead. The
//! retention period counts from the first sending and goes on in a standard
//! dead-letter queue (SQS developer guide).

mod leaving;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use duet_asl::Millis;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::fault::{Aim, Fault};
use crate::fifo::{Place, Window, is_fifo};
use crate::lab::{Action, Lab};
use crate::latency::{LATE, OVERTAKEN};
use crate::meter::Owner;
use crate::profile::Hop;
use crate::random::{mix, uuid};

/// The most receives in a row that do not see a message.
const OVERLOOKED: u32 = 3;

/// Why a message is lost with its queue.
const DELETED: &str = "its queue was deleted";

/// Message attributes, by name.
pub(crate) type Attributes = BTreeMap<Cow<'static, str>, String>;

/// A message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) body: Arc<str>,
    /// Tells it from other messages, in every replay.
    pub(crate) ident: u64,
    pub(crate) owner: Owner,
    /// The rule or command that sent it.
    pub(crate) step: Arc<str>,
    pub(crate) sent: Millis,
    pub(crate) receives: u32,
    /// Received, and neither deleted nor visible again.
    pub(crate) in_flight: bool,
    /// How often a receive that saw a part of the queue did not see it.
    pub(crate) overlooked: u32,
    /// By what the last such receive was drawn: a further look is no further chance.
    pub(crate) drawn: u64,
    /// Since when it is visible, or was when it was received.
    pub(crate) shown: Millis,
    /// When it was received for the first time.
    pub(crate) first_received: Option<Millis>,
    /// Message attributes: the sender's, or what EventBridge, or the edge, says about a dead letter.
    pub(crate) attributes: Attributes,
    /// The queue it died on.
    pub(crate) home: Option<usize>,
    /// Counts what happened to it, so that old appointments are void.
    pub(crate) stamp: u32,
    /// Its place among those that are kept in order; none on a standard queue.
    pub(crate) place: Option<Place>,
}

impl Message {
    /// A message that is sent `now`, and nothing else has happened to.
    pub(crate) fn new(
        body: Arc<str>,
        ident: u64,
        owner: Owner,
        step: Arc<str>,
        now: Millis,
    ) -> Self {
        Self {
            body,
            ident,
            owner,
            step,
            sent: now,
            receives: 0,
            in_flight: false,
            overlooked: 0,
            drawn: 0,
            shown: now,
            first_received: None,
            attributes: Attributes::new(),
            home: None,
            stamp: 0,
            place: None,
        }
    }
}

/// A queue's messages.
#[derive(Debug, Default)]
pub(crate) struct QueueState {
    pub(crate) messages: FxHashMap<u64, Message>,
    pub(crate) visible: VecDeque<u64>,
    /// Visible, but not to the receive under way.
    overlooked: VecDeque<u64>,
    next: u64,
    /// What a FIFO queue took lately.
    window: Window,
    /// The groups of which something is in flight, each with the receive that has it and
    /// how much it is.
    pub(crate) busy: FxHashMap<Arc<str>, (u64, u32)>,
    /// The number of the receive under way.
    pub(crate) receive: u64,
}

/// A message to put on a queue.
pub(crate) struct Sending {
    pub(crate) body: Arc<str>,
    pub(crate) ident: u64,
    pub(crate) owner: Owner,
    pub(crate) step: Arc<str>,
    /// Milliseconds; `None` for the queue's own delay.
    pub(crate) delay: Option<Millis>,
    pub(crate) attributes: Attributes,
    /// Its place among those that are kept in order; a FIFO queue takes nothing without.
    pub(crate) place: Option<Place>,
}

/// What strikes a message on its way to a queue.
struct Struck {
    twice: bool,
    late: bool,
    passed: bool,
    poison: bool,
}

/// What tells the message `ident` from others once it is on a queue.
pub(crate) fn on_queue(ident: u64, queue: usize) -> u64 {
    mix(ident, queue as u64 + 1)
}

/// The id under which a message is known on its queue.
pub(crate) fn message_id(ident: u64) -> String {
    uuid(ident)
}

impl Lab {
    /// Puts a message on a queue, where whatever strikes messages may strike it.
    pub(crate) fn send(&mut self, queue: usize, mut sending: Sending) {
        sending.ident = on_queue(sending.ident, queue);
        let struck = self.strike(queue, &sending);
        if !self.takes(queue, &sending) {
            return;
        }
        let (ident, owner) = (sending.ident, sending.owner);
        let own = self.definitions.queues[queue].delay;
        let mut wait = sending.delay.unwrap_or(own);
        for (strikes, kind, span) in [
            (struck.late, Fault::Delay, LATE),
            (struck.passed, Fault::Reorder, OVERTAKEN),
        ] {
            if strikes {
                wait += self.draw(span, ident);
                self.host.lock().faults.lasts(kind, self.now + wait);
            }
        }
        let message = Message {
            attributes: sending.attributes,
            place: sending.place,
            ..Message::new(sending.body, ident, owner, sending.step, self.now)
        };
        if struck.twice {
            let again = Message {
                ident: mix(ident, 0x2),
                ..message.clone()
            };
            self.after(
                wait + self.draw(OVERTAKEN, ident),
                Action::Enqueue(queue, Box::new(again)),
            );
        }
        if struck.poison {
            let body = format!("{{\"poison\": \"{ident:016x}\"").into();
            let poison = Message {
                body,
                ident: mix(ident, 0x3),
                // Nobody published it.
                place: message.place.clone().map(|it| Place { number: None, ..it }),
                ..message.clone()
            };
            self.after(wait, Action::Enqueue(queue, Box::new(poison)));
        }
        match wait {
            0 => self.enqueue(queue, message),
            wait => self.after(wait, Action::Enqueue(queue, Box::new(message))),
        }
    }

    /// Meters a message on its way to a queue, and decides what strikes it there.
    fn strike(&self, queue: usize, sending: &Sending) -> Struck {
        let in_order = is_fifo(&self.definitions.queues[queue].name);
        let aim = Aim {
            service: &self.service_of(queue),
            step: &sending.step,
            ident: sending.ident,
            about: &[sending.owner],
        };
        let mut inner = self.host.lock();
        let meter = inner.meters.of(sending.owner);
        meter.request(in_order);
        meter.message_bytes += sending.body.len() as u64;
        let faults = &mut inner.faults;
        // What is kept in order lets nothing pass.
        Struck {
            twice: faults.strikes(Fault::Duplicate, aim) && !in_order,
            late: faults.strikes(Fault::Delay, aim) && !in_order,
            passed: faults.strikes(Fault::Reorder, aim) && !in_order,
            poison: faults.strikes(Fault::Poison, aim),
        }
    }

    /// Whether a queue takes a message: one that is FIFO does not without a group, nor twice.
    fn takes(&mut self, queue: usize, sending: &Sending) -> bool {
        let name = &self.definitions.queues[queue].name;
        if !is_fifo(name) {
            return true;
        }
        let (name, owner) = (name.clone(), sending.owner);
        let Some(place) = &sending.place else {
            self.lose(&name, owner, "a FIFO queue takes nothing without a group");
            return false;
        };
        let window = &mut self.queues[queue].window;
        let taken = window.take(&place.deduplication, 0, self.now).is_ok();
        if !taken {
            let known = &place.deduplication;
            self.note(
                |lab| lab.subject(owner),
                || format!("{name} has {known} already"),
            );
        }
        taken
    }

    /// A message is on its queue and may be received.
    pub(crate) fn enqueue(&mut self, queue: usize, mut message: Message) {
        if self.definitions.queues[queue].gone {
            let name = self.definitions.queues[queue].name.clone();
            return self.lose(&name, message.owner, DELETED);
        }
        let state = &mut self.queues[queue];
        state.next += 1;
        let id = state.next;
        message.shown = self.now;
        state.messages.insert(id, message);
        state.make_visible(id);
        self.call_poller(queue);
    }

    /// Has the queue's poller look, if there is something to see.
    pub(crate) fn call_poller(&mut self, queue: usize) {
        let Some(mapping) = self.feeds[queue] else {
            return;
        };
        let poller = &mut self.pollers[mapping];
        let most = self.definitions.mappings[mapping].concurrency;
        if !poller.scheduled && poller.running < most && !self.queues[queue].visible.is_empty() {
            poller.scheduled = true;
            let hop = match is_fifo(&self.definitions.queues[queue].name) {
                true => Hop::FifoQueueToFunction,
                false => Hop::QueueToFunction,
            };
            let wait = self.time(hop, 0, self.happened());
            self.after(wait, Action::Poll(mapping));
        }
    }

    /// A poller receives a batch and has its function invoked.
    pub(crate) fn poll(&mut self, mapping: usize) {
        self.pollers[mapping].scheduled = false;
        let definitions = self.definitions.clone();
        let it = &definitions.mappings[mapping];
        if it.gone {
            return;
        }
        let service = self.services[it.function].clone();
        self.overlook(it.queue, &service);
        self.queues[it.queue].receive += 1;
        let in_order = is_fifo(&self.definitions.queues[it.queue].name);
        let (mut batch, mut received) = (Vec::new(), false);
        while batch.len() < it.batch
            && let Some(id) = self.receive(it.queue)
        {
            received = true;
            let message = &self.queues[it.queue].messages[&id];
            let aim = Aim {
                service: &service,
                step: &message.step,
                ident: mix(message.ident, message.receives.into()),
                about: &[message.owner],
            };
            // Received by a poller that dies: back when its timeout is over.
            match self.host.lock().faults.strikes(Fault::Drop, aim) {
                false => batch.push(id),
                // What comes after it waits with it.
                true if in_order => break,
                true => {}
            }
        }
        if !batch.is_empty() {
            self.pollers[mapping].running += 1;
            self.invoke_batch(mapping, batch);
        }
        let state = &mut self.queues[it.queue];
        let overlooked = std::mem::take(&mut state.overlooked);
        // Of a FIFO queue there may be nothing to get: its groups are all busy.
        let looks_again = !in_order || received || !overlooked.is_empty();
        overlooked.into_iter().for_each(|id| state.make_visible(id));
        if looks_again {
            self.call_poller(it.queue);
        }
    }

    /// Sets aside what this receive of `queue` does not see: short polling asks
    /// some of a queue's servers only (SQS developer guide, short polling).
    fn overlook(&mut self, queue: usize, service: &str) {
        let mut inner = self.host.lock();
        if !inner.faults.any(Fault::ShortPoll) {
            return;
        }
        let QueueState {
            messages,
            visible,
            overlooked,
            ..
        } = &mut self.queues[queue];
        let mut passed_over: FxHashSet<Arc<str>> = FxHashSet::default();
        visible.retain(|id| {
            let Some(message) = messages.get_mut(id) else {
                return false;
            };
            let seen = mix(message.receives.into(), message.overlooked.into());
            let ident = mix(message.ident, seen);
            let is_new = std::mem::replace(&mut message.drawn, ident) != ident;
            let aim = Aim {
                service,
                step: &message.step,
                ident,
                about: &[message.owner],
            };
            // Sooner or later every message is seen.
            let may_miss = is_new && message.overlooked < OVERLOOKED;
            let misses = may_miss && inner.faults.strikes(Fault::ShortPoll, aim);
            // Nothing passes what comes before it in its group.
            let group = message.place.as_ref().map(|it| it.group.clone());
            let misses = misses || group.as_ref().is_some_and(|it| passed_over.contains(it));
            if misses {
                passed_over.extend(group);
                message.overlooked += 1;
                overlooked.push_back(*id);
            }
            !misses
        });
    }

    /// Receives one message and hides it.
    pub(crate) fn receive(&mut self, queue: usize) -> Option<u64> {
        let definitions = self.definitions.clone();
        let it = &definitions.queues[queue];
        loop {
            let state = &mut self.queues[queue];
            let id = match is_fifo(&it.name) {
                true => state.next_in_order()?,
                false => state.visible.pop_front()?,
            };
            let Some(message) = state.messages.get_mut(&id) else {
                continue;
            };
            if self.now - message.sent > it.retention {
                if let Some(message) = state.messages.remove(&id) {
                    state.free(message.place.as_ref());
                    self.lose(&it.name, message.owner, "its retention period was over");
                }
                continue;
            }
            if let Some((dead, most)) = it.redrive
                && message.receives >= most
                && !definitions.queues[dead].gone
            {
                if let Some(message) = state.messages.remove(&id) {
                    state.free(message.place.as_ref());
                    self.bury(
                        dead,
                        Message {
                            home: Some(queue),
                            ..message
                        },
                    );
                }
                continue;
            }
            message.receives += 1;
            message.overlooked = 0;
            message.in_flight = true;
            message.first_received.get_or_insert(self.now);
            message.stamp += 1;
            let (stamp, owner, receives) = (message.stamp, message.owner, message.receives);
            {
                let mut inner = self.host.lock();
                let meter = inner.meters.of(owner);
                meter.request(is_fifo(&it.name));
                meter.retries += u64::from(receives > 1);
            }
            self.after(it.visibility, Action::Show(queue, id, stamp));
            return Some(id);
        }
    }

    pub(crate) fn subject(&self, owner: Owner) -> String {
        self.host.lock().meters.subject(owner).to_string()
    }

    /// The service that a queue feeds.
    pub(crate) fn service_of(&self, queue: usize) -> Arc<str> {
        let function = self.feeds[queue].map(|mapping| self.definitions.mappings[mapping].function);
        function
            .map(|function| self.services[function].clone())
            .unwrap_or_default()
    }
}
