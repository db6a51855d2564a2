//! Values on their way into the evaluator and back.

use super::Need;
use crate::env::Env;
use crate::path::number;
use jsonata_core::value::JValue;
use serde_json::{Map, Value};

/// `$states` with the parts that are needed.
pub(super) fn states(env: &Env<'_>, need: &Need) -> JValue {
    let mut all = Vec::new();
    let mut put = |name: &str, value: Option<JValue>| {
        if let Some(value) = value {
            all.push((name.to_owned(), value));
        }
    };
    if let Some(need) = need.field("input") {
        put("input", Some(to_jsonata(env.input, need)));
    }
    if let Some(need) = need.field("result") {
        put("result", env.result.map(|v| to_jsonata(v, need)));
    }
    if let Some(need) = need.field("errorOutput") {
        put("errorOutput", env.error_output.map(|v| to_jsonata(v, need)));
    }
    if let Some(need) = need.field("context") {
        put(
            "context",
            Some(to_jsonata(&env.context.for_need(need), need)),
        );
    }
    JValue::object(all.into_iter().collect())
}

/// The needed part of `value` for the evaluator.
pub(super) fn to_jsonata(value: &Value, need: &Need) -> JValue {
    match (value, need) {
        (Value::Object(map), Need::Fields(fields)) => JValue::object(
            fields
                .iter()
                .filter_map(|(name, need)| {
                    let value = map.get(&**name)?;
                    Some((name.to_string(), to_jsonata(value, need)))
                })
                .collect(),
        ),
        (Value::Null, _) => JValue::Null,
        (Value::Bool(b), _) => JValue::Bool(*b),
        (Value::Number(n), _) => JValue::Number(n.as_f64().unwrap_or(f64::NAN)),
        (Value::String(s), _) => JValue::string(s.as_str()),
        (Value::Array(items), _) => {
            JValue::array(items.iter().map(|v| to_jsonata(v, &Need::All)).collect())
        }
        (Value::Object(map), Need::All) => JValue::object(
            map.iter()
                .map(|(k, v)| (k.clone(), to_jsonata(v, &Need::All)))
                .collect(),
        ),
    }
}

/// The JSON value of a result. Numbers JSON cannot write become the names
/// JavaScript gives them, as measured on AWS (floci-io/floci#2737). A function is no value, and nothing is none
/// either: within a list it is null (a group that did not match), of an object it is no member.
pub(super) fn from_jsonata(value: &JValue) -> Option<Value> {
    let item = |value: &JValue| match value {
        JValue::Undefined => Some(Value::Null),
        value => from_jsonata(value),
    };
    Some(match value {
        JValue::Null => Value::Null,
        JValue::Bool(b) => Value::Bool(*b),
        JValue::Number(n) if n.is_nan() => "NaN".into(),
        JValue::Number(n) if n.is_infinite() => {
            if *n > 0.0 { "Infinity" } else { "-Infinity" }.into()
        }
        JValue::Number(n) => number(*n),
        JValue::String(s) => Value::String(s.to_string()),
        JValue::Array(items) => Value::Array(items.iter().map(item).collect::<Option<_>>()?),
        JValue::Object(map) => Value::Object(
            map.iter()
                .filter(|(_, v)| !v.is_undefined())
                .map(|(k, v)| Some((k.clone(), from_jsonata(v)?)))
                .collect::<Option<Map<_, _>>>()?,
        ),
        _ => return None,
    })
}

pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
