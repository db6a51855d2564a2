//! The main job: every scenario under every variant, side by side.

mod fit;
mod junit;
mod play;
mod report;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use duet_core::store::Store;
use duet_customer::domain::Status;
use duet_inventory::domain::Stock;
use duet_lab::{Meter, Used};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::SignedDuration;
use serde::Serialize;

use crate::ops::faulty::{Ending, Faulty};
use crate::ops::invariants::{Findings, Invariant};
use crate::ops::view::{Print, View};
use crate::ops::{catalog, customer, repair};
use crate::shop::scenario::{Plan, Scenario};
use crate::shop::services::TableOf;
use crate::shop::variant::Variant;
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::progress::Progress;
use crate::world::DeadLetter;

pub(crate) use play::settled;

/// How many scenarios run at once: enough to hide their waiting, few enough
/// for an emulator on a small machine.
const AT_ONCE: usize = 8;

/// What to run.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Which scenarios.
    pub scenarios: Vec<&'static Scenario>,
    /// Under which variants.
    pub variants: Vec<&'static Variant>,
    /// How many copies of each scenario's order are placed at once.
    pub copies: usize,
    /// How long one scenario may take, in seconds.
    pub within: u64,
    /// Whether faults strike: then an order may end otherwise than expected, and
    /// it is what everything comes to after an operator's work that is judged.
    pub faults: bool,
}

/// How long a scenario may take at least while faults strike, in seconds: past
/// the deadlines of an order, of its review and of its compensation.
const PATIENCE: u64 = 3 * 3_600;

/// One scenario under one variant.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The scenario.
    pub scenario: &'static str,
    /// The variant.
    pub variant: &'static str,
    /// How it ended.
    pub outcome: String,
    /// How it should have.
    pub expected: String,
    /// Whether the two are the same.
    pub ok: bool,
    /// From the first submission until nothing moved any more.
    pub elapsed_ms: i64,
    /// The ids of its orders, for `duet show`.
    pub orders: Vec<String>,
    /// What its orders used, where that is counted: on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Meter>,
    /// The races by which its orders ended otherwise than expected, where faults
    /// strike: each with the order and the faults that explain it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub races: Vec<Raced>,
    /// What it left behind.
    #[serde(skip)]
    pub footprint: Footprint,
    #[serde(skip)]
    of: (&'static Scenario, &'static Variant, Plan),
}

impl Row {
    /// `plan`, of which `why` left no more than a beginning.
    fn cut_short(
        scenario: &'static Scenario,
        variant: &'static Variant,
        plan: Plan,
        why: &str,
        took: SignedDuration,
    ) -> Self {
        Self {
            scenario: scenario.name,
            variant: variant.name,
            outcome: why.to_owned(),
            expected: play::expected(scenario, &plan),
            ok: false,
            elapsed_ms: took.as_millis() as i64,
            orders: plan.orders(),
            usage: None,
            races: Vec::new(),
            footprint: Footprint::default(),
            of: (scenario, variant, plan),
        }
    }
}

/// A tolerated race, as one order ended by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Raced {
    /// The race.
    pub name: &'static str,
    /// The order.
    pub order: String,
    /// What explains it.
    pub why: String,
}

/// What parity compares: all that a scenario leaves behind, without names and
/// times. Refund notices are left out: one variant may never have captured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    orders: Vec<Print>,
    /// Available, reserved, shipped of each SKU.
    stock: Vec<(i64, i64, i64)>,
    customers: Vec<(String, Vec<String>)>,
    dead: bool,
}

impl Footprint {
    /// The first thing in which the two differ, as each has it.
    fn difference(&self, other: &Self) -> Option<(String, String)> {
        fn first<T: PartialEq + std::fmt::Debug>(
            one: &[T],
            other: &[T],
        ) -> Option<(String, String)> {
            let most = one.len().max(other.len());
            let pairs = (0..most).map(|n| (one.get(n), other.get(n)));
            let (one, other) = pairs.into_iter().find(|(one, other)| one != other)?;
            Some((format!("{one:?}"), format!("{other:?}")))
        }
        first(&self.orders, &other.orders)
            .or_else(|| first(&self.stock, &other.stock))
            .or_else(|| first(&self.customers, &other.customers))
            .or_else(|| first(&[self.dead], &[other.dead]))
    }
}

