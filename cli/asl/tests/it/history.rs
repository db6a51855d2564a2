//! The shape of the history, against recordings of AWS.

use crate::world::{FUNCTION, LAMBDA, World, echo, single, trail};
use serde_json::{Value, json};

#[test]
fn a_service_task_in_full() {
    let definition = single(
        "JSONPath",
        json!({"Type": "Task", "Resource": LAMBDA, "TimeoutSeconds": 5,
        "Parameters": {"FunctionName": "f", "Payload.$": "$"}}),
    );
    let report = echo(&definition, json!({"a": 1}));
    let events = serde_json::to_value(report.history.unwrap()).unwrap();
    let time = "2026-01-01T00:00:00.000Z";
    let result = "{\"ExecutedVersion\":\"$LATEST\",\"Payload\":{\"a\":1},\"StatusCode\":200}";
    assert_eq!(
        events,
        json!([
            {"timestamp": time, "type": "ExecutionStarted", "id": 1, "previousEventId": 0, "executionStartedEventDetails":
                {"input": "{\"a\":1}", "inputDetails": {"truncated": false}, "roleArn": "arn:aws:iam::123456789012:role/machine"}},
            {"timestamp": time, "type": "TaskStateEntered", "id": 2, "previousEventId": 0, "stateEnteredEventDetails":
                {"input": "{\"a\":1}", "inputDetails": {"truncated": false}, "name": "S"}},
            {"timestamp": time, "type": "TaskScheduled", "id": 3, "previousEventId": 2, "taskScheduledEventDetails":
                {"parameters": "{\"FunctionName\":\"f\",\"Payload\":{\"a\":1}}", "region": "us-east-1", "resource": "invoke",
                 "resourceType": "lambda", "timeoutInSeconds": 5}},
            {"timestamp": time, "type": "TaskStarted", "id": 4, "previousEventId": 3, "taskStartedEventDetails":
                {"resource": "invoke", "resourceType": "lambda"}},
            {"timestamp": time, "type": "TaskSucceeded", "id": 5, "previousEventId": 4, "taskSucceededEventDetails":
                {"output": result, "outputDetails": {"truncated": false}, "resource": "invoke", "resourceType": "lambda"}},
            {"timestamp": time, "type": "TaskStateExited", "id": 6, "previousEventId": 5, "stateExitedEventDetails":
                {"name": "S", "output": result, "outputDetails": {"truncated": false}}},
            {"timestamp": time, "type": "ExecutionSucceeded", "id": 7, "previousEventId": 6, "executionSucceededEventDetails":
                {"output": result, "outputDetails": {"truncated": false}}}
        ])
    );
}

#[test]
fn a_function_task_that_fails() {
    let mut world = World::start(
        &single("JSONPath", json!({"Type": "Task", "Resource": FUNCTION})),
        json!({}),
    );
    world.fail("Oops");
    assert_eq!(
        world.trail(),
        [
            "1<0 ExecutionStarted",
            "2<0 TaskStateEntered",
            "3<2 LambdaFunctionScheduled",
            "4<3 LambdaFunctionStarted",
            "5<4 LambdaFunctionFailed",
            "6<5 ExecutionFailed"
        ]
    );
    let events = serde_json::to_value(world.run.history()).unwrap();
    assert_eq!(
        events[2]["lambdaFunctionScheduledEventDetails"],
        json!({"input": "{}", "inputDetails": {"truncated": false}, "resource": FUNCTION})
    );
    assert_eq!(
        events[3].as_object().unwrap().len(),
        4,
        "a started function has no details"
    );
    assert_eq!(
        events[4]["lambdaFunctionFailedEventDetails"],
        json!({"cause": "Oops happened", "error": "Oops"})
    );
    assert_eq!(
        events[5]["executionFailedEventDetails"],
        json!({"cause": "Oops happened", "error": "Oops"})
    );
}

