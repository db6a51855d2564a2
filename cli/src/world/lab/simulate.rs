//! Many seeded worlds: what goes wrong, and whether the system bears it.
//!
//! A world first runs with its faults. Then they stop, an operator sends dead
//! letters and failed executions back and repairs parked orders, and every
//! order must have come to the end that its fault-free twin has, or to one that
//! a named race allows. Nothing may be lost, left in a dead-letter queue, or
//! against an invariant.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use duet_core::store::{Browse, Store};
use duet_core::{CommandMessage, OrderId};
use duet_customer::command::Command as CustomerCommand;
use duet_customer::domain::{Customer, Status as CustomerStatus};
use duet_fraud::Command as FraudCommand;
use duet_fraud::command::{DecideReview, Verdict};
use duet_fraud::review::Status as ReviewStatus;
use duet_inventory::domain::Stock;
use duet_lab::{Config, Definitions, Fault, FaultRule, Meter, Moment, Plant, Strike};
use duet_order::command::Command as OrderCommand;
use duet_order::domain::{Fate, Order};
use duet_payment::adapters::Charge;
use serde::Serialize;
use serde_json::Value;

use super::script::{Script, draw, scripts};
use super::{Lab, REST, ROUNDS};
use crate::exit::{Exit, Outcome, Problem};
use crate::invariants::Findings;
use crate::place::word;
use crate::report::{Report, table, trimmed};
use crate::scenario::{Expected, Person, Scenario};
use crate::variant::Variant;
use crate::view::View;
use crate::world::{Subject, TableOf, World};
use crate::{message, repair, review};

/// How long a person has to decide in simulated worlds; see [`definitions`].
pub(super) const REVIEW_SECONDS: &str = "1800";
/// How long a world may run with its faults after the last submission, in
/// milliseconds: past every deadline of a review, an order and its compensation.
const FAULTY: i64 = 3 * 3_600_000;
/// When an archive is replayed: so many milliseconds after the world began, and
/// at most so many more. Before that it keeps nothing yet.
const REPLAYED: (i64, u64) = (605_000, 1_800_000);
/// The most things that may happen in a world: a hundred times what does.
const LIMIT: u64 = 1_000_000;
/// How long an operator waits for a repair to take effect, in seconds.
const WITHIN: u64 = 300;
/// How long a script waits for its customers and for a wave to be decided.
const PATIENCE: i64 = 600_000;
/// The least share of what it can touch that a fault at its usual rate is to
/// touch, where there are [`MANY`] chances.
const LEAST_SHARE: f64 = 0.02;
/// So many chances that a share is no accident.
const MANY: u64 = 1_000;
/// The most runs spent on making a schedule smaller.
const SHRINKING: usize = 150;

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
    /// Seconds of the machine's time.
    pub elapsed_s: f64,
}

/// One world's end.
#[derive(Debug, Default)]
pub(super) struct End {
    /// Invariant, subject, what is wrong.
    pub(super) findings: Vec<(u8, String, String)>,
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
    super::definitions(&parameters)
}

