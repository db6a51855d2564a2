//! The comparison: what each variant costs, how long it takes, what it
//! survives, and who knows whom. Rows are questions, columns are variants; how
//! many there are nobody here knows.
//!
//! | module | what it owns |
//! |---|---|
//! | [`worlds`] | worlds in which orders are placed, to see what they take |
//! | [`time`] | quantiles, their ranges, and where the time goes |
//! | [`prices`], [`bill`], [`money`] | dated prices; what is charged for; what an order costs, and what stands |
//! | [`failure`] | what becomes of good orders when something goes wrong |
//! | [`guarantees`] | what is promised, by whom, and what a run shows of it |
//! | [`coupling`] | the graph of who knows whom |
//! | [`change`] | what a change touches, and what there is from scratch |
//! | [`check`] | whether it fits itself, and documents say what it says |
//! | [`elsewhere`] | what an emulator or AWS can tell of it |
//! | [`tell`] | the comparison for people: in a terminal, and in Markdown |

pub mod bill;
pub mod change;
pub mod check;
pub mod coupling;
pub mod elsewhere;
pub mod failure;
pub mod guarantees;
pub mod money;
pub mod prices;
mod tell;
pub mod time;
mod worlds;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use duet_lab::{Definitions, FaultRule, Meter, Profile, Time as Timing};
use serde::{Deserialize, Serialize};

use self::change::{Change, Scratch};
use self::coupling::Coupling;
use self::failure::Trouble;
use self::guarantees::Guarantee;
use self::money::{BreakEven, Dated, Money};
use self::time::{Spread, Time};
use self::worlds::{Ask, Sample};
use crate::shop::scenario::{self, Scenario};
use crate::shop::variant::{self, Description, Style, Variant};
use crate::simulate::parallel::in_parallel;
use crate::simulate::threads;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::world::lab;

/// What the time to wholeness is measured with: a rejection after stock was
/// reserved.
const REJECTED: &str = "card-declined";

/// What to compare.
#[derive(Debug, Clone)]
pub struct Options {
    /// The variants.
    pub variants: Vec<&'static Variant>,
    /// Whose orders are placed.
    pub scenario: &'static Scenario,
    /// How long things take.
    pub profile: Arc<Profile>,
    /// In how many worlds, each with the profile's assumptions elsewhere.
    pub draws: u32,
    /// How many orders of each variant in each.
    pub orders: u32,
    /// What goes wrong while time and money are measured.
    pub faults: Vec<FaultRule>,
    /// What goes wrong in the rows about failure.
    pub troubles: Vec<Trouble>,
    /// Orders in each of these rows.
    pub troubled: u32,
    /// Decides what is drawn.
    pub seed: u64,
    /// The most that a million orders may cost under any variant, in US dollars.
    pub budget: Option<f64>,
    /// Whether guarantees and changes are left out, for which worlds and definitions of
    /// their own are made.
    pub brief: bool,
    /// How many worlds run side by side.
    pub threads: usize,
}

/// What was compared, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Where: the lab.
    pub on: String,
    /// The profile of the lab's times.
    pub profile: String,
    /// Whether its times are of AWS.
    pub profile_is_of_aws: bool,
    /// How many rows of it somebody measured.
    pub measured_rows: usize,
    /// How many are assumed.
    pub assumed_rows: usize,
    /// The scenario.
    pub scenario: String,
    /// What went wrong on purpose.
    pub faults: Vec<String>,
    /// Worlds, each with its own assumptions.
    pub draws: u32,
    /// Orders in each.
    pub orders: u32,
    /// Orders in each row about failure.
    pub troubled: u32,
    /// What decided what was drawn.
    pub seed: u64,
    /// How long a step is tried, in seconds.
    pub patience_s: u32,
}

