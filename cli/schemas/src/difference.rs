//! What changed between two schemas, in words.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::contract::Contract;

/// How deep references are put in place.
const DEPTH: usize = 12;

/// Keywords that bound nothing.
const WORDS: [&str; 12] = [
    "title",
    "description",
    "$comment",
    "default",
    "examples",
    "example",
    "deprecated",
    "$schema",
    "$id",
    "id",
    "$defs",
    "definitions",
];

/// What changed from `old` to `new`, such as `adds gift; changes total`, or
/// `unchanged`.
pub(crate) fn told(old: &Contract, new: &Contract) -> String {
    let (old, new) = (bare(old), bare(new));
    if old == new {
        return "unchanged".to_owned();
    }
    let none = Map::new();
    let members = |of: &Value| of.get("properties").and_then(Value::as_object).cloned();
    let (before, after) = (members(&old), members(&new));
    let (before, after) = (
        before.as_ref().unwrap_or(&none),
        after.as_ref().unwrap_or(&none),
    );
    let required = |of: &Value, name: &str| {
        let names = of.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|it| it == name))
    };
    let (mut adds, mut removes, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    let names: BTreeSet<&str> = before
        .keys()
        .chain(after.keys())
        .map(String::as_str)
        .collect();
    for name in names {
        match (before.get(name), after.get(name)) {
            (None, Some(_)) => adds.push(name),
            (Some(_), None) => removes.push(name),
            (was, is) if was != is || required(&old, name) != required(&new, name) => {
                changes.push(name);
            }
            _ => {}
        }
    }
    let said = [("adds", adds), ("removes", removes), ("changes", changes)];
    let said = said.iter().filter(|(_, names)| !names.is_empty());
    let said: Vec<String> = said
        .map(|(verb, names)| format!("{verb} {}", names.join(", ")))
        .collect();
    match said.is_empty() {
        true => "changes".to_owned(),
        false => said.join("; "),
    }
}

/// The schema without what bounds nothing, and with what references name in their
/// place.
fn bare(of: &Contract) -> Value {
    plain(&of.root, of.schema(), DEPTH)
}

fn plain(root: &Value, node: &Value, depth: usize) -> Value {
    let Value::Object(keywords) = node else {
        return node.clone();
    };
    let mut left = Map::new();
    for (name, value) in keywords {
        let deeper = |value: &Value| plain(root, value, depth.saturating_sub(1));
        let value = match (name.as_str(), value) {
            (name, _) if WORDS.contains(&name) || name.starts_with("x-") => continue,
            ("$ref", Value::String(there)) if depth > 0 => {
                let target = there.strip_prefix('#').and_then(|it| root.pointer(it));
                target.map_or(Value::Null, deeper)
            }
            ("properties", Value::Object(members)) => {
                let members = members
                    .iter()
                    .map(|(name, node)| (name.clone(), deeper(node)));
                members.collect()
            }
            ("enum" | "const" | "required", value) => value.clone(),
            (_, Value::Array(all)) => all.iter().map(deeper).collect(),
            (_, value) => deeper(value),
        };
        left.insert(name.clone(), value);
    }
    left.into()
}
