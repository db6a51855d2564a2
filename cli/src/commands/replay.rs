//! `duet replay`.

use clap::Args;
use duet_core::Timestamp;

use super::choose::Signature;
use crate::ops::replay;
use crate::target::Target;
use crate::target::open::on;
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::global::Global;
use crate::terminal::report::print;
use crate::terminal::times::{When, rate, when};
use crate::world::World;

/// `duet replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// From when: a time such as 2026-01-31T12:00:00Z, or so long ago, such as 2h [default with --order: ever].
    #[arg(long, value_name = "TIME", value_parser = when, required_unless_present = "orders")]
    pub from: Option<When>,
    /// Until when, likewise [default: now].
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub to: Option<When>,
    /// Only past this rule, with or without the stack's name before it; may be repeated [default: all].
    #[arg(long = "rule", value_name = "NAME")]
    pub rules: Vec<String>,
    /// Only what is about this order or customer; may be repeated. Goes through the journal.
    #[arg(long = "order", value_name = "ID")]
    pub orders: Vec<String>,
    /// Only events of this type; may be repeated. Goes through the journal.
    #[arg(long = "event-type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// At most so many events a second, as N/s. Goes through the journal.
    #[arg(long, value_name = "N/s", value_parser = rate)]
    pub rate: Option<u32>,
    /// Only count.
    #[arg(long)]
    pub dry_run: bool,
    /// How long the replay, and the consumers after it, may take, in seconds.
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    pub within: u64,
    /// Who does it, and why.
    #[command(flatten)]
    pub signature: Signature,
}

impl Replay {
    fn request(&self, now: Timestamp) -> replay::Request {
        let given = |when: Option<When>| when.map(|when| when.given(now));
        replay::Request {
            from: given(self.from).unwrap_or(Timestamp::UNIX_EPOCH),
            to: given(self.to).unwrap_or(now),
            rules: self.rules.clone(),
            about: self.orders.clone(),
            types: self.types.clone(),
            rate: self.rate,
            dry_run: self.dry_run,
            within: self.within,
        }
    }
}

/// Says again what was said.
pub(super) async fn run(global: &Global, args: &Replay) -> Outcome<Exit> {
    let signed = args.signature.signed()?;
    on!(Target::new(global)?, world => {
        let report = replay::run(world, &args.request(world.now())).await?;
        signed.note(world, report.noted()).await?;
        print(&report, global.output)
    })
}
