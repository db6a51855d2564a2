//! `duet check`.

use std::path::PathBuf;

use clap::Args;

use super::choose::parameter;
use crate::ops::check;
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::report::{Format, print};

/// `duet check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The template, of SAM or CloudFormation; nested ones and definitions are read from where it says.
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    pub template: PathBuf,
    /// A parameter of the template, such as Fraud=off; may be repeated.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub parameters: Vec<(String, String)>,
}

/// Checks the template: 1 if there is an error in it.
///
/// # Errors
/// [`Problem`](crate::terminal::exit::Problem) when it is no template, or has no
/// such parameter.
pub(super) fn run(args: &Check, format: Format) -> Outcome<Exit> {
    let parameters = args.parameters.iter().cloned().collect();
    print(&check::of(&args.template, &parameters)?, format)
}
