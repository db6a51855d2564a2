//! What goes to Step Functions and to Scheduler, and what is made of their answers.

use duet_core::{Failure, Reply, Timestamp};
use serde_json::json;

use super::super::engine::StepFunctions;
use super::{QUEUE, command, config, said, wires};
use crate::sdk::host::{Answer, Host, error};
use crate::sweep::Engine;
use crate::wires::Wires;

const MACHINE: &str = "arn:aws:states:eu-north-1:1:stateMachine:order";

#[tokio::test]
async fn a_workflow_is_answered_by_its_token_or_started() {
    let reply = |to: &str| Reply {
        to: to.to_owned(),
        value: json!({ "verdict": "Approved" }),
    };
    let host = Host::answering([
        said(json!({})),
        error("TaskTimedOut"),
        error("TaskDoesNotExist"),
        error("InvalidToken"),
    ]);
    let wires = wires(&host);
    for _ in 0..3 {
        assert_eq!(wires.answer(&reply("token")).await, Ok(()));
    }
    let why = "the workflow answered InvalidToken".to_owned();
    assert_eq!(
        wires.answer(&reply("token")).await,
        Err(Failure::Invalid(why))
    );
    let asked = host.asked();
    let output = json!({ "verdict": "Approved" }).to_string();
    assert_eq!(asked[0].0, "SendTaskSuccess");
    assert_eq!(
        asked[0].1,
        json!({ "taskToken": "token", "output": output })
    );

    let host = Host::answering([
        said(json!({ "executionArn": "x", "startDate": 0 })),
        error("StateMachineDoesNotExist"),
    ]);
    let wires = self::wires(&host);
    let to = json!({ "machine": MACHINE, "name": "o-1", "input": { "kept": 1 } }).to_string();
    assert_eq!(wires.answer(&reply(&to)).await, Ok(()));
    assert!(wires.answer(&reply(&to)).await.is_err());
    let (operation, asked) = &host.asked()[0];
    let input = json!({ "answer": { "verdict": "Approved" }, "kept": 1 }).to_string();
    assert_eq!(operation, "StartExecution");
    assert_eq!(
        *asked,
        json!({ "stateMachineArn": MACHINE, "name": "o-1", "input": input })
    );
}

#[tokio::test]
async fn a_sweep_hears_which_executions_run_and_when_one_ended() {
    let engine = |host: &Host| StepFunctions::new(aws_sdk_sfn::Client::new(&config(host)));
    let execution = |name: &str| {
        json!({ "executionArn": "x", "stateMachineArn": MACHINE, "name": name,
                "status": "RUNNING", "startDate": 1 })
    };
    let host = Host::answering([
        said(json!({ "executions": [execution("o-1")], "nextToken": "more" })),
        said(json!({ "executions": [execution("o-2")] })),
        error("StateMachineDoesNotExist"),
    ]);
    let running = engine(&host).running(MACHINE).await;
    assert_eq!(running, Ok(vec!["o-1".to_owned(), "o-2".to_owned()]));
    assert!(engine(&host).running(MACHINE).await.is_err());
    assert_eq!(host.asked()[0].1["statusFilter"], "RUNNING");
    assert_eq!(host.asked()[1].1["nextToken"], "more");

    let ended = |status: &str, stopped: Option<i64>| {
        let mut found = execution("o-1");
        found["status"] = json!(status);
        if let Some(at) = stopped {
            found["stopDate"] = json!(at);
        }
        said(found)
    };
    let at = |seconds| Some(Timestamp::from_second(seconds).unwrap());
    for (answer, found) in [
        (ended("RUNNING", None), Ok(Some(None))),
        (ended("PENDING_REDRIVE", Some(9)), Ok(Some(None))),
        (ended("FAILED", Some(9)), Ok(Some(at(9)))),
        (ended("TIMED_OUT", Some(7)), Ok(Some(at(7)))),
        (error("ExecutionDoesNotExist"), Ok(None)),
        (
            ended("ABORTED", None),
            Err(Failure::transient("an execution ended, but not when")),
        ),
        (
            error("AccessDeniedException"),
            Err(Failure::misconfigured(
                "the workflow answered AccessDeniedException",
            )),
        ),
    ] {
        let host = Host::answering([answer]);
        let told = engine(&host).execution(MACHINE, "o-1").await;
        let told = told.map(|found| {
            found.map(|found| {
                assert_eq!(found.name, "o-1");
                found.ended
            })
        });
        assert_eq!(told, found);
        let arn = "arn:aws:states:eu-north-1:1:execution:order:o-1";
        assert_eq!(host.asked()[0].1["executionArn"], arn);
    }
}

#[tokio::test]
async fn a_schedule_is_made_once_and_taken_back_once() {
    let set = |host: &Host| {
        let wires = wires(host);
        async move {
            let due = "2026-01-02T03:04:05.000000001Z".parse().unwrap();
            wires.schedule("clock", QUEUE, &command(), due).await
        }
    };
    let host = Host::answering([
        said(json!({ "ScheduleArn": "x" })),
        Answer::Says(
            409,
            json!({ "__type": "ConflictException", "Message": "x" }),
        ),
        // The message has no part in it.
        error("ValidationException"),
    ]);
    assert_eq!(set(&host).await, Ok(()));
    assert_eq!(set(&host).await, Ok(()));
    let why = "the scheduler answered ValidationException";
    assert_eq!(set(&host).await, Err(Failure::misconfigured(why)));
    let (operation, asked) = &host.asked()[0];
    assert_eq!(operation, "POST /schedules/clock");
    assert_eq!(asked["GroupName"], "timers");
    assert_eq!(asked["ScheduleExpression"], "at(2026-01-02T03:04:06)");
    assert_eq!(asked["ActionAfterCompletion"], "DELETE");
    assert_eq!(asked["FlexibleTimeWindow"]["Mode"], "OFF");
    let target = &asked["Target"];
    let body = serde_json::to_string(&command()).unwrap();
    assert_eq!(
        (&target["Arn"], &target["Input"]),
        (&json!(QUEUE), &json!(body))
    );
    assert_eq!(target["RoleArn"], "arn:aws:iam::1:role/timers");
    let undelivered = "arn:aws:sqs:eu-north-1:1:timers-undelivered";
    assert_eq!(target["DeadLetterConfig"]["Arn"], undelivered);

    let host = Host::answering([
        said(json!({})),
        Answer::Says(
            404,
            json!({ "__type": "ResourceNotFoundException", "Message": "x" }),
        ),
        error("AccessDeniedException"),
    ]);
    let wires = wires(&host);
    assert_eq!(wires.call_off("clock").await, Ok(()));
    assert_eq!(wires.call_off("clock").await, Ok(()));
    let why = "the scheduler answered AccessDeniedException";
    assert_eq!(
        wires.call_off("clock").await,
        Err(Failure::misconfigured(why))
    );
    let operation = &host.operations()[0];
    assert!(operation.starts_with("DELETE /schedules/clock?groupName=timers&"));
}
