//! What a file says of a definition's states: its answers, and where they lead.

use super::{Answers, Mocked, Times};
use crate::Millis;
use crate::exec::TaskError;
use crate::model::StateMachine;
use crate::run::Reply;
use crate::taken::Way;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The answers of a state: how many calls get each, and when.
pub(super) type Script = Vec<(Option<u32>, Reply)>;

/// The answers as they are given, by state.
pub(super) fn scripts(
    mocks: &BTreeMap<String, Answers>,
    place: &str,
    machine: &StateMachine,
    problems: &mut Vec<String>,
) -> HashMap<String, Script> {
    let mut all = HashMap::new();
    for (state, answers) in mocks {
        let place = format!("{place}.{state}");
        is_task(machine, state, &place, problems);
        let last = answers.answers.len().saturating_sub(1);
        let mut script = Script::new();
        for (i, answer) in answers.answers.iter().enumerate() {
            let here = match answers.listed {
                true => format!("{place}[{i}]"),
                false => place.clone(),
            };
            let reply: Option<Option<Mocked>> =
                match (&answer.returns, &answer.throws, answer.never) {
                    (Some(value), None, false) => Some(Some(Ok(value.clone()))),
                    (None, Some(it), false) => Some(Some(Err(TaskError {
                        error: it.error.clone(),
                        cause: it.cause.clone(),
                    }))),
                    (None, None, true) => Some(None),
                    _ => None,
                };
            let Some(reply) = reply else {
                problems.push(format!("{here}: exactly one of returns, throws and never"));
                continue;
            };
            if !(0.0..1e10).contains(&answer.after) {
                problems.push(format!("{here}.after: a number of seconds from 0 on"));
            }
            let times = match answer.times {
                Some(Times::Of(n)) => Some(n),
                Some(Times::Always) => None,
                None => answers.listed.then_some(1),
            };
            if times.is_none() && i < last {
                problems.push(format!(
                    "{here}.times: always is for the last answer: those after it would never come"
                ));
            }
            let delay = (answer.after * 1_000.0).round() as Millis;
            script.push((
                times,
                reply.map_or(Reply::Never, |it| Reply::After(delay, it)),
            ));
        }
        all.insert(state.clone(), script);
    }
    all
}

/// Reports a state that the definition does not have.
pub(super) fn known(
    machine: &StateMachine,
    state: &str,
    place: &str,
    problems: &mut Vec<String>,
) -> bool {
    let is_known = machine.state_names().any(|name| name == state);
    if !is_known {
        let names: Vec<&str> = machine.state_names().collect();
        problems.push(format!(
            "{place}: the definition has no state '{state}'; it has {}",
            names.join(", ")
        ));
    }
    is_known
}

/// Reports a state that is no Task.
pub(super) fn is_task(
    machine: &StateMachine,
    state: &str,
    place: &str,
    problems: &mut Vec<String>,
) {
    if known(machine, state, place, problems) && !machine.tasks().any(|(name, _)| name == state) {
        problems.push(format!(
            "{place}: state '{state}' is no Task, and only tasks are called"
        ));
    }
}

/// The states that may be entered after `from`, without what they decide.
pub(super) fn reach(machine: &StateMachine, from: &str) -> BTreeSet<String> {
    let mut next: Map<String, Value> = Map::new();
    let mut link = |from: &str, to: &str| {
        let list = next.entry(from).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(json!(to));
        }
    };
    for way in machine.ways() {
        if let Some(to) = &way.to {
            link(&way.state, to);
        }
        // What lies in a state is entered from it, and comes back to it.
        if way.way == Way::Entered {
            for inner in machine.within(&way.state) {
                link(&way.state, inner);
            }
            if let Some(around) = around(&way.place, machine) {
                link(&way.state, around);
            }
        }
    }
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(at) = open.pop() {
        if reached.insert(at.clone()) {
            let to = next.get(&at).and_then(Value::as_array);
            open.extend(
                to.into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(str::to_owned),
            );
        }
    }
    reached
}

/// The state that the one at `place` lies in.
fn around<'a>(place: &str, machine: &'a StateMachine) -> Option<&'a str> {
    let states = machine.states.iter();
    states
        .filter(|it| {
            let rest = place.strip_prefix(&*it.place);
            rest.is_some_and(|rest| {
                ["/Branches[", "/ItemProcessor/", "/Iterator/"]
                    .iter()
                    .any(|inner| rest.starts_with(inner))
            })
        })
        .max_by_key(|it| it.place.len())
        .map(|it| &*it.name)
}
