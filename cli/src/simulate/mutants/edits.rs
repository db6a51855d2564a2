//! The places at which a state machine or a deployed resource is changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use duet_lab::{DefinitionError, Definitions, Files, Mapping, Queue, Subscription, Target};
use serde_json::{Map, Value, json};

use super::shops::entered;
use crate::terminal::exit::Outcome;
use crate::world::lab;

/// How a mutant differs from what is deployed.
pub(super) enum Edit {
    /// In a file: what its JSON becomes at a pointer; `None` takes it away.
    Json(String, String, Option<Value>),
    /// In what the templates deploy.
    Resource(Box<dyn Fn(&mut Definitions) + Send + Sync>),
}

pub(super) struct Mutant {
    pub(super) place: String,
    pub(super) change: String,
    pub(super) edit: Edit,
}

impl Mutant {
    pub(super) fn deploy(
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
                if let Some(text) = files.get_mut(file) {
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

/// A state machine; null where it cannot be read, which then has no mutants.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// Every mutant.
///
/// # Errors
/// [`Problem`](crate::terminal::exit::Problem) when a variant does not describe itself.
pub(super) fn all(files: &Files, sound: &Definitions) -> Outcome<Vec<Mutant>> {
    let entered = entered(sound)?;
    let texts = entered
        .iter()
        .filter_map(|file| Some((file, files.get(file)?)));
    let of_machines = texts.flat_map(|(file, text)| of_machine(file, text));
    Ok(of_machines.chain(of_resources(sound)).collect())
}

/// The mutants of the state machine that `text`, in `file`, defines.
pub(super) fn of_machine(file: &str, text: &str) -> Vec<Mutant> {
    let json = read(text);
    let mut mutants = Vec::new();
    let name = file.trim_start_matches("infra/");
    states(&json, "", &mut |pointer, state| {
        let title = pointer.rsplit('/').next().unwrap_or_default();
        let mut add = |change: String, at: String, to: Option<Value>| {
            mutants.push(Mutant {
                place: format!("{name} {title}"),
                change,
                edit: Edit::Json(file.to_owned(), at, to),
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
pub(super) fn of_resources(all: &Definitions) -> Vec<Mutant> {
    let rules = of_rules(all).chain(of_subscriptions(all));
    rules
        .chain(of_queues(all))
        .chain(of_functions(all))
        .collect()
}

/// The mutant of the resource called `place` on which `edit` is done.
fn resource(
    place: &str,
    change: &str,
    edit: impl Fn(&mut Definitions) + Send + Sync + 'static,
) -> Mutant {
    Mutant {
        place: place.to_owned(),
        change: change.to_owned(),
        edit: Edit::Resource(Box::new(edit)),
    }
}

fn of_rules(all: &Definitions) -> impl Iterator<Item = Mutant> {
    let each = all.rules.iter().enumerate();
    each.flat_map(|(n, rule)| {
        let of = |change, edit: fn(&mut Target)| {
            resource(&rule.name, change, move |all| {
                all.rules[n].targets.iter_mut().for_each(edit);
            })
        };
        [
            resource(&rule.name, "no such rule", move |all| {
                all.rules.remove(n);
            }),
            of("no dead-letter queue", |to| to.dead_letters = None),
            of("never tried again", |to| to.max_attempts = 0),
            of("no queue at its end", |to| to.queue = None),
        ]
    })
}

fn of_subscriptions(all: &Definitions) -> impl Iterator<Item = Mutant> {
    let each = all.subscriptions.iter().enumerate();
    each.flat_map(|(n, it)| {
        let of = |change, edit: fn(&mut Subscription)| {
            resource(&it.name, change, move |all| edit(&mut all.subscriptions[n]))
        };
        let filter = it.filter.is_some();
        let mutants = [
            resource(&it.name, "no such subscription", move |all| {
                all.subscriptions.remove(n);
            }),
            of("no dead-letter queue", |it| it.dead_letters = None),
            of("no queue at its end", |it| it.queue = None),
            of("no raw delivery", |it| it.raw = false),
        ];
        let unfiltered = filter.then(|| of("no filter", |it| it.filter = None));
        mutants.into_iter().chain(unfiltered)
    })
}

fn of_queues(all: &Definitions) -> impl Iterator<Item = Mutant> {
    let each = all.queues.iter().enumerate();
    let queues = each.flat_map(|(n, queue)| {
        let of = |change, edit: fn(&mut Queue)| {
            resource(&queue.name, change, move |all| edit(&mut all.queues[n]))
        };
        let mut mutants = vec![of("kept for a minute", |it| it.retention = 60_000)];
        if queue.redrive.is_some() {
            mutants.push(of("no dead-letter queue", |it| it.redrive = None));
            mutants.push(of("dead after one receive", |it| {
                it.redrive.iter_mut().for_each(|(_, most)| *most = 1);
            }));
            mutants.push(of("visible again at once", |it| it.visibility = 100));
        }
        if !queue.sources.is_empty() {
            mutants.push(of("no rule may send", |it| it.sources.clear()));
        }
        mutants
    });
    let mappings = all.mappings.iter().enumerate().map(|(n, mapping)| {
        let place = mapping_of(all, mapping);
        resource(&place, "no partial failures", move |all| {
            all.mappings[n].partial = false;
        })
    });
    queues.chain(mappings)
}

/// What the mapping of a queue is called here.
pub(super) fn mapping_of(all: &Definitions, mapping: &Mapping) -> String {
    format!("mapping of {}", all.queues[mapping.queue].name)
}

fn of_functions(all: &Definitions) -> impl Iterator<Item = Mutant> {
    let each = all.functions.iter().enumerate();
    each.flat_map(|(n, function)| {
        let hurried = resource(&function.name, "a second to run", move |all| {
            all.functions[n].timeout = 1_000;
        });
        let turned = function
            .environment
            .iter()
            .filter_map(move |(name, value)| {
                let other = match value.as_str() {
                    "true" => "false",
                    "false" => "true",
                    number if number.parse::<u64>().is_ok() => "1",
                    _ => return None,
                };
                let set = name.clone();
                let change = format!("{name}={other}");
                Some(resource(&function.name, &change, move |all| {
                    let environment = &mut all.functions[n].environment;
                    environment.insert(set.clone(), other.to_owned());
                }))
            });
        std::iter::once(hurried).chain(turned)
    })
}
