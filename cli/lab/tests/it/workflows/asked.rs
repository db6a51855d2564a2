//! Queues, topics, buses and executions.

use std::sync::Arc;

use duet_lab::{Config, Lab, Status};
use serde_json::{Value, json};

use super::{MACHINES, QUEUE, TEMPLATE, TOPIC, answer, read, refusal, run, says, task, world};

/// The messages on the queue, with their attributes.
fn letters(lab: &mut Lab) -> Vec<(String, Vec<(String, String)>)> {
    let all = lab.dead_letters();
    all.iter()
        .map(|letter| (letter.body.clone(), lab.attributes(letter)))
        .collect()
}

fn members(answer: &Value) -> Vec<&str> {
    let all = answer.as_object().unwrap().keys();
    let mut all: Vec<&str> = all.map(String::as_str).collect();
    all.sort_unstable();
    all
}

/// Recorded 2024-04-18, but for the headers of the HTTP answer.
#[test]
fn a_message_is_sent_and_told_of_in_the_form_that_was_asked_for() {
    let arguments = json!({"QueueUrl": QUEUE, "MessageBody": {"n": 1}, "DelaySeconds": 5, "MessageGroupId": "g",
        "MessageAttributes": {"timestamp": {"DataType": "Number", "StringValue": "1493147359900"}}});
    let mut lab = world(&task("sqs:sendMessage", arguments), &[]);
    let (_, output, ..) = run(&mut lab, "one");
    assert_eq!(
        members(&output),
        [
            "MD5OfMessageAttributes",
            "MD5OfMessageBody",
            "MessageId",
            "SdkHttpMetadata",
            "SdkResponseMetadata"
        ]
    );
    assert_eq!(
        output["MD5OfMessageAttributes"],
        "235c5c510d26fb653d073faed50ae77c"
    );
    assert_eq!(output["SdkHttpMetadata"]["HttpStatusCode"], 200);
    let sent = lab.dead_letters();
    assert_eq!((sent.len(), sent[0].body.as_str()), (1, r#"{"n":1}"#));
    assert_eq!(output["MessageId"], sent[0].id);
    assert_eq!(
        letters(&mut lab)[0].1,
        [("timestamp".to_owned(), "1493147359900".to_owned())]
    );
    // The SDK's form takes text, and gives what the API gives.
    let text = json!({"QueueUrl": QUEUE, "MessageBody": "a"});
    let output = answer("aws-sdk:sqs:sendMessage", text);
    assert_eq!(members(&output), ["MD5OfMessageBody", "MessageId"]);
    assert_eq!(
        output["MD5OfMessageBody"],
        "0cc175b9c0f1b6a831c399e269772661"
    );
    let (error, cause) = refusal(
        "aws-sdk:sqs:sendMessage",
        json!({"QueueUrl": QUEUE, "MessageBody": {"n": 1}}),
    );
    assert_eq!(error, "States.Runtime");
    assert!(cause.contains("'MessageBody' must be a STRING"), "{cause}");
}

/// The texts: recorded 2023-06-22; each form names errors as its SDK does.
#[test]
fn what_a_queue_refuses_is_named_by_the_form() {
    let nowhere = json!({"QueueUrl": format!("{QUEUE}-not"), "MessageBody": "a"});
    let (error, cause) = refusal("sqs:sendMessage", nowhere.clone());
    assert_eq!(error, "SQS.QueueDoesNotExistException");
    assert!(
        cause.starts_with("The specified queue does not exist. (Service: AmazonSQS; Status Code: 400; Error Code: AWS.SimpleQueueService.NonExistentQueue; Request ID: "),
        "{cause}"
    );
    let (error, cause) = refusal("aws-sdk:sqs:sendMessage", nowhere);
    assert_eq!(error, "Sqs.QueueDoesNotExistException");
    assert!(
        cause.contains("(Service: Sqs, Status Code: 400, Request ID: "),
        "{cause}"
    );
    for (more, says) in [
        (json!({"MessageBody": ""}), "MissingParameter"),
        (
            json!({"DelaySeconds": 901}),
            "DelaySeconds must be >= 0 and <= 900.",
        ),
        (
            json!({"MessageDeduplicationId": "d"}),
            "not valid for this queue type",
        ),
    ] {
        let mut arguments = json!({"QueueUrl": QUEUE, "MessageBody": "a"});
        for (name, value) in more.as_object().unwrap() {
            arguments[name] = value.clone();
        }
        let (error, cause) = refusal("sqs:sendMessage", arguments);
        assert_eq!(error, "SQS.AmazonSQSException");
        assert!(cause.contains(says), "{cause}");
    }
    assert_eq!(
        refusal("glue:startJobRun", json!({"JobName": "j"})).1,
        "the lab has no glue:startJobRun"
    );
}

#[test]
fn a_token_goes_out_with_a_message_and_answers_the_task() {
    let arguments = json!({"QueueUrl": QUEUE, "MessageBody": "{% $states.context.Task.Token %}"});
    let mut lab = world(&task("sqs:sendMessage.waitForTaskToken", arguments), &[]);
    let (status, ..) = run(&mut lab, "one");
    assert_eq!(status, Status::Running);
    let execution = lab.execution("asks", "one").unwrap();
    let events: Vec<_> = execution
        .history()
        .iter()
        .map(|it| it.event_type())
        .collect();
    assert_eq!(events.last().unwrap(), "TaskSubmitted");
    let token = lab.dead_letters()[0].body.clone();
    lab.send_task_heartbeat(&token).unwrap();
    lab.send_task_success(&token, json!({"by": "hand"}))
        .unwrap();
    assert!(lab.send_task_success(&token, json!(1)).is_err());
    let output = lab.execution("asks", "one").unwrap().output().cloned();
    assert_eq!(*output.unwrap(), json!({"by": "hand"}));
}

/// Recorded 2023-09-03.
#[test]
fn a_topic_is_published_to_and_filters_see_the_attributes() {
    let publish = |form: &str| {
        let arguments = json!({"TopicArn": TOPIC, "Message": {"n": 1}, "Subject": "s",
            "MessageAttributes": {"form": {"DataType": "String", "StringValue": form}}});
        let mut lab = world(&task("sns:publish", arguments), &[]);
        let (_, output, ..) = run(&mut lab, "one");
        assert_eq!(
            members(&output),
            ["MessageId", "SdkHttpMetadata", "SdkResponseMetadata"]
        );
        letters(&mut lab)
    };
    let form = |form: &str| ("form".to_owned(), form.to_owned());
    assert_eq!(
        publish("raw"),
        [(r#"{"n":1}"#.to_owned(), vec![form("raw")])]
    );
    let wrapped = publish("wrapped").remove(0);
    let envelope: Value = serde_json::from_str(&wrapped.0).unwrap();
    assert_eq!(
        (&envelope["Message"], &envelope["Subject"]),
        (&json!(r#"{"n":1}"#), &json!("s"))
    );
    assert_eq!(
        envelope["MessageAttributes"]["form"],
        json!({"Type": "String", "Value": "wrapped"})
    );
    assert!(wrapped.1.is_empty() && publish("other").is_empty());
    let nowhere = json!({"TopicArn": format!("{TOPIC}-not"), "Message": "m"});
    let (error, cause) = refusal("sns:publish", nowhere.clone());
    assert_eq!(error, "SNS.NotFoundException");
    assert!(
        cause.contains(
            "Topic does not exist (Service: AmazonSNS; Status Code: 404; Error Code: NotFound;"
        ),
        "{cause}"
    );
    assert_eq!(
        refusal("aws-sdk:sns:publish", nowhere).0,
        "Sns.NotFoundException"
    );
    let empty = json!({"TopicArn": TOPIC, "Message": ""});
    assert_eq!(
        refusal("sns:publish", empty).0,
        "SNS.InvalidParameterException"
    );
}

/// Recorded 2023-09-12.
#[test]
fn events_are_put_and_a_refused_entry_fails_the_state() {
    let entry = |more: Value| {
        let mut entry = json!({"Source": "shop", "DetailType": "Sold", "Detail": {"n": 1}, "EventBusName": "market"});
        for (name, value) in more.as_object().unwrap() {
            entry[name] = value.clone();
        }
        entry
    };
    let two = json!({"Entries": [entry(json!({"Resources": ["r"]})), entry(json!({"Detail": "{\"n\": 2}"}))]});
    let mut lab = world(&task("events:putEvents", two.clone()), &[]);
    let (_, output, ..) = run(&mut lab, "one");
    assert_eq!(
        (members(&output), &output["FailedEntryCount"]),
        (vec!["Entries", "FailedEntryCount"], &json!(0))
    );
    let heard: Vec<_> = lab.heard().iter().filter(|it| it.bus == "market").collect();
    let own = [
        format!("{MACHINES}:asks"),
        "arn:aws:states:us-east-1:123456789012:execution:asks:one".to_owned(),
    ];
    assert_eq!(heard[0].event["resources"], json!(["r", own[0], own[1]]));
    assert_eq!(heard[1].event["resources"], json!(own));
    assert_eq!(heard[1].event["detail"], json!({"n": 2}));
    assert_eq!(output["Entries"][1]["EventId"], heard[1].event["id"]);

    let bad = json!({"Entries": [entry(json!({})), entry(json!({"Source": null})), entry(json!({"Detail": "\"text\""}))]});
    let (error, cause) = refusal("events:putEvents", bad.clone());
    assert_eq!(error, "EventBridge.FailedEntry");
    let cause: Value = serde_json::from_str(&cause).unwrap();
    assert_eq!(cause["FailedEntryCount"], 2);
    assert!(cause["Entries"][0]["EventId"].is_string());
    assert_eq!(
        cause["Entries"][1],
        json!({"ErrorCode": "InvalidArgument", "ErrorMessage": "Parameter Source is not valid. Reason: Source is a required argument."})
    );
    assert_eq!(
        cause["Entries"][2],
        json!({"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."})
    );
    // The SDK's form gives the answer as it is, and puts nothing into the event; `Detail`
    // is text there.
    let text = json!({"Entries": [entry(json!({"Detail": "{}", "Source": null}))]});
    assert_eq!(
        answer("aws-sdk:eventbridge:putEvents", text)["FailedEntryCount"],
        1
    );
    let (error, _) = refusal("aws-sdk:eventbridge:putEvents", two);
    assert_eq!(error, "States.Runtime");

    // What strikes entries strikes these, too.
    let mut lab = world(
        &task("events:putEvents", json!({"Entries": [entry(json!({}))]})),
        &["put-events:1"],
    );
    let (_, _, error, cause) = run(&mut lab, "one");
    assert_eq!(error, "EventBridge.FailedEntry");
    assert!(cause.contains("ThrottlingException"), "{cause}");
}

/// Recorded 2023-06-28 and 2023-06-30.
#[test]
fn an_execution_is_started_and_not_waited_for() {
    let arguments = |machine: &str| json!({"StateMachineArn": format!("{MACHINES}:{machine}"), "Name": "c", "Input": {"n": 1}});
    let mut lab = world(&task("states:startExecution", arguments("child")), &[]);
    let (_, output, ..) = run(&mut lab, "one");
    let arn = "arn:aws:states:us-east-1:123456789012:execution:child:c";
    assert_eq!(output["ExecutionArn"], arn);
    let child = lab.describe_execution(arn).unwrap();
    assert_eq!(
        output["StartDate"],
        child.started.as_millisecond() as f64 / 1_000.0
    );
    assert_eq!((child.status, child.version), (Status::Succeeded, None));
    // It is over: its name is taken.
    let (_, _, error, cause) = run(&mut lab, "two");
    assert_eq!(error, "StepFunctions.ExecutionAlreadyExistsException");
    assert!(cause.contains(arn), "{cause}");
    let (error, cause) = refusal("states:startExecution", arguments("nobody"));
    assert_eq!(error, "StepFunctions.StateMachineDoesNotExistException");
    assert!(
        cause.starts_with(&format!("State Machine Does Not Exist: '{MACHINES}:nobody' (Service: AWSStepFunctions; Status Code: 400; Error Code: StateMachineDoesNotExist;")),
        "{cause}"
    );
    assert_eq!(
        refusal(
            "aws-sdk:sfn:startExecution",
            json!({"StateMachineArn": format!("{MACHINES}:nobody")})
        )
        .0,
        "Sfn.StateMachineDoesNotExistException"
    );
    let (error, _) = refusal(
        "aws-sdk:sfn:startExecution",
        json!({"StateMachineArn": format!("{MACHINES}:child"), "Input": "{"}),
    );
    assert_eq!(error, "Sfn.InvalidExecutionInputException");
}

#[test]
fn the_lab_runs_executions_that_are_waited_for() {
    let arguments = json!({"StateMachineArn": format!("{MACHINES}:child"), "Name": "c"});
    let output = answer("states:startExecution.sync:2", arguments.clone());
    assert_eq!(
        (&output["Output"], &output["Status"]),
        (&json!("first"), &json!("SUCCEEDED"))
    );
    let output = answer("states:startExecution.sync", arguments);
    assert_eq!(output["Output"], "\"first\"");
    let by = |qualifier: &str| json!({"StateMachineArn": format!("{MACHINES}:child:{qualifier}")});
    let output = answer("states:startExecution.sync:2", by("live"));
    assert_eq!(
        output["StateMachineVersionArn"],
        format!("{MACHINES}:child:1")
    );
    let (error, _) = refusal("states:startExecution.sync:2", by("9"));
    assert_eq!(error, "StepFunctions.StateMachineDoesNotExistException");
    let named = "StateMachineName: child";
    let express = TEMPLATE.replace(named, &format!("{named}\n      StateMachineType: EXPRESS"));
    let waits = task(
        "states:startExecution.sync:2",
        json!({"StateMachineArn": format!("{MACHINES}:child")}),
    );
    let all = read(&express, &waits, &says("a")).unwrap();
    let mut lab = Lab::new(Arc::new(all), Config::default()).unwrap();
    let (.., cause) = run(&mut lab, "one");
    assert!(cause.ends_with("child is Express"), "{cause}");
}

#[test]
fn each_iteration_sends_a_message_of_its_own() {
    let mut one = task(
        "sqs:sendMessage",
        json!({"QueueUrl": QUEUE, "MessageBody": "{% $states.input %}"}),
    );
    let state = one["States"]["Ask"].take();
    let map = json!({"QueryLanguage": "JSONata", "StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true,
        "Items": ["a", "b", "c"], "ItemProcessor": {"StartAt": "Ask", "States": {"Ask": state}}}}});
    let mut lab = world(&map, &[]);
    let (_, output, ..) = run(&mut lab, "one");
    let mut sent: Vec<_> = lab.dead_letters().into_iter().map(|it| it.id).collect();
    let mut told: Vec<_> = output
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["MessageId"].as_str().unwrap().to_owned())
        .collect();
    sent.sort();
    told.sort();
    assert_eq!(sent, told);
    sent.dedup();
    assert_eq!(sent.len(), 3);
}
