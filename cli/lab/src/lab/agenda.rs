//! What is to happen, and when: the one order of a world.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Range;

use duet_asl::{Millis, Status, TaskError, TaskId};
use serde_json::value::RawValue;

use crate::ask::Asked;
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
    /// A workflow calls a service.
    Ask(Box<Asked>),
    /// An execution is due.
    Wake(usize, Millis),
    /// An execution is stopped from outside, or its time is over.
    CutShort(usize, Fault),
    /// The end of an execution is told.
    TellEnd(usize, Status, Box<RawValue>),
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

/// So many milliseconds are a page.
const PAGE: Millis = 1_000;

/// What is due, by time. Most of what is far off is the end of a visibility
/// timeout that will mean nothing when it comes: it waits on the page of its time,
/// in no order, until that is opened. So a world in which much is far off is as
/// fast as one in which little is.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// What is on the page that is open, or should have been on one before.
    open: BinaryHeap<Reverse<Due>>,
    /// The number of the page that is open.
    page: Millis,
    /// The pages after that, by number. None is empty.
    later: BTreeMap<Millis, Vec<Reverse<Due>>>,
}

impl Agenda {
    pub(super) fn push(&mut self, due: Due) {
        let page = due.at.div_euclid(PAGE);
        match page <= self.page {
            true => self.open.push(Reverse(due)),
            false => self.later.entry(page).or_default().push(Reverse(due)),
        }
    }

    /// The open page, with what is next on it; the next page is opened if nothing
    /// is left on this one.
    fn opened(&mut self) -> &mut BinaryHeap<Reverse<Due>> {
        if self.open.is_empty()
            && let Some((page, due)) = self.later.pop_first()
        {
            self.page = page;
            self.open.extend(due);
        }
        &mut self.open
    }

    /// When the next thing is due.
    pub(super) fn next(&mut self) -> Option<Millis> {
        self.opened().peek().map(|Reverse(due)| due.at)
    }

    pub(super) fn pop(&mut self) -> Option<Due> {
        self.opened().pop().map(|Reverse(due)| due)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.later.is_empty()
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
            Self::Ask(it) => mix(mix(15, it.run as u64), it.task.0),
            Self::Wake(run, at) => mix(mix(5, *run as u64), *at as u64),
            Self::Poll(mapping) => mix(6, *mapping as u64),
            Self::Show(queue, message, _) => mix(mix(7, *queue as u64), *message),
            Self::Enqueue(queue, message) => mix(mix(8, *queue as u64), message.ident),
            Self::Deliver(delivery) => mix(mix(9, delivery.rule as u64), delivery.ident),
            Self::CutShort(run, kind) => mix(mix(10, *run as u64), *kind as u64),
            Self::TellEnd(run, ..) => mix(11, *run as u64),
            Self::Switch(update, steps) => mix(mix(12, *update as u64), steps.start as u64),
            Self::Notify(it) => mix(mix(14, it.subscription as u64), it.ident),
            Self::Invoke(name) => mix(13, digest(&name.1)),
        }
    }
}
