//! The `duet` command.

use std::process::ExitCode;

use clap::Parser;
use duet_cli::args::Cli;

/// The lab makes and drops small documents by the million, which the system's
/// own allocator takes a third of the time for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let exit = match duet_cli::run(Cli::parse()).await {
        Ok(exit) => exit,
        Err(problem) => {
            eprintln!("{problem}");
            problem.exit
        }
    };
    ExitCode::from(exit as u8)
}
