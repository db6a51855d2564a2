//! The operator's part of the command line: lists, dead letters, redrive, rules.

use clap::{Args, Subcommand};
use duet_core::{OrderId, Timestamp};

use crate::args::Global;
use crate::asl::{self, Asl};
use crate::dlq;
use crate::events::{self, Events};
use crate::exit::{Exit, Outcome};
use crate::logs;
use crate::opened::on;
use crate::orders;
use crate::redrive::{self, Which};
use crate::replay;
use crate::report::print;
use crate::rules::{self, Rules};
use crate::stack::Place;
use crate::world::World;

/// What an operator asks for.
#[derive(Debug, Subcommand)]
pub enum Operator {
    /// List orders: how each stands, how old it is, what it waits for.
    #[command(after_help = "Example: duet orders --attention --since 1h")]
    Orders(Orders),
    /// Dead letters: not delivered, not processed, and failed executions.
    #[command(subcommand)]
    Dlq(Dlq),
    /// Take failed executions up again where they failed, if that does no harm.
    #[command(after_help = "Example: duet redrive --failed-since 1h --dry-run")]
    Redrive(Redrive),
    /// Gather what every service logged about an order, in order of time.
    #[command(
        after_help = "Example:\n  duet place --id o-1 --customer c-1 --line kettle=1 --wait\n  duet logs o-1 --since 1h"
    )]
    Logs {
        /// The order's or customer's id.
        #[arg(value_name = "ORDER")]
        order: OrderId,
        /// How far to look back, such as 30m, 1h or 48h.
        #[arg(long, value_name = "TIME", value_parser = seconds, default_value = "24h")]
        since: i64,
    },
    /// Say again what was said on the bus: consumers recognise it, and do only what they lack.
    #[command(
        after_help = "Example: duet replay --from 2h --to 1h --rule payment-NewOrder --dry-run"
    )]
    Replay(Replay),
    /// The bus, seen live: tail, send, expect.
    #[command(subcommand)]
    Events(Events),
    /// Event patterns and the deployed rules.
    #[command(subcommand)]
    Rules(Rules),
    /// Run and check state machine definitions: any, not only ours.
    #[command(subcommand)]
    Asl(Asl),
}

/// `duet orders`.
#[derive(Debug, Args)]
pub struct Orders {
    /// Undecided, or being undone, for more than a minute.
    #[arg(long)]
    pub stuck: bool,
    /// Rejected.
    #[arg(long)]
    pub failed: bool,
    /// Parked: something is owed.
    #[arg(long)]
    pub attention: bool,
    /// Placed within this time, such as 30m, 1h or 2d.
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub since: Option<i64>,
}

/// `duet dlq`.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// List dead letters of both layers, and failed executions beside them.
    #[command(after_help = "Example: duet dlq list --queue payment --older-than 1h")]
    List(Selection),
    /// Show one message.
    #[command(
        after_help = "Example:\n  duet dlq show 5c1a9d4e-0000-4000-8000-000000000000 --body\n(an id that `duet dlq list` prints)"
    )]
    Show {
        /// Its id.
        #[arg(value_name = "ID")]
        id: String,
        /// Its text too. It may hold personal data.
        #[arg(long)]
        body: bool,
        /// Write its text as it is to a new file that only you may read.
        #[arg(long, value_name = "FILE")]
        export: Option<std::path::PathBuf>,
    },
    /// Send messages back where they were going: nothing leaves before it has arrived.
    #[command(after_help = "Example: duet dlq redrive --queue payment --dry-run")]
    Redrive {
        /// Which ones [default: all].
        #[command(flatten)]
        which: Selection,
        /// Only tell what would be sent.
        #[arg(long)]
        dry_run: bool,
        /// At most this many a second.
        #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
        rate: u32,
    },
    /// Remove one message for good.
    #[command(
        after_help = "Example: duet dlq drop 5c1a9d4e-0000-4000-8000-000000000000\n(an id that `duet dlq list` prints)"
    )]
    Drop {
        /// Its id.
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Which dead letters.
#[derive(Debug, Args)]
pub struct Selection {
    /// Only those of this queue: its name, or its service's.
    #[arg(long, value_name = "QUEUE")]
    pub queue: Option<String>,
    /// Only those about this order or customer; with * at the end, about those whose id begins so.
    #[arg(long, value_name = "ORDER")]
    pub order: Option<String>,
    /// Only those with this in their cause.
    #[arg(long, value_name = "TEXT")]
    pub cause: Option<String>,
    /// Only those sent longer ago than this, such as 30m, 1h or 2d.
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub older_than: Option<i64>,
}

impl Selection {
    fn filter(&self) -> dlq::Filter {
        dlq::Filter {
            queue: self.queue.clone(),
            order: self.order.clone(),
            cause: self.cause.clone(),
            older_than: self.older_than,
        }
    }
}

/// `duet redrive`.
#[derive(Debug, Args)]
pub struct Redrive {
    /// An execution's ARN, or the order's or customer's id.
    #[arg(
        value_name = "EXECUTION|ORDER",
        required_unless_present = "failed_since"
    )]
    pub execution: Option<String>,
    /// Every execution that failed within this time, such as 1h.
    #[arg(long, value_name = "TIME", value_parser = seconds, conflicts_with = "execution")]
    pub failed_since: Option<i64>,
    /// Only tell which are eligible.
    #[arg(long)]
    pub dry_run: bool,
    /// Start a new execution with the same input in place of going on with the old one.
    #[arg(long)]
    pub new: bool,
}

