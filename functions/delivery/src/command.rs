//! What the delivery service can be asked to do.

use duet_core::order::Address;
use duet_core::{OrderId, vocabulary};
use serde::{Deserialize, Serialize};

vocabulary! {
    /// A command to the delivery service.
    pub enum Command {
        /// Book the carrier.
        ScheduleDelivery,
        /// An order was taken on: a part of the join.
        NoteOrder,
        /// It is paid: another part.
        NotePayment,
        /// The fraud service has nothing against it: the last part.
        NoteClearance,
        /// See to it that nothing is on its way.
        CancelDelivery,
    }
}

/// Book the carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScheduleDelivery {
    /// For which order.
    pub order: OrderId,
    /// Where it goes.
    pub ship_to: Address,
}

/// An order was taken on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NoteOrder {
    /// Which order.
    pub order: OrderId,
    /// Where it goes.
    pub ship_to: Address,
}

/// The order is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NotePayment {
    /// Which order.
    pub order: OrderId,
}

/// The fraud service has nothing against the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NoteClearance {
    /// Which order.
    pub order: OrderId,
}

/// See to it that nothing is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CancelDelivery {
    /// Of which order.
    pub order: OrderId,
}

impl Command {
    /// The order it is about.
    #[must_use]
    pub fn order(&self) -> &OrderId {
        match self {
            Self::ScheduleDelivery(c) => &c.order,
            Self::NoteOrder(c) => &c.order,
            Self::NotePayment(c) => &c.order,
            Self::NoteClearance(c) => &c.order,
            Self::CancelDelivery(c) => &c.order,
        }
    }
}
