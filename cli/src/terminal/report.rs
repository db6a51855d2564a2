//! What a command found, told to people or to programs.

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
