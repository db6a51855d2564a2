//! `duet repair`.

use clap::Args;
use duet_core::OrderId;

use super::choose::Signature;
use crate::ops::repair::{self, Repaired};
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
    /// Who does it, and why.
    #[command(flatten)]
    pub signature: Signature,
}

/// Retries what parked orders lack.
pub(super) async fn run(global: &Global, args: &Repair) -> Outcome<Exit> {
    let signed = args.signature.signed()?;
    on!(Target::new(global)?, world => match (args.attention, args.orders.as_slice()) {
        (false, [one]) => {
            let report = repair::repair(world, one, args.within).await?;
            signed.note(world, report.noted()).await?;
            print(&report, global.output)
        }
        (attention, some) => {
            let parked = match attention {
                true => repair::parked(world).await?,
                false => some.to_vec(),
            };
            let report = repair::each(world, &parked, args.within).await?;
            signed.note(world, report.orders.iter().filter_map(Repaired::noted)).await?;
            print(&report, global.output)
        }
    })
}
