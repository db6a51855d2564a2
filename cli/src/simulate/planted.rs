//! Whether the checks have teeth: mistakes are planted, and looked for with the
//! same checks, faults and mix of scenarios as ever, and in the same worlds
//! without faults, under each variant in which they can show.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use duet_lab::{Definitions, Plant, Reach};
use serde::Serialize;

use super::parallel::in_parallel;
use super::play::is_borne;
use super::{Cut, Options, REVIEW_SECONDS, simulate};
use crate::shop::variant::Variant;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::world::lab;

/// How many seeds it may take to find a mistake under a variant.
pub const SEEDS: u64 = 30;

/// How many orders are in a world where a mistake is looked for: some show only in
/// what happens to one order of hundreds.
pub const ORDERS: usize = 20;

/// What became of the planted mistakes.
#[derive(Debug, Clone, Serialize)]
pub struct PlantedReport {
    /// How many mistakes were planted.
    pub planted: usize,
    /// How many were found under every variant in which they can show.
    pub found: usize,
    /// How many seeds it took, for half of what was found.
    pub median_seeds: u64,
    /// Those not found, and under which variant.
    pub missed: Vec<String>,
    /// How each was looked for.
    pub mistakes: Vec<Mistake>,
    /// Seconds of the machine's time.
    pub elapsed_s: f64,
}

/// A mistake under one variant.
#[derive(Debug, Clone, Serialize)]
pub struct Mistake {
    /// The mistake.
    pub plant: &'static str,
    /// What is wrong.
    pub about: &'static str,
    /// Under which variant it was looked for.
    pub variant: &'static str,
    /// How many seeds it took; absent when it was not found.
    pub seeds: Option<u64>,
    /// The seed that shows it.
    pub seed: Option<u64>,
    /// What gave it away.
    pub by: Option<String>,
}

/// Plants each of `plants` in turn, and looks for it in up to `options.seeds`
/// seeds of each variant in which it can show.
///
/// # Errors
/// [`Problem`] when the definitions cannot be deployed.
pub fn run(
    plants: &[Plant],
    options: &Options,
    parameters: &BTreeMap<String, String>,
) -> Outcome<PlantedReport> {
    let began = Instant::now();
    let jobs: Vec<(Plant, &'static Variant)> = plants
        .iter()
        .flat_map(|plant| {
            let reached = options
                .variants
                .iter()
                .filter(|variant| reaches(*plant, variant));
            reached.map(|variant| (*plant, *variant))
        })
        .collect();
    let mistakes = in_parallel(
        options.threads,
        "planted mistakes",
        jobs.len() as u64,
        |at| {
            let (plant, variant) = jobs[at as usize];
            look_for(plant, variant, options, parameters)
        },
    )?;
    let mut seeds: Vec<u64> = mistakes.iter().filter_map(|one| one.seeds).collect();
    seeds.sort_unstable();
    let missed: Vec<&Mistake> = mistakes.iter().filter(|one| one.seeds.is_none()).collect();
    let all_found = |plant: &&Plant| !missed.iter().any(|one| one.plant == plant.name());
    Ok(PlantedReport {
        planted: plants.len(),
        found: plants.iter().filter(all_found).count(),
        median_seeds: seeds.get(seeds.len() / 2).copied().unwrap_or(0),
        missed: missed
            .iter()
            .map(|one| format!("{} under {}", one.plant, one.variant))
            .collect(),
        mistakes,
        elapsed_s: began.elapsed().as_secs_f64(),
    })
}

/// Whether a mistake can show under a variant.
fn reaches(plant: Plant, variant: &Variant) -> bool {
    match plant.reach() {
        Reach::Everywhere => true,
        Reach::Workflows => variant.keeps_executions,
        Reach::Express => variant.has_machines && !variant.keeps_executions,
        Reach::Facts => variant.has_facts,
        Reach::Overtaken => variant.has_facts && !variant.keeps_order,
        Reach::Rules => variant.has_rules,
        Reach::Topics => variant.has_facts && !variant.has_rules,
        Reach::FifoTopics => variant.keeps_order,
    }
}

fn look_for(
    plant: Plant,
    variant: &'static Variant,
    options: &Options,
    parameters: &BTreeMap<String, String>,
) -> Outcome<Mistake> {
    let mut parameters = parameters.clone();
    let review = parameters.entry("ReviewSeconds".to_owned());
    review.or_insert_with(|| REVIEW_SECONDS.to_owned());
    let mut files = duet_lab::bundled();
    plant.plant_in_files(&mut files);
    let definitions = Definitions::read(files, lab::STACK, &parameters);
    let definitions = definitions.map(Arc::new).map_err(Problem::usage)?;
    let sound = super::definitions(&parameters)?;
    let options = Options {
        variants: vec![variant],
        ..options.clone()
    };
    let cut = Cut::planted(plant);
    let mut mistake = Mistake {
        plant: plant.name(),
        about: plant.about(),
        variant: variant.name,
        seeds: None,
        seed: None,
        by: None,
    };
    // A mistake that shows where nothing else goes wrong must show there: among
    // faults it may pass for what they do.
    let calm = Options {
        faults: Vec::new(),
        ..options.clone()
    };
    // … and one that leaves work to somebody, where every step bears what goes wrong:
    // among other faults that is nothing to wonder at.
    let borne = Options {
        faults: options
            .faults
            .iter()
            .filter(|it| is_borne(it, variant))
            .cloned()
            .collect(),
        ..options.clone()
    };
    let tries =
        (0..options.seeds).flat_map(|world| [(world, &calm), (world, &options), (world, &borne)]);
    for (world, options) in tries {
        let end = simulate(&definitions, options, world, &cut)?;
        if let Some((number, _, what)) = end.findings.first() {
            // What goes wrong without the mistake as well says nothing of it.
            let without = simulate(&sound, options, world, &Cut::default())?;
            if !without.findings.is_empty() {
                continue;
            }
            mistake.seeds = Some(world + 1);
            mistake.seed = Some(options.from + world);
            mistake.by = Some(format!("invariant {number}: {what}"));
            break;
        }
    }
    Ok(mistake)
}

impl Report for PlantedReport {
    fn text(&self) -> String {
        let mut rows = table([
            table::prose("MISTAKE"),
            table::word("VARIANT"),
            table::number("SEED"),
            table::prose("FOUND BY"),
        ]);
        for mistake in &self.mistakes {
            let seed = mistake.seed.map_or("-".to_owned(), |seed| seed.to_string());
            let by = mistake.by.clone();
            let by = by.unwrap_or_else(|| format!("not found: {}", mistake.about));
            let (plant, variant) = (mistake.plant.to_owned(), mistake.variant.to_owned());
            rows.add_row([plant, variant, seed, by]);
        }
        format!(
            "{}\n\n{} of {} found wherever they can show, half of it within {} seeds, {:.1} s",
            rows.text(),
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
    use crate::shop::variant;

    #[test]
    fn every_planted_mistake_is_found_where_it_can_show() {
        let options = Options {
            seeds: SEEDS,
            from: 1,
            variants: variant::ALL.iter().collect(),
            orders: ORDERS,
            faults: FaultRule::all(),
            scenarios: Vec::new(),
            profile: duet_lab::Profile::fast(),
            threads: 2,
        };
        let report = run(Plant::ALL, &options, &BTreeMap::new()).unwrap();
        assert_eq!(report.planted, Plant::ALL.len());
        assert!(report.missed.is_empty(), "{}", report.text());
    }
}