/// `duet replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// From when: a time such as 2026-01-31T12:00:00Z, or so long ago, such as 2h [default with --order: ever].
    #[arg(long, value_name = "TIME", value_parser = moment, required_unless_present = "orders")]
    pub from: Option<Moment>,
    /// Until when, likewise [default: now].
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub to: Option<Moment>,
    /// Only past this rule, with or without the stack's name before it; may be repeated [default: all].
    #[arg(long = "rule", value_name = "NAME")]
    pub rules: Vec<String>,
    /// Only what is about this order or customer; may be repeated. Goes through the journal.
    #[arg(long = "order", value_name = "ID")]
    pub orders: Vec<String>,
    /// Only events of this type; may be repeated. Goes through the journal.
    #[arg(long = "event-type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// At most so many events a second, as N/s. Goes through the journal.
    #[arg(long, value_name = "N/s", value_parser = rate)]
    pub rate: Option<u32>,
    /// Only count.
    #[arg(long)]
    pub dry_run: bool,
    /// How long the replay, and the consumers after it, may take, in seconds.
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    pub within: u64,
}

/// A point in time, as people say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// By the calendar.
    At(Timestamp),
    /// So many seconds ago.
    Ago(i64),
}

impl Moment {
    fn given(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(seconds) => {
                let ago = jiff::SignedDuration::from_secs(seconds);
                now.saturating_sub(ago).unwrap_or(Timestamp::MIN)
            }
        }
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(at) = text.parse() {
        return Ok(Moment::At(at));
    }
    seconds(text).map(Moment::Ago).map_err(|_| {
        "write a time such as 2026-01-31T12:00:00Z, or how long ago, such as 2h".to_owned()
    })
}

fn rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).parse();
    match number {
        Ok(number @ 1..=10_000) => Ok(number),
        _ => Err("write events a second, from 1/s to 10000/s".to_owned()),
    }
}

impl Replay {
    fn request(&self, now: Timestamp) -> replay::Request {
        let given = |moment: Option<Moment>| moment.map(|moment| moment.given(now));
        replay::Request {
            from: given(self.from).unwrap_or(Timestamp::UNIX_EPOCH),
            to: given(self.to).unwrap_or(now),
            rules: self.rules.clone(),
            about: self.orders.clone(),
            types: self.types.clone(),
            rate: self.rate,
            dry_run: self.dry_run,
            within: self.within,
        }
    }
}

/// A time such as `90s` or `1h 30m`, in seconds.
pub(crate) fn seconds(text: &str) -> Result<i64, String> {
    let time: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "write a time such as 30m, 1h or 48h".to_owned())?;
    if time.is_negative() {
        return Err("a time is not negative".to_owned());
    }
    Ok(time.as_secs())
}

/// Does what was asked.
///
/// # Errors
/// [`crate::exit::Problem`] with the exit code, what was wrong, and what to do.
pub async fn run(global: &Global, operator: &Operator) -> Outcome<Exit> {
    let format = global.output;
    let place = || Place::new(global);
    match operator {
        Operator::Asl(command) => asl::asl(command, format),
        Operator::Rules(Rules::Match { pattern, event }) => rules::matches(pattern, event, format),
        Operator::Rules(Rules::List) => {
            on!(place()?, world => print(&rules::list(world).await?, format))
        }
        Operator::Rules(Rules::Test { event }) => {
            on!(place()?, world => print(&rules::test(world, event).await?, format))
        }
        Operator::Rules(Rules::Users { field }) => {
            on!(place()?, world => print(&rules::users(world, field).await?, format))
        }
        Operator::Events(command) => {
            on!(place()?, world => events::run(world, command, format).await)
        }
        Operator::Logs { order, since } => {
            on!(place()?, world => print(&logs::gather(world, order.as_str(), *since).await?, format))
        }
        Operator::Replay(args) => {
            on!(place()?, world => {
                print(&replay::run(world, &args.request(world.now())).await?, format)
            })
        }
        Operator::Orders(args) => {
            let filter = orders::Filter {
                stuck: args.stuck,
                failed: args.failed,
                attention: args.attention,
                since: args.since,
            };
            on!(place()?, world => print(&orders::list(world, filter).await?, format))
        }
        Operator::Dlq(Dlq::List(which)) => {
            on!(place()?, world => print(&dlq::list(world, &which.filter()).await?, format))
        }
        Operator::Dlq(Dlq::Show { id, body, export }) => {
            on!(place()?, world => {
                let shown = match export {
                    Some(file) => dlq::export(world, id, *body, file).await?,
                    None => dlq::show(world, id, *body).await?,
                };
                print(&shown, format)
            })
        }
        Operator::Dlq(Dlq::Redrive {
            which,
            dry_run,
            rate,
        }) => on!(place()?, world => print(
            &dlq::redrive(world, &which.filter(), *dry_run, *rate).await?,
            format,
        )),
        Operator::Dlq(Dlq::Drop { id }) => {
            on!(place()?, world => print(&dlq::discard(world, id).await?, format))
        }
        Operator::Redrive(args) => {
            let which = match (&args.execution, args.failed_since) {
                (Some(name), _) => Which::Named(name.clone()),
                (None, since) => Which::Since(since.unwrap_or(0)),
            };
            on!(place()?, world => {
                let report = match args.new {
                    true => redrive::start_again(world, &which, args.dry_run).await?,
                    false => redrive::run(world, &which, args.dry_run).await?,
                };
                print(&report, format)
            })
        }
    }
}

#[cfg(test)]
mod tests;