/// Runs what was asked for, until the first seed with a violation.
///
/// # Errors
/// [`Problem`] when the definitions do not fit the code.
pub fn run(definitions: &Arc<Definitions>, options: &Options) -> Outcome<SimulationReport> {
    let began = Instant::now();
    let worlds = options.seeds.saturating_mul(options.variants.len() as u64);
    let next = AtomicU64::new(0);
    // The first world that went wrong: later ones need not run.
    let stop = AtomicU64::new(u64::MAX);
    let ends: Mutex<BTreeMap<u64, Outcome<End>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let world = next.fetch_add(1, Ordering::Relaxed);
                    if world >= worlds || world > stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let end = simulate(definitions, options, world, &Cut::default());
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
    let mut report = SimulationReport {
        seeds: 0,
        orders: 0,
        outcomes: BTreeMap::new(),
        violations: Vec::new(),
        trace_hash: String::new(),
        faults_injected: BTreeMap::new(),
        faults_share: BTreeMap::new(),
        faults_thin: Vec::new(),
        usage: BTreeMap::new(),
        orders_by_variant: BTreeMap::new(),
        elapsed_s: 0.0,
    };
    let mut trace = 0_u64;
    let mut chances: BTreeMap<Fault, u64> = BTreeMap::new();
    let mut touched: BTreeMap<Fault, u64> = BTreeMap::new();
    for (world, end) in ends.into_inner().unwrap_or_else(PoisonError::into_inner) {
        if world > stopped {
            break;
        }
        let end = end?;
        let variant = variant_of(options, world);
        report.seeds = world / options.variants.len().max(1) as u64 + 1;
        report.orders += end.outcomes.len() as u64;
        *report.orders_by_variant.entry(variant.name).or_default() += end.outcomes.len() as u64;
        for outcome in end.outcomes {
            *report.outcomes.entry(outcome).or_default() += 1;
        }
        trace = trace.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ end.trace;
        for (kind, _) in &end.struck {
            *report.faults_injected.entry(kind.name()).or_default() += 1;
        }
        for (kind, times) in end.chances {
            *chances.entry(kind).or_default() += times;
        }
        for (kind, times) in end.touched {
            *touched.entry(kind).or_default() += times;
        }
        *report.usage.entry(variant.name).or_default() += end.used;
        if !end.findings.is_empty() {
            report.violations = shrink(definitions, options, world, &end.findings, end.struck)?;
        }
    }
    for (variant, meter) in &mut report.usage {
        let orders = report.orders_by_variant.get(variant).copied().unwrap_or(1);
        *meter = meter.per(orders);
    }
    for (kind, times) in chances {
        let share = touched.get(&kind).copied().unwrap_or(0) as f64 / times.max(1) as f64;
        report.faults_share.insert(kind.name(), share);
        let usual = options.faults.contains(&kind.into());
        if usual && times >= MANY && share < LEAST_SHARE {
            report.faults_thin.push(kind.name());
        }
    }
    report.trace_hash = format!("{trace:016x}");
    report.elapsed_s = began.elapsed().as_secs_f64();
    Ok(report)
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
    let shop = (
        output("WithFraud") == "true",
        output("RetryBudget").parse().unwrap_or_default(),
    );
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

/// Looks for the fewest scenarios and faults with which the same invariant is
/// broken, and tells what happened then.
fn shrink(
    definitions: &Arc<Definitions>,
    options: &Options,
    world: u64,
    findings: &[(u8, String, String)],
    struck: Vec<Strike>,
) -> Outcome<Vec<Violation>> {
    let numbers: BTreeSet<u8> = findings.iter().map(|(number, ..)| *number).collect();
    let Some(number) = numbers.first().copied() else {
        return Ok(Vec::new());
    };
    let budget = std::cell::Cell::new(SHRINKING);
    let fails = |cut: &Cut| -> Outcome<bool> {
        if budget.get() == 0 {
            return Ok(false);
        }
        budget.set(budget.get() - 1);
        let end = simulate(definitions, options, world, cut)?;
        Ok(end.findings.iter().any(|(of, ..)| *of == number))
    };
    let all = cast(definitions, options, world).len();
    let mut kept = Cut {
        strikes: Some(struck.into_iter().collect()),
        scripts: Some((0..all).collect()),
        ..Cut::default()
    };
    if !fails(&kept)? {
        kept = Cut::default();
    }
    if let Some(scripts) = kept.scripts.clone() {
        let smaller = fewest(scripts.into_iter().collect(), |some| {
            fails(&Cut {
                scripts: Some(some.iter().copied().collect()),
                ..kept.clone()
            })
        })?;
        kept.scripts = Some(smaller.into_iter().collect());
    }
    if let Some(strikes) = kept.strikes.clone() {
        let smaller = fewest(strikes.into_iter().collect(), |some| {
            fails(&Cut {
                strikes: Some(some.iter().copied().collect()),
                ..kept.clone()
            })
        })?;
        kept.strikes = Some(smaller.into_iter().collect());
    }
    kept.timeline = true;
    let end = simulate(definitions, options, world, &kept)?;
    let (seed, variant) = (seed_of(options, world), variant_of(options, world));
    let named = cast(definitions, options, world);
    let scenarios: Vec<_> = named
        .iter()
        .filter(|script| {
            kept.scripts
                .as_ref()
                .is_none_or(|kept| kept.contains(&script.number))
        })
        .map(|script| script.name)
        .collect();
    let schedule: Vec<String> = end
        .struck
        .iter()
        .map(|(kind, ident)| format!("{kind} #{ident:016x}"))
        .collect();
    let broken = end.findings.iter().filter(|(of, ..)| *of == number);
    Ok(broken
        .map(|(invariant, subject, what)| Violation {
            seed,
            variant: variant.name,
            invariant: *invariant,
            what: what.clone(),
            schedule: schedule.clone(),
            scenarios: scenarios.clone(),
            timeline: end
                .timeline
                .iter()
                .filter(|moment| about(&moment.subject, subject))
                .cloned()
                .collect(),
        })
        .collect())
}

/// Whether a moment about `of` belongs to the story of `subject`: one scenario's
/// orders and customers share what their names begin with.
fn about(of: &str, subject: &str) -> bool {
    let stem = |name: &str| name.split('-').next().unwrap_or_default().to_owned();
    stem(of) == stem(subject)
}

/// The fewest of `all` for which `fails` still says yes, by leaving out ever
/// smaller chunks.
fn fewest<T: Clone>(mut all: Vec<T>, fails: impl Fn(&[T]) -> Outcome<bool>) -> Outcome<Vec<T>> {
    let mut chunk = all.len().div_ceil(2);
    while chunk > 0 {
        let mut at = 0;
        while at < all.len() {
            let mut rest = all.clone();
            rest.drain(at..(at + chunk).min(all.len()));
            if fails(&rest)? {
                all = rest;
            } else {
                at += chunk;
            }
        }
        chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
    }
    Ok(all)
}

/// The result of a call on the lab: it waits for nothing but virtual time, which
/// it lets pass itself.
pub(super) fn ready<T>(call: impl Future<Output = T>) -> Outcome<T> {
    let mut call = std::pin::pin!(call);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if let Poll::Ready(result) = call.as_mut().poll(&mut context) {
            return Ok(result);
        }
    }
    Err(Problem::environment("a call on the lab never ended"))
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
        limit: LIMIT,
        ..Config::default()
    };
    let lab = Lab::new(definitions, config)?;
    let mut scripts = cast(definitions, options, world);
    if let Some(kept) = &cut.scripts {
        scripts.retain(|script| kept.contains(&script.number));
    }
    let mut play = Play {
        lab,
        variant,
        began: 0,
        seed,
        parked: RefCell::default(),
    };
    play.began = play.lab.now().as_millisecond();
    play.seed_goods(&scripts)?;
    play.perform(&scripts)?;
    play.operate(&scripts)?;
    play.judge(&scripts)
}

