//! What a fact makes the customer service do: choreography only.

use duet_core::fact::{Fact, Screened};

use crate::command::{ActivateCustomer, ActivateUnscreened, BlockCustomer, Command};

/// The command that `fact` calls for, if any.
pub(crate) fn command(fact: &Fact) -> Option<Command> {
    match fact {
        // Who waits for a clearance is not activated by this; who waits for
        // none has nobody else to speak for them.
        Fact::NewCustomer(fact) => Some(
            ActivateUnscreened {
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
