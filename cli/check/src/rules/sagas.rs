//! Sagas: what is done, what undoes it, and what happens in between.

use std::collections::BTreeMap;

use super::Rule;
use crate::definition::{At, Machine, State};
use crate::finding::{Notes, Severity};
use crate::model::{FUNCTIONS, Model};
use crate::node::Node;
use crate::speech::told;

pub(super) static STEP_UNGUARDED: Rule = Rule {
    name: "saga-step-unguarded",
    severity: Severity::Error,
    wrong: "A step of a saga has no time limit, or no Catch for States.ALL: when it hangs or fails in a way that nobody named, the saga ends and undoes nothing.",
    source: "Step Functions guide, \"Handling errors in Step Functions workflows\"; seen in a published saga whose Catch names the business error only",
    fix: "Give the task TimeoutSeconds, and a Catch for States.ALL that leads to the compensations.",
    check: step_unguarded,
};

pub(super) static BRANCH_NOT_UNDONE: Rule = Rule {
    name: "branch-not-undone",
    severity: Severity::Error,
    wrong: "One branch of a Parallel fails, the others are stopped, and what they did stays: nothing that is reached from there undoes it.",
    source: "Step Functions guide, \"Parallel workflow state\": when a branch fails, the whole state fails and its branches are stopped",
    fix: "Give the Parallel a Catch for States.ALL that leads to the compensation of every branch.",
    check: branch_not_undone,
};

/// What undoes what in a machine, and whether that is all.
struct Undoes<'m> {
    pairs: BTreeMap<&'m str, &'m str>,
    is_told: bool,
}

impl<'m> Undoes<'m> {
    /// As the machine tells, and the functions that it calls.
    fn of(model: &'m Model, machine: &'m Machine) -> Self {
        let own = &told(&model.resources[machine.id].metadata)["undoes"];
        let mut all = vec![own];
        let mut is_told = true;
        for state in machine.states.iter().filter(|it| it.is("Task")) {
            let function = state
                .function()
                .and_then(|it| model.named_as(it, &FUNCTIONS));
            match function.map(|id| &told(&model.resources[id].metadata)["undoes"]) {
                Some(told) if !told.is_null() => all.push(told),
                _ => is_told = false,
            }
        }
        let pairs = all.iter().flat_map(|it| it.members());
        let pairs = pairs.filter_map(|it| Some((it.name.as_str(), it.value.as_str()?)));
        Self {
            pairs: pairs.collect(),
            is_told: is_told || !own.is_null(),
        }
    }

    /// The steps that are undone: each state, and the name of what undoes it.
    fn steps(&self, model: &Model, machine: &Machine) -> Vec<(At, &'m str)> {
        let tasks = tasks(machine);
        let found = tasks.filter_map(|(at, state)| {
            let mut pairs = self.pairs.iter();
            let (_, undo) = pairs.find(|(step, _)| is_step(model, state, step))?;
            Some((at, *undo))
        });
        found.collect()
    }
}

fn tasks(machine: &Machine) -> impl Iterator<Item = (At, &State)> {
    let all = machine.states.iter().enumerate();
    all.filter(|(_, it)| it.is("Task"))
}

/// Whether a task is the step called `name`: it is called so, it calls the
/// function of that name, or it asks for the command of that name.
fn is_step(model: &Model, state: &State, name: &str) -> bool {
    let function = state
        .function()
        .and_then(|it| model.named_as(it, &FUNCTIONS));
    let function = function.map(|id| model.resources[id].place.as_str());
    let logical = function.and_then(|it| it.rsplit('/').next());
    let given = state.given();
    let asked = given.members().iter().chain(given["Payload"].members());
    let mut words = asked.filter_map(|it| it.value.as_str());
    state.name == name || logical == Some(name) || words.any(|it| it == name)
}

/// Whether a machine is one whose steps somebody may have to undo.
fn may_be_saga(machine: &Machine) -> bool {
    let calls = tasks(machine).filter(|(_, it)| it.function().is_some());
    calls.count() > 1
}

fn step_unguarded(model: &Model, notes: &mut Notes<'_>) {
    for machine in &model.machines {
        let undoes = Undoes::of(model, machine);
        let mut between: Vec<At> = Vec::new();
        for (step, undo) in undoes.steps(model, machine) {
            let is_undo = |at: At| is_step(model, &machine.states[at], undo);
            between.extend(machine.reached(&[step], is_undo));
        }
        for (at, state) in tasks(machine).filter(|(at, _)| between.contains(at)) {
            let limits = ["TimeoutSeconds", "TimeoutSecondsPath"];
            let has_limit = limits.iter().any(|name| state.body.has(name));
            let lacks = match (has_limit, machine.is_caught(at)) {
                (true, true) => continue,
                (false, true) => "has no time limit",
                (true, false) => "has no Catch for States.ALL",
                (false, false) => "has no time limit and no Catch for States.ALL",
            };
            let message = format!("{} is a step of a saga and {lacks}", state.name);
            notes.wrong(machine.id, state.line, message);
            notes.of_state(machine, at, state.line);
        }
        if !undoes.is_told && may_be_saga(machine) {
            let line = model.resources[machine.id].line;
            let what = "whether the steps of the machine are a saga, for Metadata: Duet: undoes \
                        is not told by it, or by all functions that it calls";
            notes.untold(machine.id, line, what);
        }
    }
}

fn branch_not_undone(model: &Model, notes: &mut Notes<'_>) {
    for machine in &model.machines {
        let undoes = Undoes::of(model, machine);
        let has_parallel = machine.states.iter().any(|it| it.starts.len() > 1);
        for (step, undo) in undoes.steps(model, machine) {
            for outer in parallels(machine, step) {
                let caught = from_catch_all(machine, outer);
                let reached = machine.reached(&caught, |_| false);
                let is_undone = |at: &At| is_step(model, &machine.states[*at], undo);
                if reached.iter().any(is_undone) {
                    continue;
                }
                let (state, outer) = (&machine.states[step], &machine.states[outer]);
                let message = format!(
                    "when another branch of {} fails, {} may be done, and {undo} is not reached",
                    outer.name, state.name
                );
                notes.wrong(machine.id, state.line, message);
                notes.of_state(machine, step, state.line);
                break;
            }
        }
        if has_parallel && !undoes.is_told && may_be_saga(machine) {
            let line = model.resources[machine.id].line;
            let what = "whether the effects of parallel branches are undone, for Metadata: Duet: \
                        undoes is not told";
            notes.untold(machine.id, line, what);
        }
    }
}

/// The states with several branches that `at` is in.
fn parallels(machine: &Machine, at: At) -> Vec<At> {
    let mut found = Vec::new();
    let mut inner = at;
    while let Some((outer, _)) = machine.states[inner].within {
        if machine.states[outer].starts.len() > 1 {
            found.push(outer);
        }
        inner = outer;
    }
    found
}

/// Where a failure of `at` leads that nobody named: its own Catch for States.ALL,
/// or that of a state it is in.
fn from_catch_all(machine: &Machine, at: At) -> Vec<At> {
    let state = &machine.states[at];
    let is_all = |catcher: &Node| {
        let mut errors = catcher["ErrorEquals"].items().iter();
        errors.any(|it| it.as_str() == Some("States.ALL"))
    };
    let caught = state.caught.iter();
    let own: Vec<At> = caught
        .filter(|(n, _)| is_all(state.catcher(*n)))
        .map(|(_, to)| *to)
        .collect();
    match (own.is_empty(), state.within) {
        (true, Some((outer, _))) => from_catch_all(machine, outer),
        _ => own,
    }
}
