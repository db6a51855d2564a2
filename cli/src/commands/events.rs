//! `duet events`: the bus, seen live.

use std::path::PathBuf;

use clap::Subcommand;

use crate::ops::events;
use crate::target::Target;
use crate::target::open::{look_on, on};
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::global::Global;
use crate::terminal::report::print;
use crate::terminal::times::seconds;

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

/// Tails the bus, sends an event, or waits for one.
pub(super) async fn run(global: &Global, args: &Events) -> Outcome<Exit> {
    let (target, format) = (Target::new(global)?, global.output);
    match args {
        Events::Send { event } => {
            on!(target, world => print(&events::send(world, event).await?, format))
        }
        Events::Tail { pattern, within } => {
            let pattern = pattern.as_deref().unwrap_or(events::ALL);
            look_on!(target, world => events::listen(world, pattern, *within, false, format).await)
        }
        Events::Expect { pattern, within } => {
            look_on!(target, world => events::listen(world, pattern, *within, true, format).await)
        }
    }
}
