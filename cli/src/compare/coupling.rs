//! Who knows whom: two readings of the same deployed rules and definitions.
//!
//! With *services* as nodes, a service depends on whom it calls, or whose facts
//! it has a rule for; a workflow depends on the services that it calls. With
//! *contracts* as nodes, services depend on facts or commands, and never on
//! each other.
//!
//! | metric | formula | source |
//! |---|---|---|
//! | afferent, efferent, instability | Ca, Ce, Ce / (Ca + Ce) | Martin 1994 |
//! | density | edges / (n (n - 1)) | graph theory |
//! | mutual pairs | pairs of services that depend on each other | Rud et al. 2006 |
//! | propagation cost, core | share of ones in the transitive closure, its diagonal included; the largest strongly connected component | MacCormack, Baldwin: Hidden Structure, HBS 13-093 |

use std::collections::{BTreeMap, BTreeSet};

use duet_lab::{Definitions, Machine};
use petgraph::algo::{has_path_connecting, tarjan_scc};
use petgraph::graph::{DiGraph, NodeIndex};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::shop::contracts::said_by;
use crate::shop::services::{LISTENERS, SERVICES, Subject};
use crate::shop::variant::Description;

/// Both readings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coupling {
    /// With services, and workflows, as nodes.
    pub services: Graph,
    /// With facts or commands as nodes beside them.
    pub contracts: Graph,
}

/// What a graph of dependencies comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// How many nodes.
    pub nodes: usize,
    /// How many dependencies.
    pub edges: usize,
    /// The share of all possible dependencies that there are.
    pub density: f64,
    /// The most nodes that depend on each other in a circle.
    pub largest_cycle: usize,
    /// Pairs that depend on each other.
    pub mutual_pairs: usize,
    /// The share of pairs of which one depends on the other, directly or not;
    /// each depends on itself.
    pub propagation_cost: f64,
    /// Each node by itself.
    pub each: BTreeMap<String, Node>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// How many depend on it.
    pub afferent: usize,
    /// On how many it depends.
    pub efferent: usize,
    /// Efferent of all; absent where there is neither.
    pub instability: Option<f64>,
    /// On whom it depends.
    pub knows: Vec<String>,
}

type Edges = BTreeSet<(String, String)>;

/// Who calls or hears whom, and by what: the workflow or the service that
/// depends, the service it depends on, and the command or fact between them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) by: String,
    /// The rule, or the state, that says so.
    pub(super) place: String,
}

/// The coupling of the variant of `description`: of the business services, and
/// of the workflows that new orders and registrations enter.
#[must_use]
pub fn of(definitions: &Definitions, description: &Description) -> Coupling {
    Coupling::of(&links(definitions, description))
}

/// The links of the variant of `description`.
pub(super) fn links(definitions: &Definitions, description: &Description) -> BTreeSet<Link> {
    let mut links = BTreeSet::new();
    for subject in Subject::ALL {
        if let Some(arn) = description.entry(subject).machine()
            && let Some(machine) = definitions.machines.iter().find(|it| it.arn == arn)
        {
            called(definitions, machine, description.variant.name, &mut links);
        }
    }
    if let Some(facts) = description.facts() {
        if let Some(bus) = &facts.bus {
            heard(definitions, bus, &mut links);
        }
        subscribed(definitions, &facts.topics, &mut links);
    }
    links
}

impl Coupling {
    pub(super) fn of(links: &BTreeSet<Link>) -> Self {
        let others = links.iter().filter(|link| link.from != link.to);
        let services = others.map(|link| (link.from.clone(), link.to.clone()));
        let contracts = links.iter().flat_map(|link| {
            let ends = [&link.from, &link.to];
            ends.map(|end| (end.clone(), link.by.clone()))
        });
        Self {
            services: Graph::of(&services.collect()),
            contracts: Graph::of(&contracts.collect()),
        }
    }
}

/// The services that `machine` of `variant` calls, and their commands. It is named after
/// the stack, perhaps the variant, and whom it drives.
fn called(definitions: &Definitions, machine: &Machine, variant: &str, links: &mut BTreeSet<Link>) {
    let name = machine.name.split_once('-');
    let name = name.map_or(machine.name.as_str(), |(_, rest)| rest);
    let own = name
        .strip_prefix(variant)
        .and_then(|it| it.strip_prefix('-'));
    let name = own.unwrap_or(name);
    for (state, _) in machine.machine.tasks() {
        let literal = |path: &[&str]| machine.machine.literal(state, path);
        let function = literal(&["FunctionName"]);
        let mut known = definitions.functions.iter();
        let known = known.find(|it| function.is_some_and(|at| it.name == at || it.arn == at));
        let known = known.filter(|it| !LISTENERS.contains(&it.service.as_str()));
        if let (Some(known), Some(command)) = (known, literal(&["Payload", "command"])) {
            links.insert(Link {
                from: format!("workflow {name}"),
                to: known.service.clone(),
                by: command.to_owned(),
                place: state.to_owned(),
            });
        }
    }
}

/// Which services have rules on `bus`, for whose facts.
fn heard(definitions: &Definitions, bus: &str, links: &mut BTreeSet<Link>) {
    let named = |name: &str| name.rsplit('/').next() == bus.rsplit('/').next();
    for rule in definitions.rules.iter().filter(|rule| !rule.gone) {
        if !named(&definitions.buses[rule.bus].name) {
            continue;
        }
        let targets = rule.targets.iter().filter_map(|target| target.queue);
        for listener in targets.filter_map(|queue| listener(definitions, queue)) {
            let sources = texts(&rule.written["source"]);
            let speakers = sources.iter().filter_map(|it| it.strip_prefix("duet."));
            for speaker in speakers.filter(|it| SERVICES.contains(it)) {
                for fact in texts(&rule.written["detail-type"]) {
                    links.insert(Link {
                        from: listener.clone(),
                        to: speaker.to_owned(),
                        by: fact,
                        place: rule.name.clone(),
                    });
                }
            }
        }
    }
}