impl Settings {
    fn of(definitions: &Definitions, options: &Options) -> Self {
        let patience = definitions.outputs.get("PatienceSeconds");
        let measured = |row: &&duet_lab::Row| matches!(row.time, Timing::Measured { .. });
        Self {
            on: "lab".to_owned(),
            profile: options.profile.name.clone(),
            profile_is_of_aws: options.profile.is_of_aws(),
            measured_rows: options.profile.rows.iter().filter(measured).count(),
            assumed_rows: options.profile.assumed().count(),
            scenario: options.scenario.name.to_owned(),
            faults: options
                .faults
                .iter()
                .map(|rule| Trouble::Rate(rule.clone()).to_string())
                .collect(),
            draws: options.draws,
            orders: options.orders,
            troubled: options.troubled,
            seed: options.seed,
            patience_s: patience.and_then(|it| it.parse().ok()).unwrap_or_default(),
        }
    }
}

/// A variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Who decides what is next.
    pub style: Style,
    /// What carries it.
    pub carried_by: String,
}

impl Column {
    fn of(variant: &Variant) -> Self {
        Self {
            name: variant.name.to_owned(),
            style: variant.style,
            carried_by: variant.carried_by.to_owned(),
        }
    }
}

/// The two of `names` that `are` together, each pair once.
fn pairs(names: &[String], are: impl Fn(&str, &str) -> bool) -> Vec<[String; 2]> {
    let mut pairs = Vec::new();
    for (at, one) in names.iter().enumerate() {
        let others = names[at + 1..].iter().filter(|other| are(one, other));
        pairs.extend(others.map(|other| [one.clone(), other.clone()]));
    }
    pairs
}

/// Why orders of `scenario` are not timed, and which could be.
fn not_plain(scenario: &Scenario) -> Problem {
    let plain = scenario::ALL.iter().filter(|one| worlds::is_plain(one));
    let plain: Vec<&str> = plain.map(|one| one.name).collect();
    Problem::usage(format!(
        "{} needs more than orders that go their way alone, so its time says nothing",
        scenario.name
    ))
    .hint(format!("choose one of {}", plain.join(", ")))
}

/// The whole comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// How it was made.
    pub settings: Settings,
    /// The variants, in the order of the columns.
    pub variants: Vec<Column>,
    /// How long an order takes.
    pub time: BTreeMap<String, Time>,
    /// Variants whose median times may be the same for all that is known.
    pub indistinguishable: Vec<[String; 2]>,
    /// What it costs.
    pub money: BTreeMap<String, Money>,
    /// When two cost the same.
    pub break_even: Vec<BreakEven>,
    /// The prices behind it.
    pub prices: Vec<Dated>,
    /// What becomes of good orders when something goes wrong.
    pub failure: Vec<failure::Row>,
    /// What is promised.
    pub guarantees: Vec<Guarantee>,
    /// Who knows whom.
    pub coupling: BTreeMap<String, Coupling>,
    /// What each variant is made of before anything is added.
    pub scratch: Vec<Scratch>,
    /// What a change touches.
    pub change: Vec<Change>,
    /// The most that a million orders may cost, and who costs more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

/// What a million orders may cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// US dollars.
    pub usd: f64,
    /// Who costs more.
    pub exceeded_by: Vec<String>,
}

impl Comparison {
    /// Whether every variant stays within the budget.
    #[must_use]
    pub fn verdict(&self) -> Exit {
        match &self.budget {
            Some(budget) if !budget.exceeded_by.is_empty() => Exit::Failed,
            _ => Exit::Done,
        }
    }
}

