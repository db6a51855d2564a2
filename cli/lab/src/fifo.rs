//! FIFO topics and queues: the order within a group, and what is sent twice.
//!
//! Of one group a queue gives nothing while a message of it is in flight, and a topic
//! sends a subscription nothing before what came earlier is delivered or dead. What is
//! sent twice within five minutes is taken once. Sources: SQS developer guide, "FIFO
//! queue delivery logic", "Exactly-once processing"; SNS developer guide, "Message
//! grouping for FIFO topics", "Message delivery for FIFO topics", "Message deduplication
//! for FIFO topics".

use std::collections::VecDeque;
use std::sync::Arc;

use duet_asl::Millis;
use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::lab::{Action, Lab};
use crate::meter::Owner;
use crate::random::{digest, mix};
use crate::sns::{Notification, Published};
use crate::sqs::QueueState;

/// For how long the same is taken once, in milliseconds.
pub(crate) const WINDOW: Millis = 300_000;

/// Whether the topic or queue with this name, ARN or URL is FIFO: such a name ends so, and
/// no other does (API_CreateQueue, API_CreateTopic).
pub(crate) fn is_fifo(name: &str) -> bool {
    name.ends_with(".fifo")
}

/// Where a message stands among those that are kept in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its group.
    pub(crate) group: Arc<str>,
    /// What it is known by.
    pub(crate) deduplication: Arc<str>,
    /// Which of its topic's messages it is; none of what was sent to a queue alone.
    pub(crate) number: Option<u64>,
}

/// What was sent in the last five minutes.
#[derive(Debug, Default)]
pub(crate) struct Window {
    seen: FxHashMap<Arc<str>, u64>,
    old: VecDeque<(Millis, Arc<str>)>,
}

impl Window {
    /// Takes what is known by `deduplication`, the message `number`, if it is new; the
    /// number of the one that it repeats, if not.
    pub(crate) fn take(
        &mut self,
        deduplication: &Arc<str>,
        number: u64,
        now: Millis,
    ) -> Result<(), u64> {
        while let Some((at, known)) = self.old.front()
            && at + WINDOW <= now
        {
            self.seen.remove(known);
            self.old.pop_front();
        }
        if let Some(known) = self.seen.get(deduplication) {
            return Err(*known);
        }
        self.seen.insert(deduplication.clone(), number);
        self.old.push_back((now, deduplication.clone()));
        Ok(())
    }
}

/// A FIFO topic's memory.
#[derive(Debug, Default)]
pub(crate) struct TopicState {
    pub(crate) window: Window,
    /// What was published under which fact, whatever it was known by.
    facts: Window,
    published: u64,
    /// What its archive has, where it has one, in the order of publication.
    archive: Vec<Kept>,
}

/// What a topic's archive has of one message.
#[derive(Debug, Clone)]
struct Kept {
    at: Millis,
    message: Arc<Published>,
    /// What filters see of it.
    attributes: Value,
    ident: u64,
    owner: Owner,
}

impl TopicState {
    /// The number of what is published now, which is `fact`: a fact that is said again
    /// within five minutes is the same.
    pub(crate) fn number(&mut self, fact: &Arc<str>, now: Millis) -> u64 {
        self.published += 1;
        match self.facts.take(fact, self.published, now) {
            Ok(()) => self.published,
            Err(known) => known,
        }
    }
}

/// What subscriptions to FIFO topics are still to deliver: by subscription and group, the
/// first of them under way, each with when it is due at the earliest.
#[derive(Debug, Default)]
pub(crate) struct Lines(FxHashMap<(usize, Arc<str>), Line>);

/// Those of one group that wait for one subscription.
type Line = VecDeque<(Notification, Millis)>;

impl Lab {
    /// Keeps what was published on `topic`, where that has an archive.
    pub(crate) fn keep(
        &mut self,
        topic: &str,
        message: &Arc<Published>,
        attributes: &Value,
        (ident, owner): (u64, Owner),
    ) {
        if !self.definitions.topic_archives.contains_key(topic) {
            return;
        }
        let at = self.now;
        let state = self.topics.entry(topic.to_owned()).or_default();
        state.archive.push(Kept {
            at,
            message: message.clone(),
            attributes: attributes.clone(),
            ident,
            owner,
        });
    }

    /// SetSubscriptionAttributes, ReplayPolicy: what the archive of `topic` has of `from`
    /// to `to` goes once more to each of `subscriptions` (by place; to all when empty),
    /// past its filter and in order, marked as replayed. What is said meanwhile waits
    /// behind it. Gives how many messages that are.
    ///
    /// What the queue has seen within five minutes it takes as the same, and drops: a
    /// replayed message keeps what it is known by.
    pub(crate) fn replay_topic(
        &mut self,
        topic: &str,
        name: &str,
        (from, to): (Millis, Millis),
        subscriptions: &[String],
    ) -> usize {
        let definitions = self.definitions.clone();
        let kept = definitions.topic_archives.get(topic).copied();
        let Some((retention, state)) = kept.zip(self.topics.get(topic)) else {
            return 0;
        };
        let is_kept = |it: &&Kept| (from..=to).contains(&it.at) && self.now - it.at <= retention;
        let messages: Vec<Kept> = state.archive.iter().filter(is_kept).cloned().collect();
        let to_it = definitions.subscriptions.iter().enumerate();
        let to_it: Vec<_> = to_it
            .filter(|(_, it)| it.topic == topic && !it.gone)
            .filter(|(_, it)| subscriptions.is_empty() || subscriptions.contains(&it.place))
            .collect();
        let count = messages.len();
        for it in messages {
            let again = Published::again(&it.message);
            let ident = mix(it.ident, digest(name));
            self.fan_out(&to_it, &it.attributes, Arc::new(again), (ident, it.owner));
        }
        count
    }

