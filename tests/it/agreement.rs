//! The lab and the emulator agree: every scenario, under every variant, leaves
//! the same behind, and on the bus the same is said.
//!
//! Not compared: times; how often a fact was published (both deliver at least
//! once); and the trail of [`RACES`], where the order of two services decides
//! what is said. What the emulator does otherwise than AWS (a target's retries
//! and dead letters, redrive, archives) no scenario touches.

use std::collections::{BTreeMap, BTreeSet};

use duet_cli::ops::demo::{self, Choice, DemoReport};
use duet_cli::shop::parameters::EMULATED;
use duet_cli::shop::{scenario, variant};
use duet_cli::world::World;
use duet_cli::world::lab::{self, Lab};
use duet_lab::Config;
use serde_json::json;

use crate::harness::CROWD;
use crate::shop::{Listener, Shop};

/// Scenarios in which a refusal races with a charge: whether one is made, and
/// so refunded, is a matter of milliseconds; and those in which orders race with
/// each other. What is left behind is the same.
const RACES: [&str; 4] = ["blocked-customer", "fraud-block", "last-piece", "velocity"];

/// What a repair says that is too early: a third party is silent for so many seconds,
/// and how often it is asked meanwhile is a matter of time.
const ASKED_AGAIN: &str = "RefundFailed";

/// What was said about each order and customer: the kinds of facts, each fact
/// counted once.
type Trails = BTreeMap<String, Vec<String>>;

/// Trails of the facts (correlation id, fact id, kind) of `run`.
fn trails(run: &str, facts: impl Iterator<Item = (String, String, String)>) -> Trails {
    let distinct: BTreeSet<_> = facts.collect();
    let mut trails = Trails::new();
    for (correlation, _, kind) in distinct {
        if let Some((_, name)) = correlation.split_once('-').filter(|(of, _)| *of == run) {
            trails.entry(name.to_owned()).or_default().push(kind);
        }
    }
    for kinds in trails.values_mut() {
        kinds.sort_unstable();
        kinds.dedup_by(|one, other| one == other && one == ASKED_AGAIN);
    }
    trails
}

fn choice() -> Choice {
    Choice {
        scenarios: scenario::ALL.iter().collect(),
        variants: variant::ALL.iter().collect(),
        copies: 1,
        within: 300,
        faults: false,
    }
}

/// The prefix of every id of a run.
fn run(report: &DemoReport) -> String {
    let order = report.rows.iter().flat_map(|row| &row.orders).next();
    let (run, _) = order.unwrap().split_once('-').unwrap();
    run.to_owned()
}

async fn in_the_lab() -> (DemoReport, Trails) {
    let parameters = EMULATED.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let definitions = lab::definitions(&parameters.into()).unwrap();
    let config = Config {
        seed: 1,
        events: true,
        keep_succeeded: true,
        ..Config::default()
    };
    let world = Lab::new(&definitions, config).unwrap();
    let report = demo::run(&world, &choice()).await.unwrap();
    world.pause(10_000).await;
    let heard = world.with(|lab| lab.heard().to_vec());
    let facts = heard.iter().map(|one| {
        let word = |field: &str| {
            let value = &one.event["detail"]["metadata"][field];
            value.as_str().unwrap_or_default().to_owned()
        };
        (word("correlationid"), word("id"), word("type"))
    });
    let trails = trails(&run(&report), facts);
    (report, trails)
}

async fn on_the_emulator() -> (DemoReport, Trails) {
    let shop = Shop::open().await;
    let buses = variant::ALL.iter().filter(|variant| variant.has_facts);
    let names: Vec<_> = buses.map(|variant| variant.name).collect();
    let pattern = json!({ "detail": { "metadata": { "variant": names } } });
    let listener = Listener::on(&shop, shop.bus_name(), &pattern).await;
    let report = demo::run(&shop.world, &choice()).await.unwrap();
    // The last facts change nothing that the demo waits for.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let heard = listener.heard().await;
    listener.detach().await;
    let facts = heard.into_iter().map(|event| {
        let metadata = event.metadata;
        (metadata.correlationid, metadata.id, metadata.kind)
    });
    let trails = trails(&run(&report), facts);
    (report, trails)
}

#[tokio::test]
async fn the_lab_and_the_emulator_agree_on_every_scenario_under_every_variant() {
    let _alone = CROWD.lock().await;
    let (here, said_here) = in_the_lab().await;
    let (there, said_there) = on_the_emulator().await;
    assert_eq!(here.rows.len(), there.rows.len());
    for (one, other) in here.rows.iter().zip(&there.rows) {
        let what = (one.scenario, one.variant);
        assert_eq!(what, (other.scenario, other.variant));
        assert_eq!(one.outcome, other.outcome, "{what:?}");
        assert_eq!(one.footprint, other.footprint, "{what:?}");
    }
    let names: BTreeSet<_> = said_here.keys().chain(said_there.keys()).collect();
    assert!(!names.is_empty());
    let differ: Vec<_> = names
        .into_iter()
        .filter(|name| !RACES.iter().any(|race| name.starts_with(race)))
        .filter(|name| said_here.get(*name) != said_there.get(*name))
        .map(|name| (name, said_here.get(name), said_there.get(name)))
        .collect();
    assert!(differ.is_empty(), "lab, emulator: {differ:#?}");
}
