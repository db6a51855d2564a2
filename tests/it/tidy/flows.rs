//! Rules, policies and definitions: whatever one of them names is there.

use std::collections::{BTreeMap, BTreeSet};

use duet_asl::{StateMachine, substitute};
use duet_cli::shop::contracts::{interests, recorders};
use duet_cli::shop::services::SERVICES;
use duet_core::outcome::{INVALID_COMMAND, OTHER_MARK, PATIENCE_SPENT, TRANSIENT};
use duet_core::{Fact, Vocabulary};
use duet_pattern::Pattern;
use serde_json::{Value as Json, json};

use super::{named, resources, template, templates};
use crate::harness::text;

/// The service that the rule `id` tells, which it must not do without retries and a place for
/// dead letters.
fn consumer_of(id: &str, rule: &serde_norway::Value) -> String {
    let targets = rule["Targets"].as_sequence().unwrap();
    assert_eq!(targets.len(), 1, "{id}: one target per rule");
    let consumer = named(&targets[0]["Arn"])
        .trim_end_matches("Consumer")
        .trim_end_matches("Queue")
        .to_lowercase();
    assert!(
        SERVICES.contains(&consumer.as_str()),
        "{id}: no service {consumer}"
    );
    assert!(
        !targets[0]["DeadLetterConfig"]["Arn"].is_null(),
        "{id}: no dead-letter queue"
    );
    assert!(
        !targets[0]["RetryPolicy"]["MaximumRetryAttempts"].is_null(),
        "{id}: no retry policy"
    );
    consumer
}

#[test]
fn every_rule_joins_a_fact_to_a_policy_and_every_policy_has_its_rule() {
    let (mut ruled, mut recording) = (BTreeSet::new(), Vec::new());
    let (mut late, mut only_late) = (BTreeSet::new(), BTreeSet::new());
    for path in &templates("infra/choreography/") {
        let template = template(path);
        for (id, rule) in resources(&template, "AWS::Events::Rule") {
            let pattern: Json = serde_norway::from_value(rule["EventPattern"].clone()).unwrap();
            Pattern::from_value(&pattern).unwrap_or_else(|e| panic!("{path} {id}: {e}"));
            let list = |value: &Json| {
                value.as_array().map(|list| {
                    list.iter()
                        .filter_map(|v| v.as_str().map(str::to_owned))
                        .collect::<Vec<_>>()
                })
            };
            let consumer = consumer_of(id, rule);
            if recorders().unwrap().iter().any(|(who, _)| *who == consumer) {
                assert_eq!(pattern["source"], json!([{ "prefix": "duet." }]), "{id}");
                assert!(pattern["detail-type"].is_null(), "{id}: hears all or some");
                recording.push(consumer);
                continue;
            }
            let facts = list(&pattern["detail-type"]).expect("a rule names its facts");
            assert_eq!(facts.len(), 1, "{id}: one rule per fact and consumer");
            assert!(
                Fact::NAMES.contains(&facts[0].as_str()),
                "{id}: no fact {}",
                facts[0]
            );
            let source = list(&pattern["source"])
                .expect("a rule names its source")
                .remove(0);
            let kinds = list(&pattern["detail"]["data"]["kind"]).unwrap_or_default();
            // Several kinds at once are those that somebody listens to.
            let kind = (kinds.len() == 1).then(|| kinds[0].clone());
            if pattern["detail"]["metadata"]["late"] == json!([true]) {
                late.insert((facts[0].clone(), consumer.clone()));
            }
            assert!(
                ruled.insert((facts[0].clone(), kind, source, consumer)),
                "{id}: twice the same"
            );
        }
    }
    let everything: Vec<_> = recorders().unwrap().iter().map(|(who, _)| *who).collect();
    assert_eq!(recording, everything, "left: rules; right: who hears all");
    let mut wanted = BTreeSet::new();
    for interest in interests().unwrap() {
        let fact = interest.fact;
        only_late.extend(
            interest
                .late
                .iter()
                .map(|who| (fact.to_owned(), (*who).to_owned())),
        );
        for (consumer, _) in &interest.makes {
            let source = format!("duet.{}", interest.said_by);
            wanted.insert((
                interest.fact.to_owned(),
                interest.kind.map(str::to_owned),
                source,
                (*consumer).to_owned(),
            ));
        }
    }
    assert_eq!(
        ruled, wanted,
        "left: rules; right: what the policies listen to"
    );
    assert_eq!(
        late, only_late,
        "left: rules; right: what interests late only"
    );
}

/// The state machines and the names their `${..Function}` stand for.
pub(super) const MACHINES: [&str; 4] = [
    "infra/orchestration/order.asl.json",
    "infra/orchestration/order.before-fraud.asl.json",
    "infra/orchestration/customer.asl.json",
    "infra/orchestration/customer.before-fraud.asl.json",
];

