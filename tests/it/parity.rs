//! The same scenarios under every variant, on real wires.

use serde_json::Value;

use crate::harness::{BEFORE_FRAUD, CROWD, json, local};
use duet_cli::shop::{scenario, variant};

/// A demo on the emulator, told as JSON. A machine that stands still for a minute
/// is no reason to give an order up.
const DEMO: [&str; 5] = ["demo", "--within", "600", "--output", "json"];

/// Every row as expected, every invariant holding, parity.
fn assert_good(report: &Value) {
    for row in report["rows"].as_array().unwrap() {
        assert_eq!(row["ok"], true, "{row:#}");
    }
    for invariant in report["invariants"].as_array().unwrap() {
        assert_eq!(invariant["holds"], true, "{invariant:#}");
    }
    assert_eq!(report["parity"], true);
}

fn pairs(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = report["rows"].as_array().unwrap().iter();
    rows.map(|row| (text(&row["scenario"]), text(&row["variant"])))
        .collect()
}

#[test]
fn every_scenario_ends_the_same_under_every_variant() {
    let _alone = CROWD.blocking_lock();
    let report = json(&mut local().duet(&DEMO));
    assert_good(&report);
    let wanted: Vec<_> = scenario::ALL
        .iter()
        .flat_map(|s| {
            variant::ALL
                .iter()
                .map(|v| (s.name.to_owned(), v.name.to_owned()))
        })
        .collect();
    assert_eq!(pairs(&report), wanted);
}

#[test]
fn the_shop_as_it_was_before_fraud_detection_works_too() {
    let _alone = CROWD.blocking_lock();
    let report = json(&mut local().duet_on(BEFORE_FRAUD, &DEMO));
    assert_good(&report);
    let ran = pairs(&report);
    for scenario in scenario::ALL {
        assert_eq!(
            ran.iter().any(|(name, _)| name == scenario.name),
            !scenario.fraud,
            "{}",
            scenario.name
        );
    }
}

#[test]
fn fifty_orders_at_once_all_end() {
    let _alone = CROWD.blocking_lock();
    let fifty = ["--scenario", "happy", "--orders", "50"];
    let report = json(&mut local().duet(&[&DEMO[..], &fifty].concat()));
    assert_good(&report);
    for row in report["rows"].as_array().unwrap() {
        assert_eq!(row["outcome"], "Confirmed x50");
        assert_eq!(row["orders"].as_array().unwrap().len(), 50);
    }
}
