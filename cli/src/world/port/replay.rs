//! What a replay needs of a target: the bus's rules, its archive, its queues, and
//! an ear for notices.

use std::collections::BTreeMap;
use std::future::Future;

use duet_core::Timestamp;
use duet_pattern::{Pattern, TargetInput};
use serde_json::{Value, json};

use crate::shop::services::SERVICES;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;

/// A rule of the shop's bus, or a subscription to one of its topics.
#[derive(Debug, Clone)]
pub struct BusRule {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The name of the variant whose facts it is for.
    pub variant: &'static str,
    /// Whether its targets get a fact with nothing around it, as from a topic.
    pub bare: bool,
    /// What it listens for.
    pub pattern: Pattern,
    /// Whom it tells.
    pub targets: Vec<BusTarget>,
}

/// A target of a rule: a queue.
#[derive(Debug, Clone)]
pub struct BusTarget {
    /// Its ARN.
    pub arn: String,
    /// What it gets of an event.
    pub input: TargetInput,
}

/// A replay that the target does by itself.
#[derive(Debug, Clone)]
pub struct Replaying {
    /// Its name.
    pub name: String,
    /// How many events it takes, where the target tells.
    pub events: Option<u64>,
    /// The subscriptions that have a ReplayPolicy until it is over; a bus's has none.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "the lab needs none"))]
    pub(crate) subscriptions: Vec<String>,
    /// Until when it lasts, where that is known beforehand.
    pub(crate) until: Option<Timestamp>,
}

/// Counts the notices that are published.
#[derive(Debug, Default)]
pub struct Ear {
    /// The subscription's ARN and the queue's URL; nothing where the target counts by itself.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "the lab needs none"))]
    pub(crate) tap: Option<(String, String)>,
    pub(crate) heard: u64,
}

/// A target with a bus.
pub trait Replayable: World {
    /// The enabled rules of the shop's bus, without the taps of `duet events`, and the
    /// subscriptions to its topics.
    fn bus_rules(&self) -> impl Future<Output = Outcome<Vec<BusRule>>> + Send;

    /// The archive of what `variant` says: the bus's, or the FIFO topic itself; its ARN.
    /// `None` where there is none.
    fn archive(&self, variant: &str) -> Option<&'static str> {
        let mut described = self.described().into_iter();
        let mine = described.find(|it| it.variant.name == variant)?;
        mine.facts()?.archive.as_deref()
    }

    /// How many days `archive` keeps an event; `None` where it keeps them for ever.
    fn archive_days(&self, archive: &str) -> impl Future<Output = Outcome<Option<i64>>> + Send;

    /// Has `archive` say again what it heard from one time to another, past the rules or
    /// subscriptions with these ARNs.
    fn start_replay(
        &self,
        archive: &str,
        name: &str,
        window: (Timestamp, Timestamp),
        rules: &[String],
    ) -> impl Future<Output = Outcome<Replaying>> + Send;

    /// Whether a replay is over. One that failed is an error.
    fn is_replayed(&self, replay: &Replaying) -> impl Future<Output = Outcome<bool>> + Send;

    /// Puts messages on the queue with this ARN, in order as far as the queue
    /// keeps it. Gives what it refused: the message's place, and why.
    fn deliver(
        &self,
        queue: &str,
        bodies: &[String],
    ) -> impl Future<Output = Outcome<Vec<(usize, String)>>> + Send;

    /// How many messages these queues (ARNs) have to handle or in hand. Timers
    /// that lie there for later do not count.
    fn busy(&self, queues: &[String]) -> impl Future<Output = Outcome<u64>> + Send;

    /// Begins to count notices.
    fn listen(&self) -> impl Future<Output = Outcome<Ear>> + Send;

    /// How many notices about anything with `marker` in its name were published
    /// since the ear is there. Where the target counts by itself, all count.
    fn heard(&self, ear: &mut Ear, marker: &str) -> impl Future<Output = Outcome<u64>> + Send;

    /// Takes the ear away again.
    fn leave(&self, ear: Ear) -> impl Future<Output = Outcome<()>> + Send;
}

pub(crate) fn no_bus() -> Problem {
    Problem::usage("this stack has no bus and no topics, so there is nothing to replay")
        .hint("deploy with WithChoreography=true or WithTopics=true")
}

/// The event pattern that lets through what `policy`, of a subscription to `topic`,
/// lets through: a topic is of one service or of all, and an attribute is a member of the
/// event.
pub(crate) fn topic_pattern(topic: &str, policy: &Value) -> Value {
    let speaker = topic.rsplit('-').next();
    let mut pattern = match speaker.filter(|it| SERVICES.contains(it)) {
        Some(service) => json!({ "source": [format!("duet.{service}")] }),
        None => json!({ "source": [{ "prefix": "duet." }] }),
    };
    if let (Some(all), Some(own)) = (pattern.as_object_mut(), policy.as_object()) {
        all.extend(own.clone());
    }
    pattern
}

/// What a subscriber with raw delivery gets of an event: its detail.
pub(crate) fn bare_input() -> Outcome<TargetInput> {
    TargetInput::from_target(&json!({ "InputPath": "$.detail" })).map_err(Problem::environment)
}

/// The queues that `rules` tell, each once.
#[must_use]
pub fn queues_of<'a>(rules: impl IntoIterator<Item = &'a BusRule>) -> Vec<String> {
    let targets = rules.into_iter().flat_map(|rule| &rule.targets);
    let distinct: BTreeMap<&str, ()> = targets.map(|target| (target.arn.as_str(), ())).collect();
    distinct.into_keys().map(str::to_owned).collect()
}
