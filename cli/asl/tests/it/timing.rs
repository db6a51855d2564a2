//! Waits, timeouts, heartbeats and task tokens on virtual time.

use crate::world::{CALLBACK, FUNCTION, World, compile, failure, single, trimmed};
use duet_asl::{AnswerError, Effect, Execution, ExecutionOptions, MachineType, Status, TaskError};
use serde_json::{Value, json};

fn waits(language: &str, wait: Value, input: Value) -> f64 {
    let mut state = json!({"Type": "Wait"});
    state
        .as_object_mut()
        .unwrap()
        .extend(wait.as_object().unwrap().clone());
    let mut world = World::start(&single(language, state), input);
    if world.run.status() == Status::Running {
        world.wake();
    }
    assert_eq!(
        world.run.status(),
        Status::Succeeded,
        "{:?}",
        world.run.cause()
    );
    world.clock()
}

#[test]
fn waits_of_every_kind() {
    for (language, wait, input, expect) in [
        ("JSONPath", json!({"Seconds": 7}), json!({}), 7.0),
        (
            "JSONPath",
            json!({"SecondsPath": "$.n"}),
            json!({"n": 3}),
            3.0,
        ),
        (
            "JSONPath",
            json!({"Timestamp": "2026-01-01T00:01:00Z"}),
            json!({}),
            60.0,
        ),
        (
            "JSONPath",
            json!({"TimestampPath": "$.t"}),
            json!({"t": "2026-01-01T00:00:30.500Z"}),
            30.5,
        ),
        (
            "JSONPath",
            json!({"Timestamp": "2020-01-01T00:00:00Z"}),
            json!({}),
            0.0,
        ),
        (
            "JSONata",
            json!({"Seconds": "{% $states.input.n * 2 %}"}),
            json!({"n": 3}),
            6.0,
        ),
        (
            "JSONata",
            json!({"Timestamp": "{% $states.input.t %}"}),
            json!({"t": "2026-01-01T00:00:05Z"}),
            5.0,
        ),
    ] {
        assert_eq!(waits(language, wait.clone(), input), expect, "{wait}");
    }
    let (error, _) = failure(
        &single("JSONPath", json!({"Type": "Wait", "SecondsPath": "$.n"})),
        json!({"n": "x"}),
    );
    assert_eq!(error, "States.Runtime");
}

