//! `duet rules`: event patterns and the deployed rules.

use std::path::PathBuf;

use clap::Subcommand;

use crate::ops::rules;
use crate::target::Target;
use crate::target::open::look_on;
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::global::Global;
use crate::terminal::report::print;

/// `duet rules`.
#[derive(Debug, Subcommand)]
pub enum Rules {
    /// List the rules of the shop's bus: what each wants, and who hears of it.
    #[command(after_help = "Example: duet rules list")]
    List,
    /// Try one event against every deployed rule: which match, and why the others do not.
    #[command(
        after_help = "Example: echo '{\"source\":\"duet.order\",\"detail-type\":\"NewOrder\"}' | duet rules test -"
    )]
    Test {
        /// The event as a bus delivers it; `-` is standard input.
        #[arg(value_name = "EVENT")]
        event: PathBuf,
    },
    /// Tell which deployed rules, transformers and schemas use a field.
    #[command(after_help = "Example: duet rules users detail.data.kind")]
    Users {
        /// The field's dotted path.
        #[arg(value_name = "FIELD")]
        field: String,
    },
    /// Match one event against one pattern, without any target: 0 match, 1 no match, 2 invalid.
    #[command(
        after_help = "Example: echo '{\"source\":[\"duet.order\"]}' > pattern.json; echo '{\"source\":\"duet.order\"}' | duet rules match --pattern pattern.json --event -"
    )]
    Match {
        /// The pattern.
        #[arg(long, value_name = "FILE")]
        pattern: PathBuf,
        /// The event; `-` is standard input.
        #[arg(long, value_name = "FILE")]
        event: PathBuf,
    },
}

/// Lists rules, tries an event against them, or one pattern, or finds who uses a field.
pub(super) async fn run(global: &Global, args: &Rules) -> Outcome<Exit> {
    let format = global.output;
    match args {
        Rules::Match { pattern, event } => rules::matches(pattern, event, format),
        Rules::List => {
            look_on!(Target::new(global)?, world => print(&rules::list(world).await?, format))
        }
        Rules::Test { event } => {
            look_on!(Target::new(global)?, world => print(&rules::test(world, event).await?, format))
        }
        Rules::Users { field } => {
            look_on!(Target::new(global)?, world => print(&rules::users(world, field).await?, format))
        }
    }
}
