//! Every scenario in the lab.

use std::collections::BTreeMap;

use duet_lab::Config;

use crate::ops::demo::{self, Choice, Row};
use crate::shop::{scenario, variant};
use crate::terminal::exit::Exit;
use crate::terminal::report::Report as _;
use crate::world::lab::{Lab, definitions};

/// Runs `scenarios`, by name, under every variant, an order of each.
pub(crate) async fn played(world: &Lab, scenarios: &[&str], faults: bool) -> Vec<Row> {
    let named = scenarios.iter().map(|name| scenario::named(name).unwrap());
    let choice = Choice {
        scenarios: named.collect(),
        variants: variant::ALL.iter().collect(),
        copies: 1,
        within: 600,
        faults,
    };
    demo::run(world, &choice).await.unwrap().rows
}

#[tokio::test]
async fn every_scenario_ends_the_same_under_every_variant() {
    let quick = BTreeMap::from([("ReviewSeconds".to_owned(), "30".to_owned())]);
    let definitions = definitions(&quick).unwrap();
    let world = Lab::new(
        &definitions,
        Config {
            keep_succeeded: true,
            ..Config::default()
        },
    )
    .unwrap();
    let choice = Choice {
        scenarios: scenario::ALL.iter().collect(),
        variants: variant::ALL.iter().collect(),
        copies: 2,
        within: 600,
        faults: false,
    };
    let report = demo::run(&world, &choice).await.unwrap();
    let wrong: Vec<_> = report.rows.iter().filter(|row| !row.ok).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let broken: Vec<_> = report.invariants.iter().filter(|one| !one.holds).collect();
    assert!(report.parity && broken.is_empty(), "{broken:#?}");
}

#[tokio::test]
async fn under_faults_the_invariants_hold_and_use_is_counted() {
    let quick = BTreeMap::from([("ReviewSeconds".to_owned(), "30".to_owned())]);
    let definitions = definitions(&quick).unwrap();
    let faults = duet_lab::FaultRule::all();
    for seed in 1..=5 {
        let config = Config {
            seed,
            faults: faults.clone(),
            keep_succeeded: true,
            ..Config::default()
        };
        let world = Lab::new(&definitions, config).unwrap();
        let choice = Choice {
            scenarios: scenario::ALL.iter().collect(),
            variants: variant::ALL.iter().collect(),
            copies: 1,
            within: 120,
            faults: true,
        };
        let report = demo::run(&world, &choice).await.unwrap();
        let broken: Vec<_> = report.invariants.iter().filter(|one| !one.holds).collect();
        assert!(broken.is_empty(), "seed {seed}: {broken:#?}");
        let usage = report.usage.unwrap();
        for variant in variant::ALL.iter() {
            let used = usage[variant.name];
            assert!(used.invocations > 0 && used.write_units > 0, "{used:?}");
        }
    }
}

#[tokio::test]
async fn a_dead_letter_that_no_scenario_expects_is_told_by_its_row() {
    let mut misled = (*definitions(&BTreeMap::new()).unwrap()).clone();
    let rule = |one: &&mut duet_lab::Rule| one.name == "duet-payment-NewOrder";
    let rule = misled.rules.iter_mut().find(rule).unwrap();
    let both = serde_json::json!({ "detail-type": ["NewOrder", "OrderConfirmed"] });
    rule.pattern = duet_pattern::Pattern::from_value(&both).unwrap();
    let world = Lab::new(&misled.into(), Config::default()).unwrap();
    let rows = played(&world, &["happy", "poison"], false).await;
    for row in rows {
        let misled = row.variant == "eventbridge";
        assert_eq!(row.ok, !misled, "{row:#?}");
        let told = row
            .outcome
            .ends_with(", and died: payment has no policy for OrderConfirmed, in duet-payment-dlq");
        assert_eq!(told, misled, "{}", row.outcome);
    }
}

/// Every row is a case; what fails is what ends the command with 1.
#[tokio::test]
async fn each_row_is_a_case_for_continuous_integration() {
    let definitions = definitions(&BTreeMap::new()).unwrap();
    let world = Lab::new(&definitions, Config::default()).unwrap();
    let choice = Choice {
        scenarios: vec![scenario::named("happy").unwrap()],
        variants: variant::ALL.iter().collect(),
        copies: 1,
        within: 600,
        faults: false,
    };
    let mut report = demo::run(&world, &choice).await.unwrap();
    let xml = |report: &demo::DemoReport| report.junit().unwrap();
    let good = xml(&report);
    let cases = report.rows.len();
    assert!(good.contains(&format!(
        "<testsuite name=\"scenarios\" tests=\"{cases}\" failures=\"0\""
    )));
    for row in &report.rows {
        let case = format!("<testcase classname=\"{}\" name=\"happy\"", row.variant);
        assert_eq!(good.matches(&case).count(), 1, "{good}");
    }
    assert!(!good.contains("<failure") && report.exit() == Exit::Done);
    report.rows[0].ok = false;
    report.rows[0].outcome = "Rejected(<&>)".to_owned();
    let bad = xml(&report);
    assert!(
        bad.contains("<failure message=\"Rejected(&lt;&amp;&gt;)\">expected Confirmed&#10;got"),
        "{bad}"
    );
    assert_eq!(
        (bad.matches("<failure").count(), report.exit()),
        (1, Exit::Failed)
    );
    report.faults = true;
    assert!(!xml(&report).contains("<failure") && report.exit() == Exit::Done);
    report.invariants[0].holds = false;
    assert_eq!(
        (xml(&report).matches("<failure").count(), report.exit()),
        (1, Exit::Failed)
    );
}
