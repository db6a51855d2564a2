//! A trace as OTLP JSON: protobuf's JSON mapping of `TracesData`, but for ids, which
//! are hexadecimal, and enums, which are numbers (OpenTelemetry protocol
//! specification, "JSON Protobuf Encoding"). 64-bit numbers are text.

use std::collections::BTreeMap;

use duet_core::Timestamp;
use duet_core::message::hex;
use serde::Serialize;

use super::{Link, Role, Span, Trace, Value};
use crate::terminal::exit::{Outcome, Problem};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TracesData {
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans {
    resource: Resource,
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Serialize)]
struct Resource {
    attributes: Vec<KeyValue>,
}

#[derive(Serialize)]
struct ScopeSpans {
    scope: Scope,
    spans: Vec<WrittenSpan>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenSpan {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: String,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<KeyValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<WrittenLink>,
    status: Status,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenLink {
    trace_id: String,
    span_id: String,
    attributes: Vec<KeyValue>,
}

#[derive(Serialize)]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
}

#[derive(Serialize)]
struct KeyValue {
    key: &'static str,
    value: AnyValue,
}

#[derive(Serialize)]
enum AnyValue {
    #[serde(rename = "stringValue")]
    Text(String),
    /// A 64-bit number.
    #[serde(rename = "intValue")]
    Number(String),
    #[serde(rename = "boolValue")]
    Flag(bool),
    #[serde(rename = "arrayValue")]
    Array { values: Vec<AnyValue> },
}

impl From<&Value> for AnyValue {
    fn from(value: &Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text.clone()),
            Value::Number(number) => Self::Number(number.to_string()),
            Value::Flag(flag) => Self::Flag(*flag),
            Value::Texts(texts) => Self::Array {
                values: texts.iter().cloned().map(Self::Text).collect(),
            },
        }
    }
}

/// `trace` in OTLP JSON, a resource for each that did something.
pub(super) fn written(trace: &Trace) -> Outcome<String> {
    let id = trace.id();
    let mut by_whose: BTreeMap<&str, Vec<WrittenSpan>> = BTreeMap::new();
    for span in &trace.spans {
        let written = write(span, &id);
        by_whose.entry(&span.whose).or_default().push(written);
    }
    let resources = by_whose.into_iter().map(|(whose, spans)| ResourceSpans {
        resource: Resource {
            attributes: vec![
                word("service.namespace", "duet"),
                word("service.name", &whose.replace(' ', "-")),
            ],
        },
        scope_spans: vec![ScopeSpans {
            scope: Scope {
                name: "duet",
                version: env!("CARGO_PKG_VERSION"),
            },
            spans,
        }],
    });
    let data = TracesData {
        resource_spans: resources.collect(),
    };
    serde_json::to_string(&data).map_err(Problem::environment)
}

fn word(key: &'static str, value: &str) -> KeyValue {
    KeyValue {
        key,
        value: AnyValue::Text(value.to_owned()),
    }
}

fn write(span: &Span, trace: &str) -> WrittenSpan {
    let link = |link: &Link| WrittenLink {
        trace_id: trace.to_owned(),
        span_id: hex(&link.to),
        attributes: vec![word("duet.link", link.why)],
    };
    let mut attributes: Vec<KeyValue> = span
        .attributes
        .iter()
        .map(|(key, value)| KeyValue {
            key,
            value: value.into(),
        })
        .collect();
    // The class of a failure, and the status it makes (semantic conventions,
    // "Recording errors").
    attributes.extend(span.failed.as_deref().map(|how| word("error.type", how)));
    WrittenSpan {
        trace_id: trace.to_owned(),
        span_id: hex(&span.id),
        parent_span_id: span.parent.map(|parent| hex(&parent)),
        name: span.name.clone(),
        kind: match span.kind {
            Role::Internal => 1,
            Role::Server => 2,
            Role::Producer => 4,
            Role::Consumer => 5,
        },
        start_time_unix_nano: nanos(span.began),
        end_time_unix_nano: nanos(span.ended),
        attributes,
        links: span.links.iter().map(link).collect(),
        status: Status {
            message: span.failed.clone(),
            code: span.failed.is_some().then_some(2),
        },
    }
}

fn nanos(at: Timestamp) -> String {
    at.as_nanosecond().max(0).to_string()
}
