//! `duet repair`.

use clap::Args;
use duet_core::OrderId;

use crate::ops::repair;
use crate::target::Target;
use crate::target::open::on;
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::global::Global;
use crate::terminal::report::print;

/// `duet repair`.
#[derive(Debug, Args)]
pub struct Repair {
    /// Which orders.
    #[arg(value_name = "ORDER", required_unless_present = "attention")]
    pub orders: Vec<OrderId>,
    /// Every order that `duet orders --attention` lists.
    #[arg(long, conflicts_with = "orders")]
    pub attention: bool,
    /// How long one step may take, in seconds.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub within: u64,
}

/// Retries what parked orders lack.
pub(super) async fn run(global: &Global, args: &Repair) -> Outcome<Exit> {
    on!(Target::new(global)?, world => match (args.attention, args.orders.as_slice()) {
        (false, [one]) => print(&repair::repair(world, one, args.within).await?, global.output),
        (false, some) => print(&repair::each(world, some, args.within).await?, global.output),
        (true, _) => {
            let parked = repair::parked(world).await?;
            print(&repair::each(world, &parked, args.within).await?, global.output)
        }
    })
}