#[test]
fn a_task_times_out_and_can_be_caught() {
    for (language, field) in [
        ("JSONPath", json!({"TimeoutSeconds": 5})),
        ("JSONPath", json!({"TimeoutSecondsPath": "$.limit"})),
        (
            "JSONata",
            json!({"TimeoutSeconds": "{% $states.input.limit %}"}),
        ),
    ] {
        let mut task = json!({"Type": "Task", "Resource": FUNCTION, "End": true,
            "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "C"}]});
        task.as_object_mut()
            .unwrap()
            .extend(field.as_object().unwrap().clone());
        let definition = json!({"QueryLanguage": language, "StartAt": "T",
            "States": {"T": task, "C": {"Type": "Pass", "End": true}}});
        let mut world = World::start(&definition, json!({"limit": 5}));
        let call = world.call();
        assert_eq!(call.timeout_seconds, Some(5));
        world.seconds(4);
        assert_eq!(world.run.status(), Status::Running);
        world.seconds(1);
        assert_eq!(
            world.output(),
            json!({"Error": "States.Timeout", "Cause": ""})
        );
        assert_eq!(world.cancelled, 1);
        assert_eq!(
            world.run.complete_task(call.id, Ok(json!(1)), world.now),
            Err(AnswerError::UnknownTask)
        );
    }
}

#[test]
fn an_answer_at_the_last_moment_counts() {
    let definition = single(
        "JSONPath",
        json!({"Type": "Task", "Resource": FUNCTION, "TimeoutSeconds": 5}),
    );
    let mut world = World::start(&definition, json!({}));
    world.now += 5_000;
    world.succeed(json!("in time"));
    assert_eq!(world.output(), json!("in time"));
    let mut world = World::start(&definition, json!({}));
    let call = world.call();
    assert!(
        world
            .run
            .complete_task(call.id, Ok(json!(1)), world.now + 5_001)
            .is_err()
    );
    assert_eq!(world.run.error(), Some("States.Timeout"));
    assert_eq!(world.run.cause(), None);
    // The timeout happened when it was due, not when it was noticed.
    assert_eq!(world.run.ended(), Some(world.now + 5_000));
}

fn callback(extra: Value) -> Value {
    let mut state = json!({"Type": "Task", "Resource": CALLBACK,
        "Parameters": {"QueueUrl": "q", "MessageBody": {"Token.$": "$$.Task.Token", "x.$": "$.x"}}, "End": true});
    state
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    trimmed(
        json!({"StartAt": "S", "States": {"S": state, "H": {"Type": "Pass", "Result": "heartbeat", "End": true},
        "T": {"Type": "Pass", "Result": "timeout", "End": true}}}),
    )
}

#[test]
fn a_token_answers_the_task_once() {
    let mut world = World::start(&callback(json!({})), json!({"x": 1}));
    let call = world.calls[0].clone();
    let token = call.token.clone().unwrap();
    assert_eq!(
        call.arguments["MessageBody"],
        json!({"Token": &*token, "x": 1})
    );
    world.succeed(json!({"MessageId": "m"}));
    assert_eq!(world.run.status(), Status::Running);
    world.seconds(86_400);
    world
        .with(|run, now| run.task_token_success(&token, json!("yes"), now))
        .unwrap();
    assert_eq!(world.output(), json!("yes"));
    assert_eq!(
        world.with(|run, now| run.task_token_success(&token, json!("again"), now)),
        Err(AnswerError::UnknownToken)
    );
    assert_eq!(
        world.trail(),
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

    let mut world = World::start(&callback(json!({})), json!({"x": 1}));
    let token = world.calls[0].token.clone().unwrap();
    // The holder may be faster than the call that handed the token out.
    world
        .with(|run, now| run.task_token_failure(&token, TaskError::new("Late", "why"), now))
        .unwrap();
    assert_eq!(
        (world.run.error(), world.run.cause()),
        (Some("Late"), Some("why"))
    );
}

#[test]
fn silence_ends_a_task_under_two_names() {
    let catch = json!([
        {"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "H"},
        {"ErrorEquals": ["States.Timeout"], "Next": "T"}]);
    let definition =
        callback(json!({"HeartbeatSeconds": 10, "TimeoutSeconds": 25, "Catch": catch}));
    let mut world = World::start(&definition, json!({"x": 1}));
    let token = world.calls[0].token.clone().unwrap();
    world.succeed(json!({}));
    world.seconds(9);
    world.with(|run, now| run.heartbeat(&token, now)).unwrap();
    world.seconds(9);
    assert_eq!(world.run.status(), Status::Running);
    world.seconds(1);
    assert_eq!(world.output(), json!("heartbeat"));
    // With heartbeats to the end, the timeout strikes.
    let mut world = World::start(&definition, json!({"x": 1}));
    let token = world.calls[0].token.clone().unwrap();
    for _ in 0..3 {
        world.seconds(8);
        world.with(|run, now| run.heartbeat(&token, now)).unwrap();
    }
    world.seconds(1);
    assert_eq!(world.output(), json!("timeout"));
    // Without the narrow name, States.Timeout catches silence too; the event says so.
    let wide = callback(
        json!({"HeartbeatSeconds": 10, "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "T"}]}),
    );
    let mut world = World::start(&wide, json!({"x": 1}));
    world.seconds(10);
    assert_eq!(world.output(), json!("timeout"));
    let timed_out = world
        .run
        .history()
        .iter()
        .find(|e| e.event_type() == "TaskTimedOut")
        .unwrap();
    assert_eq!(timed_out.details().unwrap()["error"], "States.Timeout");
}

#[test]
fn the_machines_own_timeout_runs_no_catch() {
    let definition = json!({"StartAt": "P", "TimeoutSeconds": 3, "States": {
        "P": {"Type": "Parallel", "End": true, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C"}], "Branches": [
            {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 25, "End": true}}},
            {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": FUNCTION, "End": true}}}]},
        "C": {"Type": "Succeed"}}});
    let mut world = World::start(&definition, json!({}));
    world.wake();
    assert_eq!(world.clock(), 3.0);
    assert_eq!(
        (world.run.status(), world.run.error(), world.run.cause()),
        (Status::TimedOut, None, None)
    );
    assert_eq!(world.cancelled, 1);
    let last = world.run.history().last().unwrap();
    assert_eq!(
        (&*last.event_type(), last.previous_event_id),
        ("ExecutionTimedOut", 0)
    );
    assert_eq!(last.details().unwrap(), json!({"error": "States.Timeout"}));
}

#[test]
fn an_express_execution_has_five_minutes() {
    let machine = compile(
        &single("JSONPath", json!({"Type": "Wait", "Seconds": 301})),
        MachineType::Express,
    );
    let mut world = World::of(&machine, json!({}));
    world.wake();
    assert_eq!(
        (world.clock(), world.run.status()),
        (300.0, Status::TimedOut)
    );
}

#[test]
fn the_driver_is_told_when_to_come_back() {
    let machine = compile(
        &single("JSONPath", json!({"Type": "Wait", "Seconds": 2})),
        MachineType::Standard,
    );
    let mut run = Execution::start(&machine, json!({}), &ExecutionOptions::default(), 1_000);
    let wakes: Vec<_> = run
        .take_effects()
        .into_iter()
        .filter_map(|e| match e {
            Effect::WakeAt(at) => Some(at),
            _ => None,
        })
        .collect();
    assert_eq!(wakes, [3_000]);
    run.advance(2_999);
    assert!(run.take_effects().is_empty());
    run.advance(3_000);
    assert!(matches!(
        run.take_effects()[..],
        [Effect::Ended(Status::Succeeded)]
    ));
}
