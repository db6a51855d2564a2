//! Distributed Maps: child executions, thresholds, histories, what cuts them short.

use crate::world::{LAMBDA, World, machine, trail};
use duet_asl::{
    ExecutionOptions, MapRunReport, MemoryObjects, Objects, RunOptions, RunReport, Status,
    Surroundings, run,
};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) fn processor(kind: &str, states: Value) -> Value {
    let start = states.as_object().unwrap().keys().next().unwrap().clone();
    json!({"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind}, "StartAt": start, "States": states})
}

pub(crate) fn pass() -> Value {
    processor("STANDARD", json!({"P": {"Type": "Pass", "End": true}}))
}

/// A machine with one distributed Map, `M`, whose children do nothing unless told otherwise.
pub(crate) fn map(extra: Value) -> Value {
    let mut state = json!({"Type": "Map", "ItemProcessor": pass(), "Label": "L", "End": true});
    for (name, value) in extra.as_object().unwrap() {
        state[name] = value.clone();
    }
    json!({"StartAt": "M", "States": {"M": state}})
}

pub(crate) fn reader(config: Value) -> Value {
    json!({"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": config, "Parameters": {"Bucket": "b", "Key": "k"}})
}

/// These objects, and nothing else.
pub(crate) fn around(objects: Arc<dyn Objects>) -> Surroundings {
    Surroundings::default().with_objects(Some(objects))
}

pub(crate) fn go(definition: &Value, input: Value, objects: MemoryObjects) -> RunReport {
    let options = RunOptions {
        around: around(Arc::new(objects)),
        execution: ExecutionOptions {
            machine_name: "machine".into(),
            ..ExecutionOptions::default()
        },
        ..RunOptions::default()
    };
    run(&machine(definition), input, options).unwrap()
}

/// Children that fail for odd items, and take their time.
pub(crate) fn work(kind: &str, extra: Value) -> Value {
    let task = json!({"T": {"Type": "Task", "Resource": LAMBDA, "Parameters": {"FunctionName": "f", "Payload.$": "$"}, "End": true}});
    let mut with = json!({"ItemProcessor": processor(kind, task)});
    for (name, value) in extra.as_object().unwrap() {
        with[name] = value.clone();
    }
    map(with)
}

pub(crate) fn counts(world: &World) -> (MapRunReport, Value) {
    let report = world.run.map_runs().pop().unwrap();
    let counts = serde_json::to_value(&report).unwrap()["executionCounts"].clone();
    (report, counts)
}

/// Recorded: the run's events in their parent's history; the length is that of a list
/// given to the state, and 0 of one that is read.
#[test]
fn the_history_of_a_map_run() {
    let report = go(&map(json!({})), json!([1, 2]), MemoryObjects::new());
    let history = report.history.unwrap();
    assert_eq!(
        trail(&history),
        [
            "1<0 ExecutionStarted",
            "2<0 MapStateEntered",
            "3<2 MapStateStarted",
            "4<3 MapRunStarted",
            "5<4 MapRunSucceeded",
            "6<5 MapStateSucceeded",
            "7<5 MapStateExited",
            "8<7 ExecutionSucceeded"
        ]
    );
    let events = serde_json::to_value(&history).unwrap();
    assert_eq!(
        events[2]["mapStateStartedEventDetails"],
        json!({"length": 2})
    );
    let run = &report.map_runs[0];
    assert_eq!(
        events[3]["mapRunStartedEventDetails"],
        json!({"mapRunArn": run.map_run_arn})
    );
    assert_eq!(events[4].as_object().unwrap().len(), 4, "no details");
    let start = "arn:aws:states:us-east-1:123456789012:mapRun:machine/L:";
    assert!(run.map_run_arn.starts_with(start), "{}", run.map_run_arn);
    // Each child has a history of its own, under a name of its own.
    let child = &run.executions[1];
    assert_eq!(
        child.execution_arn,
        format!(
            "arn:aws:states:us-east-1:123456789012:execution:machine/L:{}",
            child.name
        )
    );
    assert_eq!(
        trail(&child.history),
        [
            "1<0 ExecutionStarted",
            "2<0 PassStateEntered",
            "3<2 PassStateExited",
            "4<3 ExecutionSucceeded"
        ]
    );
    let text = serde_json::to_value(run).unwrap();
    assert_eq!(text["itemCounts"]["resultsWritten"], 2);
    assert_eq!(
        (&text["status"], &text["toleratedFailureCount"]),
        (&json!("SUCCEEDED"), &json!(0))
    );
    let read = map(json!({"ItemReader": reader(json!({"InputType": "JSON"}))}));
    let report = go(
        &read,
        json!({}),
        MemoryObjects::new().with("b", "k", "[1,2]"),
    );
    let events = serde_json::to_value(report.history.unwrap()).unwrap();
    assert_eq!(
        events[2]["mapStateStartedEventDetails"],
        json!({"length": 0})
    );
}

#[test]
fn without_a_threshold_one_failure_fails_the_run() {
    let mut world = World::start(
        &work("STANDARD", json!({"MaxConcurrency": 2})),
        json!([1, 2, 3]),
    );
    assert_eq!(world.calls.len(), 2, "two at once");
    world.fail("E");
    assert_eq!(world.run.status(), Status::Failed);
    assert_eq!(
        world.run.error(),
        Some("States.ExceedToleratedFailureThreshold")
    );
    assert_eq!(
        world.run.cause(),
        Some("The specified tolerated failure threshold was exceeded")
    );
    assert_eq!(world.cancelled, 1, "the other is stopped");
    let (_, counts) = counts(&world);
    assert_eq!(
        [
            &counts["failed"],
            &counts["aborted"],
            &counts["pending"],
            &counts["total"]
        ],
        [1, 1, 1, 3]
    );
    assert_eq!(
        world.trail()[4..],
        [
            "5<4 MapRunFailed",
            "6<5 MapStateFailed",
            "7<6 ExecutionFailed"
        ]
    );
}

#[test]
fn express_children_are_waited_for() {
    let mut world = World::start(
        &work("EXPRESS", json!({"MaxConcurrency": 2})),
        json!([1, 2, 3]),
    );
    world.fail("E");
    assert_eq!(world.run.status(), Status::Running);
    assert_eq!(world.calls.len(), 1, "and no new one starts");
    world.succeed(json!({}));
    assert_eq!(world.run.status(), Status::Failed);
    let (report, counts) = counts(&world);
    assert_eq!(
        [&counts["failed"], &counts["succeeded"], &counts["pending"]],
        [1, 1, 1]
    );
    let arn = &report.executions[0].execution_arn;
    assert!(arn.contains(":express:machine/L:"), "{arn}");
}

#[test]
fn tolerated_failures_stand_among_the_results() {
    let definition = work(
        "STANDARD",
        json!({"ToleratedFailurePercentage": 50, "MaxConcurrency": 1}),
    );
    let mut world = World::start(&definition, json!([1, 2]));
    world.fail("E").succeed(json!({"Payload": 2}));
    let output = world.output();
    assert_eq!(output[1], json!({"Payload": 2}));
    let failed = &output[0];
    assert_eq!(
        [
            &failed["Status"],
            &failed["Error"],
            &failed["Cause"],
            &failed["Input"],
            &failed["RedriveStatus"]
        ],
        ["FAILED", "E", "E happened", "1", "REDRIVABLE_BY_MAP_RUN"]
    );
    let (report, _) = counts(&world);
    assert_eq!(failed["ExecutionArn"], *report.executions[0].execution_arn);
    assert_eq!(report.status, Status::Succeeded);
    // A path, and a count of items, not of batches.
    let definition = work(
        "STANDARD",
        json!({"ItemsPath": "$.items", "ToleratedFailureCountPath": "$.most", "MaxConcurrency": 1,
        "ItemBatcher": {"MaxItemsPerBatch": 2}}),
    );
    for (most, status) in [(1, Status::Failed), (2, Status::Running)] {
        let mut world = World::start(&definition, json!({"most": most, "items": [1, 2, 3, 4]}));
        world.fail("E");
        assert_eq!(world.run.status(), status, "{most}");
    }
}

#[test]
fn a_child_that_times_out_counts_and_waits_take_no_more_than_their_time() {
    let states = json!({"W": {"Type": "Wait", "SecondsPath": "$", "End": true}});
    let definition =
        map(json!({"ItemProcessor": processor("STANDARD", states), "MaxConcurrency": 2}));
    let mut world = World::start(&definition, json!([3, 5, 4]));
    let mut times = Vec::new();
    while world.run.status() == Status::Running {
        times.push(world.wake().clock());
    }
    assert_eq!(times, [3.0, 5.0, 7.0]);
    assert_eq!(world.output(), json!([3, 5, 4]));
    let express = json!({"W": {"Type": "Wait", "Seconds": 301, "End": true}});
    let definition = map(json!({"ItemProcessor": processor("EXPRESS", express)}));
    let mut world = World::start(&definition, json!([1]));
    assert_eq!(world.wake().clock(), 300.0);
    assert_eq!(counts(&world).1["timedOut"], 1);
    assert_eq!(world.run.status(), Status::Failed);
}

#[test]
fn tokens_heartbeats_and_retries_work_in_children() {
    let task = json!({"T": {"Type": "Task", "Resource": crate::world::CALLBACK, "HeartbeatSeconds": 10,
        "Parameters": {"QueueUrl": "q", "MessageBody": {"t.$": "$$.Task.Token"}},
        "Retry": [{"ErrorEquals": ["Again"], "IntervalSeconds": 4}], "End": true}});
    let definition = map(json!({"ItemProcessor": processor("STANDARD", task)}));
    let mut world = World::start(&definition, json!(["a", "b"]));
    let (first, second) = (world.call(), world.call());
    let token = |call: &duet_asl::TaskCall| call.token.clone().unwrap();
    assert_ne!(token(&first), token(&second));
    assert_ne!(first.id, second.id);
    world.seconds(9);
    let beaten = token(&first);
    world.with(|run, now| run.heartbeat(&beaten, now)).unwrap();
    world
        .with(|run, now| run.task_token_success(&token(&second), json!(2), now))
        .unwrap();
    assert!(
        world
            .with(|run, now| run.task_token_success(&token(&second), json!(2), now))
            .is_err()
    );
    world.seconds(9);
    assert_eq!(world.run.status(), Status::Running);
    let again = duet_asl::TaskError::new("Again", "");
    world
        .with(|run, now| run.task_token_failure(&token(&first), again, now))
        .unwrap();
    world.seconds(4);
    let third = world.call();
    assert_eq!(third.retries, 1);
    world
        .with(|run, now| run.task_token_success(&token(&third), json!(1), now))
        .unwrap();
    assert_eq!(world.output(), json!([1, 2]));
}

#[test]
fn what_cuts_the_parent_short_cuts_its_children_too() {
    let mut world = World::start(&work("STANDARD", json!({})), json!([1, 2]));
    world.with(|run, now| run.stop(None, None, now));
    let (report, counts) = counts(&world);
    assert_eq!(
        (report.status, &counts["aborted"]),
        (Status::Aborted, &json!(2))
    );
    assert_eq!(world.cancelled, 2);
    world.with(|run, now| run.redrive(now)).unwrap();
    assert_eq!(world.calls.len(), 4);
    world.calls.drain(..2);
    world.succeed(json!(1)).succeed(json!(2));
    assert_eq!(world.output(), json!([1, 2]));
    // A sibling that fails aborts the Map Run, and a Catch goes on.
    let mut parallel = json!({"StartAt": "B", "States": {"B": {"Type": "Parallel", "Next": "Z",
        "Branches": [work("STANDARD", json!({})), {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "Next": "F"}, "F": {"Type": "Fail", "Error": "X"}}}],
        "Catch": [{"ErrorEquals": ["X"], "Next": "Z"}]}, "Z": {"Type": "Succeed"}}});
    parallel["States"]["B"]["Branches"][0]["States"]["M"]["ItemProcessor"]["States"]["T"]["Retry"] =
        json!([{"ErrorEquals": ["States.ALL"]}]);
    let mut world = World::start(&parallel, json!([1, 2]));
    world.fail("E").seconds(1);
    assert_eq!(world.run.status(), Status::Succeeded);
    let types: Vec<String> = world
        .run
        .history()
        .iter()
        .map(|it| it.event_type().into_owned())
        .collect();
    assert!(types.contains(&"MapRunAborted".to_owned()), "{types:?}");
    assert_eq!(world.cancelled, 1);
}

