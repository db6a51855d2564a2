//! What is known of some integrations: their answers, and the HTTP behind them.
//!
//! Shapes: the API reference of each service, with names as Step Functions writes them.

use crate::model::{Kind, Pattern, StateMachine};
use serde_json::{Map, Value, json};

/// The HTTP request that a task's arguments ask for; what the connection adds to it
/// is not known here.
pub(crate) fn request(arguments: &Value) -> Value {
    let whole = |name: &str| match arguments.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    };
    let mut url = whole("ApiEndpoint").unwrap_or_default();
    if let Some(Value::Object(query)) = arguments.get("QueryParameters") {
        for (i, (name, value)) in query.iter().enumerate() {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let mark = if i == 0 && !url.contains('?') {
                '?'
            } else {
                '&'
            };
            url.push_str(&format!("{mark}{name}={value}"));
        }
    }
    let all = [
        (
            "protocol",
            url.split_once("://").map(|(it, _)| it.to_owned()),
        ),
        ("method", whole("Method")),
        ("url", Some(url.clone())),
        ("headers", whole("Headers")),
        ("body", whole("RequestBody")),
    ];
    let known = all.into_iter().filter_map(|(name, it)| Some((name, it?)));
    known
        .map(|(name, it)| (name.to_owned(), json!(it)))
        .collect::<Map<_, _>>()
        .into()
}

/// The HTTP response that a mocked result stands for.
pub(crate) fn response(result: &Value) -> Value {
    let names = [
        ("statusCode", "StatusCode"),
        ("statusMessage", "StatusText"),
        ("headers", "Headers"),
        ("body", "ResponseBody"),
    ];
    let known = names.into_iter().filter_map(|(name, from)| {
        let value = result.get(from)?;
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        Some((name.to_owned(), json!(value)))
    });
    known.collect::<Map<_, _>>().into()
}

/// What some integrations are known to answer: a member's name and type, and whether
/// it must be there. Of others nothing is known here, and nothing is checked.
type Shape = &'static [(&'static str, &'static str, bool)];

const SHAPES: [(&str, &str, Shape); 5] = [
    (
        "lambda",
        "invoke",
        &[
            ("StatusCode", "number", false),
            ("ExecutedVersion", "string", false),
            ("FunctionError", "string", false),
            ("LogResult", "string", false),
        ],
    ),
    (
        "sqs",
        "sendMessage",
        &[
            ("MessageId", "string", false),
            ("MD5OfMessageBody", "string", false),
            ("MD5OfMessageAttributes", "string", false),
            ("SequenceNumber", "string", false),
        ],
    ),
    (
        "sns",
        "publish",
        &[
            ("MessageId", "string", false),
            ("SequenceNumber", "string", false),
        ],
    ),
    (
        "events",
        "putEvents",
        &[
            ("Entries", "array", false),
            ("FailedEntryCount", "number", false),
        ],
    ),
    (
        "states",
        "startExecution",
        &[("ExecutionArn", "string", true), ("StartDate", "any", true)],
    ),
];

impl StateMachine {
    /// Where a mocked result of the task `state` is not what its integration answers:
    /// with `whole`, members that must be there may not be missing. `None` when
    /// nothing is known of the integration.
    #[must_use]
    pub fn misfits(&self, state: &str, result: &Value, whole: bool) -> Option<Vec<String>> {
        let found = self.states.iter().find(|it| *it.name == *state)?;
        let Kind::Task(task) = &found.kind else {
            return None;
        };
        let resource = &task.resource;
        if resource.pattern != Pattern::RequestResponse {
            return None;
        }
        let known =
            |it: &&(&str, &str, Shape)| *it.0 == *resource.service && *it.1 == *resource.action;
        let (_, _, shape) = SHAPES.iter().find(known)?;
        let Value::Object(members) = result else {
            return Some(vec!["the result is no object".into()]);
        };
        let mut misfits = Vec::new();
        for (name, kind, required) in *shape {
            let fits = |value: &Value| match *kind {
                "number" => value.is_number(),
                "string" => value.is_string(),
                "array" => value.is_array(),
                _ => true,
            };
            match members.get(*name) {
                None if whole && *required => misfits.push(format!("{name} is missing")),
                Some(value) if !fits(value) => misfits.push(format!("{name} is no {kind}")),
                _ => {}
            }
        }
        Some(misfits)
    }
}
