//! What the commands need of a world that the system runs in.

pub mod bus;
pub mod express;
pub mod operate;
pub mod replay;

use std::future::Future;
use std::time::Duration;

use duet_core::outcome::{PATIENCE_SPENT, TRANSIENT};
use duet_core::store::{Browse, Listing, Store};
use duet_core::{CommandMessage, Timestamp};
use duet_lab::Used;
use serde::Serialize;
use serde_json::Value;

use crate::shop::parameters::Fraud;
use crate::shop::services::{Subject, TableOf};
use crate::shop::variant::{self, Description, Variant};
use crate::terminal::exit::{Outcome, Problem};

/// What became of something submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// Taken.
    Accepted,
    /// It was submitted before, with the same content.
    Already,
    /// Its id was submitted before, with other content.
    Clashes,
}

/// How long an answer is waited for: longer than the five minutes that an execution has
/// which gives one (Step Functions quotas).
pub const ANSWERED_WITHIN: Duration = Duration::from_secs(330);

/// What somebody who submitted and waited was told, where the entry answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// How the execution ended: `SUCCEEDED`, `FAILED` or `TIMED_OUT`.
    pub status: String,
    /// What it gave; an object with `order`, and `decision` unless another execution
    /// drives the order.
    pub output: Option<Value>,
    /// The error it failed with.
    pub error: Option<String>,
}

impl Answer {
    /// What was decided: `Confirmed`, `Rejected` or `UnderReview`; `None` where the
    /// execution failed, or another one drives the order.
    #[must_use]
    pub fn decision(&self) -> Option<&str> {
        self.output.as_ref()?["decision"].as_str()
    }
}

/// Something that could not be delivered or processed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeadLetter {
    /// Where it lies: a queue's name, or the state machine's.
    pub place: String,
    /// Its id there.
    pub id: String,
    /// Why it died, where that is known.
    pub cause: Option<String>,
    /// Its text; an execution has none. May be personal data: not for printing.
    #[serde(skip)]
    pub body: String,
}

impl DeadLetter {
    /// Where it lies and why, in one line.
    #[must_use]
    pub fn told(&self) -> String {
        let cause = self.cause.as_deref().unwrap_or("it is not known why");
        format!("{cause}, in {}", self.place)
    }
}

/// How one execution went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Execution {
    /// Its name: the order's or customer's id, and a number behind it for a
    /// further one.
    pub name: String,
    /// Its machine's name.
    pub machine: String,
    /// Its ARN.
    pub arn: String,
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The error it failed with.
    pub error: Option<String>,
    /// The states it entered, in order.
    pub states: Vec<String>,
}

impl Execution {
    /// Whether it has not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.status == "RUNNING"
    }
}

/// Something that happened in an execution: no data, names only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEvent {
    /// Its number, from 1.
    pub id: u64,
    /// The number of the event it follows; 0 for none.
    pub previous: u64,
    /// When.
    pub at: Timestamp,
    /// Its type, as AWS names it, such as `TaskStateEntered`.
    pub kind: String,
    /// The state it names, if it names one.
    pub state: Option<String>,
    /// The command that a task asks for.
    pub command: Option<String>,
    /// The name of the error it tells of.
    pub error: Option<String>,
}

impl HistoryEvent {
    /// The command in the arguments of a task. They hold data, too: nothing
    /// else is taken from them.
    pub(crate) fn command_in(arguments: &str) -> Option<String> {
        let arguments: Value = serde_json::from_str(arguments).ok()?;
        let of = |value: &Value| value["command"].as_str().map(str::to_owned);
        of(&arguments["Payload"]).or_else(|| of(&arguments))
    }
}

/// What became of a command from outside the flow.
#[derive(Debug, Clone, PartialEq)]
pub enum Commanded {
    /// It is on its way; what comes of it is told by the tables.
    Sent,
    /// It was done.
    Done,
    /// It was declined, or failed: the error's name and its text.
    Refused {
        /// `Transient`, `InvalidCommand`, or a refusal's name.
        name: String,
        /// A word more.
        text: String,
    },
}

impl Commanded {
    /// Whether asking again may help: it failed as functions and networks do, and
    /// not because the service has a reason. Names with a dot are AWS's, such as
    /// `Sandbox.Timedout`; `Unhandled` is what it calls an error without a name.
    #[must_use]
    pub fn may_be_asked_again(&self) -> bool {
        const PASSING: [&str; 3] = [TRANSIENT, PATIENCE_SPENT, "Unhandled"];
        match self {
            Self::Refused { name, .. } => name.contains('.') || PASSING.contains(&name.as_str()),
            Self::Sent | Self::Done => false,
        }
    }
}

/// What is deployed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Deployment {
    /// The variants.
    pub variants: Vec<&'static str>,
    /// How far fraud detection is turned on.
    pub fraud: Fraud,
    /// Whether new orders and customers wait for the fraud service's word.
    pub with_fraud: bool,
    /// How long a failing step is tried before its service gives up, in seconds.
    pub patience_seconds: u32,
}

