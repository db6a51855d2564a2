//! Retry, Catch, cutting siblings, limits, redrive.

use crate::world::{FUNCTION, LAMBDA, World, compile, echo, machine, single, trail, trimmed};
use duet_asl::{
    Execution, ExecutionOptions, MAX_EVENTS, MachineType, RedriveError, RunOptions, Status,
    TaskError, run,
};
use serde_json::{Value, json};

fn task(extra: Value) -> Value {
    let mut state = json!({"Type": "Task", "Resource": FUNCTION, "End": true});
    state
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    trimmed(json!({"StartAt": "T", "States": {"T": state, "C": {"Type": "Pass", "End": true}}}))
}

#[test]
fn retries_back_off_and_give_way_to_catchers() {
    let definition = task(json!({
        "Retry": [
            {"ErrorEquals": ["Refused"], "MaxAttempts": 0},
            {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 3, "MaxDelaySeconds": 10}],
        "Catch": [{"ErrorEquals": ["Refused"], "Next": "C", "ResultPath": "$.why"},
                  {"ErrorEquals": ["States.ALL"], "Next": "C", "ResultPath": "$.all"}]
    }));
    let mut world = World::start(&definition, json!({"x": 1}));
    let mut clock = Vec::new();
    for attempt in 0..3 {
        assert_eq!(world.calls[0].retries, attempt);
        world.fail("Transient").wake();
        clock.push(world.clock());
    }
    assert_eq!(clock, [2.0, 8.0, 18.0]);
    world.fail("Transient");
    assert_eq!(
        world.output(),
        json!({"x": 1, "all": {"Error": "Transient", "Cause": "Transient happened"}})
    );
    // Entered T and C, three retries.
    assert_eq!(world.run.transitions(), 5);

    let mut world = World::start(&definition, json!({"x": 1}));
    world.fail("Refused");
    assert_eq!(world.output()["why"]["Error"], "Refused");
}

#[test]
fn each_retrier_counts_for_itself() {
    let definition = task(json!({"Retry": [
        {"ErrorEquals": ["A"], "IntervalSeconds": 1, "MaxAttempts": 1},
        {"ErrorEquals": ["B"], "IntervalSeconds": 5, "MaxAttempts": 1}]}));
    let mut world = World::start(&definition, json!({}));
    world.fail("A").wake().fail("B").wake();
    assert!((world.clock() - 6.0).abs() < 1e-9);
    world.fail("A");
    assert_eq!(
        (world.run.status(), world.run.error()),
        (Status::Failed, Some("A"))
    );
}

#[test]
fn jitter_is_drawn_from_the_seed() {
    let definition = machine(&task(json!({"Retry": [
        {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 100, "JitterStrategy": "FULL"}]})));
    let first_wait = |seed| {
        let options = ExecutionOptions {
            seed,
            ..ExecutionOptions::default()
        };
        let mut run = Execution::start(&definition, json!({}), &options, 0);
        let effects = run.take_effects();
        let id = effects
            .iter()
            .find_map(|e| match e {
                duet_asl::Effect::Invoke(c) => Some(c.id),
                _ => None,
            })
            .unwrap();
        run.complete_task(id, Err(TaskError::new("E", "")), 0)
            .unwrap();
        run.next_wake().unwrap()
    };
    assert_eq!(first_wait(1), first_wait(1));
    assert_ne!(first_wait(1), first_wait(2));
    assert!((0..50).all(|seed| (0..=100_000).contains(&first_wait(seed))));
}

#[test]
fn names_that_wildcards_leave_out() {
    for (catch, error, caught) in [
        ("States.TaskFailed", "Anything", true),
        ("States.TaskFailed", "States.Timeout", false),
        ("States.ALL", "States.Timeout", true),
        ("States.ALL", "States.DataLimitExceeded", false),
        ("States.DataLimitExceeded", "States.DataLimitExceeded", true),
        ("States.ALL", "States.Runtime", false),
        ("Other", "Anything", false),
    ] {
        let definition = task(json!({"Catch": [{"ErrorEquals": [catch], "Next": "C"}]}));
        let mut world = World::start(&definition, json!({}));
        world.fail(error);
        assert_eq!(
            world.run.status() == Status::Succeeded,
            caught,
            "{catch} {error}"
        );
    }
}

