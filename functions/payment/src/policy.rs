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

#[cfg(test)]
mod tests {
    use duet_core::store::Memory;
    use duet_core::testing::{HandClock, reactions};

    type Service = crate::Payments<Memory, HandClock, crate::SimulatedProvider<Memory, HandClock>>;

    #[test]
    fn these_facts_and_no_others_call_for_a_command() {
        assert_eq!(
            reactions::<Service>(),
            [
                ("NewOrder", "order", "NoteOrder"),
                ("OrderRejected", "order", "RefundPayment"),
                ("StockReserved", "order", "NoteReservation"),
            ]
        );
    }
}