/// Recorded: a Map one at a time; the next iteration follows the last event before
/// the previous one's `MapIterationSucceeded`.
#[test]
fn iterations_chain_as_recorded() {
    let definition = json!({"StartAt": "M", "States": {"M": {"Type": "Map", "MaxConcurrency": 1, "End": true,
        "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}}}});
    assert_eq!(
        trail(&echo(&definition, json!([1, 2])).history.unwrap()),
        [
            "1<0 ExecutionStarted",
            "2<0 MapStateEntered",
            "3<2 MapStateStarted",
            "4<3 MapIterationStarted",
            "5<4 PassStateEntered",
            "6<5 PassStateExited",
            "7<6 MapIterationSucceeded",
            "8<6 MapIterationStarted",
            "9<8 PassStateEntered",
            "10<9 PassStateExited",
            "11<10 MapIterationSucceeded",
            "12<11 MapStateSucceeded",
            "13<11 MapStateExited",
            "14<13 ExecutionSucceeded"
        ]
    );
}

/// Recorded (test "map_state_retry"): a retried Map follows the failed iteration's last event.
#[test]
fn a_retried_map_chains_as_recorded() {
    let definition = json!({"StartAt": "M", "States": {"M": {"Type": "Map", "End": true,
        "Retry": [{"ErrorEquals": ["HandleItemFailError"], "MaxAttempts": 1}],
        "ItemProcessor": {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "HandleItemFailError", "Cause": "C"}}}}}});
    assert_eq!(
        trail(&echo(&definition, json!([1])).history.unwrap()),
        [
            "1<0 ExecutionStarted",
            "2<0 MapStateEntered",
            "3<2 MapStateStarted",
            "4<3 MapIterationStarted",
            "5<4 FailStateEntered",
            "6<5 MapIterationFailed",
            "7<5 MapStateStarted",
            "8<7 MapIterationStarted",
            "9<8 FailStateEntered",
            "10<9 MapIterationFailed",
            "11<9 MapStateFailed",
            "12<11 ExecutionFailed"
        ]
    );
}

/// Recorded (test "service_lambda_map_timeout"): what a failing iteration leaves behind.
#[test]
fn a_map_cut_short_chains_as_recorded() {
    let definition = json!({"StartAt": "M", "States": {"M": {"Type": "Map", "End": true,
        "ItemProcessor": {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": LAMBDA, "TimeoutSeconds": 5, "End": true}}}}}});
    let mut world = World::start(&definition, json!([1, 2]));
    world.seconds(5);
    assert_eq!(
        &world.trail()[11..],
        [
            "12<8 TaskTimedOut",
            "13<12 MapIterationFailed",
            "14<12 TaskStateAborted",
            "15<12 MapIterationAborted",
            "16<12 TaskStateAborted",
            "17<12 MapStateFailed",
            "18<17 ExecutionFailed"
        ]
        .map(String::from)
    );
}

#[test]
fn assigned_variables_are_texts_of_json() {
    let definition = single(
        "JSONPath",
        json!({"Type": "Pass", "Assign": {"n": 0, "s": "x", "o": {"a": null}}}),
    );
    let events = serde_json::to_value(echo(&definition, json!({})).history.unwrap()).unwrap();
    assert_eq!(
        events[2]["stateExitedEventDetails"],
        json!({
        "assignedVariables": {"n": "0", "s": "\"x\"", "o": "{\"a\":null}"},
        "assignedVariablesDetails": {"truncated": false},
        "name": "S", "output": "{}", "outputDetails": {"truncated": false}})
    );
    let none = single("JSONPath", json!({"Type": "Pass", "Assign": {}}));
    let events = serde_json::to_value(echo(&none, json!({})).history.unwrap()).unwrap();
    assert_eq!(
        events[2]["stateExitedEventDetails"].get("assignedVariables"),
        None
    );
}

#[test]
fn a_failed_expression_is_an_event() {
    let definition = single(
        "JSONata",
        json!({"Type": "Task", "Resource": LAMBDA, "Arguments": {"FunctionName": "f", "x": "{% $states.input.a %}"}}),
    );
    let history = echo(&definition, json!({})).history.unwrap();
    assert_eq!(
        trail(&history),
        [
            "1<0 ExecutionStarted",
            "2<0 TaskStateEntered",
            "3<2 EvaluationFailed",
            "4<3 ExecutionFailed"
        ]
    );
    let details: Value = history[2].details().unwrap();
    assert_eq!(
        (&details["location"], &details["state"]),
        (&json!("Arguments/x"), &json!("S"))
    );
    assert_eq!(details["error"], "States.QueryEvaluationError");
}

/// Thirteen recordings: a Map over what is no list says that it failed, caught or not.
#[test]
fn a_map_over_no_list_has_failed() {
    let map = |catch: Value| {
        let mut definition = json!({"QueryLanguage": "JSONata", "StartAt": "M", "States": {
            "M": {"Type": "Map", "Items": "{% $states.input %}", "End": true,
                "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}},
            "C": {"Type": "Succeed"}}});
        if catch.is_null() {
            definition["States"].as_object_mut().unwrap().remove("C");
        } else {
            definition["States"]["M"]["Catch"] = catch;
        }
        trail(&echo(&definition, json!("kettle")).history.unwrap())
    };
    let start = [
        "1<0 ExecutionStarted",
        "2<0 MapStateEntered",
        "3<2 EvaluationFailed",
        "4<3 MapStateFailed",
    ];
    let failed = map(Value::Null);
    assert_eq!(failed[..4], start);
    assert_eq!(failed[4..], ["5<4 ExecutionFailed"]);
    let caught = map(json!([{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "C"}]));
    assert_eq!(caught[..4], start);
    assert_eq!(caught[4], "5<4 MapStateExited");
}
