//! `duet demo`: every scenario under every variant, or a drill.

use std::collections::BTreeMap;

use clap::Args;
use duet_core::{Clock as _, SystemClock};
use duet_lab::{Config, Profile};

use super::choose::{self, Faults, Variants};
use crate::compare;
use crate::ops::demo;
use crate::ops::drill::{self, Drill};
use crate::ops::faulty::Faulty;
use crate::shop::parameters::{FRAUD, LITTLE_PATIENCE, WATCHED};
use crate::shop::scenario::{self, Scenario};
use crate::target::Target;
use crate::target::lasting::Made;
use crate::target::open::left;
#[cfg(feature = "aws")]
use crate::target::open::on;
use crate::terminal;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::global::{Global, On};
use crate::terminal::report::{Format, print};
use crate::world::World;
use crate::world::lab::{self, Lab};
use crate::world::port::operate::Operate;
use crate::world::port::replay::Replayable;

/// What `duet demo` can print.
pub(super) const OUTPUTS: [Format; 3] = [Format::Text, Format::Json, Format::Junit];

/// `duet demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Only this scenario; may be repeated.
    #[arg(long = "scenario", value_name = "NAME", value_parser = choose::scenarios())]
    pub scenarios: Vec<&'static Scenario>,
    /// Only this variant; may be repeated [default: all that are deployed].
    #[command(flatten)]
    pub variants: Variants,
    /// Run a drill in place of the scenarios.
    #[arg(long, value_enum, value_name = "DRILL", conflicts_with = "scenarios")]
    pub drill: Option<Drill>,
    /// Place this many copies of each scenario's order at once [default: 1], or so many in each part of a drill [default: 200].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub orders: Option<u32>,
    /// How long one scenario may take, or a drill may go without progress, in seconds.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub within: u64,
    /// What goes wrong; on the lab only.
    #[command(flatten)]
    pub faults: Faults,
    /// What decides where faults strike and what happens first; on the lab only [default: 1].
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Keep the world as a lab of this name, to be looked at and repaired; on the lab only.
    #[arg(long, value_name = "NAME", conflicts_with = "drill")]
    pub keep: Option<String>,
    /// How to print it: text and json as every command; junit, for continuous integration, has a case for each row.
    // In place of the one of every command: `global.output` has what is given here.
    #[arg(
        id = "output",
        long = "output",
        default_value = "text",
        value_name = "OUTPUT",
        value_parser = Format::among(&OUTPUTS)
    )]
    pub output: Format,
}

impl Demo {
    /// Whether it is the demo as it comes.
    fn is_plain(&self) -> bool {
        let faults = self.faults.rules();
        faults.is_empty() && self.variants.names.is_empty() && self.orders.is_none()
    }

