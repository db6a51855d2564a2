//! Many seeded worlds: what goes wrong, and whether the system bears it.
//!
//! A world first runs with its faults. Then they stop, an operator sends dead
//! letters and failed executions back and repairs parked orders, and every
//! order must have come to the end that its fault-free twin has, or to one that
//! a named race allows ([`ending`]). Nothing may be lost, left in a dead-letter
//! queue, or against an invariant.

pub mod bench;
mod ending;
mod judge;
pub mod mutants;
mod operator;
pub(crate) mod parallel;
mod parity;
pub mod planted;
mod play;
mod report;
mod script;
mod shrink;
mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use duet_lab::{
    Config, Definitions, Fault, FaultRule, Meter, Moment, Plant, Profile, Rollout, Strike,
};
use serde::Serialize;

use self::script::{Script, scripts};
pub use crate::ops::faulty::Ending;
use crate::ops::view::Print;
use crate::shop::scenario::Scenario;
use crate::shop::variant::{Description, Variant};
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::progress::Progress;
use crate::world::lab::{self, Lab};
use play::{Play, is_borne};
use shrink::shrink;
use tally::Tally;

/// How long a person has to decide in simulated worlds; see [`definitions`].
pub(super) const REVIEW_SECONDS: &str = "7200";
/// The most things that may happen in a world: a hundred times what does.
const LIMIT: u64 = 1_000_000;

/// What to simulate.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many seeds.
    pub seeds: u64,
    /// The first of them.
    pub from: u64,
    /// Under which variants, each in a world of its own.
    pub variants: Vec<&'static Variant>,
    /// Orders of one world.
    pub orders: usize,
    /// What goes wrong.
    pub faults: Vec<FaultRule>,
    /// Only these scenarios; all when empty.
    pub scenarios: Vec<&'static Scenario>,
    /// How long things take.
    pub profile: Arc<Profile>,
    /// Threads to run worlds on.
    pub threads: usize,
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The seed: `duet simulate --seed` repeats it.
    pub seed: u64,
    /// The variant.
    pub variant: &'static str,
    /// The number of the invariant in the brief; 0 for an outcome that neither
    /// the fault-free twin nor a named race has.
    pub invariant: u8,
    /// What is wrong.
    pub what: String,
    /// The faults without which it does not happen.
    pub schedule: Vec<String>,
    /// The scenarios without which it does not happen.
    pub scenarios: Vec<&'static str>,
    /// What happened, about what is wrong.
    pub timeline: Vec<Moment>,
}

/// What the worlds did.
#[derive(Debug, Clone, Serialize)]
pub struct SimulationReport {
    /// Seeds that were run, in each variant.
    pub seeds: u64,
    /// Orders placed.
    pub orders: u64,
    /// How often orders ended how.
    pub outcomes: BTreeMap<String, u64>,
    /// What must not be: of the first seed with any.
    pub violations: Vec<Violation>,
    /// Equal exactly when the same things happened.
    pub trace_hash: String,
    /// How often each fault struck.
    pub faults_injected: BTreeMap<&'static str, u64>,
    /// The share that each touched of what it could have touched.
    pub faults_share: BTreeMap<&'static str, f64>,
    /// The faults that touched less than they should have: at their usual rate
    /// everywhere, of a thousand chances and more, less than one in fifty.
    pub faults_thin: Vec<&'static str>,
    /// What an order used on average, by variant.
    pub usage: BTreeMap<&'static str, Meter>,
    /// Orders behind those averages, by variant.
    pub orders_by_variant: BTreeMap<&'static str, u64>,
    /// How often each tolerated race happened, by variant; also those that never did.
    pub races: Vec<Raced>,
    /// How many good orders were lost, by variant.
    pub lost: BTreeMap<&'static str, Losses>,
    /// The first of the orders that were lost, and why.
    pub lost_orders: Vec<LostOrder>,
    /// Seconds of the machine's time.
    pub elapsed_s: f64,
}

