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

#[cfg(test)]
mod tests {
    use duet_core::store::Memory;
    use duet_core::testing::{HandClock, reactions};

    type Service = crate::Deliveries<Memory, HandClock, crate::SimulatedCarrier<Memory, HandClock>>;

    #[test]
    fn these_facts_and_no_others_call_for_a_command() {
        assert_eq!(
            reactions::<Service>(),
            [
                ("NewOrder", "order", "NoteOrder"),
                ("OrderRejected", "order", "CancelDelivery"),
                ("NoFraudDetected", "order", "NoteClearance"),
                ("PaymentCaptured", "order", "NotePayment"),
            ]
        );
    }
}
