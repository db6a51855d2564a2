//! `duet simulate`: many seeded worlds in this process.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use duet_lab::{FAST, FaultRule, Plant, Profile};

use super::choose::{self, Faults, Variants};
use crate::shop::scenario::Scenario;
use crate::simulate::{self, Options, mutants, planted};
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::report::{Format, print};

/// `duet simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// How many seeds; each is a world of its own under each variant [default: 100, or with --planted at most 30 for each mistake and variant].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub from: u64,
    /// Only this seed: what happened there happens again.
    #[arg(long, value_name = "S", conflicts_with_all = ["seeds", "from"])]
    pub seed: Option<u64>,
    /// Only this variant; may be repeated [default: all].
    #[command(flatten)]
    pub variants: Variants,
    /// Only this scenario; may be repeated [default: all, mixed].
    #[arg(long = "scenario", value_name = "NAME", value_parser = choose::scenarios())]
    pub scenarios: Vec<&'static Scenario>,
    /// How long things take: as in tests, or as measured on AWS.
    #[arg(long, value_name = "NAME", default_value = FAST, value_parser = choose::profiles())]
    pub profile: Arc<Profile>,
    /// Orders in one world [default: 10; with --planted 20].
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub orders: Option<u32>,
    /// Plant mistakes, one at a time, and see whether the same checks find them under each variant where they can show; every fault strikes unless --fault says otherwise.
    #[arg(long, conflicts_with = "seed")]
    pub planted: bool,
    /// Change the state machines and what is deployed in one place at a time, and list what the checks do not notice; as --planted does, in 20 seeds of each variant.
    #[arg(long, conflicts_with_all = ["seed", "planted"])]
    pub mutants: bool,
    /// What goes wrong.
    #[command(flatten)]
    pub faults: Faults,
}

/// Runs many worlds in this process.
pub(super) fn run(args: &Simulate, format: Format) -> Outcome<Exit> {
    if args.planted {
        let options = args.worlds_with_faults(planted::SEEDS)?;
        let found = planted::run(Plant::ALL, &options, &BTreeMap::new())?;
        return print(&found, format);
    }
    if args.mutants {
        let options = args.worlds_with_faults(mutants::SEEDS)?;
        return print(&mutants::run(&options)?, format);
    }
    let definitions = simulate::definitions(&BTreeMap::new())?;
    print(&simulate::run(&definitions, &args.worlds(100)?)?, format)
}

impl Simulate {
    /// The worlds asked for, of so many seeds unless the command line says.
    fn worlds(&self, seeds: u64) -> Outcome<Options> {
        let seeds = self.seeds.unwrap_or(seeds);
        let (from, seeds) = self.seed.map_or((self.from, seeds), |seed| (seed, 1));
        Ok(Options {
            seeds,
            from,
            variants: self.variants.built_in()?,
            orders: self
                .orders
                .map_or_else(|| self.usual_orders(), |orders| orders as usize),
            faults: self.faults.rules(),
            scenarios: self.scenarios.clone(),
            profile: self.profile.clone(),
            threads: simulate::threads(),
        })
    }

    fn usual_orders(&self) -> usize {
        if self.planted { planted::ORDERS } else { 10 }
    }

    /// The same, and in them every fault unless the command line says which.
    fn worlds_with_faults(&self, seeds: u64) -> Outcome<Options> {
        let mut options = self.worlds(seeds)?;
        if options.faults.is_empty() {
            options.faults = FaultRule::all();
        }
        Ok(options)
    }
}
