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
    /// Which order.
    #[arg(value_name = "ORDER")]
    pub order: OrderId,
    /// How long one step may take, in seconds.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub within: u64,
}

/// Retries what a parked order lacks.
pub(super) async fn run(global: &Global, args: &Repair) -> Outcome<Exit> {
    on!(Target::new(global)?, world => print(&repair::repair(world, &args.order, args.within).await?, global.output))
}
