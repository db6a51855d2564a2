//! Whether everything that is written down matters: each state machine and each
//! deployed resource is changed in one place at a time, and the same checks are
//! to notice. What they do not notice survives.
//!
//! [`planted`](super::planted) are mistakes that people make; these are all the
//! places at which a mistake could be made.

mod edits;
mod report;
mod shops;

use std::collections::BTreeMap;
use std::time::Instant;

use duet_lab::{Fault, FaultRule};
use serde::Serialize;

use self::edits::all;
use self::shops::alone;
use super::parallel::in_parallel;
use super::{Cut, Options, REVIEW_SECONDS, simulate, variant_of};
use crate::terminal::exit::Outcome;

/// In how many seeds of each variant a mutant is looked for.
pub const SEEDS: u64 = 20;

/// The most survivors that nobody explains, of a hundred mutants.
const UNEXPLAINED: usize = 3;

/// Why some mutants survive: a table of places, changes and reasons.
const EXPLAINED: &str = include_str!("../../../docs/mutants.md");

/// The faults of a world, if any.
type Weather = Option<fn() -> Vec<FaultRule>>;

/// In which weather a mutant is looked for, one after the other: in none, for
/// what shows there must show there; among faults that every step bears by being
/// tried again, where nobody is to have any work; while services are out for
/// longer than patience lasts; and in what the command line asks for.
const WEATHERS: [Weather; 4] = [Some(Vec::new), Some(gentle), Some(outages), None];

fn gentle() -> Vec<FaultRule> {
    let kinds = [
        Fault::CrashBeforeCommit,
        Fault::CrashAfterCommit,
        Fault::Throttle,
        Fault::TargetUnavailable,
        Fault::PutEvents,
        Fault::StoreConflict,
        Fault::StoreFault,
        Fault::TopicFault,
    ];
    kinds.map(FaultRule::from).into()
}

fn outages() -> Vec<FaultRule> {
    vec![FaultRule {
        rate: 0.3,
        seconds: Some(150),
        ..FaultRule::from(Fault::Outage)
    }]
}

/// What became of the mutants.
#[derive(Debug, Clone, Serialize)]
pub struct MutantsReport {
    /// How many there were.
    pub mutants: usize,
    /// How many were refused when they were deployed.
    pub refused: usize,
    /// How many the checks found.
    pub found: usize,
    /// Those that nobody noticed.
    pub survivors: Vec<Survivor>,
    /// How many of these nobody explains.
    pub unexplained: usize,
    /// Seconds of the machine's time.
    pub elapsed_s: f64,
}

/// A change that nobody noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Survivor {
    /// What was changed.
    pub place: String,
    /// How.
    pub change: String,
    /// Why nobody can notice, where [`EXPLAINED`] says.
    pub why: Option<&'static str>,
}

/// How a mutant ended.
enum Fate {
    Refused,
    Found,
    Survives,
}

/// Looks for every mutant in up to `options.seeds` seeds under each variant.
///
/// # Errors
/// [`Problem`](crate::terminal::exit::Problem) when what is to be changed cannot be deployed itself.
pub fn run(options: &Options) -> Outcome<MutantsReport> {
    let began = Instant::now();
    let parameters = BTreeMap::from([("ReviewSeconds".to_owned(), REVIEW_SECONDS.to_owned())]);
    let files = duet_lab::bundled();
    let sound = super::definitions(&parameters)?;
    let worlds = options.seeds * options.variants.len() as u64;
    let weathers = WEATHERS.map(|faults| Options {
        faults: faults.map_or_else(|| options.faults.clone(), |faults| faults()),
        ..options.clone()
    });
    let tries = |at: u64| (&weathers[(at / worlds) as usize], at % worlds);
    // Only worlds that are in order as they are can tell of a mutant.
    let many = worlds * weathers.len() as u64;
    let clean = in_parallel(options.threads, "worlds", many, |at| {
        let (options, world) = tries(at);
        let end = simulate(&sound, options, world, &Cut::default())?;
        Ok(end.findings.is_empty().then_some(at))
    })?;
    let clean: Vec<u64> = clean.into_iter().flatten().collect();
    let mutants = all(&files, &sound)?;
    let shops = alone(&sound, options)?;
    let fates = in_parallel(options.threads, "mutants", mutants.len() as u64, |at| {
        let mutant = &mutants[at as usize];
        let Ok(definitions) = mutant.deploy(&files, &sound, &parameters) else {
            return Ok(Fate::Refused);
        };
        for at in &clean {
            let (options, world) = tries(*at);
            if !shops[variant_of(options, world).name].has(mutant) {
                continue;
            }
            match simulate(&definitions, options, world, &Cut::default()) {
                // Whoever cannot even be started is refused as well.
                Err(_) => return Ok(Fate::Refused),
                Ok(end) if !end.findings.is_empty() => return Ok(Fate::Found),
                Ok(_) => {}
            }
        }
        Ok(Fate::Survives)
    })?;
    let survivors: Vec<Survivor> = mutants
        .iter()
        .zip(&fates)
        .filter(|(_, fate)| matches!(fate, Fate::Survives))
        .map(|(mutant, _)| Survivor {
            place: mutant.place.clone(),
            change: mutant.change.clone(),
            why: explained().find_map(|(place, change, why)| {
                (place == mutant.place && change == mutant.change).then_some(why)
            }),
        })
        .collect();
    let count = |wanted: fn(&Fate) -> bool| fates.iter().filter(|fate| wanted(fate)).count();
    Ok(MutantsReport {
        mutants: mutants.len(),
        refused: count(|fate| matches!(fate, Fate::Refused)),
        found: count(|fate| matches!(fate, Fate::Found)),
        unexplained: survivors.iter().filter(|one| one.why.is_none()).count(),
        survivors,
        elapsed_s: began.elapsed().as_secs_f64(),
    })
}

/// What [`EXPLAINED`] explains: place, change, reason. A row may name several places, and
/// several changes.
fn explained() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let rows = EXPLAINED.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        let mut cells = row.trim_matches('|').splitn(3, " | ").map(str::trim);
        let mut next = || cells.next().unwrap_or_default();
        let (places, changes, why) = (next(), next(), next());
        let pairs = named(places).flat_map(move |place| named(changes).map(move |it| (place, it)));
        pairs.map(move |(place, change)| (place, change, why))
    })
}

/// The names in a cell, each between backticks.
fn named(cell: &'static str) -> impl Iterator<Item = &'static str> {
    cell.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests;
