//! `duet bench`.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Subcommand;
use duet_lab::Profile;

use super::choose::{self, Variants};
use crate::compare::PROFILE;
use crate::simulate::{bench, threads};
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::report::{Format, print};
use crate::world::lab;

/// `duet bench`.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// The embedded lab, on one core: states, patterns, whole happy orders, and what growth costs.
    #[command(after_help = "Example: duet bench lab --orders 10000 --output json")]
    Lab {
        /// So many orders in one world are compared with a thousand.
        #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        orders: u32,
        /// Only this variant; may be repeated [default: all].
        #[command(flatten)]
        variants: Variants,
    },
    /// Whether the lab takes as long as its profile says, measured from outside; and what it predicts of flows that are in no profile.
    #[command(after_help = "Example: duet bench calibration --profile aws-2022")]
    Calibration {
        /// Which profile.
        #[arg(long, value_name = "NAME", default_value = PROFILE, value_parser = choose::profiles())]
        profile: Arc<Profile>,
        /// How often each row is measured.
        #[arg(long, default_value_t = 60_000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
        samples: u32,
    },
    /// What patience is worth, in the embedded lab: the orders lost while a service is out for less, and to a third party silent for longer.
    #[command(after_help = "Example: duet bench patience --orders 500 --points 200")]
    Patience {
        /// So many orders for each service, and each way and time in which it is out.
        #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        orders: u32,
        /// So many orders for each time, or rate, for which a third party is silent.
        #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        points: u32,
        /// Only this variant; may be repeated [default: all].
        #[command(flatten)]
        variants: Variants,
    },
}

/// Measures what was asked for.
pub(super) fn run(args: &Bench, format: Format) -> Outcome<Exit> {
    let definitions = lab::definitions(&BTreeMap::new())?;
    match args {
        Bench::Lab { orders, variants } => {
            let measured = bench::run(&definitions, &variants.built_in()?, *orders)?;
            print(&measured, format)
        }
        Bench::Calibration { profile, samples } => print(
            &bench::calibration::run(profile, *samples, threads())?,
            format,
        ),
        Bench::Patience {
            orders,
            points,
            variants,
        } => {
            let sizes = (*orders, *points);
            let variants = variants.built_in()?;
            let measured = bench::patience::run(&definitions, &variants, sizes, threads())?;
            print(&measured, format)
        }
    }
}
