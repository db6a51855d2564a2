//! Load, decide, save.

use duet_core::desk::{self, Ticket};
use duet_core::order::Part;
use duet_core::service::Reaction;
use duet_core::store::{Expect, Item, Key, Store, Write};
use duet_core::{
    Clock, Context, Desk, Ending, Environment, Event, Failure, Handled, ParseError, Received,
    Request, Service,
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

/// Where it is kept how order `id` was placed: the record of its PlaceOrder.
#[must_use]
pub fn placing_key(id: &str) -> Key {
    desk::record_key("PlaceOrder", id, "")
}

impl<S: Store, C: Clock> Orders<S, C> {
    /// Handles a command that forgets, over the order and the record of its
    /// placing: one that an earlier version wrote repeats all that was said.
    async fn forget(
        &self,
        ticket: &Ticket,
        context: &Context,
        command: &Command,
    ) -> Result<Handled, Failure> {
        let keys = [key(command.order()), placing_key(command.order())];
        let once = self.desk.once(context);
        once.over(ticket, &keys, |items| {
            let mut items = items.iter().map(Option::as_ref);
            let (item, placing) = (items.next().flatten(), items.next().flatten());
            let order = item.map(Item::read).transpose()?;
            let now = self.desk.clock.now();
            let decision = domain::decide(order, command, context, now, self.terms)?;
            let mut writes = Vec::new();
            if let Some(order) = &decision.state {
                let seen = Expect::unchanged(item);
                writes.push(Write::put(keys[0].clone(), order, seen));
                if let Some(placing) = placing {
                    writes.push(desk::silenced(placing, &order.placed)?);
                }
            }
            Ok((writes, decision))
        })
        .await
    }
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
            Self::FollowUpOrder(c) => c.order.as_str(),
            Self::TakeUpOrder(c) => c.order.as_str(),
            Self::ForgetOrder(c) => c.order.as_str(),
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

/// The order service, as its environment says.
///
/// # Errors
/// What is wrong with the environment.
pub fn build<E: Environment>(env: &E) -> Result<Orders<E::Table, E::Clock>, E::Error> {
    let patience = Patience {
        order: env.setting("DUET_ORDER_DEADLINE_SECONDS")?,
        review: env.setting("DUET_REVIEW_SECONDS")?,
        compensation: env.setting("DUET_COMPENSATION_SECONDS")?,
    };
    Ok(Orders::new(
        env.table("DUET_TABLE")?,
        env.clock(),
        patience,
        env.setting("DUET_AWAITS_CLEARANCE")?,
    ))
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
        ("FollowUpOrder", &["OrderNeedsAttention"]),
        ("TakeUpOrder", &[]),
        ("ForgetOrder", &[]),
    ];
    const BEGINS: &'static [&'static str] = &["PlaceOrder"];
    type Command = Command;

    async fn handle(&self, request: Request<Command>) -> Result<Handled, Failure> {
        let Request { command, context } = request;
        let part = command.part(context.execution.as_deref());
        let ticket = self.desk.ticket(&context, &command, command.order(), &part);
        if matches!(command, Command::ForgetOrder(_)) {
            return self.forget(&ticket, &context, &command).await;
        }
        let handled = self
            .desk
            .once(&context)
            .run(&ticket, &key(command.order()), |state| {
                let now = self.desk.clock.now();
                domain::decide(state, &command, &context, now, self.terms)
            })
            .await?;
        Ok(match &command {
            Command::PlaceOrder(_) => handled.for_mark(context.clearance),
            _ => handled,
        })
    }

    fn policy(received: &Received<'_>) -> Result<Reaction<Command>, ParseError> {
        let late = received.metadata.late;
        Ok(crate::policy::reaction(&received.fact()?, late))
    }

    fn ending(event: &Event) -> Option<Ending> {
        crate::ending::of(event)
    }
}
