//! `duet redrive`: failed executions.

use clap::Args;

use super::choose::Signature;
use crate::ops::redrive::{self, Which};
use crate::target::Target;
use crate::target::open::on;
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::global::Global;
use crate::terminal::report::print;
use crate::terminal::times::seconds;

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
    /// Who does it, and why.
    #[command(flatten)]
    pub signature: Signature,
}

/// Takes failed executions up again, or starts new ones in their place.
pub(super) async fn run(global: &Global, args: &Redrive) -> Outcome<Exit> {
    let which = match (&args.execution, args.failed_since) {
        (Some(name), _) => Which::Named(name.clone()),
        (None, since) => Which::Since(since.unwrap_or(0)),
    };
    let signed = args.signature.signed()?;
    on!(Target::new(global)?, world => {
        let report = match args.new {
            true => redrive::start_again(world, &which, args.dry_run).await?,
            false => redrive::run(world, &which, args.dry_run).await?,
        };
        signed.note(world, report.noted()).await?;
        print(&report, global.output)
    })
}
