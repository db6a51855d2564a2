//! What a change touches: who has to edit what, who is deployed anew, who must
//! know whom before and after. Computed from what is deployed, and from one
//! line that says what is wanted.
//!
//! | kind | before | after |
//! |---|---|---|
//! | an observer | the shop | a service more that hears of facts, or is called after commands |
//! | a gate | the shop with fraud detection off | with it on: both are deployed from the same templates |
//! | a removal | the shop | the same without a service: neither rules nor calls of it |
//! | a new field | the shop | a command has a field more, and a fact hands it on to who reads it |
//!
//! A service is edited when it begins or ceases to hear facts of the service
//! that comes or goes, and when a workflow has to tell it of something more that
//! may be owed; a definition, when what it calls changes. A new field edits the service
//! that takes it and the one that reads it, and each definition that hands on, by
//! name, the field beside which it travels.

mod calls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use duet_lab::{Definitions, Deployed, bundled, deployed, stacks};
use serde::{Deserialize, Serialize};

use self::calls::{hands_on, told_what_is_owed};
use super::coupling::{Coupling, Link, links};
use crate::shop::contracts::taken_by;
use crate::shop::variant::Description;
use crate::terminal::exit::{Outcome, Problem};

/// What a change touches under one variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Which kind of change.
    pub kind: String,
    /// What is wanted.
    pub about: String,
    /// Under which variant.
    pub variant: String,
    /// Services whose code is edited, but for one that comes or goes.
    pub edited: Vec<String>,
    /// Services that are deployed anew, with one that comes.
    pub redeployed: Vec<String>,
    /// State machines whose definition is edited.
    pub definitions: Vec<String>,
    /// Rules that come or go.
    pub rules: usize,
    /// The variant's own resources: those that come, change and go. Only where
    /// both states are deployed from the same templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Touched>,
    /// Dependencies between services before and after.
    pub edges: [usize; 2],
    /// The share of pairs that a change reaches, before and after.
    pub propagation_cost: [f64; 2],
}

/// How many resources a change touches, as a change set would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Touched {
    /// Those that come.
    pub added: usize,
    /// Those that change.
    pub changed: usize,
    /// Those that go.
    pub removed: usize,
}

/// What a variant is made of before anything is added: without fraud detection,
/// and without the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scratch {
    /// Under which variant.
    pub variant: String,
    /// The resources of its own stack and those within, by type.
    pub resources: BTreeMap<String, usize>,
    /// How many of all types.
    pub total: usize,
    /// State machines that new orders and registrations enter.
    pub definitions: usize,
    /// Rules for facts.
    pub rules: usize,
    /// Lines of its templates and definitions.
    pub lines: usize,
    /// Lines of the services' policies: what a fact makes of a command.
    pub policy_lines: usize,
}

/// One line of what is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Want {
    kind: String,
    about: String,
    /// The service that comes.
    #[serde(default)]
    service: Option<String>,
    /// The facts it hears, where facts are heard.
    #[serde(default)]
    hears: Vec<String>,
    /// The commands after which it is called, where services are called.
    #[serde(default)]
    after: Vec<String>,
    /// Whether what it does is owed until it is done. A bus keeps it in a
    /// dead-letter queue; a workflow tells a service, which has to know the word.
    #[serde(default)]
    owed: bool,
    /// The service that goes.
    #[serde(default)]
    without: Option<String>,
    /// The field that comes.
    #[serde(default)]
    field: Option<Field>,
    /// The parameters of the two states, where both are deployed.
    #[serde(default)]
    before: BTreeMap<String, String>,
    #[serde(default)]
    after_parameters: BTreeMap<String, String>,
}

/// A field that comes, and which way it goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    /// The command that has it.
    of: String,
    /// The fact that hands it on, where facts are heard.
    said_in: String,
    /// The field that goes the same way already.
    beside: String,
    /// The service that reads it.
    read_by: String,
}

static WANTS: LazyLock<Vec<Want>> =
    LazyLock::new(|| serde_json::from_str(include_str!("wants.json")).unwrap_or_default());

/// The parameters of the shop from scratch.
fn scratch_parameters() -> BTreeMap<String, String> {
    BTreeMap::from([("Fraud".to_owned(), "off".to_owned())])
}

