//! `duet lab`: the labs that last.

use clap::Subcommand;

use crate::target::Target;
use crate::terminal::consent::Consent;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::global::{Global, On};
use crate::terminal::report::print;

/// `duet lab`.
#[derive(Debug, Subcommand)]
pub enum Lab {
    /// List the labs of this project, or of this user outside a checkout.
    #[command(after_help = "Example: duet lab list")]
    List,
    /// Let commands use this lab, unless --stack names another. A new one is begun by the next command.
    #[command(after_help = "Example: duet lab use practice")]
    Use {
        /// Its name.
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Remove a lab and its copies for good.
    #[command(after_help = "Example: duet lab drop practice --yes")]
    Drop {
        /// Its name.
        #[arg(value_name = "NAME")]
        name: String,
        /// Without being asked for its name: for scripts.
        #[arg(long)]
        yes: bool,
    },
}

/// Lists labs, chooses one, or drops one.
pub(super) fn run(global: &Global, args: &Lab) -> Outcome<Exit> {
    if global.on != On::Lab {
        return Err(Problem::usage("only the lab lies in files here").hint("leave out --on"));
    }
    let labs = Target::new(global)?.all_labs();
    match args {
        Lab::List => print(&labs.list()?, global.output),
        Lab::Use { name } => print(&labs.choose(name)?, global.output),
        Lab::Drop { name, yes } => {
            const NOTHING: &str = "nothing was removed";
            let consent = Consent::of(*yes, NOTHING, "add --yes")?;
            let question = format!("lab {name} and its copies go for good; type its name:");
            consent.obtain(name, &question, NOTHING)?;
            print(&labs.remove(name)?, global.output)
        }
    }
}
