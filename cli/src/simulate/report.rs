//! What simulated worlds did, in words.

use duet_lab::Moment;

use super::{Losses, LostOrder, Raced, SimulationReport, Violation};
use crate::terminal::exit::Exit;
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};

/// A moment, in words.
fn told(moment: &Moment) -> String {
    let Moment { at, subject, what } = moment;
    format!("  {at} {subject}: {what}")
}

impl SimulationReport {
    fn outcomes(&self) -> String {
        let mut outcomes = table([table::prose("OUTCOME").states(), table::number("ORDERS")]);
        for (outcome, times) in &self.outcomes {
            outcomes.add_row([outcome.clone(), times.to_string()]);
        }
        outcomes.text()
    }

    fn faults(&self) -> String {
        let mut faults = table([
            table::word("FAULT"),
            table::number("STRUCK"),
            table::number("SHARE"),
        ]);
        for (kind, times) in &self.faults_injected {
            let share = self.faults_share.get(kind).copied().unwrap_or(0.0);
            faults.add_row([
                (*kind).to_owned(),
                times.to_string(),
                format!("{:.1} %", share * 100.0),
            ]);
        }
        faults.text()
    }

    fn races(&self) -> String {
        let mut races = table([
            table::word("RACE"),
            table::word("VARIANT"),
            table::number("ORDERS"),
            table::prose("FOR EXAMPLE").gives_way(1),
        ]);
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
        races.text()
    }

    fn losses(&self) -> String {
        let mut lost = table([
            table::word("VARIANT"),
            table::number("GOOD ORDERS"),
            table::number("LOST"),
            table::number("SHARE"),
        ]);
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
        lost.text()
    }
}

impl Violation {
    /// What is wrong and what led there, line by line.
    fn tell(&self, text: &mut Vec<String>) {
        let Violation {
            seed,
            variant,
            invariant,
            what,
            schedule,
            scenarios,
            timeline,
        } = self;
        text.push(String::new());
        text.push(format!(
            "VIOLATION (invariant {invariant}) seed {seed}, {variant}: {what}"
        ));
        text.push(format!("scenarios: {}", scenarios.join(", ")));
        text.push(format!("faults: {}", schedule.join(", ")));
        text.extend(timeline.iter().map(told));
    }
}

impl Report for SimulationReport {
    fn text(&self) -> String {
        let mut text = vec![self.outcomes()];
        if !self.faults_injected.is_empty() {
            text.extend([String::new(), self.faults()]);
        }
        if self.races.iter().any(|row| row.count > 0) {
            text.extend([String::new(), self.races()]);
        }
        text.extend([String::new(), self.losses()]);
        if self.seeds == 1 {
            for LostOrder { what, timeline } in &self.lost_orders {
                text.push(format!("lost: {what}"));
                text.extend(timeline.iter().map(told));
            }
        }
        for violation in &self.violations {
            violation.tell(&mut text);
        }
        for kind in &self.faults_thin {
            text.push(format!(
                "THIN: {kind} touched what it can touch less often than it is to"
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
