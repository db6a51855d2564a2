//! How fast the lab is, on this machine, on one core.

pub mod calibration;
pub mod patience;

use std::collections::BTreeMap;
use std::sync::Arc;

use duet_asl::{ExecutionOptions, RunOptions, StateMachine};
use duet_core::store::Store;
use duet_lab::{Config, Definitions};
use duet_order::command::Command;
use duet_pattern::Matcher;
use serde::Serialize;
use serde_json::json;

use super::ready;
use crate::shop::services::{Subject, TableOf};
use crate::shop::variant::Variant;
use crate::shop::{message, scenario};
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::progress::Progress;
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::world::World;
use crate::world::lab::Lab;

/// Orders of the measurements: few, and many to see what growth costs.
const FEW: u32 = 1_000;
/// Runs of the few; the one in the middle counts.
const RUNS: usize = 5;
/// Orders under way at once: one wave of these follows another.
const WAVE: u32 = 20;
/// Milliseconds between waves: about what an order takes.
const BETWEEN: i64 = 400;
/// Milliseconds until the clock of every order has come: of many orders some see it while
/// others are placed, and of few none would.
const SETTLED: i64 = 1_200_000;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct LabBench {
    /// Pass and Choice states without expressions, a second.
    pub transitions_per_s: f64,
    /// The same with JSONata expressions, and history recorded.
    pub jsonata_transitions_per_s: f64,
    /// Events matched against every rule of the bus, a second.
    pub pattern_matches_per_s: f64,
    /// Whole happy orders a second, by variant.
    pub orders_per_s: BTreeMap<&'static str, f64>,
    /// Memory that an order takes while it is under way and its records are
    /// kept; only where the system tells a process its size.
    pub bytes_per_order_in_flight: Option<u64>,
    /// Time per order of `many` orders, as a multiple of that of a thousand.
    pub growth: BTreeMap<&'static str, f64>,
    /// The same without what the system did for this thread, which is to clear new
    /// memory; only where the system tells.
    pub growth_without_system: BTreeMap<&'static str, f64>,
    /// How many `many` is.
    pub many: u32,
}

