//! What a fact makes the notification service do: choreography only.

use duet_core::fact::{Fact, Notice as Kind};

use crate::command::{Command, NotifyCustomer};

/// The command that `fact` calls for, if any.
pub(crate) fn command(fact: &Fact) -> Option<Command> {
    let kind = match fact {
        Fact::OrderConfirmed(_) => Kind::OrderConfirmed,
        Fact::OrderRejected(_) => Kind::OrderRejected,
        // The answer to every rejection, also where nothing had been charged.
        Fact::PaymentRefunded(fact) if fact.amount.amount > 0 => Kind::PaymentRefunded,
        Fact::CustomerActivated(_) => Kind::CustomerActivated,
        Fact::CustomerBlocked(_) => Kind::CustomerBlocked,
        _ => return None,
    };
    Some(
        NotifyCustomer {
            subject: fact.subject().to_owned(),
            kind,
        }
        .into(),
    )
}
