//! A definition as a Mermaid state diagram, with the ways an execution took marked.

use crate::model::{Kind, State, StateId, StateMachine};
use crate::taken::{Taken, Way};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

/// A Mermaid state diagram of `machine`. States that were entered have a colour; a
/// way that was taken says how often, as `2x`. Mermaid gives no colour to a state
/// with states in it, nor to these.
#[must_use]
pub fn mermaid(machine: &StateMachine, taken: &[Taken]) -> String {
    let mut times: HashMap<(&str, Way), u64> = HashMap::new();
    for it in taken {
        *times.entry((&*it.state, it.way)).or_default() += 1;
    }
    let picture = Picture { machine, times };
    let mut text = "stateDiagram-v2\n".to_owned();
    picture.flow(machine.start, 1, &mut text);
    let entered = |it: &State| picture.times.contains_key(&(&*it.name, Way::Entered));
    let top = flow_of(machine, machine.start);
    let plain = |it: &State| !matches!(it.kind, Kind::Parallel { .. } | Kind::Map(_));
    let coloured: Vec<String> = top
        .iter()
        .filter(|id| plain(machine.state(**id)) && entered(machine.state(**id)))
        .map(|id| format!("s{}", id.0))
        .collect();
    if !coloured.is_empty() {
        text.push_str("    classDef taken fill:#cfe8cf,stroke:#2e7d32,color:#1b1b1b\n");
        let _ = writeln!(text, "    class {} taken", coloured.join(","));
    }
    text
}

struct Picture<'a> {
    machine: &'a StateMachine,
    times: HashMap<(&'a str, Way), u64>,
}

impl Picture<'_> {
    /// The states that a flow beginning with `start` has, and its arrows.
    fn flow(&self, start: StateId, depth: usize, text: &mut String) {
        let indent = "    ".repeat(depth);
        let states = flow_of(self.machine, start);
        for id in &states {
            let state = self.machine.state(*id);
            let name = state.name.replace('"', "'");
            let flows: Vec<StateId> = match &state.kind {
                Kind::Parallel { branches } => branches.clone(),
                Kind::Map(map) => vec![map.start],
                _ => Vec::new(),
            };
            // Writing to a String does not fail.
            let _ = write!(text, "{indent}state \"{name}\" as s{}", id.0);
            if flows.is_empty() {
                text.push('\n');
                continue;
            }
            text.push_str(" {\n");
            for (i, start) in flows.iter().enumerate() {
                if i > 0 {
                    let _ = writeln!(text, "{indent}    --");
                }
                self.flow(*start, depth + 1, text);
            }
            let _ = writeln!(text, "{indent}}}");
        }
        let _ = writeln!(text, "{indent}[*] --> s{}", start.0);
        for id in &states {
            self.arrows(*id, &indent, text);
        }
    }

    fn arrows(&self, id: StateId, indent: &str, text: &mut String) {
        let state = self.machine.state(id);
        let mut arrow = |way: Way, to: Option<StateId>, says: String| {
            let times = self.times.get(&(&*state.name, way)).copied();
            let label = match (times, says.is_empty()) {
                (Some(n), true) => format!(" : {n}x"),
                (Some(n), false) => format!(" : {n}x {says}"),
                (None, true) => String::new(),
                (None, false) => format!(" : {says}"),
            };
            let to = to.map_or_else(|| "[*]".to_owned(), |to| format!("s{}", to.0));
            let _ = writeln!(text, "{indent}s{} --> {to}{label}", id.0);
        };
        for (i, retrier) in state.recovery.retry.iter().enumerate() {
            if retrier.max_attempts > 0 {
                let says = format!("again after {}", retrier.errors.join(", "));
                arrow(Way::Retried(i), Some(id), says);
            }
        }
        match &state.kind {
            Kind::Choice(choice) => {
                for (i, rule) in choice.rules.iter().enumerate() {
                    arrow(Way::Rule(i), Some(rule.next), format!("rule {i}"));
                }
                if let Some(default) = choice.default {
                    arrow(Way::Default, Some(default), "default".into());
                }
            }
            Kind::Fail { .. } => {}
            _ => match state.next {
                Some(next) => arrow(Way::Next, Some(next), String::new()),
                None => arrow(Way::End, None, String::new()),
            },
        }
        for (i, catcher) in state.recovery.catch.iter().enumerate() {
            let says = format!("caught {}", catcher.errors.join(", "));
            arrow(Way::Caught(i), Some(catcher.next), says);
        }
    }
}

/// The states of the flow that begins with `start`, in the definition's order.
fn flow_of(machine: &StateMachine, start: StateId) -> Vec<StateId> {
    let folder = |id: StateId| {
        let state = machine.state(id);
        let tail = state.place.len().saturating_sub(state.name.len());
        state.place.get(..tail).unwrap_or_default()
    };
    let here = folder(start);
    let mut seen = HashSet::new();
    let all = (0..machine.states.len()).filter_map(|at| u32::try_from(at).ok().map(StateId));
    all.filter(|id| folder(*id) == here && seen.insert(id.0))
        .collect()
}
