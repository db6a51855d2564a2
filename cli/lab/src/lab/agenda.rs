//! What is to happen, and when: the one order of a world.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use duet_asl::{Millis, TaskError, TaskId};
use serde_json::Value;

use crate::bus::Delivery;
use crate::fault::Fault;
use crate::random::{digest, mix};
use crate::scheduler::Name;
use crate::sns::Notification;
use crate::sqs::Message;

/// What happens next, to whom.
#[derive(Debug)]
pub(crate) enum Action {
    /// An invocation begins.
    Begin(u64),
    /// A part of an invocation goes on.
    Resume(u64, usize),
    /// An invocation has used up its time.
    Kill(u64),
    /// A call of a workflow failed before it reached its function.
    FailTask(usize, TaskId, Box<TaskError>),
    /// An execution is due.
    Wake(usize, Millis),
    /// An execution is stopped from outside, or its time is over.
    CutShort(usize, Fault),
    /// The end of an execution is told.
    TellEnd(usize, Box<Value>),
    /// A poller looks at a queue.
    Poll(usize),
    /// A hidden message may be seen again.
    Show(usize, u64, u32),
    /// A message reaches its queue.
    Enqueue(usize, Box<Message>),
    /// A rule tries to deliver.
    Deliver(Box<Delivery>),
    /// A subscription tries to deliver.
    Notify(Box<Notification>),
    /// A schedule is due, or done with.
    Invoke(Box<Name>),
    /// Steps of an update are taken.
    Switch(usize, Range<usize>),
}

#[derive(Debug)]
pub(super) struct Due {
    pub(super) at: Millis,
    /// Decides between things due at one moment: drawn, then counted.
    pub(super) tie: u64,
    pub(super) action: Action,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.tie) == (other.at, other.tie)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.tie).cmp(&(other.at, other.tie))
    }
}

/// What is within this many milliseconds is soon.
const SOON: Millis = 5_000;

/// What is due, by time. Most of what is far off is the end of a visibility
/// timeout that will mean nothing when it comes: kept apart, it does not make
/// what is soon slower to find.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    soon: BinaryHeap<Reverse<Due>>,
    far: BinaryHeap<Reverse<Due>>,
}

impl Agenda {
    pub(super) fn push(&mut self, now: Millis, due: Due) {
        let heap = match due.at - now <= SOON {
            true => &mut self.soon,
            false => &mut self.far,
        };
        heap.push(Reverse(due));
    }

    /// The heap on top of which the next thing lies. (They hold reversed
    /// things: what is greater comes first, and nothing is least of all.)
    fn nearest(&mut self) -> &mut BinaryHeap<Reverse<Due>> {
        match self.soon.peek() >= self.far.peek() {
            true => &mut self.soon,
            false => &mut self.far,
        }
    }

    /// When the next thing is due.
    pub(super) fn next(&mut self) -> Option<Millis> {
        self.nearest().peek().map(|Reverse(due)| due.at)
    }

    pub(super) fn pop(&mut self) -> Option<Due> {
        self.nearest().pop().map(|Reverse(due)| due)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.soon.is_empty() && self.far.is_empty()
    }
}

impl Action {
    /// What of an action goes into the trace.
    pub(super) fn print(&self) -> u64 {
        match self {
            Self::Begin(n) => mix(1, *n),
            Self::Resume(n, part) => mix(mix(2, *n), *part as u64),
            Self::Kill(n) => mix(3, *n),
            Self::FailTask(run, task, _) => mix(mix(4, *run as u64), task.0),
            Self::Wake(run, at) => mix(mix(5, *run as u64), *at as u64),
            Self::Poll(mapping) => mix(6, *mapping as u64),
            Self::Show(queue, message, _) => mix(mix(7, *queue as u64), *message),
            Self::Enqueue(queue, message) => mix(mix(8, *queue as u64), message.ident),
            Self::Deliver(delivery) => mix(mix(9, delivery.rule as u64), delivery.ident),
            Self::CutShort(run, kind) => mix(mix(10, *run as u64), *kind as u64),
            Self::TellEnd(run, _) => mix(11, *run as u64),
            Self::Switch(update, steps) => mix(mix(12, *update as u64), steps.start as u64),
            Self::Notify(it) => mix(mix(14, it.subscription as u64), it.ident),
            Self::Invoke(name) => mix(13, digest(&name.1)),
        }
    }
}
