//! Changes of a schema, drawn.

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// The places of all schemas in `schema`, as JSON pointers, itself first.
fn places(schema: &Value, at: &str, found: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else {
        return;
    };
    found.push(at.to_owned());
    for (key, value) in keywords {
        match (key.as_str(), value) {
            ("properties" | "$defs", Value::Object(all)) => {
                for (name, node) in all {
                    places(node, &format!("{at}/{key}/{name}"), found);
                }
            }
            ("items" | "additionalProperties", node) => places(node, &format!("{at}/{key}"), found),
            ("oneOf" | "anyOf", Value::Array(all)) => {
                for (n, node) in all.iter().enumerate() {
                    places(node, &format!("{at}/{key}/{n}"), found);
                }
            }
            _ => {}
        }
    }
}

fn one<'a, T>(rng: &mut Rng, all: &'a [T]) -> &'a T {
    &all[rng.usize(..all.len())]
}

/// A schema that something new may have.
fn fresh(rng: &mut Rng) -> Value {
    let all = [
        json!({ "type": "string" }),
        json!({ "type": "integer", "minimum": 0 }),
        json!({ "type": "boolean" }),
        json!({ "type": ["string", "null"] }),
        json!({ "type": "string", "format": "date-time" }),
        json!({ "type": "array", "items": { "type": "string" } }),
        json!({ "type": "string", "enum": ["Red", "Green"] }),
        json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] }),
    ];
    one(rng, &all).clone()
}

/// Changes one thing in `schema`; whether it did.
pub(crate) fn change(schema: &mut Value, rng: &mut Rng) -> bool {
    let mut all = Vec::new();
    places(schema, "", &mut all);
    let at = one(rng, &all).clone();
    let whole = schema.clone();
    let Some(node) = schema.pointer_mut(&at).and_then(Value::as_object_mut) else {
        return false;
    };
    if node.contains_key("properties") && rng.u8(..4) > 0 {
        return object(node, rng);
    }
    if node.contains_key("oneOf") && rng.u8(..4) > 0 {
        return alternatives(node, rng);
    }
    match node.get("type").and_then(Value::as_str) {
        Some("integer" | "number") if rng.u8(..3) > 0 => number(node, rng),
        Some("string") if rng.u8(..3) > 0 => text(node, rng),
        Some("array") if rng.u8(..3) > 0 => list(node, rng),
        _ => any(node, &whole, at.is_empty(), rng),
    }
}