/// A tolerated race: an order that ended otherwise than its fault-free twin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Raced {
    /// The race.
    pub name: &'static str,
    /// The variant.
    pub variant: &'static str,
    /// How many orders ended by it.
    pub count: u64,
    /// The first of them, and the faults that explain it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// An order that was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostOrder {
    /// Which, by what race, and what explains it.
    pub what: String,
    /// What happened to it; of a single seed only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Moment>,
}

/// How many good orders were lost: those that are confirmed where nothing goes wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Losses {
    /// Good orders.
    pub orders: u64,
    /// Those that were not confirmed.
    pub lost: u64,
    /// The share of these.
    pub share: f64,
}

/// What a scenario left behind, for comparison with other variants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Traces {
    /// Each order, in the order of the plan.
    orders: Vec<Print>,
    /// Available, reserved, shipped of each SKU.
    stock: Vec<(i64, i64, i64)>,
    /// Whether which of the orders ended how is a race.
    contested: bool,
}

/// One world's end.
#[derive(Debug, Default)]
pub(super) struct End {
    /// Invariant, subject, what is wrong.
    pub(super) findings: Vec<(u8, String, String)>,
    races: BTreeMap<&'static str, u64>,
    examples: BTreeMap<&'static str, String>,
    good: u64,
    /// Orders, and why.
    lost: Vec<(String, String)>,
    traces: Vec<Traces>,
    outcomes: Vec<String>,
    trace: u64,
    struck: Vec<Strike>,
    chances: BTreeMap<Fault, u64>,
    touched: BTreeMap<Fault, u64>,
    used: Meter,
    timeline: Vec<Moment>,
}

/// Which part of a world to run: all of it, or what shrinking left.
#[derive(Debug, Clone, Default)]
pub(super) struct Cut {
    strikes: Option<BTreeSet<Strike>>,
    scripts: Option<BTreeSet<usize>>,
    timeline: bool,
    /// A mistake to plant.
    plant: Option<Plant>,
}

impl Cut {
    /// All of a world, with a mistake in it.
    pub(super) fn planted(plant: Plant) -> Self {
        Self {
            plant: Some(plant),
            ..Self::default()
        }
    }
}

/// What simulated worlds deploy: a person has half an hour to decide. A timer
/// travels in hops of a quarter of an hour, and each hop may be doubled; over a
/// day of hops, at the rates at which things go wrong here, nothing but timers
/// would be left.
///
/// # Errors
/// [`Problem`] when the bundled definitions cannot be read.
pub fn definitions(parameters: &BTreeMap<String, String>) -> Outcome<Arc<Definitions>> {
    let mut parameters = parameters.clone();
    parameters
        .entry("ReviewSeconds".to_owned())
        .or_insert_with(|| REVIEW_SECONDS.to_owned());
    lab::definitions(&parameters)
}

/// Runs what was asked for, until the first seed with a violation.
///
/// # Errors
/// [`Problem`] when the definitions do not fit the code.
pub fn run(definitions: &Arc<Definitions>, options: &Options) -> Outcome<SimulationReport> {
    let began = Instant::now();
    let mut tally = Tally::new(options);
    for (world, end) in worlds(definitions, options) {
        let mut end = end?;
        tally.count(world, &mut end);
        if end.findings.is_empty() {
            tally.compare(world, end);
        } else {
            let smallest = shrink(definitions, options, world, &end.findings, end.struck)?;
            tally.report.violations.extend(smallest);
        }
    }
    let mut report = tally.summed_up();
    report.elapsed_s = began.elapsed().as_secs_f64();
    Ok(report)
}

