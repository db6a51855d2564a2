//! What a command found, told to people or to programs.

use comfy_table::{ContentArrangement, presets};
use serde::Serialize;

use crate::terminal;
use crate::terminal::exit::{Exit, Outcome, Problem};

/// How to print a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one JSON document.
    Json,
    /// For documents: Markdown, of `duet compare` only.
    Md,
}

/// What a command found. Data goes to standard output; all else to standard error.
pub trait Report: Serialize {
    /// The report for people, without a trailing newline.
    fn text(&self) -> String;

    /// The report for a document, without a trailing newline, if it has such a form.
    fn markdown(&self) -> Option<String> {
        None
    }

    /// How the command ends.
    fn exit(&self) -> Exit {
        Exit::Done
    }
}

/// Prints `report` and tells how the command ends.
///
/// # Errors
/// When standard output cannot be written, other than because its reader left.
pub fn print(report: &impl Report, format: Format) -> Outcome<Exit> {
    let text = match format {
        Format::Text => report.text(),
        Format::Json => serde_json::to_string_pretty(report).map_err(Problem::environment)?,
        Format::Md => report.markdown().unwrap_or_else(|| report.text()),
    };
    terminal::line(&text)?;
    Ok(report.exit())
}

/// How long something took, said so that nobody takes virtual time for their own.
#[must_use]
pub fn took(millis: i64, is_virtual: bool) -> String {
    let seconds = millis as f64 / 1_000.0;
    match is_virtual {
        true => format!("{seconds:.1} s by the lab's clock"),
        false => format!("{seconds:.1} s"),
    }
}

/// A table as every report has them: no frame, one blank between columns.
#[derive(Debug)]
pub struct Table(comfy_table::Table);

impl Table {
    /// Adds a row. What would steer a terminal is escaped before the columns are
    /// laid out, so that they stay in line.
    pub fn add_row(&mut self, cells: impl IntoIterator<Item: AsRef<str>>) {
        let cells = cells.into_iter();
        let cells: Vec<String> = cells
            .map(|cell| terminal::inline(cell.as_ref()).into_owned())
            .collect();
        self.0.add_row(cells);
    }
}

/// An empty table with these columns.
#[must_use]
pub fn table(header: &[&str]) -> Table {
    let mut table = comfy_table::Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.iter().copied());
    Table(table)
}

/// `table` as text, without trailing blanks.
#[must_use]
pub fn trimmed(table: &Table) -> String {
    table.0.trim_fmt()
}