/// A world under way.
struct Play {
    lab: Lab,
    variant: &'static Variant,
    began: i64,
    seed: u64,
    /// The orders that an operator had to repair.
    parked: RefCell<BTreeSet<String>>,
}

/// How far a script is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waits,
    Registers { since: i64 },
    Wave { number: usize, since: i64 },
    Over,
}

impl Play {
    fn seed_goods(&self, scripts: &[Script]) -> Outcome<()> {
        let writes = scripts.iter().flat_map(|script| &script.plan.goods);
        for good in writes {
            let write = duet_inventory::seed(good.sku.clone(), good.price, good.quantity);
            let done = ready(self.lab.table(TableOf::Inventory).commit(vec![write]))?;
            done.map_err(Problem::environment)?;
        }
        Ok(())
    }

    fn submit(&self, subject: Subject, message: &CommandMessage, times: usize) -> Outcome<()> {
        let name = format!("{}/{}", self.seed, message.metadata.subject);
        let again = self
            .lab
            .with(|lab| lab.strikes(Fault::DoubleSubmission, &name));
        for _ in 0..times + usize::from(again) {
            ready(self.lab.submit(self.variant, subject, message))??;
        }
        Ok(())
    }

    fn order(&self, id: &str) -> Outcome<Option<Order>> {
        let found = ready(self.lab.table(TableOf::Order).load(&[duet_order::key(id)]))?;
        let item = found.map_err(Problem::environment)?.pop().flatten();
        Ok(item.map(|item| item.read()).transpose()?)
    }

