//! The outage drill: what is down returns, and then nobody is charged who
//! should not be, and nothing is owed.
//!
//! | part | what is down | for how long | every order ends |
//! |---|---|---|---|
//! | `payment-blip` | the payment provider | less than its patience | Confirmed |
//! | `payment-outage` | the payment provider | longer | Rejected(PaymentUnavailable), nothing charged |
//! | `undo-outage` | the provider for refunds, and the inventory service | while the orders are being undone | parked; then, with the commands an operator has, Rejected with nothing owed |
//! | `order-outage` | the order service | 20 minutes | Confirmed, once an operator has sent `dlq redrive`, then `redrive` |
//! | `order-outage-redrive` | the order service | 20 minutes | the same, with the commands the other way round |
//!
//! The provider is a third party, and the input chooses how it behaves. The
//! inventory and order services are ours: they are taken out of order, for every
//! variant, by [`Operate::outage`], and brought back whatever becomes of the drill.
//! Whoever is cut off before that leaves it to the next run, which begins by doing so.
//!
//! All that is reported is read from tables, ledgers and dead-letter queues.

mod decider;
mod measure;
mod orders;

use std::collections::BTreeSet;

use duet_core::order::{Part as Owing, Reason};
use duet_fraud::command::Verdict;
use duet_fraud::review::{Review, Status as ReviewStatus};
use duet_fraud::rules;
use duet_inventory::domain::{Reservation, Status as ReservationStatus};
use duet_order::domain::{Compensation, Fate, Order};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use self::measure::Seen;
use self::orders::{Batch, ORDERS, RESERVATIONS, REVIEWS};
use crate::ops::actions::Signed;
use crate::ops::dlq::{self, Filter, Layer};
use crate::ops::drill::{AT_ONCE, DRILL};
use crate::ops::redrive::{self, Which};
use crate::ops::wait::until;
use crate::ops::{repair, review};
use crate::shop::scenario::{self, Expected};
use crate::shop::services::TableOf;
use crate::shop::variant::Variant;
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::{interrupt, tell};
use crate::world::World;
use crate::world::port::operate::Operate;

pub use self::measure::Part;

/// How often orders are looked at, in milliseconds.
const LOOK_EVERY: u64 = 1_000;

/// Looking at orders: how often, in milliseconds, and after how many seconds
/// without any change to stop, if the choice names fewer. A workflow's step whose
/// function dies every time is retried for up to three minutes.
const ORDERS_PACE: (u64, u64) = (LOOK_EVERY, 300);

/// The same for dead letters. Each look takes every one of them in hand; and a
/// message whose function dies every time is received 31 times, each time six
/// of the function's timeouts later. Hence [`TASK_TIMEOUT`], where functions die.
const LETTERS_PACE: (u64, u64) = (5_000, 900);

/// The timeout of functions in a world in which the drill has functions die, as
/// a parameter: a message is dead after less than ten minutes.
pub const TASK_TIMEOUT: (&str, &str) = ("TaskTimeoutSeconds", "3");

/// How many dead letters a second are sent back.
const RATE: u32 = 100;

/// The fewest seconds a person must have to decide a review: within these all
/// orders of a part are placed and approved, with an outage in between.
pub const REVIEW_SECONDS: u32 = 3_600;

/// The services that are taken out of order.
const DOWN: [TableOf; 2] = [TableOf::Inventory, TableOf::Order];

/// What to run.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Under which variants.
    pub variants: Vec<&'static Variant>,
    /// How many orders under each.
    pub orders: usize,
    /// After how many seconds without any progress a part gives up.
    pub within: u64,
}

/// What the drill found.
#[derive(Debug, Serialize)]
pub struct DrillReport {
    /// Every part under every variant.
    pub parts: Vec<Part>,
    /// From the first order to the last look, on the target's clock.
    pub elapsed_ms: i64,
    /// Whether that clock is virtual.
    pub virtual_time: bool,
}

