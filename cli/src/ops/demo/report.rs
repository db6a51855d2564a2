//! What a demo found, in words.

use super::DemoReport;
use crate::ops::invariants::Invariant;
use crate::terminal::exit::Exit;
use crate::terminal::report::{Report, table, took, trimmed};

impl Report for DemoReport {
    fn text(&self) -> String {
        let mut variants: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !variants.contains(&row.variant) {
                variants.push(row.variant);
            }
        }
        let mut header = vec!["SCENARIO", "EXPECTED"];
        header.extend(&variants);
        let mut rows = table(&header);
        for of_scenario in self.rows.chunks(variants.len().max(1)) {
            let mut cells = vec![
                of_scenario[0].scenario.to_owned(),
                of_scenario[0].expected.clone(),
            ];
            cells.extend(of_scenario.iter().map(|row| {
                let seconds = row.elapsed_ms as f64 / 1000.0;
                match (row.ok, self.faults) {
                    (true, _) => format!("ok {seconds:.1} s"),
                    (false, true) if row.races.is_empty() => {
                        format!("{} {seconds:.1} s", row.outcome)
                    }
                    (false, true) => {
                        let races: Vec<_> = row.races.iter().map(|raced| raced.name).collect();
                        format!("{} ({}) {seconds:.1} s", row.outcome, races.join(", "))
                    }
                    (false, false) => format!("FAILED: {}", row.outcome),
                }
            }));
            rows.add_row(cells);
        }
        let mut text = vec![trimmed(&rows), String::new()];
        for Invariant {
            number,
            says,
            holds,
            violations,
        } in &self.invariants
        {
            text.push(format!(
                "{} {number} {says}",
                if *holds { "ok    " } else { "BROKEN" }
            ));
            text.extend(violations.iter().map(|why| format!("         {why}")));
        }
        let ok = self.rows.iter().filter(|row| row.ok).count();
        text.push(String::new());
        text.push(format!(
            "{ok} of {} as expected, parity {}, {}",
            self.rows.len(),
            match (self.parity, self.faults) {
                (true, _) => "holds",
                (false, true) => "lost to the faults",
                (false, false) => "BROKEN",
            },
            took(self.elapsed_ms, self.virtual_time)
        ));
        if self.faults {
            let otherwise = self.rows.iter().filter(|row| !row.ok);
            let races: usize = otherwise.map(|row| row.races.len()).sum();
            let struck: Vec<String> = self
                .faults_injected
                .iter()
                .map(|(fault, times)| format!("{fault} {times}"))
                .collect();
            text.push(match struck.as_slice() {
                [] => "no fault struck; another --seed, or a rate such as --fault KIND:0.5, may".to_owned(),
                some => format!(
                    "{races} orders ended otherwise by a named race; faults struck: {}; the invariants are those of after an operator's work: dead letters sent back, failed executions taken up again, parked orders repaired",
                    some.join(", ")
                ),
            });
        }
        text.join("\n")
    }

    fn exit(&self) -> Exit {
        let as_expected = self.parity && self.rows.iter().all(|row| row.ok);
        let holds = self.invariants.iter().all(|i| i.holds) && (as_expected || self.faults);
        if holds { Exit::Done } else { Exit::Failed }
    }
}
