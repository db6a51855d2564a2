//! What a target receives: the event, a constant, a part of the event, or a template filled from it.
//!
//! Sources: the user guide on input transformation and answers recorded from the live service. How a value appears:
//!
//! | placeholder | value | becomes |
//! |---|---|---|
//! | outside quotes | any | its JSON |
//! | inside quotes | text | the text, not escaped (the guide: "EventBridge doesn't escape values") |
//! | inside quotes | number, boolean, null | its JSON |
//! | inside quotes of a text | object, array | its JSON without the quotation marks |
//! | inside quotes of a JSON template | object, array | nothing is delivered |
//! | outside quotes | nothing at that path | `""` |
//! | inside quotes | nothing at that path | nothing |
//!
//! `<aws.events.event>` is the event without `detail` and with `detail-type` called `detailType`; `<aws.events.event.json>`
//! is the whole event, in a template that is a JSON object only. This module must not know queues, functions or delivery.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::TransformError;
use crate::json::minify;
use crate::path::InputPath;

const MAX_TEMPLATE: usize = 8_192;
const MAX_PATHS: usize = 100;
const EVENT: &str = "aws.events.event";
const EVENT_JSON: &str = "aws.events.event.json";
const RULE_ARN: &str = "aws.events.rule-arn";
const RULE_NAME: &str = "aws.events.rule-name";
const INGESTION_TIME: &str = "aws.events.event.ingestion-time";

/// What the predefined variables say about the rule and the moment.
#[derive(Debug, Clone, Copy)]
pub struct RuleContext<'a> {
    /// `arn:aws:events:REGION:ACCOUNT:rule/BUS/NAME`
    pub rule_arn: &'a str,
    /// The rule's name.
    pub rule_name: &'a str,
    /// When the bus received the event, as an ISO 8601 timestamp.
    pub ingestion_time: &'a str,
}

/// How a target wants its events.
#[derive(Debug, Clone, Default)]
pub enum TargetInput {
    /// The whole event.
    #[default]
    Event,
    /// `Input`: a constant JSON text.
    Constant(String),
    /// `InputPath`: a part of the event.
    Path(InputPath),
    /// `InputTransformer`: a template.
    Transformer(InputTransformer),
}

impl TargetInput {
    /// Reads `Input`, `InputPath` or `InputTransformer` of a target as `PutTargets` and templates write it.
    ///
    /// # Errors
    /// What `PutTargets` refuses.
    pub fn from_target(target: &Value) -> Result<Self, TransformError> {
        let id = target
            .get("Id")
            .and_then(Value::as_str)
            .unwrap_or("unknown");
        let member = |name| target.get(name).filter(|value| !value.is_null());
        let wrong = |member, reason: &str| TransformError::Member {
            target: id.to_owned(),
            member,
            reason: reason.to_owned(),
        };
        match (
            member("Input"),
            member("InputPath"),
            member("InputTransformer"),
        ) {
            (None, None, None) => Ok(Self::Event),
            (Some(input), None, None) => {
                let text = input
                    .as_str()
                    .ok_or_else(|| wrong("Input", "it must be a string that holds JSON"))?;
                serde_json::from_str::<Value>(text)
                    .map_err(|error| wrong("Input", &error.to_string()))?;
                Ok(Self::Constant(text.to_owned()))
            }
            (None, Some(path), None) => {
                let text = path
                    .as_str()
                    .ok_or_else(|| wrong("InputPath", "it must be a string"))?;
                Ok(Self::Path(parse_path(id, text)?))
            }
            (None, None, Some(transformer)) => {
                let paths = match transformer.get("InputPathsMap") {
                    None | Some(Value::Null) => BTreeMap::new(),
                    Some(Value::Object(map)) => map
                        .iter()
                        .map(|(name, path)| Some((name.clone(), path.as_str()?.to_owned())))
                        .collect::<Option<_>>()
                        .ok_or_else(|| wrong("InputPathsMap", "every path must be a string"))?,
                    Some(_) => return Err(wrong("InputPathsMap", "it must be an object")),
                };
                let template = transformer
                    .get("InputTemplate")
                    .and_then(Value::as_str)
                    .ok_or_else(|| {
                        wrong("InputTemplate", "it is required, and must be a string")
                    })?;
                InputTransformer::new(id, &paths, template).map(Self::Transformer)
            }
            _ => Err(TransformError::NotOnlyOne {
                target: id.to_owned(),
            }),
        }
    }

