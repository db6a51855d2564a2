//! `duet up`, `down` and `status`.

use clap::Args;

use super::choose::parameter;
use crate::target::{self, Target};
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::global::{Global, On};
use crate::terminal::report::print;

/// `duet up`.
#[derive(Debug, Clone, Default, Args)]
pub struct Up {
    /// A stack parameter, such as Fraud=listening; may be repeated.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub parameters: Vec<(String, String)>,
    /// Deploy to AWS. Without it `--on aws` only looks.
    #[arg(long)]
    pub deploy: bool,
    /// Go on though failed executions cannot be redriven afterwards, without being asked: for scripts.
    #[arg(long)]
    pub yes: bool,
    /// Set the lab that is there aside, kept as a copy, and begin a new one.
    #[arg(long)]
    pub reset: bool,
    /// End the emulator when the process PID does: for test runs.
    #[arg(long, value_name = "PID", hide = true)]
    pub until_exit_of: Option<u32>,
}

/// `duet down`.
#[derive(Debug, Args)]
pub struct Down {
    /// Set the lab aside, kept as a copy, or delete the stack on AWS. Without it both stay.
    #[arg(long)]
    pub delete: bool,
    /// Delete the stack on AWS without being asked for its name: for scripts.
    #[arg(long, requires = "delete")]
    pub yes: bool,
}

/// Brings the system up.
pub(super) async fn up(global: &Global, args: &Up) -> Outcome<Exit> {
    if args.reset && global.on != On::Lab {
        return Err(Problem::usage("--reset is for the lab only")
            .hint("`duet down --delete` with the same --on, and then `duet up`"));
    }
    let wanted = target::Up {
        parameters: args.parameters.clone(),
        deploy: args.deploy,
        yes: args.yes,
        reset: args.reset,
        until_exit_of: args.until_exit_of,
    };
    print(&Target::new(global)?.up(&wanted).await?, global.output)
}

/// Takes it down.
pub(super) async fn down(global: &Global, args: &Down) -> Outcome<Exit> {
    let target = Target::new(global)?;
    print(&target.down(args.delete, args.yes).await?, global.output)
}

/// Tells how it is.
pub(super) async fn status(global: &Global) -> Outcome<Exit> {
    print(&Target::new(global)?.status().await?, global.output)
}
