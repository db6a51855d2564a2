//! What a demo found, for continuous integration: a case for each row, and one for
//! each invariant and for parity. A case has failed exactly when that alone would end
//! the command with 1.

use super::{DemoReport, Row};
use crate::terminal::junit::{self, Case, Ended, Suite};

impl DemoReport {
    /// The report as JUnit XML; times are the target's.
    pub(super) fn junit_xml(&self) -> String {
        let rows = self.rows.iter().map(|row| Case {
            class: row.variant.to_owned(),
            name: row.scenario.to_owned(),
            millis: row.elapsed_ms,
            // Where faults strike, an order may end otherwise; the invariants judge.
            ended: match row.ok || self.faults {
                true => Ended::Well,
                false => Ended::Failed(row.outcome.clone(), why(row)),
            },
        });
        let judged = |name: String, holds: bool, says: &str, violations: Vec<String>| Case {
            class: JUDGED.to_owned(),
            name,
            millis: 0,
            ended: match holds {
                true => Ended::Well,
                false => Ended::Failed(says.to_owned(), violations.join("\n")),
            },
        };
        let invariants = self.invariants.iter().map(|it| {
            let name = format!("{} {}", it.number, it.says);
            judged(name, it.holds, "broken", it.violations.clone())
        });
        let parity = judged(
            "parity".to_owned(),
            self.parity || self.faults,
            "a scenario left something else under another variant",
            Vec::new(),
        );
        let suites = [
            Suite {
                name: "scenarios".to_owned(),
                cases: rows.collect(),
            },
            Suite {
                name: JUDGED.to_owned(),
                cases: invariants.chain([parity]).collect(),
            },
        ];
        junit::junit("duet demo", &suites)
    }
}

/// The suite of what is judged over all rows.
const JUDGED: &str = "invariants";

/// How a row ended, how it should have, and where to look.
fn why(row: &Row) -> String {
    let mut lines = vec![
        format!("expected {}", row.expected),
        format!("got      {}", row.outcome),
    ];
    let races = row.races.iter();
    lines.extend(races.map(|it| format!("{}: {} ({})", it.order, it.name, it.why)));
    lines.extend(row.orders.iter().map(|id| format!("order {id}")));
    lines.join("\n")
}
