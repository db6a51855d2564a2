//! Whole definitions of the kind people write, each through several endings.

use crate::world::{World, machine};
use duet_asl::{MockConfig, RunOptions, RunReport, Status, run};
use serde_json::{Value, json};

/// A booking saga in JSONata: variables, a branch each for flight and room, a
/// person's consent, compensation in a loop over what was booked.
fn saga() -> Value {
    let invoke = |name: &str, payload: &str| {
        json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": name, "Payload": payload}})
    };
    let with = |mut state: Value, extra: Value| {
        state
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        state
    };
    let book = |name: &str| {
        json!({"StartAt": name, "States": {name: with(invoke(name, "{% $trip %}"), json!({
            "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "MaxAttempts": 2}],
            "Output": {"kind": name, "id": "{% $states.result.Payload.id %}"}, "End": true}))}})
    };
    json!({"QueryLanguage": "JSONata", "StartAt": "Begin", "TimeoutSeconds": 3600, "States": {
        "Begin": {"Type": "Pass", "Assign": {"trip": "{% $states.input.trip %}", "booked": []}, "Next": "Book"},
        "Book": {"Type": "Parallel", "Branches": [book("Flight"), book("Room")],
            "Assign": {"booked": "{% $states.result.id %}"},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Assign": {"why": "{% $states.errorOutput.Error %}"}, "Next": "Undo"}],
            "Next": "Ask"},
        "Ask": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "TimeoutSeconds": 600,
            "Arguments": {"QueueUrl": "q", "MessageBody": {"token": "{% $states.context.Task.Token %}", "ids": "{% $booked %}"}},
            "Catch": [{"ErrorEquals": ["States.Timeout"], "Assign": {"why": "NoAnswer"}, "Next": "Undo"}],
            "Output": "{% $states.result %}", "Next": "Agreed"},
        "Agreed": {"Type": "Choice", "Choices": [{"Condition": "{% $states.input.agreed %}", "Next": "Done"}],
            "Assign": {"why": "Declined"}, "Default": "Undo"},
        "Undo": {"Type": "Map", "Items": "{% $booked %}", "MaxConcurrency": 1, "ItemSelector": {"id": "{% $states.context.Map.Item.Value %}", "why": "{% $why %}"},
            "ItemProcessor": {"StartAt": "Cancel", "States": {"Cancel": with(invoke("cancel", "{% $states.input %}"), json!({"Output": "{% $states.result.Payload.id %}", "End": true}))}},
            "Output": {"cancelled": "{% $states.result %}", "why": "{% $why %}"}, "Next": "Sorry"},
        "Sorry": {"Type": "Fail", "Error": "{% $states.input.why %}", "Cause": "{% 'cancelled ' & $join($states.input.cancelled, ', ') %}"},
        "Done": {"Type": "Succeed", "Output": {"booked": "{% $booked %}", "nights": "{% $trip.nights + 1 %}"}}
    }})
}

fn travel(flight: Value, room: Value, ask: Value) -> RunReport {
    let mocks = json!({
        "StateMachines": {"Trip": {"TestCases": {"Case": {"Flight": "Flight", "Room": "Room", "Ask": "Ask", "Cancel": "Cancel"}}}},
        "MockedResponses": {"Flight": flight, "Room": room, "Ask": ask,
            "Cancel": {"0-9": {"Return": {"Payload": {"id": "undone"}}}}}
    });
    let mocks = MockConfig::parse(&mocks.to_string())
        .unwrap()
        .case(None, "Case")
        .unwrap();
    let options = RunOptions {
        mocks: Some(mocks),
        ..RunOptions::default()
    };
    run(
        &machine(&saga()),
        json!({"trip": {"to": "Oslo", "nights": 2}}),
        options,
    )
    .unwrap()
}

fn booked(id: &str) -> Value {
    json!({"0-9": {"Return": {"Payload": {"id": id}}}})
}

