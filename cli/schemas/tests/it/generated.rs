//! Crates that are generated, built, and asked to read and write what was drawn.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;

use duet_schemas::bindings::rust;
use duet_schemas::contract::{Contract, read};
use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::draw::{Draw, Hints, runner};
use crate::oracle::validator;
use crate::{root, schemas};

/// What the generated crate is asked besides its own tests.
const DRAWN: &str = r#"
use serde_json::Value;

#[test]
fn what_was_drawn_is_read_and_written_as_it_was() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drawn.json");
    let all: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for one in &all {
        let (source, name) = (one["source"].as_str().unwrap(), one["name"].as_str().unwrap());
        let event = CRATE::Event::of(source, name, one["said"].clone());
        let event = event.unwrap_or_else(|why| panic!("{name}: {why}: {one}"));
        assert!(!matches!(event, CRATE::Event::Unknown(_)), "{one}");
        assert_eq!(serde_json::to_value(&event).unwrap(), one["said"], "{name}");
    }
    println!("{} read and written", all.len());
}
"#;

/// `schema` with a word more in each list of words.
fn widened(schema: &Value) -> Value {
    let word = || json!("Never heard of");
    match schema {
        Value::Object(map) => {
            let mut map: Map<String, Value> = map
                .iter()
                .map(|(key, value)| (key.clone(), widened(value)))
                .collect();
            if let Some(Value::Array(words)) = map.get_mut("enum")
                && words.iter().all(Value::is_string)
            {
                words.push(word());
            }
            if let Some(Value::Array(branches)) = map.get_mut("oneOf")
                && branches.iter().all(|it| it.get("const").is_some())
            {
                branches.push(json!({ "const": word() }));
            }
            map.into()
        }
        Value::Array(all) => all.iter().map(widened).collect(),
        plain => plain.clone(),
    }
}

/// Documents of `contract`, each with a member that nobody knows.
fn drawn(contract: &Contract, many: usize, seed: u64) -> Vec<Value> {
    let root = widened(&contract.root);
    let mut whole = root.clone();
    if !contract.at.is_empty() {
        whole["$ref"] = format!("#{}", contract.at).into();
    }
    let fits = validator(&whole);
    let mut hints = Hints::default();
    hints.gather(&contract.root);
    let mut draw = Draw {
        root: &root,
        hints: &hints,
        rng: Rng::with_seed(seed),
        runner: runner(seed),
        strategies: HashMap::new(),
    };
    let node = root.pointer(&contract.at).unwrap();
    let is_closed = node.get("additionalProperties").is_some();
    let mut found = Vec::new();
    for _ in 0..many * 50 {
        let mut said = draw.value(node, 8);
        if let (Value::Object(members), false) = (&mut said, is_closed) {
            members.insert("neverHeardOf".to_owned(), json!({ "a": [1, null, "b"] }));
        }
        if fits.is_valid(&said) {
            found.push(json!({
                "source": contract.source.as_deref().unwrap_or("anybody"),
                "name": contract.detail_type.as_ref().unwrap_or(&contract.name),
                "said": said,
            }));
        }
        if found.len() == many {
            break;
        }
    }
    assert_eq!(found.len(), many, "{}", contract.name);
    found
}

/// Generates the crate `name`, and runs its tests and those of what was drawn.
fn built(name: &str, contracts: &[Contract], many: usize) -> String {
    let each = contracts.iter().enumerate();
    let all: Vec<Value> = each.flat_map(|(n, it)| drawn(it, many, n as u64)).collect();
    asked(name, contracts, DRAWN, &all)
}

