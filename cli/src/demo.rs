//! The main job: every scenario under every variant, side by side.

use std::collections::BTreeMap;

use duet_core::OrderId;
use duet_core::store::Store;
use duet_fraud::command::Verdict;
use duet_inventory::domain::Stock;
use duet_lab::{Meter, Used};
use duet_order::command::PlaceOrder;
use duet_order::domain::Compensation;
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::exit::{Exit, Outcome, Problem};
use crate::invariants::{Findings, Invariant};
use crate::report::{Report, table, took, trimmed};
use crate::scenario::{Expected, Person, Plan, Scenario};
use crate::terminal;
use crate::variant::Variant;
use crate::view::{Print, View};
use crate::world::lab::simulate::Ending;
use crate::world::{TableOf, World};
use crate::{catalog, customer, place, repair, review};

/// How many scenarios run at once: enough to hide their waiting, few enough
/// for an emulator on a small machine.
const AT_ONCE: usize = 8;

/// How often a run is looked at, in milliseconds.
const LOOK_EVERY: u64 = 300;

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

/// Runs what was chosen.
///
/// # Errors
/// [`Problem`] when the target does not answer. What does not end as it should
/// is no error but a row that is not ok.
pub async fn run<W: World>(world: &W, choice: &Choice) -> Outcome<DemoReport> {
    let began = world.now();
    let run = format!("{:x}", began.as_millisecond());
    let jobs = choice.scenarios.iter().flat_map(|scenario| {
        choice.variants.iter().map(|variant| {
            let stem = format!("{run}-{}-{}", scenario.name, variant.name);
            let patience = world.deployment().patience_seconds;
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
    let ran: Vec<(Row, Findings)> = stream::iter(jobs)
        .map(|(scenario, variant, plan)| one(world, scenario, variant, plan, within))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let (mut rows, findings): (Vec<_>, Vec<_>) = ran.into_iter().unzip();
    let elapsed_ms = world.now().duration_since(began).as_millis() as i64;
    let mut all = Findings::default();
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

/// Does an operator's work until nothing is left to do: dead letters, failed
/// executions, parked orders.
async fn clear_up<W: World>(world: &W, rows: &[Row], within: u64) -> Outcome<()> {
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
async fn look_again<W: World>(world: &W, row: &mut Row, findings: &mut Findings) -> Outcome<()> {
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

async fn one<W: World>(
    world: &W,
    scenario: &'static Scenario,
    variant: &'static Variant,
    plan: Plan,
    within: u64,
) -> Outcome<(Row, Findings)> {
    let began = world.now();
    let mut findings = Findings::default();
    let mut footprint = Footprint::default();
    let mut words = Words::default();
    let mut reservations = Vec::new();
    let registered: Vec<(String, Vec<String>)> = stream::iter(&plan.customers)
        .map(|registration| async move {
            let registered = customer::register(world, variant, registration, Some(within)).await?;
            let status = registered
                .status
                .map_or(String::new(), |status| format!("{status:?}"));
            Ok::<_, Problem>((
                status,
                noticed(world, registration.customer.as_str(), within).await?,
            ))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    if plan.waves.is_empty() {
        registered
            .iter()
            .for_each(|(status, _)| words.add(status.clone()));
    }
    footprint.customers = registered;
    if let Some(marker) = &plan.poison {
        world.submit_poison(variant, marker).await?;
    }
    for (n, wave) in plan.waves.iter().enumerate() {
        let last = n + 1 == plan.waves.len();
        let submitted = wave
            .iter()
            .flat_map(|order| std::iter::repeat_n(order, plan.times));
        try_join_all(submitted.map(|order| place::submit(world, variant, order))).await?;
        if let (true, Some(Person::Says(verdict))) = (last, plan.person) {
            for order in wave {
                if let Err(why) = decided(world, &order.order, verdict, within).await {
                    words.add(why.to_string());
                }
            }
        }
        if last && plan.repair {
            for order in wave {
                let (standing, parked) = parked(world, order.order.as_str(), within).await?;
                findings.named(order.order.as_str(), &parked);
                findings.order(order.order.as_str(), &parked, world.deployment().with_fraud);
                words.add(standing);
            }
            for order in wave {
                // Twice, for an operator may: the second finds nothing to do.
                for _ in 0..2 {
                    if let Err(why) = repair::repair(world, &order.order, within).await {
                        words.add(why.to_string());
                    }
                }
            }
        }
        let mut prints = Vec::with_capacity(wave.len());
        for order in wave {
            let id = order.order.as_str();
            let view = settled(world, id, within).await?;
            findings.order(id, &view, world.deployment().with_fraud);
            prints.push(view.print());
            reservations.extend(view.reservation);
        }
        // Which of a wave's orders ended how may be a race: they are compared
        // without their names.
        prints.sort();
        for Print { standing, .. } in &prints {
            words.add(match last && plan.repair {
                true => format!("repaired: {standing}"),
                false => standing.clone(),
            });
        }
        footprint.orders.extend(prints);
    }
    if let Some(order) = plan.waves.last().and_then(|wave| wave.first())
        && plan.forge
        && !is_refused(world, variant, order).await
    {
        words.add("a forged repeat was taken".to_owned());
    }
    if let Some(order) = plan.waves.last().and_then(|wave| wave.first())
        && plan.excess
        && let Some(taken) = takes_more(order)
    {
        words.add(taken);
    }
    if let Some(marker) = &plan.poison {
        footprint.dead = died(world, variant, marker, within).await?;
        if footprint.dead {
            words.add(Expected::DeadLettered.to_string());
        } else {
            findings.broken(
                6,
                format!("{marker}: neither handled nor in a dead-letter queue"),
            );
        }
    }
    for entry in &plan.goods {
        let key = duet_inventory::stock_key(&entry.sku);
        for item in world
            .table(TableOf::Inventory)
            .load(&[key])
            .await?
            .into_iter()
            .flatten()
        {
            let stock: Stock = item.read()?;
            findings.stock(&stock, &reservations);
            footprint
                .stock
                .push((stock.available, stock.reserved, stock.shipped));
        }
    }
    let (outcome, expected) = (words.to_string(), expected(scenario, &plan));
    let row = Row {
        scenario: scenario.name,
        variant: variant.name,
        ok: outcome == expected,
        outcome,
        expected,
        elapsed_ms: world.now().duration_since(began).as_millis() as i64,
        orders: plan
            .waves
            .iter()
            .flatten()
            .map(|order| order.order.to_string())
            .collect(),
        usage: None,
        races: Vec::new(),
        footprint,
        of: (scenario, variant, plan),
    };
    Ok((row, findings))
}

/// What the rows of a scenario should say.
fn expected(scenario: &Scenario, plan: &Plan) -> String {
    let mut words = Words::default();
    for (n, wave) in plan.waves.iter().enumerate() {
        let last = n + 1 == plan.waves.len() && scenario.expected != Expected::DeadLettered;
        let ends = if last {
            scenario.expected
        } else {
            Expected::Confirmed
        };
        for end in ends.each(wave.len()) {
            words.add(end.to_string());
        }
    }
    if let (true, Expected::NeedsAttention(reason, detail)) = (plan.repair, scenario.expected) {
        for _ in plan.waves.last().into_iter().flatten() {
            words.add(format!("repaired: {}", Expected::Rejected(reason, detail)));
        }
    }
    if plan.waves.is_empty() || scenario.expected == Expected::DeadLettered {
        words.add(scenario.expected.to_string());
    }
    words.to_string()
}

/// Decides the review of `order` as soon as there is one.
async fn decided<W: World>(
    world: &W,
    order: &OrderId,
    verdict: Verdict,
    within: u64,
) -> Outcome<()> {
    let began = world.now();
    while review::find(world, order.as_str()).await?.is_none() {
        if world.now().duration_since(began).as_secs() >= within as i64 {
            return Err(Problem::failed(format!("{order} was not screened")));
        }
        world.pause(LOOK_EVERY).await;
    }
    review::decide(world, order, verdict, Some("duet demo"), within).await?;
    Ok(())
}

/// How the order `id` stands once it is parked, or when `within` seconds are over.
async fn parked<W: World>(world: &W, id: &str, within: u64) -> Outcome<(String, View)> {
    let began = world.now();
    loop {
        let view = settled(world, id, within).await?;
        let order = view.order.as_ref();
        // Other compensations may still be under way when the first one fails.
        let parked = order.is_some_and(|order| {
            order.compensation == Compensation::Failed && order.pending.len() == order.owed.len()
        });
        if parked || world.now().duration_since(began).as_secs() >= within as i64 {
            let word = order.map_or("Unknown".to_owned(), |order| place::word(&order.standing()));
            return Ok((word, view));
        }
        world.pause(LOOK_EVERY).await;
    }
}

/// Outcomes in order, repetitions counted: `Confirmed x3, Rejected(…)`.
#[derive(Debug, Default)]
struct Words(Vec<(String, usize)>);

impl Words {
    fn add(&mut self, word: String) {
        match self.0.last_mut() {
            Some((last, times)) if *last == word => *times += 1,
            _ => self.0.push((word, 1)),
        }
    }
}

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, (word, times)) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            match times {
                1 => write!(f, "{comma}{word}")?,
                _ => write!(f, "{comma}{word} x{times}")?,
            }
        }
        Ok(())
    }
}

/// Whether the id of `order` with other content is refused.
async fn is_refused<W: World>(world: &W, variant: &'static Variant, order: &PlaceOrder) -> bool {
    let forged = PlaceOrder {
        payment_token: "tok_forged".to_owned(),
        ..order.clone()
    };
    matches!(place::submit(world, variant, &forged).await, Err(problem) if problem.exit == Exit::Failed)
}

/// What is wrong if an order that costs one minor unit more than `order` is not
/// refused by its total.
fn takes_more(order: &PlaceOrder) -> Option<String> {
    let mut dearer = order.clone();
    dearer.total.amount += 1;
    let refused = place::check(&dearer).err().map(|why| why.to_string());
    match refused {
        Some(why) if why.contains("total.amount: ") => None,
        Some(why) => Some(format!("refused, but not for its total: {why}")),
        None => Some("an order past the largest total was taken".to_owned()),
    }
}

/// The order `id` once nothing about it moves any more, or as it stands when
/// `within` seconds are over.
pub(crate) async fn settled<W: World>(world: &W, id: &str, within: u64) -> Outcome<View> {
    let began = world.now();
    loop {
        let view = View::load(world, id).await?;
        if view.is_settled() || world.now().duration_since(began).as_secs() >= within as i64 {
            return Ok(view);
        }
        world.pause(LOOK_EVERY).await;
    }
}

/// The notices sent to customer `id`, once there is one.
async fn noticed<W: World>(world: &W, id: &str, within: u64) -> Outcome<Vec<String>> {
    let began = world.now();
    loop {
        let view = View::load(world, id).await?;
        if !view.notices.is_empty() || world.now().duration_since(began).as_secs() >= within as i64
        {
            return Ok(view.noticed());
        }
        world.pause(LOOK_EVERY).await;
    }
}

/// Whether something with `marker` in it lies dead.
async fn died<W: World>(
    world: &W,
    variant: &'static Variant,
    marker: &str,
    within: u64,
) -> Outcome<bool> {
    let began = world.now();
    loop {
        if !world.dead_letters(variant, marker).await?.is_empty() {
            return Ok(true);
        }
        if world.now().duration_since(began).as_secs() >= within as i64 {
            return Ok(false);
        }
        world.pause(LOOK_EVERY).await;
    }
}

impl Choice {
    /// Leaves out what `world` cannot run, and refuses what was asked for by
    /// name and cannot be run.
    ///
    /// # Errors
    /// [`Problem`] naming the scenario or variant that is not deployed.
    pub fn fit<W: World>(mut self, world: &W, by_name: bool) -> Outcome<Self> {
        let there = world.deployment();
        for variant in &self.variants {
            if !there.variants.contains(&variant.name) {
                return Err(Problem::usage(format!(
                    "variant {} is not deployed",
                    variant.name
                )));
            }
        }
        if !there.with_fraud {
            if let Some(scenario) = self
                .scenarios
                .iter()
                .find(|scenario| by_name && scenario.fraud)
            {
                return Err(Problem::usage(format!(
                    "scenario {} needs the fraud service",
                    scenario.name
                ))
                .hint("deploy with `duet up --parameter Fraud=on` and the same --on"));
            }
            self.scenarios.retain(|scenario| !scenario.fraud);
        }
        let mut kept = Vec::new();
        for scenario in self.scenarios {
            match unfit(world, scenario, self.within) {
                None => kept.push(scenario),
                Some((why, remedy)) if by_name => return Err(Problem::usage(why).hint(remedy)),
                Some((why, remedy)) => terminal::tell(&format!("left out: {why}; {remedy}")),
            }
        }
        self.scenarios = kept;
        Ok(self)
    }
}

/// Seconds that a scenario needs beside the waiting it is about.
const MARGIN: u64 = 30;

/// Seconds in which the demo's person decides, with some to spare.
const QUICK: u32 = 10;

/// Why `scenario` cannot be run on `world`, if so, and what to do about it.
fn unfit<W: World>(world: &W, scenario: &Scenario, within: u64) -> Option<(String, String)> {
    let plan = scenario.plan("fit", 1, world.deployment().patience_seconds);
    let name = scenario.name;
    let reviews = world.review_seconds();
    match (plan.person, reviews) {
        (Some(_), None) => {}
        (None, None) if plan.repair => {}
        (Some(Person::IsSilent), Some(seconds)) if u64::from(seconds) + MARGIN > within => {
            return Some((
                format!(
                    "scenario {name}: a person has {seconds} s to decide here, and a scenario {within} s"
                ),
                format!(
                    "deploy with `duet up --parameter ReviewSeconds=30` and the same --on, or wait with --within {}",
                    u64::from(seconds) + MARGIN
                ),
            ));
        }
        (Some(Person::Says(_)), Some(seconds)) if seconds < QUICK => {
            return Some((
                format!("scenario {name}: {seconds} s are too short for anybody to decide"),
                "deploy with `duet up --parameter ReviewSeconds=30` and the same --on".to_owned(),
            ));
        }
        _ => return None,
    }
    Some((
        format!("scenario {name} needs a person or an operator, and none can reach this target"),
        "run it with --on local or --on aws, with a stack of this version".to_owned(),
    ))
}

impl Report for DemoReport {
    fn text(&self) -> String {
        let mut variants: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !variants.contains(&row.variant) {
                variants.push(row.variant);
            }
        }
        let mut header = vec!["SCENARIO", "EXPECTED"];
        header.extend(&variants);
        let mut rows = table(&header);
        for of_scenario in self.rows.chunks(variants.len().max(1)) {
            let mut cells = vec![
                of_scenario[0].scenario.to_owned(),
                of_scenario[0].expected.clone(),
            ];
            cells.extend(of_scenario.iter().map(|row| {
                let seconds = row.elapsed_ms as f64 / 1000.0;
                match (row.ok, self.faults) {
                    (true, _) => format!("ok {seconds:.1} s"),
                    (false, true) => {
                        let races: Vec<_> = row.races.iter().map(|raced| raced.name).collect();
                        format!("{} ({}) {seconds:.1} s", row.outcome, races.join(", "))
                    }
                    (false, false) => format!("FAILED: {}", row.outcome),
                }
            }));
            rows.add_row(cells);
        }
        let mut text = vec![trimmed(&rows), String::new()];
        for Invariant {
            number,
            says,
            holds,
            violations,
        } in &self.invariants
        {
            text.push(format!(
                "{} {number} {says}",
                if *holds { "ok    " } else { "BROKEN" }
            ));
            text.extend(violations.iter().map(|why| format!("         {why}")));
        }
        let ok = self.rows.iter().filter(|row| row.ok).count();
        text.push(String::new());
        text.push(format!(
            "{ok} of {} as expected, parity {}, {}",
            self.rows.len(),
            match (self.parity, self.faults) {
                (true, _) => "holds",
                (false, true) => "lost to the faults",
                (false, false) => "BROKEN",
            },
            took(self.elapsed_ms, self.virtual_time)
        ));
        if self.faults {
            let otherwise = self.rows.iter().filter(|row| !row.ok);
            let races: usize = otherwise.map(|row| row.races.len()).sum();
            let struck: Vec<String> = self
                .faults_injected
                .iter()
                .map(|(fault, times)| format!("{fault} {times}"))
                .collect();
            text.push(match struck.as_slice() {
                [] => "no fault struck; another --seed, or a rate such as --fault KIND:0.5, may".to_owned(),
                some => format!(
                    "{races} orders ended otherwise by a named race; faults struck: {}; the invariants are those of after an operator's work: dead letters sent back, failed executions taken up again, parked orders repaired",
                    some.join(", ")
                ),
            });
        }
        text.join("\n")
    }

    fn exit(&self) -> Exit {
        let as_expected = self.parity && self.rows.iter().all(|row| row.ok);
        let holds = self.invariants.iter().all(|i| i.holds) && (as_expected || self.faults);
        if holds { Exit::Done } else { Exit::Failed }
    }
}
