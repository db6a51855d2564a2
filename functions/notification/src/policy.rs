//! What a fact makes the notification service do: choreography only.

use duet_core::fact::{Fact, Notice as Kind, NoticeOverdue};
use duet_core::service::Reaction;

use crate::command::{Command, NotifyCustomer};

/// What the service makes of `fact`.
pub(crate) fn reaction(fact: &Fact) -> Reaction<Command> {
    let kind = match fact {
        Fact::OrderConfirmed(_) => Kind::OrderConfirmed,
        Fact::OrderRejected(_) => Kind::OrderRejected,
        // The answer to every rejection, also where nothing had been charged.
        Fact::PaymentRefunded(fact) if fact.amount.amount > 0 => Kind::PaymentRefunded,
        Fact::CustomerActivated(_) => Kind::CustomerActivated,
        Fact::CustomerBlocked(_) => Kind::CustomerBlocked,
        Fact::PaymentRefunded(_) => return Reaction::Nothing,
        _ => return Reaction::NoPolicy,
    };
    Reaction::Command(
        NotifyCustomer {
            subject: fact.subject().to_owned(),
            kind,
        }
        .into(),
    )
}

/// What is overdue when `command` is: a notice about an order. Nobody keeps
/// accounts of what is owed to a customer without one.
pub(crate) fn overdue(command: &Command) -> Option<Fact> {
    let Command::NotifyCustomer(NotifyCustomer { subject, kind }) = command;
    let order = kind.is_about_an_order().then(|| subject.parse().ok())?;
    Some(NoticeOverdue { order: order? }.into())
}
