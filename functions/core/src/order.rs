//! The values an order is made of, shared by the facts and the commands.

use serde::{Deserialize, Serialize};

use crate::{Money, Sku};

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Line {
    /// What is ordered.
    pub sku: Sku,
    /// How many, at least one.
    pub quantity: std::num::NonZeroU32,
}

/// Where an order goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Address {
    /// The addressee. Personal data: never logged.
    pub name: String,
    /// Street and number. Personal data: never logged.
    pub street: String,
    /// Town.
    pub city: String,
    /// Postal code; the simulated carrier's behaviour hangs on it.
    pub postcode: String,
    /// ISO 3166-1 alpha-2 country code, such as `SE`.
    pub country: String,
}

/// Why an order was rejected. One vocabulary for both styles: the workflow's
/// error names and the bus's fact names are these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Reason {
    /// Inventory refused: out of stock, price changed, or unknown SKU.
    StockUnavailable,
    /// The payment provider said no.
    PaymentDeclined,
    /// The payment provider could not be reached while there was patience.
    PaymentUnavailable,
    /// The fraud rules, or a reviewer, said no.
    FraudConfirmed,
    /// Nobody decided the review in time.
    ReviewTimedOut,
    /// The carrier refused or could not be reached.
    DeliveryFailed,
    /// The order waited too long for a fact; the detail names it.
    TimedOut,
    /// The workflow that drove the order ended without deciding it.
    Abandoned,
}

/// A part of an order that a compensation undoes or a forward step completes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Part {
    /// The carrier's booking: undone by CancelDelivery.
    Delivery,
    /// The charge: undone by RefundPayment.
    Payment,
    /// The reservation: undone by ReleaseStock.
    Stock,
    /// After the pivot: goods of a confirmed order not yet shipped.
    Shipment,
    /// After the pivot: a notice not yet sent.
    Notice,
}

impl Part {
    /// What a rejection has to undo, latest step first.
    pub const COMPENSATED: [Self; 3] = [Self::Delivery, Self::Payment, Self::Stock];
}

/// What a parked order still owes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Owed {
    /// What is not undone, or not done.
    pub part: Part,
    /// How much money that is, where it is money and known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}
