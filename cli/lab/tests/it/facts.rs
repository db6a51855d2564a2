//! AWS's behaviour, fact by fact. `docs/lab.md` names each test beside the fact
//! it shows.

mod bus;
mod executions;
mod express;
mod fifo;
mod functions;
mod queues;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;

use duet_lab::{Config, Definitions, FaultRule, Lab, bundled};

use crate::shop::{definitions, lab, place, stocked};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn with(faults: &[&str], change: impl FnOnce(&mut Definitions)) -> Lab {
    let mut all = Definitions::clone(&definitions());
    change(&mut all);
    let faults = faults
        .iter()
        .map(|text| text.parse::<FaultRule>().unwrap())
        .collect();
    let config = Config {
        seed: 3,
        faults,
        timeline: true,
        keep_succeeded: true,
        ..Config::default()
    };
    stocked(Lab::new(Arc::new(all), config).unwrap())
}

fn letters(lab: &mut Lab, queue: &str) -> Vec<duet_lab::DeadLetter> {
    lab.dead_letters()
        .into_iter()
        .filter(|letter| letter.queue == queue)
        .collect()
}

#[test]
fn an_unknown_parameter_is_refused() {
    let wrong = BTreeMap::from([("Colour".to_owned(), "red".to_owned())]);
    let refused = Definitions::read(bundled(), "duet", &wrong)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("Colour") && refused.contains("PatienceSeconds"),
        "{refused}"
    );
}

#[test]
fn nothing_is_left_to_happen_after_all_deadlines() {
    let mut lab = lab(1, &[]);
    for variant in crate::shop::VARIANTS
        .into_iter()
        .chain(["express", "express-sync"])
    {
        place(&mut lab, variant, &format!("{variant}-1"), "tok_visa");
    }
    assert!(lab.settle(30 * DAY));
    assert_eq!((lab.waiting_messages(), lab.running_executions()), (0, 0));
}

fn used(lab: &Lab, what: impl Fn(&duet_lab::Meter) -> u64) -> u64 {
    lab.used().iter().map(|used| what(&used.meter)).sum()
}

/// The names of the tests in the Rust files under `folder`.
fn tests_under(folder: &std::path::Path, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_under(&path, names);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut marked = false;
            for line in text.lines().map(str::trim) {
                match line
                    .strip_prefix("fn ")
                    .and_then(|rest| rest.split_once('('))
                {
                    Some((name, _)) if marked => names.push(name.to_owned()),
                    _ => {}
                }
                // Other attributes may stand between the mark and the function.
                marked = line == "#[test]" || marked && line.starts_with("#[");
            }
        }
    }
}

#[test]
fn every_fact_has_its_test() {
    let lab = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let cli = lab.parent().unwrap();
    let mut names = Vec::new();
    for part in [
        "lab/src",
        "lab/tests",
        "asl/src",
        "asl/tests",
        "pattern/src",
        "pattern/tests",
    ] {
        tests_under(&cli.join(part), &mut names);
    }
    let page = std::fs::read_to_string(cli.parent().unwrap().join("docs/lab.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .skip_while(|line| !line.starts_with("| fact"))
        .skip(2)
        .take_while(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    for row in &rows {
        assert_eq!(row.len(), 3, "a fact, its source, its test: {row:?}");
        let test = row[2].trim_matches('`');
        assert!(!row[1].is_empty(), "no source: {}", row[0]);
        assert!(names.iter().any(|name| name == test), "no test {test}");
    }
    assert!(rows.len() >= 40, "{}", rows.len());
}