fn object(node: &mut Map<String, Value>, rng: &mut Rng) -> bool {
    let names: Vec<String> = node["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let mut required: Vec<Value> = node
        .get("required")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let members = node
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .unwrap();
    let new = *one(rng, &["gift", "note", "colour"]);
    match rng.u8(..8) {
        0 => {
            members.insert(new.to_owned(), fresh(rng));
        }
        1 => {
            members.insert(new.to_owned(), fresh(rng));
            required.push(new.into());
        }
        2 if !names.is_empty() => {
            let name = one(rng, &names);
            members.remove(name);
            required.retain(|it| it != name);
        }
        3 if !required.is_empty() => {
            required.remove(rng.usize(..required.len()));
        }
        4 => {
            let optional: Vec<&String> = names
                .iter()
                .filter(|it| !required.iter().any(|r| r == *it))
                .collect();
            if optional.is_empty() {
                return false;
            }
            required.push((*one(rng, &optional)).clone().into());
        }
        5 if !names.is_empty() => {
            let name = one(rng, &names);
            let moved = members.remove(name).unwrap();
            members.insert(new.to_owned(), moved);
            let was = required.len();
            required.retain(|it| it != name);
            if required.len() < was {
                required.push(new.into());
            }
        }
        6 if !names.is_empty() => {
            members.insert(one(rng, &names).clone(), fresh(rng));
        }
        7 => {
            let rest = [json!(true), json!(false), json!({ "type": "string" })];
            node.insert("additionalProperties".to_owned(), one(rng, &rest).clone());
        }
        _ => return false,
    }
    required.sort_by_key(Value::to_string);
    required.dedup();
    node.insert("required".to_owned(), required.into());
    true
}

fn alternatives(node: &mut Map<String, Value>, rng: &mut Rng) -> bool {
    let branches = node.get_mut("oneOf").and_then(Value::as_array_mut).unwrap();
    let is_const = branches.iter().all(|it| it.get("const").is_some());
    match rng.u8(..4) {
        0 => branches.push(json!({ "const": "Sideways", "type": "string" })),
        1 if branches.len() > 1 => {
            branches.remove(rng.usize(..branches.len()));
        }
        2 if is_const => {
            // The same, said otherwise.
            let values: Vec<Value> = branches.iter().map(|it| it["const"].clone()).collect();
            node.remove("oneOf");
            node.insert("enum".to_owned(), values.into());
        }
        3 if is_const => branches.push(json!({ "type": "null" })),
        _ => return false,
    }
    true
}

fn number(node: &mut Map<String, Value>, rng: &mut Rng) -> bool {
    let bound = *one(
        rng,
        &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
    );
    match rng.u8(..7) {
        0 => {
            node.remove(bound);
        }
        1 => {
            let there = node.get(bound).and_then(Value::as_i64).unwrap_or(0);
            node.insert(bound.to_owned(), (there + 1).into());
        }
        2 => {
            let there = node.get(bound).and_then(Value::as_i64).unwrap_or(0);
            node.insert(bound.to_owned(), (there - 1).into());
        }
        3 => {
            node.insert("maximum".to_owned(), (*one(rng, &[100, 1_000, 7])).into());
        }
        4 => {
            node.remove("format");
        }
        5 => {
            let kind = *one(rng, &["number", "integer"]);
            node.insert("type".to_owned(), kind.into());
        }
        _ => {
            node.insert("multipleOf".to_owned(), (*one(rng, &[1, 2, 4, 5])).into());
        }
    }
    true
}

fn text(node: &mut Map<String, Value>, rng: &mut Rng) -> bool {
    match rng.u8(..6) {
        0 => {
            node.remove("pattern");
        }
        1 => {
            let patterns = [
                "^[A-Z]{3}$",
                "^[A-Za-z0-9_-]{1,64}$",
                "^[a-z]{2,5}$",
                "^[A-Za-z0-9_-]{1,32}$",
            ];
            node.insert("pattern".to_owned(), (*one(rng, &patterns)).into());
        }
        2 => {
            node.insert("maxLength".to_owned(), (*one(rng, &[3, 10, 64, 65])).into());
        }
        3 => {
            node.insert("minLength".to_owned(), (*one(rng, &[0, 1, 2])).into());
        }
        4 if node.contains_key("format") => {
            node.remove("format");
        }
        5 if !node.contains_key("pattern") => {
            node.insert("format".to_owned(), "date-time".into());
        }
        _ => return false,
    }
    true
}

fn list(node: &mut Map<String, Value>, rng: &mut Rng) -> bool {
    match rng.u8(..4) {
        0 => node.insert("minItems".to_owned(), (*one(rng, &[0, 1, 2])).into()),
        1 => node.insert("maxItems".to_owned(), (*one(rng, &[1, 3])).into()),
        2 => node.insert("uniqueItems".to_owned(), true.into()),
        _ => node.insert("items".to_owned(), fresh(rng)),
    };
    true
}

fn any(node: &mut Map<String, Value>, whole: &Value, is_root: bool, rng: &mut Rng) -> bool {
    if let Some(there) = node.get("$ref").and_then(Value::as_str) {
        let target = whole
            .pointer(there.trim_start_matches('#'))
            .unwrap()
            .clone();
        match rng.u8(..3) {
            0 => *node = target.as_object().unwrap().clone(),
            1 => {
                let both = json!({ "anyOf": [{ "$ref": there }, { "type": "null" }] });
                *node = both.as_object().unwrap().clone();
            }
            _ => *node = fresh(rng).as_object().unwrap().clone(),
        }
        return true;
    }
    match rng.u8(..5) {
        0 => {
            node.insert("description".to_owned(), "Said otherwise.".into());
        }
        1 if node
            .get("type")
            .is_some_and(|it| it.is_string() && it != "null")
            && !node.contains_key("const") =>
        {
            let kind = node["type"].clone();
            node.insert("type".to_owned(), json!([kind, "null"]));
        }
        2 if node.get("type").is_some_and(Value::is_array) => {
            let kind = node["type"][0].clone();
            node.insert("type".to_owned(), kind);
        }
        3 if !is_root && !node.contains_key("const") => {
            let inner = Value::Object(node.clone());
            let both = json!({ "anyOf": [inner, fresh(rng)] });
            *node = both.as_object().unwrap().clone();
        }
        4 if !is_root => *node = fresh(rng).as_object().unwrap().clone(),
        _ => return false,
    }
    true
}
