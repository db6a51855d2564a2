//! Which mutants there are.

use super::edits::{of_machine, of_resources};
use super::*;

const ORDER: &str = "infra/orchestration/order.asl.json";

#[test]
fn every_state_and_resource_has_its_mutants() {
    let files = duet_lab::bundled();
    let sound = super::super::definitions(&BTreeMap::new()).unwrap();
    let there = all(&files, &sound).unwrap();
    for place in [
        "orchestration/order.asl.json ScreenOrder",
        "orchestration/order.asl.json WasUndone",
        "express/order.asl.json ScreenOrder",
    ] {
        assert!(there.iter().any(|mutant| mutant.place == place), "{place}");
    }
    let order = of_machine(ORDER, &files[ORDER]);
    for (place, change, why) in explained() {
        let known = there
            .iter()
            .any(|it| (&*it.place, &*it.change) == (place, change));
        assert!(
            known && !why.is_empty(),
            "docs/mutants.md: {place}, {change}"
        );
    }
    let resources = of_resources(&sound);
    assert!(order.len() > 100 && resources.len() > 100);
    for mutant in order.iter().chain(&resources) {
        if let Ok(all) = mutant.deploy(&files, &sound, &BTreeMap::new()) {
            let changed = format!("{all:?}") != format!("{sound:?}");
            assert!(changed, "{} {}", mutant.place, mutant.change);
        }
    }
}
