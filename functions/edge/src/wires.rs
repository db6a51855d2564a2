//! The port to whatever carries facts, timers and late answers.

use std::collections::BTreeMap;
use std::future::Future;

use duet_core::{CommandMessage, Event, Failure, Reply, Service, Timestamp};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::intake::Delivery;

/// Carries what a service said to where it belongs.
pub trait Wires: Clone + Send + Sync + 'static {
    /// How the messages of `variant` are treated; `None` for a variant nobody
    /// deployed.
    fn rendering(&self, variant: &str) -> Option<&Rendering>;

    /// The service's own queue, by its ARN, to which its timers come; `None`
    /// where it sets none.
    fn timers(&self) -> Option<&str>;

    /// Publishes `events` over `carrier`; all of them or an error.
    ///
    /// # Errors
    /// When any of them was not taken. The others may have been: publishing all
    /// of them again does no harm, for each has an id of its own.
    fn publish(
        &self,
        carrier: &Carrier,
        events: &[Event],
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Puts `message` on `queue` (its ARN), to be delivered in `seconds`, at
    /// most [`timers::MAX_DELAY_SECONDS`](crate::timers::MAX_DELAY_SECONDS).
    ///
    /// # Errors
    /// When it was not taken.
    fn send_later(
        &self,
        queue: &str,
        message: &CommandMessage,
        seconds: u32,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Whether there is a scheduler, for what is far off.
    fn has_scheduler(&self) -> bool;

    /// Has the scheduler put `message` on `queue` (its ARN) when it is `due`, by
    /// a schedule called `name`. If there is one of that name, it is this one.
    ///
    /// # Errors
    /// When it was not taken.
    fn schedule(
        &self,
        name: &str,
        queue: &str,
        message: &CommandMessage,
        due: Timestamp,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Takes back the schedule called `name`, if there is one.
    ///
    /// # Errors
    /// When it may still be there.
    fn call_off(&self, name: &str) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Puts a message that nobody will ever handle, in its words, on the dead-letter
    /// queue of the one it came from, with `why` as attribute [`REASON`] and the
    /// queue's ARN as attribute [`QUEUE`]. What came in order keeps its group there.
    ///
    /// # Errors
    /// [`Failure::Transient`] when it was not taken.
    fn bury(
        &self,
        delivery: &Delivery,
        why: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Answers somebody who was told to wait, where [`Door`](crate::door::Door) says. A token that
    /// was answered before, or that nobody waits at any more, counts as answered.
    ///
    /// # Errors
    /// When the answer was not taken.
    fn answer(&self, reply: &Reply) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// The attribute of a buried message that says why it is one.
pub const REASON: &str = "duet.reason";

/// The attribute of a buried message that names the queue it was on, by its ARN.
/// (SQS says so itself of what it moves, and of nothing else.)
pub const QUEUE: &str = "duet.queue";

/// How the edge treats the messages of a variant: its entry of `DUET_CARRIERS`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rendering {
    /// How its facts travel.
    pub facts: Carrier,
    /// Whether a workflow calls the services' tasks and gets the replies.
    pub tasks: bool,
    /// Whose clock runs.
    pub clock: ClockOf,
    /// Seconds of patience ([`duet_core::patience`]): how long a message is tried
    /// before its service gives up.
    pub patience: u32,
}

/// How facts travel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Carrier {
    /// Not at all: a workflow tells everyone what is next.
    None {},
    /// As entries on an EventBridge bus.
    Eventbridge {
        /// The bus's name.
        bus: String,
    },
    /// As messages of SNS topics, one for each service.
    Sns {
        /// What the topics' ARNs begin with: the name of the service follows.
        topics: String,
    },
    /// As messages of one FIFO topic of SNS, in order within their [`group`].
    SnsFifo {
        /// The topic's ARN.
        topic: String,
    },
}

impl Carrier {
    /// Whether a fact that nobody asked for may come all the same, for a while: a
    /// new filter policy of SNS holds within 15 minutes (SNS developer guide,
    /// "Applying a subscription filter policy").
    #[must_use]
    pub fn filters_late(&self) -> bool {
        match self {
            Self::None {} | Self::Eventbridge { .. } => false,
            Self::Sns { .. } | Self::SnsFifo { .. } => true,
        }
    }

    /// The ARN of the topic that the service that says its facts as `source` says them
    /// to; none where facts travel on no topic.
    #[must_use]
    pub fn topic(&self, source: &str) -> Option<String> {
        match self {
            Self::None {} | Self::Eventbridge { .. } => None,
            Self::Sns { topics } => Some(topic(topics, source)),
            Self::SnsFifo { topic } => Some(topic.clone()),
        }
    }
}

/// The group of a fact on a FIFO topic: what it is about, an order or a customer. Of
/// one order or customer, every consumer gets the facts in the order in which they
/// were said.
#[must_use]
pub fn group(event: &Event) -> &str {
    &event.metadata.subject
}

/// What a FIFO topic or queue knows a fact by, so that it takes it once within five
/// minutes: its id, or the digest of it where the id is longer than AWS takes (128
/// characters; API_Publish, MessageDeduplicationId).
#[must_use]
pub fn deduplication(id: &str) -> String {
    let fits = id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_graphic());
    match fits {
        true => id.to_owned(),
        false => hex(&Sha256::digest(id)),
    }
}

/// What a FIFO queue of dead letters knows a buried message by: each try that ends so is
/// another letter.
#[must_use]
pub fn burial(delivery: &Delivery) -> String {
    deduplication(&format!("{}/{}", delivery.id, delivery.attempt.number()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The topic of the service that says its facts as `source` (`duet.order`), where
/// the ARNs of topics begin with `topics`.
#[must_use]
pub fn topic(topics: &str, source: &str) -> String {
    let service = source.strip_prefix("duet.").unwrap_or(source);
    format!("{topics}{service}")
}

/// The attributes of a message on a topic, which filter policies see: the fact's
/// name, and the variant.
#[must_use]
pub fn attributes(event: &Event) -> [(&'static str, &str); 2] {
    let metadata = &event.metadata;
    [
        ("detail-type", &metadata.kind),
        ("variant", &metadata.variant),
    ]
}

/// Whose clock runs for a variant's orders. A service that owns its clock
/// ([`Service::OWNS_CLOCK`]) has it in every variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockOf {
    /// The workflow's: timers of services are dropped.
    Workflow,
    /// The services' own.
    Service,
}

impl Rendering {
    /// Whether the timers of `S` are set.
    #[must_use]
    pub fn sets_timers<S: Service>(&self) -> bool {
        S::OWNS_CLOCK || self.clock == ClockOf::Service
    }
}

/// How the messages of every variant are treated, by the variant's name.
pub type Renderings = BTreeMap<String, Rendering>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carrier_nobody_knows_is_refused_at_start() {
        let read = |text: &str| serde_json::from_str::<Renderings>(text);
        let of = |facts: &str, clock: &str| {
            format!(r#"{{"a":{{"facts":{facts},"tasks":true,"clock":"{clock}","patience":60}}}}"#)
        };
        let bus = r#"{"kind":"eventbridge","bus":"x"}"#;
        let known = read(&of(bus, "service")).unwrap();
        assert_eq!(known["a"].facts, Carrier::Eventbridge { bus: "x".into() });
        assert_eq!(known["a"].clock, ClockOf::Service);
        let topics = r#"{"kind":"sns","topics":"arn:x:facts-"}"#;
        let known = read(&of(topics, "service")).unwrap();
        let Carrier::Sns { topics } = &known["a"].facts else {
            panic!("{known:?}");
        };
        assert_eq!(topic(topics, "duet.order"), "arn:x:facts-order");
        let fifo = r#"{"kind":"sns_fifo","topic":"arn:x:facts.fifo"}"#;
        let known = read(&of(fifo, "service")).unwrap();
        let facts = &known["a"].facts;
        assert_eq!(facts.topic("duet.order"), Some("arn:x:facts.fifo".into()));
        assert!(facts.filters_late());
        let none = r#"{"kind":"none"}"#;
        assert_eq!(
            read(&of(none, "workflow")).unwrap()["a"].facts,
            Carrier::None {}
        );
        for unknown in [
            &*of(r#"{"kind":"pigeon"}"#, "workflow"),
            &of(r#"{"kind":"eventbridge"}"#, "service"),
            &of(none, "nobody"),
            &of(none, "workflow").replace("\"tasks\":true,", ""),
            &of(none, "workflow").replace("60", "60,\"more\":1"),
            r#"{"a":{}}"#,
            r#"{"a":null}"#,
        ] {
            assert!(read(unknown).is_err(), "{unknown}");
        }
    }

    #[test]
    fn a_long_id_is_known_by_its_digest() {
        assert_eq!(
            deduplication("order/o-1/PlaceOrder/NewOrder"),
            "order/o-1/PlaceOrder/NewOrder"
        );
        let long = "x".repeat(129);
        assert_eq!(deduplication(&long).len(), 64);
        assert_ne!(deduplication(&long), deduplication(&"x".repeat(130)));
        assert_eq!(deduplication("a b").len(), 64);
    }
}