#[test]
fn children_see_themselves_and_no_variables_of_their_parent() {
    let states = json!({"P": {"Type": "Pass", "Parameters": {"id.$": "$$.Execution.Id", "machine.$": "$$.StateMachine.Name", "input.$": "$$.Execution.Input"}, "End": true}});
    let definition = map(json!({"ItemProcessor": processor("STANDARD", states)}));
    let report = go(&definition, json!([7]), MemoryObjects::new());
    let seen = report.output.unwrap()[0].clone();
    let child = &report.map_runs[0].executions[0];
    assert_eq!(
        seen,
        json!({"id": child.execution_arn, "machine": "machine/L", "input": 7})
    );
    let variable = json!({"P": {"Type": "Pass", "Parameters": {"v.$": "$v"}, "End": true}});
    let mut definition = map(json!({"ItemProcessor": processor("STANDARD", variable)}));
    definition["States"]["V"] = json!({"Type": "Pass", "Assign": {"v": 1}, "Next": "M"});
    definition["StartAt"] = json!("V");
    let report = go(&definition, json!([7]), MemoryObjects::new());
    assert_eq!(report.status, Status::Failed);
}

#[test]
fn maps_within_maps() {
    let inner = map(json!({"Label": "Inner", "ItemsPath": "$"}))["States"]["M"].clone();
    let mut inner = inner;
    inner["ItemProcessor"]["States"] = json!({"T2": {"Type": "Task", "Resource": LAMBDA, "Parameters": {"FunctionName": "f"}, "End": true}});
    inner["ItemProcessor"]["StartAt"] = json!("T2");
    let definition = map(json!({"ItemProcessor": processor("STANDARD", json!({"In": inner}))}));
    let mut world = World::start(&definition, json!([[1, 2], [3]]));
    assert_eq!(world.calls.len(), 3);
    world.succeed(json!(1)).succeed(json!(2)).succeed(json!(3));
    assert_eq!(world.output(), json!([[1, 2], [3]]));
    let (report, _) = counts(&world);
    assert_eq!(
        report.executions[0].map_runs[0].execution_counts.succeeded,
        2
    );
    assert!(
        report.executions[0].map_runs[0]
            .map_run_arn
            .contains(":mapRun:machine/L/Inner:")
    );
}

