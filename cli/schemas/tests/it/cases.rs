//! What is decided, case by case.

use duet_schemas::compatibility::{Release, Verdict, compare};
use duet_schemas::contract::{Contract, Kind, read};
use serde_json::{Value, json};

fn contract(kind: Kind, schema: &Value) -> Contract {
    let path = match kind {
        Kind::Fact => "events/X.json",
        Kind::Command => "commands/order.X.json",
    };
    read(path, &schema.to_string(), false).unwrap().remove(0)
}

/// BACKWARD and FORWARD of a change, and the fields that break.
fn judged(kind: Kind, old: &Value, new: &Value) -> (Verdict, Verdict, Vec<String>) {
    let (old, new) = (contract(kind, old), contract(kind, new));
    let change = compare(&[old], &[new], &[], &|_| vec!["payment".to_owned()]).remove(0);
    assert!(change.breaks.iter().all(|it| it.consumer == "payment"));
    let fields = change.breaks.into_iter().map(|it| it.field).collect();
    (change.backward, change.forward, fields)
}

/// A schema with the member `m`.
fn with(member: Value, required: bool) -> Value {
    let required = if required {
        json!(["o", "m"])
    } else {
        json!(["o"])
    };
    json!({
        "type": "object", "required": required,
        "properties": { "o": { "type": "string" }, "m": member },
    })
}

fn without() -> Value {
    json!({ "type": "object", "properties": { "o": { "type": "string" } }, "required": ["o"] })
}

const YES: Verdict = Verdict::Yes;
const NO: Verdict = Verdict::No;
const UNKNOWN: Verdict = Verdict::NotKnown;

