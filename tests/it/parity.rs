//! The same scenarios under every variant, on real wires.

use std::process::Command;

use serde_json::Value;

use crate::harness::{BEFORE_FRAUD, CROWD, local, run};
use duet_cli::shop::{scenario, variant};

/// A demo on the emulator, told as JSON. A machine that stands still for a minute
/// is no reason to give an order up.
const DEMO: [&str; 5] = ["demo", "--within", "600", "--output", "json"];

/// What a demo found: every row as expected, every invariant holding, parity. Of
/// one that is not good, what is wrong is shown, and that alone.
fn demo(command: &mut Command) -> Value {
    let output = run(command);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
        let errors = String::from_utf8_lossy(&output.stderr);
        panic!("{command:?} printed no JSON ({e}):\n{errors}")
    });
    for row in report["rows"].as_array().unwrap() {
        assert_eq!(row["ok"], true, "{row:#}");
    }
    for invariant in report["invariants"].as_array().unwrap() {
        assert_eq!(invariant["holds"], true, "{invariant:#}");
    }
    assert_eq!(report["parity"], true);
    assert!(output.status.success(), "{}", output.status);
    report
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
    let report = demo(&mut local().duet(&DEMO));
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
    let report = demo(&mut local().duet_on(BEFORE_FRAUD, &DEMO));
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
    let report = demo(&mut local().duet(&[&DEMO[..], &fifty].concat()));
    for row in report["rows"].as_array().unwrap() {
        assert_eq!(row["outcome"], "Confirmed x50");
        assert_eq!(row["orders"].as_array().unwrap().len(), 50);
    }
}
