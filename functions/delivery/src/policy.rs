//! What a fact makes the delivery service do: choreography only.

use duet_core::fact::Screened;
use duet_core::{Event, Fact};

use crate::command::{CancelDelivery, Command, NoteClearance, NoteOrder, NotePayment};

/// The command that `event` calls for, if any.
pub(crate) fn command(event: &Event) -> Option<Command> {
    Some(match &event.fact {
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
