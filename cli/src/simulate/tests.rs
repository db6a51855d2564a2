//! Simulated worlds, calm and stormy.

use super::*;
use crate::shop::variant;
use crate::terminal::report::Report;

fn options(seeds: u64, faults: Vec<FaultRule>) -> Options {
    Options {
        seeds,
        from: 1,
        variants: variant::ALL.iter().collect(),
        orders: 10,
        faults,
        scenarios: Vec::new(),
        profile: Profile::fast(),
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
    let unscreened = report.races.iter().filter(|row| row.name == "unscreened");
    assert!(unscreened.map(|row| row.count).sum::<u64>() > 0);
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

#[test]
fn a_lost_order_of_a_single_seed_has_its_story() {
    let definitions = definitions(&BTreeMap::new()).unwrap();
    let faults = vec!["silent@delivery:1".parse().unwrap()];
    let report = run(&definitions, &options(1, faults)).unwrap();
    assert!(report.violations.is_empty(), "{}", report.text());
    let lost = report.lost_orders.first().unwrap();
    assert!(lost.what.contains("carrier-gave-up"), "{}", lost.what);
    assert!(!lost.timeline.is_empty());
    let told = report.text();
    let moment = &lost.timeline[0];
    assert!(told.contains(&format!("{}: {}", moment.subject, moment.what)));
}

#[test]
fn what_every_step_bears_needs_no_operator() {
    let definitions = definitions(&BTreeMap::new()).unwrap();
    let found = |cut: &Cut, faults: &[Fault]| {
        let options = options(6, faults.iter().map(|it| (*it).into()).collect());
        let worlds = 0..options.seeds * options.variants.len() as u64;
        let ends = worlds.map(|world| simulate(&definitions, &options, world, cut).unwrap());
        let findings = ends.flat_map(|end| end.findings);
        findings
            .filter(|(.., what)| what.contains("can be borne"))
            .count()
    };
    let tries = [Fault::StoreFault, Fault::Throttle];
    assert_eq!(found(&Cut::default(), &tries), 0);
    assert!(found(&Cut::planted(Plant::FewReceives), &tries) > 0);
    // Also where facts keep their order: none of these makes a service fail.
    let waits = [
        Fault::Duplicate,
        Fault::BlockedGroup,
        Fault::TargetUnavailable,
    ];
    assert_eq!(found(&Cut::default(), &waits), 0);
}
