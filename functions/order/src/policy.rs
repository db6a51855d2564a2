//! What a fact makes the order service do: choreography only.

use duet_core::fact::{Fact, Screened};
use duet_core::order::{Owed, Part, Reason};
use duet_core::{Event, OrderId};

use crate::command::{Command, ConfirmOrder, ExtendDeadline, NoteUndone, ParkOrder, RejectOrder};

/// The command that `event` calls for, if any.
pub(crate) fn command(event: &Event) -> Option<Command> {
    Some(match &event.fact {
        Fact::DeliveryScheduled(fact) => ConfirmOrder {
            order: fact.order.clone(),
        }
        .into(),
        Fact::StockUnavailable(fact) => reject(
            &fact.order,
            Reason::StockUnavailable,
            Some(fact.reason.to_string()),
        ),
        Fact::PaymentDeclined(fact) => reject(&fact.order, Reason::PaymentDeclined, None),
        Fact::PaymentUnavailable(fact) => reject(&fact.order, Reason::PaymentUnavailable, None),
        Fact::FraudConfirmed(fact) => reject(&fact.order, Reason::FraudConfirmed, None),
        Fact::ReviewTimedOut(fact) => reject(&fact.order, Reason::ReviewTimedOut, None),
        Fact::DeliveryFailed(fact) => reject(
            &fact.order,
            Reason::DeliveryFailed,
            Some(fact.reason.to_string()),
        ),
        Fact::PossibleFraud(fact) => match &fact.of {
            Screened::Order { order } => ExtendDeadline {
                order: order.clone(),
            }
            .into(),
            Screened::Customer { .. } => return None,
        },
        Fact::StockReleased(fact) => undone(&fact.order, Part::Stock),
        Fact::PaymentRefunded(fact) => undone(&fact.order, Part::Payment),
        Fact::DeliveryCancelled(fact) => undone(&fact.order, Part::Delivery),
        Fact::RefundFailed(fact) => {
            let owed = Owed {
                part: Part::Payment,
                amount: Some(fact.amount),
            };
            ParkOrder {
                order: fact.order.clone(),
                owed: vec![owed],
            }
            .into()
        }
        _ => return None,
    })
}

fn reject(order: &OrderId, reason: Reason, detail: Option<String>) -> Command {
    RejectOrder {
        order: order.clone(),
        reason,
        detail,
    }
    .into()
}

fn undone(order: &OrderId, part: Part) -> Command {
    NoteUndone {
        order: order.clone(),
        parts: vec![part],
    }
    .into()
}