    fn customer(&self, id: &str) -> Outcome<Option<Customer>> {
        let found = ready(
            self.lab
                .table(TableOf::Customer)
                .load(&[duet_customer::key(id)]),
        )?;
        let item = found.map_err(Problem::environment)?.pop().flatten();
        Ok(item.map(|item| item.read()).transpose()?)
    }

    fn now(&self) -> i64 {
        self.lab.now().as_millisecond()
    }

    /// Plays the scripts with all that goes wrong.
    fn perform(&self, scripts: &[Script]) -> Outcome<()> {
        let mut stages = vec![Stage::Waits; scripts.len()];
        while stages.iter().any(|stage| *stage != Stage::Over) {
            for (script, stage) in scripts.iter().zip(&mut stages) {
                *stage = self.advance(script, *stage)?;
            }
            // Soon at first, when things happen; then in longer steps.
            let step = if self.now() - self.began < 30_000 {
                250
            } else {
                5_000
            };
            let to = self.lab.now() + jiff::SignedDuration::from_millis(step);
            self.lab.with(|lab| lab.advance(to));
        }
        self.replay();
        self.lab.with(|lab| lab.settle(FAULTY));
        Ok(())
    }

    fn advance(&self, script: &Script, stage: Stage) -> Outcome<Stage> {
        let now = self.now();
        match stage {
            Stage::Waits if now - self.began < script.begins => Ok(stage),
            Stage::Waits => {
                for customer in &script.plan.customers {
                    let id = customer.customer.as_str();
                    let command = CustomerCommand::from(customer.clone());
                    let message = message::command(&command, id, self.variant.name, self.lab.now());
                    self.submit(Subject::Customer, &message, 1)?;
                }
                Ok(Stage::Registers { since: now })
            }
            Stage::Registers { since } => {
                for customer in &script.plan.customers {
                    let decided = self.customer(customer.customer.as_str())?;
                    let decided =
                        decided.is_some_and(|there| there.status != CustomerStatus::Pending);
                    if !decided && now - since < 10 * PATIENCE {
                        // Whoever registers customers sees to it that they are:
                        // what the scenarios say holds for known customers.
                        self.look_after(since);
                        return Ok(stage);
                    }
                }
                if let Some(marker) = &script.plan.poison {
                    ready(self.lab.submit_poison(self.variant, marker))??;
                }
                self.wave(script, 0)
            }
            Stage::Wave { number, since } => {
                let last = number + 1 == script.plan.waves.len();
                for order in script.plan.waves.get(number).into_iter().flatten() {
                    if let (true, Some(Person::Says(verdict))) = (last, script.plan.person) {
                        self.decide(&order.order, verdict)?;
                    }
                    let there = self.order(order.order.as_str())?;
                    // Whoever places orders sees to it that they are placed:
                    // a day later the fraud rules say something else.
                    if there.is_none() && now - since < 10 * PATIENCE {
                        self.look_after(since);
                        return Ok(stage);
                    }
                    let decided = there.is_some_and(|there| there.fate != Fate::Undecided);
                    if !decided && now - since < PATIENCE {
                        return Ok(stage);
                    }
                }
                self.wave(script, number + 1)
            }
            Stage::Over => Ok(stage),
        }
    }

    /// Every now and then somebody looks for what failed, and sends it back.
    fn look_after(&self, since: i64) {
        if (self.now() - since) / 5_000 % 20 == 19 {
            self.redrive(&[]);
        }
    }

    fn wave(&self, script: &Script, number: usize) -> Outcome<Stage> {
        let Some(wave) = script.plan.waves.get(number) else {
            return Ok(Stage::Over);
        };
        for order in wave {
            let command = OrderCommand::from(order.clone());
            let message = message::command(
                &command,
                order.order.as_str(),
                self.variant.name,
                self.lab.now(),
            );
            self.submit(Subject::Order, &message, script.plan.times)?;
        }
        Ok(Stage::Wave {
            number,
            since: self.now(),
        })
    }

