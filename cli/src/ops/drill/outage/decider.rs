//! The part in which the order service is down, the one that decides.
//!
//! Half of the orders need a person. Some of those are under review when the
//! service goes down; all the others are placed while it is down. Each leaves a
//! message that died, or an execution that failed; of an execution that ended, the
//! word that it did lies dead, too. An operator has two commands for that, and
//! must not have to know in which order to give them: the word that an execution
//! ended comes late, to an order that goes on by then, or before it does.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use duet_fraud::command::Verdict;
use duet_fraud::review::{Review, Status as ReviewStatus};
use duet_fraud::rules;

use super::measure::{Part, Seen};
use super::orders::{self, Batch, REVIEWS};
use super::{ORDERS_PACE, Run};
use crate::ops::actions::Signed;
use crate::ops::drill::DRILL;
use crate::ops::redrive::{self, Which};
use crate::ops::{place, review};
use crate::shop::scenario::Expected;
use crate::shop::services::TableOf;
use crate::shop::variant::Variant;
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::tell;
use crate::world::port::operate::Operate;

/// For how long the service is down at least, where waiting costs nothing, in
/// milliseconds.
const DOWN_FOR: u64 = 20 * 60_000;

/// How long what one command led to may take before the next, in milliseconds.
const BETWEEN: u64 = 60_000;

/// Which of an operator's two commands is given first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// `dlq redrive`: messages that died go home.
    Letters,
    /// `redrive`: executions that failed are taken up again.
    Executions,
}

impl First {
    pub(super) const ALL: [Self; 2] = [Self::Letters, Self::Executions];

    fn name(self) -> &'static str {
        match self {
            Self::Letters => "order-outage",
            Self::Executions => "order-outage-redrive",
        }
    }
}

/// Whether the `n`-th order needs a person.
fn is_dear(n: usize) -> bool {
    n.is_multiple_of(2)
}

/// Whether the `n`-th order is placed before the service goes down.
fn is_early(n: usize) -> bool {
    n.is_multiple_of(10)
}

impl<W: Operate> Run<'_, W> {
    /// The part in which `first` is given first.
    pub(super) async fn decider(&self, first: First) -> Outcome<Vec<Part>> {
        let (name, world) = (first.name(), self.world);
        let batches = self.batches(name, |n, order| {
            if is_dear(n) {
                let line = &mut order.lines[0];
                let price = order.total.amount;
                // One piece more than makes an order large.
                let pieces = rules::LARGE_AMOUNT * 100 / price + 1;
                line.quantity = u32::try_from(pieces)
                    .ok()
                    .and_then(NonZeroU32::new)
                    .unwrap_or(NonZeroU32::MAX);
                order.total.amount = price * pieces;
            }
        })?;
        self.stock(&batches).await?;
        self.submit(name, &batches, is_early).await?;
        let open = |of: &Review| of.status == ReviewStatus::Open;
        let early = count(&batches, is_early);
        let waits = self.until(
            name,
            "orders wait for a review",
            early,
            ORDERS_PACE,
            async || self.count(&batches, REVIEWS, open).await,
        );
        if !waits.await? {
            return Err(Problem::failed(format!(
                "{name}: not all orders wait for a review, so nothing was taken out of order"
            )));
        }
        let down = TableOf::Order;
        tell(&format!("{name}: {} goes out of order", down.name()));
        world.outage(down, true).await?;
        let began = world.now();
        self.submit(name, &batches, |n| !is_early(n)).await?;
        let late: BTreeSet<String> = orders::interleaved(&batches)
            .into_iter()
            .filter(|(n, ..)| !is_early(*n))
            .map(|(.., order)| order.order.to_string())
            .collect();
        if world.is_virtual() {
            world.pause(DOWN_FOR).await;
        }
        let mut seen = self.lying(name, &late).await?;
        let minutes = world.now().duration_since(began).as_secs() / 60;
        tell(&format!(
            "{name}: {} is back after {minutes} minutes",
            down.name()
        ));
        world.outage(down, false).await?;
        match first {
            First::Letters => {
                self.send_back(name, &mut seen).await?;
                world.pause(BETWEEN).await;
                self.take_up_or_anew(name, &batches, &mut seen).await?;
            }
            First::Executions => {
                self.take_up_or_anew(name, &batches, &mut seen).await?;
                world.pause(BETWEEN).await;
                self.send_back(name, &mut seen).await?;
            }
        }
        world.pause(BETWEEN).await;
        self.approve(name, &batches).await?;
        self.all_ended(name, &batches).await?;
        self.measure(name, &batches, Expected::Confirmed, &seen)
            .await
    }

    /// Where no execution can be taken up again, whoever placed what did not come in places
    /// it again.
    async fn place_again(&self, batches: &[Batch], seen: &mut Seen) -> Outcome<()> {
        let again = |of: &Variant| of.has_machines && !of.keeps_executions;
        for batch in batches.iter().filter(|batch| again(batch.variant)) {
            for order in &batch.orders {
                let id = order.order.as_str();
                if place::find(self.world, id).await?.is_none() {
                    place::submit(self.world, batch.variant, order).await?;
                    seen.redriven.push(id.to_owned());
                }
            }
        }
        Ok(())
    }

    /// `redrive`, and where the target cannot do that, `redrive --new`.
    async fn take_up_or_anew(&self, name: &str, batches: &[Batch], seen: &mut Seen) -> Outcome<()> {
        let left = self.take_up(name, seen).await?;
        self.place_again(batches, seen).await?;
        if left.is_empty() {
            return Ok(());
        }
        let rows = redrive::start_again(self.world, &Which::These(left), false).await?;
        let started = rows
            .executions
            .into_iter()
            .filter(|row| row.started.is_some());
        let started: Vec<String> = started.map(|row| row.execution).collect();
        tell(&format!(
            "{name}: {} new executions are started in the place of failed ones",
            started.len()
        ));
        seen.redriven.extend(started);
        Ok(())
    }

    /// Has a person approve what needs one.
    async fn approve(&self, name: &str, batches: &[Batch]) -> Outcome<()> {
        let open = |of: &Review| of.status == ReviewStatus::Open;
        self.until(
            name,
            "orders wait for a review",
            count(batches, is_dear),
            ORDERS_PACE,
            async || self.count(batches, REVIEWS, open).await,
        )
        .await?;
        let within = self.choice.within;
        self.each(batches, async |_, id| {
            let there = review::find(self.world, id.as_str()).await?;
            if there.is_some_and(|review| open(&review)) {
                let signed = Signed::by(DRILL);
                review::decide(self.world, id, Verdict::Approve, Some(&signed), within).await?;
            }
            Ok(())
        })
        .await
    }
}

/// How many of a part's orders are so.
fn count(batches: &[Batch], is: fn(usize) -> bool) -> usize {
    orders::interleaved(batches)
        .iter()
        .filter(|(n, ..)| is(*n))
        .count()
}
