//! What a fact makes the payment service do: choreography only.

use duet_core::Fact;

use crate::command::{Command, NoteOrder, NoteReservation, RefundPayment};

/// The command that `fact` calls for, if any.
pub(crate) fn command(fact: &Fact) -> Option<Command> {
    Some(match fact {
        Fact::NewOrder(fact) => NoteOrder {
            order: fact.order.clone(),
            total: fact.total,
            payment_token: fact.payment_token.clone(),
        }
        .into(),
        Fact::StockReserved(fact) => NoteReservation {
            order: fact.order.clone(),
        }
        .into(),
        Fact::OrderRejected(fact) => RefundPayment {
            order: fact.order.clone(),
            total: fact.total,
            attempt: 0,
        }
        .into(),
        _ => return None,
    })
}
