//! Listing orders: how each stands, how old it is, and what it waits for.

use std::collections::{BTreeMap, BTreeSet};

use duet_core::Timestamp;
use duet_core::store::{Browse, Item, Listing, Store};
use duet_core::sweep;
use duet_fraud::review::{OPEN, Review, Status};
use duet_order::domain::{Compensation, Fate, Order, PARKED, UNDECIDED};
use duet_order::sweep::{Left, is_worth_asking, left};
use serde::Serialize;

use crate::ops::place;
use crate::shop::services::{Subject, TableOf};
use crate::terminal::exit::Outcome;
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::terminal::times::span;
use crate::world::{Execution, World};

/// An order that is under way for longer than this is called stuck, in seconds.
pub const STUCK_SECONDS: i64 = 60;

/// Which orders. Several of the first three conditions: any of them. The others
/// hold on top.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Undecided, or being undone, for more than [`STUCK_SECONDS`].
    pub stuck: bool,
    /// Rejected.
    pub failed: bool,
    /// Parked: something is owed. Or undecided, and nobody drives it.
    pub attention: bool,
    /// Placed no longer ago than this, in seconds.
    pub since: Option<i64>,
    /// Under one of these variants; any if there is none.
    pub variants: Vec<String>,
    /// How it stands begins so, in capitals or not.
    pub outcome: Option<String>,
    /// Of this customer.
    pub customer: Option<String>,
    /// At most so many, the newest.
    pub limit: Option<usize>,
}

impl Filter {
    /// Whether it takes orders that need attention, and no others.
    fn only_attention(&self) -> bool {
        self.attention && !self.stuck && !self.failed
    }
}

/// One order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its id.
    pub order: String,
    /// The variant it runs under.
    pub variant: String,
    /// How it stands, in a word.
    pub outcome: String,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// Seconds since it was placed.
    pub age_seconds: i64,
    /// What it waits for; nothing once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