/// How each world ended, in their order, up to the first that went wrong.
fn worlds(
    definitions: &Arc<Definitions>,
    options: &Options,
) -> impl Iterator<Item = (u64, Outcome<End>)> {
    let worlds = options.seeds.saturating_mul(options.variants.len() as u64);
    let next = AtomicU64::new(0);
    // The first world that went wrong: later ones need not run.
    let stop = AtomicU64::new(u64::MAX);
    let ends: Mutex<BTreeMap<u64, Outcome<End>>> = Mutex::default();
    let progress = Progress::new("worlds", worlds);
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let world = next.fetch_add(1, Ordering::Relaxed);
                    if world >= worlds || world > stop.load(Ordering::Relaxed) {
                        break;
                    }
                    // One seed is looked at closely.
                    let cut = Cut {
                        timeline: options.seeds == 1,
                        ..Cut::default()
                    };
                    let end = simulate(definitions, options, world, &cut);
                    progress.step();
                    if end.as_ref().map_or(true, |end| !end.findings.is_empty()) {
                        stop.fetch_min(world, Ordering::Relaxed);
                    }
                    ends.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(world, end);
                }
            });
        }
    });
    let stopped = stop.into_inner();
    let ends = ends.into_inner().unwrap_or_else(PoisonError::into_inner);
    ends.into_iter()
        .take_while(move |(world, _)| *world <= stopped)
}

/// The scripts of a world.
fn cast(definitions: &Definitions, options: &Options, world: u64) -> Vec<Script> {
    let output = |name: &str| {
        definitions
            .outputs
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    };
    let described = Description::all(&definitions.outputs).unwrap_or_default();
    let variant = variant_of(options, world).name;
    let own = described.iter().find(|one| one.variant.name == variant);
    let own = own.and_then(|one| one.patience());
    let patience = own.or_else(|| output("PatienceSeconds").parse().ok());
    let shop = (output("Fraud") == "on", patience.unwrap_or_default());
    scripts(
        seed_of(options, world),
        options.orders,
        shop,
        &options.scenarios,
    )
}

/// The variant of a world.
pub(super) fn variant_of(options: &Options, world: u64) -> &'static Variant {
    options.variants[(world % options.variants.len() as u64) as usize]
}

fn seed_of(options: &Options, world: u64) -> u64 {
    options.from + world / options.variants.len() as u64
}

/// The result of a call on the lab: it waits for nothing but virtual time, which
/// it lets pass itself.
pub(crate) fn ready<T>(call: impl Future<Output = T>) -> Outcome<T> {
    let mut call = std::pin::pin!(call);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if let Poll::Ready(result) = call.as_mut().poll(&mut context) {
            return Ok(result);
        }
    }
    Err(Problem::environment("a call on the lab never ended"))
}

/// How many worlds run side by side on this machine.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs one world to its end and judges it.
pub(super) fn simulate(
    definitions: &Arc<Definitions>,
    options: &Options,
    world: u64,
    cut: &Cut,
) -> Outcome<End> {
    let (seed, variant) = (seed_of(options, world), variant_of(options, world));
    let config = Config {
        // Two variants of one seed share the orders, not the fates.
        seed: seed
            .wrapping_mul(31)
            .wrapping_add(world % options.variants.len() as u64),
        faults: options.faults.clone(),
        only: cut
            .strikes
            .as_ref()
            .map(|some| some.iter().copied().collect()),
        timeline: cut.timeline,
        plant: cut.plant,
        rollout: match cut.plant {
            Some(Plant::UpdateAtOnce) => Rollout::AtOnce,
            _ => Rollout::InOrder,
        },
        limit: LIMIT,
        profile: Some(options.profile.clone()),
        // Each world's assumptions lie elsewhere.
        assumptions: seed,
        ..Config::default()
    };
    let lab = Lab::new(definitions, config)?;
    let mut scripts = cast(definitions, options, world);
    if let Some(kept) = &cut.scripts {
        scripts.retain(|script| kept.contains(&script.number));
    }
    let borne = options.faults.iter().all(|rule| is_borne(rule, variant));
    Play::new(lab, variant, seed, cut.plant, borne).whole(&scripts)
}

#[cfg(test)]
mod tests;
