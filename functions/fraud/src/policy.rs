//! What a fact makes the fraud service do: choreography only.

use duet_core::fact::Fact;

use crate::command::{Cause, CloseReview, Command, ScreenCustomer, ScreenOrder};

/// The command that `fact` calls for, if any.
pub(crate) fn command(fact: &Fact) -> Option<Command> {
    Some(match fact {
        Fact::NewOrder(fact) => ScreenOrder {
            order: fact.order.clone(),
            customer: fact.customer.clone(),
            total: fact.total,
            country: fact.ship_to.country.clone(),
            placed_at: fact.placed_at,
        }
        .into(),
        Fact::NewCustomer(fact) => ScreenCustomer {
            customer: fact.customer.clone(),
            email: fact.email.clone(),
            country: fact.country.clone(),
            registered_at: fact.registered_at,
        }
        .into(),
        Fact::OrderRejected(fact) => CloseReview {
            order: fact.order.clone(),
            cause: Cause::OrderRejected,
        }
        .into(),
        _ => return None,
    })
}
