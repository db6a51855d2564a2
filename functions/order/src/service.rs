//! Load, decide, save.

use duet_core::order::Part;
use duet_core::store::{Key, Store};
use duet_core::{Clock, Desk, Ending, Event, Failure, Handled, Request, Service};

use crate::command::Command;
use crate::domain;

/// How long an order may wait, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For its next fact.
    pub order: u32,
    /// For a reviewer, on top.
    pub review: u32,
    /// For its compensations.
    pub compensation: u32,
}

/// The order service over its table.
#[derive(Debug, Clone)]
pub struct Orders<S, C> {
    desk: Desk<S, C>,
    patience: Patience,
}

impl<S: Store, C: Clock> Orders<S, C> {
    /// The service over `store`.
    pub fn new(store: S, clock: C, patience: Patience) -> Self {
        Self {
            desk: Desk::new("order", store, clock),
            patience,
        }
    }
}

/// Where order `id` is kept: a [`domain::Order`].
pub fn key(id: impl ToString) -> Key {
    Key::new(id, "order")
}

impl Command {
    fn order(&self) -> &str {
        match self {
            Self::PlaceOrder(c) => c.order.as_str(),
            Self::ConfirmOrder(c) => c.order.as_str(),
            Self::RejectOrder(c) => c.order.as_str(),
            Self::ExtendDeadline(c) => c.order.as_str(),
            Self::NoteUndone(c) => c.order.as_str(),
            Self::ParkOrder(c) => c.order.as_str(),
            Self::ExpireOrder(c) => c.order.as_str(),
            Self::ExpireCompensation(c) => c.order.as_str(),
        }
    }

    /// What tells apart the repetitions of one command that each take effect.
    fn part(&self) -> String {
        match self {
            Self::RejectOrder(c) => c.reason.to_string(),
            Self::NoteUndone(c) => joined(c.parts.iter().copied()),
            Self::ParkOrder(c) => joined(c.owed.iter().map(|owed| owed.part)),
            _ => String::new(),
        }
    }
}

/// Parts as one word: `Delivery+Payment`.
fn joined(parts: impl Iterator<Item = Part>) -> String {
    let names: Vec<String> = parts.map(|part| format!("{part:?}")).collect();
    names.join("+")
}

impl<S: Store, C: Clock> Service for Orders<S, C> {
    const NAME: &'static str = "order";
    const SAYS: &'static [(&'static str, &'static [&'static str])] = &[
        ("PlaceOrder", &["NewOrder"]),
        ("ConfirmOrder", &["OrderConfirmed"]),
        ("RejectOrder", &["OrderRejected"]),
        ("ExtendDeadline", &[]),
        ("NoteUndone", &[]),
        ("ParkOrder", &["OrderNeedsAttention"]),
        ("ExpireOrder", &["OrderRejected"]),
        ("ExpireCompensation", &["OrderNeedsAttention"]),
    ];
    type Command = Command;

    async fn handle(&self, request: Request<Command>) -> Result<Handled, Failure> {
        let Request { command, context } = request;
        let ticket = self.desk.ticket(&command, command.order(), &command.part());
        self.desk
            .once(&ticket, &context, &key(command.order()), |state, now| {
                domain::decide(
                    state,
                    &command,
                    &context.message.variant,
                    now,
                    self.patience,
                )
            })
            .await
    }

    fn policy(event: &Event) -> Option<Command> {
        crate::policy::command(event)
    }

    fn ending(event: &Event) -> Option<Ending> {
        crate::ending::of(event)
    }
}