/// Orders, the oldest first.
#[derive(Debug, Serialize)]
pub struct Orders {
    /// One row each.
    pub orders: Vec<Row>,
    /// How many older ones there are beyond the limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The orders that `filter` takes.
///
/// # Errors
/// [`crate::terminal::exit::Problem`] when a table does not answer.
pub async fn list<W: World>(world: &W, filter: &Filter) -> Outcome<Orders> {
    let now = world.now();
    let orders: Vec<Order> = match filter.only_attention() {
        // Few of all that there ever were, and indexes know them.
        true => indexed(world, TableOf::Order, &[PARKED, UNDECIDED]).await?,
        false => documents(world, TableOf::Order, "order").await?,
    };
    let reviews: Vec<Review> = indexed(world, TableOf::Fraud, &[OPEN]).await?;
    let reviews: BTreeMap<String, Status> = reviews
        .into_iter()
        .map(|review| (review.order.to_string(), review.status))
        .collect();
    let mut rows = Vec::new();
    for order in &orders {
        let id = order.placed.order.to_string();
        // Asked only where it decides: a workflow has to be asked for each order.
        let left = match filter.attention {
            true => left_by(world, order).await?,
            false => None,
        };
        if takes(filter, order, left.is_some(), now) {
            rows.push(Row {
                variant: order.variant.clone(),
                outcome: place::word(&order.standing()),
                placed_at: order.placed.placed_at,
                age_seconds: now.duration_since(order.placed.placed_at).as_secs(),
                waits_for: match left {
                    Some(_) => Some("nobody: `duet repair` parks and mends it".to_owned()),
                    None => waits_for(order, reviews.get(&id)),
                },
                order: id,
            });
        }
    }
    rows.sort_by(|a, b| (a.placed_at, &a.order).cmp(&(b.placed_at, &b.order)));
    let more = filter
        .limit
        .map_or(0, |limit| rows.len().saturating_sub(limit));
    let orders = rows.split_off(more);
    Ok(Orders { orders, more })
}

/// The documents that `indexes` of a table list, each once. An index is a moment
/// late, so each is read as it is now.
///
/// # Errors
/// [`crate::terminal::exit::Problem`] when the table does not answer, or has no such
/// index, as one of an older stack.
pub(crate) async fn indexed<W: World, T: serde::de::DeserializeOwned>(
    world: &W,
    of: TableOf,
    indexes: &[&'static str],
) -> Outcome<Vec<T>> {
    let table = world.table(of);
    let mut keys = BTreeSet::new();
    for index in indexes {
        keys.extend(table.listed(index).await?);
    }
    let keys: Vec<_> = keys.into_iter().collect();
    let found = table.load(&keys).await?;
    let found = found.iter().flatten().map(Item::read);
    Ok(found.collect::<Result<_, _>>()?)
}

/// The documents of a table that stand at `sk`.
///
/// # Errors
/// [`crate::terminal::exit::Problem`] when the table does not answer.
pub(crate) async fn documents<W: World, T: serde::de::DeserializeOwned>(
    world: &W,
    of: TableOf,
    sk: &str,
) -> Outcome<Vec<T>> {
    let items = world.table(of).everything().await?;
    let documents = items.iter().filter(|item| item.key.sk == sk);
    Ok(documents.map(Item::read).collect::<Result<_, _>>()?)
}

/// Who left `order`, if it is undecided and nobody drives it, by the rule of the
/// order service's own sweep, which would find it within the hour.
///
/// # Errors
/// [`crate::terminal::exit::Problem`] when the target does not answer.
pub async fn left_by<W: World>(world: &W, order: &Order) -> Outcome<Option<Left>> {
    let now = world.now();
    if !is_worth_asking(order, now) {
        return Ok(None);
    }
    let Ok(variant) = world.variant(&order.variant) else {
        return Ok(None);
    };
    if !variant.keeps_executions {
        return Ok(left(order, None, now));
    }
    let id = order.placed.order.as_str();
    let executions = world.executions(variant, Subject::Order, id).await?;
    if executions.iter().any(Execution::is_running) {
        return Ok(None);
    }
    let ended = executions.into_iter().map(|execution| sweep::Execution {
        name: execution.name,
        // It does not run: if nobody says since when, then long since.
        ended: Some(execution.ended.unwrap_or(Timestamp::MIN)),
    });
    Ok(left(order, Some(&ended.collect::<Vec<_>>()), now))
}

fn takes(filter: &Filter, order: &Order, left: bool, now: Timestamp) -> bool {
    let &Filter {
        stuck,
        failed,
        attention,
        ..
    } = filter;
    let age = |from: Timestamp| now.duration_since(from).as_secs();
    let is_new = filter
        .since
        .is_none_or(|since| age(order.placed.placed_at) <= since);
    let is_of = filter.variants.is_empty() || filter.variants.contains(&order.variant);
    let is_theirs = filter
        .customer
        .as_ref()
        .is_none_or(|customer| order.placed.customer.as_str() == customer);
    let stands = filter.outcome.as_ref().is_none_or(|word| {
        let stands = place::word(&order.standing()).to_lowercase();
        stands.starts_with(&word.to_lowercase())
    });
    if !(is_new && is_of && is_theirs && stands) {
        return false;
    }
    let under_way = order.fate == Fate::Undecided || order.compensation == Compensation::Pending;
    let moved = order.decided_at.unwrap_or(order.placed.placed_at);
    (!stuck && !failed && !attention)
        || (stuck && under_way && age(moved) > STUCK_SECONDS)
        || (failed && matches!(order.fate, Fate::Rejected { .. }))
        || (attention && (order.is_parked() || left))
}

/// What `order` waits for, given how its review stands; nothing once it has ended.
pub(crate) fn waits_for(order: &Order, review: Option<&Status>) -> Option<String> {
    if !order.owed.is_empty() {
        let owed: Vec<_> = order
            .owed
            .iter()
            .map(|owed| match owed.amount {
                Some(amount) => format!("{:?} {amount}", owed.part),
                None => format!("{:?}", owed.part),
            })
            .collect();
        return Some(format!("repair of {}", owed.join(", ")));
    }
    match (&order.fate, order.compensation) {
        (Fate::Undecided, _) if review == Some(&Status::Open) => {
            Some("a person's decision".to_owned())
        }
        (Fate::Undecided, _) => Some(order.waits_for.clone()),
        (Fate::Rejected { .. }, Compensation::Pending | Compensation::Failed) => {
            let parts: Vec<_> = order
                .pending
                .iter()
                .map(|part| format!("{part:?}"))
                .collect();
            Some(format!("undoing {}", parts.join(", ")))
        }
        _ => None,
    }
}

impl Report for Orders {
    fn text(&self) -> String {
        if self.orders.is_empty() {
            return "no such orders".to_owned();
        }
        let mut rows = table([
            table::word("ORDER"),
            table::word("VARIANT").gives_way(1),
            table::prose("OUTCOME").states(),
            table::number("AGE").gives_way(2),
            table::prose("WAITS FOR"),
        ]);
        for order in &self.orders {
            rows.add_row([
                order.order.clone(),
                order.variant.clone(),
                order.outcome.clone(),
                span(order.age_seconds),
                order.waits_for.clone().unwrap_or_default(),
            ]);
        }
        match self.more {
            0 => rows.text(),
            more => format!("{}\nand {more} older", rows.text()),
        }
    }
}