macro_rules! policies {
    (parts { $($Part:ident $part:ident $its:ident ($($port:ident),*);)* }
     listeners { $($rest:tt)* }) => {
        /// Each service's policy, as text.
        const POLICIES: &[(&str, &str)] = &[$((
            stringify!($part),
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"), "/../functions/", stringify!($part), "/src/policy.rs"
            )),
        )),*];
    };
}
duet_core::services!(policies);

/// The description of the same variant in `definitions`.
fn again(definitions: &Definitions, name: &str) -> Outcome<&'static Description> {
    let all = Description::all(&definitions.outputs)?;
    let found = all.into_iter().find(|one| one.variant.name == name);
    found.ok_or_else(|| Problem::environment(format!("{name} is not deployed")))
}

/// The resources of the variant's own stack, and of those within it.
fn own(definitions: &Definitions, description: &Description) -> Outcome<Vec<Deployed>> {
    let (files, parameters) = (bundled(), &definitions.parameters);
    let all = stacks(&files, &definitions.stack, parameters).map_err(Problem::environment)?;
    let mine = all.iter().find(|stack| {
        let said = stack.outputs.get("Variant");
        said.is_some_and(|said| description.is_said_by(said))
    });
    let place = mine.map(|stack| stack.place.as_str()).unwrap_or_default();
    let found = deployed(&files, &definitions.stack, parameters, &[]);
    let mut found = found.map_err(Problem::environment)?;
    found.retain(|it| it.place.starts_with(place) && it.place != place);
    Ok(found)
}

/// What every kind of change touches under the variant of `description`.
///
/// # Errors
/// [`Problem`] when the templates cannot be read.
pub fn all(definitions: &Definitions, description: &Description) -> Outcome<Vec<Change>> {
    WANTS
        .iter()
        .map(|want| one(definitions, description, want))
        .collect()
}

fn one(definitions: &Definitions, description: &Description, want: &Want) -> Outcome<Change> {
    let name = description.variant.name;
    let mut resources = None;
    let (before, after) = if want.before.is_empty() {
        let before = links(definitions, description);
        let after = match (&want.without, &want.service) {
            (Some(gone), _) => without(&before, gone),
            (None, Some(service)) => with(&before, want, service),
            (None, None) => before.clone(),
        };
        (before, after)
    } else {
        let with = |parameters| definitions.with(parameters).map_err(Problem::environment);
        let (off, on) = (with(&want.before)?, with(&want.after_parameters)?);
        let (was, is) = (again(&off, name)?, again(&on, name)?);
        resources = Some(touched(&own(&off, was)?, &own(&on, is)?));
        (links(&off, was), links(&on, is))
    };
    let (was, is) = (
        Coupling::of(&before).services,
        Coupling::of(&after).services,
    );
    let subject = want.service.as_ref().or(want.without.as_ref());
    let moved: Vec<&Link> = before.symmetric_difference(&after).collect();
    let is_rule = |link: &&&Link| !link.from.starts_with("workflow ");
    let edited = moved
        .iter()
        .filter(is_rule)
        .filter(|link| Some(&link.to) == subject);
    let mut edited: BTreeSet<String> = edited.map(|link| link.from.clone()).collect();
    let mut definitions_edited = definitions_edited(&before, &after);
    let (ruled, rules_then) = (rules(&before), rules(&after));
    // One that hears more than before has neither come nor gone.
    let mut rules: BTreeSet<&str> = ruled.symmetric_difference(&rules_then).copied().collect();
    if let Some(field) = &want.field {
        edited.extend(taken_by(&field.of).map(str::to_owned));
        edited.insert(field.read_by.clone());
        definitions_edited.extend(hands_on(definitions, description, field)?);
        // Who does not hear the fact yet has to.
        let hears = |link: &Link| link.from == field.read_by && link.by == field.said_in;
        let is_heard = description.variant.has_facts && !before.iter().any(hears);
        rules.extend(is_heard.then_some(field.said_in.as_str()));
    }
    if want.owed {
        edited.extend(told_what_is_owed(
            definitions,
            description,
            &definitions_edited,
        )?);
    }
    let edited: Vec<String> = edited
        .into_iter()
        .filter(|it| Some(it) != subject)
        .collect();
    Ok(Change {
        kind: want.kind.clone(),
        about: want.about.clone(),
        variant: name.to_owned(),
        redeployed: edited.iter().chain(&want.service).cloned().collect(),
        edited,
        definitions: definitions_edited,
        rules: rules.len(),
        resources,
        edges: [was.edges, is.edges],
        propagation_cost: [was.propagation_cost, is.propagation_cost],
    })
}

