//! A schema of 2020-12 said in the words of an older draft, for what reads no newer one:
//! Draft 7 for AsyncAPI ([Schema Object]), Draft 4 for EventBridge's schema registry
//! ([formats]).
//!
//! What accepts the same documents stays; what says nothing about documents and has
//! no place in the older draft is left out; what would be lost is refused. One
//! difference is the drafts' own: in Draft 4 `1.0` is no integer.
//!
//! [Schema Object]: https://www.asyncapi.com/docs/reference/specification/v3.0.0#schemaObject
//! [formats]: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-schema.html

use serde_json::{Map, Value, json};

/// An older draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draft {
    /// Draft 4.
    Four,
    /// Draft 7.
    Seven,
}

/// Why a schema cannot be said in an older draft.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {keyword} cannot be said in the older draft")]
pub struct Lost {
    /// Where it stands, as a JSON pointer.
    pub at: String,
    /// The keyword.
    pub keyword: String,
}

/// Members that hold schemas by names of their own.
const MAPS: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];
/// Members that hold one schema.
const ONES: [&str; 9] = [
    "items",
    "additionalItems",
    "additionalProperties",
    "not",
    "contains",
    "propertyNames",
    "if",
    "then",
    "else",
];
/// Members that hold a list of schemas.
const LISTS: [&str; 4] = ["oneOf", "anyOf", "allOf", "prefixItems"];
/// What neither of the two can say.
const NEWER: [&str; 11] = [
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "$recursiveAnchor",
    "$recursiveRef",
    "$id",
    "maxContains",
    "minContains",
    "unevaluatedItems",
    "unevaluatedProperties",
    "$vocabulary",
];
/// What Draft 7 can say, and Draft 4 cannot.
const OF_SEVEN: [&str; 5] = ["contains", "propertyNames", "if", "then", "else"];
/// What says nothing about a document, and is unknown in Draft 4.
const REMARKS: [&str; 9] = [
    "$comment",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "$schema",
];

/// `schema`, of 2020-12, in the words of the draft `to`, without `$schema`. A schema
/// that says no more than a boolean is an object in Draft 4.
///
/// # Errors
/// [`Lost`] for what would not accept the same documents.
pub fn lowered(schema: &Value, to: Draft) -> Result<Value, Lost> {
    one(schema, to, "")
}

fn one(schema: &Value, to: Draft, at: &str) -> Result<Value, Lost> {
    let said = match (schema, to) {
        (Value::Object(said), _) => said,
        (Value::Bool(true), Draft::Four) => return Ok(json!({})),
        (Value::Bool(false), Draft::Four) => return Ok(json!({ "not": {} })),
        (other, _) => return Ok(other.clone()),
    };
    let mut new = Map::new();
    for (key, value) in said {
        let lost = || Lost {
            at: format!("{at}/{key}"),
            keyword: key.clone(),
        };
        let under = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        let key = key.as_str();
        if NEWER.contains(&key) || (to == Draft::Four && OF_SEVEN.contains(&key)) {
            return Err(lost());
        }
        if key == "$schema" || (to == Draft::Four && REMARKS.contains(&key)) {
            continue;
        }
        match key {
            "$ref" => {
                let to = value.as_str().ok_or_else(lost)?;
                let there = match to.strip_prefix("#/$defs/") {
                    Some(rest) => format!("#/definitions/{rest}"),
                    None => to.to_owned(),
                };
                new.insert(key.to_owned(), there.into());
            }
            "const" if to == Draft::Four => also(&mut new, "enum", json!([value])),
            "dependentRequired" => also(&mut new, "dependencies", value.clone()),
            "dependentSchemas" => also(&mut new, "dependencies", each(value, to, &under)?),
            "prefixItems" => _ = new.insert("items".to_owned(), all(value, to, &under)?),
            "items" if said.contains_key("prefixItems") => {
                let rest = match value {
                    Value::Bool(_) => value.clone(),
                    rest => one(rest, to, &under)?,
                };
                new.insert("additionalItems".to_owned(), rest);
            }
            "additionalProperties" if value.is_boolean() => {
                new.insert(key.to_owned(), value.clone());
            }
            // Draft 4 has no list of nothing that is required.
            "required" if value.as_array().is_some_and(Vec::is_empty) => {}
            "enum" if to == Draft::Four => also(&mut new, "enum", value.clone()),
            "$defs" | "definitions" => also(&mut new, "definitions", each(value, to, &under)?),
            key if MAPS.contains(&key) => _ = new.insert(key.into(), each(value, to, &under)?),
            key if ONES.contains(&key) => _ = new.insert(key.into(), one(value, to, &under)?),
            // What `$ref` had beside it may stand there already.
            key if LISTS.contains(&key) => also(&mut new, key, all(value, to, &under)?),
            key => _ = new.insert(key.to_owned(), value.clone()),
        }
    }
    if to == Draft::Four {
        marked(&mut new, "minimum", "exclusiveMinimum", |a, b| a >= b);
        marked(&mut new, "maximum", "exclusiveMaximum", |a, b| a <= b);
    }
    Ok(alone(new))
}

/// Each schema of a map; what is no schema, such as the list of a dependency, stays.
fn each(map: &Value, to: Draft, at: &str) -> Result<Value, Lost> {
    let Value::Object(map) = map else {
        return Ok(map.clone());
    };
    let all = map.iter().map(|(name, schema)| {
        let under = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        Ok((name.clone(), one(schema, to, &under)?))
    });
    Ok(Value::Object(all.collect::<Result<_, Lost>>()?))
}

