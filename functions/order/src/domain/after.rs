//! What comes after the decision: undoing, parking, forgetting.

use std::collections::BTreeSet;

use duet_core::fact::OrderNeedsAttention;
use duet_core::order::{Owed, Part, Reason};
use duet_core::{Context, Decision, Refusal, Timestamp};

use super::{Compensation, Fate, Order, Placed};
use crate::command::{ExpireCompensation, NoteUndone, ParkOrder};
use crate::sweep::is_over;

pub(super) fn note_undone(order: Order, command: &NoteUndone) -> Decision<Order> {
    let order = undone(order, &command.parts);
    Decision::done(order.standing()).state(order)
}

/// The order of which `parts` are undone, or done.
fn undone(mut order: Order, parts: &[Part]) -> Order {
    for part in parts {
        order.pending.remove(part);
        order.owed.retain(|owed| owed.part != *part);
        order.shipped |= *part == Part::Shipment;
    }
    // What follows a confirmation has its last word in the notice.
    order.unfinished &= !parts.contains(&Part::Notice);
    if order.pending.is_empty() && order.compensation != Compensation::None {
        order.compensation = Compensation::Done;
    }
    order
}

/// The `source` of what the workflow engine says itself, told by a rule (EventBridge
/// user guide, "Events from AWS services").
const ENGINE: &str = "aws.states";

/// Whether what `context` brings about an execution that ended at `ended` is too old
/// to say, `now`, that nobody drives its order: since then somebody may have taken
/// the execution up again, or started another. The sweep, which asks the engine,
/// says so of an undecided order if it is still so. What the sweep says, and what
/// a person does, was asked when it was said.
fn is_too_old(ended: Timestamp, context: &Context, now: Timestamp) -> bool {
    let said = match context.message.source.as_str() {
        ENGINE => ended,
        _ => context.message.time,
    };
    is_over(said, now)
}

pub(super) fn park(
    order: Order,
    command: &ParkOrder,
    context: &Context,
    now: Timestamp,
) -> Decision<Order> {
    let undecided = order.fate == Fate::Undecided;
    if command
        .ended_at
        .is_some_and(|ended| order.moved_on(ended) || undecided && is_too_old(ended, context, now))
    {
        return Decision::done(order.standing()).unkept();
    }
    let order = undone(order, &command.undone);
    let told = !command.owed.is_empty();
    let unknown = |parts: &[Part]| {
        parts
            .iter()
            .map(|&part| Owed { part, amount: None })
            .collect()
    };
    match (&order.fate, order.compensation) {
        // Parked already by somebody who knew more.
        _ if !told && !order.owed.is_empty() => Decision::done(order.standing()),
        // Whole, but whether the customer was told died with the execution.
        (Fate::Rejected { .. }, Compensation::Done) if !told => {
            needs_attention(order, unknown(&[Part::Notice]))
        }
        (Fate::Confirmed, _) => {
            let mut owed = if told {
                command.owed.clone()
            } else {
                unknown(&[Part::Shipment, Part::Notice])
            };
            owed.retain(|owed| !(order.shipped && owed.part == Part::Shipment));
            let told_of = |old: &Owed| owed.iter().any(|new| new.part == old.part);
            let before = order.owed.iter().filter(|old| !told_of(old)).cloned();
            let before: Vec<Owed> = before.collect();
            owed.extend(before);
            needs_attention(order, owed)
        }
        (Fate::Undecided, _) => {
            let order = Order {
                fate: Fate::Rejected {
                    reason: Reason::Abandoned,
                    detail: None,
                },
                pending: BTreeSet::from(Part::COMPENSATED),
                decided_at: Some(now),
                ..order
            };
            needs_attention(order, unknown(&Part::COMPENSATED))
        }
        (Fate::Rejected { .. }, _) => {
            let pending: Vec<Part> = order.pending.iter().copied().collect();
            let mut owed: Vec<Owed> = if told {
                command.owed.clone()
            } else {
                unknown(&pending)
            };
            // What is undone is not owed; nobody undoes a notice.
            owed.retain(|owed| owed.part == Part::Notice || order.pending.contains(&owed.part));
            owed.extend(
                order
                    .owed
                    .iter()
                    .filter(|old| !command.owed.iter().any(|new| new.part == old.part))
                    .cloned(),
            );
            needs_attention(order, owed)
        }
    }
}

pub(super) fn needs_attention(order: Order, owed: Vec<Owed>) -> Decision<Order> {
    if owed.is_empty() {
        return Decision::done(order.standing()).state(order);
    }
    // A notice that is owed takes nothing from an order that is whole, or will be.
    let lacks = owed.iter().any(|owed| order.pending.contains(&owed.part));
    let compensation = match order.fate {
        Fate::Rejected { .. } if lacks => Compensation::Failed,
        _ => order.compensation,
    };
    let fact = OrderNeedsAttention {
        order: order.placed.order.clone(),
        owed: owed.clone(),
    };
    let order = Order {
        owed,
        compensation,
        // Whoever mends it sees to the rest.
        unfinished: false,
        parkings: order.parkings.saturating_add(1),
        ..order
    };
    Decision::done(order.standing()).state(order).fact(fact)
}

pub(super) fn expire_compensation(
    order: Order,
    command: &ExpireCompensation,
    context: &Context,
    now: Timestamp,
) -> Decision<Order> {
    if order.compensation != Compensation::Pending {
        return Decision::done(order.standing()).unkept();
    }
    let parking = ParkOrder::of(command.order.clone());
    park(order, &parking, context, now)
}

/// Only what has ended is forgotten: before, somebody may need it.
pub(super) fn forget(order: Order, now: Timestamp) -> Decision<Order> {
    if !order.has_ended() {
        return Decision::declined(Refusal::new("OrderNotEnded", "")).unkept();
    }
    let order = Order {
        said: None,
        placed: Placed {
            ship_to: None,
            ..order.placed
        },
        forgotten_at: Some(now),
        ..order
    };
    Decision::done(order.standing()).state(order)
}
