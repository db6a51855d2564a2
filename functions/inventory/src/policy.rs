//! What a fact makes the inventory service do: choreography only.

use duet_core::Fact;
use duet_core::fact::ShipmentOverdue;

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

#[cfg(test)]
mod tests {
    use duet_core::Vocabulary;
    use duet_core::store::Memory;
    use duet_core::testing::{HandClock, reactions};

    use super::*;

    type Service = crate::Inventory<Memory, HandClock>;

    #[test]
    fn these_facts_and_no_others_call_for_a_command() {
        assert_eq!(
            reactions::<Service>(),
            [
                ("NewOrder", "order", "ReserveStock"),
                ("OrderConfirmed", "order", "ShipStock"),
                ("OrderRejected", "order", "ReleaseStock"),
            ]
        );
    }

    #[test]
    fn only_goods_that_are_paid_for_are_overdue() {
        let order = || "o-1".parse().unwrap();
        let ship = ShipStock { order: order() }.into();
        let said = <Service as duet_core::Service>::overdue(&ship)
            .map(|fact| (fact.name(), fact.subject().to_owned()));
        assert_eq!(said, Some(("ShipmentOverdue", "o-1".to_owned())));
        assert_eq!(overdue(&ReleaseStock { order: order() }.into()), None);
    }
}
