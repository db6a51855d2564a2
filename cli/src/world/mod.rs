//! A world the system runs in: what the commands need of it.
//!
//! Commands are written against [`World`] and know neither the emulator nor
//! AWS.

pub mod aws;
pub mod lab;
pub mod operate;

use std::future::Future;

use duet_core::store::{Browse, Store};
use duet_core::{CommandMessage, Timestamp};
use duet_lab::Used;
use serde::Serialize;

use crate::exit::{Outcome, Problem};
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
    /// The payment provider's own ledger.
    Provider,
    /// The carrier's own ledger.
    Carrier,
}

impl TableOf {
    /// The services' tables: one each.
    pub const SERVICES: [Self; 7] = [
        Self::Customer,
        Self::Order,
        Self::Fraud,
        Self::Inventory,
        Self::Payment,
        Self::Delivery,
        Self::Notification,
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
            Self::Provider => "ProviderLedger",
            Self::Carrier => "CarrierLedger",
        }
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
    /// Its ARN.
    pub arn: String,
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
    /// The error it failed with.
    pub error: Option<String>,
    /// The states it entered, in order.
    pub states: Vec<String>,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployment {
    /// The variants.
    pub variants: Vec<&'static str>,
    /// Whether the fraud service is part of the shop.
    pub with_fraud: bool,
    /// Receives of a message before its service gives up.
    pub retry_budget: u32,
}

/// A place where the system runs.
pub trait World: Clone + Send + Sync + 'static {
    /// A table there.
    type Table: Store + Browse;

    /// What is deployed there.
    fn deployment(&self) -> &Deployment;

    /// The table of a service or third party.
    fn table(&self, of: TableOf) -> &Self::Table;

    /// Now, by the clock of that world.
    fn now(&self) -> Timestamp;

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

    /// The execution that drives `id`, where a workflow does.
    fn execution(
        &self,
        variant: &'static Variant,
        subject: Subject,
        id: &str,
    ) -> impl Future<Output = Outcome<Option<Execution>>> + Send;

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

    /// What each order and customer has used so far; `None` where nobody counts.
    fn used(&self) -> Option<Vec<Used>> {
        None
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
