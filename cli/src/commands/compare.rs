//! `duet compare`: the variants side by side.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use clap::Args;
use duet_lab::Profile;

use super::choose::{self, Faults, Variants};
use crate::compare::failure::{self, Trouble};
use crate::compare::{self, Options, PROFILE};
use crate::shop::scenario::Scenario;
use crate::simulate::threads;
use crate::target::Target;
#[cfg(feature = "aws")]
use crate::target::open::on;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::global::{Global, On};
use crate::terminal::report::{Format, print};
#[cfg(feature = "aws")]
use crate::world::World;

/// What a comparison can be printed as.
pub(super) const OUTPUTS: [Format; 3] = [Format::Text, Format::Json, Format::Md];

/// `duet compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// Only this variant; may be repeated [default: all].
    #[command(flatten)]
    pub variants: Variants,
    /// Whose orders are timed and paid for; each has to go its way alone.
    #[arg(long, value_name = "NAME", default_value = "happy", value_parser = choose::scenarios())]
    pub scenario: &'static Scenario,
    /// How long things take in the lab: as measured on AWS, or in tests.
    #[arg(long, value_name = "NAME", default_value = PROFILE, value_parser = choose::profiles())]
    pub profile: Arc<Profile>,
    /// In so many worlds, each with what the profile assumes elsewhere in its range.
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub draws: u32,
    /// So many orders of each variant in each draw.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub orders: u32,
    /// So many orders in each row about failure; 0 leaves these out.
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub failures: u32,
    /// A row about failure in place of the usual ones: a kind of fault, or an outage with a length; may be repeated.
    #[arg(long, value_name = "KIND[@SERVICE|STEP][:Ns][:RATE]")]
    pub failure: Vec<Trouble>,
    /// What goes wrong while time and money are measured.
    #[command(flatten)]
    pub faults: Faults,
    /// What decides all that is drawn.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// End with 1 when a million orders cost more than this under any variant, in US dollars.
    #[arg(long, value_name = "USD", value_parser = amount)]
    pub budget: Option<f64>,
    /// Compare nothing: check a comparison in JSON, from a file or `-`, its sums, and the figures between marks in README.md and docs/ against it.
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
    /// With --check: write anew what differs in README.md and docs/.
    #[arg(long, requires = "check")]
    pub write: bool,
}

fn amount(text: &str) -> Result<f64, String> {
    let amount: f64 = text.parse().map_err(|e| format!("{text}: {e}"))?;
    match amount.is_finite() && amount >= 0.0 {
        true => Ok(amount),
        false => Err(format!("{text} is no amount of money")),
    }
}

/// Checks the comparison in `file` against itself and the documents.
fn check(file: &Path, args: &Compare, format: Format) -> Outcome<Exit> {
    let text = match file.as_os_str() == "-" {
        true => io::read_to_string(io::stdin()),
        false => fs::read_to_string(file),
    };
    let text = text.map_err(|e| Problem::usage(format!("{}: {e}", file.display())))?;
    let root = std::env::current_dir().map_err(Problem::environment)?;
    let checked = compare::check::run(&compare::check::read(&text)?, &root, args.write)?;
    print(&checked, format)
}

impl Compare {
    /// Refuses what only the lab can do.
    fn only_times(&self, on: On) -> Outcome<()> {
        let flags = [
            ("--fault", !self.faults.rules().is_empty()),
            ("--failure", !self.failure.is_empty()),
            ("--budget", self.budget.is_some()),
        ];
        match flags.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((flag, _)) => {
                let on = format!("{on:?}").to_lowercase();
                Err(Problem::usage(format!(
                    "{flag} is for the lab only: on {on} orders can be timed, and nothing else"
                ))
                .hint("add --on lab"))
            }
        }
    }
}

/// Times orders where the lab is not.
#[cfg(feature = "aws")]
async fn elsewhere<W: World>(world: &W, global: &Global, args: &Compare) -> Outcome<Exit> {
    let on = match global.on {
        On::Local => "local",
        _ => "aws",
    };
    let variants = world.variants(&args.variants.names)?;
    let timed = compare::elsewhere::run(world, on, &variants, args.scenario, args.orders);
    print(&timed.await?, global.output)
}

/// Compares as the command line says.
pub(super) async fn run(global: &Global, args: &Compare) -> Outcome<Exit> {
    if let Some(file) = &args.check {
        return check(file, args, global.output);
    }
    if global.on != On::Lab {
        args.only_times(global.on)?;
        #[cfg(feature = "aws")]
        return on!(Target::new(global)?, world => elsewhere(world, global, args).await);
        #[cfg(not(feature = "aws"))]
        return Err(Target::absent(global.on));
    }
    let variants = args.variants.built_in()?;
    let definitions = compare::of_equal_patience(&variants)?;
    let troubles = match args.failure.as_slice() {
        [] => failure::usual().map_err(Problem::environment)?,
        some => some.to_vec(),
    };
    let options = Options {
        variants,
        scenario: args.scenario,
        profile: args.profile.clone(),
        draws: args.draws,
        orders: args.orders,
        faults: args.faults.rules(),
        troubles,
        troubled: args.failures,
        seed: args.seed,
        budget: args.budget,
        brief: false,
        threads: threads(),
    };
    print(&compare::run(&definitions, &options)?, global.output)
}