/// Runs the drill, and brings back what it took out of order.
///
/// # Errors
/// [`Problem`] when the drill cannot be run here, is interrupted, or the target
/// does not answer. What does not end as it should is no error but a part that
/// is not ok.
pub async fn run<W: Operate>(world: &W, choice: &Choice) -> Outcome<DrillReport> {
    fit(world)?;
    bring_back(world).await?;
    let ran = tokio::select! {
        ran = parts(world, choice) => ran,
        () = interrupted() => Err(Problem::failed("interrupted")
            .hint("its orders are as they are; `duet orders --attention` lists those to be repaired")),
    };
    let back = bring_back(world).await;
    match (ran, back) {
        (Ok(report), Ok(())) => Ok(report),
        (Err(problem), Ok(())) => Err(problem),
        (_, Err(problem)) => Err(problem.hint(format!(
            "{} or {} may still be out of order: run the drill again, it begins by bringing them back",
            DOWN[0].name(),
            DOWN[1].name()
        ))),
    }
}

/// Brings back whatever may be out of order.
async fn bring_back<W: Operate>(world: &W) -> Outcome<()> {
    for service in DOWN {
        world.outage(service, false).await?;
    }
    Ok(())
}

/// Resolves when somebody wants the drill to end.
async fn interrupted() {
    interrupt::cleans_up();
    let asked_to_end = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    match asked_to_end {
        Ok(mut end) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = end.recv() => {}
        },
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

/// Refuses a target on which the drill cannot be run.
fn fit<W: World>(world: &W) -> Outcome<()> {
    if !world.deployment().with_fraud {
        return Err(Problem::usage(
            "the outage drill keeps orders waiting for a review, and needs the fraud service",
        )
        .hint("deploy with the parameter Fraud=on"));
    }
    match world.review_seconds() {
        Some(seconds) if seconds >= REVIEW_SECONDS => Ok(()),
        there => Err(Problem::usage(format!(
            "the outage drill keeps orders waiting for a review, and a person has {} s to decide here",
            there.unwrap_or(0)
        ))
        .hint(format!(
            "deploy with the parameter ReviewSeconds={REVIEW_SECONDS} or more"
        ))),
    }
}

async fn parts<W: Operate>(world: &W, choice: &Choice) -> Outcome<DrillReport> {
    let began = world.now();
    let run = Run {
        world,
        choice,
        stem: format!("{:x}", began.as_millisecond()),
    };
    let mut parts = Vec::new();
    let blip = Expected::Confirmed;
    parts.extend(run.payment("payment-blip", "tok_flaky", blip).await?);
    let outage = Expected::Rejected(Reason::PaymentUnavailable, None);
    parts.extend(run.payment("payment-outage", "tok_down", outage).await?);
    parts.extend(run.undo().await?);
    for first in decider::First::ALL {
        parts.extend(run.decider(first).await?);
    }
    let elapsed_ms = world.now().duration_since(began).as_millis() as i64;
    Ok(DrillReport {
        parts,
        elapsed_ms,
        virtual_time: world.is_virtual(),
    })
}

/// One run of the drill.
struct Run<'a, W> {
    world: &'a W,
    choice: &'a Choice,
    stem: String,
}

