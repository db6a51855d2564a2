//! The variants: data, never an `if`. A further variant is a further row.

use serde::Serialize;

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
        /// The machine of orders.
        order: &'static str,
        /// The machine of registrations.
        customer: &'static str,
    },
    /// A command on the service's queue.
    Queue {
        /// The order service's queue.
        order: &'static str,
        /// The customer service's queue.
        customer: &'static str,
    },
}

impl Entry {
    /// The stack outputs that are there when the variant is deployed.
    #[must_use]
    pub fn outputs(self) -> [&'static str; 2] {
        match self {
            Self::Execution { order, customer } | Self::Queue { order, customer } => {
                [order, customer]
            }
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
            order: "OrderMachine",
            customer: "CustomerMachine",
        },
    },
    Variant {
        name: "eventbridge",
        style: Style::Choreography,
        carried_by: "EventBridge bus, rules, SQS",
        entry: Entry::Queue {
            order: "OrderQueueUrl",
            customer: "CustomerQueueUrl",
        },
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
