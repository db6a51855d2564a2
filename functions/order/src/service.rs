//! Load, decide, save.

use duet_core::order::Part;
use duet_core::store::{Key, Store};
use duet_core::{
    Clock, Desk, Ending, Event, Failure, Handled, ParseError, Received, Request, Service,
};

use crate::command::Command;
use crate::domain::{self, Terms};

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
    terms: Terms,
}

impl<S: Store, C: Clock> Orders<S, C> {
    /// The service over `store`. Where nobody says whether a new order waits
    /// for a clearance, it does if `awaits_clearance`.
    pub fn new(store: S, clock: C, patience: Patience, awaits_clearance: bool) -> Self {
        Self {
            desk: Desk::new("order", store, clock),
            terms: Terms {
                patience,
                awaits_clearance,
            },
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

    /// What tells apart the repetitions of one command that each take effect:
    /// an order may be parked by one execution after the other, and mended each
    /// time. `execution` is the one that asks.
    fn part(&self, execution: Option<&str>) -> String {
        match self {
            Self::RejectOrder(c) => c.reason.to_string(),
            Self::NoteUndone(c) => {
                let parts = joined(c.parts.iter().copied());
                match c.parking {
                    Some(parking) => format!("{parts}#{parking}"),
                    None => parts,
                }
            }
            Self::ParkOrder(c) => {
                let parts = joined(c.owed.iter().map(|owed| owed.part));
                let ended = c.ended_at.map(|ended| ended.as_millisecond().to_string());
                [c.execution.as_deref().or(execution), ended.as_deref()]
                    .into_iter()
                    .flatten()
                    .fold(parts, |part, word| format!("{part}#{word}"))
            }
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
    const BEGINS: &'static [&'static str] = &["PlaceOrder"];
    type Command = Command;

    async fn handle(&self, request: Request<Command>) -> Result<Handled, Failure> {
        let Request { command, context } = request;
        let part = command.part(context.execution.as_deref());
        let ticket = self.desk.ticket(&command, command.order(), &part);
        let handled = self
            .desk
            .once(&ticket, &context, &key(command.order()), |state, now| {
                domain::decide(state, &command, &context, now, self.terms)
            })
            .await?;
        Ok(match &command {
            Command::PlaceOrder(_) => handled.for_mark(context.clearance),
            _ => handled,
        })
    }

    fn policy(received: &Received<'_>) -> Result<Option<Command>, ParseError> {
        let late = received.metadata.late;
        Ok(crate::policy::command(&received.fact()?, late))
    }

    fn ending(event: &Event) -> Option<Ending> {
        crate::ending::of(event)
    }
}