impl<W: Operate> Run<'_, W> {
    /// A part in which only the provider is down, which the orders' token says.
    async fn payment(
        &self,
        name: &'static str,
        token: &str,
        expected: Expected,
    ) -> Outcome<Vec<Part>> {
        let batches = self.batches(name, |_, order| {
            order.payment_token = token.to_owned();
        })?;
        self.place(name, &batches).await?;
        self.all_ended(name, &batches).await?;
        self.measure(name, &batches, expected, &Seen::default())
            .await
    }

    /// Waits until every order is decided, and nothing of it is being undone.
    async fn all_ended(&self, name: &str, batches: &[Batch]) -> Outcome<()> {
        let ended = |order: &Order| {
            order.fate != Fate::Undecided && order.compensation != Compensation::Pending
        };
        self.until(
            name,
            "orders have ended",
            orders::size(batches),
            ORDERS_PACE,
            async || self.count(batches, ORDERS, ended).await,
        )
        .await
        .map(drop)
    }

    /// The part in which orders cannot be undone, until an operator comes.
    async fn undo(&self) -> Outcome<Vec<Part>> {
        let name = "undo-outage";
        let world = self.world;
        // No answer until every service has given up.
        let silent = scenario::silence(world.deployment().patience_seconds);
        let batches = self.batches(name, |_, order| {
            order.payment_token = format!("tok_refund_silent_{silent}s");
            order.ship_to.postcode = "00000".to_owned();
            order.total.amount = rules::LARGE_AMOUNT * 100;
        })?;
        // All goods are set aside, and every order waits for a person, before
        // anything goes down: what is not reserved needs no release.
        self.place(name, &batches).await?;
        let reserved = |of: &Reservation| of.status == ReservationStatus::Reserved;
        let open = |of: &Review| of.status == ReviewStatus::Open;
        let ready = [
            self.until(
                name,
                "orders are reserved",
                orders::size(&batches),
                ORDERS_PACE,
                async || self.count(&batches, RESERVATIONS, reserved).await,
            )
            .await?,
            self.until(
                name,
                "orders wait for a review",
                orders::size(&batches),
                ORDERS_PACE,
                async || self.count(&batches, REVIEWS, open).await,
            )
            .await?,
        ];
        if ready.contains(&false) {
            return Err(Problem::failed(format!(
                "{name}: not all orders are reserved and wait for a review, so nothing was taken out of order"
            )));
        }
        let down = TableOf::Inventory;
        tell(&format!("{name}: {} goes out of order", down.name()));
        world.outage(down, true).await?;
        let mut seen = self.break_down(name, &batches).await?;
        tell(&format!("{name}: {} is back", down.name()));
        world.outage(down, false).await?;
        self.make_good(name, &batches, &mut seen).await?;
        let expected = Expected::Rejected(Reason::DeliveryFailed, Some("NotServed"));
        self.measure(name, &batches, expected, &seen).await
    }

    /// Has every order go on, to where it cannot be undone, and tells what is
    /// left lying.
    async fn break_down(&self, name: &str, batches: &[Batch]) -> Outcome<Seen> {
        let within = self.choice.within;
        self.each(batches, async |_, id| {
            let signed = Signed::by(DRILL);
            review::decide(self.world, id, Verdict::Approve, Some(&signed), within).await
        })
        .await?;
        let parked = |order: &Order| order.compensation == Compensation::Failed;
        self.until(
            name,
            "orders are parked",
            orders::size(batches),
            ORDERS_PACE,
            async || self.count(batches, ORDERS, parked).await,
        )
        .await?;
        // Each order leaves a message that died or an execution that failed,
        // whichever its variant has. A message takes the longer to die.
        let all: BTreeSet<String> = batches
            .iter()
            .flat_map(Batch::ids)
            .map(ToString::to_string)
            .collect();
        let mut seen = self.lying(name, &all).await?;
        seen.parks = true;
        for batch in batches {
            let orders = self.load::<Order>(batch, ORDERS).await?;
            let failed = orders.into_iter().filter(|(_, order)| parked(order));
            seen.parked.extend(failed.map(|(id, _)| id));
        }
        Ok(seen)
    }

    /// Waits until each of `orders` has left a dead letter or a failed execution.
    async fn lying(&self, name: &str, orders: &BTreeSet<String>) -> Outcome<Seen> {
        let mut letters = Vec::new();
        self.until(
            name,
            "orders have a dead letter",
            orders.len(),
            LETTERS_PACE,
            async || {
                letters = dlq::list(self.world, &self.mine(name)).await?.letters;
                let about: BTreeSet<&String> = letters
                    .iter()
                    .filter_map(|letter| letter.subject.as_ref())
                    .filter(|about| orders.contains(*about))
                    .collect();
                Ok(about.len())
            },
        )
        .await?;
        let mut seen = Seen {
            lies: orders.clone(),
            ..Seen::default()
        };
        for letter in letters {
            let about = letter.subject.unwrap_or_default();
            if letter.layer == Layer::Execution {
                seen.executions.insert(about);
            } else {
                seen.letters.push(about);
            }
        }
        Ok(seen)
    }

    /// What an operator does when the services are back: `dlq redrive`,
    /// `redrive`, `repair`.
    async fn make_good(&self, name: &str, batches: &[Batch], seen: &mut Seen) -> Outcome<()> {
        let world = self.world;
        let home = self.send_back(name, seen).await?;
        // What they were about is done before anybody repairs: each order is
        // asked for what it then lacks, and for nothing else.
        let released = |id: &String, order: &Order| {
            home.contains(id) && !order.pending.contains(&Owing::Stock)
        };
        let all = until(world, self.choice.within, async || {
            let mut done = 0;
            for batch in batches {
                let orders = self.load::<Order>(batch, ORDERS).await?;
                done += orders
                    .iter()
                    .filter(|(id, order)| released(id, order))
                    .count();
            }
            Ok(if done == home.len() { Ok(()) } else { Err(()) })
        });
        // What is not released by then is seen by who counts.
        let _ = all.await?;
        self.take_up(name, seen).await?;
        let orders = stream::iter(batches)
            .then(|batch| self.load::<Order>(batch, ORDERS))
            .try_collect::<Vec<_>>()
            .await?;
        let parked = orders.into_iter().flatten();
        let parked = parked.filter(|(_, order)| order.compensation == Compensation::Failed);
        let repaired: Vec<(String, Outcome<repair::Repaired>)> = stream::iter(parked)
            .map(|(id, order)| async move {
                let done = repair::repair(world, &order.placed.order, self.choice.within).await;
                (id, done)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        for (id, done) in repaired {
            match done {
                Ok(done) if done.missing.is_empty() && !done.repaired.is_empty() => {
                    seen.repaired.insert(id);
                }
                Ok(done) => {
                    let why = done.missing.iter().map(|missing| missing.why.as_str());
                    seen.wrong
                        .push(format!("{id}: {}", why.collect::<Vec<_>>().join("; ")));
                }
                Err(problem) => seen.wrong.push(format!("{id}: {problem}")),
            }
        }
        tell(&format!(
            "{name}: {} orders are repaired",
            seen.repaired.len()
        ));
        Ok(())
    }

    /// `dlq redrive`: gives what the letters that went home were about.
    async fn send_back(&self, name: &str, seen: &mut Seen) -> Outcome<BTreeSet<String>> {
        let sent = dlq::redrive(self.world, &self.mine(name), false, RATE).await?;
        let letters = sent.redriven.into_iter();
        let home: Vec<String> = letters.filter_map(|letter| letter.subject).collect();
        let kept = sent.kept.iter();
        seen.wrong.extend(kept.map(|kept| {
            let about = kept.letter.subject.as_deref().unwrap_or_default();
            format!(
                "{about}: its letter {} stays dead: {}",
                kept.letter.id, kept.why
            )
        }));
        tell(&format!("{name}: {} dead letters went home", home.len()));
        seen.redriven.extend(home.iter().cloned());
        Ok(home.into_iter().collect())
    }

    /// `redrive`: gives the names of those that are not taken up again.
    async fn take_up(&self, name: &str, seen: &mut Seen) -> Outcome<BTreeSet<String>> {
        if seen.executions.is_empty() {
            return Ok(BTreeSet::new());
        }
        let which = Which::These(seen.executions.clone());
        let rows = redrive::run(self.world, &which, false).await?.executions;
        let (again, left): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.redriven);
        tell(&format!(
            "{name}: {} of {} failed executions are taken up again{}",
            again.len(),
            rows.len(),
            left.iter()
                .find_map(|row| row.instead.as_ref())
                .map_or(String::new(), |why| format!(
                    "; the first of the others: {why}"
                ))
        ));
        seen.redriven
            .extend(again.iter().map(|row| row.execution.clone()));
        Ok(left.iter().map(|row| row.execution.clone()).collect())
    }

    /// The dead letters of this run's part `name`.
    fn mine(&self, name: &str) -> Filter {
        Filter {
            order: Some(format!("{}-{name}-*", self.stem)),
            ..Filter::default()
        }
    }
}

#[cfg(test)]
mod tests;
