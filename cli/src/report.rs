//! What a command found, told to people or to programs.

use std::io::Write;

use comfy_table::presets;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use crate::exit::{Exit, Outcome, Problem};

/// How to print a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one JSON document.
    Json,
}

/// What a command found. Data goes to standard output; all else to standard error.
pub trait Report: Serialize {
    /// The report for people, without a trailing newline.
    fn text(&self) -> String;

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
    };
    line(&text)?;
    Ok(report.exit())
}

/// Writes one piece of data to standard output, with a newline.
///
/// # Errors
/// When standard output cannot be written, other than because its reader left.
pub fn line(text: &str) -> Outcome<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Problem::environment(
            format!("standard output cannot be written: {error}"),
        )),
        _ => Ok(()),
    }
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
#[must_use]
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.iter().copied());
    table
}

/// `table` as text, without trailing blanks.
#[must_use]
pub fn trimmed(table: &Table) -> String {
    table.trim_fmt()
}