#[test]
fn too_much_data_is_refused() {
    let big = "x".repeat(262_144);
    // Recorded in 2024: States.ALL catches it where it is a task's answer.
    let mut world = World::start(
        &task(json!({"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C"}]})),
        json!({}),
    );
    world.succeed(json!(big));
    assert_eq!(world.run.status(), Status::Succeeded);
    let mut world = World::start(&task(json!({})), json!({}));
    world.succeed(json!(big));
    assert_eq!(world.run.error(), Some("States.DataLimitExceeded"));
    assert_eq!(
        world.run.cause().unwrap(),
        format!(
            "The state/task '{FUNCTION}' returned a result with a size exceeding the maximum number of bytes service limit."
        )
    );
    // Just within the limit: two quotes and the text.
    let mut world = World::start(&task(json!({})), json!({}));
    world.succeed(json!("x".repeat(262_142)));
    assert_eq!(world.run.status(), Status::Succeeded);
    // So does what it starts with, also where it is only passed on.
    let world = World::start(&task(json!({})), json!(big));
    assert_eq!(world.run.error(), Some("States.DataLimitExceeded"));
    // And what a Map gives to an iteration.
    let map = single(
        "JSONata",
        json!({"Type": "Map", "Items": [1], "ItemSelector": ["{% $states.input %}", "{% $states.input %}"],
            "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "Output": 1, "End": true}}}}),
    );
    let report = echo(&map, json!("x".repeat(200_000)));
    assert_eq!(report.error.as_deref(), Some("States.DataLimitExceeded"));
    // A state's own output counts too.
    let double = single(
        "JSONata",
        json!({"Type": "Pass", "Output": ["{% $states.input %}", "{% $states.input %}"]}),
    );
    let report = echo(&double, json!("x".repeat(200_000)));
    assert_eq!(report.error.as_deref(), Some("States.DataLimitExceeded"));
    let assign = single(
        "JSONata",
        json!({"Type": "Pass", "Assign": {"a": "{% $states.input %}", "b": "{% $states.input %}"}}),
    );
    let report = echo(&assign, json!("x".repeat(200_000)));
    assert_eq!(report.error.as_deref(), Some("States.DataLimitExceeded"));
}

#[test]
fn a_loop_ends_with_its_25_000th_event() {
    let definition = json!({"StartAt": "A", "States": {
        "A": {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": true, "Next": "E"}], "Default": "A"},
        "E": {"Type": "Succeed"}}});
    let report = echo(&definition, json!({}));
    assert_eq!(report.error.as_deref(), Some("States.Runtime"));
    assert_eq!(
        report.cause.as_deref(),
        Some("The execution reached the maximum number of history events (25000).")
    );
    let history = report.history.unwrap();
    assert_eq!(history.len() as u64, MAX_EVENTS);
    assert_eq!(history.last().unwrap().event_type(), "ExecutionFailed");
    // Express has no such limit, but five minutes.
    let express = compile(&definition, MachineType::Express);
    let report = run(&express, json!({}), RunOptions::default()).unwrap();
    assert_eq!(report.status, Status::TimedOut);
}

fn fan(retry: Value) -> Value {
    let mut parallel = json!({"Type": "Parallel", "End": true, "Branches": [
        {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": FUNCTION, "End": true}}},
        {"StartAt": "B", "States": {"B": {"Type": "Task", "Resource": FUNCTION, "End": true}}},
        {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": true}}}]});
    parallel
        .as_object_mut()
        .unwrap()
        .extend(retry.as_object().unwrap().clone());
    trimmed(json!({"StartAt": "P", "States": {"P": parallel, "C": {"Type": "Pass", "End": true}}}))
}

#[test]
fn a_failing_branch_cuts_its_siblings() {
    let mut world = World::start(
        &fan(json!({"Catch": [{"ErrorEquals": ["Boom"], "Next": "C"}]})),
        json!({}),
    );
    let late = world.calls[1].id;
    world.fail("Boom");
    assert_eq!(world.cancelled, 1);
    assert_eq!(
        world.output(),
        json!({"Error": "Boom", "Cause": "Boom happened"})
    );
    assert!(
        world
            .run
            .complete_task(late, Ok(json!(1)), world.now)
            .is_err()
    );
    assert_eq!(
        &world.trail()[10..],
        [
            "11<6 LambdaFunctionFailed",
            // The failing task's own state, then the branches that were cut.
            "12<11 TaskStateAborted",
            "13<11 TaskStateAborted",
            "14<11 WaitStateAborted",
            "15<11 ParallelStateFailed",
            "16<15 ParallelStateExited",
            "17<16 PassStateEntered",
            "18<17 PassStateExited",
            "19<18 ExecutionSucceeded",
        ]
        .map(String::from)
    );
}

#[test]
fn a_parallel_can_be_retried_whole() {
    let mut world = World::start(
        &fan(json!({"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1}]})),
        json!({}),
    );
    world.succeed(json!("a")).fail("Boom").wake();
    assert_eq!(world.calls.len(), 2, "both tasks run again");
    world.succeed(json!("a2")).succeed(json!("b2")).wake();
    assert_eq!(world.output(), json!(["a2", "b2", {}]));
}

#[test]
fn a_runtime_error_in_a_branch_ends_the_execution() {
    let definition = json!({"StartAt": "P", "States": {
        "P": {"Type": "Parallel", "End": true, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C"}], "Branches": [
            {"StartAt": "Fast", "States": {"Fast": {"Type": "Pass", "Parameters": {"m.$": "$.nope"}, "End": true}}}]},
        "C": {"Type": "Succeed"}}});
    let report = echo(&definition, json!({"x": "a"}));
    assert_eq!(
        report.cause.as_deref(),
        Some(
            "An error occurred while executing the state 'Fast' (entered at the event id #4). The JSONPath '$.nope' \
         specified for the field 'm.$' could not be found in the input '{\"x\":\"a\"}'"
        )
    );
    assert_eq!(
        trail(&report.history.unwrap()),
        [
            "1<0 ExecutionStarted",
            "2<0 ParallelStateEntered",
            "3<2 ParallelStateStarted",
            "4<3 PassStateEntered",
            "5<4 ExecutionFailed"
        ]
    );
}

#[test]
fn redrive_goes_on_from_what_failed() {
    let definition = json!({"StartAt": "A", "TimeoutSeconds": 100, "States": {
        "A": {"Type": "Task", "Resource": FUNCTION, "Assign": {"kept.$": "$.v"}, "Next": "P"},
        "P": {"Type": "Parallel", "Next": "Z", "Branches": [
            {"StartAt": "B", "States": {"B": {"Type": "Task", "Resource": FUNCTION, "End": true}}},
            {"StartAt": "C", "States": {"C": {"Type": "Task", "Resource": LAMBDA, "End": true,
                "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]}}}]},
        "Z": {"Type": "Pass", "Parameters": {"r.$": "$", "kept.$": "$kept", "n.$": "$$.Execution.RedriveCount"}, "End": true}}});
    let mut world = World::start(&definition, json!({}));
    world.succeed(json!({"v": 7})).succeed(json!("b"));
    world.fail("X").wake().fail("X");
    assert_eq!(world.run.status(), Status::Failed);
    assert_eq!(
        world.run.redrive(world.now + 15 * 86_400_000),
        Err(RedriveError::TooLate)
    );
    world.seconds(200);
    world.with(|run, now| run.redrive(now)).unwrap();
    assert_eq!(
        world.calls.len(),
        1,
        "only the branch that failed runs again"
    );
    assert_eq!(&*world.calls[0].state, "C");
    // Its retries start anew, and so does the machine's timeout.
    world.fail("X").wake().succeed(json!("c"));
    assert_eq!(world.output(), json!({"r": ["b", "c"], "kept": 7, "n": 1}));
    assert!(
        world
            .trail()
            .iter()
            .any(|e| e.ends_with("ExecutionRedriven"))
    );
    assert_eq!(
        world.with(|run, now| run.redrive(now)),
        Err(RedriveError::NotFailed)
    );
}

#[test]
fn redrive_after_a_stop_and_for_fail_states() {
    let definition = json!({"StartAt": "W", "States": {
        "W": {"Type": "Wait", "Seconds": 10, "Next": "F"}, "F": {"Type": "Fail", "Error": "E"}}});
    let mut world = World::start(&definition, json!({}));
    world.seconds(4);
    world.with(|run, now| run.stop(Some("Manual".into()), Some("probe".into()), now));
    assert_eq!(
        (world.run.status(), world.run.error(), world.run.cause()),
        (Status::Aborted, Some("Manual"), Some("probe"))
    );
    assert_eq!(world.trail().last().unwrap(), "3<0 ExecutionAborted");
    world.with(|run, now| run.redrive(now)).unwrap();
    world.seconds(9);
    assert_eq!(world.run.status(), Status::Running, "the wait starts anew");
    world.seconds(1);
    assert_eq!(world.run.error(), Some("E"));
    world.with(|run, now| run.redrive(now)).unwrap();
    assert_eq!(world.run.error(), Some("E"), "a Fail state fails again");
    let express = compile(&definition, MachineType::Express);
    let mut run = Execution::start(&express, json!({}), &ExecutionOptions::default(), 0);
    run.stop(None, None, 1);
    assert_eq!(run.redrive(2), Err(RedriveError::Express));
}

#[test]
fn an_execution_of_a_deleted_machine_fails_at_its_next_transition() {
    let all = json!([{"ErrorEquals": ["States.ALL"], "Next": "C"}]);
    let waiting = json!({"StartAt": "T", "States": {
        "T": {"Type": "Task", "Resource": FUNCTION, "Catch": all, "Next": "C"}, "C": {"Type": "Succeed"}}});
    let retried = task(json!({
        "Retry": [{"ErrorEquals": ["States.ALL"]}], "Catch": all
    }));
    for (definition, answers) in [(&waiting, true), (&waiting, false), (&retried, false)] {
        let mut world = World::start(definition, json!({}));
        world.with(|run, _| run.orphan());
        world.seconds(1_000);
        // It waits as long as its function does.
        assert_eq!(world.run.status(), Status::Running);
        match answers {
            true => world.succeed(json!("done")),
            false => world.fail("X"),
        };
        world.seconds(1);
        assert_eq!(
            (world.run.status(), world.run.error()),
            (Status::Failed, Some("States.Runtime"))
        );
        assert!(world.run.cause().unwrap().ends_with("has been deleted."));
    }
    // The end is no transition.
    let last = single("JSONPath", json!({"Type": "Task", "Resource": FUNCTION}));
    let mut world = World::start(&last, json!({}));
    world.with(|run, _| run.orphan());
    world.succeed(json!("done"));
    assert_eq!(world.run.status(), Status::Succeeded);
}

#[test]
fn a_map_that_fails_redrives_only_what_failed() {
    let definition = single(
        "JSONPath",
        json!({"Type": "Map", "MaxConcurrency": 2, "ItemProcessor":
        {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": FUNCTION, "End": true}}}}),
    );
    let mut world = World::start(&definition, json!([1, 2, 3, 4]));
    world.succeed(json!("one")).fail("X");
    assert_eq!(world.run.status(), Status::Failed);
    world.calls.clear();
    world.with(|run, now| run.redrive(now)).unwrap();
    world.calls.sort_by_key(|c| c.arguments.as_i64());
    let inputs: Vec<Value> = world.calls.iter().map(|c| (*c.arguments).clone()).collect();
    assert_eq!(inputs, [json!(2), json!(3)]);
    world
        .succeed(json!("two"))
        .succeed(json!("three"))
        .succeed(json!("four"));
    assert_eq!(world.output(), json!(["one", "two", "three", "four"]));
}
