//! JSONPath as Jayway's library reads it, which AWS uses.

use crate::world::{failure, output, single};
use serde_json::{Value, json};

fn store() -> Value {
    json!({
        "unit price": 7,
        "ids": [3, 1, 2],
        "none": [],
        "text": "four",
        "owner": {"name": "Ann", "town": "Ulm"},
        "jobs": [
            {"id": 1, "state": "RUNNING", "zone": "eu-west-1a", "tags": [], "price": 5, "owner": {"name": "Ann"}},
            {"id": 2, "state": "DONE", "zone": "us-east-1a", "tags": ["a", "b"], "price": "12", "late": null},
            {"id": 3, "state": "QUEUED", "zone": "EU-WEST-2b", "tags": ["c"], "price": 20.5, "note": ""}
        ]
    })
}

fn select(path: &str) -> Value {
    let state = json!({"Type": "Pass", "Parameters": {"v.$": path}});
    output(&single("JSONPath", state), store())["v"].clone()
}

#[test]
fn steps() {
    for (path, expect) in [
        ("$.['unit price']", json!(7)),
        ("$.jobs.[0].['state']", json!("RUNNING")),
        ("$.jobs[ 1 ][ 'id' ]", json!(2)),
        ("$.jobs[-1].id  ", json!(3)),
        (
            "$['owner']['name','town','nothing']",
            json!({"name": "Ann", "town": "Ulm"}),
        ),
        (
            "$.jobs[*]['id','late']",
            json!([{"id": 1}, {"id": 2, "late": null}, {"id": 3}]),
        ),
        ("$.jobs[0,2].id", json!([1, 3])),
        ("$.jobs[0,9].id", json!([1])),
        ("$.jobs[1:].id", json!([2, 3])),
        ("$.jobs[:2].id", json!([1, 2])),
        ("$.jobs[-2:].id", json!([2, 3])),
        ("$.jobs[2:1].id", json!([])),
        ("$.jobs[*].late", json!([null])),
        ("$..name", json!(["Ann", "Ann"])),
        ("$..tags[0]", json!(["a", "c"])),
        ("$.jobs..name", json!(["Ann"])),
        ("$.owner.*", json!(["Ann", "Ulm"])),
        ("$.text[*]", json!([])),
    ] {
        assert_eq!(select(path), expect, "{path}");
    }
}

#[test]
fn functions() {
    for (path, expect) in [
        ("$.ids.length()", json!(3)),
        ("$.ids.size()", json!(3)),
        ("$.text.length()", json!(4)),
        ("$.owner.length()", json!(2)),
        ("$.ids.min()", json!(1)),
        ("$.ids.max()", json!(3)),
        ("$.ids.sum()", json!(6)),
        ("$.ids.avg()", json!(2)),
        ("$.ids.first()", json!(3)),
        ("$.ids.last()", json!(2)),
        ("$.owner.keys()", json!(["name", "town"])),
        ("$.ids.index(-2)", json!(1)),
        ("$.ids.append(9)", json!([3, 1, 2, 9])),
        (
            "$.concat($.owner.name, ' of ', $.owner.town)",
            json!("Ann of Ulm"),
        ),
        ("$.sum($.ids[0], $.ids[2])", json!(5)),
        ("$.max($.jobs[*].id)", json!(3)),
        ("$.jobs[*].tags.length()", json!([0, 2, 1])),
        ("$..price.sum()", json!(25.5)),
        ("$.jobs[?(@.tags.length() > 1)].id", json!([2])),
    ] {
        assert_eq!(select(path), expect, "{path}");
    }
}

#[test]
fn filters() {
    for (filter, ids) in [
        ("@.state == 'DONE'", json!([2])),
        ("@.state==DONE", json!([2])),
        ("@.state == \"DONE\"", json!([2])),
        ("'DONE' == @.state", json!([2])),
        ("@.state != 'DONE'", json!([1, 3])),
        ("@.missing != 'x'", json!([1, 2, 3])),
        ("@.price > 4", json!([1, 3])),
        ("@.price == 12", json!([2])),
        ("@.price === 12", json!([])),
        ("@.price >= 5 && @.price <= 20.5", json!([1, 3])),
        ("@.id == 1 || (@.id > 2 && !@.late)", json!([1, 3])),
        ("@.late", json!([2])),
        ("!@.note", json!([1, 2])),
        ("@.late == null", json!([2])),
        ("@.note exists true", json!([3])),
        ("@.state in ['RUNNING','QUEUED']", json!([1, 3])),
        ("@.state IN [RUNNING, QUEUED]", json!([1, 3])),
        ("@.id in $.none", json!([])),
        ("@.id in $.ids", json!([1, 2, 3])),
        ("@.state nin ['RUNNING','QUEUED']", json!([2])),
        ("@.tags subsetof ['a','b','c']", json!([1, 2, 3])),
        ("@.tags anyof ['b','z']", json!([2])),
        ("@.tags noneof ['b','z']", json!([1, 3])),
        ("@.tags all ['a','b']", json!([2])),
        ("@.tags contains 'c'", json!([3])),
        ("@.zone contains 'east'", json!([2])),
        ("@.tags size 1", json!([3])),
        ("@.tags empty true", json!([1])),
        ("@.tags empty false", json!([2, 3])),
        ("@.note empty true", json!([3])),
        ("@.zone =~ /eu-west-.*/", json!([1])),
        ("@.zone =~ /eu-west-.*/i", json!([1, 3])),
        ("@.zone =~ /west/", json!([])),
        ("@.zone =~ /[^\\/]+/", json!([1, 2, 3])),
        ("@.owner.name == 'Ann'", json!([1])),
        ("@['owner'].['name'] == $.owner.name", json!([1])),
    ] {
        assert_eq!(select(&format!("$.jobs[?({filter})].id")), ids, "{filter}");
    }
    // An object is tried itself; elements can be plain.
    assert_eq!(
        select("$.owner[?(@.name == 'Ann')]"),
        json!([{"name": "Ann", "town": "Ulm"}])
    );
    assert_eq!(select("$.ids[?(@ > 1)]"), json!([3, 2]));
    assert_eq!(select("$..[?(@.price > 20)].id"), json!([3]));
}

#[test]
fn a_definite_way_that_leads_nowhere_is_an_error() {
    for path in [
        "$.nothing[*]",
        "$.nothing[?(@.a)]",
        "$.text.length",
        "$.ids.keys()",
        "$.none.max()",
    ] {
        let state = json!({"Type": "Pass", "Parameters": {"v.$": path}});
        let (error, cause) = failure(&single("JSONPath", state), store());
        assert_eq!(error, "States.Runtime", "{path}");
        assert!(
            cause.contains("could not be found in the input"),
            "{path}: {cause}"
        );
    }
}
