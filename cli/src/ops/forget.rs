//! Forgetting: what the shop keeps of a person about an order that has ended is
//! removed, and what it cannot reach is told, with its end. Safe to run twice.

use duet_core::store::Browse;
use duet_core::{OrderId, Timestamp};
use duet_inventory::domain::Status as ReservationStatus;
use duet_journal::Entry;
use duet_order::command::{Command, ForgetOrder};
use duet_order::domain::{Fate, Order};
use jiff::SignedDuration;
use serde::Serialize;

use crate::ops::view::View;
use crate::ops::wait::until;
use crate::ops::{actions, place, review};
use crate::shop::message;
use crate::shop::services::TableOf;
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::report::Report;
use crate::world::port::replay::Replayable;
use crate::world::{Commanded, World};

/// Days for which Step Functions keeps the history of an execution that ended
/// (Step Functions quotas).
const HISTORY_DAYS: i64 = 90;

/// Days for which a queue keeps a message (the templates'
/// `MessageRetentionPeriod`, and the most there is).
const QUEUE_DAYS: i64 = 14;

/// Days for which point-in-time recovery reaches back (DynamoDB guide).
const BACKUP_DAYS: i64 = 35;

/// What was forgotten, and what could not be.
#[derive(Debug, Serialize)]
pub struct Forgotten {
    /// Which order.
    pub order: String,
    /// How it ended.
    pub outcome: String,
    /// Since when the shop keeps nothing of a person about it.
    pub forgotten_at: Timestamp,
    /// Where more may be.
    pub unreachable: Vec<Unreachable>,
}

impl Forgotten {
    /// Which order, and what was done, for its timeline.
    #[must_use]
    pub fn noted(&self) -> (String, String) {
        let what = "what was kept of a person removed".to_owned();
        (self.order.clone(), what)
    }
}

/// A place the shop cannot remove anything from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreachable {
    /// Where.
    pub place: &'static str,
    /// When it is gone from there at the latest; `None` where that is another's
    /// to say.
    pub until: Option<Timestamp>,
}

/// Forgets order `id`. What is on its way to its end may take `within` seconds,
/// and so may the forgetting.
///
/// # Errors
/// [`Problem`] when there is no such order, it has not ended, or the target does
/// not answer.
pub async fn forget<W: Replayable>(world: &W, id: &OrderId, within: u64) -> Outcome<Forgotten> {
    let order = ended(world, id, within).await?;
    let variant = world.variant(&order.variant)?;
    let began = world.now();
    let forgotten_at = match order.forgotten_at {
        Some(at) => at,
        None => {
            let command = Command::from(ForgetOrder { order: id.clone() });
            let message = message::command(&command, id.as_str(), variant.name, began);
            if let Commanded::Refused { name, text } =
                world.command(variant, TableOf::Order, &message).await?
            {
                let why = format!("the order service answered {name} {text}");
                return Err(Problem::failed(why).hint("it is safe to ask again"));
            }
            forgotten(world, id, within).await?
        }
    };
    actions::forget_notes(world, id.as_str()).await?;
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    let after = |at: Timestamp, time| at.saturating_add(time).ok();
    let ended = order.decided_at.unwrap_or(order.placed.placed_at);
    let mut unreachable = vec![Unreachable {
        place: "queues and dead-letter queues: messages that told of it",
        until: after(forgotten_at, days(QUEUE_DAYS)),
    }];
    if variant.keeps_executions {
        unreachable.push(Unreachable {
            place: "the histories of its executions",
            until: after(forgotten_at, days(HISTORY_DAYS)),
        });
    }
    if let Some(archive) = world.archive(variant.name) {
        unreachable.push(Unreachable {
            place: "the archive of what was said",
            until: match world.archive_days(archive).await? {
                Some(kept) => after(ended, days(kept)),
                None => None,
            },
        });
    }
    if let Some(until) = told_whole(world, id).await? {
        unreachable.push(Unreachable {
            place: "journal entries of an earlier version",
            until: Some(until),
        });
    }
    if !world.is_virtual() {
        unreachable.push(Unreachable {
            place: "backups of the order table (point-in-time recovery)",
            until: after(forgotten_at, days(BACKUP_DAYS)),
        });
    }
    let review = review::find(world, id.as_str()).await?;
    if review.is_some_and(|review| review.note.is_some()) {
        unreachable.push(Unreachable {
            place: "the reviewer's note, which the fraud service keeps with its review",
            until: None,
        });
    }
    unreachable.push(Unreachable {
        place: "the payment provider and the carrier, who were told what they needed",
        until: None,
    });
    Ok(Forgotten {
        order: id.to_string(),
        outcome: place::word(&order.standing()),
        forgotten_at,
        unreachable,
    })
}

/// Order `id`, once it has ended. Only what ends by itself is waited for.
async fn ended<W: World>(world: &W, id: &OrderId, within: u64) -> Outcome<Order> {
    let ended = until(world, within, async || {
        let View {
            order, reservation, ..
        } = View::load(world, id.as_str()).await?;
        let order = order.ok_or_else(|| {
            Problem::failed(format!("the order service knows no order {id}"))
                .hint("`duet orders` lists those it knows")
        })?;
        let shipped = reservation.is_some_and(|it| it.status == ReservationStatus::Shipped);
        if order.has_ended() && (shipped || order.fate != Fate::Confirmed) {
            return Ok(Ok(order));
        }
        let under_way = order.fate != Fate::Undecided && order.owed.is_empty();
        match under_way {
            true => Ok(Err(order)),
            false => Err(not_ended(&order)),
        }
    });
    ended.await?.map_err(|order| not_ended(&order))
}

fn not_ended(order: &Order) -> Problem {
    let how = place::word(&order.standing());
    let id = &order.placed.order;
    let why = format!("order {id} has not ended: {how}; nothing was forgotten");
    Problem::failed(why)
        .hint("`duet watch` follows it to its end; `duet repair` sees to what a parked one owes")
}

/// When the order service forgot `id`, once it did.
async fn forgotten<W: World>(world: &W, id: &OrderId, within: u64) -> Outcome<Timestamp> {
    let forgotten = until(world, within, async || {
        let order = place::find(world, id.as_str()).await?;
        Ok(order.and_then(|order| order.forgotten_at).ok_or(()))
    });
    forgotten.await?.map_err(|()| {
        Problem::failed(format!(
            "asked for, but not done after {within} s; `duet dlq list` tells whether the command lies dead"
        ))
        .hint("it is safe to ask again")
    })
}

/// Until when the journal has an entry about `id` that says something of a person.
async fn told_whole<W: World>(world: &W, id: &OrderId) -> Outcome<Option<Timestamp>> {
    let mut last = None;
    for item in world.table(TableOf::Journal).partition(id.as_str()).await? {
        let entry: Entry = item.read()?;
        let personal = duet_core::fact::personal(&entry.metadata.kind);
        if personal
            .iter()
            .any(|member| entry.data.get(member).is_some())
        {
            last = last.max(Timestamp::from_second(entry.expires_at).ok());
        }
    }
    Ok(last)
}

impl Report for Forgotten {
    fn text(&self) -> String {
        let mut lines = vec![format!(
            "{}  {}, forgotten at {}",
            self.order, self.outcome, self.forgotten_at
        )];
        lines.push("out of reach:".to_owned());
        lines.extend(self.unreachable.iter().map(|there| match there.until {
            Some(until) => format!("  {}: until {until}", there.place),
            None => format!("  {}", there.place),
        }));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests;