/// Measures, with `many` orders for growth.
///
/// # Errors
/// [`Problem`] when the definitions do not fit the code.
pub fn run(
    definitions: &Arc<Definitions>,
    variants: &[&'static Variant],
    many: u32,
) -> Outcome<LabBench> {
    let mut orders_per_s = BTreeMap::new();
    let mut growth = BTreeMap::new();
    let mut growth_without_system = BTreeMap::new();
    let few = FEW.min(many.max(1));
    let before = resident();
    let mut grown = None;
    let each = RUNS as u64 + 1 + u64::from(many > few);
    let progress = Progress::new("measurements", each * variants.len() as u64);
    for variant in variants {
        // The first run finds the memory that later ones use again.
        happy_orders(definitions, variant, few)?;
        progress.step();
        let runs = (0..RUNS).map(|_| {
            let run = measured(definitions, variant, few);
            progress.step();
            run
        });
        let mut runs = runs.collect::<Outcome<Vec<_>>>()?;
        runs.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
        let small = &runs[RUNS / 2];
        orders_per_s.insert(variant.name, 1.0 / small.seconds);
        grown = grown.max(small.size);
        if many > few {
            let large = measured(definitions, variant, many)?;
            progress.step();
            growth.insert(variant.name, large.seconds / small.seconds);
            // The system's ticks are long: of all few runs together.
            let system = runs.iter().map(|run| run.system).sum::<Option<f64>>();
            if let Some((of_large, of_few)) = large.system.zip(system) {
                let own = |run: &Run, system| run.seconds - system;
                let times = own(&large, of_large) / own(small, of_few / RUNS as f64);
                growth_without_system.insert(variant.name, times);
            }
            grown = grown.max(large.size);
        }
    }
    let most = u64::from(many.max(few));
    Ok(LabBench {
        transitions_per_s: transitions("JSONPath", 20_000)?,
        jsonata_transitions_per_s: transitions("JSONata", 20_000)?,
        pattern_matches_per_s: matches(definitions),
        orders_per_s,
        bytes_per_order_in_flight: before
            .zip(grown)
            .map(|(before, after)| after.saturating_sub(before) / most),
        growth,
        growth_without_system,
        many,
    })
}

/// Places `orders` happy orders under `variant` in a fresh world, wave after
/// wave, and lets them end. Gives the processor's seconds for each.
///
/// Everything is as in any other world: events are text and read again, the
/// histories of executions are recorded.
///
/// # Errors
/// [`Problem`] when the last order does not end as it should.
pub fn happy_orders(
    definitions: &Arc<Definitions>,
    variant: &'static Variant,
    orders: u32,
) -> Outcome<f64> {
    measured(definitions, variant, orders).map(|run| run.seconds)
}

/// What a run took.
struct Run {
    /// Seconds of a processor for each order.
    seconds: f64,
    /// How much of that the system took, where it tells.
    system: Option<f64>,
    /// The size of this process when the orders had ended.
    size: Option<u64>,
}

fn measured(
    definitions: &Arc<Definitions>,
    variant: &'static Variant,
    orders: u32,
) -> Outcome<Run> {
    let world = Lab::new(
        definitions,
        Config {
            seed: 1,
            ..Config::default()
        },
    )?;
    let happy = scenario::named("happy").map_err(Problem::usage)?;
    let plan = happy.plan("bench", 1, world.deployment().patience_seconds);
    for good in &plan.goods {
        // As many pieces as orders.
        let write = duet_inventory::seed(good.sku.clone(), good.price, u32::MAX);
        ready(world.table(TableOf::Inventory).commit(vec![write]))?
            .map_err(Problem::environment)?;
    }
    let Some(order) = plan.waves.first().and_then(|wave| wave.first()) else {
        return Err(Problem::usage("the happy scenario places no order"));
    };
    let (began, before) = (processor(), system());
    for number in 0..orders {
        let mut order = order.clone();
        order.order = format!("b-{number}").parse().map_err(Problem::usage)?;
        order.customer = format!("c-{number}").parse().map_err(Problem::usage)?;
        let id = order.order.to_string();
        let message = message::command(&Command::from(order), &id, variant.name, world.now());
        ready(world.submit(variant, Subject::Order, &message))??;
        if number % WAVE == WAVE - 1 {
            // One message an invocation, where others have ten: more would pile up.
            let between = match variant.keeps_order {
                true => 10 * BETWEEN,
                false => BETWEEN,
            };
            let to = world.now() + jiff::SignedDuration::from_millis(between);
            world.with(|lab| lab.advance(to));
        }
    }
    world.with(|lab| lab.settle(SETTLED));
    let took = processor() - began;
    let of_system = system().zip(before).map(|(after, before)| after - before);
    let last = format!("b-{}", orders.saturating_sub(1));
    let ended = crate::ops::place::find(&world, &last);
    let ended = ready(ended)??.map(|order| crate::ops::place::word(&order.standing()));
    if ended.as_deref() != Some("Confirmed") {
        return Err(Problem::failed(format!(
            "order {last} ended as {ended:?}, so nothing was measured"
        )));
    }
    let each = |seconds: f64| seconds / f64::from(orders);
    Ok(Run {
        seconds: each(took),
        system: of_system.map(each),
        size: resident(),
    })
}

/// Seconds of a processor that this thread has had. What it shares the machine
/// with does not count: these are figures for one core.
fn processor() -> f64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

/// The part of them that the system took for this thread, where it tells: in ticks of a
/// hundredth of a second (proc(5), `/proc/pid/stat`; USER_HZ is 100 on Linux).
fn system() -> Option<f64> {
    const TICKS_A_SECOND: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/thread-self/stat").ok()?;
    // The second field is a name in brackets, which may have blanks; stime is the 15th.
    let (_, rest) = text.rsplit_once(')')?;
    let ticks: u32 = rest.split_whitespace().nth(12)?.parse().ok()?;
    Some(f64::from(ticks) / TICKS_A_SECOND)
}

/// The size of this process in bytes, where the system tells.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1_024)
}

