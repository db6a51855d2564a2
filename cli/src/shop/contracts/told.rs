//! What the templates tell of the services in `Metadata: Duet:`, as the code says
//! it, for `duet check`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::services;

/// What a service tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// On the function that hears its queues: in whose name it speaks, and what it
    /// says.
    pub queue: Value,
    /// On the function that takes a person's verdicts, if there is one: in whose name
    /// it speaks, and what they lead to.
    pub verdict: Value,
    /// On the function that a workflow calls: which of its commands undoes which.
    pub task: Value,
}

/// What each service tells, by its name. A listener's queue function says nothing
/// and may put no events, so it need not tell that.
#[must_use]
pub fn told() -> BTreeMap<&'static str, Told> {
    let all = services();
    all.iter()
        .map(|service| {
            let source = format!("duet.{}", service.name);
            let says = |of: &dyn Fn(&str) -> bool| {
                let mut says: Vec<&str> = Vec::new();
                let rows = service.says.iter().filter(|(command, _)| of(command));
                for fact in rows.flat_map(|(_, facts)| *facts) {
                    if !says.contains(fact) {
                        says.push(fact);
                    }
                }
                json!({ "source": source, "says": says })
            };
            let undoes: BTreeMap<&str, &str> = service.undoes.iter().copied().collect();
            let told = Told {
                queue: says(&|_| true),
                verdict: says(&|command| service.verdicts.contains(&command)),
                task: json!({ "undoes": undoes }),
            };
            (service.name, told)
        })
        .collect()
}

/// The facts that a command of `service` may lead to; none where it is not known.
#[must_use]
pub fn may_say(service: &str, command: &str) -> &'static [&'static str] {
    type Says = &'static [(&'static str, &'static [&'static str])];
    static ALL: LazyLock<BTreeMap<&str, Says>> =
        LazyLock::new(|| services().iter().map(|it| (it.name, it.says)).collect());
    let says = ALL.get(service).copied().unwrap_or_default();
    let row = says.iter().find(|(known, _)| *known == command);
    row.map_or(&[][..], |(_, facts)| *facts)
}

#[cfg(test)]
mod tests {
    use duet_core::{Fact, LISTENERS, Vocabulary};

    use super::super::{reactions, samples};
    use super::*;

    /// The functions of the root template: the service, the entry, and what is told.
    fn functions() -> Vec<(String, String, Value)> {
        let text = include_str!("../../../../template.yaml");
        let template: serde_norway::Value = serde_norway::from_str(text).unwrap();
        let resources = template["Resources"].as_mapping().unwrap();
        let functions = resources
            .values()
            .filter(|it| it["Type"] == "AWS::Serverless::Function");
        functions
            .map(|it| {
                let properties = &it["Properties"];
                let code = properties["CodeUri"].as_str().unwrap();
                let service = code.trim_end_matches('/').rsplit('/').next().unwrap();
                let entry = &properties["Environment"]["Variables"]["DUET_ENTRY"];
                let told = serde_json::to_value(&it["Metadata"]["Duet"]).unwrap();
                (service.to_owned(), entry.as_str().unwrap().to_owned(), told)
            })
            .collect()
    }

    #[test]
    fn the_template_tells_what_the_code_says() {
        let told = told();
        let mut compared = 0;
        for (service, entry, found) in functions() {
            let is_listener = LISTENERS.contains(&service.as_str());
            let expected = match (told.get(service.as_str()), entry.as_str()) {
                (Some(told), "queue") if !is_listener => told.queue.clone(),
                (Some(told), "task") => told.task.clone(),
                (Some(told), "verdict") => told.verdict.clone(),
                _ => Value::Null,
            };
            assert_eq!(
                found, expected,
                "Metadata: Duet: of {service}, entry {entry}"
            );
            compared += usize::from(!expected.is_null());
        }
        assert!(compared >= 2 * (told.len() - LISTENERS.len()), "{compared}");
    }

    /// What undoes a step is what the service does when the order is rejected.
    #[test]
    fn a_compensation_is_what_a_rejection_makes_its_service_do() {
        let rejected = Fact::NAMES.iter().find(|it| **it == "OrderRejected");
        let (_, event) = samples(rejected.unwrap()).unwrap().remove(0);
        let done = reactions(&event);
        for service in services() {
            for (step, undo) in service.undoes {
                let has = |name| service.commands.iter().any(|(known, _)| known == name);
                assert!(has(step) && has(undo), "{}: {step}, {undo}", service.name);
                assert!(done.contains(&(service.name, *undo)), "{undo} in {done:?}");
            }
        }
    }
}
