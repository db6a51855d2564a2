//! What a fact makes the order service do: choreography only.

use duet_core::fact::{Fact, Screened};
use duet_core::order::{Owed, Part, Reason};
use duet_core::service::Reaction;
use duet_core::{Money, OrderId};

use crate::command::{Command, ConfirmOrder, ExtendDeadline, NoteUndone, ParkOrder, RejectOrder};

/// What the service makes of `fact`; `late`, if it may have been said to be
/// overdue.
pub(crate) fn reaction(fact: &Fact, late: bool) -> Reaction<Command> {
    Reaction::Command(match fact {
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
            Screened::Customer { .. } => return Reaction::Nothing,
        },
        Fact::StockReleased(fact) => undone(&fact.order, Part::Stock),
        Fact::PaymentRefunded(fact) => undone(&fact.order, Part::Payment),
        Fact::DeliveryCancelled(fact) => undone(&fact.order, Part::Delivery),
        Fact::RefundFailed(fact) => owed(&fact.order, Part::Payment, Some(fact.amount)),
        Fact::ShipmentOverdue(fact) => owed(&fact.order, Part::Shipment, None),
        Fact::NoticeOverdue(fact) => owed(&fact.order, Part::Notice, None),
        // In time they concern nobody; late, what was owed is done after all.
        Fact::StockShipped(fact) if late => undone(&fact.order, Part::Shipment),
        Fact::CustomerNotified(fact) if late && fact.kind.is_about_an_order() => {
            match fact.subject.parse() {
                Ok(order) => undone(&order, Part::Notice),
                Err(_) => return Reaction::NoPolicy,
            }
        }
        Fact::StockShipped(_) | Fact::CustomerNotified(_) => return Reaction::Nothing,
        _ => return Reaction::NoPolicy,
    })
}

fn reject(order: &OrderId, reason: Reason, detail: Option<String>) -> Command {
    RejectOrder {
        order: order.clone(),
        reason,
        detail,
        captured: None,
    }
    .into()
}

fn owed(order: &OrderId, part: Part, amount: Option<Money>) -> Command {
    ParkOrder {
        owed: vec![Owed { part, amount }],
        ..ParkOrder::of(order.clone())
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
