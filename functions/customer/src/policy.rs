//! What a fact makes the customer service do: choreography only.

use duet_core::fact::{Fact, Screened};
use duet_core::service::Reaction;

use crate::command::{ActivateCustomer, ActivateUnscreened, BlockCustomer, Command};

/// What the service makes of `fact`.
pub(crate) fn reaction(fact: &Fact) -> Reaction<Command> {
    Reaction::Command(match fact {
        // Who waits for a clearance is not activated by this; who waits for
        // none has nobody else to speak for them.
        Fact::NewCustomer(fact) => ActivateUnscreened {
            customer: fact.customer.clone(),
        }
        .into(),
        Fact::NoFraudDetected(fact) => match &fact.of {
            Screened::Customer { customer } => ActivateCustomer {
                customer: customer.clone(),
            }
            .into(),
            Screened::Order { .. } => return Reaction::Nothing,
        },
        Fact::PossibleFraud(fact) => match &fact.of {
            Screened::Customer { customer } => BlockCustomer {
                customer: customer.clone(),
                reasons: fact.reasons.clone(),
            }
            .into(),
            Screened::Order { .. } => return Reaction::Nothing,
        },
        _ => return Reaction::NoPolicy,
    })
}
