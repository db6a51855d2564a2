//! What the payment service can be asked to do.

use duet_core::{Money, OrderId, vocabulary};
use serde::{Deserialize, Serialize};

vocabulary! {
    /// A command to the payment service.
    pub enum Command {
        /// Charge an order's total.
        CapturePayment,
        /// An order was taken on: one half of the join.
        NoteOrder,
        /// Its stock is set aside: the other half.
        NoteReservation,
        /// Give back whatever was charged.
        RefundPayment,
    }
}

/// Charge an order's total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CapturePayment {
    /// For which order.
    pub order: OrderId,
    /// How much.
    pub amount: Money,
    /// The payment provider's token for the card.
    pub payment_token: String,
}

/// An order was taken on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NoteOrder {
    /// Which order.
    pub order: OrderId,
    /// What is to be charged for it.
    pub total: Money,
    /// The payment provider's token for the card.
    pub payment_token: String,
}

/// The order's stock is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NoteReservation {
    /// Which order.
    pub order: OrderId,
}

/// Give back whatever was charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefundPayment {
    /// Of which order.
    pub order: OrderId,
    /// The order's total: at most this is given back.
    pub total: Money,
    /// 0 for the rejection's own; counts up for an operator's retries, each of
    /// which takes effect although an earlier one was answered.
    #[serde(default)]
    pub attempt: u32,
}

impl Command {
    /// The order it is about.
    #[must_use]
    pub fn order(&self) -> &OrderId {
        match self {
            Self::CapturePayment(c) => &c.order,
            Self::NoteOrder(c) => &c.order,
            Self::NoteReservation(c) => &c.order,
            Self::RefundPayment(c) => &c.order,
        }
    }

    /// What tells apart the repetitions of one command that each take effect.
    pub(crate) fn part(&self) -> String {
        match self {
            Self::RefundPayment(c) if c.attempt > 0 => c.attempt.to_string(),
            _ => String::new(),
        }
    }
}
