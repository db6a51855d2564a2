//! The scenarios: what the input does, and the outcome in every variant. The
//! names are shared by the demo, the tests and the documentation.

mod all;
mod draft;

use duet_core::order::{Address, Reason};
use duet_customer::command::RegisterCustomer;
use duet_fraud::command::Verdict;
use duet_order::command::PlaceOrder;

use crate::shop::goods::Good;

pub use self::all::ALL;
pub use self::draft::Draft;

/// A scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What the input does.
    pub about: &'static str,
    /// Whether it needs the fraud service.
    pub fraud: bool,
    /// The outcome, in every variant.
    pub expected: Expected,
    plan: fn(&mut Draft),
}

/// The outcome of a scenario's last order (or of its customer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The order is confirmed.
    Confirmed,
    /// The order is rejected for this reason.
    Rejected(Reason, Option<&'static str>),
    /// The order is rejected for this reason and cannot be undone: it is parked
    /// until an operator repairs it.
    NeedsAttention(Reason, Option<&'static str>),
    /// So many of the last wave's orders are confirmed; the rest are rejected for
    /// this reason. Which ones is a race.
    Contested {
        /// How many are confirmed.
        confirmed: usize,
        /// Why the others are not.
        reason: Reason,
        /// What is said of why, if it matters.
        detail: Option<&'static str>,
    },
    /// A message nobody can parse lies dead, and the order beside it is confirmed.
    DeadLettered,
    /// The account may be used.
    Active,
    /// The account may not be used.
    Blocked,
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Confirmed => f.write_str("Confirmed"),
            Self::Rejected(reason, None) => write!(f, "Rejected({reason})"),
            Self::Rejected(reason, Some(detail)) => write!(f, "Rejected({reason}, {detail})"),
            Self::NeedsAttention(reason, detail) => {
                write!(f, "{}, NeedsAttention", Self::Rejected(*reason, *detail))
            }
            Self::Contested {
                confirmed,
                reason,
                detail,
            } => {
                write!(
                    f,
                    "Confirmed x{confirmed}, {}",
                    Self::Rejected(*reason, *detail)
                )
            }
            Self::DeadLettered => f.write_str("DeadLettered"),
            Self::Active => f.write_str("Active"),
            Self::Blocked => f.write_str("Blocked"),
        }
    }
}

impl Expected {
    /// How each of a last wave's `orders` ends, in the order of the outcomes' names.
    #[must_use]
    pub fn each(self, orders: usize) -> Vec<Self> {
        match self {
            Self::Contested {
                confirmed,
                reason,
                detail,
            } => {
                let confirmed = confirmed.min(orders);
                let mut each = vec![Self::Confirmed; confirmed];
                each.resize(orders, Self::Rejected(reason, detail));
                each
            }
            one => vec![one; orders],
        }
    }
}

/// What a run of a scenario does, in order.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Goods to put into the catalogue.
    pub goods: Vec<Good>,
    /// Customers to register; all are decided before the first order.
    pub customers: Vec<RegisterCustomer>,
    /// Whether these customers are found suspicious, and so are blocked.
    pub suspicious: bool,
    /// Orders in waves: a wave starts when the one before it has ended. Those
    /// before the last wave are confirmed.
    pub waves: Vec<Vec<PlaceOrder>>,
    /// How often each order is submitted, at once.
    pub times: usize,
    /// Whether the same id with other content is tried afterwards.
    pub forge: bool,
    /// Whether an order that costs more than any door takes is tried afterwards.
    pub excess: bool,
    /// What is handed in before the orders, to die alone.
    pub hopeless: Option<Hopeless>,
    /// What a person does about the orders of the last wave, once they are
    /// under review.
    pub person: Option<Person>,
    /// Whether the orders of the last wave are parked, and repaired by an operator.
    pub repair: bool,
}

impl Plan {
    /// The ids of its orders.
    #[must_use]
    pub fn orders(&self) -> Vec<String> {
        let orders = self.waves.iter().flatten();
        orders.map(|order| order.order.to_string()).collect()
    }

    /// The ids of its orders and customers.
    pub fn subjects(&self) -> impl Iterator<Item = &str> {
        let orders = self.waves.iter().flatten().map(|one| one.order.as_str());
        let customers = self.customers.iter().map(|one| one.customer.as_str());
        orders.chain(customers)
    }

    /// What is in the message, if there is one, that is to lie dead in the end.
    #[must_use]
    pub fn dies(&self) -> Option<&str> {
        self.hopeless.as_ref().map(Hopeless::marker)
    }
}

/// What nobody will ever take: it is to lie dead, and to harm nobody else.
#[derive(Debug, Clone)]
pub enum Hopeless {
    /// A message that nobody can parse, with this marker in it.
    Poison(String),
    /// An order with a field that nobody knows.
    UnknownField(Box<PlaceOrder>),
}

impl Hopeless {
    /// What it is found by among what lies dead.
    #[must_use]
    pub fn marker(&self) -> &str {
        match self {
            Self::Poison(marker) => marker,
            Self::UnknownField(order) => order.order.as_str(),
        }
    }
}

/// What a person does about a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Person {
    /// Says something.
    Says(Verdict),
    /// Says nothing.
    IsSilent,
}

/// Where orders go that are to arrive.
pub(crate) fn address() -> Address {
    Address {
        name: "Ada Example".to_owned(),
        street: "Storgatan 1".to_owned(),
        city: "Uppsala".to_owned(),
        postcode: "75310".to_owned(),
        country: "SE".to_owned(),
    }
}

/// For how many seconds a third party must be silent so that whoever asks it
/// surely gives up under a patience of `patience` seconds: the greatest wait,
/// and a slow try, come on top.
pub(crate) fn silence(patience: u32) -> u32 {
    patience.saturating_add(20)
}

/// The scenario called `name`.
///
/// # Errors
/// The names there are, when there is none of that name.
pub fn named(name: &str) -> Result<&'static Scenario, String> {
    ALL.iter()
        .find(|scenario| scenario.name == name)
        .ok_or_else(|| {
            let names: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
            format!("no such scenario; there are {}", names.join(", "))
        })
}

impl Scenario {
    /// The plan of this scenario under the names that begin with `stem`, with
    /// `copies` of its order placed at once, where a failing step is tried for
    /// `patience` seconds.
    #[must_use]
    pub fn plan(&self, stem: &str, copies: usize, patience: u32) -> Plan {
        let mut draft = Draft {
            stem: stem.to_owned(),
            copies: copies.max(1),
            patience,
            plan: Plan {
                times: 1,
                ..Plan::default()
            },
        };
        (self.plan)(&mut draft);
        draft.plan
    }
}
