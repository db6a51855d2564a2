//! What a demo found, in words.

use super::{DemoReport, Row};
use crate::ops::invariants::Invariant;
use crate::terminal::colour::{Tone, paint};
use crate::terminal::exit::Exit;
use crate::terminal::report::{Report, took};
use crate::terminal::table::{self, table};
use crate::terminal::times::millis;

impl Report for DemoReport {
    fn text(&self) -> String {
        let mut text = vec![self.table(), String::new()];
        for Invariant {
            number,
            says,
            holds,
            violations,
        } in &self.invariants
        {
            let (word, tone) = match holds {
                true => ("ok", Tone::Good),
                false => ("BROKEN", Tone::Bad),
            };
            // Folded as if the widest word stood there.
            let said = table::folded(&format!("BROKEN {number} {says}"), 9);
            let said = said.trim_start_matches("BROKEN");
            text.push(format!("{}{said}", paint(tone, &format!("{word:<6}"))));
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

    fn junit(&self) -> Option<String> {
        Some(self.junit_xml().trim_end().to_owned())
    }

    fn exit(&self) -> Exit {
        let as_expected = self.parity && self.rows.iter().all(|row| row.ok);
        let holds = self.invariants.iter().all(|i| i.holds) && (as_expected || self.faults);
        if holds { Exit::Done } else { Exit::Failed }
    }
}

impl DemoReport {
    /// A row a scenario, a mark a variant, the outcome once; below a row, what of
    /// it a variant has otherwise.
    fn table(&self) -> String {
        let mut variants: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !variants.contains(&row.variant) {
                variants.push(row.variant);
            }
        }
        let mut columns = vec![table::word("SCENARIO")];
        let numbers: Vec<String> = (1..=variants.len()).map(|n| n.to_string()).collect();
        columns.extend(numbers.iter().map(|number| table::word(number).states()));
        columns.extend([table::number("TOOK").gives_way(1), table::prose("OUTCOME")]);
        let mut rows = table(columns);
        for same in self.rows.chunks(variants.len().max(1)) {
            let mut cells = vec![same[0].scenario.to_owned()];
            cells.extend(same.iter().map(|row| match row.ok {
                true => "✓".to_owned(),
                false => "✗".to_owned(),
            }));
            cells.extend([took_by(same), same[0].expected.clone()]);
            rows.add_row(cells);
            for row in same.iter().filter(|row| !row.ok) {
                let mut cells = vec![String::new(); variants.len() + 2];
                cells[0] = format!("  {}", row.variant);
                cells.push(self.otherwise(row));
                rows.add_row(cells);
            }
        }
        let names = variants.iter().zip(&numbers);
        let names: Vec<_> = names
            .map(|(name, number)| format!("{number} {name}"))
            .collect();
        format!("{}\n\n{}", names.join("   "), rows.text())
    }

    /// How `row` ended, and why it may have.
    fn otherwise(&self, row: &Row) -> String {
        if row.races.is_empty() {
            return match self.faults {
                true => row.outcome.clone(),
                false => format!("FAILED: {}", row.outcome),
            };
        }
        let races: Vec<_> = row.races.iter().map(|raced| raced.name).collect();
        format!("{} ({})", row.outcome, races.join(", "))
    }
}

/// How long the variants took for a scenario: from the shortest to the longest.
fn took_by(same: &[Row]) -> String {
    let all = same.iter().map(|row| row.elapsed_ms);
    match (all.clone().min().map(millis), all.max().map(millis)) {
        (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
        (Some(only), _) => only,
        _ => String::new(),
    }
}
