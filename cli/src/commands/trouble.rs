//! `duet break` and `duet mend`: trouble to practise on.

use clap::Args;

use crate::ops::trouble::{self, What};
use crate::target::Target;
use crate::target::open::on;
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::global::Global;
use crate::terminal::report::print;

/// `duet break`.
#[derive(Debug, Args)]
pub struct Break {
    /// A service, or in the lab a kind of fault, where and how often. The kinds are listed below.
    #[arg(value_name = "SERVICE|KIND[@SERVICE|STEP][:Ns][:RATE]")]
    pub what: What,
}

/// `duet mend`.
#[derive(Debug, Args)]
pub struct Mend {
    /// What to mend [default: all that was broken on purpose].
    #[arg(value_name = "SERVICE|KIND")]
    pub what: Option<What>,
}

/// Breaks something.
pub(super) async fn cause(global: &Global, args: &Break) -> Outcome<Exit> {
    let target = Target::new(global)?;
    #[cfg(feature = "aws")]
    if global.on == crate::terminal::global::On::Aws {
        target.may_break()?;
    }
    on!(target, world => print(&trouble::cause(world, &args.what).await?, global.output))
}

/// Mends it.
pub(super) async fn mend(global: &Global, args: &Mend) -> Outcome<Exit> {
    let what = args.what.as_ref();
    on!(Target::new(global)?, world => print(&trouble::mend(world, what).await?, global.output))
}