    /// The text that the target receives, or `None` where `InputPath` leads nowhere, so that there is nothing to send, and
    /// where a JSON template is no JSON once it is filled: EventBridge delivers nothing, and the dead letter's ERROR_CODE is
    /// `INVALID_JSON` (eb-rule-dlq; validated against AWS on 2025-10-08).
    #[must_use]
    pub fn render(&self, event: &Value, context: RuleContext<'_>) -> Option<String> {
        match self {
            Self::Event => Some(event.to_string()),
            Self::Constant(text) => Some(text.clone()),
            Self::Path(path) => path.find(event).map(|value| value.to_string()),
            Self::Transformer(transformer) => transformer.render(event, context),
        }
    }
}

/// A template with named paths into the event.
#[derive(Debug, Clone)]
pub struct InputTransformer {
    pieces: Vec<Piece>,
    /// Whether the template is a JSON object or array, and not a text.
    json: bool,
}

#[derive(Debug, Clone)]
enum Piece {
    Literal(String),
    Placeholder { source: Source, quoted: bool },
}

#[derive(Debug, Clone)]
enum Source {
    Path(InputPath),
    Predefined(&'static str),
}

impl InputTransformer {
    /// Checks and compiles a transformer. `target` is the target's id, for the messages.
    ///
    /// # Errors
    /// What `PutTargets` refuses: too many or reserved names, paths beyond the supported subset, undeclared placeholders,
    /// a template that is no JSON once filled (a plain text needs quotes around it).
    pub fn new(
        target: &str,
        paths: &BTreeMap<String, String>,
        template: &str,
    ) -> Result<Self, TransformError> {
        let wrong = |member, reason: String| TransformError::Member {
            target: target.to_owned(),
            member,
            reason,
        };
        if paths.len() > MAX_PATHS {
            return Err(wrong(
                "InputPathsMap",
                format!("{} entries, and {MAX_PATHS} are allowed", paths.len()),
            ));
        }
        let characters = template.chars().count();
        if characters == 0 || characters > MAX_TEMPLATE {
            let reason = format!("{characters} characters, and 1 to {MAX_TEMPLATE} are allowed");
            return Err(wrong("InputTemplate", reason));
        }
        let mut parsed = BTreeMap::new();
        for (name, path) in paths {
            if !name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
                || name.is_empty()
            {
                let reason =
                    format!("name {name:?} has other characters than letters, digits, `_` and `-`");
                return Err(wrong("InputPathsMap", reason));
            }
            parsed.insert(name.as_str(), parse_path(target, path)?);
        }
        let pieces = split(target, template, &parsed)?;
        let json = template.trim_start().starts_with(['{', '[']);
        let transformer = Self { pieces, json };
        transformer.check_json(target)?;
        Ok(transformer)
    }

    /// Fills the template. A JSON result is minified, as the guide says. There is none where a JSON template is no JSON once
    /// it is filled, or has an object or a list within quotes; a text that is no JSON (because a quoted placeholder brought
    /// a quotation mark) is given as it is, and it is the target that will refuse it.
    #[must_use]
    pub fn render(&self, event: &Value, context: RuleContext<'_>) -> Option<String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Placeholder { source, quoted } => {
                    let value = match source {
                        Source::Path(path) => path.find(event),
                        Source::Predefined(RULE_ARN) => Some(context.rule_arn.into()),
                        Source::Predefined(RULE_NAME) => Some(context.rule_name.into()),
                        Source::Predefined(INGESTION_TIME) => Some(context.ingestion_time.into()),
                        Source::Predefined(EVENT) if *quoted && self.json => return None,
                        Source::Predefined(EVENT) => {
                            text.push_str(&without_quotes_if(*quoted, header(event)));
                            continue;
                        }
                        Source::Predefined(_) => Some(event.clone()),
                    };
                    match value {
                        None if *quoted => {}
                        None => text.push_str("\"\""),
                        Some(Value::String(value)) if *quoted => text.push_str(&value),
                        Some(Value::Object(_) | Value::Array(_)) if *quoted && self.json => {
                            return None;
                        }
                        Some(value) => {
                            text.push_str(&without_quotes_if(*quoted, value.to_string()));
                        }
                    }
                }
            }
        }
        match documents(&text) {
            Ok(1) => Some(minify(&text)),
            _ if self.json => None,
            _ => Some(text),
        }
    }

    /// `PutTargets` parses the template with `null` for each placeholder. Only the first document counts there, so several
    /// quoted lines, a known way to send a text of many lines, pass.
    fn check_json(&self, target: &str) -> Result<(), TransformError> {
        let text: String = self
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Literal(literal) => literal.as_str(),
                Piece::Placeholder { .. } => "null",
            })
            .collect();
        documents(&text)
            .map(|_| ())
            .map_err(|reason| TransformError::Template {
                target: target.to_owned(),
                reason: format!("{reason}; a text needs quotes around it"),
            })
    }
}

