//! The outage drill: what is down returns, and then nobody is charged who
//! should not be, and nothing is owed.
//!
//! | part | what is down | for how long | every order ends |
//! |---|---|---|---|
//! | `payment-blip` | the payment provider | less than the retry budget | Confirmed |
//! | `payment-outage` | the payment provider | longer | Rejected(PaymentUnavailable), nothing charged |
//! | `undo-outage` | the provider for refunds, and the inventory service | while the orders are being undone | parked; then, with the commands an operator has, Rejected with nothing owed |
//!
//! The provider is a third party, and the input chooses how it behaves. The
//! inventory service is ours: it is taken out of order, for every variant, by
//! [`Operate::outage`], and brought back whatever becomes of the drill. Whoever
//! is cut off before that leaves it to the next run, which begins by doing so.
//!
//! All that is reported is read from tables, ledgers and dead-letter queues.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use duet_core::money::Currency;
use duet_core::order::{Address, Line, Part as Owing, Reason};
use duet_core::store::{Key, Store};
use duet_core::{Money, OrderId, Sku};
use duet_fraud::command::Verdict;
use duet_fraud::review::{Review, Status as ReviewStatus};
use duet_fraud::rules;
use duet_inventory::domain::{Reservation, Status as ReservationStatus, Stock};
use duet_order::command::PlaceOrder;
use duet_order::domain::{Compensation, Fate, Order};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dlq::{self, Filter, Layer};
use crate::exit::{Exit, Outcome, Problem};
use crate::invariants::Findings;
use crate::redrive::{self, Which};
use crate::report::{Report, table, trimmed};
use crate::scenario::Expected;
use crate::variant::Variant;
use crate::view::View;
use crate::world::operate::Operate;
use crate::world::{TableOf, World};
use crate::{catalog, demo, place, repair, review};

/// How many orders are under way to their entry, or in an operator's hands, at once.
const AT_ONCE: usize = 16;

/// How often orders are looked at, in milliseconds.
const LOOK_EVERY: u64 = 1_000;

/// Looking at orders: how often, in milliseconds, and after how many seconds
/// without any change to stop, if the choice names fewer.
const ORDERS_PACE: (u64, u64) = (LOOK_EVERY, 0);

/// The same for dead letters. Each look takes every one of them in hand; and a
/// message whose function dies is seen again only when its visibility timeout
/// is over, which is a minute or more for each of its receives.
const LETTERS_PACE: (u64, u64) = (5_000, 900);

/// How often progress is told, in seconds.
const TELL_EVERY: i64 = 20;

/// How many dead letters a second are sent back.
const RATE: u32 = 100;

/// The longest list of what is wrong.
const MOST_WRONGS: usize = 10;

/// The fewest seconds a person must have to decide a review: within these all
/// orders of a part are placed and approved.
pub const REVIEW_SECONDS: u32 = 600;

/// The service that is taken out of order.
const DOWN: TableOf = TableOf::Inventory;

/// Where a service keeps what it knows of an order.
#[derive(Clone, Copy)]
struct Kept {
    table: TableOf,
    key: fn(&str) -> Key,
}

const ORDERS: Kept = Kept {
    table: TableOf::Order,
    key: |id| duet_order::key(id),
};

const RESERVATIONS: Kept = Kept {
    table: TableOf::Inventory,
    key: |id| duet_inventory::reservation_key(id),
};

const REVIEWS: Kept = Kept {
    table: TableOf::Fraud,
    key: |id| duet_fraud::review_key(id),
};

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

/// One part under one variant.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// The variant.
    pub variant: &'static str,
    /// Orders the order service knows.
    pub orders: usize,
    /// Messages about them that lay in dead-letter queues at the height of it.
    pub dead_letters: usize,
    /// Executions of theirs that had failed by then.
    pub failed_executions: usize,
    /// Orders that were parked by then.
    pub parked: usize,
    /// Dead letters that went home, and executions that were taken up again.
    pub redriven: usize,
    /// Orders that `repair` made whole.
    pub repaired: usize,
    /// Orders confirmed in the end.
    pub confirmed: usize,
    /// Orders rejected and whole in the end.
    pub rejected: usize,
    /// Orders something is still owed of.
    pub attention: usize,
    /// Orders the provider took more for than their total.
    pub double_charges: usize,
    /// Whether all is as it should be.
    pub ok: bool,
    /// What is not, if anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<String>,
}

