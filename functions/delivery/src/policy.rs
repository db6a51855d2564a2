//! What a fact makes the delivery service do: choreography only.

use duet_core::Fact;
use duet_core::fact::Screened;
use duet_core::service::Reaction;

use crate::command::{CancelDelivery, Command, NoteClearance, NoteOrder, NotePayment};

/// What the service makes of `fact`.
pub(crate) fn reaction(fact: &Fact) -> Reaction<Command> {
    Reaction::Command(match fact {
        Fact::NewOrder(fact) => NoteOrder {
            order: fact.order.clone(),
            ship_to: fact.ship_to.clone(),
        }
        .into(),
        Fact::PaymentCaptured(fact) => NotePayment {
            order: fact.order.clone(),
        }
        .into(),
        Fact::NoFraudDetected(fact) => match &fact.of {
            Screened::Order { order } => NoteClearance {
                order: order.clone(),
            }
            .into(),
            Screened::Customer { .. } => return Reaction::Nothing,
        },
        Fact::OrderRejected(fact) => CancelDelivery {
            order: fact.order.clone(),
        }
        .into(),
        _ => return Reaction::NoPolicy,
    })
}
