//! Activities: tasks that workers take.

use crate::world::{World, compile, machine, trail};
use duet_asl::{
    AnswerError, DEFAULT_START, Execution, ExecutionOptions, MachineType, MockConfig, RunError,
    RunOptions, StateMachine, Status, Surroundings, TaskError, run,
};
use serde_json::{Value, json};
use std::sync::Arc;

const ACTIVITY: &str = "arn:aws:states:us-east-1:123456789012:activity:pack";

fn packing(extra: Value) -> Value {
    let mut task = json!({"Type": "Task", "Resource": ACTIVITY, "End": true});
    for (name, value) in extra.as_object().unwrap() {
        task[name] = value.clone();
    }
    json!({"StartAt": "Pack", "States": {"Pack": task}})
}

impl World {
    /// A worker takes the oldest task.
    fn take(&mut self) -> String {
        let id = self.call().id;
        let taken = self.with(|run, now| run.take_activity(id, Some("w1"), now));
        taken.unwrap().token.to_string()
    }

    fn fails_with(&self) -> (Status, Option<&str>) {
        (self.run.status(), self.run.error())
    }
}

fn events(world: &World) -> Vec<Value> {
    let all = world.run.history().iter();
    all.map(|it| serde_json::to_value(it).unwrap()).collect()
}

/// Recorded 2024-03-03.
#[test]
fn the_events_of_an_activity() {
    let mut world = World::start(
        &packing(json!({"HeartbeatSeconds": 10, "TimeoutSeconds": 60})),
        json!({"n": 1}),
    );
    let call = &world.calls[0];
    assert_eq!(
        (&*call.resource.arn, &call.token, &*call.arguments),
        (ACTIVITY, &None, &json!({"n": 1}))
    );
    let id = world.call().id;
    let taken = world.with(|run, now| run.take_activity(id, Some("w1"), now));
    let taken = taken.unwrap();
    assert_eq!(*taken.input, json!({"n": 1}));
    world
        .with(|run, now| run.task_token_success(&taken.token, json!({"done": true}), now))
        .unwrap();
    assert_eq!(world.output(), json!({"done": true}));
    assert_eq!(
        world.trail()[2..],
        [
            "3<2 ActivityScheduled",
            "4<3 ActivityStarted",
            "5<4 ActivitySucceeded",
            "6<5 TaskStateExited",
            "7<6 ExecutionSucceeded"
        ]
    );
    let events = events(&world);
    assert_eq!(
        events[2]["activityScheduledEventDetails"],
        json!({"heartbeatInSeconds": 10, "input": "{\"n\":1}", "inputDetails": {"truncated": false},
            "resource": ACTIVITY, "timeoutInSeconds": 60})
    );
    assert_eq!(
        events[3]["activityStartedEventDetails"],
        json!({"workerName": "w1"})
    );
    assert_eq!(
        events[4]["activitySucceededEventDetails"],
        json!({"output": "{\"done\":true}", "outputDetails": {"truncated": false}})
    );
}

#[test]
fn a_task_is_taken_once_and_answered_once_by_its_token() {
    let mut world = World::start(&packing(json!({})), json!({}));
    let id = world.calls[0].id;
    let answered = world.with(|run, now| run.complete_task(id, Ok(json!(1)), now));
    assert_eq!(answered, Err(AnswerError::ByToken));
    let token = world.take();
    let again = world.with(|run, now| run.take_activity(id, None, now));
    assert_eq!(again.map(|_| ()), Err(AnswerError::UnknownTask));
    let refused = world.with(|run, now| run.complete_task(id, Err(TaskError::new("E", "")), now));
    assert_eq!(refused, Err(AnswerError::ByToken));
    let fail = |error: &str, cause: usize| TaskError::new(error, "c".repeat(cause));
    let too_long = |what, most| Err(AnswerError::TooLong { what, most });
    let sent =
        world.with(|run, now| run.task_token_failure(&token, fail(&"é".repeat(257), 0), now));
    assert_eq!(sent, too_long("error", 256));
    let sent = world.with(|run, now| run.task_token_failure(&token, fail("E", 32_769), now));
    assert_eq!(sent, too_long("cause", 32_768));
    let most = fail(&"é".repeat(256), 32_768);
    let sent = world.with(|run, now| run.task_token_failure(&token, most.clone(), now));
    assert_eq!(sent, Ok(()));
    assert_eq!(world.fails_with(), (Status::Failed, Some(&*most.error)));
    assert_eq!(world.trail()[4], "5<4 ActivityFailed");
    let late = world.with(|run, now| run.task_token_success(&token, json!(1), now));
    assert_eq!(late, Err(AnswerError::UnknownToken));
}

/// Nothing is counted while nobody has taken the task.
#[test]
fn both_time_limits_begin_when_a_worker_takes_the_task() {
    let limits = json!({"HeartbeatSeconds": 10, "TimeoutSeconds": 25,
        "Catch": [{"ErrorEquals": ["States.HeartbeatTimeout"], "ResultPath": "$.why", "Next": "Silent"}]});
    let mut definition = packing(limits);
    definition["States"]["Silent"] = json!({"Type": "Succeed"});
    let mut world = World::start(&definition, json!({}));
    world.seconds(3_600);
    assert_eq!(world.trail().len(), 3, "{:?}", world.trail());
    let token = world.take();
    for _ in 0..2 {
        world.seconds(9);
        world.with(|run, now| run.heartbeat(&token, now)).unwrap();
    }
    // A heartbeat does not lengthen the whole: 25 seconds after 3,600.
    world.seconds(6);
    assert_eq!(world.run.status(), Status::Running);
    world.seconds(1);
    assert_eq!(world.fails_with(), (Status::Failed, Some("States.Timeout")));
    assert_eq!(world.trail()[4], "5<4 ActivityTimedOut");
    let dead = world.with(|run, now| run.heartbeat(&token, now));
    assert_eq!(dead, Err(AnswerError::UnknownToken));

    let mut world = World::start(&definition, json!({}));
    world.seconds(100);
    world.take();
    world.wake();
    assert_eq!(
        (world.clock(), world.run.status()),
        (110.0, Status::Succeeded)
    );
    assert_eq!(world.output()["why"]["Error"], "States.Timeout");
}