/// What the drill found.
#[derive(Debug, Serialize)]
pub struct DrillReport {
    /// Every part under every variant.
    pub parts: Vec<Part>,
    /// From the first order to the last look.
    pub elapsed_ms: i64,
}

/// Runs the drill, and brings back what it took out of order.
///
/// # Errors
/// [`Problem`] when the drill cannot be run here, is interrupted, or the target
/// does not answer. What does not end as it should is no error but a part that
/// is not ok.
pub async fn run<W: Operate>(world: &W, choice: &Choice) -> Outcome<DrillReport> {
    fit(world)?;
    world.outage(DOWN, false).await?;
    let ran = tokio::select! {
        ran = parts(world, choice) => ran,
        () = interrupted() => Err(Problem::failed("interrupted")
            .hint("its orders are as they are; `duet orders --attention` lists those to be repaired")),
    };
    let back = world.outage(DOWN, false).await;
    match (ran, back) {
        (Ok(report), Ok(())) => Ok(report),
        (Err(problem), Ok(())) => Err(problem),
        (_, Err(problem)) => Err(problem.hint(format!(
            "{} may still be out of order: run the drill again, it begins by bringing it back",
            DOWN.name()
        ))),
    }
}

/// Resolves when somebody wants the drill to end.
async fn interrupted() {
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
        .hint("deploy with `duet up --parameter WithFraud=true`"));
    }
    match world.review_seconds() {
        Some(seconds) if seconds >= REVIEW_SECONDS => Ok(()),
        there => Err(Problem::usage(format!(
            "the outage drill keeps orders waiting for a review, and a person has {} s to decide here",
            there.unwrap_or(0)
        ))
        .hint(format!(
            "deploy with `duet up --parameter ReviewSeconds={REVIEW_SECONDS}` or more"
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
    let elapsed_ms = world.now().duration_since(began).as_millis() as i64;
    Ok(DrillReport { parts, elapsed_ms })
}

/// The orders of one part under one variant.
struct Batch {
    variant: &'static Variant,
    sku: Sku,
    orders: Vec<PlaceOrder>,
}

impl Batch {
    fn ids(&self) -> impl Iterator<Item = &OrderId> {
        self.orders.iter().map(|order| &order.order)
    }
}

/// What was seen and done before a part ended, by order.
#[derive(Default)]
struct Seen {
    letters: Vec<String>,
    executions: BTreeSet<String>,
    parked: BTreeSet<String>,
    redriven: Vec<String>,
    repaired: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Seen {
    fn count<'a>(of: impl IntoIterator<Item = &'a String>, batch: &Batch) -> usize {
        let ids: BTreeSet<&str> = batch.ids().map(OrderId::as_str).collect();
        of.into_iter()
            .filter(|id| ids.contains(id.as_str()))
            .count()
    }
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
        let batches = self.batches(name, |order| {
            order.payment_token = token.to_owned();
        })?;
        self.place(name, &batches).await?;
        let ended = |order: &Order| {
            order.fate != Fate::Undecided && order.compensation != Compensation::Pending
        };
        self.until(
            name,
            "orders have ended",
            &batches,
            ORDERS_PACE,
            async || self.count(&batches, ORDERS, ended).await,
        )
        .await?;
        self.measure(name, &batches, expected, &Seen::default())
            .await
    }

    /// The part in which orders cannot be undone, until an operator comes.
    async fn undo(&self) -> Outcome<Vec<Part>> {
        let name = "undo-outage";
        let world = self.world;
        // A workflow's task is tried once and then retried as often as the
        // budget says: no answer until all of these are spent.
        let silent = world.deployment().retry_budget.saturating_add(1);
        let batches = self.batches(name, |order| {
            order.payment_token = format!("tok_refund_fails_{silent}");
            order.ship_to.postcode = "00000".to_owned();
            order.total.amount = rules::LARGE_AMOUNT * 100;
        })?;
        // All goods are set aside, and every order waits for a person, before
        // anything goes down: what is not reserved needs no release.
        self.place(name, &batches).await?;
        let reserved = |of: &Reservation| of.status == ReservationStatus::Reserved;
        let open = |of: &Review| of.status == ReviewStatus::Open;
        for what in ["orders are reserved", "orders wait for a review"] {
            let ready = self.until(name, what, &batches, ORDERS_PACE, async || {
                if what.ends_with("reserved") {
                    return self.count(&batches, RESERVATIONS, reserved).await;
                }
                self.count(&batches, REVIEWS, open).await
            });
            if !ready.await? {
                return Err(Problem::failed(format!("{name}: not all {what}")));
            }
        }
        tell(&format!("{name}: {} goes out of order", DOWN.name()));
        world.outage(DOWN, true).await?;
        let mut seen = self.break_down(name, &batches).await?;
        tell(&format!("{name}: {} is back", DOWN.name()));
        world.outage(DOWN, false).await?;
        self.make_good(name, &batches, &mut seen).await?;
        let expected = Expected::Rejected(Reason::DeliveryFailed, Some("NotServed"));
        self.measure(name, &batches, expected, &seen).await
    }

    /// Has every order go on, to where it cannot be undone, and tells what is
    /// left lying.
    async fn break_down(&self, name: &str, batches: &[Batch]) -> Outcome<Seen> {
        let within = self.choice.within;
        self.each(batches, async |_, id| {
            review::decide(self.world, id, Verdict::Approve, Some("duet drill"), within).await
        })
        .await?;
        let parked = |order: &Order| order.compensation == Compensation::Failed;
        self.until(
            name,
            "orders are parked",
            batches,
            ORDERS_PACE,
            async || self.count(batches, ORDERS, parked).await,
        )
        .await?;
        // Each order leaves a message that died or an execution that failed,
        // whichever its variant has. A message takes the longer to die.
        let mut letters = Vec::new();
        self.until(
            name,
            "orders have a dead letter",
            batches,
            LETTERS_PACE,
            async || {
                letters = dlq::list(self.world, &self.mine(name)).await?.letters;
                let about: BTreeSet<&String> = letters
                    .iter()
                    .filter_map(|letter| letter.subject.as_ref())
                    .collect();
                Ok(about.len())
            },
        )
        .await?;
        let mut seen = Seen::default();
        for letter in letters {
            let about = letter.subject.unwrap_or_default();
            if letter.layer == Layer::Execution {
                seen.executions.insert(about);
            } else {
                seen.letters.push(about);
            }
        }
        for batch in batches {
            let orders = self.load::<Order>(batch, ORDERS).await?;
            let failed = orders.into_iter().filter(|(_, order)| parked(order));
            seen.parked.extend(failed.map(|(id, _)| id));
        }
        Ok(seen)
    }

    /// What an operator does when the services are back: `dlq redrive`,
    /// `redrive`, `repair`.
    async fn make_good(&self, name: &str, batches: &[Batch], seen: &mut Seen) -> Outcome<()> {
        let world = self.world;
        let mine = self.mine(name);
        let sent = dlq::redrive(world, &mine, false, RATE).await?;
        let home: BTreeSet<String> = sent
            .redriven
            .iter()
            .filter_map(|letter| letter.subject.clone())
            .collect();
        seen.redriven.extend(
            sent.redriven
                .into_iter()
                .filter_map(|letter| letter.subject),
        );
        let kept = sent.kept.iter();
        seen.wrong.extend(kept.map(|kept| {
            let about = kept.letter.subject.as_deref().unwrap_or_default();
            format!(
                "{about}: its letter {} stays dead: {}",
                kept.letter.id, kept.why
            )
        }));
        tell(&format!(
            "{name}: {} dead letters went home",
            seen.redriven.len()
        ));
        // What they were about is done before anybody repairs: each order is
        // asked for what it then lacks, and for nothing else.
        let released = |id: &String, order: &Order| {
            home.contains(id) && !order.pending.contains(&Owing::Stock)
        };
        let began = world.now();
        loop {
            let mut done = 0;
            for batch in batches {
                let orders = self.load::<Order>(batch, ORDERS).await?;
                done += orders
                    .iter()
                    .filter(|(id, order)| released(id, order))
                    .count();
            }
            let late = world.now().duration_since(began).as_secs() >= self.choice.within as i64;
            if done == home.len() || late {
                break;
            }
            world.pause(LOOK_EVERY).await;
        }
        if !seen.executions.is_empty() {
            let which = Which::These(seen.executions.clone());
            let rows = redrive::run(world, &which, false).await?.executions;
            let again: Vec<String> = rows
                .iter()
                .filter(|row| row.redriven)
                .map(|row| row.execution.clone())
                .collect();
            tell(&format!(
                "{name}: {} of {} failed executions are taken up again{}",
                again.len(),
                rows.len(),
                rows.iter()
                    .find_map(|row| row.instead.as_ref())
                    .map_or(String::new(), |why| format!(
                        "; the first of the others: {why}"
                    ))
            ));
            seen.redriven.extend(again);
        }
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

    /// The dead letters of this run's part `name`.
    fn mine(&self, name: &str) -> Filter {
        Filter {
            order: Some(format!("{}-{name}-*", self.stem)),
            ..Filter::default()
        }
    }

    /// The orders of a part, under every variant; `change` makes them what the
    /// part needs.
    fn batches(&self, name: &str, change: impl Fn(&mut PlaceOrder)) -> Outcome<Vec<Batch>> {
        let id = |what: String| format!("{}-{name}-{what}", self.stem);
        let currency = Currency::try_from("EUR".to_owned()).map_err(Problem::environment)?;
        let of = |variant: &'static Variant| {
            let sku: Sku = id(variant.name.to_owned())
                .parse()
                .map_err(Problem::environment)?;
            let order = |n: usize| {
                let this = id(format!("{}-{n}", variant.name));
                let mut order = PlaceOrder {
                    order: this.parse().map_err(Problem::environment)?,
                    // Everybody's own: many orders of one customer would be fraud.
                    customer: this.parse().map_err(Problem::environment)?,
                    lines: vec![Line {
                        sku: sku.clone(),
                        quantity: NonZeroU32::MIN,
                    }],
                    total: Money {
                        amount: 4_990,
                        currency,
                    },
                    payment_token: "tok_visa".to_owned(),
                    ship_to: Address {
                        name: "Ada Example".to_owned(),
                        street: "Storgatan 1".to_owned(),
                        city: "Uppsala".to_owned(),
                        postcode: "75310".to_owned(),
                        country: "SE".to_owned(),
                    },
                };
                change(&mut order);
                Ok(order)
            };
            Ok(Batch {
                variant,
                orders: (1..=self.choice.orders)
                    .map(order)
                    .collect::<Outcome<_>>()?,
                sku,
            })
        };
        self.choice
            .variants
            .iter()
            .map(|variant| of(variant))
            .collect()
    }

    /// Places every order of a part, all variants at once.
    async fn place(&self, name: &str, batches: &[Batch]) -> Outcome<()> {
        let goods: Vec<catalog::Entry> = batches
            .iter()
            .filter_map(|batch| {
                Some(catalog::Entry {
                    sku: batch.sku.clone(),
                    name: None,
                    price: batch.orders.first()?.total,
                    quantity: batch.orders.len() as u32,
                })
            })
            .collect();
        catalog::seed(self.world, &goods).await?;
        tell(&format!("{name}: placing {} orders", size(batches)));
        let all = interleaved(batches);
        stream::iter(all)
            .map(|(variant, order)| place::submit(self.world, variant, order))
            .buffered(AT_ONCE)
            .try_for_each(async |_| Ok(()))
            .await
    }

    /// Does something about each order of a part, several at once.
    async fn each<T>(
        &self,
        batches: &[Batch],
        act: impl AsyncFn(&'static Variant, &OrderId) -> Outcome<T>,
    ) -> Outcome<()> {
        let act = &act;
        stream::iter(interleaved(batches))
            .map(|(variant, order)| async move { act(variant, &order.order).await.map(drop) })
            .buffered(AT_ONCE)
            .try_for_each(async |()| Ok(()))
            .await
    }

    /// Each order's document in one service, by the order's id.
    async fn load<T: DeserializeOwned>(
        &self,
        batch: &Batch,
        of: Kept,
    ) -> Outcome<BTreeMap<String, T>> {
        let keys: Vec<Key> = batch.ids().map(|id| (of.key)(id.as_str())).collect();
        let items = self.world.table(of.table).load(&keys).await?;
        let read = items
            .into_iter()
            .flatten()
            .map(|item| Ok((item.key.pk.clone(), item.read()?)));
        read.collect()
    }

    /// How many of a part's orders have a document in one service that `is` so.
    async fn count<T: DeserializeOwned>(
        &self,
        batches: &[Batch],
        of: Kept,
        is: impl Fn(&T) -> bool,
    ) -> Outcome<usize> {
        let mut count = 0;
        for batch in batches {
            let documents = self.load::<T>(batch, of).await?;
            count += documents.values().filter(|document| is(document)).count();
        }
        Ok(count)
    }

    /// Asks until all of a part's orders are so. `false` when their number has
    /// not changed for as long as the choice allows.
    async fn until(
        &self,
        name: &str,
        what: &str,
        batches: &[Batch],
        (every, patience): (u64, u64),
        mut ask: impl AsyncFnMut() -> Outcome<usize>,
    ) -> Outcome<bool> {
        let all = size(batches);
        let patience = patience.max(self.choice.within);
        let (mut most, mut moved, mut told) = (0, self.world.now(), self.world.now());
        loop {
            let count = ask().await?;
            let now = self.world.now();
            if count >= all {
                tell(&format!("{name}: all {all} {what}"));
                return Ok(true);
            }
            if count > most {
                (most, moved) = (count, now);
            }
            if now.duration_since(moved).as_secs() >= patience as i64 {
                tell(&format!(
                    "{name}: only {count} of {all} {what}, and no more for {patience} s"
                ));
                return Ok(false);
            }
            if now.duration_since(told).as_secs() >= TELL_EVERY {
                tell(&format!("{name}: {count} of {all} {what}"));
                told = now;
            }
            self.world.pause(every).await;
        }
    }

    /// Reads every order everywhere and compares.
    async fn measure(
        &self,
        name: &'static str,
        batches: &[Batch],
        expected: Expected,
        seen: &Seen,
    ) -> Outcome<Vec<Part>> {
        let world = self.world;
        let left = dlq::list(world, &self.mine(name)).await?.letters;
        let left: Vec<String> = left
            .into_iter()
            .filter_map(|letter| letter.subject)
            .collect();
        let mut parts = Vec::new();
        for batch in batches {
            let views: Vec<(&OrderId, View)> = stream::iter(batch.ids())
                .map(|id| async move {
                    let view = demo::settled(world, id.as_str(), self.choice.within).await?;
                    Ok::<_, Problem>((id, view))
                })
                .buffered(AT_ONCE)
                .try_collect()
                .await?;
            let goods = [duet_inventory::stock_key(&batch.sku)];
            let shelf = world.table(TableOf::Inventory).load(&goods);
            let mut findings = Findings::default();
            for item in shelf.await?.into_iter().flatten() {
                let stock: Stock = item.read()?;
                findings.stock(&stock);
                if stock.reserved != 0 {
                    findings.broken(
                        2,
                        format!("{}: {} still reserved", stock.sku, stock.reserved),
                    );
                }
            }
            let mut part = tally(name, batch, &views, expected);
            part.dead_letters = Seen::count(&seen.letters, batch);
            part.failed_executions = Seen::count(&seen.executions, batch);
            part.parked = Seen::count(&seen.parked, batch);
            part.redriven = Seen::count(&seen.redriven, batch);
            part.repaired = Seen::count(&seen.repaired, batch);
            for (id, view) in &views {
                findings.order(id.as_str(), view, world.deployment().with_fraud);
            }
            let broken = findings
                .invariants()
                .into_iter()
                .flat_map(|one| one.violations);
            part.wrong.extend(broken);
            let mine = |text: &&String| batch.ids().any(|id| text.starts_with(id.as_str()));
            part.wrong.extend(seen.wrong.iter().filter(mine).cloned());
            let dead = Seen::count(&left, batch);
            if dead > 0 {
                part.wrong.push(format!("{dead} dead letters are left"));
            }
            if name == "undo-outage" {
                part.wrong.extend(untouched(&part));
            }
            part.ok = part.wrong.is_empty();
            let more = part.wrong.len().saturating_sub(MOST_WRONGS);
            part.wrong.truncate(MOST_WRONGS);
            if more > 0 {
                part.wrong.push(format!("and {more} more"));
            }
            parts.push(part);
        }
        Ok(parts)
    }
}

/// What of the outage did not show: a drill in which nothing broke proves nothing.
fn untouched(part: &Part) -> Option<String> {
    let lying = part.dead_letters + part.failed_executions;
    (part.parked < part.orders || lying < part.orders).then(|| {
        format!(
            "of {} orders {} were parked, {} left a dead letter or a failed execution",
            part.orders, part.parked, lying
        )
    })
}

/// How the orders of `batch` ended.
fn tally(
    name: &'static str,
    batch: &Batch,
    views: &[(&OrderId, View)],
    expected: Expected,
) -> Part {
    let known = || {
        views
            .iter()
            .filter_map(|(id, view)| Some((id, view, view.order.as_ref()?)))
    };
    let whole = |order: &Order| order.owed.is_empty() && order.compensation != Compensation::Failed;
    let is = |test: fn(&Fate) -> bool| {
        known()
            .filter(|(_, _, o)| whole(o) && test(&o.fate))
            .count()
    };
    let taken_twice = known().filter(|(_, view, order)| {
        let total = order.placed.total.amount;
        view.charge
            .as_ref()
            .is_some_and(|charge| charge.captured > total)
    });
    let expected = expected.to_string();
    let mut wrong = Vec::new();
    for (id, _, order) in known() {
        let word = place::word(&order.standing());
        if word != expected {
            wrong.push(format!("{id}: {word}, not {expected}"));
        }
    }
    let orders = known().count();
    if orders < batch.orders.len() {
        wrong.push(format!(
            "{} orders are not known",
            batch.orders.len() - orders
        ));
    }
    Part {
        name,
        variant: batch.variant.name,
        orders,
        dead_letters: 0,
        failed_executions: 0,
        parked: 0,
        redriven: 0,
        repaired: 0,
        confirmed: is(|fate| *fate == Fate::Confirmed),
        rejected: is(|fate| matches!(fate, Fate::Rejected { .. })),
        attention: known().filter(|(_, _, order)| !whole(order)).count(),
        double_charges: taken_twice.count(),
        ok: false,
        wrong,
    }
}

/// How many orders a part has.
fn size(batches: &[Batch]) -> usize {
    batches.iter().map(|batch| batch.orders.len()).sum()
}

/// The orders of a part, one of each variant in turn.
fn interleaved(batches: &[Batch]) -> Vec<(&'static Variant, &PlaceOrder)> {
    let longest = batches.iter().map(|batch| batch.orders.len()).max();
    let nth = |n: usize| {
        let batches = batches.iter();
        batches.filter_map(move |batch| Some((batch.variant, batch.orders.get(n)?)))
    };
    (0..longest.unwrap_or(0)).flat_map(nth).collect()
}

/// One line of progress, on standard error.
fn tell(line: &str) {
    eprintln!("{line}");
}

impl Report for DrillReport {
    fn text(&self) -> String {
        let mut rows = table(&[
            "PART",
            "VARIANT",
            "ORDERS",
            "PARKED",
            "DEAD LETTERS",
            "FAILED EXECUTIONS",
            "REDRIVEN",
            "REPAIRED",
            "CONFIRMED",
            "REJECTED",
            "ATTENTION",
            "CHARGED TWICE",
            "",
        ]);
        for part in &self.parts {
            rows.add_row([
                part.name.to_owned(),
                part.variant.to_owned(),
                part.orders.to_string(),
                part.parked.to_string(),
                part.dead_letters.to_string(),
                part.failed_executions.to_string(),
                part.redriven.to_string(),
                part.repaired.to_string(),
                part.confirmed.to_string(),
                part.rejected.to_string(),
                part.attention.to_string(),
                part.double_charges.to_string(),
                if part.ok { "ok" } else { "FAILED" }.to_owned(),
            ]);
        }
        let mut text = vec![trimmed(&rows)];
        for part in &self.parts {
            let whys = part.wrong.iter();
            text.extend(whys.map(|why| format!("{} {}: {why}", part.name, part.variant)));
        }
        let ok = self.parts.iter().filter(|part| part.ok).count();
        text.push(String::new());
        text.push(format!(
            "{ok} of {} parts as they should be, {:.1} s",
            self.parts.len(),
            self.elapsed_ms as f64 / 1000.0
        ));
        text.join("\n")
    }

    fn exit(&self) -> Exit {
        if self.parts.iter().all(|part| part.ok) {
            Exit::Done
        } else {
            Exit::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use duet_lab::Config;

    use super::*;
    use crate::variant;
    use crate::world::lab::{Lab, definitions};

    /// A lab with quick retries and `parameters`.
    fn lab(parameters: &[(&str, &str)]) -> Lab {
        let quick = [("BackoffSeconds", "1"), ("ReviewSeconds", "600")];
        let all = quick.iter().chain(parameters);
        let all = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = Config {
            seed: 9,
            keep_succeeded: true,
            ..Config::default()
        };
        Lab::new(&definitions(&all.collect()).unwrap(), config).unwrap()
    }

    fn choice(orders: usize) -> Choice {
        Choice {
            variants: variant::ALL.iter().collect(),
            orders,
            within: 120,
        }
    }

    #[tokio::test]
    async fn after_an_outage_nobody_is_charged_wrongly_and_nothing_is_owed() {
        let world = lab(&[]);
        // As a drill leaves it that was cut off: the next one begins by mending it.
        world.outage(DOWN, true).await.unwrap();
        let report = run(&world, &choice(20)).await.unwrap();
        assert_eq!(report.exit(), Exit::Done, "{}", report.text());
        assert_eq!(report.parts.len(), 3 * variant::ALL.len());
        for part in &report.parts {
            let ended = (part.confirmed, part.rejected, part.attention);
            match part.name {
                "payment-blip" => assert_eq!(ended, (20, 0, 0)),
                _ => assert_eq!(ended, (0, 20, 0)),
            }
            assert_eq!((part.orders, part.double_charges), (20, 0));
            let lying = part.dead_letters + part.failed_executions;
            if part.name == "undo-outage" {
                assert_eq!((part.parked, lying, part.repaired), (20, 20, 20));
            } else {
                assert_eq!((part.parked, lying, part.repaired), (0, 0, 0));
            }
            // What died as a message went home as one.
            assert_eq!(part.redriven, part.dead_letters);
        }
    }

    #[tokio::test]
    async fn a_drill_in_which_nothing_was_down_or_something_stays_is_not_ok() {
        let world = lab(&[]);
        let run = Run {
            world: &world,
            choice: &choice(2),
            stem: "d".to_owned(),
        };
        let batches = run.batches("undo-outage", |_| {}).unwrap();
        run.place("undo-outage", &batches).await.unwrap();
        world.pause(60_000).await;
        let expected = Expected::Rejected(Reason::DeliveryFailed, Some("NotServed"));
        let seen = Seen::default();
        let parts = run.measure("undo-outage", &batches, expected, &seen).await;
        for part in parts.unwrap() {
            assert!(!part.ok && part.confirmed == 2);
            let wrong = part.wrong.join("; ");
            assert!(wrong.contains("Confirmed, not Rejected(DeliveryFailed, NotServed)"));
            assert!(wrong.contains("0 were parked"), "{wrong}");
        }
    }

    #[tokio::test]
    async fn where_no_order_can_wait_for_a_review_the_drill_is_refused() {
        for (parameter, remedy) in [
            (("WithFraud", "false"), "WithFraud=true"),
            (("ReviewSeconds", "30"), "ReviewSeconds=600"),
        ] {
            let refused = run(&lab(&[parameter]), &choice(1)).await.unwrap_err();
            assert_eq!(refused.exit, Exit::Usage);
            assert!(refused.to_string().contains(remedy), "{refused}");
        }
    }
}