    /// A person decides the review of `order`, if it is open. Until that is
    /// heard they say it again: every look sends one more decision.
    fn decide(&self, order: &OrderId, verdict: Verdict) -> Outcome<()> {
        let review = ready(review::find(&self.lab, order.as_str()))??;
        if review.is_some_and(|review| review.status == ReviewStatus::Open) {
            let decision = DecideReview {
                order: order.clone(),
                verdict,
                note: None,
            };
            let command = FraudCommand::from(decision);
            let message =
                message::command(&command, order.as_str(), self.variant.name, self.lab.now());
            ready(self.lab.command(self.variant, TableOf::Fraud, &message))??;
        }
        Ok(())
    }

    /// Replays the archive of a bus, if that is to go wrong here: as soon as it
    /// keeps anything, or somewhat later, while timers still run.
    fn replay(&self) {
        let later = REPLAYED.0 + draw(self.seed, u64::MAX, REPLAYED.1) as i64;
        let at = jiff::Timestamp::from_millisecond(self.began + later);
        self.lab.with(|lab| {
            lab.advance(at.unwrap_or(jiff::Timestamp::MAX));
            let archives: Vec<String> = lab
                .definitions()
                .archives
                .iter()
                .map(|archive| archive.name.clone())
                .collect();
            for archive in archives {
                if lab.strikes(Fault::Replay, &format!("{}/{archive}", self.seed)) {
                    let from = jiff::Timestamp::from_millisecond(self.began)
                        .unwrap_or(jiff::Timestamp::MIN);
                    let window = (from, lab.now());
                    // An archive that keeps nothing yet has nothing to replay.
                    let _ = lab.replay(&archive, "again", window, &[]);
                }
            }
        });
    }

    /// Nothing goes wrong any more, and somebody clears up.
    fn operate(&self, scripts: &[Script]) -> Outcome<()> {
        self.lab.with(|lab| {
            lab.stop_faults();
            lab.settle(REST);
        });
        for _ in 0..ROUNDS {
            let mut worked = self.redrive(scripts);
            self.lab.with(|lab| lab.settle(REST));
            worked |= self.repair(scripts)?;
            self.lab.with(|lab| lab.settle(REST));
            if !worked {
                break;
            }
        }
        Ok(())
    }

    fn redrive(&self, scripts: &[Script]) -> bool {
        // A scenario's own poison is to lie where it is.
        let poisons = scripts
            .iter()
            .filter_map(|script| script.plan.poison.as_deref());
        self.lab.redrive_all(&poisons.collect::<Vec<_>>())
    }

    /// Repairs what is parked, as `duet repair` does.
    fn repair(&self, scripts: &[Script]) -> Outcome<bool> {
        let mut worked = false;
        for order in scripts
            .iter()
            .flat_map(|script| script.plan.waves.iter().flatten())
        {
            let there = self.order(order.order.as_str())?;
            if there.is_some_and(|there| !there.owed.is_empty()) {
                worked = true;
                self.parked.borrow_mut().insert(order.order.to_string());
                // What cannot be repaired now is found when the world is judged.
                let _ = ready(repair::repair(&self.lab, &order.order, WITHIN))?;
            }
        }
        Ok(worked)
    }

