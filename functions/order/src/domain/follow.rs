//! What follows a decision where nobody hears of it by itself: a workflow that ended
//! with the decision started what follows, or should have. The order keeps whom to tell
//! ([`Order::reply_to`]), and its own clock tells them again until somebody says that it
//! is done.

use duet_core::order::{Owed, Part};
use duet_core::time::{after, is_far};
use duet_core::{Decision, Failure, Money, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;

use super::after::needs_attention;
use super::{Compensation, Fate, Order, Placed, Standing};
use crate::command::{Command, FollowUpOrder};
use crate::service::Patience;

/// How long what follows may take before it is started again, in seconds: an execution
/// of an Express workflow has ended by then (Step Functions service quotas: 5 minutes).
const FOLLOWS_WITHIN_SECONDS: u32 = 300;

impl Order {
    /// Whether it is decided, and somebody is still to say that what follows is done.
    #[must_use]
    pub fn is_unfollowed(&self) -> bool {
        let undone = match self.fate {
            Fate::Undecided => false,
            Fate::Confirmed => self.unfinished,
            Fate::Rejected { .. } => self.compensation == Compensation::Pending,
        };
        undone && self.reply_to.is_some()
    }
}

/// When to look after what follows an order that is decided `now`; nothing where its
/// deadline comes all the same, and is soon enough. (A far one is called off.)
pub(super) fn timer_of_decision(order: &Order, now: Timestamp) -> Option<(Timestamp, Command)> {
    let soon = after(now, 3 * FOLLOWS_WITHIN_SECONDS);
    let due = after(now, FOLLOWS_WITHIN_SECONDS);
    let comes = !is_far(order.placed.placed_at, order.deadline) && order.deadline <= soon;
    (order.is_unfollowed() && !comes).then(|| (due, look(order)))
}

fn look(order: &Order) -> Command {
    let order = order.placed.order.clone();
    FollowUpOrder { order }.into()
}

/// `decision`, and `timer` if there is one.
pub(super) fn with(
    decision: Decision<Order>,
    timer: Option<(Timestamp, Command)>,
) -> Decision<Order> {
    match timer {
        Some((due, command)) => decision.timer(due, &command),
        None => decision,
    }
}

/// The order's own clock has decided: `driver` is told, and looked after.
pub(super) fn told(
    decision: Decision<Order>,
    driver: Option<String>,
    now: Timestamp,
) -> Decision<Order> {
    let Some(order) = decision.state.as_ref().filter(|_| driver.is_some()) else {
        return decision;
    };
    let (told, command) = (Told::of(order), look(order));
    decision
        .reply(driver, told)
        .timer(after(now, FOLLOWS_WITHIN_SECONDS), &command)
}

/// The deadline of an order that is decided.
pub(super) fn at_deadline(order: Order, now: Timestamp) -> Decision<Order> {
    if !order.is_unfollowed() {
        return Decision::done(order.standing()).unkept();
    }
    again(&order, now)
}

/// Tells whoever drives the order again, unless what follows may still be under way.
fn again(order: &Order, now: Timestamp) -> Decision<Order> {
    let began = order.decided_at.unwrap_or(now);
    let over = after(began, FOLLOWS_WITHIN_SECONDS);
    let decision = Decision::done(order.standing()).unkept();
    if now < over {
        return decision.timer(over, &look(order));
    }
    decision
        .reply(order.reply_to.clone(), Told::of(order))
        .timer(after(now, FOLLOWS_WITHIN_SECONDS), &look(order))
}

/// A timer: what follows should be done. A confirmation of which it is not, for as long
/// as a compensation may take, is parked; a rejection has a clock of its own for that.
pub(super) fn up(order: Order, now: Timestamp, patience: Patience) -> Decision<Order> {
    if !order.is_unfollowed() {
        return Decision::done(order.standing()).unkept();
    }
    let given_up = order
        .decided_at
        .is_some_and(|at| now >= after(at, patience.compensation));
    match order.fate {
        Fate::Confirmed if given_up => {
            let owed = [Part::Shipment, Part::Notice];
            let owed = owed.map(|part| Owed { part, amount: None });
            needs_attention(order, owed.into())
        }
        _ => again(&order, now),
    }
}

/// What whoever drives the order is told of it.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    standing: Standing,
    #[serde(skip_serializing_if = "Option::is_none")]
    captured: Option<Money>,
}

impl Told {
    fn of(order: &Order) -> Self {
        Self {
            standing: order.standing(),
            captured: order.captured,
        }
    }
}

/// What an order is, and how it stands.
#[derive(Serialize)]
struct TakenUp<'a> {
    #[serde(flatten)]
    standing: Standing,
    placed: As<'a>,
}

/// As it was announced, or what is left of that.
#[derive(Serialize)]
#[serde(untagged)]
enum As<'a> {
    Said(Box<RawValue>),
    Kept(&'a Placed),
}

/// What the order is, said to a workflow that goes on with it. Nothing of the answer is
/// kept: it says where the order goes, and how it is paid.
pub(super) fn taken_up(order: &Order) -> Result<Decision<Order>, Failure> {
    let said = order.said.clone().map(RawValue::from_string).transpose();
    let said = said.map_err(Failure::invalid)?;
    let taken_up = TakenUp {
        standing: order.standing(),
        placed: said.map_or(As::Kept(&order.placed), As::Said),
    };
    Ok(Decision::done(taken_up).unkept())
}
