//! The port to whatever carries facts, timers and late answers.

use std::collections::BTreeMap;
use std::future::Future;

use duet_core::{CommandMessage, Event, Failure, Reply, Timestamp};
use serde::Deserialize;

/// Carries what a service said to where it belongs.
pub trait Wires: Clone + Send + Sync + 'static {
    /// How the facts of `variant` travel; `None` for a variant nobody deployed.
    fn carrier(&self, variant: &str) -> Option<&Carrier>;

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

    /// Puts a message that nobody will ever handle, with its text `body`, on the
    /// dead-letter queue of `queue` (its ARN), with `why` as attribute
    /// [`REASON`] and `queue` as attribute [`QUEUE`].
    ///
    /// # Errors
    /// [`Failure::Transient`] when it was not taken.
    fn bury(
        &self,
        queue: &str,
        body: &str,
        why: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Answers somebody who was told to wait. An address that was answered
    /// before, or that nobody waits at any more, counts as answered.
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

/// How the facts of a variant travel, and how patient its messages are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Carrier {
    /// Not at all: a workflow drives the variant.
    None {
        /// Seconds of patience ([`duet_core::patience`]).
        patience: u32,
    },
    /// As entries on an EventBridge bus.
    Eventbridge {
        /// The bus's name.
        bus: String,
        /// Seconds of patience.
        patience: u32,
    },
}

impl Carrier {
    /// How long a message of the variant is tried before its service gives up,
    /// in seconds.
    #[must_use]
    pub fn patience(&self) -> u32 {
        match self {
            Self::None { patience } | Self::Eventbridge { patience, .. } => *patience,
        }
    }
}

/// The carriers of every variant, by the variant's name.
pub type Carriers = BTreeMap<String, Carrier>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carrier_nobody_knows_is_refused_at_start() {
        let read = serde_json::from_str::<Carriers>;
        let known = r#"{"a":{"kind":"none","patience":60},"b":{"kind":"eventbridge","bus":"x","patience":60}}"#;
        assert_eq!(read(known).unwrap().len(), 2);
        for unknown in [
            r#"{"a":{"kind":"pigeon","patience":60}}"#,
            r#"{"a":{"kind":"eventbridge","patience":60}}"#,
            r#"{"a":{"kind":"none"}}"#,
            r#"{"a":{}}"#,
            r#"{"a":null}"#,
        ] {
            assert!(read(unknown).is_err(), "{unknown}");
        }
    }
}
