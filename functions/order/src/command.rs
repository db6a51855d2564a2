//! What the order service can be asked to do.

use duet_core::id::fit_for_new;
use duet_core::id::of_execution;
use duet_core::order::{Address, Line, Owed, Part, Reason};
use duet_core::{CustomerId, Money, OrderId, Timestamp, vocabulary};
use serde::{Deserialize, Deserializer, Serialize};

vocabulary! {
    /// A command to the order service.
    pub enum Command {
        /// Take an order on.
        PlaceOrder,
        /// Everything it takes is done.
        ConfirmOrder,
        /// Something it takes cannot be done.
        RejectOrder,
        /// A person needs time to look.
        ExtendDeadline,
        /// A compensation is done.
        NoteUndone,
        /// A step cannot be done, or undone.
        ParkOrder,
        /// A timer: the order's deadline.
        ExpireOrder,
        /// A timer: the compensation's deadline.
        ExpireCompensation,
        /// A timer: what follows the decision should be done.
        FollowUpOrder,
        /// Say what the order is, to a workflow that goes on with it.
        TakeUpOrder,
        /// Remove what the order says of a person.
        ForgetOrder,
    }
}

/// Take an order on. The id is chosen by whoever places it: placing the same
/// order again is the same order, and the same id with other content is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlaceOrder {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub customer: CustomerId,
    /// What is ordered, 1 to 100 lines.
    pub lines: Vec<Line>,
    /// The total the buyer was shown. Inventory refuses when the catalogue says otherwise.
    pub total: Money,
    /// The payment provider's token for the card.
    pub payment_token: String,
    /// Where it goes.
    pub ship_to: Address,
}

/// Everything the order takes is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfirmOrder {
    /// Which order.
    pub order: OrderId,
}

/// Something the order takes cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RejectOrder {
    /// Which order.
    pub order: OrderId,
    /// Why.
    pub reason: Reason,
    /// The refusing service's word, or the fact waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What was charged by then, as far as whoever asks knows: to be told again to
    /// whoever undoes it, should they be told by the order's own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Money>,
}

/// A person needs time to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExtendDeadline {
    /// Which order.
    pub order: OrderId,
}

/// Compensations are done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NoteUndone {
    /// Of which order.
    pub order: OrderId,
    /// What is undone, at least one part.
    pub parts: Vec<Part>,
    /// Which parking this mends, where it mends one: an order may be parked
    /// again for the same parts, and then they are undone, or done, again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parking: Option<u32>,
}

/// A step cannot be done, or undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ParkOrder {
    /// Which order; in a word about an execution, the execution's name, of
    /// which the order's id is read ([`of_execution`]).
    #[serde(deserialize_with = "order_of_execution")]
    pub order: OrderId,
    /// What is owed; empty when whoever parks it does not know.
    pub owed: Vec<Owed>,
    /// What is undone of the rest: said in one breath, for whoever says it may die
    /// before a second one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undone: Vec<Part>,
    /// The execution that left it so, where it is parked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
    /// When that execution ended, in milliseconds since the epoch. An order that
    /// moved on since is not parked.
    #[serde(
        default,
        with = "duet_core::time::optional_millis",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<i64>"))]
    pub ended_at: Option<Timestamp>,
}

impl ParkOrder {
    /// Parks `order`, whatever it owes.
    #[must_use]
    pub fn of(order: OrderId) -> Self {
        Self {
            order,
            owed: Vec::new(),
            undone: Vec::new(),
            execution: None,
            ended_at: None,
        }
    }
}

fn order_of_execution<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OrderId, D::Error> {
    let name = String::deserialize(deserializer)?;
    of_execution(&name)
        .parse()
        .map_err(serde::de::Error::custom)
}

/// A timer: the order's deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExpireOrder {
    /// Which order.
    pub order: OrderId,
}

/// A timer: the compensation's deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExpireCompensation {
    /// Of which order.
    pub order: OrderId,
}

/// A timer: what follows the decision should be done. Whoever drives the order is
/// told again if nobody said that it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FollowUpOrder {
    /// Which order.
    pub order: OrderId,
}

/// Say what the order is and how it stands: it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TakeUpOrder {
    /// Which order.
    pub order: OrderId,
}

/// Remove what the order says of a person; only one that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ForgetOrder {
    /// Which order.
    pub order: OrderId,
}

/// The most lines an order has.
pub const MAX_LINES: usize = 100;

/// The most different SKUs an order has: a reservation is one transaction of
/// at most 100 writes, two of which are the reservation and its record.
pub const MAX_SKUS: usize = 98;

/// Why a [`PlaceOrder`] is not acceptable: where, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unacceptable {
    /// Path of the offending field, such as `lines[3].quantity`.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

impl PlaceOrder {
    /// Checks what the types alone do not.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), Unacceptable> {
        let no = |path: &str, problem: String| {
            Err(Unacceptable {
                path: path.to_owned(),
                problem,
            })
        };
        for (path, id) in [
            ("order", self.order.as_str()),
            ("customer", self.customer.as_str()),
        ] {
            if let Err(why) = fit_for_new(id) {
                return no(path, why.to_string());
            }
        }
        if self.lines.is_empty() {
            return no("lines", "an order has at least one line".into());
        }
        if self.lines.len() > MAX_LINES {
            return no(
                "lines",
                format!(
                    "{} lines; an order has at most {MAX_LINES}",
                    self.lines.len()
                ),
            );
        }
        let skus: std::collections::BTreeSet<_> = self.lines.iter().map(|line| &line.sku).collect();
        if skus.len() > MAX_SKUS {
            return no(
                "lines",
                format!(
                    "{} different SKUs; an order has at most {MAX_SKUS}",
                    skus.len()
                ),
            );
        }
        if self.total.amount == 0 {
            return no("total.amount", "an order costs something".into());
        }
        if let Err((field, why)) = self.total.check() {
            return no(&format!("total.{field}"), why);
        }
        let texts = [
            ("payment_token", &self.payment_token, 128),
            ("ship_to.name", &self.ship_to.name, 200),
            ("ship_to.street", &self.ship_to.street, 200),
            ("ship_to.city", &self.ship_to.city, 200),
            ("ship_to.postcode", &self.ship_to.postcode, 16),
        ];
        for (path, text, most) in texts {
            if text.trim().is_empty() || text.chars().count() > most {
                return no(path, format!("has 1 to {most} characters"));
            }
        }
        if !is_country(&self.ship_to.country) {
            return no(
                "ship_to.country",
                "is a two-letter ISO 3166-1 code, such as SE".into(),
            );
        }
        Ok(())
    }
}

/// Whether `code` has the form of an ISO 3166-1 alpha-2 code.
#[must_use]
pub fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase())
}
