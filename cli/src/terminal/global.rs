//! What every command takes: where the system runs, and how to print.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use http::Uri;

use super::colour;
use super::exit::{Outcome, Problem};
use super::report::Format;

/// Settings every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Where the system runs.
    #[arg(
        long,
        global = true,
        value_enum,
        env = "DUET_ON",
        hide_env_values = true,
        default_value = "lab"
    )]
    pub on: On,
    /// The name of the stack, or of the lab [default: duet, or the lab that `duet lab use` chose].
    #[arg(
        long,
        global = true,
        env = "DUET_STACK",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub stack: Option<String>,
    /// How to print what was found.
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub output: Format,
    /// When to use colour.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN"
    )]
    pub color: colour::When,
    /// The directory for what lasts of the lab, and the emulator's state and logs [default: .duet in the project].
    #[arg(
        long,
        global = true,
        env = "DUET_STATE",
        value_name = "DIR",
        hide_env_values = true
    )]
    pub state: Option<PathBuf>,
    /// Ask this AWS-compatible endpoint, for every service: with --on local in place of starting an emulator [env: AWS_ENDPOINT_URL], with --on aws in place of AWS's own.
    #[arg(long, global = true, value_name = "URL", value_parser = url)]
    pub endpoint: Option<String>,
}

impl Global {
    /// Refuses an endpoint where there is nothing to ask.
    ///
    /// # Errors
    /// [`Problem`] naming the remedy.
    pub fn check(&self) -> Outcome<()> {
        if self.on == On::Lab && self.endpoint.is_some() {
            return Err(Problem::usage(
                "--endpoint is of no use to the lab, which runs in this process",
            )
            .hint("add --on local or --on aws, or leave out --endpoint"));
        }
        Ok(())
    }
}

/// Where the system runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// In this process, on virtual time; what was done lasts in a file from command to command.
    Lab,
    /// On an AWS emulator on this machine; `duet up` prepares and starts it.
    Local,
    /// On AWS, by the ordinary configuration chain.
    Aws,
}

/// An endpoint's URL.
pub(crate) fn url(text: &str) -> Result<String, String> {
    let url = text.parse::<Uri>().ok();
    let is_one = url.is_some_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https"))
            && url.host().is_some_and(|host| !host.is_empty())
    });
    match is_one {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err("write a URL such as http://127.0.0.1:4566".to_owned()),
    }
}
