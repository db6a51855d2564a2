//! `duet orders`.

use clap::Args;
use duet_core::CustomerId;

use super::choose::Variants;
use crate::ops::orders;
use crate::target::Target;
use crate::target::open::look_on;
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::global::Global;
use crate::terminal::report::print;
use crate::terminal::times::seconds;
use crate::world::World as _;

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
    /// Only those under this variant; may be repeated.
    #[command(flatten)]
    pub variants: Variants,
    /// Only those whose outcome begins so, such as rejected or Confirmed.
    #[arg(long, value_name = "WORD")]
    pub outcome: Option<String>,
    /// Only those of this customer.
    #[arg(long, value_name = "ID")]
    pub customer: Option<CustomerId>,
    /// At most so many, the newest.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// Lists orders.
pub(super) async fn run(global: &Global, args: &Orders) -> Outcome<Exit> {
    let filter = orders::Filter {
        stuck: args.stuck,
        failed: args.failed,
        attention: args.attention,
        since: args.since,
        variants: args.variants.names.clone(),
        outcome: args.outcome.clone(),
        customer: args.customer.as_ref().map(ToString::to_string),
        limit: args.limit.map(|limit| limit as usize),
    };
    look_on!(Target::new(global)?, world => {
        // A name that nobody has is a mistake, and not an empty list.
        world.variants(&filter.variants)?;
        print(&orders::list(world, &filter).await?, global.output)
    })
}
