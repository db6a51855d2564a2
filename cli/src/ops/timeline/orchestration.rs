//! The tree of an order that a workflow drives: the execution, its states in
//! order, the branches of a state below it. From the execution's own history,
//! and the services' records of what its tasks did.
//!
//! AWS's history says of each event which one it follows. Emulators may leave
//! that out, and what happened in branches: then the order of events, and the
//! times of the records, have to do.

use std::collections::{BTreeMap, BTreeSet};

use duet_core::Timestamp;

use super::{Kind, Node, Sources, of_step};
use crate::ops::view::Step;
use crate::world::{Execution, HistoryEvent};

/// A state the execution was in.
struct State<'a> {
    /// The number of the event by which it was entered.
    id: u64,
    name: &'a str,
    entered: Timestamp,
    exited: Option<Timestamp>,
    /// The state inside which it is.
    inside: Option<usize>,
    /// The state that it came after, in the same execution or branch.
    follows: Option<usize>,
    /// Whether it has branches.
    branches: bool,
    command: Option<&'a str>,
    attempts: u32,
    errors: Vec<&'a str>,
}

impl State<'_> {
    /// Whether a service did `step` while the execution was in this state.
    fn has(&self, step: &Step) -> bool {
        // Clocks of two machines: a record may seem a little early or late.
        let slack = jiff::SignedDuration::from_millis(SLACK);
        let from = self.entered.saturating_sub(slack).unwrap_or(self.entered);
        let until = self.exited.unwrap_or(Timestamp::MAX);
        let until = until.saturating_add(slack).unwrap_or(until);
        (from..=until).contains(&step.at)
    }
}

/// How far the clocks of a workflow and of a service may be apart, in milliseconds.
const SLACK: i64 = 250;

/// Whether one of these executions asked for `step`: its tasks go by its ARN.
fn is_ours(step: &Step, executions: &[Execution]) -> bool {
    match (&step.cause, executions) {
        (Some(cause), [_, ..]) => executions.iter().any(|one| *cause == one.arn),
        _ => true,
    }
}

/// Says of a state's node what its task did.
fn done(node: &mut Node, step: &Step) {
    node.service = Some(step.service);
    node.what = Some(step.command.clone());
    node.outcome = Some(step.outcome.clone());
    if step.command != node.name {
        node.notes.push(step.command.clone());
    }
}

/// The tree of what `sources` and `history` tell: of one execution, or of all that an
/// order had.
pub(super) fn tree(
    sources: &Sources,
    executions: &[Execution],
    history: &[HistoryEvent],
) -> Vec<Node> {
    let execution = executions.first();
    let states = states(history);
    let mut used = BTreeSet::new();
    let mut nodes: Vec<Node> = states
        .iter()
        .map(|state| node(state, &states, sources, executions, &mut used))
        .collect();
    // What a history without arguments or branches does not tell, times do.
    for (at, step) in sources.view.steps.iter().enumerate() {
        if used.contains(&at) || !is_ours(step, executions) {
            continue;
        }
        let free = states.iter().zip(&nodes).position(|(state, node)| {
            let asks = state.attempts > 0 && !state.branches && node.service.is_none();
            asks && state.has(step)
        });
        let around = || {
            states
                .iter()
                .rposition(|state| state.branches && state.has(step))
        };
        if let Some(free) = free {
            done(&mut nodes[free], step);
        } else if let Some(around) = around() {
            nodes[around].children.push(of_step(step));
        } else {
            continue;
        }
        used.insert(at);
    }
    let mut root = root(sources, execution, history);
    // The inner ones first: a state comes after the one it is inside of.
    for at in (0..nodes.len()).rev() {
        let node = std::mem::take(&mut nodes[at]);
        let parent = match states[at].inside {
            Some(inside) => &mut nodes[inside],
            None => &mut root,
        };
        parent.children.insert(0, node);
    }
    in_branches(&mut root);
    let mut tree = Vec::new();
    if execution.is_some() || !history.is_empty() {
        tree.push(root);
    }
    // What the services did for somebody else: a person, an operator, a rule.
    for (at, step) in sources.view.steps.iter().enumerate() {
        if used.contains(&at) {
            continue;
        }
        let mut node = of_step(step);
        if let (Some(cause), false) = (&step.cause, history.is_empty()) {
            node.notes.push(format!("asked for by {cause}"));
        }
        tree.push(node);
    }
    tree
}

/// The execution as a whole.
fn root(sources: &Sources, execution: Option<&Execution>, history: &[HistoryEvent]) -> Node {
    let mut root = Node {
        kind: Kind::Execution,
        name: execution.map_or_else(
            || "no execution".to_owned(),
            |execution| execution.name.clone(),
        ),
        id: execution.map(|execution| execution.arn.clone()),
        at: history.first().map(|event| event.at),
        outcome: execution.map(|execution| execution.status.clone()),
        errors: execution
            .and_then(|it| it.error.clone())
            .into_iter()
            .collect(),
        attempts: 1,
        ..Node::default()
    };
    let ended = execution.is_some_and(|execution| execution.status != "RUNNING");
    let (first, last) = (history.first(), history.last());
    root.took_ms = first
        .zip(last)
        .filter(|_| ended)
        .map(|(first, last)| last.at.duration_since(first.at).as_millis() as i64);
    if history.is_empty() && execution.is_some() {
        root.notes.push("its history is no longer kept".to_owned());
    }
    for dead in &sources.dead {
        let why = dead.cause.as_deref().unwrap_or("no cause given");
        root.notes
            .push(format!("listed with the dead letters: {why}"));
    }
    root
}