#[test]
fn a_saga_in_jsonata() {
    let yes = json!({"0": {"Return": {"agreed": true}}});
    let report = travel(booked("f1"), booked("r1"), yes.clone());
    assert_eq!(
        *report.output.unwrap(),
        json!({"booked": ["f1", "r1"], "nights": 3})
    );

    let busy =
        json!({"0-1": {"Throw": {"Error": "Busy"}}, "2": {"Return": {"Payload": {"id": "f1"}}}});
    let report = travel(busy.clone(), booked("r1"), yes.clone());
    assert_eq!((report.status, report.elapsed), (Status::Succeeded, 3_000));

    let refused = json!({"0": {"Throw": {"Error": "Full", "Cause": "no seats"}}});
    let report = travel(refused, booked("r1"), yes);
    assert_eq!(
        (report.error.as_deref(), report.cause.as_deref()),
        (Some("Full"), Some("cancelled "))
    );

    let no = json!({"0": {"Return": {"agreed": false}}});
    let report = travel(booked("f1"), booked("r1"), no);
    assert_eq!(
        (report.error.as_deref(), report.cause.as_deref()),
        (Some("Declined"), Some("cancelled undone, undone"))
    );
}

#[test]
fn the_saga_s_silence_is_an_answer() {
    let mut world = World::start(&saga(), json!({"trip": {"nights": 1}}));
    world
        .succeed(json!({"Payload": {"id": "f"}}))
        .succeed(json!({"Payload": {"id": "r"}}))
        .succeed(json!({}));
    world.seconds(600);
    assert_eq!(
        world.call().arguments["Payload"],
        json!({"id": "f", "why": "NoAnswer"})
    );
}

/// An import in JSONPath: paging with a counter, a Map with its own retries,
/// context paths, intrinsic functions, a catch that keeps the input.
#[test]
fn an_import_in_jsonpath() {
    let definition = json!({"StartAt": "Init", "States": {
        "Init": {"Type": "Pass", "Result": {"page": 0, "seen": 0}, "ResultPath": "$.state", "Next": "Fetch"},
        "Fetch": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:fetch",
            "Parameters": {"key.$": "States.Format('{}/{}', $.source, $.state.page)"}, "ResultPath": "$.batch",
            "Catch": [{"ErrorEquals": ["NoSuchPage"], "ResultPath": "$.error", "Next": "Report"}], "Next": "Each"},
        "Each": {"Type": "Map", "ItemsPath": "$.batch.rows", "ResultPath": "$.batch.done", "MaxConcurrency": 5,
            "ItemSelector": {"row.$": "$$.Map.Item.Value", "source.$": "$.source"},
            "Iterator": {"StartAt": "Known", "States": {
                "Known": {"Type": "Choice", "Default": "Store", "Choices": [
                    {"And": [{"Variable": "$.row.id", "IsPresent": true}, {"Variable": "$.row.id", "StringMatches": "old-*"}], "Next": "Skip"}]},
                "Skip": {"Type": "Pass", "Result": "skipped", "End": true},
                "Store": {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem", "Parameters": {"TableName": "t", "Item.$": "$.row"},
                    "ResultSelector": {"ok.$": "$.SdkHttpMetadata.HttpStatusCode"}, "OutputPath": "$.ok",
                    "Retry": [{"ErrorEquals": ["DynamoDB.ProvisionedThroughputExceededException"], "IntervalSeconds": 2}], "End": true}}},
            "Next": "Count"},
        "Count": {"Type": "Pass", "Parameters": {
                "page.$": "States.MathAdd($.state.page, 1)",
                "seen.$": "States.MathAdd($.state.seen, States.ArrayLength($.batch.rows))"},
            "ResultPath": "$.state", "Next": "Fetch"},
        "Report": {"Type": "Pass", "Parameters": {"seen.$": "$.state.seen", "last.$": "$.batch.done", "why.$": "$.error.Error"}, "End": true}
    }});
    let mut world = World::start(&definition, json!({"source": "s3"}));
    assert_eq!(*world.calls[0].arguments, json!({"key": "s3/0"}));
    world.succeed(json!({"rows": [{"id": "old-1"}, {"id": "new-1"}, {"id": "new-2"}]}));
    assert_eq!(world.calls.len(), 2, "the old row is skipped");
    let stored = json!({"SdkHttpMetadata": {"HttpStatusCode": 200}});
    world
        .fail("DynamoDB.ProvisionedThroughputExceededException")
        .succeed(stored.clone())
        .wake()
        .succeed(stored);
    assert_eq!(*world.calls[0].arguments, json!({"key": "s3/1"}));
    world.fail("NoSuchPage");
    assert_eq!(
        world.output(),
        json!({"seen": 3, "last": ["skipped", 200, 200], "why": "NoSuchPage"})
    );
    assert_eq!(world.clock(), 2.0);
}
