//! `duet review`: a person in the loop.

use clap::{Args, Subcommand};
use duet_core::OrderId;
use duet_fraud::command::Verdict;

use super::choose::Signature;
use crate::ops::review;
use crate::target::Target;
use crate::target::open::{look_on, on};
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::global::Global;
use crate::terminal::report::print;

/// `duet review`.
#[derive(Debug, Subcommand)]
pub enum Review {
    /// List the reviews that wait, the most urgent first.
    #[command(after_help = "Example: duet review list")]
    List {
        /// Those that ended, too.
        #[arg(long)]
        all: bool,
    },
    /// Show one review: score, reasons, time left, how it ended.
    #[command(
        after_help = "Example:\n  duet place --id r-1 --customer c-2 --line espresso-machine=20\n  duet review show r-1"
    )]
    Show {
        /// Of which order.
        #[arg(value_name = "ORDER")]
        order: OrderId,
    },
    /// Decide that the order is what it seems.
    #[command(
        after_help = "Example:\n  duet place --id r-1 --customer c-2 --line espresso-machine=20\n  duet review approve r-1 --note 'called the customer'"
    )]
    Approve(Decision),
    /// Decide that it is fraud.
    #[command(
        after_help = "Example:\n  duet place --id r-2 --customer c-3 --line espresso-machine=20\n  duet review reject r-2 --note 'stolen card'"
    )]
    Reject(Decision),
}

/// A person's decision.
#[derive(Debug, Args)]
pub struct Decision {
    /// On which orders.
    #[arg(value_name = "ORDER", required = true)]
    pub orders: Vec<OrderId>,
    /// Who decides, and why.
    #[command(flatten)]
    pub signature: Signature,
    /// How long to wait until it takes effect, in seconds.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub within: u64,
}

/// Lists reviews, shows one, or brings a person's decision.
pub(super) async fn run(global: &Global, args: &Review) -> Outcome<Exit> {
    let format = global.output;
    let (decision, verdict) = match args {
        Review::List { all } => {
            return look_on!(Target::new(global)?, world => print(&review::list(world, *all).await?, format));
        }
        Review::Show { order } => {
            return look_on!(Target::new(global)?, world => print(&review::show(world, order).await?, format));
        }
        Review::Approve(decision) => (decision, Verdict::Approve),
        Review::Reject(decision) => (decision, Verdict::Reject),
    };
    let signed = decision.signature.signed()?;
    let signed = Some(&signed);
    on!(Target::new(global)?, world => match decision.orders.as_slice() {
        [one] => print(&review::decide(world, one, verdict, signed, decision.within).await?, format),
        some => print(&review::decide_each(world, some, verdict, signed, decision.within).await?, format),
    })
}