/// Pass and Choice states by turns: two hundred of them in a row, or five
/// thousand rounds of a loop that counts in expressions.
fn transitions(language: &str, least: u64) -> Outcome<f64> {
    let jsonata = language == "JSONata";
    let mut states = serde_json::Map::new();
    states.insert("End".to_owned(), json!({ "Type": "Succeed" }));
    if jsonata {
        let add = json!({ "Type": "Pass", "Output": { "n": "{% $states.input.n + 1 %}" }, "Next": "More" });
        let again = json!({ "Condition": "{% $states.input.n < 5000 %}", "Next": "S0" });
        let more = json!({ "Type": "Choice", "Choices": [again], "Default": "End" });
        states.extend([("S0".to_owned(), add), ("More".to_owned(), more)]);
    } else {
        for n in 0..200 {
            let next = match n {
                199 => "End".to_owned(),
                n => format!("S{}", n + 1),
            };
            let choice = json!({ "Variable": "$.last.n", "NumericEquals": 1, "Next": next });
            let state = match n % 2 {
                0 => {
                    json!({ "Type": "Pass", "Result": { "n": 1 }, "ResultPath": "$.last", "Next": next })
                }
                _ => json!({ "Type": "Choice", "Choices": [choice], "Default": "End" }),
            };
            states.insert(format!("S{n}"), state);
        }
    }
    let definition = json!({ "QueryLanguage": language, "StartAt": "S0", "States": states });
    let machine = StateMachine::parse(&definition.to_string()).map_err(|findings| {
        let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
        Problem::environment(text.join("; "))
    })?;
    let machine = Arc::new(machine);
    let options = RunOptions {
        execution: ExecutionOptions {
            history: jsonata,
            ..ExecutionOptions::default()
        },
        ..RunOptions::default()
    };
    let began = processor();
    let mut made = 0;
    while made < least * 10 {
        let report = duet_asl::run(&machine, json!({ "n": 0 }), options.clone())
            .map_err(Problem::environment)?;
        made += report.transitions.max(1);
    }
    Ok(made as f64 / (processor() - began))
}

/// An order's facts against every rule.
fn matches(definitions: &Definitions) -> f64 {
    let rules = definitions
        .rules
        .iter()
        .map(|rule| (rule.name.as_str(), rule.pattern.clone()));
    let rules: Matcher<&str> = rules.collect();
    let event = |source: &str, name: &str| {
        json!({
            "version": "0", "id": "1", "detail-type": name, "source": source, "account": "1", "region": "r",
            "time": "2026-01-01T00:00:00Z", "resources": [],
            "detail": { "metadata": { "subject": "o-1", "type": name }, "data": { "order": "o-1", "kind": "order" } },
        })
    };
    let events = [
        event("duet.order", "NewOrder"),
        event("duet.inventory", "StockReserved"),
        event("duet.payment", "PaymentCaptured"),
        event("duet.fraud", "NoFraudDetected"),
        event("duet.delivery", "DeliveryScheduled"),
        event("duet.order", "OrderConfirmed"),
    ];
    let rounds = 40_000;
    let began = processor();
    let mut matched = 0;
    for _ in 0..rounds {
        matched += events
            .iter()
            .map(|event| rules.matches(event).len())
            .sum::<usize>();
    }
    let took = processor() - began;
    // Nobody listening would be no measurement.
    if matched == 0 {
        0.0
    } else {
        f64::from(rounds) * events.len() as f64 / took
    }
}

impl Report for LabBench {
    fn text(&self) -> String {
        let mut rows = table([table::prose("WHAT"), table::number("A SECOND")]);
        rows.add_row([
            "transitions".to_owned(),
            format!("{:.0}", self.transitions_per_s),
        ]);
        rows.add_row([
            "transitions with JSONata".to_owned(),
            format!("{:.0}", self.jsonata_transitions_per_s),
        ]);
        rows.add_row([
            "events against every rule".to_owned(),
            format!("{:.0}", self.pattern_matches_per_s),
        ]);
        for (variant, rate) in &self.orders_per_s {
            rows.add_row([format!("happy orders, {variant}"), format!("{rate:.0}")]);
        }
        let mut text = rows.text();
        for (variant, growth) in &self.growth {
            let many = self.many;
            let own = self.growth_without_system.get(variant);
            let own = own.map(|own| format!(" ({own:.2} without clearing memory)"));
            let own = own.unwrap_or_default();
            text.push_str(&format!(
                "\n{many} orders take {growth:.2} times as long each{own}, {variant}"
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::variant;

    #[test]
    fn everything_is_measured() {
        let definitions = super::super::definitions(&BTreeMap::new()).unwrap();
        let variants: Vec<_> = variant::ALL.iter().collect();
        let bench = run(&definitions, &variants, 200).unwrap();
        assert!(bench.transitions_per_s > 0.0 && bench.jsonata_transitions_per_s > 0.0);
        assert!(bench.pattern_matches_per_s > 0.0);
        assert!(bench.orders_per_s.len() == variants.len() && bench.growth.is_empty());
    }
}
