//! `duet dlq`: dead letters.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::choose::Signature;
use crate::ops::actions::Signed;
use crate::ops::dlq;
use crate::target::Target;
use crate::target::open::{look_on, on};
use crate::terminal::consent::Consent;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::global::Global;
use crate::terminal::report::{Format, print};
use crate::terminal::times::seconds;

/// `duet dlq`.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// List dead letters of both layers, and failed executions beside them.
    #[command(after_help = "Example: duet dlq list --queue payment --older-than 1h")]
    List {
        /// Which ones [default: all].
        #[command(flatten)]
        which: Selection,
        /// At most so many, the oldest.
        #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Also the failed executions that were put away with `duet dlq ack`.
        #[arg(long)]
        acknowledged: bool,
    },
    /// Put a failed execution away that nobody will take up again, or all that failed of the same, with a note.
    #[command(
        after_help = "Example:\n  duet dlq ack o-17 --note 'the order was a test'\n  duet dlq ack --cause InvalidCommand --note 'a load test'\n(an id that `duet dlq list` prints, of an execution)"
    )]
    Ack {
        /// The execution's name.
        #[arg(value_name = "EXECUTION", required_unless_present = "cause")]
        execution: Option<String>,
        /// Every failed execution with this in its cause.
        #[arg(long, value_name = "TEXT", conflicts_with = "execution")]
        cause: Option<String>,
        /// Who says so, and why it is left as it is.
        #[command(flatten)]
        signature: Signature,
    },
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
        export: Option<PathBuf>,
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
        /// Who does it, and why.
        #[command(flatten)]
        signature: Signature,
    },
    /// Remove one message for good, or all that died of the same.
    #[command(
        after_help = "Example:\n  duet dlq drop 5c1a9d4e-0000-4000-8000-000000000000\n  duet dlq drop --cause 'no JSON' --yes\n(an id that `duet dlq list` prints)"
    )]
    Drop {
        /// Its id.
        #[arg(value_name = "ID", required_unless_present = "cause")]
        id: Option<String>,
        /// Every message with this in its cause.
        #[arg(long, value_name = "TEXT", conflicts_with = "id")]
        cause: Option<String>,
        /// Without being asked, where there are several: for scripts.
        #[arg(long, requires = "cause")]
        yes: bool,
        /// Who does it, and why.
        #[command(flatten)]
        signature: Signature,
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
            limit: None,
            acknowledged: false,
        }
    }
}

/// Lists dead letters, shows one, sends them back, or removes one.
pub(super) async fn run(global: &Global, args: &Dlq) -> Outcome<Exit> {
    let (target, format) = (Target::new(global)?, global.output);
    match args {
        Dlq::List {
            which,
            limit,
            acknowledged,
        } => {
            let filter = dlq::Filter {
                limit: Some(*limit as usize),
                acknowledged: *acknowledged,
                ..which.filter()
            };
            look_on!(target, world => print(&dlq::list(world, &filter).await?, format))
        }
        Dlq::Show { id, body, export } => look_on!(target, world => {
            let shown = match export {
                Some(file) => dlq::export(world, id, *body, file).await?,
                None => dlq::show(world, id, *body).await?,
            };
            print(&shown, format)
        }),
        Dlq::Redrive {
            which,
            dry_run,
            rate,
            signature,
        } => {
            let signed = signature.signed()?;
            on!(target, world => {
                let report = dlq::redrive(world, &which.filter(), *dry_run, *rate).await?;
                signed.note(world, report.noted()).await?;
                print(&report, format)
            })
        }
        Dlq::Ack {
            execution,
            cause,
            signature,
        } => {
            let signed = signature.signed()?;
            if signed.note.is_none() {
                return Err(Problem::usage("--note says why it is left as it is")
                    .hint("write it for who looks next"));
            }
            on!(target, world => match execution {
                Some(one) => print(&dlq::acknowledged::put(world, one, &signed).await?, format),
                None => {
                    let cause = cause.as_deref().unwrap_or_default();
                    print(&dlq::acknowledged::put_all(world, cause, &signed).await?, format)
                }
            })
        }
        Dlq::Drop {
            id: Some(id),
            signature,
            ..
        } => {
            let signed = signature.signed()?;
            on!(target, world => {
                let report = dlq::discard(world, id).await?;
                signed.note(world, report.noted()).await?;
                print(&report, format)
            })
        }
        Dlq::Drop {
            cause,
            yes,
            signature,
            ..
        } => {
            let filter = dlq::Filter {
                cause: cause.clone(),
                ..dlq::Filter::default()
            };
            drop_all(&target, format, &filter, *yes, &signature.signed()?).await
        }
    }
}

/// Removes every message that `filter` takes, once somebody has agreed to how many that are.
async fn drop_all(
    target: &Target,
    format: Format,
    filter: &dlq::Filter,
    yes: bool,
    signed: &Signed,
) -> Outcome<Exit> {
    const NOTHING: &str = "nothing was removed";
    let consent = Consent::of(yes, NOTHING, "add --yes")?;
    on!(target, world => {
        let there = dlq::list(world, filter).await?.letters;
        let there = there.iter().filter(|one| one.layer != dlq::Layer::Execution).count();
        let question = format!("{there} messages go for good; type {there}:");
        consent.obtain(&there.to_string(), &question, NOTHING)?;
        let report = dlq::discard_all(world, filter).await?;
        signed.note(world, report.noted()).await?;
        print(&report, format)
    })
}