#[test]
fn members_come_and_go() {
    let member = || json!({ "type": "integer" });
    let (optional, required) = (with(member(), false), with(member(), true));
    for (kind, old, new, backward, forward) in [
        (Kind::Fact, &without(), &optional, YES, YES),
        (Kind::Fact, &without(), &required, NO, YES),
        (Kind::Fact, &optional, &without(), YES, YES),
        (Kind::Fact, &required, &without(), YES, NO),
        (Kind::Fact, &optional, &required, NO, YES),
        (Kind::Command, &without(), &optional, YES, NO),
        (Kind::Command, &without(), &required, NO, NO),
        (Kind::Command, &required, &required, YES, YES),
    ] {
        let (b, f, fields) = judged(kind, old, new);
        assert_eq!((b, f), (backward, forward), "{kind:?} {old} {new}");
        assert!(fields.iter().all(|it| it == "m"), "{fields:?}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table: one row a pair")]
fn values_are_compared_exactly() {
    let defs = json!({ "a": { "type": "string", "pattern": "^a{1,5}$" } });
    for (old, new, backward, forward) in [
        (
            json!({ "type": "integer" }),
            json!({ "type": "number" }),
            YES,
            NO,
        ),
        (
            json!({ "type": "integer", "minimum": 1 }),
            json!({ "type": "integer", "exclusiveMinimum": 0 }),
            YES,
            YES,
        ),
        (
            json!({ "type": "number", "minimum": 1 }),
            json!({ "type": "number", "exclusiveMinimum": 1 }),
            NO,
            YES,
        ),
        (
            json!({ "type": "integer", "format": "uint32" }),
            json!({ "type": "integer", "format": "int64" }),
            YES,
            NO,
        ),
        (
            json!({ "type": "integer", "multipleOf": 4 }),
            json!({ "type": "integer", "multipleOf": 2 }),
            YES,
            NO,
        ),
        (
            json!({ "enum": ["A"] }),
            json!({ "oneOf": [{ "const": "A" }, { "const": "B" }] }),
            YES,
            NO,
        ),
        (
            json!({ "enum": [1, null] }),
            json!({ "type": ["integer", "null"] }),
            YES,
            NO,
        ),
        (
            json!({ "type": "string" }),
            json!({ "type": ["string", "null"] }),
            YES,
            NO,
        ),
        (
            json!({ "type": "string", "nullable": true }),
            json!({ "anyOf": [{ "type": "null" }, { "type": "string" }] }),
            YES,
            YES,
        ),
        (
            json!({ "type": "string", "maxLength": 3 }),
            json!({ "type": "string", "maxLength": 4 }),
            YES,
            NO,
        ),
        (
            json!({ "type": "string", "pattern": "^a{1,5}$" }),
            json!({ "type": "string", "maxLength": 5 }),
            YES,
            NO,
        ),
        (
            json!({ "type": "string", "pattern": "^a$" }),
            json!({ "type": "string", "pattern": "^[a]$" }),
            UNKNOWN,
            UNKNOWN,
        ),
        (
            json!({ "type": "string", "pattern": "^a$" }),
            json!({ "type": "string", "pattern": "^b$" }),
            NO,
            NO,
        ),
        (
            json!({ "type": "string", "format": "date-time" }),
            json!({ "type": "string" }),
            YES,
            NO,
        ),
        (
            json!({ "type": "array", "items": { "type": "integer" } }),
            json!({ "type": "array", "items": { "type": "number" }, "uniqueItems": true }),
            NO,
            NO,
        ),
        (
            json!({ "type": "array", "maxItems": 0 }),
            json!({ "type": "array", "items": { "type": "string" } }),
            YES,
            NO,
        ),
        (
            json!({ "$ref": "#/$defs/a" }),
            json!({ "type": "string", "pattern": "^a{1,5}$" }),
            YES,
            YES,
        ),
        (
            json!({ "allOf": [{ "minimum": 3 }, { "type": "integer" }] }),
            json!({ "type": "integer", "minimum": 3 }),
            YES,
            YES,
        ),
        (
            json!({ "not": { "type": "string" } }),
            json!({ "not": { "type": "string" } }),
            YES,
            YES,
        ),
        (
            json!({ "not": { "type": "string" } }),
            json!({ "type": "integer" }),
            UNKNOWN,
            UNKNOWN,
        ),
        (json!(false), json!({ "type": "string" }), YES, YES),
        (
            json!({ "type": "object", "additionalProperties": { "type": "integer" } }),
            json!({ "type": "object", "additionalProperties": { "type": "number" } }),
            YES,
            NO,
        ),
        (
            json!({ "type": "object" }),
            json!({ "type": "object", "properties": { "x": { "type": "string" } } }),
            NO,
            YES,
        ),
    ] {
        let (mut was, mut is) = (with(old, true), with(new, true));
        was["$defs"] = defs.clone();
        is["$defs"] = defs.clone();
        // A member that can never be there.
        if was["properties"]["m"] == json!(false) {
            was["required"] = json!(["o"]);
            is["required"] = json!(["o"]);
        }
        let (b, f, fields) = judged(Kind::Fact, &was, &is);
        let expected = (backward, forward);
        let is_empty = was["properties"]["m"] == json!(false);
        assert_eq!(
            if is_empty { (b, YES) } else { (b, f) },
            expected,
            "{was} {is}"
        );
        assert!(
            fields.iter().all(|it| it == "m" || it == "m.x"),
            "{fields:?}"
        );
    }
}

#[test]
fn kinds_that_name_themselves_are_told_apart() {
    let kind = |name: &str, member: Value| {
        json!({
            "type": "object", "required": ["kind", "m"],
            "properties": { "kind": { "const": name }, "m": member },
        })
    };
    let old = json!({ "oneOf": [kind("a", json!({ "type": "string" })), kind("b", json!({ "type": "integer" }))] });
    let new = json!({ "oneOf": [kind("b", json!({ "type": "number" })), kind("a", json!({ "type": "string" }))] });
    assert_eq!(
        judged(Kind::Fact, &old, &new),
        (YES, NO, vec!["m".to_owned()])
    );
    // Alternatives that may both fit are not taken for exclusive.
    let vague = json!({ "oneOf": [{ "type": "integer" }, { "type": "number" }] });
    let (backward, ..) = judged(Kind::Fact, &json!({ "type": "integer" }), &vague);
    assert_eq!(backward, UNKNOWN);
}

#[test]
fn what_contains_itself_is_compared_to_its_end() {
    let tree = |leaf: Value| {
        json!({
            "$ref": "#/$defs/T",
            "$defs": { "T": {
                "type": "object", "required": ["v"],
                "properties": { "v": leaf, "all": { "type": "array", "items": { "$ref": "#/$defs/T" } } },
            } },
        })
    };
    let (old, new) = (
        tree(json!({ "type": "integer" })),
        tree(json!({ "type": "number" })),
    );
    assert_eq!(
        judged(Kind::Fact, &old, &new),
        (YES, NO, vec!["all.v".to_owned(), "v".to_owned()])
    );
}

#[test]
fn releases_count_for_transitive_alone() {
    let member = |kind: &str| with(json!({ "type": kind }), false);
    let of = |schema: &Value| vec![contract(Kind::Fact, schema)];
    let released = Release {
        version: "0.1.0".to_owned(),
        contracts: of(&member("string")),
    };
    // Taken away, which is fine, and put back as something else, which is not.
    let (old, new) = (of(&without()), of(&member("integer")));
    let change = compare(&old, &new, &[released], &|_| vec!["delivery".to_owned()]).remove(0);
    assert_eq!((change.full, change.transitive), (YES, NO));
    assert_eq!(change.change, "adds m");
    let found = &change.breaks[0];
    assert_eq!(
        (found.field.as_str(), found.against.as_deref()),
        ("m", Some("0.1.0"))
    );
}

#[test]
fn what_the_registry_exports_is_read() {
    let detail = with(
        json!({ "type": "number", "minimum": 0, "exclusiveMinimum": true }),
        true,
    );
    let open_api = json!({
        "openapi": "3.0.0", "info": { "version": "1.0.0", "title": "X" }, "paths": {},
        "components": { "schemas": {
            "AWSEvent": {
                "type": "object", "required": ["detail-type", "detail"],
                "x-amazon-events-detail-type": "Something Happened", "x-amazon-events-source": "shop",
                "properties": { "detail": { "$ref": "#/components/schemas/X" }, "detail-type": { "type": "string" } },
            },
            "X": detail,
        } },
    });
    let exported =
        json!({ "Content": open_api.to_string(), "SchemaName": "shop@X", "Type": "OpenApi3" });
    let draft4 = json!({
        "$schema": "http://json-schema.org/draft-04/schema#",
        "definitions": { "X": detail },
        "properties": {
            "detail": { "$ref": "#/definitions/X" },
            "detail-type": { "type": "string", "enum": ["Something Happened"] },
        },
    });
    let plain = with(json!({ "type": "number", "exclusiveMinimum": 0 }), true);
    for document in [open_api, exported, draft4] {
        let found = read("x.json", &document.to_string(), false).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "X");
        assert_eq!(found[0].detail_type.as_deref(), Some("Something Happened"));
        let other = Contract {
            name: "X".to_owned(),
            ..contract(Kind::Fact, &plain)
        };
        let change = compare(&found, &[other], &[], &|_| Vec::new()).remove(0);
        assert_eq!(change.full, YES, "{:?}", change.breaks);
    }
    for (text, why) in [
        ("{", "is no JSON"),
        ("3", "is no schema"),
        (r#"{"openapi":"3.0.0"}"#, "no schema in"),
    ] {
        let refused = read("x.json", text, false).unwrap_err().to_string();
        assert!(
            refused.starts_with("x.json: ") && refused.contains(why),
            "{refused}"
        );
    }
}
