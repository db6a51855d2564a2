//! Whether everything that is written down matters: each state machine and each
//! deployed resource is changed in one place at a time, and the same checks are
//! to notice. What they do not notice survives.
//!
//! [`planted`](super::planted) are mistakes that people make; these are all the
//! places at which a mistake could be made.

mod report;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use duet_lab::{DefinitionError, Definitions, Fault, FaultRule, Files};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::parallel::in_parallel;
use super::{Cut, Options, REVIEW_SECONDS, simulate, variant_of};
use crate::terminal::exit::Outcome;
use crate::world::lab;

/// In how many seeds of each variant a mutant is looked for.
pub const SEEDS: u64 = 20;

/// The most survivors that nobody explains, of a hundred mutants.
const UNEXPLAINED: usize = 3;

/// Why some mutants survive: a table of places, changes and reasons.
const EXPLAINED: &str = include_str!("../../../docs/mutants.md");

/// The state machines that are changed: those that are deployed by default.
const MACHINES: [&str; 2] = [
    "infra/orchestration/order.asl.json",
    "infra/orchestration/customer.asl.json",
];

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

/// How a mutant differs from what is deployed.
enum Edit {
    /// In a file: what its JSON becomes at a pointer; `None` takes it away.
    Json(&'static str, String, Option<Value>),
    /// In what the templates deploy.
    Resource(Box<dyn Fn(&mut Definitions) + Send + Sync>),
}

struct Mutant {
    place: String,
    change: String,
    edit: Edit,
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
    let mutants = all(&files, &sound);
    let fates = in_parallel(options.threads, "mutants", mutants.len() as u64, |at| {
        let mutant = &mutants[at as usize];
        let Ok(definitions) = mutant.deploy(&files, &sound, &parameters) else {
            return Ok(Fate::Refused);
        };
        for at in &clean {
            let (options, world) = tries(*at);
            let is_machine = matches!(mutant.edit, Edit::Json(..));
            if is_machine && !variant_of(options, world).has_machines {
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

impl Mutant {
    fn deploy(
        &self,
        files: &Files,
        sound: &Definitions,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Arc<Definitions>, DefinitionError> {
        match &self.edit {
            Edit::Resource(edit) => {
                let mut all = sound.clone();
                edit(&mut all);
                Ok(Arc::new(all))
            }
            Edit::Json(file, pointer, to) => {
                let mut files = files.clone();
                if let Some(text) = files.get_mut(*file) {
                    let mut json = read(text);
                    put(&mut json, pointer, to.clone());
                    *text = json.to_string();
                }
                Definitions::read(files, lab::STACK, parameters).map(Arc::new)
            }
        }
    }
}

/// Puts `to` where `pointer` points, or takes away what is there.
fn put(json: &mut Value, pointer: &str, to: Option<Value>) {
    let Some((parent, last)) = pointer.rsplit_once('/') else {
        return;
    };
    let last = last.replace("~1", "/").replace("~0", "~");
    match (json.pointer_mut(parent), to) {
        (Some(Value::Object(members)), Some(to)) => {
            members.insert(last, to);
        }
        (Some(Value::Object(members)), None) => {
            members.remove(&last);
        }
        (Some(Value::Array(items)), None) => {
            if let Ok(at) = last.parse::<usize>()
                && at < items.len()
            {
                items.remove(at);
            }
        }
        _ => {}
    }
}

/// The rows of [`EXPLAINED`]: place, change, reason.
fn explained() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let rows = EXPLAINED.lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|row| {
        let mut cells = row.trim_matches('|').splitn(3, " | ").map(str::trim);
        let (place, change, why) = (cells.next()?, cells.next()?, cells.next()?);
        Some((place.trim_matches('`'), change.trim_matches('`'), why))
    })
}

/// A state machine; null where it cannot be read, which then has no mutants.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// Every mutant.
fn all(files: &Files, sound: &Definitions) -> Vec<Mutant> {
    MACHINES
        .into_iter()
        .flat_map(|file| of_machine(file, files))
        .chain(of_resources(sound))
        .collect()
}

/// The mutants of the state machine in `file`.
fn of_machine(file: &'static str, files: &Files) -> Vec<Mutant> {
    let Some(text) = files.get(file) else {
        return Vec::new();
    };
    let json = read(text);
    let mut mutants = Vec::new();
    let name = file.rsplit('/').next().unwrap_or(file);
    states(&json, "", &mut |pointer, state| {
        let title = pointer.rsplit('/').next().unwrap_or_default();
        let mut add = |change: String, at: String, to: Option<Value>| {
            mutants.push(Mutant {
                place: format!("{name} {title}"),
                change,
                edit: Edit::Json(file, at, to),
            });
        };
        if state["Type"] == "Task" {
            let mut pass = Map::from_iter([("Type".to_owned(), json!("Pass"))]);
            for member in ["Next", "End"] {
                pass.extend(state.get(member).map(|to| (member.to_owned(), to.clone())));
            }
            add("left out".to_owned(), pointer.to_owned(), Some(pass.into()));
        }
        for member in ["Retry", "TimeoutSeconds", "Output"] {
            if state.get(member).is_some() {
                add(format!("no {member}"), format!("{pointer}/{member}"), None);
            }
        }
        for list in ["Catch", "Choices"] {
            let items = state[list].as_array().map_or(&[][..], Vec::as_slice);
            for (n, item) in items.iter().enumerate() {
                let what = &item[if list == "Catch" {
                    "ErrorEquals"
                } else {
                    "Condition"
                }];
                add(
                    format!("no {list} of {what}"),
                    format!("{pointer}/{list}/{n}"),
                    None,
                );
                for key in keys(&item["Assign"]) {
                    let at = format!("{pointer}/{list}/{n}/Assign/{key}");
                    add(format!("no {key} assigned by {list} of {what}"), at, None);
                }
            }
        }
        for key in keys(&state["Assign"]) {
            add(
                format!("no {key} assigned"),
                format!("{pointer}/Assign/{key}"),
                None,
            );
        }
        for key in keys(&state["Arguments"]["Payload"]["data"]) {
            let at = format!("{pointer}/Arguments/Payload/data/{key}");
            add(format!("no {key} in its data"), at, None);
        }
    });
    mutants
}

fn keys(of: &Value) -> impl Iterator<Item = &String> {
    of.as_object().into_iter().flat_map(Map::keys)
}

/// Tells `tell` of every state of a machine, with the pointer to it.
fn states(machine: &Value, at: &str, tell: &mut impl FnMut(&str, &Value)) {
    for (name, state) in machine["States"].as_object().into_iter().flatten() {
        let pointer = format!("{at}/States/{name}");
        tell(&pointer, state);
        let branches = state["Branches"].as_array().map_or(&[][..], Vec::as_slice);
        for (n, branch) in branches.iter().enumerate() {
            states(branch, &format!("{pointer}/Branches/{n}"), tell);
        }
    }
}

/// The mutants of what the templates deploy.
fn of_resources(all: &Definitions) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    let mut add = |place: &str, change: &str, edit: Box<dyn Fn(&mut Definitions) + Send + Sync>| {
        mutants.push(Mutant {
            place: place.to_owned(),
            change: change.to_owned(),
            edit: Edit::Resource(edit),
        });
    };
    for (n, rule) in all.rules.iter().enumerate() {
        let name = &rule.name;
        add(
            name,
            "no such rule",
            Box::new(move |all| {
                all.rules.remove(n);
            }),
        );
        add(
            name,
            "no dead-letter queue",
            Box::new(move |all| {
                all.rules[n]
                    .targets
                    .iter_mut()
                    .for_each(|to| to.dead_letters = None);
            }),
        );
        add(
            name,
            "never tried again",
            Box::new(move |all| {
                all.rules[n]
                    .targets
                    .iter_mut()
                    .for_each(|to| to.max_attempts = 0);
            }),
        );
        add(
            name,
            "no queue at its end",
            Box::new(move |all| {
                all.rules[n]
                    .targets
                    .iter_mut()
                    .for_each(|to| to.queue = None);
            }),
        );
    }
    for (n, subscription) in all.subscriptions.iter().enumerate() {
        let name = &*subscription.name;
        add(
            name,
            "no such subscription",
            Box::new(move |all| {
                all.subscriptions.remove(n);
            }),
        );
        add(
            name,
            "no dead-letter queue",
            Box::new(move |all| all.subscriptions[n].dead_letters = None),
        );
        add(
            name,
            "no queue at its end",
            Box::new(move |all| all.subscriptions[n].queue = None),
        );
        add(
            name,
            "no raw delivery",
            Box::new(move |all| all.subscriptions[n].raw = false),
        );
        if subscription.filter.is_some() {
            add(
                name,
                "no filter",
                Box::new(move |all| all.subscriptions[n].filter = None),
            );
        }
    }
    for (n, queue) in all.queues.iter().enumerate() {
        let name = &queue.name;
        if queue.redrive.is_some() {
            add(
                name,
                "no dead-letter queue",
                Box::new(move |all| all.queues[n].redrive = None),
            );
            add(
                name,
                "dead after one receive",
                Box::new(move |all| {
                    all.queues[n]
                        .redrive
                        .iter_mut()
                        .for_each(|(_, most)| *most = 1);
                }),
            );
            add(
                name,
                "visible again at once",
                Box::new(move |all| all.queues[n].visibility = 100),
            );
        }
        add(
            name,
            "kept for a minute",
            Box::new(move |all| all.queues[n].retention = 60_000),
        );
        if !queue.sources.is_empty() {
            add(
                name,
                "no rule may send",
                Box::new(move |all| all.queues[n].sources.clear()),
            );
        }
    }
    for (n, mapping) in all.mappings.iter().enumerate() {
        let name = format!("mapping of {}", all.queues[mapping.queue].name);
        add(
            &name,
            "no partial failures",
            Box::new(move |all| all.mappings[n].partial = false),
        );
    }
    for (n, function) in all.functions.iter().enumerate() {
        let name = &function.name;
        add(
            name,
            "a second to run",
            Box::new(move |all| all.functions[n].timeout = 1_000),
        );
        for (variable, value) in &function.environment {
            let other = match value.as_str() {
                "true" => "false",
                "false" => "true",
                number if number.parse::<u64>().is_ok() => "1",
                _ => continue,
            };
            let set = variable.clone();
            add(
                name,
                &format!("{variable}={other}"),
                Box::new(move |all| {
                    all.functions[n]
                        .environment
                        .insert(set.clone(), other.to_owned());
                }),
            );
        }
    }
    mutants
}

#[cfg(test)]
mod tests;
