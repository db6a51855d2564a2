//! Worlds in which orders are placed one after the other, to see how long each
//! takes and what it uses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use duet_core::{Clock as _, Timestamp};
use duet_lab::{Config, Definitions, FaultRule, Meter, Profile, WaitsFor};
use duet_order::command::{Command, PlaceOrder};
use duet_order::domain::{Compensation, Order};
use jiff::SignedDuration;
use serde_json::Value;

use super::time::parts;
use crate::ops::{catalog, place};
use crate::shop::message;
use crate::shop::scenario::{Expected, Scenario};
use crate::shop::services::Subject;
use crate::shop::variant::Variant;
use crate::simulate::ready;
use crate::terminal::exit::Outcome;
use crate::world::World;
use crate::world::lab::Lab;

/// Seconds between two orders: by then most are whole, and instances idle.
const BETWEEN: i64 = 10;
/// How long a world runs on after the last order, in milliseconds: past every
/// timer of an order.
const SETTLED: i64 = 3 * 3_600_000;

/// What a world was asked for.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub(super) definitions: &'a Arc<Definitions>,
    pub(super) variant: &'static Variant,
    pub(super) profile: &'a Arc<Profile>,
    pub(super) faults: &'a [FaultRule],
    pub(super) seed: u64,
    /// Where the assumptions of the profile lie.
    pub(super) draw: u64,
}

/// What one world showed.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    /// Milliseconds to the decision, where all was warm.
    pub(super) warm: Vec<i64>,
    /// … and where an instance had to start.
    pub(super) cold: Vec<i64>,
    /// Milliseconds until a rejected order was whole, warm.
    pub(super) whole: Vec<i64>,
    /// What the warm orders waited for until the decision, in milliseconds.
    pub(super) parts: BTreeMap<WaitsFor, i64>,
    /// What all orders used together, and how many there were.
    pub(super) used: Meter,
    pub(super) orders: u64,
    /// The custom metrics that were written: namespace, dimensions and name.
    pub(super) metrics: BTreeSet<String>,
}

/// Whether the orders of `scenario` go their way alone: nobody has to decide,
/// repair or do anything else between. (Registering is left out: an order of a
/// customer whom nobody knows takes the same way, where fraud detection is no
/// matter.)
pub(super) fn is_plain(scenario: &Scenario) -> bool {
    let plan = scenario.plan("plain", 1, 60);
    let single = matches!(
        scenario.expected,
        Expected::Confirmed | Expected::Rejected(..)
    );
    let alone = !plan.suspicious && plan.person.is_none() && plan.hopeless.is_none();
    let once = plan.times == 1 && plan.waves.len() == 1 && !plan.forge && !plan.excess;
    single && alone && once && !plan.repair && !scenario.fraud
}

