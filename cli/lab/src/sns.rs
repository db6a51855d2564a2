//! Topics, subscriptions and their filter policies.
//!
//! At least once and in no order. A filter sees what a message has as attributes,
//! and not what it says. What a queue does not take for the moment is tried again
//! for 23 days; what SNS may not send, or where there is no queue, it does not try
//! again: that goes to the subscription's dead-letter queue, or is lost (SNS
//! developer guide, "Message delivery retries", "Dead-letter queues").

use std::sync::Arc;

use duet_asl::Millis;
use duet_edge::intake::sqs::REPLAYED;
use serde_json::{Value, json};

use crate::definitions::{Subscription, is_like};
use crate::fault::{Aim, Fault};
use crate::fifo::Place;
use crate::host::Entry;
use crate::lab::{Action, Heard, Lab};
use crate::latency::{Span, UNAVAILABLE, UNAVAILABLE_LONG_ENOUGH};
use crate::meter::Owner;
use crate::profile::{Hop, WaitsFor};
use crate::random::{mix, uuid};
use crate::sqs::{Attributes, Message, Sending};

/// How long until a new or changed filter policy holds (SNS developer guide,
/// "Message filtering": up to 15 minutes), in milliseconds.
pub(crate) const FILTER_LAG: Span = (0, 900_000);

/// The wait before the try after `tries` that failed, and `None` when they are
/// over: three at once, two a second apart, ten from one to twenty seconds,
/// 100,000 twenty seconds apart (SNS developer guide, "Message delivery retries",
/// for endpoints that AWS manages; jitter comes on top).
fn wait(tries: u32) -> Option<Millis> {
    match tries {
        1..=3 => Some(0),
        4..=5 => Some(1_000),
        // Twenty times as long after nine steps of the same factor.
        6..=15 => Some((1_000.0 * 20_f64.powf(f64::from(tries - 6) / 9.0)) as Millis),
        16..=100_015 => Some(20_000),
        _ => None,
    }
}

/// What is published.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) body: Arc<str>,
    pub(crate) subject: Option<String>,
    /// Message attributes: name, type and value.
    pub(crate) attributes: Vec<(String, String, String)>,
    /// Its place among what a FIFO topic keeps in order; none of a standard topic.
    pub(crate) place: Option<Place>,
}

/// A message for one subscription, under way.
#[derive(Debug, Clone)]
pub(crate) struct Notification {
    pub(crate) subscription: usize,
    pub(crate) ident: u64,
    message: Arc<Published>,
    /// Its place, and that of whoever waits behind it.
    pub(crate) place: Option<Place>,
    owner: Owner,
    /// How often it was tried.
    tries: u32,
    /// Until when its queue does not take it.
    blocked: Millis,
}

impl Subscription {
    /// Whether it takes the messages with these attributes at `now`.
    fn lets_through(&self, attributes: &Value, now: Millis) -> bool {
        let filter = match now < self.holds_from {
            true => &self.before,
            false => &self.filter,
        };
        filter
            .as_ref()
            .is_none_or(|filter| filter.matches(attributes))
    }
}

impl Published {
    /// `message` as an archive says it again.
    pub(crate) fn again(message: &Self) -> Self {
        let mut attributes = message.attributes.clone();
        let mark = (REPLAYED.to_owned(), "String".to_owned(), "true".to_owned());
        attributes.push(mark);
        Self {
            body: message.body.clone(),
            subject: message.subject.clone(),
            attributes,
            // It is no turn of its group any more.
            place: message.place.clone().map(|place| Place {
                number: None,
                ..place
            }),
        }
    }

    /// Its attributes as a queue's message has them.
    fn carried(&self) -> Attributes {
        let all = self.attributes.iter();
        all.map(|(name, _, value)| (name.clone().into(), value.clone()))
            .collect()
    }
}

/// What a filter sees of `entry`, as the document that patterns match.
fn attributes(entry: &Entry, variant: &str) -> Value {
    json!({ "detail-type": entry.detail_type, "variant": variant })
}