/// The rules and subscriptions that make up `links`, by name.
fn rules(links: &BTreeSet<Link>) -> BTreeSet<&str> {
    let heard = links.iter().filter(|it| !it.from.starts_with("workflow "));
    heard.map(|it| it.place.as_str()).collect()
}

/// `links` without the service `gone`.
fn without(links: &BTreeSet<Link>, gone: &str) -> BTreeSet<Link> {
    let others = links
        .iter()
        .filter(|link| link.from != gone && link.to != gone);
    others.cloned().collect()
}

/// `links` with `service`, as `want` says: it hears facts from whoever says them
/// now, and is called by whoever calls the commands before it.
fn with(links: &BTreeSet<Link>, want: &Want, service: &str) -> BTreeSet<Link> {
    let mut more = links.clone();
    for link in links {
        if link.from.starts_with("workflow ") {
            if want.after.contains(&link.by) {
                more.insert(Link {
                    to: service.to_owned(),
                    by: format!("a command of {service}"),
                    place: format!("after {}", link.place),
                    ..link.clone()
                });
            }
        } else if want.hears.contains(&link.by) {
            more.insert(Link {
                from: service.to_owned(),
                place: format!("{service}-{}", link.by),
                ..link.clone()
            });
        }
    }
    more
}

/// The workflows whose calls differ. A twin that takes another's place counts as
/// that one, edited.
fn definitions_edited(before: &BTreeSet<Link>, after: &BTreeSet<Link>) -> Vec<String> {
    let calls = |links: &BTreeSet<Link>| {
        let mut calls: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
        for link in links {
            if let Some(name) = link.from.strip_prefix("workflow ") {
                let name = name.split_once("-before-").map_or(name, |(name, _)| name);
                let call = (link.to.clone(), link.by.clone());
                calls.entry(name.to_owned()).or_default().insert(call);
            }
        }
        calls
    };
    let (before, after) = (calls(before), calls(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let edited = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name));
    edited.cloned().collect()
}

/// What of `before` is otherwise in `after`.
fn touched(before: &[Deployed], after: &[Deployed]) -> Touched {
    let by_place = |all: &[Deployed]| -> BTreeMap<String, serde_json::Value> {
        let all = all.iter();
        all.map(|it| (it.place.clone(), it.properties.clone()))
            .collect()
    };
    let (before, after) = (by_place(before), by_place(after));
    Touched {
        added: after.keys().filter(|it| !before.contains_key(*it)).count(),
        removed: before.keys().filter(|it| !after.contains_key(*it)).count(),
        changed: before
            .iter()
            .filter(|(place, was)| after.get(*place).is_some_and(|is| is != *was))
            .count(),
    }
}

