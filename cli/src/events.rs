//! The bus: heard, spoken to, waited for. How a target's bus is heard is the
//! target's business ([`crate::world::bus`]).

use std::path::PathBuf;

use clap::Subcommand;
use duet_pattern::Pattern;
use serde::Serialize;
use serde_json::Value;

use crate::exit::{Exit, Outcome, Problem};
use crate::input;
use crate::operator::seconds;
use crate::report::{Format, Report, print};
use crate::terminal::{self, inline};
use crate::world::bus::{BusTools, Event, Listen};

/// `duet events`.
#[derive(Debug, Subcommand)]
pub enum Events {
    /// Print the events on the shop's bus: one line each, or with --output json whole.
    ///
    /// As they come; in the lab, where nothing happens between commands, those
    /// of the last --within.
    #[command(
        after_help = "Example: duet events tail --within 30s --pattern '{\"detail-type\":[\"OrderRejected\"]}'"
    )]
    Tail {
        /// Only events that match: JSON, or @FILE [default: all].
        #[arg(long, value_name = "JSON|@FILE")]
        pattern: Option<String>,
        /// Stop after this time, at most 1h.
        #[arg(long, default_value = "10m", value_name = "TIME", value_parser = seconds)]
        within: i64,
    },
    /// Put one event on the shop's bus. Consumers act on it.
    #[command(
        after_help = "Example: echo '{\"source\":\"duet.test\",\"detail-type\":\"Ping\",\"detail\":{}}' | duet events send -"
    )]
    Send {
        /// The event: source, detail-type and detail; `-` is standard input.
        #[arg(value_name = "EVENT")]
        event: PathBuf,
    },
    /// Wait for an event: exit 0 only if it came.
    ///
    /// Start it before what causes the event; in the lab it may also be one of
    /// the last --within.
    #[command(
        after_help = "Example:\n  duet place --id o-3 --customer c-1 --line kettle=1 --variant eventbridge\n  duet events expect --pattern '{\"source\":[\"duet.order\"]}' --within 10s"
    )]
    Expect {
        /// What it must match: JSON, or @FILE.
        #[arg(long, value_name = "JSON|@FILE")]
        pattern: String,
        /// How long to wait, at most 1h.
        #[arg(long, default_value = "10s", value_name = "TIME", value_parser = seconds)]
        within: i64,
    },
}

/// Every event, as a pattern.
const ALL: &str = r#"{"source":[{"prefix":""}]}"#;

/// The longest a tap is open, in seconds.
const LONGEST: i64 = 3600;

/// Does what was asked.
///
/// # Errors
/// [`Problem`] when there is no bus on this stack, or the target does not answer.
pub async fn run<W: BusTools>(world: &W, command: &Events, format: Format) -> Outcome<Exit> {
    match command {
        Events::Send { event } => print(&send(world, event).await?, format),
        Events::Tail { pattern, within } => {
            let pattern = pattern.as_deref().unwrap_or(ALL);
            listen(world, pattern, *within, false, format).await
        }
        Events::Expect { pattern, within } => listen(world, pattern, *within, true, format).await,
    }
}

/// An event was put on the bus.
#[derive(Debug, Serialize)]
pub struct Sent {
    /// The bus's id for it.
    pub id: String,
}

async fn send<W: BusTools>(world: &W, file: &std::path::Path) -> Outcome<Sent> {
    let origin = file.display().to_string();
    let text = input::read(file)?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|e| Problem::usage(format!("{origin} is no JSON: {e}")))?;
    let event: Event = input::typed(value, &origin)?;
    let id = world.put_event(&event).await?;
    Ok(Sent { id })
}

/// Prints what is heard within `within` seconds; with `first`, until the first event.
async fn listen<W: BusTools>(
    world: &W,
    pattern: &str,
    within: i64,
    first: bool,
    format: Format,
) -> Outcome<Exit> {
    if within > LONGEST {
        return Err(Problem::usage("--within is at most 1h"));
    }
    let pattern = match pattern.strip_prefix('@') {
        Some(file) => input::read(std::path::Path::new(file))?,
        None => pattern.to_owned(),
    };
    Pattern::parse(&pattern).map_err(|e| Problem::usage(format!("--pattern: {e}")))?;
    let listen = Listen {
        pattern: &pattern,
        within,
        first,
    };
    let mut tell = |event: &Value| {
        terminal::line(&match format {
            Format::Json => event.to_string(),
            Format::Text => summary(event),
        })
    };
    match (world.listen(listen, &mut tell).await?, first) {
        (false, true) => Err(Problem::failed(format!(
            "no such event came within {within} s"
        ))),
        _ => Ok(Exit::Done),
    }
}

/// An event in one line, without its data.
fn summary(event: &Value) -> String {
    let word = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or("-");
    let word = |path: &str| inline(word(path));
    format!(
        "{}  {}  {}  {}",
        word("/time"),
        word("/source"),
        word("/detail-type"),
        word("/detail/metadata/subject")
    )
}

impl Report for Sent {
    fn text(&self) -> String {
        format!("sent {}", self.id)
    }
}