    /// A message of a group is to be delivered at `due`, behind all before it.
    pub(crate) fn line_up(&mut self, notification: Notification, due: Millis) {
        let Some(place) = notification.place.clone() else {
            return self.at(due, Action::Notify(Box::new(notification)));
        };
        let key = (notification.subscription, place.group);
        let line = self.lines.0.entry(key).or_default();
        line.push_back((notification, due));
        if let [(first, due)] = line.make_contiguous() {
            let first = Box::new(first.clone());
            let due = *due;
            self.at(due, Action::Notify(first));
        }
    }

    /// The first of its line is delivered, or dead: the next one may go.
    pub(crate) fn move_up(&mut self, subscription: usize, group: &Arc<str>) {
        let key = (subscription, group.clone());
        let Some(line) = self.lines.0.get_mut(&key) else {
            return;
        };
        line.pop_front();
        match line.front() {
            None => {
                self.lines.0.remove(&key);
            }
            Some((next, due)) => {
                let (next, due) = (Box::new(next.clone()), (*due).max(self.now));
                self.at(due, Action::Notify(next));
            }
        }
    }

    /// Notes that a message of `queue` was handled, and what it should have been handled
    /// after, if anything.
    pub(crate) fn in_turn(&mut self, queue: usize, place: Option<&Place>) {
        let Some(number) = place.and_then(|it| it.number) else {
            return;
        };
        let Some(place) = place else { return };
        let last = self.turns.entry((queue, place.group.clone())).or_default();
        if number < *last {
            let name = &self.definitions.queues[queue].name;
            let text = format!(
                "{name}: {} was handled after what was said later of {}",
                place.deduplication, place.group
            );
            self.disorder.push((place.group.to_string(), text));
        }
        *last = number.max(*last);
    }

    /// What was handled in another order than it was said in: of whom, and what. Dead
    /// letters that were sent back count for nothing.
    #[must_use]
    pub fn disorder(&self) -> &[(String, String)] {
        &self.disorder
    }
}

impl QueueState {
    /// The first visible message whose group is free, or in the hands of the receive
    /// under way; it is visible no more.
    pub(crate) fn next_in_order(&mut self) -> Option<u64> {
        let free = |id: &u64| {
            let place = self.messages.get(id).and_then(|it| it.place.as_ref());
            let held = place.and_then(|it| self.busy.get(&it.group));
            held.is_none_or(|(receive, _)| *receive == self.receive)
        };
        let at = self.visible.iter().position(free)?;
        let id = self.visible.remove(at)?;
        if let Some(place) = self.messages.get(&id).and_then(|it| it.place.as_ref()) {
            let busy = self.busy.entry(place.group.clone());
            busy.or_insert((self.receive, 0)).1 += 1;
        }
        Some(id)
    }

    /// A message of `place` that was in flight is not any more: its group is free, unless
    /// others of it are.
    pub(crate) fn free(&mut self, place: Option<&Place>) {
        if let Some(place) = place
            && let Some((_, many)) = self.busy.get_mut(&place.group)
        {
            *many = many.saturating_sub(1);
            if *many == 0 {
                self.busy.remove(&place.group);
            }
        }
    }

    /// Has the message `id` be seen where it stands: in order behind those before it.
    pub(crate) fn make_visible(&mut self, id: u64) {
        let in_order = self.messages.get(&id).is_some_and(|it| it.place.is_some());
        let at = match in_order {
            true => self.visible.partition_point(|known| *known < id),
            false => self.visible.len(),
        };
        self.visible.insert(at, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_taken_once_in_five_minutes() {
        let mut window = Window::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!(window.take(&a, 1, 0), Ok(()));
        assert_eq!(window.take(&a, 2, WINDOW - 1), Err(1));
        assert_eq!(window.take(&b, 3, WINDOW - 1), Ok(()));
        assert_eq!(window.take(&a, 4, WINDOW), Ok(()));
        assert_eq!(window.take(&b, 5, WINDOW), Err(3));
    }

    #[test]
    fn a_fact_that_is_said_again_keeps_its_number() {
        let mut topic = TopicState::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!([topic.number(&a, 0), topic.number(&b, 1)], [1, 2]);
        assert_eq!(topic.number(&a, 2), 1);
        assert!(topic.number(&a, WINDOW) > 2);
    }
}
