//! What is metered, against what rules, histories and records say: neither looks
//! at the other.

use std::collections::BTreeMap;

use duet_core::store::Browse as _;
use duet_journal::domain::Entry;
use duet_lab::{Config, Definitions, Meter};
use serde_json::json;

use super::worlds::is_plain;
use super::*;
use crate::ops::view::{Step, View};
use crate::ops::{catalog, place};
use crate::shop::scenario;
use crate::shop::services::{Subject, TableOf};
use crate::simulate::ready;
use crate::world::World;
use crate::world::lab::{Lab, definitions};
use crate::world::port::replay::{BusRule, Replayable as _};

/// The longest that a message of a queue may be delayed, in seconds (SQS
/// developer guide, message timers).
const HOP: u64 = 900;

/// The units of one order, by name.
type Units = BTreeMap<&'static str, u64>;

/// A world in which one order of `scenario` was placed, and what it used.
fn played(
    definitions: &Arc<Definitions>,
    description: &'static Description,
    scenario: &Scenario,
) -> (Lab, String, Meter) {
    let config = Config {
        keep_succeeded: true,
        ..Config::default()
    };
    let world = Lab::new(definitions, config).unwrap();
    let plan = scenario.plan("units", 1, world.deployment().patience_seconds);
    ready(catalog::seed(&world, &plan.goods)).unwrap().unwrap();
    let order = plan.waves.into_iter().flatten().next().unwrap();
    ready(place::submit(&world, &description.variant, &order))
        .unwrap()
        .unwrap();
    world.with(|lab| lab.settle(3 * 3_600_000));
    let id = order.order.to_string();
    let used = world.with(|lab| lab.used());
    let meter = used.iter().find(|it| *it.subject == *id).unwrap().meter;
    (world, id, meter)
}

/// What the order `id` has to have used, by the histories of its executions, the
/// facts that the journal has of it, and the deployed rules.
fn predicted(world: &Lab, description: &'static Description, id: &str) -> Units {
    let executions = world.executions(&description.variant, Subject::Order, id);
    let executions = ready(executions).unwrap().unwrap();
    let states = executions.iter().map(|it| it.states.len() as u64).sum();
    let journal = ready(world.table(TableOf::Journal).partition(id))
        .unwrap()
        .unwrap();
    let facts = journal.iter().map(|item| item.read::<Entry>().unwrap());
    let facts: Vec<Entry> = facts.collect();
    let rules = match description.facts() {
        Some(_) => ready(world.bus_rules()).unwrap().unwrap(),
        None => Vec::new(),
    };
    let its = |rule: &&BusRule| rule.variant == description.variant.name;
    let deliveries: u64 = facts
        .iter()
        .map(|fact| {
            let event = json!({
                "source": fact.metadata.source,
                "detail-type": fact.metadata.kind,
                "detail": { "metadata": fact.metadata, "data": fact.data },
            });
            let heard = rules.iter().filter(its);
            let heard = heard.filter(|rule| rule.pattern.matches(&event));
            heard.map(|rule| rule.targets.len() as u64).sum::<u64>()
        })
        .sum();
    let on_bus = description.facts().is_some_and(|facts| facts.bus.is_some());
    let said = facts.len() as u64;
    let in_order = description.variant.keeps_order;
    let (events, published) = match (on_bus, in_order) {
        (true, _) => (said, 0),
        (false, true) => (0, 0),
        (false, false) => (0, said),
    };
    let fifo = |many: u64| if in_order { many } else { 0 };
    let view = ready(View::load(world, id)).unwrap().unwrap();
    let notices = view.notices.len() as u64;
    // A workflow that lasts has the clock. Else each timer is a message, and one more
    // for each quarter of an hour that it is put off.
    let hops = |step: &Step| -> u64 {
        let waits = step
            .timers
            .iter()
            .map(|(_, due)| due.duration_since(step.at));
        waits
            .map(|wait| wait.as_secs().unsigned_abs().div_ceil(HOP))
            .sum()
    };
    let timers = match description.variant.keeps_executions {
        true => 0,
        false => view.steps.iter().map(hops).sum(),
    };
    let by_queue = u64::from(matches!(
        description.entry(Subject::Order),
        crate::shop::variant::Entry::Queue(_)
    ));
    let messages = by_queue + deliveries - fifo(deliveries) + timers;
    Units::from([
        ("transitions", states),
        ("events", events),
        ("published", published),
        ("deliveries", deliveries - fifo(deliveries)),
        ("fifo_published", fifo(said)),
        ("fifo_deliveries", fifo(deliveries)),
        // Sent, received, deleted.
        ("queue_requests", 3 * messages),
        ("fifo_requests", 3 * fifo(deliveries)),
        ("notices", notices),
    ])
}

fn metered(meter: &Meter) -> Units {
    Units::from([
        ("transitions", meter.transitions),
        ("events", meter.events),
        ("published", meter.published),
        ("deliveries", meter.deliveries),
        ("fifo_published", meter.fifo_published),
        ("fifo_deliveries", meter.fifo_deliveries),
        ("queue_requests", meter.queue_requests),
        ("fifo_requests", meter.fifo_requests),
        ("notices", meter.notices),
    ])
}

#[test]
fn what_is_metered_is_what_rules_histories_and_records_say() {
    let definitions = definitions(&BTreeMap::new()).unwrap();
    let mut compared = 0;
    for description in Description::all(&definitions.outputs).unwrap() {
        for scenario in scenario::ALL.iter().filter(|one| is_plain(one)) {
            let (world, id, meter) = played(&definitions, description, scenario);
            // What is tried again takes as many more as it is tried.
            if meter.retries > 0 {
                continue;
            }
            let (says, is) = (predicted(&world, description, &id), metered(&meter));
            let name = description.variant.name;
            assert_eq!(says, is, "{} under {name}", scenario.name);
            compared += 1;
            // A unit more of anything is noticed.
            for unit in is.keys() {
                let mut miscounted = is.clone();
                *miscounted.get_mut(unit).unwrap() += 1;
                assert_ne!(says, miscounted);
            }
        }
    }
    assert!(compared >= 10, "{compared}");
}
