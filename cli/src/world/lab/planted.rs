//! Whether the checks have teeth: mistakes are planted, and looked for with the
//! same checks as ever.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use duet_lab::{Definitions, Plant};
use serde::Serialize;

use super::simulate::{Cut, Options, REVIEW_SECONDS, simulate, variant_of};
use crate::exit::{Exit, Outcome, Problem};
use crate::report::{Report, table, trimmed};

/// What became of the planted mistakes.
#[derive(Debug, Clone, Serialize)]
pub struct PlantedReport {
    /// How many mistakes were planted.
    pub planted: usize,
    /// How many were found.
    pub found: usize,
    /// How many seeds it took, for half of those found.
    pub median_seeds: u64,
    /// Those not found.
    pub missed: Vec<&'static str>,
    /// How each was found.
    pub mistakes: Vec<Found>,
    /// Seconds of the machine's time.
    pub elapsed_s: f64,
}

/// How a mistake was found.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// The mistake.
    pub plant: &'static str,
    /// What is wrong.
    pub about: &'static str,
    /// How many seeds it took; absent when it was not found.
    pub seeds: Option<u64>,
    /// What gave it away.
    pub by: Option<String>,
}

/// Plants each of `plants` in turn, and looks for it in up to `options.seeds`
/// seeds, calm and stormy ones by turns.
///
/// # Errors
/// [`Problem`] when the definitions cannot be deployed.
pub fn run(
    plants: &[Plant],
    options: &Options,
    parameters: &BTreeMap<String, String>,
) -> Outcome<PlantedReport> {
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let found: Mutex<BTreeMap<u64, Outcome<Found>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(plant) = plants.get(at as usize) else {
                        break;
                    };
                    let one = look_for(*plant, options, parameters);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    found.insert(at, one);
                }
            });
        }
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mistakes: Vec<Found> = found.into_values().collect::<Outcome<_>>()?;
    let mut seeds: Vec<u64> = mistakes.iter().filter_map(|one| one.seeds).collect();
    seeds.sort_unstable();
    let missed = mistakes.iter().filter(|one| one.seeds.is_none());
    Ok(PlantedReport {
        planted: mistakes.len(),
        found: seeds.len(),
        median_seeds: seeds.get(seeds.len() / 2).copied().unwrap_or(0),
        missed: missed.map(|one| one.plant).collect(),
        mistakes,
        elapsed_s: began.elapsed().as_secs_f64(),
    })
}

fn look_for(
    plant: Plant,
    options: &Options,
    parameters: &BTreeMap<String, String>,
) -> Outcome<Found> {
    let mut parameters = parameters.clone();
    let review = parameters.entry("ReviewSeconds".to_owned());
    review.or_insert_with(|| REVIEW_SECONDS.to_owned());
    let mut files = duet_lab::bundled();
    plant.plant_in_files(&mut files);
    let definitions = Definitions::read(files, super::STACK, &parameters);
    let definitions = definitions.map(Arc::new).map_err(Problem::usage)?;
    let sound = super::definitions(&parameters)?;
    let calm = Options {
        faults: Vec::new(),
        ..options.clone()
    };
    let cut = Cut::planted(plant);
    let variants = options.variants.len() as u64;
    let mut found = Found {
        plant: plant.name(),
        about: plant.about(),
        seeds: None,
        by: None,
    };
    for seed in 0..options.seeds {
        let weather = if seed % 2 == 0 { &calm } else { options };
        for world in seed * variants..(seed + 1) * variants {
            let end = simulate(&definitions, weather, world, &cut)?;
            if let Some((number, _, what)) = end.findings.first() {
                // What goes wrong without the mistake as well says nothing of it.
                let without = simulate(&sound, weather, world, &Cut::default())?;
                if !without.findings.is_empty() {
                    continue;
                }
                let variant = variant_of(options, world).name;
                found.seeds = Some(seed + 1);
                found.by = Some(format!("invariant {number}, {variant}: {what}"));
                return Ok(found);
            }
        }
    }
    Ok(found)
}

impl Report for PlantedReport {
    fn text(&self) -> String {
        let mut rows = table(&["MISTAKE", "SEEDS", "FOUND BY"]);
        for mistake in &self.mistakes {
            let seeds = mistake
                .seeds
                .map_or("-".to_owned(), |seeds| seeds.to_string());
            let by = mistake.by.clone();
            let by = by.unwrap_or_else(|| format!("not found: {}", mistake.about));
            rows.add_row([mistake.plant.to_owned(), seeds, by]);
        }
        format!(
            "{}\n\n{} of {} found, half of them within {} seeds, {:.1} s",
            trimmed(&rows),
            self.found,
            self.planted,
            self.median_seeds,
            self.elapsed_s
        )
    }

    fn exit(&self) -> Exit {
        if self.missed.is_empty() {
            Exit::Done
        } else {
            Exit::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use duet_lab::FaultRule;

    use super::*;
    use crate::variant;

    #[test]
    fn every_planted_mistake_is_found() {
        let options = Options {
            seeds: 60,
            from: 1,
            variants: variant::ALL.iter().collect(),
            orders: 10,
            faults: FaultRule::all(),
            scenarios: Vec::new(),
            threads: 2,
        };
        let report = run(Plant::ALL, &options, &BTreeMap::new()).unwrap();
        assert!(report.planted >= 25);
        // With patience by the clock no execution ends without having said what is
        // owed, unless somebody stops it, which no kind of fault does yet.
        let mut missed = report.missed.iter();
        let only = missed.all(|missed| *missed == Plant::NobodyParks.name());
        assert!(only, "{}", report.text());
    }
}
