//! The variants: data, never an `if`. A further variant is a further row.

use serde::Serialize;

use crate::shop::services::{Subject, TableOf};

/// A way to coordinate the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Variant {
    /// Its name: in metadata, on the command line, in reports.
    pub name: &'static str,
    /// Who decides what is next.
    pub style: Style,
    /// What carries it.
    pub carried_by: &'static str,
    /// Where orders and registrations enter, as names of stack outputs.
    #[serde(skip)]
    pub entry: Entry,
    /// Where each service takes the commands of a person or an operator.
    #[serde(skip)]
    pub doors: &'static [(TableOf, Door)],
}

/// Where a service takes commands that come from outside the flow. The strings
/// are names of stack outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Its queue: the facts that follow travel by themselves.
    Queue(&'static str),
    /// Its task function, called and answering: whoever calls sees to what follows.
    Task(&'static str),
}

impl Variant {
    /// The door of `service`; `None` where it takes no such commands.
    #[must_use]
    pub fn door(&self, service: TableOf) -> Option<Door> {
        let mut doors = self.doors.iter();
        doors.find(|(of, _)| *of == service).map(|(_, door)| *door)
    }
}

/// Who decides what is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// A workflow.
    Orchestration,
    /// Each service for itself.
    Choreography,
}

/// Where a variant's work enters. The strings are names of stack outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// An execution of a state machine, named after its subject.
    Execution {
        /// The machines of orders.
        order: Machines,
        /// The machines of registrations.
        customer: Machines,
    },
    /// A command on the service's queue.
    Queue {
        /// The order service's queue.
        order: &'static str,
        /// The customer service's queue.
        customer: &'static str,
    },
}

/// The state machines of a flow, as names of stack outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machines {
    /// The one that whoever is new starts.
    pub entry: &'static str,
    /// All there are, joined by commas: executions that were started before a
    /// parameter changed run on another than new ones.
    pub all: &'static str,
}

impl Entry {
    /// The stack outputs that are there when the variant is deployed.
    #[must_use]
    pub fn outputs(self) -> [&'static str; 2] {
        match self {
            Self::Execution { order, customer } => [order.entry, customer.entry],
            Self::Queue { order, customer } => [order, customer],
        }
    }

    /// The machines that drive `subject`, where machines do.
    #[must_use]
    pub fn machines(self, subject: Subject) -> Option<Machines> {
        match (self, subject) {
            (Self::Execution { order, .. }, Subject::Order) => Some(order),
            (Self::Execution { customer, .. }, Subject::Customer) => Some(customer),
            (Self::Queue { .. }, _) => None,
        }
    }
}

/// Every variant.
pub const ALL: &[Variant] = &[
    Variant {
        name: "standard",
        style: Style::Orchestration,
        carried_by: "Step Functions Standard",
        entry: Entry::Execution {
            order: Machines {
                entry: "OrderMachine",
                all: "OrderMachines",
            },
            customer: Machines {
                entry: "CustomerMachine",
                all: "CustomerMachines",
            },
        },
        doors: &[
            (TableOf::Order, Door::Task("OrderTaskFunction")),
            // Its reply goes to the token that the workflow waits at.
            (TableOf::Fraud, Door::Queue("FraudInbox")),
            (TableOf::Inventory, Door::Task("InventoryTaskFunction")),
            (TableOf::Payment, Door::Task("PaymentTaskFunction")),
            (TableOf::Delivery, Door::Task("DeliveryTaskFunction")),
            (
                TableOf::Notification,
                Door::Task("NotificationTaskFunction"),
            ),
        ],
    },
    Variant {
        name: "eventbridge",
        style: Style::Choreography,
        carried_by: "EventBridge bus, rules, SQS",
        entry: Entry::Queue {
            order: "OrderQueueUrl",
            customer: "CustomerQueueUrl",
        },
        doors: &[
            (TableOf::Order, Door::Queue("OrderQueueUrl")),
            (TableOf::Fraud, Door::Queue("FraudQueueUrl")),
            (TableOf::Inventory, Door::Queue("InventoryQueueUrl")),
            (TableOf::Payment, Door::Queue("PaymentQueueUrl")),
            (TableOf::Delivery, Door::Queue("DeliveryQueueUrl")),
            (TableOf::Notification, Door::Queue("NotificationQueueUrl")),
        ],
    },
];

/// The variant called `name`.
///
/// # Errors
/// The names there are, when there is none of that name.
pub fn named(name: &str) -> Result<&'static Variant, String> {
    ALL.iter()
        .find(|variant| variant.name == name)
        .ok_or_else(|| {
            let names: Vec<_> = ALL.iter().map(|variant| variant.name).collect();
            format!("no such variant; there are {}", names.join(", "))
        })
}
