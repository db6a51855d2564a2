//! The words for tests in Rust: what holds passes, what does not panics and says what.

use duet_asl::testing::{Machine, definition, machine, never, throws};
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

fn order() -> Machine {
    let text = json!({"StartAt": "Pay", "States": {
        "Pay": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "pay"}, "TimeoutSeconds": 9,
            "ResultSelector": {"paid.$": "$.Payload"}, "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 2}], "Next": "Rest"},
        "Rest": {"Type": "Wait", "Seconds": 60, "End": true}}});
    definition(&text.to_string())
}

/// What a failing test says.
fn said(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).unwrap_err();
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn what_holds_passes() {
    let paid = order().mock("Pay", json!({"Payload": true}));
    paid.run(json!({}))
        .succeeds_with(json!({"paid": true}))
        .succeeds_with(json!({"paid": {"$type": "boolean"}}))
        .goes_through(["Pay", "Rest"])
        .takes(Duration::from_secs(60))
        .expect(json!({"calls": {"Pay": 1}}));
    let busy = order().mock("Pay", throws("Busy").after(Duration::from_millis(500)));
    busy.mock("Pay", json!({"Payload": 1}))
        .run(json!({}))
        .succeeds_with(json!({"paid": 1}))
        .takes(Duration::from_millis(62_500));
    order()
        .mock("Pay", never())
        .run(json!({}))
        .fails_with("States.Timeout")
        .goes_through(["Pay"])
        .takes(Duration::from_secs(9));
}

#[test]
fn what_does_not_hold_panics_and_says_what() {
    let paid = order().mock("Pay", json!({"Payload": true})).run(json!({}));
    let output = said(|| {
        paid.succeeds_with(json!({"paid": false}));
    });
    assert_eq!(
        output,
        "output.paid\n  expected false\n  got      true\npath: Pay, Rest"
    );
    assert!(
        said(|| {
            paid.fails_with("Busy");
        })
        .contains("expected FAILED")
    );
    assert!(
        said(|| {
            paid.goes_through(["Pay"]);
        })
        .contains("path[1]")
    );
    assert!(
        said(|| {
            paid.takes(Duration::ZERO);
        })
        .contains("duration")
    );
    let unmocked = order().run(json!({}));
    assert!(
        said(|| {
            unmocked.succeeds_with(json!({}));
        })
        .contains("'Pay'")
    );
    let strange = order().mock("Pya", json!({})).run(json!({}));
    assert!(
        said(|| {
            strange.succeeds_with(json!({}));
        })
        .contains("no state 'Pya'")
    );
}

#[test]
fn a_file_is_read_and_what_is_refused_says_why() {
    let _ = machine("tests/cases/g04-path-trailing-space.asl.json");
    assert!(said(|| drop(machine("no.asl.json"))).contains("cannot be read"));
    assert!(said(|| drop(definition("{}"))).contains("SCHEMA_VALIDATION_FAILED"));
}
