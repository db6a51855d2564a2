//! What a target receives of an event: its input transformer, tried.

use std::path::Path;

use duet_pattern::{RuleContext, TargetInput};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Template, event};
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::read;
use crate::terminal::report::Report;

/// When the bus got the event, where the event does not say.
const INGESTED: &str = "2026-01-01T00:00:00Z";

/// What targets receive.
#[derive(Debug, Serialize)]
pub struct Transformed {
    /// One row for each target.
    pub targets: Vec<Delivered>,
}

/// What a target receives.
#[derive(Debug, Serialize)]
pub struct Delivered {
    /// The target's id.
    pub target: String,
    /// The text that it receives; none where nothing is delivered.
    pub input: Option<String>,
}

/// What `file` holds, or the targets of a rule of a template.
#[derive(Debug)]
pub enum Targets<'a> {
    /// A target, or its transformer alone, as JSON.
    File(&'a Path),
    /// The targets of the rule of this name.
    Rule(&'a Template, &'a str),
}

/// Gives the event in `event_file` to targets, as a rule would.
///
/// # Errors
/// [`Problem`] when a file is no JSON, there is no such rule, or `PutTargets` would refuse a target.
pub fn transform(targets: &Targets<'_>, event_file: &Path) -> Outcome<Transformed> {
    let event = event(event_file)?;
    let (rule, targets) = match targets {
        Targets::File(file) => ("rule", vec![target(file)?]),
        Targets::Rule(template, name) => (*name, template.rule(name)?.targets),
    };
    let arn = format!("arn:aws:events:us-east-1:123456789012:rule/{rule}");
    let context = RuleContext {
        rule_arn: &arn,
        rule_name: rule,
        ingestion_time: event["time"].as_str().unwrap_or(INGESTED),
    };
    let delivered = |target: &Value| {
        let input = TargetInput::from_target(target).map_err(|e| Problem::usage(e.to_string()))?;
        Ok(Delivered {
            target: target["Id"].as_str().unwrap_or("target").to_owned(),
            input: input.render(&event, context),
        })
    };
    let targets = targets.iter().map(delivered);
    Ok(Transformed {
        targets: targets.collect::<Outcome<_>>()?,
    })
}

/// A target as `PutTargets` takes it; its transformer may stand alone.
fn target(file: &Path) -> Outcome<Value> {
    let value: Value = serde_json::from_str(&read::text(file)?)
        .map_err(|e| Problem::usage(format!("{} is no JSON: {e}", file.display())))?;
    if value.get("InputTemplate").is_some() {
        return Ok(json!({"Id": "target", "InputTransformer": value}));
    }
    if ["InputTransformer", "InputPath", "Input"]
        .iter()
        .any(|it| value.get(it).is_some())
    {
        return Ok(value);
    }
    let why = format!(
        "{} has no InputTransformer, InputPath or Input",
        file.display()
    );
    Err(Problem::usage(why).hint(
        r#"such as {"InputPathsMap": {"id": "$.detail.id"}, "InputTemplate": "{\"order\": <id>}"}"#,
    ))
}

impl Report for Transformed {
    fn text(&self) -> String {
        let told = |it: &Delivered| match &it.input {
            Some(input) => input.clone(),
            None => {
                "nothing is delivered: the path leads nowhere, or the filled template is no JSON"
                    .to_owned()
            }
        };
        match self.targets.as_slice() {
            [one] => told(one),
            more => {
                let lines = more.iter().map(|it| format!("{}: {}", it.target, told(it)));
                lines.collect::<Vec<_>>().join("\n")
            }
        }
    }

    fn exit(&self) -> Exit {
        match self.targets.iter().all(|it| it.input.is_some()) {
            true => Exit::Done,
            false => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a target made of `target` receives of `event`.
    fn given(target: &Value, event: &Value) -> Outcome<Transformed> {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, value: &Value| {
            let path = folder.path().join(name);
            std::fs::write(&path, value.to_string()).unwrap();
            path
        };
        let (target, event) = (file("target", target), file("event", event));
        transform(&Targets::File(&target), &event)
    }

    #[test]
    fn a_transformer_alone_or_in_its_target_is_filled() {
        let transformer = json!({"InputPathsMap": {"id": "$.detail.id"},
            "InputTemplate": "{\"id\": <id>, \"at\": <aws.events.event.ingestion-time>, \"rule\": <aws.events.rule-name>}"});
        let event = json!({"time": "2026-02-03T04:05:06Z", "detail": {"id": "o-1"}});
        for target in [
            transformer.clone(),
            json!({"Id": "a", "InputTransformer": transformer}),
        ] {
            let given = given(&target, &event).unwrap();
            assert_eq!(
                given.text(),
                r#"{"id":"o-1","at":"2026-02-03T04:05:06Z","rule":"rule"}"#
            );
            assert_eq!(given.exit(), Exit::Done);
        }
    }

    #[test]
    fn what_is_not_delivered_ends_with_1_and_what_is_refused_with_its_reason() {
        let nothing = given(&json!({"Id": "a", "InputPath": "$.no"}), &json!({})).unwrap();
        assert_eq!(nothing.exit(), Exit::Failed);
        assert!(nothing.text().starts_with("nothing is delivered"));
        let refused = given(&json!({"InputTemplate": "<id>"}), &json!({})).unwrap_err();
        assert!(refused.to_string().contains("id"), "{refused}");
        let none = given(&json!({"Id": "a"}), &json!({})).unwrap_err();
        assert!(
            none.to_string().contains("has no InputTransformer"),
            "{none}"
        );
    }
}
