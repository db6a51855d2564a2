//! `duet contracts`.

use clap::Args;

use crate::shop::contracts;
use crate::target;
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::report::{Format, print};

/// `duet contracts`.
#[derive(Debug, Args)]
pub struct Contracts {
    /// Write nothing; fail if what is checked in is out of date.
    #[arg(long)]
    pub check: bool,
}

/// Writes the contracts, or checks them.
pub(super) fn run(args: &Contracts, format: Format) -> Outcome<Exit> {
    print(&contracts::run(&target::root()?, args.check)?, format)
}