/// Puts what is inside a state branch by branch, each in the order of its states.
fn in_branches(node: &mut Node) {
    let mut left = std::mem::take(&mut node.children);
    while !left.is_empty() {
        let mut next = Some(left.remove(0));
        while let Some(mut child) = next {
            let follower = |other: &Node| other.follows.is_some() && other.follows == child.id;
            let at = left.iter().position(follower);
            in_branches(&mut child);
            node.children.push(child);
            next = at.map(|at| left.remove(at));
        }
    }
}

/// The states of a history, in the order they were entered.
fn states(history: &[HistoryEvent]) -> Vec<State<'_>> {
    let mut states: Vec<State<'_>> = Vec::new();
    // The state each event belongs to, and the event's type.
    let mut owners: BTreeMap<u64, (Option<usize>, &str)> = BTreeMap::new();
    let chained = history.iter().any(|event| event.previous > 0);
    for event in history {
        let kind = event.kind.as_str();
        let before = owners.get(&event.previous).copied();
        let of_previous = match before {
            Some((owner, _)) => owner,
            None if chained => None,
            None => states.iter().rposition(|state| state.exited.is_none()),
        };
        let owner = if kind.ends_with("StateEntered") {
            let began_inside = before.is_some_and(|(_, kind)| {
                kind.ends_with("StateStarted") || kind == "MapIterationStarted"
            });
            let inside = match of_previous {
                Some(owner) if began_inside || !chained => Some(owner),
                Some(owner) => states[owner].inside,
                None => None,
            };
            let follows = match of_previous {
                _ if began_inside => None,
                Some(owner) if chained => Some(owner),
                // Without chains one branch cannot be told from another.
                _ => states.iter().rposition(|state| {
                    let around = inside.is_none_or(|inside: usize| !states[inside].branches);
                    state.inside == inside && state.exited.is_some() && around
                }),
            };
            states.push(State {
                id: event.id,
                name: event.state.as_deref().unwrap_or_default(),
                entered: event.at,
                exited: None,
                inside,
                follows,
                branches: kind.starts_with("Parallel") || kind.starts_with("Map"),
                command: None,
                attempts: 0,
                errors: Vec::new(),
            });
            Some(states.len() - 1)
        } else if kind.ends_with("StateExited") {
            let name = event.state.as_deref();
            let leaves = |state: &State<'_>| Some(state.name) == name && state.exited.is_none();
            let owner = states.iter().rposition(leaves);
            if let Some(owner) = owner {
                states[owner].exited = Some(event.at);
            }
            owner
        } else if ["StateSucceeded", "StateFailed", "StateAborted"]
            .iter()
            .any(|end| kind.ends_with(end))
        {
            // Of a state with branches: the one around the branch that ended.
            let mut around = of_previous;
            while let Some(at) = around.filter(|at| !states[*at].branches) {
                around = states[at].inside;
            }
            around
        } else {
            of_previous
        };
        if let Some(state) = owner.and_then(|owner| states.get_mut(owner)) {
            if kind.ends_with("Scheduled") {
                state.attempts += 1;
                state.command = state.command.or(event.command.as_deref());
            }
            let ends_badly = kind.ends_with("Failed") || kind.ends_with("TimedOut");
            if ends_badly && !kind.starts_with("Execution") {
                state.errors.extend(event.error.as_deref());
            }
        }
        owners.insert(event.id, (owner, kind));
    }
    states
}

/// A state, with what its task did by the service's record.
fn node(
    state: &State<'_>,
    states: &[State<'_>],
    sources: &Sources,
    executions: &[Execution],
    used: &mut BTreeSet<usize>,
) -> Node {
    let command = state.command.unwrap_or(state.name);
    let steps = sources.view.steps.iter().enumerate();
    let mut steps = steps.filter(|(at, step)| {
        let asked = step.command.split(' ').next() == Some(command);
        !used.contains(at) && asked && is_ours(step, executions) && state.has(step)
    });
    let step = steps.next();
    let took = state
        .exited
        .map(|exited| exited.duration_since(state.entered).as_millis() as i64);
    let mut node = Node {
        kind: Kind::State,
        name: state.name.to_owned(),
        id: Some(state.id.to_string()),
        follows: state.follows.map(|at| states[at].id.to_string()),
        what: state.command.map(str::to_owned),
        at: Some(state.entered),
        took_ms: took,
        // A state with branches asks nobody itself.
        attempts: if state.branches {
            1
        } else {
            state.attempts.max(1)
        },
        errors: state.errors.iter().map(|&error| error.to_owned()).collect(),
        ..Node::default()
    };
    if let Some((at, step)) = step {
        used.insert(at);
        done(&mut node, step);
    } else if state.exited.is_none() && !state.branches {
        let running = executions.iter().any(Execution::is_running);
        let how = if running { "under way" } else { "the last" };
        node.outcome = Some(how.to_owned());
    }
    node
}