impl Lab {
    /// PublishBatch, of entries that were not refused.
    pub(crate) fn publish(&mut self, topic: &str, entries: Vec<Entry>) {
        let definitions = self.definitions.clone();
        if !definitions.topics.iter().any(|known| known == topic) {
            for entry in entries {
                self.lose(topic, entry.owner, "there is no such topic");
            }
            return;
        }
        let to_it = definitions.subscriptions.iter().enumerate();
        let to_it: Vec<_> = to_it
            .filter(|(_, it)| it.topic == topic && !it.gone)
            .collect();
        for entry in entries {
            let variant = {
                let mut inner = self.host.lock();
                let meter = inner.meters.of(entry.owner);
                match entry.in_order {
                    None => meter.published += 1,
                    Some(_) => {
                        meter.fifo_published += 1;
                        meter.fifo_bytes += entry.detail.get().len() as u64;
                    }
                }
                inner.meters.variant(entry.owner).clone()
            };
            self.note(
                |lab| lab.subject(entry.owner),
                || format!("{} says {}", entry.source, entry.detail_type),
            );
            if self.config.events {
                let name = topic.rsplit(':').next().unwrap_or(topic);
                self.heard.push(Heard {
                    at: self.now(),
                    bus: name.to_owned(),
                    event: serde_json::from_str(entry.detail.get()).unwrap_or_default(),
                });
            }
            let place = match &entry.in_order {
                None => None,
                Some(it) => {
                    let (now, state) = (self.now, self.topics.entry(topic.to_owned()));
                    let state = state.or_default();
                    let number = state.number(&it.fact, now);
                    if state.window.take(&it.deduplication, number, now).is_err() {
                        let known = it.deduplication.clone();
                        self.note(
                            |lab| lab.subject(entry.owner),
                            || format!("the topic has {known} already"),
                        );
                        continue;
                    }
                    Some(Place {
                        group: it.group.clone(),
                        deduplication: it.deduplication.clone(),
                        number: Some(number),
                    })
                }
            };
            let message = Published {
                body: entry.detail.get().into(),
                subject: None,
                attributes: Vec::new(),
                place,
            };
            let message = Arc::new(message);
            let attributes = attributes(&entry, &variant);
            self.keep(topic, &message, &attributes, (entry.ident, entry.owner));
            self.fan_out(&to_it, &attributes, message, (entry.ident, entry.owner));
        }
    }

    /// Publish of one message, whose filters see `attributes`; `false` where there is no
    /// such topic.
    pub(crate) fn publish_one(
        &mut self,
        topic: &str,
        message: Published,
        attributes: &Value,
        (ident, owner): (u64, Owner),
    ) -> bool {
        let definitions = self.definitions.clone();
        if !definitions.topics.iter().any(|known| known == topic) {
            return false;
        }
        self.host.lock().meters.of(owner).published += 1;
        if let Some(place) = &message.place {
            let (now, state) = (self.now, self.topics.entry(topic.to_owned()));
            if state
                .or_default()
                .window
                .take(&place.deduplication, 0, now)
                .is_err()
            {
                return true;
            }
        }
        if self.config.events {
            let name = topic.rsplit(':').next().unwrap_or(topic);
            self.heard.push(Heard {
                at: self.now(),
                bus: name.to_owned(),
                event: serde_json::from_str(&message.body).unwrap_or_default(),
            });
        }
        let to_it = definitions.subscriptions.iter().enumerate();
        let to_it: Vec<_> = to_it
            .filter(|(_, it)| it.topic == topic && !it.gone)
            .collect();
        let message = Arc::new(message);
        self.keep(topic, &message, attributes, (ident, owner));
        self.fan_out(&to_it, attributes, message, (ident, owner));
        true
    }

    /// Sends a message on its way to each of the subscriptions `to_it` that takes it.
    pub(crate) fn fan_out(
        &mut self,
        to_it: &[(usize, &Subscription)],
        attributes: &Value,
        message: Arc<Published>,
        (ident, owner): (u64, Owner),
    ) {
        for (at, subscription) in to_it {
            if !subscription.lets_through(attributes, self.now) {
                continue;
            }
            let ident = mix(ident, mix(*at as u64, 0x5b5));
            let notification = Notification {
                subscription: *at,
                ident,
                message: message.clone(),
                place: message.place.clone(),
                owner,
                tries: 0,
                blocked: 0,
            };
            let hop = match message.place {
                Some(_) => Hop::FifoTopicToQueue,
                None => Hop::TopicToQueue,
            };
            let wait = self.time(hop, 0, ident);
            let until = self.now + wait;
            let mut inner = self.host.lock();
            inner.waits(owner, WaitsFor::Bus, self.now, until);
            drop(inner);
            self.line_up(notification, until);
        }
    }

    /// A subscription tries to deliver.
    pub(crate) fn notify(&mut self, mut notification: Notification) {
        let definitions = self.definitions.clone();
        let subscription = &definitions.subscriptions[notification.subscription];
        let owner = notification.owner;
        {
            let mut inner = self.host.lock();
            let meter = inner.meters.of(owner);
            match notification.place {
                None => meter.deliveries += 1,
                Some(_) => meter.fifo_deliveries += 1,
            }
        }
        let queue = subscription.queue;
        let queue = queue.filter(|at| !definitions.queues[*at].gone);
        let Some(queue) = queue else {
            return self.undelivered(notification, "its queue does not exist");
        };
        let sources = &definitions.queues[queue].sources;
        if !sources.iter().any(|it| is_like(it, &subscription.topic)) {
            return self.undelivered(notification, "the queue's policy does not let it send");
        }
        if notification.tries == 0 && self.refused(&mut notification, queue) {
            return self.undelivered(notification, "the queue refused it");
        }
        if self.now < notification.blocked && !self.host.lock().faults.quiet {
            return self.notify_again(notification);
        }
        let message = &notification.message;
        if notification.place.is_some() {
            let bytes = message.body.len() as u64;
            self.host.lock().meters.of(owner).fifo_delivered_bytes += bytes;
        }
        let (body, attributes) = match subscription.raw {
            true => (message.body.clone(), message.carried()),
            false => {
                let wrapped = self.wrapped(&subscription.topic, &notification);
                (wrapped, Attributes::new())
            }
        };
        self.send(
            queue,
            Sending {
                body,
                ident: notification.ident,
                owner,
                step: subscription.name.clone(),
                delay: None,
                attributes,
                place: notification.place.clone(),
            },
        );
        self.done_with(&notification);
    }

