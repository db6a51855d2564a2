//! `duet orders`.

use clap::Args;

use crate::ops::orders;
use crate::target::Target;
use crate::target::open::on;
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::global::Global;
use crate::terminal::report::print;
use crate::terminal::times::seconds;

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

/// Lists orders.
pub(super) async fn run(global: &Global, args: &Orders) -> Outcome<Exit> {
    let filter = orders::Filter {
        stuck: args.stuck,
        failed: args.failed,
        attention: args.attention,
        since: args.since,
    };
    on!(Target::new(global)?, world => print(&orders::list(world, filter).await?, global.output))
}
