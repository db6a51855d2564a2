//! What the fraud service can be asked to do.

use duet_core::{CustomerId, Money, OrderId, Timestamp, vocabulary};
use serde::{Deserialize, Serialize};

vocabulary! {
    /// A command to the fraud service.
    pub enum Command {
        /// Is this order what it seems?
        ScreenOrder,
        /// Is this customer who they seem?
        ScreenCustomer,
        /// Somebody waits for a review's verdict.
        OpenReview,
        /// A reviewer's word.
        DecideReview,
        /// Nobody needs the review any more; also a timer.
        CloseReview,
    }
}

/// Is this order what it seems?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScreenOrder {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub customer: CustomerId,
    /// What it costs.
    pub total: Money,
    /// ISO 3166-1 alpha-2 country it goes to.
    pub country: String,
    /// When it was placed: the order's own time, by which orders are counted.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub placed_at: Timestamp,
}

/// Is this customer who they seem?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScreenCustomer {
    /// Who.
    pub customer: CustomerId,
    /// The customer's address. Personal data: never logged, and only a digest is kept.
    pub email: String,
    /// ISO 3166-1 alpha-2 country of residence.
    pub country: String,
    /// When the registration was taken.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub registered_at: Timestamp,
}

/// Somebody waits for the verdict: it goes to the command's `reply_to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenReview {
    /// On which order.
    pub order: OrderId,
}

/// A reviewer's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DecideReview {
    /// On which order.
    pub order: OrderId,
    /// What the reviewer says.
    pub verdict: Verdict,
    /// Why; at most [`MAX_NOTE`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who decided; at most [`MAX_BY`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The most characters a reviewer's note has.
pub const MAX_NOTE: usize = 1000;

/// The most characters a reviewer's name has.
pub const MAX_BY: usize = 100;

/// What a reviewer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Verdict {
    /// The order is what it seems.
    Approve,
    /// It is not.
    Reject,
}

/// Nobody needs the review any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CloseReview {
    /// Of which order.
    pub order: OrderId,
    /// Why.
    pub cause: Cause,
}

/// Why a review is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Cause {
    /// The time for it is over: by the review's own timer, or because whoever
    /// waited for the verdict stopped waiting.
    TimedOut,
    /// The order was rejected for another reason.
    OrderRejected,
}
