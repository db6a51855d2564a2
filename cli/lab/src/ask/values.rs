//! DynamoDB's attribute values, and the documents that the lab keeps.
//!
//! A table of the lab has `pk` and `sk` as its keys and JSON beside them, so texts,
//! numbers, truth values, nulls, lists and maps can be kept, and no binary values or
//! sets. A document's version is kept beside it: `_version` is no attribute here.

use duet_core::store::Key;
use serde_json::{Map, Number, Value, json};

/// An item as the API writes it: `{"name": {"S": ".."}}`.
pub(super) type Item = Map<String, Value>;

pub(super) const PK: &str = "pk";
pub(super) const SK: &str = "sk";

/// The one type of an attribute value, and what it holds.
pub(super) fn typed(value: &Value) -> Option<(&str, &Value)> {
    let mut members = value.as_object()?.iter();
    match (members.next(), members.next()) {
        (Some((kind, value)), None) => Some((kind, value)),
        _ => None,
    }
}

/// `value` as it is kept, or why it cannot be.
pub(super) fn kept(value: &Value) -> Result<Value, String> {
    let Some((kind, held)) = typed(value) else {
        return Err(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes".to_owned(),
        );
    };
    match (kind, held) {
        ("S", Value::String(_)) | ("BOOL", Value::Bool(_)) => Ok(held.clone()),
        ("NULL", Value::Bool(true)) => Ok(Value::Null),
        ("N", Value::String(text)) => number(text).map(Value::Number),
        ("L", Value::Array(all)) => all.iter().map(kept).collect(),
        ("M", Value::Object(all)) => {
            let all = all.iter().map(|(name, it)| Ok((name.clone(), kept(it)?)));
            all.collect::<Result<Map<_, _>, String>>()
                .map(Value::Object)
        }
        ("B" | "SS" | "NS" | "BS", _) => Err(format!(
            "the lab's tables keep no value of type {kind}: use S, N, BOOL, NULL, L or M"
        )),
        _ => Err(format!("Supplied AttributeValue is not valid: {kind}")),
    }
}

/// A number as DynamoDB reads it; the lab keeps 64 bits of it.
pub(super) fn number(text: &str) -> Result<Number, String> {
    let wrong = || format!("The parameter cannot be converted to a numeric value: {text}");
    match text.parse::<i64>() {
        Ok(whole) => Ok(whole.into()),
        Err(_) => {
            let read: f64 = text.parse().map_err(|_| wrong())?;
            Number::from_f64(read).ok_or_else(wrong)
        }
    }
}

/// What is kept, as an attribute value.
pub(super) fn shown(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(it) => json!({ "BOOL": it }),
        Value::Number(it) => json!({ "N": it.to_string() }),
        Value::String(it) => json!({ "S": it }),
        Value::Array(all) => json!({ "L": all.iter().map(shown).collect::<Vec<_>>() }),
        Value::Object(all) => {
            let all = all.iter().map(|(name, it)| (name.clone(), shown(it)));
            json!({ "M": all.collect::<Map<_, _>>() })
        }
    }
}

/// The key that `item` has, or why it has none.
pub(super) fn key(item: &Item) -> Result<Key, String> {
    let part = |name: &str| match item.get(name).and_then(typed) {
        Some(("S", Value::String(text))) if !text.is_empty() => Ok(text.clone()),
        Some(("S", _)) => Err(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: {name}"
        )),
        Some(_) => Err(format!(
            "One or more parameter values were invalid: Type mismatch for key {name} expected: S"
        )),
        None => Err(format!(
            "One or more parameter values were invalid: Missing the key {name} in the item"
        )),
    };
    Ok(Key::new(part(PK)?, part(SK)?))
}

/// A kept document as an item.
pub(super) fn item(key: &Key, body: &Value) -> Item {
    let mut item: Item = body
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, it)| (name.clone(), shown(it)))
        .collect();
    item.insert(PK.to_owned(), json!({ "S": key.pk }));
    item.insert(SK.to_owned(), json!({ "S": key.sk }));
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_shown_again() {
        let value = json!({"M": {"a": {"L": [{"N": "1"}, {"N": "1.5"}, {"NULL": true}]}, "b": {"BOOL": false}, "c": {"S": ""}}});
        assert_eq!(shown(&kept(&value).unwrap()), value);
        assert_eq!(kept(&json!({"N": "1.50"})), Ok(json!(1.5)));
        for wrong in [
            json!({"SS": ["a"]}),
            json!({"B": "YQ=="}),
            json!({"N": "one"}),
            json!({"S": "a", "N": "1"}),
            json!({"S": 1}),
            json!("a"),
            json!({"NULL": false}),
        ] {
            assert!(kept(&wrong).is_err(), "{wrong}");
        }
    }
}
