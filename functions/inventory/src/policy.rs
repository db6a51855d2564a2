//! What a fact makes the inventory service do: choreography only.

use duet_core::Fact;
use duet_core::fact::ShipmentOverdue;
use duet_core::service::Reaction;

use crate::command::{Command, ReleaseStock, ReserveStock, ShipStock};

/// What the service makes of `fact`.
pub(crate) fn reaction(fact: &Fact) -> Reaction<Command> {
    Reaction::Command(match fact {
        Fact::NewOrder(fact) => ReserveStock {
            order: fact.order.clone(),
            lines: fact.lines.clone(),
            total: fact.total,
        }
        .into(),
        Fact::OrderRejected(fact) => ReleaseStock {
            order: fact.order.clone(),
        }
        .into(),
        Fact::OrderConfirmed(fact) => ShipStock {
            order: fact.order.clone(),
        }
        .into(),
        _ => return Reaction::NoPolicy,
    })
}

/// What is overdue when `command` is: goods that are paid for. A reservation has
/// the order's deadline behind it, a release that of the compensation.
pub(crate) fn overdue(command: &Command) -> Option<Fact> {
    match command {
        Command::ShipStock(ShipStock { order }) => Some(
            ShipmentOverdue {
                order: order.clone(),
            }
            .into(),
        ),
        Command::ReserveStock(_) | Command::ReleaseStock(_) => None,
    }
}