#[test]
fn many_children_take_no_depth() {
    let items: Vec<Value> = (0..12_000).map(|i| json!(i)).collect();
    let definition = map(json!({"ResultPath": null, "MaxConcurrency": 3}));
    let report = go(&definition, items.clone().into(), MemoryObjects::new());
    assert_eq!(report.status, Status::Succeeded);
    assert_eq!(report.map_runs[0].item_counts.succeeded, 12_000);
    assert_eq!(report.transitions, 12_001);
    let mut world = World::start(&work("STANDARD", json!({})), items.into());
    assert_eq!(world.calls.len(), 10_000, "AWS runs so many at once");
    world.succeed(json!(0));
    assert_eq!(world.calls.len(), 10_000);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let once = |seed: u64| {
        let options = RunOptions {
            execution: ExecutionOptions {
                seed,
                ..ExecutionOptions::default()
            },
            ..RunOptions::default()
        };
        let states =
            json!({"P": {"Type": "Pass", "Parameters": {"id.$": "States.UUID()"}, "End": true}});
        let definition = map(json!({"ItemProcessor": processor("STANDARD", states)}));
        serde_json::to_value(run(&machine(&definition), json!([1, 2]), options).unwrap()).unwrap()
    };
    assert_eq!(once(1), once(1));
    let output = once(1)["output"].clone();
    assert_ne!(output[0], output[1]);
    assert_ne!(once(1), once(2));
}