/// A place where the system runs.
pub trait World: Clone + Send + Sync + 'static {
    /// A table there.
    type Table: Store + Browse + Listing;

    /// What is deployed there now.
    fn deployment(&self) -> Deployment;

    /// The variants that are deployed there now, as the stack describes them.
    fn described(&self) -> Vec<&'static Description>;

    /// The name of the shop's bus, where a variant is deployed that has one.
    fn bus(&self) -> Option<&'static str> {
        let mut all = self.described().into_iter().filter_map(Description::facts);
        all.find_map(|facts| facts.bus.as_deref())
    }

    /// The ARNs of the shop's topics, where a variant is deployed that has some.
    fn topics(&self) -> Vec<&'static str> {
        let all = self.described().into_iter().filter_map(Description::facts);
        let topics = all.flat_map(|facts| &facts.topics);
        topics.map(String::as_str).collect()
    }

    /// How long a step of `variant` is tried before it is given up, in seconds.
    fn patience(&self, variant: &Variant) -> u32 {
        let own = self.deployed(variant).and_then(Description::patience);
        own.unwrap_or_else(|| self.deployment().patience_seconds)
    }

    /// How the stack describes `variant`, if it is deployed.
    fn deployed(&self, variant: &Variant) -> Option<&'static Description> {
        let mut all = self.described().into_iter();
        all.find(|one| one.variant.name == variant.name)
    }

    /// How the stack describes `variant`.
    ///
    /// # Errors
    /// [`Problem`] when it is not deployed.
    fn description(&self, variant: &Variant) -> Outcome<&'static Description> {
        self.deployed(variant)
            .ok_or_else(|| Problem::usage(format!("variant {} is not deployed", variant.name)))
    }

    /// The variants of these names, or all that are deployed.
    ///
    /// # Errors
    /// [`Problem`] when one is not deployed, or none is at all.
    fn variants(&self, names: &[String]) -> Outcome<Vec<&'static Variant>> {
        let all: Vec<_> = self.described().iter().map(|one| &one.variant).collect();
        if all.is_empty() {
            return Err(Problem::environment("no variant is deployed")
                .hint("deploy with WithOrchestration=true or WithChoreography=true"));
        }
        if names.is_empty() {
            return Ok(all);
        }
        let found = names.iter().map(|name| {
            let one = all.iter().copied().find(|one| one.name == name);
            let there: Vec<_> = all.iter().map(|one| one.name).collect();
            one.ok_or_else(|| {
                let there = there.join(" and ");
                Problem::usage(format!("variant {name} is not deployed; there is {there}"))
            })
        });
        found.collect()
    }

    /// The variant called `name`, under which something ran: one that is
    /// deployed, or was.
    ///
    /// # Errors
    /// [`Problem`] when nobody knows it.
    fn variant(&self, name: &str) -> Outcome<&'static Variant> {
        let mut all = self.described().into_iter().map(|one| &one.variant);
        let deployed = all.find(|one| one.name == name);
        deployed.map_or_else(|| variant::named(name).map_err(Problem::environment), Ok)
    }

    /// The table of a service or third party.
    fn table(&self, of: TableOf) -> &Self::Table;

    /// Now, by the clock of that world.
    fn now(&self) -> Timestamp;

    /// Whether that clock is virtual: then waiting costs nothing.
    fn is_virtual(&self) -> bool {
        false
    }

    /// Submits a command about `subject` where `variant` takes such commands.
    fn submit(
        &self,
        variant: &'static Variant,
        subject: Subject,
        message: &CommandMessage,
    ) -> impl Future<Output = Outcome<Submitted>> + Send;

    /// Submits as [`Self::submit`] does and, where the entry answers, waits for what it
    /// says. There may be none even so: then the order has to be asked.
    fn ask(
        &self,
        variant: &'static Variant,
        subject: Subject,
        message: &CommandMessage,
    ) -> impl Future<Output = Outcome<(Submitted, Option<Answer>)>> + Send;

    /// Submits something nobody can parse, with `marker` in it.
    fn submit_poison(
        &self,
        variant: &'static Variant,
        marker: &str,
    ) -> impl Future<Output = Outcome<()>> + Send;

    /// What lies dead under `variant` and has `marker` in its text or id.
    fn dead_letters(
        &self,
        variant: &'static Variant,
        marker: &str,
    ) -> impl Future<Output = Outcome<Vec<DeadLetter>>> + Send;

    /// Every execution about `id`, where a workflow drives it: on each machine,
    /// the first and the further ones. Where the engine keeps none, those that a log
    /// group tells of.
    fn executions(
        &self,
        variant: &'static Variant,
        subject: Subject,
        id: &str,
    ) -> impl Future<Output = Outcome<Vec<Execution>>> + Send;

    /// The execution that drives `id`, where a workflow does: of several the
    /// one that runs, or did most.
    fn execution(
        &self,
        variant: &'static Variant,
        subject: Subject,
        id: &str,
    ) -> impl Future<Output = Outcome<Option<Execution>>> + Send {
        async move {
            let all = self.executions(variant, subject, id).await?;
            let most = |one: &Execution| (one.is_running(), one.states.len());
            Ok(all.into_iter().max_by_key(most))
        }
    }

    /// What happened in the execution that drives `id`, in order; nothing where
    /// no workflow does. Where the engine keeps none, in all that a log group tells of.
    fn history(
        &self,
        variant: &'static Variant,
        subject: Subject,
        id: &str,
    ) -> impl Future<Output = Outcome<Vec<HistoryEvent>>> + Send;

    /// How many seconds a person has to decide a review, if the stack says so.
    fn review_seconds(&self) -> Option<u32>;

    /// Brings a person's or an operator's `message` to `service`, by the door
    /// it has under `variant`.
    fn command(
        &self,
        variant: &'static Variant,
        service: TableOf,
        message: &CommandMessage,
    ) -> impl Future<Output = Outcome<Commanded>> + Send;

    /// What the functions logged since `since` that names `about`, one JSON
    /// document a line, in no particular order.
    fn logs(
        &self,
        about: &str,
        since: Timestamp,
    ) -> impl Future<Output = Outcome<Vec<String>>> + Send;

    /// What each order and customer has used so far; `None` where nobody counts.
    fn used(&self) -> Option<Vec<Used>> {
        None
    }

    /// Lets `millis` of that world's time pass.
    fn pause(&self, millis: u64) -> impl Future<Output = ()> + Send;
}
