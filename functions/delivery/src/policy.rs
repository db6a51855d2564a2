//! What a fact makes the delivery service do: choreography only.

use duet_core::Fact;
use duet_core::fact::Screened;

use crate::command::{CancelDelivery, Command, NoteClearance, NoteOrder, NotePayment};

/// The command that `fact` calls for, if any.
pub(crate) fn command(fact: &Fact) -> Option<Command> {
    Some(match fact {
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
            Screened::Customer { .. } => return None,
        },
        Fact::OrderRejected(fact) => CancelDelivery {
            order: fact.order.clone(),
        }
        .into(),
        _ => return None,
    })
}