/// What the variant of `description` is made of from scratch.
///
/// # Errors
/// [`Problem`] when the templates cannot be read.
pub fn scratch(definitions: &Definitions, description: &Description) -> Outcome<Scratch> {
    let name = description.variant.name;
    let bare = definitions.with(&scratch_parameters());
    let bare = bare.map_err(Problem::environment)?;
    let description = again(&bare, name)?;
    let mut resources = own(&bare, description)?;
    // The journal is an observer: what feeds it was added later.
    let journal: BTreeSet<String> = crate::shop::services::LISTENERS
        .iter()
        .map(|it| it[..1].to_uppercase() + &it[1..])
        .collect();
    resources.retain(|it| !it.place.split('/').any(|part| journal.contains(part)));
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for resource in &resources {
        *kinds.entry(resource.kind.clone()).or_default() += 1;
    }
    let links = links(&bare, description);
    let is_call = |link: &&Link| link.from.starts_with("workflow ");
    let definitions: BTreeSet<&String> = links.iter().filter(is_call).map(|it| &it.from).collect();
    let templates: BTreeSet<&String> = resources.iter().map(|it| &it.template).collect();
    let files = bundled();
    let count = |path: &str| files.get(path).map_or(0, |text| text.lines().count());
    let mut lines: usize = templates.iter().map(|path| count(path)).sum();
    let machines = resources
        .iter()
        .filter(|it| it.kind == "AWS::StepFunctions::StateMachine");
    for machine in machines {
        let file = machine.properties["DefinitionS3Location"]
            .as_str()
            .unwrap_or_default();
        let folder = machine
            .template
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        lines += count(&format!("{folder}/{file}"));
    }
    let heard: BTreeSet<&String> = links
        .iter()
        .filter(|it| !is_call(it))
        .map(|it| &it.from)
        .collect();
    let policies = POLICIES
        .iter()
        .filter(|(service, _)| heard.iter().any(|it| it == service));
    Ok(Scratch {
        variant: name.to_owned(),
        total: resources.len(),
        resources: kinds,
        definitions: definitions.len(),
        rules: rules(&links).len(),
        lines,
        policy_lines: policies.map(|(_, text)| text.lines().count()).sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::variant::Style;
    use crate::world::lab::definitions;

    fn of(kind: &str) -> BTreeMap<Style, Change> {
        let definitions = definitions(&BTreeMap::new()).unwrap();
        let described = Description::all(&definitions.outputs).unwrap();
        let changes = described.iter().map(|it| {
            let all = all(&definitions, it).unwrap();
            let mut its = all.into_iter().filter(|change| change.kind == kind);
            (it.variant.style, its.next().unwrap())
        });
        changes.collect()
    }

    #[test]
    fn a_gate_edits_services_on_the_bus_and_definitions_in_the_workflow() {
        let gate = of("a gate");
        let workflow = &gate[&Style::Orchestration];
        assert_eq!(workflow.edited, Vec::<String>::new());
        assert_eq!(workflow.definitions, ["customer", "order"]);
        assert_eq!(workflow.rules, 0);
        let bus = &gate[&Style::Choreography];
        assert_eq!(bus.edited, ["customer", "delivery", "order"]);
        assert_eq!(bus.definitions, Vec::<String>::new());
        // Nine rules of a bus, five subscriptions of topics.
        assert!(bus.rules >= 5, "{}", bus.rules);
        for change in [workflow, bus] {
            let resources = change.resources.unwrap();
            assert!(
                resources.added > 0 && resources.removed == 0,
                "{resources:?}"
            );
        }
    }

    #[test]
    fn an_observer_edits_nobody_on_the_bus_and_a_definition_in_the_workflow() {
        let observer = of("an observer");
        let workflow = &observer[&Style::Orchestration];
        assert_eq!(workflow.definitions, ["order"]);
        // It has to know that points are owed where they cannot be granted.
        assert_eq!(workflow.edited, ["order"]);
        let bus = &observer[&Style::Choreography];
        assert_eq!((bus.rules, bus.definitions.len()), (1, 0));
        assert!(bus.edited.is_empty() && bus.redeployed == ["loyalty"]);
        for change in [workflow, bus] {
            assert_eq!(change.edges[1], change.edges[0] + 1);
        }
    }

    #[test]
    fn what_goes_takes_its_rules_and_calls_along() {
        let gone = of("a removal");
        assert_eq!(
            gone[&Style::Orchestration].definitions,
            ["customer", "order"]
        );
        // The order service hears that a notice was given after all.
        assert_eq!(gone[&Style::Choreography].edited, ["order"]);
    }

    #[test]
    fn a_field_edits_who_takes_it_who_reads_it_and_what_hands_it_on() {
        let field = of("a new field");
        for change in field.values() {
            assert_eq!(change.edited, ["delivery", "order"]);
            assert_eq!(change.edges[0], change.edges[1]);
            assert_eq!(change.rules, 0);
        }
        assert_eq!(field[&Style::Orchestration].definitions, ["order"]);
        assert!(field[&Style::Choreography].definitions.is_empty());
    }

    #[test]
    fn from_scratch_the_bus_has_rules_and_the_workflow_definitions() {
        let definitions = definitions(&BTreeMap::new()).unwrap();
        for description in Description::all(&definitions.outputs).unwrap() {
            let scratch = scratch(&definitions, description).unwrap();
            let told = (
                scratch.definitions > 0,
                scratch.rules > 0,
                scratch.policy_lines > 0,
            );
            match description.variant.style {
                Style::Orchestration => assert_eq!(told, (true, false, false)),
                Style::Choreography => assert_eq!(told, (false, true, true)),
            }
            assert!(scratch.lines > 300 && scratch.total >= 10, "{scratch:?}");
            let kinds: Vec<&String> = scratch.resources.keys().collect();
            assert!(
                kinds.iter().all(|kind| kind.starts_with("AWS::")),
                "{kinds:?}"
            );
        }
    }
}
