//! What a fact makes the order service do: choreography only.

use duet_core::OrderId;
use duet_core::fact::{Fact, Screened};
use duet_core::order::{Owed, Part, Reason};

use crate::command::{Command, ConfirmOrder, ExtendDeadline, NoteUndone, ParkOrder, RejectOrder};

/// The command that `fact` calls for, if any.
pub(crate) fn command(fact: &Fact) -> Option<Command> {
    Some(match fact {
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
                owed: vec![owed],
                ..ParkOrder::of(fact.order.clone())
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
        parking: None,
    }
    .into()
}
