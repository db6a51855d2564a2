//! Mock files in Step Functions Local's format, and echoed tasks.

use crate::world::{CALLBACK, FUNCTION, LAMBDA, machine};
use duet_asl::{MockConfig, RunError, RunOptions, RunReport, Status, run};
use serde_json::{Value, json};

fn file() -> String {
    json!({
        "StateMachines": {"Shop": {"TestCases": {
            "Happy": {"Pay": "Paid", "Ask": "Said", "Ship": "Shipped"},
            "Flaky": {"Pay": "PaidAtLast", "Ask": "Said", "Ship": "Shipped"},
            "Refused": {"Pay": "Paid", "Ask": "No"},
            "Hybrid": {"Ask": "Said"}
        }}},
        "MockedResponses": {
            "Paid": {"0": {"Return": {"StatusCode": 200, "Payload": {"paid": true}}}},
            "PaidAtLast": {"0-1": {"Throw": {"Error": "Transient", "Cause": "busy"}}, "2": {"Return": {"Payload": {"paid": true}}}},
            "Said": {"0": {"Return": {"answer": "yes"}}},
            "No": {"0": {"Throw": {"Error": "Denied", "Cause": "no"}}},
            "Shipped": {"0": {"Return": null}}
        }
    }).to_string()
}

fn shop(case: &str, task_echo: bool) -> Result<RunReport, RunError> {
    let definition = json!({"StartAt": "Pay", "States": {
        "Pay": {"Type": "Task", "Resource": LAMBDA, "Parameters": {"FunctionName": "pay", "Payload.$": "$"}, "ResultPath": "$.pay",
            "Retry": [{"ErrorEquals": ["Transient"], "IntervalSeconds": 3}], "Next": "Ask"},
        "Ask": {"Type": "Task", "Resource": CALLBACK, "Parameters": {"QueueUrl": "q", "MessageBody": {"t.$": "$$.Task.Token"}},
            "ResultPath": "$.ask", "Next": "Ship"},
        "Ship": {"Type": "Task", "Resource": FUNCTION, "ResultPath": "$.ship", "End": true}}});
    let mocks = MockConfig::parse(&file())
        .unwrap()
        .case(Some("Shop"), case)
        .unwrap();
    run(
        &machine(&definition),
        json!({"id": 1}),
        RunOptions {
            mocks: Some(mocks),
            task_echo,
            ..RunOptions::default()
        },
    )
}

#[test]
fn a_case_answers_every_kind_of_task() {
    let report = shop("Happy", false).unwrap();
    assert_eq!(
        *report.output.unwrap(),
        json!({
        "id": 1, "pay": {"StatusCode": 200, "Payload": {"paid": true}}, "ask": {"answer": "yes"}, "ship": null})
    );
    let report = shop("Flaky", false).unwrap();
    assert_eq!(
        (report.status, report.elapsed, report.transitions),
        (Status::Succeeded, 3_000 + 6_000, 5)
    );
    let report = shop("Refused", false).unwrap();
    assert_eq!(
        (report.status, report.error.as_deref()),
        (Status::Failed, Some("Denied"))
    );
}

#[test]
fn what_is_not_mocked_is_echoed_or_an_error() {
    let error = shop("Hybrid", false).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("state 'Pay' calls arn:aws:states:::lambda:invoke"),
        "{error}"
    );
    let report = shop("Hybrid", true).unwrap();
    let output = report.output.unwrap();
    assert_eq!(
        output["pay"],
        json!({"ExecutedVersion": "$LATEST", "Payload": {"id": 1}, "StatusCode": 200})
    );
    assert_eq!(output["ship"]["ask"], json!({"answer": "yes"}));
}

#[test]
fn reports_read_as_the_command_prints_them() {
    let report = serde_json::to_value(shop("Refused", false).unwrap()).unwrap();
    assert_eq!(report["status"], "FAILED");
    assert_eq!(
        (&report["error"], &report["cause"]),
        (&json!("Denied"), &json!("no"))
    );
    assert_eq!(report.get("output"), None);
    assert!(report["history"].as_array().is_some_and(|h| !h.is_empty()));
}

#[test]
fn bad_files_say_what_is_wrong() {
    let with = |responses: Value| {
        json!({"StateMachines": {"M": {"TestCases": {"T": {"S": "R"}}}}, "MockedResponses": responses}).to_string()
    };
    for (text, expect) in [
        ("{".to_owned(), "EOF"),
        (
            with(json!({"R": {"x": {"Return": 1}}})),
            "not a number or a range",
        ),
        (
            with(json!({"R": {"2-1": {"Return": 1}}})),
            "not a number or a range",
        ),
        (with(json!({"R": {"0": {}}})), "either Return or Throw"),
        (
            with(json!({"R": {"0": {"Throw": {"Cause": "x"}}}})),
            "Error",
        ),
    ] {
        let error = MockConfig::parse(&text).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }
    let config = MockConfig::parse(&with(json!({}))).unwrap();
    assert!(
        config
            .case(None, "T")
            .unwrap_err()
            .to_string()
            .contains("MockedResponses does not have")
    );
    assert!(
        config
            .case(None, "X")
            .unwrap_err()
            .to_string()
            .contains("M#T")
    );
}