/// What the demo found.
#[derive(Debug, Serialize)]
pub struct DemoReport {
    /// What the name of everything in this run begins with, before a dash.
    pub run: String,
    /// Whether every scenario ended the same under every variant.
    pub parity: bool,
    /// The invariants, over everything that ran.
    pub invariants: Vec<Invariant>,
    /// One row per scenario and variant.
    pub rows: Vec<Row>,
    /// What an order used on average, by variant, where that is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<BTreeMap<&'static str, Meter>>,
    /// From the first submission to the last end, on the target's clock.
    pub elapsed_ms: i64,
    /// Whether that clock is virtual.
    pub virtual_time: bool,
    /// Whether faults may strike: then an outcome that is not the expected one, and
    /// so no parity, is a finding about the faults and not a failure.
    pub faults: bool,
    /// How often each fault struck.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub faults_injected: BTreeMap<&'static str, u64>,
}

/// How long the last facts of the last orders may take to reach whoever hears
/// them, in milliseconds.
const LAST_WORDS: u64 = 2_000;

/// Runs what was chosen.
///
/// # Errors
/// [`Problem`](crate::terminal::exit::Problem) when the target does not answer. What does
/// not end as it should is no error but a row that is not ok.
pub async fn run<W: Faulty>(world: &W, choice: &Choice) -> Outcome<DemoReport> {
    let began = world.now();
    let run = format!("{:x}", began.as_millisecond());
    let jobs = choice.scenarios.iter().flat_map(|scenario| {
        choice.variants.iter().map(|variant| {
            let stem = format!("{run}-{}-{}", scenario.name, variant.name);
            let patience = world.patience(variant);
            let plan = scenario.plan(&stem, choice.copies, patience);
            (*scenario, *variant, plan)
        })
    });
    let jobs: Vec<_> = jobs.collect();
    let within = match choice.faults {
        true => choice.within.max(PATIENCE),
        false => choice.within,
    };
    // All goods first: seeding is no part of any scenario's time.
    let goods: Vec<_> = jobs
        .iter()
        .flat_map(|(_, _, plan)| plan.goods.clone())
        .collect();
    catalog::seed(world, &goods).await?;
    let progress = &Progress::new("scenarios run", jobs.len() as u64);
    let ran: Vec<(Row, Findings)> = stream::iter(jobs)
        .map(|(scenario, variant, plan)| async move {
            let began = world.now();
            let ran = play::one(world, scenario, variant, plan.clone(), within).await;
            progress.step();
            match ran {
                // What the faults cut short is told by its row, and judged after
                // an operator's work like the others.
                Err(why) if choice.faults && why.exit == Exit::Failed => {
                    let took = world.now().duration_since(began);
                    let row = Row::cut_short(scenario, variant, plan, why.message(), took);
                    Ok((row, Findings::default()))
                }
                ran => ran,
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let (mut rows, findings): (Vec<_>, Vec<_>) = ran.into_iter().unzip();
    let elapsed_ms = world.now().duration_since(began).as_millis() as i64;
    let mut all = Findings::default();
    if !choice.faults {
        died_besides(world, &run, &mut rows).await?;
    }
    if choice.faults {
        clear_up(world, &rows, within).await?;
        for row in &mut rows {
            look_again(world, row, &mut all).await?;
        }
    } else {
        findings.into_iter().for_each(|some| all.merge(some));
    }
    let unequal = unequal(&rows);
    let parity = unequal.is_empty();
    for why in unequal.into_iter().filter(|_| !choice.faults) {
        all.broken(7, why);
    }
    Ok(DemoReport {
        run,
        parity,
        invariants: all.invariants(),
        usage: world.used().map(|used| share_out(&used, &mut rows)),
        rows,
        elapsed_ms,
        virtual_time: world.is_virtual(),
        faults: choice.faults,
        faults_injected: world.struck(),
    })
}

/// Says of each row what died of it and was not to: where nothing strikes, a
/// message that nobody could take is a mistake of the shop. The names of all that
/// belongs to the run begin with `run`.
async fn died_besides<W: Faulty>(world: &W, run: &str, rows: &mut [Row]) -> Outcome<()> {
    world.pause(LAST_WORDS).await;
    let variants: BTreeMap<&str, &'static Variant> =
        rows.iter().map(|row| (row.variant, row.of.1)).collect();
    for (name, variant) in variants {
        let letters = world.dead_letters(variant, run).await?;
        for row in rows.iter_mut().filter(|row| row.variant == name) {
            let plan = &row.of.2;
            let surplus = letters.iter().filter(|letter| {
                // A failed execution has no text: its order says how it stands.
                let says = |id: &str| letter.body.contains(id);
                plan.subjects().any(&says) && !plan.dies().is_some_and(says)
            });
            let causes: BTreeSet<String> = surplus.map(DeadLetter::told).collect();
            for cause in causes {
                row.ok = false;
                row.outcome = format!("{}, and died: {cause}", row.outcome);
            }
        }
    }
    Ok(())
}

/// Does an operator's work until nothing is left to do: dead letters, failed
/// executions, parked orders.
async fn clear_up<W: Faulty>(world: &W, rows: &[Row], within: u64) -> Outcome<()> {
    world.clear_up().await?;
    for order in rows.iter().flat_map(|row| row.of.2.waves.iter().flatten()) {
        let view = View::load(world, order.order.as_str()).await?;
        if view.order.is_some_and(|order| !order.owed.is_empty()) {
            // What cannot be repaired is found when the order is looked at again.
            let _ = repair::repair(world, &order.order, within).await;
        }
    }
    world.clear_up().await
}

/// What the tables and ledgers say of a row's orders and goods by now, and
/// whether its orders may have ended so.
async fn look_again<W: Faulty>(world: &W, row: &mut Row, findings: &mut Findings) -> Outcome<()> {
    let (scenario, variant, plan) = &row.of;
    let mut reservations = Vec::new();
    for (wave, orders) in plan.waves.iter().enumerate() {
        for order in orders {
            let id = order.order.as_str();
            let view = View::load(world, id).await?;
            // What could not even be placed is told by its row, and lies where an
            // operator sees it.
            let Some(there) = &view.order else { continue };
            findings.order(id, &view, world.deployment().with_fraud);
            match world.allowed(variant, scenario, plan, wave, there)? {
                Ending::Twin => {}
                Ending::Raced(name, why) => row.races.push(Raced {
                    name,
                    order: id.to_owned(),
                    why,
                }),
                Ending::Wrong(why) => findings.broken(7, format!("{id}: {why}")),
            }
            reservations.extend(view.reservation);
        }
    }
    for registration in &plan.customers {
        let id = registration.customer.as_str();
        let status = customer::find(world, id).await?.map(|there| there.status);
        if status.is_none_or(|status| status == Status::Pending) {
            findings.broken(6, format!("{id}: the customer is not decided"));
        }
    }
    for good in &plan.goods {
        let key = duet_inventory::stock_key(&good.sku);
        let there = world.table(TableOf::Inventory).load(&[key]).await?;
        for item in there.into_iter().flatten() {
            findings.stock(&item.read::<Stock>()?, &reservations);
        }
    }
    Ok(())
}

/// Tells each row what its orders used, and gives what an order of each variant
/// used on average.
fn share_out(used: &[Used], rows: &mut [Row]) -> BTreeMap<&'static str, Meter> {
    let by_subject: BTreeMap<&str, Meter> = used
        .iter()
        .map(|used| (&*used.subject, used.meter))
        .collect();
    let mut totals: BTreeMap<&'static str, (Meter, u64)> = BTreeMap::new();
    for row in rows {
        let mut sum = Meter::default();
        let meters = row.orders.iter().filter_map(|id| by_subject.get(&**id));
        meters.for_each(|meter| sum += *meter);
        let orders = row.orders.len() as u64;
        row.usage = (orders > 0).then(|| sum.per(orders));
        let (total, all) = totals.entry(row.variant).or_default();
        *total += sum;
        *all += orders;
    }
    let average = |(total, orders): (Meter, u64)| total.per(orders);
    totals
        .into_iter()
        .map(|(variant, total)| (variant, average(total)))
        .collect()
}

/// The scenarios that left different footprints under different variants.
fn unequal(rows: &[Row]) -> Vec<String> {
    let mut first: BTreeMap<&str, &Row> = BTreeMap::new();
    let mut unequal = Vec::new();
    for row in rows {
        let reference = *first.entry(row.scenario).or_insert(row);
        if let Some((one, other)) = reference.footprint.difference(&row.footprint) {
            unequal.push(format!(
                "{}: {} left {one}, {} left {other}",
                row.scenario, reference.variant, row.variant
            ));
        }
    }
    unequal
}
