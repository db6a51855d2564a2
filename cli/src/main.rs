//! The `duet` command.

use std::process::ExitCode;

use clap::Parser;
use duet_cli::args::Cli;

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
