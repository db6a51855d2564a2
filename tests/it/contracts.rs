//! Generated files are what the code would generate now.

use duet_cli::shop::contracts;

use crate::harness::root;

#[test]
fn the_checked_in_contracts_are_up_to_date() {
    let found = contracts::run(root(), true).unwrap();
    assert!(
        found.changed.is_empty(),
        "run `duet contracts`: {:?}",
        found.changed
    );
    assert!(found.stale.is_empty(), "delete {:?}", found.stale);
}

#[test]
fn every_fact_is_said_by_somebody_and_heard_or_final() {
    // Facts that end a story: people and dashboards read them, no service does.
    const FINAL: [&str; 1] = ["OrderNeedsAttention"];
    for interest in contracts::interests().unwrap() {
        assert_ne!(interest.said_by, "nobody", "{}", interest.fact);
        let heard = !interest.makes.is_empty();
        assert_ne!(
            heard,
            FINAL.contains(&interest.fact),
            "{}: heard, or listed as final; never both",
            interest.fact
        );
    }
}
