//! What a state machine does with its input, and how long it goes round.

use std::collections::BTreeSet;

use super::Rule;
use crate::definition::{At, Machine, State};
use crate::finding::{Notes, Severity};
use crate::model::Model;
use crate::node::Node;
use crate::reads::Shape;

pub(super) static CATCH_LOSES_INPUT: Rule = Rule {
    name: "catch-loses-input",
    severity: Severity::Error,
    wrong: "A Catch puts the error in the place of the input, and a state after it reads the input: a compensation does not know what to undo.",
    source: "Step Functions guide, \"Handling errors in Step Functions workflows\": ResultPath of a catcher is `$` unless given",
    fix: "Give the catcher a ResultPath such as $.error, or in JSONata an Output, or keep what is needed in variables.",
    check: catch_loses_input,
};

pub(super) static RESULT_OVERWRITES_INPUT: Rule = Rule {
    name: "result-overwrites-input",
    severity: Severity::Error,
    wrong: "The result of a state takes the place of its input, and a later state reads a field that was in the input.",
    source: "Step Functions guide, \"Specifying state output using ResultPath\": it is `$` unless given",
    fix: "Give the state a ResultPath such as $.result, or keep what is needed in variables.",
    check: result_overwrites_input,
};

pub(super) static POLL_WITHOUT_BOUND: Rule = Rule {
    name: "poll-without-bound",
    severity: Severity::Error,
    wrong: "A machine waits and asks again for as long as the answer does not come: for up to a year, and 25,000 events of history.",
    source: "Step Functions guide, \"Best practices\": timeouts against stuck executions; seen in a published comparison",
    fix: "Count the rounds or compare with a deadline in a Choice of the loop, or give the machine TimeoutSeconds.",
    check: poll_without_bound,
};

/// The fields of an error.
const ERROR: [&str; 2] = ["Error", "Cause"];

/// The states that see the same input as `from` does, with it.
fn same_input(machine: &Machine, from: At) -> Vec<At> {
    let (mut found, mut open) = (Vec::new(), vec![from]);
    while let Some(at) = open.pop() {
        if found.contains(&at) {
            continue;
        }
        found.push(at);
        let state = &machine.states[at];
        if state.keeps_input() {
            open.extend(&state.next);
        }
        if state.is("Parallel") && !state.body.has("Parameters") && !state.body.has("Arguments") {
            open.extend(&state.starts);
        }
    }
    found
}

fn catch_loses_input(model: &Model, notes: &mut Notes<'_>) {
    for machine in &model.machines {
        for (at, state) in machine.states.iter().enumerate() {
            for (n, to) in &state.caught {
                let catcher = state.catcher(*n);
                let is_lost = match state.is_jsonata {
                    true => !catcher.has("Output"),
                    false => {
                        let path = catcher["ResultPath"].as_str();
                        !catcher.has("ResultPath") || path == Some("$")
                    }
                };
                if is_lost {
                    lost_by(machine, at, catcher, *to, notes);
                }
            }
        }
    }
}

/// What of the states from `to` on reads what `catcher` does not hand on.
fn lost_by(machine: &Machine, at: At, catcher: &Node, to: At, notes: &mut Notes<'_>) {
    for reader in same_input(machine, to) {
        let reader = &machine.states[reader];
        let reads = reader.reads();
        let lost = reads.fields.iter().find(|it| !ERROR.contains(&it.as_str()));
        let state = &machine.states[at];
        if let Some(field) = lost {
            let message = format!(
                "when {} fails, {} gets the error and not the input, and reads `{field}`",
                state.name, reader.name
            );
            notes.wrong(machine.id, catcher.line, message);
        } else if reads.whole && reader.function().is_some() {
            let message = format!(
                "when {} fails, {} hands its function the error in place of the input",
                state.name, reader.name
            );
            notes.doubtful(machine.id, catcher.line, message);
        } else {
            continue;
        }
        notes.of_state(machine, at, catcher.line);
        return;
    }
}

fn result_overwrites_input(model: &Model, notes: &mut Notes<'_>) {
    for machine in &model.machines {
        for (at, state) in machine.states.iter().enumerate() {
            let is_asking = state.is("Task")
                || state.is("Parallel")
                || state.is("Map")
                || (state.is("Pass") && state.body.has("Result"));
            if is_asking && state.replaces_input() {
                overwritten_by(machine, at, state, notes);
            }
        }
    }
}

fn overwritten_by(machine: &Machine, at: At, state: &State, notes: &mut Notes<'_>) {
    let (shape, own) = (state.shape(), state.reads().fields);
    let mut seen = BTreeSet::new();
    for to in &state.next {
        for reader in same_input(machine, *to) {
            if !seen.insert(reader) {
                continue;
            }
            let reader = &machine.states[reader];
            let fields = reader.reads().fields;
            let missing = fields.iter().find(|field| match &shape {
                Shape::Fields(known) => !known.contains(*field),
                Shape::List => true,
                // Read before, so it was in the input; read again.
                Shape::Unknown => own.contains(*field),
            });
            let Some(field) = missing else { continue };
            if shape == Shape::Unknown {
                let what = format!(
                    "whether the result of {} has the `{field}` that {} reads, and that it read itself",
                    state.name, reader.name
                );
                notes.unknown(machine.id, state.line, &what);
            } else {
                let message = format!(
                    "the result of {} takes the place of its input, and {} reads `{field}`",
                    state.name, reader.name
                );
                notes.wrong(machine.id, state.line, message);
            }
            notes.of_state(machine, at, state.line);
            return;
        }
    }
}

fn poll_without_bound(model: &Model, notes: &mut Notes<'_>) {
    for machine in &model.machines {
        if machine.definition.has("TimeoutSeconds") {
            continue;
        }
        let bounds = |at: At| is_bound(&machine.states[at]);
        let mut told: Vec<At> = Vec::new();
        for (at, state) in machine.states.iter().enumerate() {
            if !state.is("Wait") || told.contains(&at) {
                continue;
            }
            let round = machine.reached(&machine.after(at), bounds);
            if !round.contains(&at) {
                continue;
            }
            // Other waits of the same loop are told with it.
            told.extend(round);
            let message = format!(
                "{} comes round again and again, without a bound",
                state.name
            );
            notes.wrong(machine.id, state.line, message);
            notes.of_state(machine, at, state.line);
        }
    }
}

/// Whether a state ends a loop by a count or a deadline.
fn is_bound(state: &State) -> bool {
    fn compares(node: &Node) -> bool {
        let members = node.members().iter();
        let mut own = members.map(|it| {
            let is_order = ["Numeric", "Timestamp"]
                .iter()
                .any(|kind| it.name.starts_with(kind));
            let text = it.value.as_str().unwrap_or_default();
            let is_expression = it.name == "Condition" && text.contains(['<', '>']);
            is_order || is_expression || compares(&it.value)
        });
        own.any(|it| it) || node.items().iter().any(compares)
    }
    state.is("Choice") && compares(&state.body["Choices"])
}
