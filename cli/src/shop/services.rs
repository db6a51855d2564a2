//! The services, their tables, and what may be asked of them from outside.

use serde::Serialize;

/// The services: a package and a binary each.
pub const SERVICES: [&str; 8] = [
    "customer",
    "order",
    "fraud",
    "inventory",
    "payment",
    "delivery",
    "notification",
    "journal",
];

/// What runs by the clock and takes no commands: package, and directory.
pub const SWEEPS: [(&str, &str); 2] = [("order", "order-sweep"), ("records", "records")];

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
    /// The journal: not a business service, so not among them.
    Journal,
    /// The payment provider's own ledger.
    Provider,
    /// The carrier's own ledger.
    Carrier,
}

impl TableOf {
    /// The business services' tables: one each.
    pub const SERVICES: [Self; 7] = [
        Self::Customer,
        Self::Order,
        Self::Fraud,
        Self::Inventory,
        Self::Payment,
        Self::Delivery,
        Self::Notification,
    ];

    /// Every table.
    pub const ALL: [Self; 10] = [
        Self::Customer,
        Self::Order,
        Self::Fraud,
        Self::Inventory,
        Self::Payment,
        Self::Delivery,
        Self::Notification,
        Self::Journal,
        Self::Provider,
        Self::Carrier,
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
            Self::Journal => "JournalTable",
            Self::Provider => "ProviderLedger",
            Self::Carrier => "CarrierLedger",
        }
    }

    /// The stack outputs that name the functions of the service that owns the
    /// table; none for a third party's ledger.
    #[must_use]
    pub fn functions(self) -> Vec<String> {
        let service = self.output().strip_suffix("Table");
        let entries = ["TaskFunction", "QueueFunction"];
        let named = |service| entries.map(|entry| format!("{service}{entry}")).to_vec();
        service.map_or(Vec::new(), named)
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
            Self::Journal => "journal",
            Self::Provider => "payment provider",
            Self::Carrier => "carrier",
        }
    }
}

/// What may be submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// An order.
    Order,
    /// A registration.
    Customer,
}
