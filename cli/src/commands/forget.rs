//! `duet forget`.

use clap::Args;
use duet_core::OrderId;

use crate::ops::forget;
use crate::target::Target;
use crate::target::open::on;
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::global::Global;
use crate::terminal::report::print;

/// `duet forget`.
#[derive(Debug, Args)]
pub struct Forget {
    /// Which order.
    #[arg(value_name = "ORDER")]
    pub order: OrderId,
    /// How long that may take, in seconds.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub within: u64,
}

/// Removes what the shop keeps of a person.
pub(super) async fn run(global: &Global, args: &Forget) -> Outcome<Exit> {
    on!(Target::new(global)?, world => print(&forget::forget(world, &args.order, args.within).await?, global.output))
}
