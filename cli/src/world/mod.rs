//! A world the system runs in: what the commands need of it.
//!
//! Commands are written against [`World`] and know neither the emulator nor
//! AWS.

pub mod account;
pub mod aws;
pub mod bus;
pub mod lab;
pub(crate) mod logs;
pub mod operate;
pub mod replaying;
pub mod stacks;
mod tap;
mod unreachable;

use std::collections::BTreeMap;
use std::future::Future;

use duet_core::store::{Browse, Store};
use duet_core::{CommandMessage, Timestamp};
use duet_lab::Used;
use duet_order::domain::Order;
use serde::{Deserialize, Serialize};

use self::lab::simulate::Ending;
use crate::exit::{Outcome, Problem};
use crate::scenario::{Plan, Scenario};
use crate::variant::Variant;

/// The tables of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TableOf {
    /// The customer service.
    Customer,
    /// The order service.
    Order,
    /// The fraud service.
    Fraud,
    /// The inventory service.
    Inventory,
    /// The payment service.
    Payment,
    /// The delivery service.
    Delivery,
    /// The notification service.
    Notification,
    /// The journal: not a business service, so not among them.
    Journal,
    /// The payment provider's own ledger.
    Provider,
    /// The carrier's own ledger.
    Carrier,
}

impl TableOf {
    /// The business services' tables: one each.
    pub const SERVICES: [Self; 7] = [
        Self::Customer,
        Self::Order,
        Self::Fraud,
        Self::Inventory,
        Self::Payment,
        Self::Delivery,
        Self::Notification,
    ];

    /// Every table.
    pub const ALL: [Self; 10] = [
        Self::Customer,
        Self::Order,
        Self::Fraud,
        Self::Inventory,
        Self::Payment,
        Self::Delivery,
        Self::Notification,
        Self::Journal,
        Self::Provider,
        Self::Carrier,
    ];

    /// The stack output that names the table.
    #[must_use]
    pub fn output(self) -> &'static str {
        match self {
            Self::Customer => "CustomerTable",
            Self::Order => "OrderTable",
            Self::Fraud => "FraudTable",
            Self::Inventory => "InventoryTable",
            Self::Payment => "PaymentTable",
            Self::Delivery => "DeliveryTable",
            Self::Notification => "NotificationTable",
            Self::Journal => "JournalTable",
            Self::Provider => "ProviderLedger",
            Self::Carrier => "CarrierLedger",
        }
    }

    /// The stack outputs that name the functions of the service that owns the
    /// table; none for a third party's ledger.
    #[must_use]
    pub fn functions(self) -> Vec<String> {
        let service = self.output().strip_suffix("Table");
        let entries = ["TaskFunction", "QueueFunction"];
        let named = |service| entries.map(|entry| format!("{service}{entry}")).to_vec();
        service.map_or(Vec::new(), named)
    }

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Order => "order",
            Self::Fraud => "fraud",
            Self::Inventory => "inventory",
            Self::Payment => "payment",
            Self::Delivery => "delivery",
            Self::Notification => "notification",
            Self::Journal => "journal",
            Self::Provider => "payment provider",
            Self::Carrier => "carrier",
        }
    }
}

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

/// What may be submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// An order.
    Order,
    /// A registration.
    Customer,
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
    /// Its text. May be personal data: not for printing.
    #[serde(skip)]
    pub body: String,
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
        let arguments: serde_json::Value = serde_json::from_str(arguments).ok()?;
        let of = |value: &serde_json::Value| value["command"].as_str().map(str::to_owned);
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

/// How far fraud detection is turned on: the parameter `Fraud`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fraud {
    /// Nothing of it exists.
    #[default]
    Off,
    /// It is there and hears, and nobody waits for it.
    Listening,
    /// New orders and customers wait for its word.
    On,
}

impl Fraud {
    /// What a stack's outputs say: `Fraud`, or `WithFraud` of one from before
    /// there were three states.
    #[must_use]
    pub fn of(output: impl Fn(&str) -> Option<String>) -> Option<Self> {
        match output("Fraud").or_else(|| output("WithFraud"))?.as_str() {
            "off" | "false" => Some(Self::Off),
            "listening" => Some(Self::Listening),
            "on" | "true" => Some(Self::On),
            _ => None,
        }
    }
}

impl Fraud {
    /// Whether a running shop may be turned `to` that at once. Between `off` and
    /// `on`, what was placed before is to be told from what comes after.
    #[must_use]
    pub fn is_step(self, to: Self) -> bool {
        !matches!((self, to), (Self::Off, Self::On) | (Self::On, Self::Off))
    }
}

impl std::fmt::Display for Fraud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Listening => "listening",
            Self::On => "on",
        })
    }
}

/// A place where the system runs.
pub trait World: Clone + Send + Sync + 'static {
    /// A table there.
    type Table: Store + Browse;

    /// What is deployed there now.
    fn deployment(&self) -> Deployment;

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
    /// the first and the further ones.
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
    /// no workflow does.
    fn history(
        &self,
        variant: &'static Variant,
        subject: Subject,
        id: &str,
    ) -> impl Future<Output = Outcome<Vec<HistoryEvent>>> + Send;

    /// How many seconds a person has to decide a review; `None` where the tool
    /// cannot bring a person's or an operator's commands.
    fn review_seconds(&self) -> Option<u32> {
        None
    }

    /// Brings a person's or an operator's `message` to `service`, by the door
    /// it has under `variant`.
    fn command(
        &self,
        variant: &'static Variant,
        service: TableOf,
        message: &CommandMessage,
    ) -> impl Future<Output = Outcome<Commanded>> + Send {
        let _ = (variant, message);
        async move {
            Err(Problem::usage(format!(
                "{} takes no commands from outside on this target",
                service.name()
            )))
        }
    }

    /// What the functions logged since `since` that names `about`, one JSON
    /// document a line, in no particular order.
    fn logs(
        &self,
        about: &str,
        since: Timestamp,
    ) -> impl Future<Output = Outcome<Vec<String>>> + Send {
        let _ = (about, since);
        async { Err(Problem::usage("this target keeps no logs of its functions")) }
    }

    /// What each order and customer has used so far; `None` where nobody counts.
    fn used(&self) -> Option<Vec<Used>> {
        None
    }

    /// How often each kind of fault struck so far, where faults can be injected.
    fn struck(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::new()
    }

    /// Whether `order`, of wave `wave` of `plan`, may have ended as it did, where
    /// faults can be injected: as it ends without them, or by a named race.
    ///
    /// # Errors
    /// [`Problem`] when its execution cannot be looked at.
    fn allowed(
        &self,
        _variant: &'static Variant,
        _scenario: &Scenario,
        _plan: &Plan,
        _wave: usize,
        _order: &Order,
    ) -> Outcome<Ending> {
        Ok(Ending::Twin)
    }

    /// Ends all faults and does an operator's work, where faults can be injected:
    /// sends dead letters back, takes failed executions up again, and lets
    /// everything come to rest.
    fn clear_up(&self) -> impl Future<Output = Outcome<()>> + Send {
        async { Ok(()) }
    }

    /// Lets `millis` of that world's time pass.
    fn pause(&self, millis: u64) -> impl Future<Output = ()> + Send;
}
