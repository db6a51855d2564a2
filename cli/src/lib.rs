//! The `duet` command: drives, inspects and compares the order system.
//!
//! Rooms, from the ground up; each uses only those before it:
//! [`terminal`] (what is said and read), [`shop`] (what the shop is), [`world`]
//! (where it runs), [`ops`] (what is done to a world), [`simulate`] (many seeded
//! worlds), [`compare`] (the variants side by side), [`target`] (where `--on` leads), [`commands`] (what is asked).

pub mod commands;
pub mod compare;
pub mod ops;
pub mod shop;
pub mod simulate;
pub mod target;
pub mod terminal;
pub mod world;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Cli;
use crate::terminal::global::On;
use crate::terminal::{colour, interrupt};

/// Does what the command line says, and gives the exit code.
///
/// All that is asynchronous is compiled here, once, and not again in the binary.
#[tokio::main]
pub async fn main() -> ExitCode {
    commands::complete::answer();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => {
            terminal::answer(
                &said,
                asks_for("--output", "json"),
                asks_for("--color", "never"),
            );
            return ExitCode::from(said.exit_code() as u8);
        }
    };
    colour::settle(cli.global.color);
    let format = cli.global.output;
    interrupt::watch(match cli.global.on {
        On::Lab => "nothing of this command is kept",
        On::Local | On::Aws => {
            "what was sent by then stays sent; `duet orders` and `duet status` tell what there is"
        }
    });
    let exit = match commands::run(cli).await {
        Ok(exit) => exit,
        Err(problem) => {
            terminal::refuse(&problem, format);
            problem.exit
        }
    };
    ExitCode::from(exit as u8)
}

/// Whether the command line gives the flag `flag` this value: looked up by hand, for
/// where it could not be read.
fn asks_for(flag: &str, value: &str) -> bool {
    let mut words = std::env::args().skip(1).peekable();
    while let Some(word) = words.next() {
        let given = match word.strip_prefix(flag) {
            Some("") => words.peek().map(String::as_str),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        if given == Some(value) {
            return true;
        }
    }
    false
}