/// Generates the crate `name`, and runs its tests and `question`, a test that finds
/// `drawn` in a file and the crate as `CRATE`: what they said.
pub(crate) fn asked(name: &str, contracts: &[Contract], question: &str, drawn: &[Value]) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    let mut files = rust(name, contracts, None);
    let path = name.replace('-', "_");
    let question = question.replace("CRATE", &path);
    files.insert("tests/drawn.rs".to_owned(), question);
    let drawn = serde_json::to_string(drawn).unwrap();
    files.insert("tests/drawn.json".to_owned(), drawn);
    // The same versions as ours, which are there already.
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    files.insert("Cargo.lock".to_owned(), lock);
    for (path, text) in &files {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let mut cargo = Command::new(env!("CARGO"));
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if (name.starts_with("CARGO") && name != "CARGO_HOME") || name.starts_with("RUSTFLAGS") {
            cargo.env_remove(&variable);
        }
    }
    cargo
        .args(["test", "--offline", "--quiet", "--", "--nocapture"])
        .current_dir(&folder)
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated"),
        );
    let output = cargo.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{}\n{said}\n{wrong}",
        folder.display()
    );
    assert!(!wrong.contains("warning"), "{wrong}");
    // As rustfmt has it, so that who formats a workspace changes nothing.
    let sources = ["src/lib.rs", "tests/round_trip.rs"];
    let formatted = Command::new("rustfmt")
        .args(["--check", "--edition", "2024"])
        .args(sources)
        .current_dir(&folder)
        .output();
    if let Ok(formatted) = formatted {
        assert!(
            formatted.status.success(),
            "{}",
            String::from_utf8_lossy(&formatted.stdout)
        );
    }
    said
}

#[test]
fn our_events_are_read_and_written_as_they_were() {
    let all = schemas("events").into_iter();
    let all = all.flat_map(|(name, schema)| read(&name, &schema.to_string(), false).unwrap());
    let all: Vec<Contract> = all.collect();
    let said = built("duet-events", &all, 100);
    assert!(said.contains("2600 read and written"), "{said}");
}

/// What is seldom, and has to work all the same.
fn odd() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        (
            "Keywords",
            json!({
                "type": "object", "required": ["type", "self", "extra"],
                "properties": {
                    "type": { "type": "string" }, "self": { "type": "integer" }, "extra": { "type": "boolean" },
                    "a-b": { "type": "string" }, "a_b": { "type": "string" }, "aB": { "type": ["string", "null"] },
                    "": { "type": "string" }, "1st": { "type": "number" }, "\u{fc}ber \"x\"": { "type": "null" },
                },
            }),
        ),
        (
            "option",
            json!({ "type": "object", "properties": { "vec": { "$ref": "#/definitions/Vec" } },
            "definitions": { "Vec": { "enum": ["Self", "self", "", "Unknown", "1", "a b"] } } }),
        ),
        (
            "Tree",
            json!({ "$ref": "#/$defs/Tree", "$defs": { "Tree": {
            "type": "object", "required": ["leaf"],
            "properties": { "leaf": { "type": "integer", "minimum": 3, "maximum": 9 },
                "left": { "$ref": "#/$defs/Tree" }, "all": { "type": "array", "items": { "$ref": "#/$defs/Tree" } } },
        } } }),
        ),
        (
            "Text",
            json!({ "type": "string", "minLength": 1, "maxLength": 3 }),
        ),
        (
            "List",
            json!({ "type": "array", "items": { "type": "number", "exclusiveMinimum": 0 } }),
        ),
        ("Anything", json!({})),
        ("True", json!(true)),
        ("Free", json!({ "type": "object" })),
        (
            "Counts",
            json!({ "type": "object", "additionalProperties": { "type": "integer" } }),
        ),
        (
            "Mixed",
            json!({ "type": "object", "properties": { "m": { "anyOf": [
            { "type": "integer" }, { "type": "string" }, { "type": "object", "properties": { "x": { "type": "string" } } },
            { "type": "array", "items": {} }, { "type": "null" } ] } } }),
        ),
        (
            "Parts",
            json!({ "allOf": [
            { "type": "object", "required": ["a"], "properties": { "a": { "type": "string", "pattern": "^a+$" } } },
            { "type": "object", "properties": { "b": { "type": "integer", "multipleOf": 5 } } } ] }),
        ),
        (
            "Closed",
            json!({ "type": "object", "additionalProperties": false, "properties": { "a": { "type": "string" } } }),
        ),
        (
            "Empty",
            json!({ "type": "object", "additionalProperties": false }),
        ),
        (
            "Numbers",
            json!({ "type": "object", "properties": { "m": { "enum": [1, 2] }, "n": { "const": null } } }),
        ),
    ])
}

#[test]
fn what_is_seldom_is_read_and_written_too() {
    let all = odd().into_iter();
    let all = all.flat_map(|(name, schema)| read(name, &schema.to_string(), false).unwrap());
    let all: Vec<Contract> = all.collect();
    built("odd-events", &all, 40);
}

