//! What of a choice a target can run.

use super::Choice;
use crate::shop::scenario::{Person, Scenario};
use crate::terminal;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;

impl Choice {
    /// Leaves out what `world` cannot run, and refuses what was asked for by
    /// name and cannot be run.
    ///
    /// # Errors
    /// [`Problem`] naming the scenario or variant that is not deployed.
    pub fn fit<W: World>(mut self, world: &W, by_name: bool) -> Outcome<Self> {
        let there = world.deployment();
        for variant in &self.variants {
            world.description(variant)?;
        }
        if !there.with_fraud {
            if let Some(scenario) = self
                .scenarios
                .iter()
                .find(|scenario| by_name && scenario.fraud)
            {
                return Err(Problem::usage(format!(
                    "scenario {} needs the fraud service",
                    scenario.name
                ))
                .hint("deploy with `duet up --parameter Fraud=on` and the same --on"));
            }
            self.scenarios.retain(|scenario| !scenario.fraud);
        }
        let mut kept = Vec::new();
        for scenario in self.scenarios {
            match unfit(world, scenario, self.within) {
                None => kept.push(scenario),
                Some((why, remedy)) if by_name => return Err(Problem::usage(why).hint(remedy)),
                Some((why, remedy)) => terminal::tell(&format!("left out: {why}; {remedy}")),
            }
        }
        self.scenarios = kept;
        Ok(self)
    }
}

/// Seconds that a scenario needs beside the waiting it is about.
const MARGIN: u64 = 30;

/// Seconds in which the demo's person decides, with some to spare.
const QUICK: u32 = 10;

/// Why `scenario` cannot be run on `world`, if so, and what to do about it.
fn unfit<W: World>(world: &W, scenario: &Scenario, within: u64) -> Option<(String, String)> {
    let plan = scenario.plan("fit", 1, world.deployment().patience_seconds);
    let name = scenario.name;
    let reviews = world.review_seconds();
    match (plan.person, reviews) {
        (Some(_), None) => {}
        (None, None) if plan.repair => {}
        (Some(Person::IsSilent), Some(seconds)) if u64::from(seconds) + MARGIN > within => {
            return Some((
                format!(
                    "scenario {name}: a person has {seconds} s to decide here, and a scenario {within} s"
                ),
                format!(
                    "deploy with `duet up --parameter ReviewSeconds=30` and the same --on, or wait with --within {}",
                    u64::from(seconds) + MARGIN
                ),
            ));
        }
        (Some(Person::Says(_)), Some(seconds)) if seconds < QUICK => {
            return Some((
                format!("scenario {name}: {seconds} s are too short for anybody to decide"),
                "deploy with `duet up --parameter ReviewSeconds=30` and the same --on".to_owned(),
            ));
        }
        _ => return None,
    }
    Some((
        format!("scenario {name} needs a person or an operator, and none can reach this target"),
        "run it with --on local or --on aws, with a stack of this version".to_owned(),
    ))
}
