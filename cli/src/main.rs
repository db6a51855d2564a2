//! The `duet` command.

use std::process::ExitCode;

use clap::Parser;
use duet_cli::commands::{self, Cli};
use duet_cli::terminal;

/// The lab makes and drops small documents by the million, which the system's
/// own allocator takes a third of the time for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => {
            terminal::answer(&said);
            return ExitCode::from(said.exit_code() as u8);
        }
    };
    let exit = match commands::run(cli).await {
        Ok(exit) => exit,
        Err(problem) => {
            terminal::tell(&problem.to_string());
            problem.exit
        }
    };
    ExitCode::from(exit as u8)
}
