//! What a command found, told to people or to programs.

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
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
    /// OTLP JSON, of `duet show` only.
    #[value(hide = true)]
    Otlp,
    /// A Perfetto trace, of `duet show` only.
    #[value(hide = true)]
    Perfetto,
    /// A Mermaid flowchart, of `duet show` only.
    #[value(hide = true)]
    Mermaid,
    /// A picture, of `duet show` only.
    #[value(hide = true)]
    Svg,
    /// JUnit XML, of `duet demo` only.
    #[value(hide = true)]
    Junit,
}

impl Format {
    /// What every command can print.
    pub const COMMON: [Self; 2] = [Self::Text, Self::Json];

    /// The word for it on the command line.
    #[must_use]
    pub fn word(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Reads one of `formats`: for a command whose `--output` has values of its own.
    pub fn among(formats: &[Self]) -> impl TypedValueParser<Value = Self> + use<> {
        let values = formats.iter().filter_map(Self::to_possible_value);
        let values: Vec<_> = values.map(|value| value.hide(false)).collect();
        PossibleValuesParser::new(values).try_map(|word| Self::from_str(&word, false))
    }
}

/// What a command found. Data goes to standard output; all else to standard error.
pub trait Report: Serialize {
    /// The report for people, without a trailing newline.
    fn text(&self) -> String;

    /// The report for a document, without a trailing newline, if it has such a form.
    fn markdown(&self) -> Option<String> {
        None
    }

    /// The report as JUnit XML, without a trailing newline, if it has such a form.
    fn junit(&self) -> Option<String> {
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
        Format::Json => serde_json::to_string_pretty(report).map_err(Problem::environment)?,
        Format::Md => report.markdown().unwrap_or_else(|| report.text()),
        Format::Junit => report.junit().unwrap_or_else(|| report.text()),
        _ => report.text(),
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
