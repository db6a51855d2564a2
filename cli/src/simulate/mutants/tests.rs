//! Which mutants there are.

use super::*;

#[test]
fn every_state_and_resource_has_its_mutants() {
    let files = duet_lab::bundled();
    let order = of_machine(MACHINES[0], &files);
    for place in ["order.asl.json ScreenOrder", "order.asl.json WasUndone"] {
        assert!(order.iter().any(|mutant| mutant.place == place), "{place}");
    }
    let sound = super::super::definitions(&BTreeMap::new()).unwrap();
    let there = all(&files, &sound);
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