/// The Express machines: their literals are their own.
pub(super) const EXPRESS: [&str; 2] = [
    "infra/express/order.asl.json",
    "infra/express/customer.asl.json",
];

/// A definition with its placeholders filled in: functions by their own name,
/// the partition by AWS's own, numbers by a number.
pub(super) fn definition(path: &str) -> String {
    let value = |name: &str| {
        Some(match name {
            "Partition" => "aws".to_owned(),
            name if name.ends_with("Function") => name.to_owned(),
            _ => "4".to_owned(),
        })
    };
    substitute(&text(path), value).unwrap()
}

#[test]
fn every_task_asks_a_service_for_a_command_it_has() {
    for path in MACHINES.into_iter().chain(EXPRESS) {
        let definition: Json = serde_json::from_str(&definition(path)).unwrap();
        let mut seen = 0;
        let mut open = vec![&definition];
        while let Some(value) = open.pop() {
            match value {
                Json::Object(map) => {
                    if let Some(arguments) = map
                        .get("Arguments")
                        .filter(|_| map.get("Type") == Some(&json!("Task")))
                        .filter(|arguments| arguments.get("StateMachineArn").is_none())
                    {
                        let function = arguments["FunctionName"].as_str().unwrap();
                        let service = function.trim_end_matches("Function").to_lowercase();
                        let command = arguments["Payload"]["command"].as_str().unwrap();
                        assert!(
                            commands(&service).contains(&command),
                            "{path}: {service} has no command {command}"
                        );
                        assert!(
                            map.contains_key("TimeoutSeconds") && map.contains_key("Retry"),
                            "{path}: {command} without limit or retry"
                        );
                        seen += 1;
                    }
                    open.extend(map.values());
                }
                Json::Array(list) => open.extend(list),
                _ => {}
            }
        }
        assert!(seen >= 3, "{path}: {seen} tasks");
    }
}

pub(super) fn commands(service: &str) -> &'static [&'static str] {
    macro_rules! by_name {
        (parts { $($Part:ident $part:ident $its:ident ($($port:ident),*);)* }
         listeners { $($Listener:ident $listener:ident $own:ident ();)* }) => {
            match service {
                $(stringify!($part) => $its::Command::NAMES,)*
                $(stringify!($listener) => $own::Command::NAMES,)*
                other => panic!("no service {other}"),
            }
        };
    }
    duet_core::services!(by_name)
}

#[test]
fn every_error_name_is_of_the_vocabulary() {
    for path in MACHINES.into_iter().chain(EXPRESS) {
        let machine =
            StateMachine::parse(&definition(path)).unwrap_or_else(|e| panic!("{path}: {e:?}"));
        let mut names = 0;
        for (state, name) in machine.error_names() {
            let known = name.starts_with("States.")
                || [TRANSIENT, INVALID_COMMAND, PATIENCE_SPENT, OTHER_MARK].contains(&name)
                || Fact::NAMES.contains(&name);
            assert!(known, "{path}, {state}: nobody says {name}");
            names += 1;
        }
        assert!(names > 0, "{path} catches nothing");
        for (state, resource) in machine.tasks() {
            let known = [
                "arn:aws:states:::lambda:invoke",
                "arn:aws:states:::lambda:invoke.waitForTaskToken",
                "arn:aws:states:::states:startExecution",
            ];
            assert!(known.contains(&resource), "{path}, {state}: {resource}");
        }
    }
}

/// What adding fraud detection costs is what differs between the two states of
/// a workflow, and nothing else does.
#[test]
fn the_workflow_before_fraud_differs_by_fraud_only() {
    for (with, without) in [(MACHINES[0], MACHINES[1]), (MACHINES[2], MACHINES[3])] {
        let states = |path| -> BTreeMap<String, Json> {
            let definition: Json = serde_json::from_str(&definition(path)).unwrap();
            serde_json::from_value(definition["States"].clone()).unwrap()
        };
        let (with, without) = (states(with), states(without));
        assert!(
            with.len() > without.len() || with.values().any(|state| state["Type"] == "Parallel")
        );
        for (name, state) in &without {
            let Some(other) = with.get(name) else {
                continue;
            };
            let rest = |state: &Json| {
                let mut state = state.clone();
                let fields = state.as_object_mut().unwrap();
                fields.remove("Next");
                fields.remove("Assign");
                fields.remove("Comment");
                // Each definition says for which mark it is.
                let payload = state.pointer_mut("/Arguments/Payload");
                if let Some(payload) = payload.and_then(Json::as_object_mut) {
                    payload.remove("clearance");
                }
                state
            };
            if !other.to_string().contains("raud") {
                assert_eq!(
                    rest(state),
                    rest(other),
                    "{name} differs for another reason than fraud"
                );
            }
        }
    }
}
