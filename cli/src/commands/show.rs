//! `duet show` and `duet watch`.

use clap::Args;
use duet_core::OrderId;

use crate::ops::timeline::Form;
use crate::ops::{show, timeline};
use crate::target::Target;
use crate::target::open::look_on;
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::global::Global;
use crate::terminal::report::print;

/// `duet show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Which order.
    #[arg(value_name = "ORDER")]
    pub order: OrderId,
    /// As one tree of cause and effect across services, with what is still missing.
    #[arg(long)]
    pub timeline: bool,
    /// How to print the timeline [default: as --output says].
    #[arg(long, value_enum, requires = "timeline")]
    pub format: Option<Form>,
}

/// `duet watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// Which order.
    #[arg(value_name = "ORDER")]
    pub order: OrderId,
    /// Give up after this many seconds.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    pub within: u64,
}

/// Shows an order.
pub(super) async fn run(global: &Global, args: &Show) -> Outcome<Exit> {
    let order = args.order.as_str();
    look_on!(Target::new(global)?, world => {
        if args.timeline {
            let timeline = timeline::read(world, order).await?;
            timeline::print(&timeline, args.format.unwrap_or(global.output.into()))
        } else {
            print(&show::show(world, order).await?, global.output)
        }
    })
}

/// Follows it.
pub(super) async fn watch(global: &Global, args: &Watch) -> Outcome<Exit> {
    let order = args.order.as_str();
    look_on!(Target::new(global)?, world => {
        show::watch(world, order, args.within, global.output).await
    })
}