/// Which services have subscriptions to which of `topics`, for which facts.
fn subscribed(definitions: &Definitions, topics: &[String], links: &mut BTreeSet<Link>) {
    for subscription in definitions.subscriptions() {
        let queue = subscription
            .queue
            .filter(|_| topics.contains(&subscription.topic));
        let listener = queue.and_then(|queue| listener(definitions, queue));
        let Some(listener) = listener else { continue };
        let speaker = subscription.topic.rsplit('-').next();
        let speaker = speaker.filter(|it| SERVICES.contains(it));
        for fact in texts(&subscription.written["detail-type"]) {
            // A topic is its service's, or all services'.
            let Some(speaker) = speaker.or_else(|| said_by(&fact)) else {
                continue;
            };
            links.insert(Link {
                from: listener.clone(),
                to: speaker.to_owned(),
                by: fact,
                place: subscription.name.to_string(),
            });
        }
    }
}

/// The business service that reads `queue`.
fn listener(definitions: &Definitions, queue: usize) -> Option<String> {
    let feeds = definitions.mappings.iter().find(|it| it.queue == queue)?;
    let service = definitions.functions[feeds.function].service.clone();
    (!LISTENERS.contains(&service.as_str())).then_some(service)
}

fn texts(list: &Value) -> Vec<String> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Graph {
    fn of(edges: &Edges) -> Self {
        let mut graph: DiGraph<&str, ()> = DiGraph::new();
        let mut known: BTreeMap<&str, NodeIndex> = BTreeMap::new();
        for (from, to) in edges {
            let mut node = |name| *known.entry(name).or_insert_with(|| graph.add_node(name));
            let (from, to) = (node(from.as_str()), node(to.as_str()));
            graph.add_edge(from, to, ());
        }
        let nodes = graph.node_count();
        let reached = graph.node_indices().flat_map(|from| {
            let graph = &graph;
            graph
                .node_indices()
                .filter(move |to| has_path_connecting(graph, from, *to, None))
        });
        let share = |part: usize, of: usize| part as f64 / of.max(1) as f64;
        let mutual = edges
            .iter()
            .filter(|(from, to)| from < to && edges.contains(&(to.clone(), from.clone())));
        Self {
            nodes,
            edges: edges.len(),
            density: share(edges.len(), nodes * nodes.saturating_sub(1)),
            largest_cycle: tarjan_scc(&graph).iter().map(Vec::len).max().unwrap_or(0),
            mutual_pairs: mutual.count(),
            propagation_cost: share(reached.count(), nodes * nodes),
            each: known.keys().map(|name| node(name, edges)).collect(),
        }
    }
}

fn node(name: &str, edges: &Edges) -> (String, Node) {
    let knows: Vec<String> = edges
        .iter()
        .filter(|(from, _)| from == name)
        .map(|(_, to)| to.clone())
        .collect();
    let afferent = edges.iter().filter(|(_, to)| to == name).count();
    let (efferent, all) = (knows.len(), knows.len() + afferent);
    let node = Node {
        afferent,
        efferent,
        instability: (all > 0).then(|| efferent as f64 / all as f64),
        knows,
    };
    (name.to_owned(), node)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::shop::variant::Style;
    use crate::world::lab::definitions;

    /// By style: nodes, edges, largest circle, mutual pairs, propagation cost.
    fn figures(fraud: &str) -> BTreeMap<Style, (usize, usize, usize, usize, String)> {
        let parameters = BTreeMap::from([("Fraud".to_owned(), fraud.to_owned())]);
        let definitions = definitions(&parameters).unwrap();
        let all = Description::all(&definitions.outputs).unwrap();
        let of = |it: &&Description| {
            let graph = of(&definitions, it).services;
            let cost = format!("{:.2}", graph.propagation_cost);
            (
                it.variant.style,
                (
                    graph.nodes,
                    graph.edges,
                    graph.largest_cycle,
                    graph.mutual_pairs,
                    cost,
                ),
            )
        };
        all.iter().map(of).collect()
    }

    /// One dependency of these is the order service's on notification: it hears
    /// that an owed notice was given after all.
    #[test]
    fn fraud_detection_couples_the_bus_more_and_the_workflow_hardly() {
        let (before, after) = (figures("off"), figures("on"));
        let row = |nodes, edges, cycle, mutual, cost: &str| {
            (nodes, edges, cycle, mutual, cost.to_owned())
        };
        let [workflow, bus] = [Style::Orchestration, Style::Choreography];
        assert_eq!(before[&workflow], row(8, 7, 1, 0, "0.23"));
        assert_eq!(after[&workflow], row(9, 9, 1, 0, "0.22"));
        assert_eq!(before[&bus], row(6, 12, 5, 4, "0.86"));
        assert_eq!(after[&bus], row(7, 17, 7, 6, "1.00"));
    }

    #[test]
    fn with_contracts_as_nodes_nothing_goes_in_circles() {
        let definitions = definitions(&BTreeMap::new()).unwrap();
        for description in Description::all(&definitions.outputs).unwrap() {
            let contracts = of(&definitions, description).contracts;
            assert!(contracts.edges > 10, "{}", description.variant.name);
            assert_eq!((contracts.largest_cycle, contracts.mutual_pairs), (1, 0));
        }
    }
}
