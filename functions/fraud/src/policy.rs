//! What a fact makes the fraud service do: choreography only.

use duet_core::fact::Fact;
use duet_core::service::Reaction;

use crate::command::{Cause, CloseReview, Command, ScreenCustomer, ScreenOrder};

/// What the service makes of `fact`.
pub(crate) fn reaction(fact: &Fact) -> Reaction<Command> {
    Reaction::Command(match fact {
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
        _ => return Reaction::NoPolicy,
    })
}
