//! What the notification service can be asked to do.

use duet_core::fact::Notice as Kind;
use duet_core::{CustomerId, OrderId, vocabulary};
use serde::{Deserialize, Serialize};

vocabulary! {
    /// A command to the notification service.
    pub enum Command {
        /// Tell what happened.
        NotifyCustomer,
    }
}

/// Tell what happened. Once per subject and kind, however often it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NotifyCustomer {
    /// The order or, for a notice about an account, the customer.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$")))]
    pub subject: String,
    /// What happened.
    pub kind: Kind,
}

impl NotifyCustomer {
    /// Checks that the subject is an id of the sort that the kind is about.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let id = match self.kind.is_about_an_order() {
            true => self.subject.parse::<OrderId>().map(drop),
            false => self.subject.parse::<CustomerId>().map(drop),
        };
        id.map_err(|e| format!("subject: {e}"))
    }
}
