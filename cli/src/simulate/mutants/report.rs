//! What the checks do not notice, in words.

use super::{MutantsReport, Survivor, UNEXPLAINED};
use crate::terminal::exit::Exit;
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};

impl Report for MutantsReport {
    fn text(&self) -> String {
        let mut rows = table([
            table::prose("SURVIVES"),
            table::prose("CHANGE"),
            table::prose("WHY"),
        ]);
        for Survivor { place, change, why } in &self.survivors {
            let why = why.unwrap_or("nobody explains it");
            rows.add_row([place, change, why]);
        }
        format!(
            "{}\n\n{} mutants: {} refused at deployment, {} found, {} survive, {} of these unexplained, {:.1} s",
            rows.text(),
            self.mutants,
            self.refused,
            self.found,
            self.survivors.len(),
            self.unexplained,
            self.elapsed_s
        )
    }

    fn exit(&self) -> Exit {
        match self.unexplained * 100 <= self.mutants * UNEXPLAINED {
            true => Exit::Done,
            false => Exit::Failed,
        }
    }
}
