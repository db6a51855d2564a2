//! What a fact makes the inventory service do: choreography only.

use duet_core::Fact;

use crate::command::{Command, ReleaseStock, ReserveStock, ShipStock};

/// The command that `fact` calls for, if any.
pub(crate) fn command(fact: &Fact) -> Option<Command> {
    Some(match fact {
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
        _ => return None,
    })
}