/// Each schema of a list.
fn all(list: &Value, to: Draft, at: &str) -> Result<Value, Lost> {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    let all = list.iter().enumerate();
    let all = all.map(|(n, schema)| one(schema, to, &format!("{at}/{n}")));
    Ok(Value::Array(all.collect::<Result<_, Lost>>()?))
}

/// Has `new` say `key`, too: maps are joined; of two lists of words both hold.
fn also(new: &mut Map<String, Value>, key: &str, value: Value) {
    match (new.get_mut(key), value) {
        (None, value) => _ = new.insert(key.to_owned(), value),
        (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
        (Some(Value::Array(there)), Value::Array(more)) if key == "enum" => {
            there.retain(|word| more.contains(word));
        }
        (Some(there), value) => *there = value,
    }
}

/// An exclusive limit that is a number as a mark on the inclusive one; the tighter
/// of the two holds.
fn marked(
    new: &mut Map<String, Value>,
    inclusive: &str,
    exclusive: &str,
    tighter: fn(f64, f64) -> bool,
) {
    let number =
        |new: &Map<String, Value>, key: &str| new.get(key).and_then(Value::as_number).cloned();
    let Some(limit) = number(new, exclusive) else {
        return;
    };
    let there = number(new, inclusive).and_then(|it| it.as_f64());
    let holds = match (limit.as_f64(), there) {
        (Some(limit), Some(there)) => tighter(limit, there),
        _ => true,
    };
    new.remove(exclusive);
    if holds {
        new.insert(inclusive.to_owned(), limit.into());
        new.insert(exclusive.to_owned(), true.into());
    }
}

/// Moves `$ref` into `allOf` where something stands beside it, which the older drafts
/// pass over.
fn alone(mut new: Map<String, Value>) -> Value {
    if new.len() > 1
        && let Some(reference) = new.remove("$ref")
    {
        let definitions = new.remove("definitions");
        let mut parts = vec![json!({ "$ref": reference })];
        if let Some(Value::Array(more)) = new.remove("allOf") {
            parts.extend(more);
        }
        new.insert("allOf".to_owned(), parts.into());
        if let Some(definitions) = definitions {
            new.insert("definitions".to_owned(), definitions);
        }
    }
    Value::Object(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four(schema: &Value) -> Value {
        lowered(schema, Draft::Four).unwrap()
    }

    #[test]
    fn draft_4_has_other_words_for_the_same() {
        for (new, old) in [
            (json!({ "const": 1 }), json!({ "enum": [1] })),
            (
                json!({ "const": "a", "enum": ["a", "b"] }),
                json!({ "enum": ["a"] }),
            ),
            (
                json!({ "exclusiveMinimum": 3 }),
                json!({ "minimum": 3, "exclusiveMinimum": true }),
            ),
            (
                json!({ "minimum": 4, "exclusiveMinimum": 3 }),
                json!({ "minimum": 4 }),
            ),
            (
                json!({ "maximum": 4, "exclusiveMaximum": 4 }),
                json!({ "maximum": 4, "exclusiveMaximum": true }),
            ),
            (
                json!({ "properties": { "const": true, "no": false } }),
                json!({ "properties": { "const": {}, "no": { "not": {} } } }),
            ),
            (
                json!({ "additionalProperties": false, "required": [] }),
                json!({ "additionalProperties": false }),
            ),
            (
                json!({ "prefixItems": [{ "const": 1 }], "items": false }),
                json!({ "items": [{ "enum": [1] }], "additionalItems": false }),
            ),
            (
                json!({ "$ref": "#/$defs/A", "description": "d", "allOf": [true] }),
                json!({ "allOf": [{ "$ref": "#/definitions/A" }, {}], "description": "d" }),
            ),
            (
                json!({ "$schema": "s", "examples": [1], "$defs": { "$ref": { "type": "null" } } }),
                json!({ "definitions": { "$ref": { "type": "null" } } }),
            ),
            (
                json!({ "dependentRequired": { "a": ["b"] }, "dependentSchemas": { "c": true } }),
                json!({ "dependencies": { "a": ["b"], "c": {} } }),
            ),
        ] {
            assert_eq!(four(&new), old, "{new}");
        }
    }

    #[test]
    fn draft_7_keeps_what_it_knows() {
        let new = json!({ "const": 1, "exclusiveMinimum": 0, "items": true, "$defs": {}, "if": { "$ref": "#/$defs/A" } });
        let old = json!({ "const": 1, "exclusiveMinimum": 0, "items": true, "definitions": {}, "if": { "$ref": "#/definitions/A" } });
        assert_eq!(lowered(&new, Draft::Seven).unwrap(), old);
    }

    #[test]
    fn what_would_be_lost_is_refused_with_its_place() {
        for (schema, at) in [
            (
                json!({ "properties": { "a/b": { "contains": {} } } }),
                "/properties/a~1b/contains",
            ),
            (json!({ "anyOf": [{}, { "if": true }] }), "/anyOf/1/if"),
            (
                json!({ "unevaluatedProperties": false }),
                "/unevaluatedProperties",
            ),
        ] {
            let lost = lowered(&schema, Draft::Four).unwrap_err();
            assert_eq!(lost.at, at);
        }
        assert!(lowered(&json!({ "$dynamicRef": "#a" }), Draft::Seven).is_err());
    }
}