impl Ask<'_> {
    fn world(&self) -> Outcome<Lab> {
        Lab::new(
            self.definitions,
            Config {
                seed: self.seed,
                faults: self.faults.to_vec(),
                profile: Some(self.profile.clone()),
                assumptions: self.draw,
                waits: true,
                logs: true,
                ..Config::default()
            },
        )
    }

    /// Places `orders` orders of `scenario`, and then `rejected` of `rejects`.
    pub(super) fn sample(
        &self,
        (scenario, orders): (&Scenario, u32),
        (rejects, rejected): (&Scenario, u32),
    ) -> Outcome<Sample> {
        let world = self.world()?;
        let mut sample = Sample::default();
        let placed = self.place_all(&world, scenario, "a", orders)?;
        let undone = self.place_all(&world, rejects, "r", rejected)?;
        world.with(|lab| lab.settle(SETTLED));
        let used = world.with(|lab| lab.used());
        let used: BTreeMap<&str, Meter> = used
            .iter()
            .map(|used| (&*used.subject, used.meter))
            .collect();
        let waited = world.with(|lab| lab.waited());
        for (id, at) in &placed {
            let Some(order) = ready(place::find(&world, id))?? else {
                continue;
            };
            let meter = used.get(id.as_str()).copied().unwrap_or_default();
            sample.used += meter;
            sample.orders += 1;
            let Some(decided) = order.decided_at else {
                continue;
            };
            let took = decided.as_millisecond() - at.as_millisecond();
            if meter.cold_starts > 0 {
                sample.cold.push(took);
                continue;
            }
            sample.warm.push(took);
            let waits = waited.get(id.as_str()).map_or(&[][..], Vec::as_slice);
            let into = parts(waits, at.as_millisecond(), decided.as_millisecond());
            for (waits_for, ms) in into {
                *sample.parts.entry(waits_for).or_default() += ms;
            }
        }
        for (id, at) in &undone {
            let order = ready(place::find(&world, id))??;
            let warm = used.get(id.as_str()).is_some_and(|it| it.cold_starts == 0);
            if let Some(whole) = order.as_ref().and_then(whole_at).filter(|_| warm) {
                sample
                    .whole
                    .push(whole.as_millisecond() - at.as_millisecond());
            }
        }
        let lines = world.with(|lab| lab.lines()).unwrap_or_default();
        sample.metrics = lines.iter().flat_map(|line| metrics(line)).collect();
        Ok(sample)
    }

    fn place_all(
        &self,
        world: &Lab,
        scenario: &Scenario,
        stem: &str,
        orders: u32,
    ) -> Outcome<Vec<(String, Timestamp)>> {
        if orders == 0 {
            return Ok(Vec::new());
        }
        let patience = world.patience(self.variant);
        let stem = format!("compare-{stem}-{}", self.draw);
        let mut plan = scenario.plan(&stem, orders as usize, patience);
        if scenario.expected == Expected::Confirmed {
            // As many pieces as orders may want.
            plan.goods
                .iter_mut()
                .for_each(|good| good.quantity = u32::MAX);
        }
        ready(catalog::seed(world, &plan.goods))??;
        let mut placed = Vec::new();
        for order in plan.waves.into_iter().flatten() {
            let at = self.place(world, &order)?;
            placed.push((order.order.to_string(), at));
            let next = at + SignedDuration::from_secs(BETWEEN);
            world.with(|lab| lab.advance(next));
        }
        Ok(placed)
    }

    /// Places `order`, and tells when.
    pub(super) fn place(&self, world: &Lab, order: &PlaceOrder) -> Outcome<Timestamp> {
        let (id, at) = (order.order.as_str(), world.now());
        let command = Command::from(order.clone());
        let message = message::command(&command, id, self.variant.name, at);
        ready(world.submit(self.variant, Subject::Order, &message))??;
        Ok(at)
    }
}

/// When a rejected order was whole again.
fn whole_at(order: &Order) -> Option<Timestamp> {
    let done = order.compensation == Compensation::Done;
    order.touched_at.filter(|_| done)
}

/// The metrics that a log line carries in the embedded metric format: each set
/// of dimensions with its values is one.
fn metrics(line: &str) -> Vec<String> {
    let Ok(line) = serde_json::from_str::<Value>(line) else {
        return Vec::new();
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut found = Vec::new();
    for directive in list(&line["_aws"]["CloudWatchMetrics"]) {
        for dimensions in list(&directive["Dimensions"]) {
            let of = list(&dimensions);
            let of = of.iter().filter_map(Value::as_str);
            let values: Vec<String> = of.map(|name| format!("{name}={}", line[name])).collect();
            for metric in list(&directive["Metrics"]) {
                found.push(format!("{} {}", values.join(","), metric["Name"]));
            }
        }
    }
    found
}

/// Today, for the age of prices.
pub(super) fn today() -> jiff::civil::Date {
    let now = duet_core::SystemClock.now();
    now.to_zoned(jiff::tz::TimeZone::UTC).date()
}