    /// Refuses what only the lab can do.
    ///
    /// # Errors
    /// [`Problem`] naming the flag and the remedy.
    fn only_on_the_lab(&self, on: On) -> Outcome<()> {
        let faults = self.faults.rules();
        let given = [
            ("--fault", !faults.is_empty()),
            ("--seed", self.seed.is_some()),
            ("--keep", self.keep.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((flag, _)) if on != On::Lab => Err(Problem::usage(format!(
                "{flag} is for the lab only: no other world is made from a seed"
            ))
            .hint("add --on lab")),
            _ => Ok(()),
        }
    }
}

/// Runs what the command line chose.
pub(super) async fn run(global: &Global, demo: &Demo) -> Outcome<Exit> {
    demo.only_on_the_lab(global.on)?;
    let format = global.output;
    if let Some(drill) = demo.drill {
        if !Format::COMMON.contains(&format) {
            let why = format!("a drill cannot print --output {}", format.word());
            return Err(Problem::usage(why).hint("a drill prints text or json"));
        }
        return run_drill(global, drill, demo).await;
    }
    match global.on {
        On::Lab => {
            let exit = match &demo.keep {
                Some(name) => kept(global, demo, name).await?,
                None => scenarios(&lab(demo, 30, &[])?, demo, format).await?,
            };
            // A whole demo ends with the comparison in short.
            if format == Format::Text && demo.scenarios.is_empty() && demo.is_plain() {
                terminal::line(&compare::in_short(&lab::definitions(&BTreeMap::new())?)?)?;
            }
            Ok(exit)
        }
        #[cfg(feature = "aws")]
        On::Local => scenarios(&Target::new(global)?.up_as_it_is().await?, demo, format).await,
        #[cfg(feature = "aws")]
        On::Aws => on!(Target::new(global)?, world => scenarios(world, demo, format).await),
        #[cfg(not(feature = "aws"))]
        On::Local | On::Aws => Err(Target::absent(global.on)),
    }
}

/// A fresh world in this process, with little patience, `review_seconds` to decide
/// a review, `more` parameters, and going wrong in it what `demo` says.
fn lab(demo: &Demo, review_seconds: u32, more: &[(&str, &str)]) -> Outcome<Lab> {
    let definitions = lab::definitions(&parameters(review_seconds, more))?;
    let config = Config {
        seed: demo.seed.unwrap_or(1),
        faults: demo.faults.rules(),
        keep_succeeded: true,
        profile: Profile::named(compare::PROFILE),
        assumptions: demo.seed.unwrap_or(1),
        ..Config::default()
    };
    Lab::new(&definitions, config)
}

/// The parameters of such a world.
fn parameters(review_seconds: u32, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let review_seconds = review_seconds.to_string();
    let parameters = [LITTLE_PATIENCE, ("ReviewSeconds", &review_seconds)];
    let all = parameters.iter().chain(&WATCHED).chain(more);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Runs the scenarios in a lab that lasts, called `name`.
async fn kept(global: &Global, demo: &Demo, name: &str) -> Outcome<Exit> {
    let made = Made {
        faults: demo
            .faults
            .rules()
            .iter()
            .map(ToString::to_string)
            .collect(),
        profile: Some(compare::PROFILE.to_owned()),
    };
    let seed = demo.seed.unwrap_or(1);
    let dir = Target::new(global)?.lab_called(name)?;
    let now = SystemClock.now();
    let lasting = dir.found(parameters(30, &[]), seed, made, now).await?;
    terminal::hold();
    let done = scenarios(&lasting.world, demo, global.output).await;
    let exit = left(done, lasting.close())?;
    terminal::tell(&format!(
        "kept as lab {name}: `duet orders --stack {name}` lists its orders, `duet lab use {name}` goes on with it"
    ));
    Ok(exit)
}

/// Runs what the command line chose of the demo.
async fn scenarios<W: Faulty>(world: &W, demo: &Demo, format: Format) -> Outcome<Exit> {
    let choice = choice(world, demo)?;
    print(&demo::run(world, &choice).await?, format)
}

/// Which scenarios, under which variants, how often.
fn choice<W: World>(world: &W, demo: &Demo) -> Outcome<demo::Choice> {
    let scenarios = match demo.scenarios.as_slice() {
        [] => scenario::ALL.iter().collect(),
        some => some.to_vec(),
    };
    let choice = demo::Choice {
        scenarios,
        variants: world.variants(&demo.variants.names)?,
        copies: demo.orders.unwrap_or(1) as usize,
        within: demo.within,
        faults: !demo.faults.rules().is_empty(),
    };
    choice.fit(world, !demo.scenarios.is_empty())
}

/// Runs a drill where the command line says.
async fn run_drill(global: &Global, drill: Drill, demo: &Demo) -> Outcome<Exit> {
    let format = global.output;
    match global.on {
        On::Lab => {
            let reviews = drill.review_seconds();
            let quick = drill::outage::TASK_TIMEOUT;
            match drill {
                Drill::Outage => outage(&lab(demo, reviews, &[quick])?, demo, format).await,
                Drill::Replay => replay(&lab(demo, reviews, &[quick])?, demo, format).await,
                Drill::Rollout => turn(&lab(demo, reviews, &[(FRAUD, "off")])?, demo, format).await,
            }
        }
        #[cfg(feature = "aws")]
        On::Local => {
            let target = Target::new(global)?;
            match drill {
                Drill::Outage => outage(&target.up_for_outage().await?, demo, format).await,
                Drill::Replay => replay(&target.up_as_it_is().await?, demo, format).await,
                Drill::Rollout => turn(&target.for_rollout(), demo, format).await,
            }
        }
        #[cfg(feature = "aws")]
        On::Aws => {
            let target = Target::new(global)?;
            // What breaks there breaks for everybody.
            target.may_break()?;
            match drill {
                Drill::Outage => on!(target, world => outage(world, demo, format).await),
                Drill::Replay => on!(target, world => replay(world, demo, format).await),
                Drill::Rollout => turn(&target.for_rollout(), demo, format).await,
            }
        }
        #[cfg(not(feature = "aws"))]
        On::Local | On::Aws => Err(Target::absent(global.on)),
    }
}

async fn outage<W: Operate>(world: &W, demo: &Demo, format: Format) -> Outcome<Exit> {
    let choice = drill::outage::Choice {
        variants: world.variants(&demo.variants.names)?,
        orders: drilled(demo),
        within: demo.within,
    };
    print(&drill::outage::run(world, &choice).await?, format)
}

async fn replay<W: Replayable + Faulty>(world: &W, demo: &Demo, format: Format) -> Outcome<Exit> {
    let choice = choice(world, demo)?;
    print(&drill::replay::run(world, &choice).await?, format)
}

async fn turn<T: drill::rollout::Turned>(shop: &T, demo: &Demo, format: Format) -> Outcome<Exit> {
    let choice = drill::rollout::Choice {
        variants: demo.variants.names.clone(),
        orders: drilled(demo),
        within: demo.within,
    };
    print(&drill::rollout::run(shop, &choice).await?, format)
}

/// How many orders a part of a drill has.
fn drilled(demo: &Demo) -> usize {
    demo.orders.map_or(drill::PLACED, |orders| orders as usize)
}