    /// What must not be, and how everything ended.
    fn judge(self, scripts: &[Script]) -> Outcome<End> {
        let mut end = End::default();
        self.lab.with(|lab| {
            end.struck = lab.struck();
            end.chances = lab.chances();
            end.touched = lab.touched();
            end.trace = lab.trace_hash();
            end.timeline = lab.timeline().to_vec();
            lab.used().iter().for_each(|used| end.used += used.meter);
            for lost in lab.lost() {
                end.findings.push((
                    6,
                    lost.subject.clone(),
                    format!("{}: lost at {}: {}", lost.subject, lost.place, lost.why),
                ));
            }
            for letter in lab.dead_letters() {
                let subject = subject_of(&letter.body);
                end.findings.push((
                    6,
                    subject.clone(),
                    format!(
                        "{subject}: a message stays in {}: {}",
                        letter.queue, letter.cause
                    ),
                ));
            }
            let (waiting, running) = (lab.waiting_messages(), lab.running_executions());
            if !lab.is_at_rest() || waiting > 0 || running > 0 {
                let what = format!(
                    "it does not come to rest: {waiting} messages wait, {running} executions run"
                );
                end.findings.push((6, String::new(), what));
            }
        });
        let struck = !end.struck.is_empty();
        let with_fraud = self.lab.deployment().with_fraud;
        let mut findings = Findings::default();
        for script in scripts {
            for customer in &script.plan.customers {
                self.judge_customer(script, customer.customer.as_str(), &mut end)?;
            }
            for (number, order) in script
                .plan
                .waves
                .iter()
                .enumerate()
                .flat_map(|(n, wave)| wave.iter().map(move |o| (n, o)))
            {
                let id = order.order.as_str();
                let view = ready(View::load(&self.lab, id))??;
                let outcome = match &view.order {
                    None => "Unplaced".to_owned(),
                    Some(there) => word(&there.standing()),
                };
                end.outcomes.push(outcome.clone());
                match &view.order {
                    Some(there) => {
                        let due = matches!(script.expected, Expected::NeedsAttention(..));
                        if self.parked.borrow().contains(id) && !due && !struck {
                            let what = format!(
                                "{id} ({}): it was parked, and nothing went wrong",
                                script.name
                            );
                            end.findings.push((0, id.to_owned(), what));
                        }
                        if let Err(why) = script.allows(number, there, struck) {
                            end.findings.push((
                                0,
                                id.to_owned(),
                                format!("{id} ({}): {why}", script.name),
                            ));
                        }
                        findings.order(id, &view, with_fraud);
                    }
                    None => end.findings.push((
                        6,
                        id.to_owned(),
                        format!("{id} ({}): it was never placed", script.name),
                    )),
                }
            }
            for good in &script.plan.goods {
                let key = duet_inventory::stock_key(&good.sku);
                let found = ready(self.lab.table(TableOf::Inventory).load(&[key]))?
                    .map_err(Problem::environment)?;
                for item in found.into_iter().flatten() {
                    let stock: Stock = item.read()?;
                    findings.stock(&stock);
                    let sold = self.sold(script, &stock)?;
                    if stock.available < 0 || stock.reserved != 0 || stock.shipped != sold {
                        findings.broken(
                            2,
                            format!(
                                "{}: {} available, {} reserved, {} shipped at the end, {sold} sold",
                                stock.sku, stock.available, stock.reserved, stock.shipped
                            ),
                        );
                    }
                }
            }
        }
        self.judge_ledger(scripts, &mut findings)?;
        for invariant in findings.invariants() {
            for what in invariant.violations {
                let subject = what.split(':').next().unwrap_or_default().to_owned();
                end.findings.push((invariant.number, subject, what));
            }
        }
        Ok(end)
    }

    /// How much of a SKU the confirmed orders of a script took.
    fn sold(&self, script: &Script, stock: &Stock) -> Outcome<i64> {
        let mut sold = 0;
        for order in script.plan.waves.iter().flatten() {
            let there = self.order(order.order.as_str())?;
            if there.is_some_and(|there| there.fate == Fate::Confirmed) {
                let lines = order.lines.iter().filter(|line| line.sku == stock.sku);
                sold += lines
                    .map(|line| i64::from(line.quantity.get()))
                    .sum::<i64>();
            }
        }
        Ok(sold)
    }

    fn judge_customer(&self, script: &Script, id: &str, end: &mut End) -> Outcome<()> {
        let expected = match script.expected {
            Expected::Blocked => CustomerStatus::Blocked,
            _ => CustomerStatus::Active,
        };
        let status = self.customer(id)?.map(|customer| customer.status);
        if status != Some(expected) {
            end.findings.push((
                0,
                id.to_owned(),
                format!(
                    "{id} ({}): the customer is {status:?}, not {expected:?}",
                    script.name
                ),
            ));
        }
        Ok(())
    }

