//! What the bus tools need of a target: its rules, a way in, and a way to hear.

use std::future::Future;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;

/// A deployed rule.
#[derive(Debug, Clone, Serialize)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// `ENABLED` or `DISABLED`.
    pub state: String,
    /// Its pattern.
    pub pattern: Value,
    /// The names of its targets.
    pub targets: Vec<String>,
    /// The fields its targets' transformers use, as paths.
    pub transformed: Vec<String>,
}

/// An event as people write it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Who says it.
    pub source: String,
    /// What kind of event it is.
    #[serde(rename = "detail-type")]
    pub kind: String,
    /// What there is to know.
    pub detail: Value,
}

/// A message on a topic as the event that a bus would have made of it.
pub(crate) fn as_event(message: &Value) -> Value {
    let metadata = &message["metadata"];
    json!({
        "source": metadata["source"],
        "detail-type": metadata["type"],
        "time": metadata["time"],
        "detail": message,
    })
}

/// Why there is nothing to hear.
pub(crate) fn no_carrier() -> Problem {
    Problem::usage("the stack has no bus and no topics").hint(
        "it has no choreography: `duet up --parameter WithChoreography=true`, or WithTopics=true, makes one that has",
    )
}

/// What to listen for.
#[derive(Debug, Clone, Copy)]
pub struct Listen<'a> {
    /// An event pattern that EventBridge takes.
    pub pattern: &'a str,
    /// For how many seconds.
    pub within: i64,
    /// Whether the first event is enough.
    pub first: bool,
}

/// A target whose bus can be looked at, spoken to and heard.
pub trait BusTools: World {
    /// The rules of the shop's bus.
    fn rules(&self) -> impl Future<Output = Outcome<Vec<Rule>>> + Send;

    /// The rules of the stack, on the shop's bus and on the account's own.
    fn all_rules(&self) -> impl Future<Output = Outcome<Vec<Rule>>> + Send;

    /// Puts an event on the shop's bus. Gives the id that the bus gave it.
    fn put_event(&self, event: &Event) -> impl Future<Output = Outcome<String>> + Send;

    /// Passes on the events that match, each once; whether any did.
    ///
    /// On a target that lives while nobody looks, these are the events from now
    /// on. In the lab nothing happens between commands: there they are the
    /// events of the last [`Listen::within`] seconds, and, when the first is
    /// enough and has not come, of as many seconds from now on.
    fn listen(
        &self,
        listen: Listen<'_>,
        heard: &mut (impl FnMut(&Value) -> Outcome<()> + Send),
    ) -> impl Future<Output = Outcome<bool>> + Send;
}