    /// Whether `queue` refuses it for good; decides, too, whether and until when the queue does
    /// not take it.
    fn refused(&mut self, notification: &mut Notification, queue: usize) -> bool {
        let aim = Aim {
            service: &self.service_of(queue),
            step: &self.definitions.subscriptions[notification.subscription].name,
            ident: notification.ident,
            about: &[notification.owner],
        };
        let in_order = notification.place.is_some();
        let mut inner = self.host.lock();
        let faults = &mut inner.faults;
        let refused = faults.strikes(Fault::Subscription, aim);
        let unavailable = faults.strikes(Fault::TargetUnavailable, aim)
            || in_order && faults.strikes(Fault::BlockedGroup, aim);
        if unavailable && !refused {
            // Mostly for a moment; now and then for longer.
            let span = match mix(notification.ident, 4) % 4 {
                0 => UNAVAILABLE_LONG_ENOUGH,
                _ => UNAVAILABLE,
            };
            notification.blocked = self.now + self.draw(span, mix(notification.ident, 5));
            faults.lasts(Fault::TargetUnavailable, notification.blocked);
        }
        refused
    }

    /// What its queue does not take is tried again, for 23 days.
    fn notify_again(&mut self, mut notification: Notification) {
        notification.tries += 1;
        let (owner, tries) = (notification.owner, notification.tries);
        let Some(wait) = wait(tries) else {
            return self.undelivered(notification, "the queue did not take it for 23 days");
        };
        self.host.lock().meters.of(owner).retries += 1;
        let drawn = mix(notification.ident, tries.into());
        let wait = self.draw((wait - wait / 10, wait + wait / 10), drawn);
        let subscription = &self.definitions.subscriptions[notification.subscription];
        let step = subscription.name.clone();
        self.note(
            |lab| lab.subject(owner),
            || format!("{step} is not taken, attempt {tries}"),
        );
        self.after(wait, Action::Notify(Box::new(notification)));
    }

    /// A message is delivered, or dead: whoever waits behind it may go.
    fn done_with(&mut self, notification: &Notification) {
        if let Some(place) = &notification.place {
            self.move_up(notification.subscription, &place.group);
        }
    }

    /// What a queue gets without raw delivery (SNS developer guide, "Amazon SNS and
    /// Amazon SQS message formats", of which this is the part that says something).
    fn wrapped(&self, topic: &str, notification: &Notification) -> Arc<str> {
        let message = &notification.message;
        let mut envelope = json!({
            "Type": "Notification",
            "MessageId": uuid(notification.ident),
            "TopicArn": topic,
            "Message": &*message.body,
            "Timestamp": self.now().to_string(),
        });
        if let Some(subject) = &message.subject {
            envelope["Subject"] = subject.as_str().into();
        }
        for (name, kind, value) in &message.attributes {
            envelope["MessageAttributes"][name] = json!({ "Type": kind, "Value": value });
        }
        envelope.to_string().into()
    }

    /// What a subscription cannot deliver goes to its dead-letter queue, as it was
    /// and without a word of why: raw delivery puts nothing around it.
    fn undelivered(&mut self, notification: Notification, why: &str) {
        let definitions = self.definitions.clone();
        let subscription = &definitions.subscriptions[notification.subscription];
        self.done_with(&notification);
        let dead = subscription.dead_letters;
        let Some(dead) = dead.filter(|at| !definitions.queues[*at].gone) else {
            return self.lose(&subscription.name, notification.owner, why);
        };
        let message = Message {
            attributes: notification.message.carried(),
            place: notification.place.clone(),
            ..Message::new(
                notification.message.body.clone(),
                mix(notification.ident, 0xdead),
                notification.owner,
                subscription.name.clone(),
                self.now,
            )
        };
        self.bury(dead, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_takes_nothing_is_tried_for_twenty_three_days() {
        let waits: Vec<Millis> = (1..).map_while(wait).collect();
        assert_eq!(waits.len(), 100_015);
        assert_eq!(waits[..6], [0, 0, 0, 1_000, 1_000, 1_000]);
        assert_eq!(waits[14], 20_000);
        let days = waits.iter().sum::<Millis>() / 86_400_000;
        assert_eq!(days, 23);
    }
}