    /// The provider holds, under whatever keys, what the confirmed orders cost.
    fn judge_ledger(&self, scripts: &[Script], findings: &mut Findings) -> Outcome<()> {
        let mut due = 0;
        for order in scripts
            .iter()
            .flat_map(|script| script.plan.waves.iter().flatten())
        {
            if let Some(there) = self.order(order.order.as_str())?
                && there.fate == Fate::Confirmed
            {
                due += there.placed.total.amount;
            }
        }
        let items =
            ready(self.lab.table(TableOf::Provider).everything())?.map_err(Problem::environment)?;
        let mut held = 0;
        for item in items {
            let charge: Charge = item.read()?;
            held += charge.net();
        }
        if held != due {
            findings.broken(
                1,
                format!("all orders: the provider holds {held}, confirmed orders cost {due}"),
            );
        }
        Ok(())
    }
}

/// Whom a message is about, if it says so.
fn subject_of(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let metadata = if body["detail"].is_object() {
        &body["detail"]["metadata"]
    } else {
        &body["metadata"]
    };
    metadata["subject"]
        .as_str()
        .unwrap_or("somebody")
        .to_owned()
}

impl Report for SimulationReport {
    fn text(&self) -> String {
        let mut text = Vec::new();
        let mut outcomes = table(&["OUTCOME", "ORDERS"]);
        for (outcome, times) in &self.outcomes {
            outcomes.add_row([outcome.clone(), times.to_string()]);
        }
        text.push(trimmed(&outcomes));
        if !self.faults_injected.is_empty() {
            let mut faults = table(&["FAULT", "STRUCK", "SHARE"]);
            for (kind, times) in &self.faults_injected {
                let share = self.faults_share.get(kind).copied().unwrap_or(0.0);
                faults.add_row([
                    (*kind).to_owned(),
                    times.to_string(),
                    format!("{:.1} %", share * 100.0),
                ]);
            }
            text.extend([String::new(), trimmed(&faults)]);
        }
        for violation in &self.violations {
            let Violation {
                seed,
                variant,
                invariant,
                what,
                schedule,
                scenarios,
                timeline,
            } = violation;
            text.push(String::new());
            text.push(format!(
                "VIOLATION (invariant {invariant}) seed {seed}, {variant}: {what}"
            ));
            text.push(format!("scenarios: {}", scenarios.join(", ")));
            text.push(format!("faults: {}", schedule.join(", ")));
            text.extend(
                timeline
                    .iter()
                    .map(|moment| format!("  {} {}: {}", moment.at, moment.subject, moment.what)),
            );
        }
        for kind in &self.faults_thin {
            text.push(format!(
                "THIN: {kind} touched less than {:.0} % of what it can touch",
                LEAST_SHARE * 100.0
            ));
        }
        text.push(String::new());
        text.push(format!(
            "{} seeds, {} orders, {} violations, trace {}, {:.1} s",
            self.seeds,
            self.orders,
            self.violations.len(),
            self.trace_hash,
            self.elapsed_s
        ));
        text.join("\n")
    }

    fn exit(&self) -> Exit {
        if self.violations.is_empty() && self.faults_thin.is_empty() {
            Exit::Done
        } else {
            Exit::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variant;

    fn options(seeds: u64, faults: Vec<FaultRule>) -> Options {
        Options {
            seeds,
            from: 1,
            variants: variant::ALL.iter().collect(),
            orders: 10,
            faults,
            scenarios: Vec::new(),
            threads: 2,
        }
    }

    #[test]
    fn calm_worlds_end_as_expected() {
        let definitions = definitions(&BTreeMap::new()).unwrap();
        let report = run(&definitions, &options(20, Vec::new())).unwrap();
        assert!(report.violations.is_empty(), "{}", report.text());
        assert!(report.orders >= 300 && report.faults_injected.is_empty());
    }

    #[test]
    fn stormy_worlds_end_well_and_repeat_exactly() {
        let definitions = definitions(&BTreeMap::new()).unwrap();
        let options = options(40, FaultRule::all());
        let report = run(&definitions, &options).unwrap();
        assert!(report.violations.is_empty(), "{}", report.text());
        let again = run(
            &definitions,
            &Options {
                threads: 1,
                ..options
            },
        )
        .unwrap();
        assert_eq!(report.trace_hash, again.trace_hash);
    }
}