/// The built-in definitions, under which each of `variants` tries a step for the same
/// time: what is lost to a fault says something of a variant only then. It is the
/// shortest that one of them has for itself.
///
/// # Errors
/// [`Problem`] when the definitions cannot be read.
pub fn of_equal_patience(variants: &[&'static Variant]) -> Outcome<Arc<Definitions>> {
    let definitions = lab::definitions(&BTreeMap::new())?;
    let all = Description::all(&definitions.outputs)?;
    let compared = all.iter().filter(|one| variants.contains(&&one.variant));
    match compared.filter_map(|one| one.patience()).min() {
        None => Ok(definitions),
        Some(shortest) => {
            let parameters = [("PatienceSeconds".to_owned(), shortest.to_string())];
            lab::definitions(&parameters.into())
        }
    }
}

/// Compares, in the lab.
///
/// # Errors
/// [`Problem`] when the scenario's orders do not go their way alone, or the
/// definitions do not fit the code.
pub fn run(definitions: &Arc<Definitions>, options: &Options) -> Outcome<Comparison> {
    if !worlds::is_plain(options.scenario) {
        return Err(not_plain(options.scenario));
    }
    let all = Description::all(&definitions.outputs)?;
    let described = options.variants.iter().map(|variant| {
        let found = all.iter().find(|one| one.variant.name == variant.name);
        found.copied().ok_or_else(|| {
            Problem::environment(format!("{} describes itself nowhere", variant.name))
        })
    });
    let described: Vec<&'static Description> = described.collect::<Outcome<_>>()?;
    let names: Vec<String> = options
        .variants
        .iter()
        .map(|it| it.name.to_owned())
        .collect();
    let samples = samples(definitions, options)?;
    let mut time = BTreeMap::new();
    let mut money = BTreeMap::new();
    let mut coupling = BTreeMap::new();
    let (mut scratch, mut changes) = (Vec::new(), Vec::new());
    for ((description, name), samples) in described.iter().zip(&names).zip(&samples) {
        time.insert(name.clone(), Time::of(samples));
        let mut used = Meter::default();
        samples.iter().for_each(|sample| used += sample.used);
        let orders = samples.iter().map(|sample| sample.orders).sum();
        let metrics: BTreeSet<&String> = samples.iter().flat_map(|it| &it.metrics).collect();
        let costs = money::of(definitions, description, (&used, orders), metrics.len())?;
        money.insert(name.clone(), costs);
        coupling.insert(name.clone(), coupling::of(definitions, description));
        if !options.brief {
            scratch.push(change::scratch(definitions, description)?);
            changes.extend(change::all(definitions, description)?);
        }
    }
    let indistinguishable = pairs(&names, |one, other| {
        time[one].decided_ms.overlaps(&time[other].decided_ms)
    });
    let budget = options.budget.map(|usd| Budget {
        usd,
        exceeded_by: names
            .iter()
            .filter(|name| money[*name].per_million_usd["total"] > usd)
            .cloned()
            .collect(),
    });
    Ok(Comparison {
        settings: Settings::of(definitions, options),
        variants: options
            .variants
            .iter()
            .map(|variant| Column::of(variant))
            .collect(),
        break_even: money::break_even(&names, &money),
        prices: money::used(money.values(), worlds::today()),
        failure: failures(definitions, options, &time)?,
        guarantees: match options.brief {
            true => Vec::new(),
            false => guarantees(definitions, options, &described)?,
        },
        time,
        indistinguishable,
        money,
        coupling,
        scratch,
        change: changes,
        budget,
    })
}

/// The profile that says most of AWS as it is.
pub const PROFILE: &str = "aws-2024";

/// The comparison of all built-in variants in a few lines, from few orders.
///
/// # Errors
/// As [`run`].
pub fn in_short(definitions: &Arc<Definitions>) -> Outcome<String> {
    let profile = Profile::named(PROFILE).unwrap_or_else(Profile::fast);
    let happy = scenario::named("happy").map_err(Problem::environment)?;
    let options = Options {
        variants: variant::ALL.iter().collect(),
        scenario: happy,
        profile,
        draws: 20,
        orders: 10,
        faults: Vec::new(),
        troubles: Vec::new(),
        troubled: 0,
        seed: 1,
        budget: None,
        brief: true,
        threads: threads(),
    };
    Ok(run(definitions, &options)?.in_short())
}

/// The worlds of each variant, in the order of the variants and the draws.
fn samples(definitions: &Arc<Definitions>, options: &Options) -> Outcome<Vec<Vec<Sample>>> {
    let rejects = scenario::named(REJECTED).map_err(Problem::environment)?;
    let rejected = options.orders.div_ceil(5);
    let draws = u64::from(options.draws);
    let worlds = draws * options.variants.len() as u64;
    let all = in_parallel(options.threads, "worlds timed", worlds, |world| {
        let ask = Ask {
            definitions,
            variant: options.variants[(world / draws) as usize],
            profile: &options.profile,
            faults: &options.faults,
            seed: options.seed.wrapping_mul(1_000_003) + world,
            // What is assumed is the same for all variants of a draw.
            draw: options.seed.wrapping_mul(31) + world % draws,
        };
        ask.sample((options.scenario, options.orders), (rejects, rejected))
    })?;
    let mut all = all.into_iter();
    let of = |_| all.by_ref().take(options.draws as usize).collect();
    Ok(options.variants.iter().map(of).collect())
}

impl Time {
    fn of(samples: &[Sample]) -> Self {
        let spread = |of: fn(&Sample) -> &Vec<i64>| {
            Spread::of(samples.iter().map(|sample| of(sample).as_slice()))
        };
        let mut share: BTreeMap<String, f64> = BTreeMap::new();
        for (waits_for, ms) in samples.iter().flat_map(|sample| &sample.parts) {
            *share.entry(time::name(*waits_for).to_owned()).or_default() += *ms as f64;
        }
        let sum = share.values().sum::<f64>().max(1.0);
        share.values_mut().for_each(|part| *part /= sum);
        Self {
            decided_ms: spread(|sample| &sample.warm),
            cold_decided_ms: spread(|sample| &sample.cold),
            whole_ms: spread(|sample| &sample.whole),
            share,
        }
    }
}

/// What is promised for every variant, and shown.
fn guarantees(
    definitions: &Arc<Definitions>,
    options: &Options,
    described: &[&'static Description],
) -> Outcome<Vec<Guarantee>> {
    let all = in_parallel(
        options.threads,
        "variants tried",
        described.len() as u64,
        |at| {
            let description = described[at as usize];
            let ask = Ask {
                definitions,
                variant: &description.variant,
                profile: &options.profile,
                faults: &[],
                seed: options.seed,
                draw: options.seed,
            };
            guarantees::of(&ask, description)
        },
    )?;
    Ok(all.concat())
}

/// Every row about failure, of every variant.
fn failures(
    definitions: &Arc<Definitions>,
    options: &Options,
    time: &BTreeMap<String, Time>,
) -> Outcome<Vec<failure::Row>> {
    if options.troubled == 0 {
        return Ok(Vec::new());
    }
    let cells: Vec<(&Trouble, &'static Variant)> = options
        .troubles
        .iter()
        .flat_map(|trouble| options.variants.iter().map(move |it| (trouble, *it)))
        .collect();
    let firsts = (0..options.troubled).step_by(failure::AT_ONCE as usize);
    let firsts: Vec<u32> = firsts.collect();
    let worlds = (cells.len() * firsts.len()) as u64;
    let parts = in_parallel(options.threads, "worlds in trouble", worlds, |world| {
        let (cell, part) = (world as usize / firsts.len(), world as usize % firsts.len());
        let (trouble, variant) = cells[cell];
        let orders = failure::AT_ONCE.min(options.troubled - firsts[part]);
        let ask = Ask {
            definitions,
            variant,
            profile: &options.profile,
            faults: &[],
            seed: options.seed.wrapping_mul(7_919) + world,
            draw: options.seed.wrapping_mul(31) + part as u64,
        };
        // Where nothing goes wrong the slowest takes so long.
        let usual = time[variant.name].decided_ms.range.get("p99");
        let usual = usual.map_or(i64::MAX, |range| range[1]);
        ask.troubled(trouble, orders, usual)
    })?;
    let rows = cells.iter().zip(parts.chunks(firsts.len().max(1)));
    let rows = rows.map(|((trouble, variant), parts)| {
        let mut row = failure::Row {
            fault: trouble.to_string(),
            variant: variant.name.to_owned(),
            ..failure::Row::default()
        };
        parts.iter().for_each(|part| row.add(part));
        row.count_steps();
        row
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests;
