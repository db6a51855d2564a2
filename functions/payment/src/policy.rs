//! What a fact makes the payment service do: choreography only.

use duet_core::Fact;
use duet_core::service::Reaction;

use crate::command::{Command, NoteOrder, NoteReservation, RefundPayment};

/// What the service makes of `fact`.
pub(crate) fn reaction(fact: &Fact) -> Reaction<Command> {
    Reaction::Command(match fact {
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
        _ => return Reaction::NoPolicy,
    })
}
