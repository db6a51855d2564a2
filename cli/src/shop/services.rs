//! The services, their tables, and what may be asked of them from outside.

use serde::Serialize;

pub use duet_core::{LISTENERS, SERVICES};

/// What runs by the clock and takes no commands: package, and directory.
pub const SWEEPS: [(&str, &str); 2] = [("order", "order-sweep"), ("records", "records")];

macro_rules! tables {
    (parts { $($Part:ident $part:ident $its:ident ($($port:ident),*);)* }
     listeners { $($Listener:ident $listener:ident $own:ident ();)* }) => {
        /// The tables of the system.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum TableOf {
            $(#[doc = concat!("The ", stringify!($part), " service.")] $Part,)*
            $(#[doc = concat!("The ", stringify!($listener), ": no business service.")] $Listener,)*
            /// The payment provider's own ledger.
            Provider,
            /// The carrier's own ledger.
            Carrier,
        }

        impl TableOf {
            /// The business services' tables: one each.
            pub const SERVICES: [Self; [$(stringify!($part)),*].len()] = [$(Self::$Part),*];

            /// Every table.
            pub const ALL: [Self; SERVICES.len() + 2] =
                [$(Self::$Part,)* $(Self::$Listener,)* Self::Provider, Self::Carrier];

            /// The stack output that names the table.
            #[must_use]
            pub fn output(self) -> &'static str {
                match self {
                    $(Self::$Part => concat!(stringify!($Part), "Table"),)*
                    $(Self::$Listener => concat!(stringify!($Listener), "Table"),)*
                    Self::Provider => "ProviderLedger",
                    Self::Carrier => "CarrierLedger",
                }
            }

            /// What people call it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$Part => stringify!($part),)*
                    $(Self::$Listener => stringify!($listener),)*
                    Self::Provider => "payment provider",
                    Self::Carrier => "carrier",
                }
            }
        }
    };
}
duet_core::services!(tables);

impl TableOf {
    /// The stack outputs that name the functions of the service that owns the
    /// table; none for a third party's ledger.
    #[must_use]
    pub fn functions(self) -> Vec<String> {
        let service = self.output().strip_suffix("Table");
        let entries = ["TaskFunction", "QueueFunction", "VerdictFunction"];
        let named = |service| entries.map(|entry| format!("{service}{entry}")).to_vec();
        service.map_or(Vec::new(), named)
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

impl Subject {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Order, Self::Customer];
}
