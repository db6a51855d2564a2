//! What simulated worlds did, in words.

use duet_lab::Moment;

use super::{LEAST_SHARE, Losses, LostOrder, Raced, SimulationReport, Violation};
use crate::terminal::exit::Exit;
use crate::terminal::report::{Report, table, trimmed};

/// A moment, in words.
fn told(moment: &Moment) -> String {
    let Moment { at, subject, what } = moment;
    format!("  {at} {subject}: {what}")
}

impl Report for SimulationReport {
    fn text(&self) -> String {
        let mut text = Vec::new();
        let mut outcomes = table(&["OUTCOME", "ORDERS"]);
        for (outcome, times) in &self.outcomes {
            outcomes.add_row([outcome.clone(), times.to_string()]);
        }
        text.push(trimmed(&outcomes));
        if !self.faults_injected.is_empty() {
            let mut faults = table(&["FAULT", "STRUCK", "SHARE"]);
            for (kind, times) in &self.faults_injected {
                let share = self.faults_share.get(kind).copied().unwrap_or(0.0);
                faults.add_row([
                    (*kind).to_owned(),
                    times.to_string(),
                    format!("{:.1} %", share * 100.0),
                ]);
            }
            text.extend([String::new(), trimmed(&faults)]);
        }
        if self.races.iter().any(|row| row.count > 0) {
            let mut races = table(&["RACE", "VARIANT", "ORDERS", "FOR EXAMPLE"]);
            for Raced {
                name,
                variant,
                count,
                example,
            } in self.races.iter().filter(|row| row.count > 0)
            {
                races.add_row([
                    (*name).to_owned(),
                    (*variant).to_owned(),
                    count.to_string(),
                    example.clone().unwrap_or_default(),
                ]);
            }
            text.extend([String::new(), trimmed(&races)]);
        }
        let mut lost = table(&["VARIANT", "GOOD ORDERS", "LOST", "SHARE"]);
        for (
            variant,
            Losses {
                orders,
                lost: gone,
                share,
            },
        ) in &self.lost
        {
            lost.add_row([
                (*variant).to_owned(),
                orders.to_string(),
                gone.to_string(),
                format!("{:.2} %", share * 100.0),
            ]);
        }
        text.extend([String::new(), trimmed(&lost)]);
        if self.seeds == 1 {
            for LostOrder { what, timeline } in &self.lost_orders {
                text.push(format!("lost: {what}"));
                text.extend(timeline.iter().map(told));
            }
        }
        for violation in &self.violations {
            let Violation {
                seed,
                variant,
                invariant,
                what,
                schedule,
                scenarios,
                timeline,
            } = violation;
            text.push(String::new());
            text.push(format!(
                "VIOLATION (invariant {invariant}) seed {seed}, {variant}: {what}"
            ));
            text.push(format!("scenarios: {}", scenarios.join(", ")));
            text.push(format!("faults: {}", schedule.join(", ")));
            text.extend(timeline.iter().map(told));
        }
        for kind in &self.faults_thin {
            text.push(format!(
                "THIN: {kind} touched less than {:.0} % of what it can touch",
                LEAST_SHARE * 100.0
            ));
        }
        text.push(String::new());
        text.push(format!(
            "{} seeds, {} orders, {} violations, trace {}, {:.1} s",
            self.seeds,
            self.orders,
            self.violations.len(),
            self.trace_hash,
            self.elapsed_s
        ));
        text.join("\n")
    }

    fn exit(&self) -> Exit {
        if self.violations.is_empty() && self.faults_thin.is_empty() {
            Exit::Done
        } else {
            Exit::Failed
        }
    }
}
