//! `duet logs`.

use clap::Args;
use duet_core::OrderId;

use crate::ops::logs;
use crate::target::Target;
use crate::target::open::look_on;
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::global::Global;
use crate::terminal::report::print;
use crate::terminal::times::seconds;

/// `duet logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// The order's or customer's id.
    #[arg(value_name = "ORDER")]
    pub order: OrderId,
    /// How far to look back, such as 30m, 1h or 48h.
    #[arg(long, value_name = "TIME", value_parser = seconds, default_value = "24h")]
    pub since: i64,
}

/// Gathers what was logged about an order.
pub(super) async fn run(global: &Global, args: &Logs) -> Outcome<Exit> {
    let order = args.order.as_str();
    look_on!(Target::new(global)?, world => print(
        &logs::gather(world, order, args.since).await?,
        global.output,
    ))
}
