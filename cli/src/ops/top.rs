//! One look at a whole target: orders by state, what waits longest, queues,
//! executions, reviews, dead letters.

use std::collections::BTreeMap;

use duet_core::Timestamp;
use serde::Serialize;

use crate::ops::faulty::Faulty;
use crate::ops::orders::{self, Row};
use crate::ops::review;
use crate::ops::trouble::Trouble;
use crate::terminal::exit::Outcome;
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::terminal::times::span;
use crate::world::port::operate::Operate;

/// How many orders that wait are told.
const WAITING: usize = 50;

/// What a target looks like at one moment.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Look {
    /// By the target's clock.
    pub now: Timestamp,
    /// The stack.
    pub stack: String,
    /// Orders by variant.
    pub orders: BTreeMap<String, Counts>,
    /// The orders that wait for something, the oldest first.
    pub waiting: Vec<Row>,
    /// Messages in each queue that has any, about.
    pub queues: BTreeMap<String, u64>,
    /// Messages in each dead-letter queue that has any, about.
    pub dead_letters: BTreeMap<String, u64>,
    /// Executions that run.
    pub running: usize,
    /// Executions that failed.
    pub failed: usize,
    /// Reviews that wait for a person.
    pub reviews: usize,
    /// What was broken on purpose, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
}

/// Orders by how they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Not decided yet.
    pub undecided: usize,
    /// Confirmed, and nothing is owed.
    pub confirmed: usize,
    /// Rejected, and undone.
    pub rejected: usize,
    /// Something is being undone, or is owed.
    pub unsettled: usize,
}

impl Counts {
    fn add(&mut self, outcome: &str) {
        let of = match outcome {
            "Undecided" => &mut self.undecided,
            "Confirmed" => &mut self.confirmed,
            rejected if rejected.ends_with(')') => &mut self.rejected,
            _ => &mut self.unsettled,
        };
        *of += 1;
    }
}

/// Looks at everything once. Nothing is held, and nothing moves.
///
/// # Errors
/// [`crate::terminal::exit::Problem`] when the target does not answer.
pub async fn look<W: Operate + Faulty>(world: &W, stack: &str) -> Outcome<Look> {
    let listed = orders::list(world, &orders::Filter::default()).await?;
    let mut look = Look {
        now: world.now(),
        stack: stack.to_owned(),
        trouble: world.trouble().filter(|trouble| !trouble.is_none()),
        ..Look::default()
    };
    for variant in world.deployment().variants {
        look.orders.insert(variant.to_owned(), Counts::default());
    }
    for order in &listed.orders {
        let counts = look.orders.entry(order.variant.clone()).or_default();
        counts.add(&order.outcome);
    }
    let waiting = listed.orders.into_iter();
    let waiting = waiting.filter(|order| order.waits_for.is_some());
    look.waiting = waiting.take(WAITING).collect();
    for queue in world.homes().into_keys() {
        if let Some(some @ 1..) = world.messages(&queue).await? {
            look.queues.insert(queue, some);
        }
    }
    for url in world.dead_letter_queues() {
        let queue = url.rsplit('/').next().unwrap_or(&url);
        if let Some(some @ 1..) = world.messages(queue).await? {
            look.dead_letters.insert(queue.to_owned(), some);
        }
    }
    look.running = world.running_executions().await?.len();
    look.failed = world.failed_executions().await?.len();
    look.reviews = review::list(world, false).await?.reviews.len();
    Ok(look)
}

impl Look {
    /// What stands beside the orders, in a few words each.
    #[must_use]
    pub fn beside(&self) -> Vec<String> {
        let dead: u64 = self.dead_letters.values().sum();
        let mut lines = vec![
            format!("executions   {} run, {} failed", self.running, self.failed),
            format!("reviews      {} wait for a person", self.reviews),
            format!("dead letters {dead}"),
        ];
        let all = self.dead_letters.iter().chain(&self.queues);
        lines.extend(all.map(|(name, some)| format!("  {some:>5} in {name}")));
        if let Some(trouble) = &self.trouble {
            lines.push(trouble.to_string());
        }
        lines
    }
}

impl Report for Look {
    fn text(&self) -> String {
        let mut counts = table([
            table::word("VARIANT"),
            table::number("UNDECIDED"),
            table::number("CONFIRMED"),
            table::number("REJECTED"),
            table::number("UNSETTLED"),
        ]);
        for (variant, of) in &self.orders {
            let numbers = [of.undecided, of.confirmed, of.rejected, of.unsettled];
            let numbers = numbers.map(|number| number.to_string());
            counts.add_row(std::iter::once(variant.clone()).chain(numbers));
        }
        let mut parts = vec![counts.text(), String::new(), self.beside().join("\n")];
        if !self.waiting.is_empty() {
            let mut rows = table([
                table::word("ORDER"),
                table::word("VARIANT").gives_way(1),
                table::number("AGE"),
                table::prose("WAITS FOR"),
            ]);
            for order in &self.waiting {
                rows.add_row([
                    order.order.as_str(),
                    &order.variant,
                    &span(order.age_seconds),
                    order.waits_for.as_deref().unwrap_or_default(),
                ]);
            }
            parts.extend([String::new(), rows.text()]);
        }
        parts.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_counted_by_what_is_left_to_do() {
        let mut counts = Counts::default();
        for outcome in [
            "Undecided",
            "Confirmed",
            "Rejected(PaymentDeclined)",
            "Rejected(StockUnavailable, OutOfStock)",
            "Rejected(DeliveryFailed, NotServed), compensating",
            "Confirmed, owes shipment",
        ] {
            counts.add(outcome);
        }
        let expected = Counts {
            undecided: 1,
            confirmed: 1,
            rejected: 2,
            unsettled: 2,
        };
        assert_eq!(counts, expected);
    }
}
