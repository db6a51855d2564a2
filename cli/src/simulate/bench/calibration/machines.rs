//! The state machines that are measured, and the rest of what is deployed with
//! them: a function that answers at once, a queue and a bus.

use std::collections::BTreeMap;
use std::sync::Arc;

use duet_lab::{Definitions, Files};
use serde_json::{Value, json};

use crate::terminal::exit::{Outcome, Problem};

/// A task that calls the probe with `data` in a payload of about `bytes`.
pub(super) fn task(data: &Value, bytes: usize, next: Option<&str>) -> Value {
    let payload = json!({ "data": data, "metadata": { "subject": "", "variant": "" }, "fill": "" });
    let fill = bytes.saturating_sub(payload.to_string().len());
    let mut payload = payload;
    payload["fill"] = "x".repeat(fill).into();
    let mut state = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": { "FunctionName": "probe", "Payload": payload },
        "ResultPath": null,
    });
    match next {
        Some(next) => state["Next"] = next.into(),
        None => state["End"] = true.into(),
    }
    state
}

/// A machine of `tasks` tasks in a row.
pub(super) fn chain(tasks: usize, bytes: usize) -> Value {
    let name = |n: usize| format!("T{n}");
    let states = (1..=tasks).map(|n| {
        let next = (n < tasks).then(|| name(n + 1));
        (name(n), task(&json!({}), bytes, next.as_deref()))
    });
    let states: serde_json::Map<_, _> = states.collect();
    json!({ "StartAt": "T1", "States": states })
}

/// `machine` as an Express one.
pub(super) fn express(mut machine: Value) -> Value {
    machine[TYPE] = "EXPRESS".into();
    machine
}

/// The member of a machine here that says its type; a definition has none.
const TYPE: &str = "type";

/// A machine of `branches` tasks side by side, after one that starts it.
pub(super) fn fan_out(branches: usize) -> Value {
    let branch = |n: usize| {
        let name = format!("B{n}");
        json!({ "StartAt": name, "States": { (name.clone()): task(&json!({}), 32, None) } })
    };
    let branches: Vec<Value> = (1..=branches).map(branch).collect();
    json!({ "StartAt": "First", "States": {
        "First": task(&json!({}), 32, Some("Side")),
        "Side": { "Type": "Parallel", "Branches": branches, "End": true },
    } })
}

/// A machine that reserves three times, fails at the fourth task, and cancels.
pub(super) fn saga() -> Value {
    let nothing = json!({});
    let mut fails = task(&json!({ "fails": true }), 32, Some("Never"));
    fails["Catch"] = json!([{ "ErrorEquals": ["States.ALL"], "Next": "Undo" }]);
    json!({ "StartAt": "R1", "States": {
        "R1": task(&nothing, 32, Some("R2")),
        "R2": task(&nothing, 32, Some("R3")),
        "R3": task(&nothing, 32, Some("Fails")),
        "Fails": fails,
        "Never": { "Type": "Succeed" },
        "Undo": { "Type": "Pass", "Next": "C3" },
        "C3": task(&nothing, 32, Some("C2")),
        "C2": task(&nothing, 32, Some("C1")),
        "C1": task(&nothing, 32, None),
    } })
}

/// Definitions with a probe, a queue, a bus, and `machine`.
pub(super) fn definitions(machine: &Value) -> Outcome<Arc<Definitions>> {
    let get = |logical: &str| json!({ "Fn::GetAtt": [logical, "Arn"] });
    let policy = json!({ "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "events.amazonaws.com" },
        "Action": "sqs:SendMessage", "Resource": get("Queue"),
        "Condition": { "ArnEquals": { "aws:SourceArn": get("Rule") } },
    }] });
    let mut definition = machine.clone();
    let kind = definition
        .as_object_mut()
        .and_then(|members| members.remove(TYPE));
    let kind = kind.unwrap_or_else(|| "STANDARD".into());
    let role = "arn:aws:iam::123456789012:role/probe";
    let template = json!({
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Table": { "Type": "AWS::DynamoDB::Table", "Properties": { "TableName": "probe" } },
            "Function": { "Type": "AWS::Serverless::Function", "Properties": {
                "FunctionName": "probe", "CodeUri": "target/lambda/probe", "Timeout": 60, "MemorySize": 128,
                "Environment": { "Variables": { "DUET_TABLE": { "Ref": "Table" } } },
            } },
            "Queue": { "Type": "AWS::SQS::Queue", "Properties": { "QueueName": "probe", "VisibilityTimeout": 360 } },
            "Mapping": { "Type": "AWS::Lambda::EventSourceMapping", "Properties": {
                "EventSourceArn": get("Queue"), "FunctionName": { "Ref": "Function" }, "BatchSize": 1,
            } },
            "InOrder": { "Type": "AWS::SQS::Queue", "Properties": {
                "QueueName": "probe.fifo", "FifoQueue": true, "VisibilityTimeout": 360,
            } },
            "InOrderMapping": { "Type": "AWS::Lambda::EventSourceMapping", "Properties": {
                "EventSourceArn": get("InOrder"), "FunctionName": { "Ref": "Function" }, "BatchSize": 1,
            } },
            "Bus": { "Type": "AWS::Events::EventBus", "Properties": { "Name": "probe" } },
            "Rule": { "Type": "AWS::Events::Rule", "Properties": {
                "Name": "probe", "EventBusName": { "Ref": "Bus" }, "EventPattern": { "source": ["probe"] },
                "Targets": [{ "Id": "queue", "Arn": get("Queue") }],
            } },
            "Policy": { "Type": "AWS::SQS::QueuePolicy", "Properties": {
                "Queues": [{ "Ref": "Queue" }], "PolicyDocument": policy,
            } },
            "Machine": { "Type": "AWS::StepFunctions::StateMachine", "Properties": {
                "StateMachineName": "probe", "StateMachineType": kind, "DefinitionS3Location": "probe.asl.json", "RoleArn": role,
            } },
        },
    });
    let files = Files::from([
        ("template.yaml".to_owned(), template.to_string()),
        ("probe.asl.json".to_owned(), definition.to_string()),
    ]);
    let read = Definitions::read(files, "probe", &BTreeMap::new());
    read.map(Arc::new).map_err(Problem::environment)
}