/// One schema of AWS's, as EventBridge's registry would export it.
fn exported(event: &Value, types: &HashMap<&str, &Value>) -> String {
    let mut names: Vec<(String, String)> = Vec::new();
    let mut found = Map::new();
    let mut left = vec![event["rootProperty"]["$ref"].as_str().unwrap().to_owned()];
    let name_of = |id: &str, names: &mut Vec<(String, String)>, left: &mut Vec<String>| {
        if let Some((_, name)) = names.iter().find(|(known, _)| known == id) {
            return name.clone();
        }
        let mut name = types[id]["name"].as_str().unwrap().to_owned();
        if name == "AWSEvent" || names.iter().any(|(_, taken)| *taken == name) {
            name = format!("{name}{id}");
        }
        names.push((id.to_owned(), name.clone()));
        left.push(id.to_owned());
        name
    };
    let first = name_of(&left.pop().unwrap(), &mut names, &mut left);
    while let Some(id) = left.pop() {
        let mut of = |it: &Value| schema_of(it, &mut |id| name_of(id, &mut names, &mut left));
        let (mut members, mut required) = (Map::new(), Vec::new());
        for (name, it) in types[id.as_str()]["properties"].as_object().unwrap() {
            members.insert(name.clone(), of(&it["type"]));
            if it["required"] == true {
                required.push(name.clone());
            }
        }
        let name = names
            .iter()
            .find(|(known, _)| *known == id)
            .unwrap()
            .1
            .clone();
        found.insert(
            name,
            json!({ "type": "object", "required": required, "properties": members }),
        );
    }
    found.insert("AWSEvent".to_owned(), json!({
        "type": "object", "required": ["detail-type", "source", "detail"],
        "x-amazon-events-detail-type": event["detailType"], "x-amazon-events-source": event["source"],
        "properties": {
            "detail": { "$ref": format!("#/components/schemas/{first}") },
            "detail-type": { "type": "string" }, "source": { "type": "string" },
        },
    }));
    let info = json!({ "version": "1.0.0", "title": first });
    json!({ "openapi": "3.0.0", "info": info, "paths": {}, "components": { "schemas": found } })
        .to_string()
}

fn schema_of(of: &Value, name_of: &mut dyn FnMut(&str) -> String) -> Value {
    match of["type"].as_str().unwrap() {
        "ref" => {
            let name = name_of(of["reference"]["$ref"].as_str().unwrap());
            json!({ "$ref": format!("#/components/schemas/{name}") })
        }
        "array" => json!({ "type": "array", "items": schema_of(&of["element"], name_of) }),
        "map" => {
            json!({ "type": "object", "additionalProperties": schema_of(&of["element"], name_of) })
        }
        "union" => {
            let some = of["types"].as_array().unwrap().iter();
            json!({ "anyOf": some.map(|it| schema_of(it, name_of)).collect::<Vec<_>>() })
        }
        "json" => json!({}),
        plain => json!({ "type": plain }),
    }
}

/// The schemas of `@aws-cdk/aws-service-spec` (Apache-2.0), unpacked: the path of its
/// database, `db.json`, is in `DUET_AWS_EVENTS`.
#[test]
#[ignore = "needs a package from npm, unpacked; takes minutes"]
fn the_events_of_aws_are_read_and_written_as_they_were() {
    let path = std::env::vars().find(|(name, _)| name == "DUET_AWS_EVENTS");
    let (_, path) = path.expect("DUET_AWS_EVENTS names the package's db.json");
    let database: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let entities = |name: &str| database["schema"][name]["entities"].as_array().unwrap();
    let types = entities("eventTypeDefinition").iter();
    let types: HashMap<&str, &Value> = types.map(|it| (it["$id"].as_str().unwrap(), it)).collect();
    let mut contracts = Vec::new();
    for event in entities("event") {
        let mut found = read("aws.json", &exported(event, &types), false).unwrap();
        contracts.append(&mut found);
    }
    println!("{} schemas", contracts.len());
    let said = built("aws-events", &contracts, 100);
    println!("{said}");
    assert!(
        said.contains(&format!("{} read and written", contracts.len() * 100)),
        "{said}"
    );
}
