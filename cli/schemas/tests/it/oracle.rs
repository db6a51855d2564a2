//! Another's judgement: documents of the one schema, held against the other by the
//! `jsonschema` crate. Shares no code with the checker.

use std::collections::HashMap;

use fastrand::Rng;
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use crate::draw::{Draw, Hints, runner};

/// How many documents that fit the writer's schema are held against the reader's.
const FITTING: usize = 120;
/// How many are drawn for that, at most.
const DRAWN: usize = 1_000;

/// `schema` with no room in its objects for what it does not name.
pub(crate) fn closed(schema: &Value) -> Value {
    let Value::Object(map) = schema else {
        return match schema {
            Value::Array(all) => all.iter().map(closed).collect(),
            plain => plain.clone(),
        };
    };
    let is_parted = map.contains_key("oneOf") && map.contains_key("properties");
    let each = map.iter().map(|(key, value)| match (key.as_str(), value) {
        // The parts of one object: what they name, the others do not refuse.
        ("oneOf", Value::Array(parts)) if is_parted => {
            let parts = parts.iter().map(|part| {
                let mut part = closed(part);
                if let (Some(part), None) = (part.as_object_mut(), part_says(value)) {
                    part.remove("additionalProperties");
                }
                part
            });
            (key.clone(), parts.collect())
        }
        _ => (key.clone(), closed(value)),
    });
    let mut map: Map<String, Value> = each.collect();
    let is_object = map.get("properties").is_some_and(Value::is_object);
    if is_object && !map.contains_key("additionalProperties") {
        let word = if is_parted {
            "unevaluatedProperties"
        } else {
            "additionalProperties"
        };
        map.insert(word.to_owned(), json!(false));
    }
    map.into()
}

/// What one of `parts` says of members that it does not name.
fn part_says(parts: &Value) -> Option<&Value> {
    parts
        .as_array()?
        .iter()
        .find_map(|part| part.get("additionalProperties"))
}

/// `schema` with bounds where a format is one: a validator reads `uint32` as a word.
fn ranged(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let mut map: Map<String, Value> = map
                .iter()
                .map(|(key, value)| (key.clone(), ranged(value)))
                .collect();
            let types = map.get("type").map(Value::to_string).unwrap_or_default();
            let is_whole = types.contains("integer") && !types.contains("number");
            if is_whole && map.get("format") == Some(&json!("uint32")) {
                let bounds = json!({ "minimum": 0, "maximum": u32::MAX });
                let both = vec![bounds, Value::Object(map)];
                map = Map::from_iter([("allOf".to_owned(), both.into())]);
            }
            map.into()
        }
        Value::Array(all) => all.iter().map(ranged).collect(),
        plain => plain.clone(),
    }
}

/// What says whether a document fits `schema`, the formats too.
pub(crate) fn validator(schema: &Value) -> Validator {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(&ranged(schema))
        .unwrap()
}

/// A document that fits `writer` and not `reader`, if chance finds one; `Err` when
/// it found none that fits the writer.
pub(crate) fn counterexample(
    writer: &Value,
    reader: &Value,
    seed: u64,
) -> Result<Option<Value>, ()> {
    let mut hints = Hints::default();
    hints.gather(writer);
    hints.gather(reader);
    let (writes, reads) = (validator(writer), validator(reader));
    let mut draw = Draw {
        root: writer,
        hints: &hints,
        rng: Rng::with_seed(seed),
        runner: runner(seed),
        strategies: HashMap::new(),
    };
    let mut fitting = 0;
    for _ in 0..DRAWN {
        let document = draw.value(writer, 6);
        if !writes.is_valid(&document) {
            continue;
        }
        fitting += 1;
        if !reads.is_valid(&document) {
            return Ok(Some(document));
        }
        if fitting == FITTING {
            break;
        }
    }
    if fitting == 0 { Err(()) } else { Ok(None) }
}
