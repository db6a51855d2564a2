//! What the inventory service can be asked to do.

use duet_core::order::Line;
use duet_core::{Money, OrderId, vocabulary};
use serde::{Deserialize, Serialize};

vocabulary! {
    /// A command to the inventory service.
    pub enum Command {
        /// Set every line of an order aside.
        ReserveStock,
        /// Put back what was set aside.
        ReleaseStock,
        /// What was set aside leaves.
        ShipStock,
    }
}

/// Set every line of an order aside, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReserveStock {
    /// For which order.
    pub order: OrderId,
    /// What, at most 98 different SKUs.
    pub lines: Vec<Line>,
    /// The total the buyer was shown; refused when the catalogue says otherwise.
    pub total: Money,
}

/// Put back what was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleaseStock {
    /// For which order.
    pub order: OrderId,
}

/// What was set aside leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ShipStock {
    /// For which order.
    pub order: OrderId,
}

impl Command {
    /// The order it is about.
    #[must_use]
    pub fn order(&self) -> &OrderId {
        match self {
            Self::ReserveStock(c) => &c.order,
            Self::ReleaseStock(c) => &c.order,
            Self::ShipStock(c) => &c.order,
        }
    }
}
