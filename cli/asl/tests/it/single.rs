//! One state alone, with what the API's `TestState` says of it.

use crate::world::{CALLBACK, LAMBDA, machine};
use duet_asl::{DEFAULT_START, ExecutionOptions, StateReport, StateTest, TaskError, test_state};
use serde_json::{Map, Value, json};

fn asked(mock: Option<Result<Value, TaskError>>) -> StateTest {
    StateTest {
        state: "S".into(),
        input: json!({"a": 1, "list": [1, 2]}),
        variables: Map::new(),
        mock,
        retries: 0,
        caused_by: None,
        failed_iterations: None,
        reader_data: None,
        options: ExecutionOptions::default(),
        now: DEFAULT_START,
    }
}

/// A machine with the state `S` that leads to `End`, and `Other`.
fn with(language: &str, state: Value) -> Value {
    let mut state = state;
    if state["Type"] != "Fail" && state["Type"] != "Choice" {
        state["Next"] = json!("End");
    }
    json!({"QueryLanguage": language, "StartAt": "First", "States": {
        "First": {"Type": "Choice", "Default": "S", "Choices": [match language {
            "JSONata" => json!({"Condition": "{% true %}", "Next": "Other"}),
            _ => json!({"Variable": "$.x", "IsPresent": true, "Next": "Other"}),
        }]},
        "S": state, "Other": {"Type": "Pass", "Next": "End"}, "End": {"Type": "Succeed"}}})
}

fn answer(definition: &Value, test: &StateTest) -> Value {
    serde_json::to_value(report(definition, test)).unwrap()
}

fn report(definition: &Value, test: &StateTest) -> StateReport {
    test_state(&machine(definition), test).unwrap()
}

fn throw(error: &str) -> Option<Result<Value, TaskError>> {
    Some(Err(TaskError::new(error, "why")))
}