fn parse_path(target: &str, path: &str) -> Result<InputPath, TransformError> {
    InputPath::parse(path).map_err(|reason| TransformError::Path {
        target: target.to_owned(),
        path: path.to_owned(),
        reason,
    })
}

/// Cuts a template at its placeholders, and notes which of them stand inside quotes.
fn split(
    target: &str,
    template: &str,
    paths: &BTreeMap<&str, InputPath>,
) -> Result<Vec<Piece>, TransformError> {
    let is_object = template.trim_start().starts_with('{');
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let (mut quoted, mut escaped) = (false, false);
    let mut rest = template;
    while let Some(c) = rest.chars().next() {
        let name = rest.strip_prefix('<').and_then(|after| {
            let (name, _) = after.split_once('>')?;
            let valid = !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
            valid.then_some(name)
        });
        let Some(name) = name else {
            if escaped {
                escaped = false;
            } else if quoted && c == '\\' {
                escaped = true;
            } else if c == '"' {
                quoted = !quoted;
            }
            literal.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        rest = &rest[name.len() + 2..];
        let predefined = [EVENT, EVENT_JSON, RULE_ARN, RULE_NAME, INGESTION_TIME]
            .into_iter()
            .find(|known| *known == name);
        let source = match (predefined, paths.get(name)) {
            (Some(EVENT_JSON), _) if quoted || !is_object => {
                return Err(TransformError::OnlyInJson {
                    target: target.to_owned(),
                    placeholder: name.to_owned(),
                });
            }
            (Some(predefined), _) => Source::Predefined(predefined),
            (None, Some(path)) => Source::Path(path.clone()),
            (None, None) => {
                return Err(TransformError::Placeholder {
                    target: target.to_owned(),
                    placeholder: name.to_owned(),
                });
            }
        };
        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        pieces.push(Piece::Placeholder { source, quoted });
    }
    pieces.push(Piece::Literal(literal));
    Ok(pieces)
}

fn without_quotes_if(quoted: bool, json: String) -> String {
    if quoted { json.replace('"', "") } else { json }
}

/// `<aws.events.event>`: in the order in which AWS was recorded to write it.
fn header(event: &Value) -> String {
    let nothing = Map::new();
    let members = event.as_object().unwrap_or(&nothing);
    let known = [
        "id",
        "account",
        "detail-type",
        "time",
        "source",
        "region",
        "resources",
        "version",
    ];
    let others = members
        .keys()
        .map(String::as_str)
        .filter(|name| !known.contains(name) && *name != "detail");
    let written: Vec<String> = known
        .into_iter()
        .chain(others)
        .filter_map(|name| {
            let renamed = if name == "detail-type" {
                "detailType"
            } else {
                name
            };
            Some(format!("{}:{}", Value::from(renamed), members.get(name)?))
        })
        .collect();
    format!("{{{}}}", written.join(","))
}

/// How many JSON documents the text holds, or why it is none.
fn documents(text: &str) -> Result<usize, String> {
    let mut count = 0;
    for document in serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>() {
        document.map_err(|error| error.to_string())?;
        count += 1;
    }
    if count == 0 {
        Err("the template is empty".to_owned())
    } else {
        Ok(count)
    }
}
