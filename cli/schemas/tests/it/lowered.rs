//! A lowered schema takes what the original takes, by another's judgement.

use std::collections::HashMap;

use duet_schemas::lower::{Draft, lowered};
use fastrand::Rng;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::draw::{Draw, Hints, runner};
use crate::schemas;

/// Documents of each schema.
const DRAWN: usize = 400;

fn validator(schema: &Value, draft: jsonschema::Draft) -> Validator {
    let options = jsonschema::options().with_draft(draft);
    let options = options.should_validate_formats(true);
    options.build(schema).unwrap()
}

/// Documents near `schema`: as it says, and with one member gone or made another.
fn documents(schema: &Value, seed: u64) -> Vec<Value> {
    let mut hints = Hints::default();
    hints.gather(schema);
    let mut draw = Draw {
        root: schema,
        hints: &hints,
        rng: Rng::with_seed(seed),
        runner: runner(seed),
        strategies: HashMap::new(),
    };
    let mut all = Vec::new();
    for n in 0..DRAWN {
        let mut document = draw.value(schema, 6);
        if n % 2 == 1 {
            spoil(&mut document, &mut draw.rng);
        }
        all.push(document);
    }
    all
}

/// Takes a member out, adds one, or makes a value another, somewhere in `document`.
fn spoil(document: &mut Value, rng: &mut Rng) {
    match document {
        Value::Object(members) if !members.is_empty() => {
            let names: Vec<String> = members.keys().cloned().collect();
            let name = &names[rng.usize(..names.len())];
            match rng.u8(..4) {
                0 => _ = members.remove(name),
                1 => _ = members.insert("unheard".to_owned(), Value::Null),
                _ => spoil(members.get_mut(name).unwrap(), rng),
            }
        }
        Value::Array(list) if !list.is_empty() && rng.bool() => {
            let n = rng.usize(..list.len());
            spoil(&mut list[n], rng);
        }
        other => {
            let others = [
                json!(null),
                json!(-1),
                json!(0),
                json!(1.5),
                json!(""),
                json!("#"),
                json!([]),
                json!({}),
            ];
            *other = others[rng.usize(..others.len())].clone();
        }
    }
}

/// Holds `schema` against itself in the two older drafts: how many documents both
/// take, and how many both refuse.
fn agree(name: &str, schema: &Value, seed: u64) -> (usize, usize) {
    let new = validator(schema, jsonschema::Draft::Draft202012);
    let olds = [
        (Draft::Four, jsonschema::Draft::Draft4),
        (Draft::Seven, jsonschema::Draft::Draft7),
    ];
    let olds = olds.map(|(to, draft)| validator(&lowered(schema, to).unwrap(), draft));
    let mut found = (0, 0);
    for document in documents(schema, seed) {
        let fits = new.is_valid(&document);
        for old in &olds {
            assert_eq!(old.is_valid(&document), fits, "{name}: {document}");
        }
        match fits {
            true => found.0 += 1,
            false => found.1 += 1,
        }
    }
    found
}

#[test]
fn a_lowered_contract_takes_the_same_documents() {
    let mut all = schemas("events");
    all.extend(schemas("commands"));
    assert!(all.len() > 50);
    for (seed, (name, schema)) in all.iter().enumerate() {
        let (taken, refused) = agree(name, schema, seed as u64);
        assert!(
            taken >= 50 && refused >= 50,
            "{name}: {taken} taken, {refused} refused"
        );
    }
}

#[test]
fn what_our_contracts_do_not_use_is_lowered_as_well() {
    for (seed, schema) in [
        json!({ "type": "number", "exclusiveMinimum": 0, "minimum": -5, "maximum": 9, "exclusiveMaximum": 9 }),
        json!({ "type": "object", "properties": { "n": { "type": "integer", "exclusiveMaximum": 1 }, "k": { "const": "a" } }, "required": ["n"], "additionalProperties": false }),
        json!({ "type": "object", "properties": { "x": { "$ref": "#/$defs/X", "maxLength": 1 } }, "$defs": { "X": { "type": "string" } } }),
        json!({ "type": "object", "properties": { "a": { "type": "null" }, "b": { "type": "null" } }, "dependentRequired": { "a": ["b"] } }),
    ]
    .iter()
    .enumerate()
    {
        let (taken, refused) = agree("made up", schema, seed as u64);
        assert!(taken > 0 && refused > 0, "{schema}: {taken}, {refused}");
    }
}