fn task() -> Value {
    with(
        "JSONPath",
        json!({"Type": "Task", "Resource": LAMBDA, "InputPath": "$", "Parameters": {"FunctionName": "f", "Payload.$": "$.a"},
            "ResultSelector": {"r.$": "$.Payload"}, "ResultPath": "$.out", "OutputPath": "$.out",
            "Retry": [{"ErrorEquals": ["Other"]}, {"ErrorEquals": ["Busy"], "IntervalSeconds": 3, "BackoffRate": 2, "MaxAttempts": 2, "JitterStrategy": "FULL"}],
            "Catch": [{"ErrorEquals": ["Declined"], "Next": "End"}, {"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "Other"}]}),
    )
}

#[test]
fn a_task_shows_its_data_at_every_stage() {
    let got = answer(&task(), &asked(Some(Ok(json!({"Payload": 7})))));
    assert_eq!(
        got,
        json!({"status": "SUCCEEDED", "output": "{\"r\":7}", "nextState": "End", "inspectionData": {
            "input": "{\"a\":1,\"list\":[1,2]}", "afterInputPath": "{\"a\":1,\"list\":[1,2]}",
            "afterParameters": "{\"FunctionName\":\"f\",\"Payload\":1}", "result": "{\"Payload\":7}",
            "afterResultSelector": "{\"r\":7}",
            "afterResultPath": "{\"a\":1,\"list\":[1,2],\"out\":{\"r\":7}}"}})
    );
}

#[test]
fn errors_go_to_the_retrier_then_to_the_catcher() {
    let mut test = asked(throw("Busy"));
    let got = answer(&task(), &test);
    assert_eq!(
        (&got["status"], &got["error"], &got["cause"]),
        (&json!("RETRIABLE"), &json!("Busy"), &json!("why"))
    );
    assert_eq!(
        got["inspectionData"]["errorDetails"],
        json!({"retryIndex": 1, "retryBackoffIntervalSeconds": 3})
    );
    assert_eq!(got.get("output"), None);
    test.retries = 1;
    let got = answer(&task(), &test);
    assert_eq!(
        got["inspectionData"]["errorDetails"]["retryBackoffIntervalSeconds"],
        6
    );
    test.retries = 2;
    let got = answer(&task(), &test);
    assert_eq!(
        (&got["status"], &got["nextState"]),
        (&json!("CAUGHT_ERROR"), &json!("Other"))
    );
    assert_eq!(
        got["inspectionData"]["errorDetails"],
        json!({"catchIndex": 1})
    );
    assert_eq!(
        got["output"],
        "{\"a\":1,\"list\":[1,2],\"e\":{\"Error\":\"Busy\",\"Cause\":\"why\"}}"
    );
    let got = answer(&task(), &asked(throw("States.Runtime")));
    assert_eq!(
        (&got["status"], got.get("nextState")),
        (&json!("FAILED"), None)
    );
}

#[test]
fn jsonata_shows_arguments_and_variables() {
    let definition = with(
        "JSONata",
        json!({"Type": "Task", "Resource": CALLBACK, "Arguments": {"QueueUrl": "q", "MessageBody": "{% $who & $states.context.State.RetryCount %}"},
            "Assign": {"seen": "{% $states.result.n %}"}, "Output": "{% $who & $states.context.Execution.Name %}"}),
    );
    let mut test = asked(Some(Ok(json!({"n": 5}))));
    test.variables.insert("who".into(), json!("Ada"));
    test.options.context = json!({"Execution": {"Name": "!"}}).as_object().cloned();
    test.retries = 2;
    let got = answer(&definition, &test);
    assert_eq!(got["output"], "\"Ada!\"");
    let data = &got["inspectionData"];
    assert_eq!(
        data["afterArguments"],
        "{\"QueueUrl\":\"q\",\"MessageBody\":\"Ada2\"}"
    );
    assert_eq!(data["variables"], "{\"who\":\"Ada\",\"seen\":5}");
    assert_eq!(
        (data.get("afterInputPath"), data.get("afterResultPath")),
        (None, None)
    );
}

#[test]
fn states_without_work_need_no_mock() {
    for (state, status, next, output) in [
        (
            json!({"Type": "Pass", "Parameters": {"x.$": "$.a"}}),
            "SUCCEEDED",
            "End",
            json!("{\"x\":1}"),
        ),
        (
            json!({"Type": "Wait", "Seconds": 86400}),
            "SUCCEEDED",
            "End",
            json!("{\"a\":1,\"list\":[1,2]}"),
        ),
        (
            json!({"Type": "Choice", "Choices": [{"Variable": "$.a", "NumericEquals": 1, "Next": "Other"}], "Default": "End"}),
            "SUCCEEDED",
            "Other",
            json!("{\"a\":1,\"list\":[1,2]}"),
        ),
        (
            json!({"Type": "Fail", "Error": "E", "Cause": "c"}),
            "FAILED",
            "",
            Value::Null,
        ),
        (
            json!({"Type": "Pass", "InputPath": "$.gone"}),
            "FAILED",
            "",
            Value::Null,
        ),
    ] {
        let mut definition = with("JSONPath", state.clone());
        if state["Type"] == "Fail" {
            definition["States"]["First"]["Choices"][0]["Next"] = json!("Other");
        }
        let got = answer(&definition, &asked(None));
        assert_eq!(
            (
                &got["status"],
                got["nextState"].as_str().unwrap_or_default(),
                &got["output"]
            ),
            (&json!(status), next, &output),
            "{state}"
        );
    }
}

#[test]
fn a_map_and_a_parallel_take_lists() {
    let map = with(
        "JSONPath",
        json!({"Type": "Map", "ItemsPath": "$.list", "MaxConcurrency": 2, "ItemSelector": {"i.$": "$$.Map.Item.Value"},
            "ItemProcessor": {"StartAt": "In", "States": {"In": {"Type": "Pass", "End": true}}},
            "Catch": [{"ErrorEquals": ["E"], "Next": "Other"}]}),
    );
    let got = answer(&map, &asked(Some(Ok(json!(["x", "y"])))));
    assert_eq!(got["output"], "[\"x\",\"y\"]");
    let data = &got["inspectionData"];
    assert_eq!(
        (
            &data["afterItemsPath"],
            &data["afterItemSelector"],
            &data["maxConcurrency"]
        ),
        (&json!("[1,2]"), &json!("[{\"i\":1},{\"i\":2}]"), &json!(2))
    );
    let mut test = asked(throw("E"));
    test.caused_by = Some("In".into());
    assert_eq!(answer(&map, &test)["nextState"], "Other");
    let refused =
        |definition: &Value, test: &StateTest| test_state(&machine(definition), test).unwrap_err();
    test.caused_by = Some("Other".into());
    assert!(refused(&map, &test).contains("'Other' is none within 'S'"));
    test.caused_by = None;
    test.failed_iterations = Some(1);
    assert!(refused(&map, &test).contains("distributed Map"));
    assert!(refused(&map, &asked(Some(Ok(json!({}))))).contains("is a list"));
    assert!(refused(&map, &asked(None)).contains("needs a mock"));
    let parallel = with(
        "JSONPath",
        json!({"Type": "Parallel", "Branches": [{"StartAt": "In", "States": {"In": {"Type": "Pass", "End": true}}}]}),
    );
    assert!(refused(&parallel, &asked(Some(Ok(json!([1, 2]))))).contains("each of its 1 branches"));
    assert_eq!(
        answer(&parallel, &asked(Some(Ok(json!([1])))))["output"],
        "[1]"
    );
    let pass = with("JSONPath", json!({"Type": "Pass"}));
    assert!(
        refused(&pass, &asked(Some(Ok(json!(1))))).contains("'Pass' is not supported when a mock")
    );
    let mut test = asked(None);
    test.state = "X".into();
    assert!(refused(&pass, &test).contains("no state 'X'; it has First, S, Other, End"));
}

#[test]
fn http_shows_request_and_response() {
    let definition = with(
        "JSONPath",
        json!({"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "Parameters": {
            "ApiEndpoint": "https://example.com/orders", "Method": "POST", "QueryParameters": {"a.$": "$.a"}, "RequestBody": {"b": 2},
            "InvocationConfig": {"ConnectionArn": "arn:aws:events:us-east-1:123456789012:connection/c/1"}}}),
    );
    let got = answer(
        &definition,
        &asked(Some(Ok(
            json!({"StatusCode": 201, "ResponseBody": {"ok": true}}),
        ))),
    );
    let data = &got["inspectionData"];
    assert_eq!(
        data["request"],
        json!({"protocol": "https", "method": "POST", "url": "https://example.com/orders?a=1", "body": "{\"b\":2}"})
    );
    assert_eq!(
        data["response"],
        json!({"statusCode": "201", "body": "{\"ok\":true}"})
    );
}

#[test]
fn results_are_held_against_what_is_known_of_an_integration() {
    let machine = machine(&with(
        "JSONPath",
        json!({"Type": "Task", "Resource": "arn:aws:states:::states:startExecution", "Parameters": {"StateMachineArn": "x"}}),
    ));
    let misfits = |result: Value, whole| machine.misfits("S", &result, whole).unwrap();
    assert_eq!(
        misfits(json!({"ExecutionArn": 1}), true),
        ["ExecutionArn is no string", "StartDate is missing"]
    );
    assert_eq!(
        misfits(json!({"ExecutionArn": 1}), false),
        ["ExecutionArn is no string"]
    );
    assert_eq!(
        misfits(json!({"ExecutionArn": "x", "StartDate": 1}), true),
        [""; 0]
    );
    assert_eq!(machine.misfits("Other", &json!(1), true), None);
}

/// A distributed Map, with what `extra` adds to it.
fn distributed(extra: Value) -> Value {
    let mut state = json!({"Type": "Map", "Items": "{% $states.input.list %}", "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "In", "States": {"In": {"Type": "Pass", "End": true}}},
        "Catch": [{"ErrorEquals": ["MockException"], "Next": "Other"},
            {"ErrorEquals": ["States.ExceedToleratedFailureThreshold"], "Output": "{% $states.errorOutput %}", "Next": "Other"}]});
    for (name, value) in extra.as_object().unwrap() {
        state[name] = value.clone();
    }
    with("JSONata", state)
}

/// Recorded 2025-11-13: without a threshold none is exceeded, a mocked error goes before,
/// and the limits are shown.
#[test]
fn a_distributed_map_counts_failed_iterations() {
    let mut test = asked(Some(Ok(json!([0, 1]))));
    test.failed_iterations = Some(2);
    let free = answer(&distributed(json!({})), &test);
    assert_eq!(free["status"], "SUCCEEDED");
    let data = &free["inspectionData"];
    assert_eq!(
        (&data["maxConcurrency"], &data["toleratedFailureCount"]),
        (&json!(0), &Value::Null)
    );
    let limited = distributed(json!({"ToleratedFailureCount": 1}));
    let over = answer(&limited, &test);
    assert_eq!(
        (&over["status"], &over["error"], &over["cause"]),
        (
            &json!("CAUGHT_ERROR"),
            &json!("States.ExceedToleratedFailureThreshold"),
            &json!("The specified tolerated failure threshold was exceeded")
        )
    );
    let data = &over["inspectionData"];
    assert_eq!(
        (
            &data["errorDetails"]["catchIndex"],
            &data["toleratedFailureCount"]
        ),
        (&json!(1), &json!(1))
    );
    let mut mocked = asked(throw("MockException"));
    mocked.failed_iterations = Some(2);
    assert_eq!(answer(&limited, &mocked)["error"], "MockException");
    test.failed_iterations = Some(1);
    assert_eq!(answer(&limited, &test)["status"], "SUCCEEDED");
    let half = distributed(json!({"ToleratedFailurePercentage": 49.5}));
    assert_eq!(answer(&half, &test)["status"], "CAUGHT_ERROR");
}

#[test]
fn a_distributed_map_reads_given_data() {
    let reader = json!({"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON", "ItemsPointer": "/n"},
        "Arguments": {"Bucket": "b", "Key": "k"}});
    let mut read = distributed(
        json!({"ItemReader": reader, "ItemSelector": {"n": "{% $states.context.Map.Item.Value %}"},
        "ItemBatcher": {"MaxItemsPerBatch": 2}}),
    );
    read["States"]["S"].as_object_mut().unwrap().remove("Items");
    let mut test = asked(Some(Ok(json!([1, 4, 9]))));
    test.reader_data = Some("{\"n\": [1, 2, 3]}".into());
    let got = answer(&read, &test);
    assert_eq!(
        (&got["status"], &got["output"]),
        (&json!("SUCCEEDED"), &json!("[1,4,9]"))
    );
    let data = &got["inspectionData"];
    assert_eq!(data["afterItemsPointer"], "[1,2,3]");
    assert_eq!(data["afterItemSelector"], "[{\"n\":1},{\"n\":2},{\"n\":3}]");
    assert_eq!(
        data["afterItemBatcher"],
        "[{\"Items\":[{\"n\":1},{\"n\":2}]},{\"Items\":[{\"n\":3}]}]"
    );
    test.reader_data = Some("nothing".into());
    assert_eq!(answer(&read, &test)["error"], "States.ItemReaderFailed");
    test.reader_data = None;
    assert_eq!(answer(&read, &test)["status"], "SUCCEEDED");

    let refused =
        |definition: &Value, test: &StateTest| test_state(&machine(definition), test).unwrap_err();
    test.reader_data = Some("[]".into());
    let plain = distributed(json!({}));
    assert!(refused(&plain, &test).contains("ItemReader"));
    let writer = json!({"Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": "b"}});
    let written = distributed(json!({"ResultWriter": writer}));
    assert!(refused(&written, &asked(Some(Ok(json!([]))))).contains("is an object"));
    assert_eq!(
        answer(&written, &asked(Some(Ok(json!({})))))["output"],
        "{}"
    );
}