/// A retry is offered anew, and what nobody wants any more is called off.
#[test]
fn retries_are_offered_anew_and_a_stop_calls_them_off() {
    let retry = json!({"Retry": [{"ErrorEquals": ["Again"], "IntervalSeconds": 2}]});
    let mut world = World::start(&packing(retry), json!({}));
    let first = world.take();
    world
        .with(|run, now| run.task_token_failure(&first, TaskError::new("Again", ""), now))
        .unwrap();
    world.wake();
    let second = world.take();
    assert_ne!(first, second);
    world.with(|run, now| run.stop(Some("Enough".into()), Some("by hand".into()), now));
    assert_eq!((world.cancelled, world.run.error()), (1, Some("Enough")));
    let late = world.with(|run, now| run.task_token_success(&second, json!(1), now));
    assert_eq!(late, Err(AnswerError::UnknownToken));
    let last = events(&world).pop().unwrap();
    assert_eq!(
        (&last["type"], &last["executionAbortedEventDetails"]),
        (
            &json!("ExecutionAborted"),
            &json!({"error": "Enough", "cause": "by hand"})
        )
    );
}

/// Recorded 2024-03-04; what the driver refuses is our reading.
#[test]
fn an_activity_that_is_not_there_fails_the_execution() {
    let around = Surroundings::default().with_activities(Arc::default());
    let definition = machine(&packing(
        json!({"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Pack"}]}),
    ));
    let options = ExecutionOptions::default();
    let run = Execution::start_with(&definition, json!({}), &options, around, DEFAULT_START);
    let world = World::around(run);
    assert_eq!(world.fails_with(), (Status::Failed, Some("States.Runtime")));
    let cause = format!(
        "An error occurred while executing the state 'Pack' (entered at the event id #2). The activity {ACTIVITY} does not exist."
    );
    assert_eq!(world.run.cause(), Some(&*cause));
    assert_eq!(world.trail()[2], "3<2 ExecutionFailed");

    let mut world = World::start(&packing(json!({})), json!({}));
    world.fail("Refused");
    assert_eq!(world.trail()[3], "4<3 ActivityScheduleFailed");
    assert_eq!(
        events(&world)[3]["activityScheduleFailedEventDetails"],
        json!({"error": "Refused", "cause": "Refused happened"})
    );
}

/// The children of a distributed Map and nested executions are worked for alike.
#[test]
fn workers_take_the_tasks_of_children() {
    let map = json!({"StartAt": "M", "States": {"M": {"Type": "Map", "End": true, "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Pack", "States": {"Pack": {"Type": "Task", "Resource": ACTIVITY, "HeartbeatSeconds": 5, "End": true}}}}}});
    let mut world = World::start(&map, json!([1, 2]));
    let tokens = [world.take(), world.take()];
    world.seconds(4);
    world
        .with(|run, now| run.heartbeat(&tokens[1], now))
        .unwrap();
    for (at, token) in tokens.iter().enumerate() {
        world
            .with(|run, now| run.task_token_success(token, json!(at), now))
            .unwrap();
    }
    assert_eq!(world.output(), json!([0, 1]));
}

#[test]
fn express_has_no_activities() {
    let text = packing(json!({})).to_string();
    let refused = StateMachine::parse_as(&text, MachineType::Express).unwrap_err();
    assert!(refused[0].message.contains("activities"), "{refused:?}");
    compile(&packing(json!({})), MachineType::Standard);
}

#[test]
fn a_mock_stands_for_the_worker() {
    let go = |answer: Option<Value>, extra: Value| {
        let mocks = answer.map(|answer| {
            let config = json!({
                "StateMachines": {"m": {"TestCases": {"t": {"Pack": "Worker"}}}},
                "MockedResponses": {"Worker": {"0": answer}}
            });
            let config = MockConfig::parse(&config.to_string()).unwrap();
            config.case(None, "t").unwrap()
        });
        let options = RunOptions {
            mocks,
            task_echo: true,
            ..RunOptions::default()
        };
        run(&machine(&packing(extra)), json!({}), options)
    };
    let done = go(Some(json!({"Return": {"ok": 1}})), json!({})).unwrap();
    assert_eq!(done.output.as_deref(), Some(&json!({"ok": 1})));
    assert!(trail(&done.history.unwrap()).contains(&"4<3 ActivityStarted".to_owned()));
    let failed = go(
        Some(json!({"Throw": {"Error": "E", "Cause": "c"}})),
        json!({}),
    )
    .unwrap();
    assert_eq!(failed.error.as_deref(), Some("E"));
    let none = go(None, json!({})).unwrap_err();
    assert!(matches!(none, RunError::NoWorker { .. }), "{none}");
    assert!(none.to_string().contains(ACTIVITY), "{none}");
    let long = json!({"Throw": {"Error": "E".repeat(257)}});
    let refused = go(Some(long), json!({})).unwrap_err();
    assert!(refused.to_string().contains("at most 256"), "{refused}");
}
