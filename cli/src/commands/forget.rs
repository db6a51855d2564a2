//! `duet forget`.

use clap::Args;
use duet_core::OrderId;

use super::choose::Signature;
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
    /// Who does it, and why. A note is kept: it should say nothing of a person.
    #[command(flatten)]
    pub signature: Signature,
}

/// Removes what the shop keeps of a person.
pub(super) async fn run(global: &Global, args: &Forget) -> Outcome<Exit> {
    let signed = args.signature.signed()?;
    on!(Target::new(global)?, world => {
        let report = forget::forget(world, &args.order, args.within).await?;
        signed.note(world, [report.noted()]).await?;
        print(&report, global.output)
    })
}
