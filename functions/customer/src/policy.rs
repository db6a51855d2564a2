//! What a fact makes the customer service do: choreography only.

use duet_core::Event;
use duet_core::fact::{Fact, Screened};

use crate::command::{ActivateCustomer, BlockCustomer, Command};

/// The command that `event` calls for, if any.
pub(crate) fn command(event: &Event) -> Option<Command> {
    match &event.fact {
        // Only the shop as it was before fraud detection has a rule for this
        // one; with fraud detection somebody else speaks first.
        Fact::NewCustomer(fact) => Some(
            ActivateCustomer {
                customer: fact.customer.clone(),
            }
            .into(),
        ),
        Fact::NoFraudDetected(fact) => match &fact.of {
            Screened::Customer { customer } => Some(
                ActivateCustomer {
                    customer: customer.clone(),
                }
                .into(),
            ),
            Screened::Order { .. } => None,
        },
        Fact::PossibleFraud(fact) => match &fact.of {
            Screened::Customer { customer } => {
                let reasons = fact.reasons.clone();
                Some(
                    BlockCustomer {
                        customer: customer.clone(),
                        reasons,
                    }
                    .into(),
                )
            }
            Screened::Order { .. } => None,
        },
        _ => None,
    }
}
