//! Every rule has a template that trips it, and its twin that does not.

use std::collections::BTreeSet;
use std::path::PathBuf;

use duet_check::rules::RULES;

use crate::{of, on_disk, own};

fn fixtures() -> PathBuf {
    own().join("tests/fixtures")
}

#[test]
fn every_rule_has_its_fixtures_and_there_are_no_others() {
    let folders = std::fs::read_dir(fixtures()).unwrap();
    let folders = folders.map(|it| it.unwrap().file_name().into_string().unwrap());
    let rules: BTreeSet<String> = RULES.iter().map(|it| it.name.to_owned()).collect();
    assert_eq!(folders.collect::<BTreeSet<_>>(), rules);
    assert_eq!(rules.len(), RULES.len());
}

/// The lines that say `# trips` are those that the rule names.
#[test]
fn a_rule_trips_on_the_lines_that_say_so() {
    for rule in RULES {
        let path = fixtures().join(rule.name).join("trips.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        let marked = text.lines().enumerate();
        let marked = marked.filter(|(_, line)| line.ends_with("# trips"));
        let marked: BTreeSet<usize> = marked.map(|(n, _)| n + 1).collect();
        let checked = on_disk(&path).unwrap();
        let found = of(&checked, rule.name);
        let lines: BTreeSet<usize> = found.iter().map(|it| it.line).collect();
        assert_eq!(lines, marked, "{}: {found:#?}", rule.name);
        assert!(!marked.is_empty(), "{} trips nowhere", rule.name);
        let worst = found.iter().map(|it| it.severity).max();
        assert_eq!(worst, Some(rule.severity), "{}", rule.name);
        for finding in found {
            assert!(finding.file.ends_with("trips.yaml"), "{finding:?}");
        }
    }
}

/// Neither does it trip, nor does it not know.
#[test]
fn a_mended_twin_does_not_trip_its_rule() {
    for rule in RULES {
        let path = fixtures().join(rule.name).join("mended.yaml");
        let checked = on_disk(&path).unwrap();
        let found = of(&checked, rule.name);
        assert!(found.is_empty(), "{}: {found:#?}", rule.name);
    }
}
