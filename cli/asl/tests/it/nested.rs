//! Nested executions: `states:startExecution.sync` and `.sync:2`.

use crate::world::{LAMBDA, World, machine, trail};
use duet_asl::{
    Execution, ExecutionOptions, MockConfig, RunOptions, RunReport, Status, Surroundings, run,
};
use serde_json::{Value, json};

/// A machine whose only task starts `Child` and waits for it.
pub(crate) fn parent(suffix: &str, extra: Value) -> Value {
    let mut task = json!({"Type": "Task", "Resource": format!("arn:aws:states:::states:startExecution.{suffix}"), "End": true,
        "Parameters": {"StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:Child", "Name": "one",
            "Input": {"n.$": "$.n", "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID.$": "$$.Execution.Id"}}});
    for (name, value) in extra.as_object().unwrap() {
        task[name] = value.clone();
    }
    json!({"StartAt": "Start", "States": {"Start": task}})
}

fn around(child: &Value) -> Surroundings {
    Surroundings::default().with_machines([("Child".to_owned(), machine(child))].into())
}

fn go(definition: &Value, child: &Value) -> RunReport {
    let options = RunOptions {
        around: around(child),
        ..RunOptions::default()
    };
    run(&machine(definition), json!({"n": 1}), options).unwrap()
}

fn doubled() -> Value {
    json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, $.n)"}, "End": true}}})
}

/// Recorded 2023-08-12 and 2024: the events, and the output of each form.
#[test]
fn the_output_is_text_or_json_by_the_form() {
    let report = go(&parent("sync:2", json!({})), &doubled());
    let output = (*report.output.unwrap()).clone();
    let by = "arn:aws:states:us-east-1:123456789012:execution:machine:execution";
    assert_eq!(
        output,
        json!({"ExecutionArn": "arn:aws:states:us-east-1:123456789012:execution:Child:one",
            "Input": {"n": 1, "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": by}, "InputDetails": {"Included": true}, "Name": "one",
            "Output": {"n": 2}, "OutputDetails": {"Included": true}, "StartDate": 1_767_225_600_000_u64,
            "StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:Child", "Status": "SUCCEEDED",
            "StopDate": 1_767_225_600_000_u64})
    );
    assert_eq!(
        trail(&report.history.unwrap()),
        [
            "1<0 ExecutionStarted",
            "2<0 TaskStateEntered",
            "3<2 TaskScheduled",
            "4<3 TaskStarted",
            "5<4 TaskSubmitted",
            "6<5 TaskSucceeded",
            "7<6 TaskStateExited",
            "8<7 ExecutionSucceeded"
        ]
    );
    assert_eq!(report.nested[0].history.len(), 4);
    let text = go(&parent("sync", json!({})), &doubled()).output.unwrap();
    assert_eq!(text["Output"], "{\"n\":2}");
    assert!(text["Input"].is_string());
}

#[test]
fn a_failure_is_task_failed_with_the_childs_story_as_its_cause() {
    let fails =
        json!({"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E", "Cause": "why"}}});
    let report = go(&parent("sync:2", json!({})), &fails);
    assert_eq!(report.error.as_deref(), Some("States.TaskFailed"));
    let cause: Value = serde_json::from_str(&report.cause.unwrap()).unwrap();
    assert_eq!(
        [
            &cause["Status"],
            &cause["Error"],
            &cause["Cause"],
            &cause["Name"]
        ],
        ["FAILED", "E", "why", "one"]
    );
    // A name is used once, so a retry under the same name fails otherwise.
    let again = json!({"Retry": [{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 1}]});
    let report = go(&parent("sync", again), &fails);
    let error = report.error.unwrap();
    assert_eq!(error, "StepFunctions.ExecutionAlreadyExistsException");
    let text = json!({"Parameters": {"StateMachineArn": "Child", "Input": "no json"}});
    let report = go(&parent("sync", text), &doubled());
    assert_eq!(
        report.error.as_deref(),
        Some("StepFunctions.InvalidExecutionInputException")
    );
    let none = json!({"Parameters": {"StateMachineArn.$": "$$.State.Name"}});
    assert!(
        run(
            &machine(&parent("sync", none)),
            json!({"n": 1}),
            RunOptions::default()
        )
        .is_err()
    );
}

fn world(extra: Value) -> World {
    let child = json!({"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": LAMBDA, "Parameters": {"FunctionName": "f"}, "End": true}}});
    World::around(Execution::start_with(
        &machine(&parent("sync:2", extra)),
        json!({"n": 1}),
        &ExecutionOptions::default(),
        around(&child),
        0,
    ))
}

#[test]
fn tasks_of_the_child_are_called_and_a_redrive_goes_on_in_it() {
    let mut world = world(json!({"OutputPath": "$.Output"}));
    world.fail("E");
    assert_eq!(world.run.status(), Status::Failed);
    world.with(|run, now| run.redrive(now)).unwrap();
    world.succeed(json!({"Payload": 1}));
    assert_eq!(world.output(), json!({"Payload": 1}));
    let nested = world.run.nested();
    assert_eq!((nested.len(), nested[0].redrive_count), (1, 1));
}

#[test]
fn what_ends_the_task_stops_the_child() {
    for how in ["timeout", "stop"] {
        let mut world = world(json!({"TimeoutSeconds": 5}));
        assert_eq!(world.calls.len(), 1);
        if how == "stop" {
            world.with(|run, now| run.stop(None, None, now));
        } else {
            world.seconds(5);
            assert_eq!(world.run.error(), Some("States.Timeout"));
        }
        assert_eq!(world.run.nested()[0].status, Status::Aborted, "{how}");
        assert_eq!(world.cancelled, 1, "{how}");
    }
}

#[test]
fn a_machine_that_starts_itself_comes_to_an_end() {
    let text = json!({"Parameters": {"StateMachineArn": "Child", "Input": {"n": 1}}});
    let itself = parent("sync", text);
    let report = go(&itself, &itself);
    assert_eq!(report.error.as_deref(), Some("States.TaskFailed"));
    assert_eq!(report.cause.unwrap().chars().count(), 32_768);
}

#[test]
fn without_the_machine_it_is_a_task_to_be_mocked() {
    let file = json!({"StateMachines": {"M": {"TestCases": {"C": {"Start": "R"}}}},
        "MockedResponses": {"R": {"0": {"Return": {"Output": {"n": 3}, "Status": "SUCCEEDED"}}}}});
    let mocks = MockConfig::parse(&file.to_string()).unwrap();
    let options = RunOptions {
        mocks: Some(mocks.case(None, "C").unwrap()),
        ..RunOptions::default()
    };
    let report = run(
        &machine(&parent("sync:2", json!({}))),
        json!({"n": 1}),
        options,
    )
    .unwrap();
    assert_eq!(report.output.unwrap()["Output"], json!({"n": 3}));
}
