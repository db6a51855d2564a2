//! What goes to EventBridge, SNS and SQS, and what is made of their answers.

mod workflows;

use std::collections::BTreeMap;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use duet_core::fact::PaymentDeclined;
use duet_core::{CommandMessage, Event, Failure, Metadata, Reply};
use serde_json::json;

use super::*;
use crate::intake::{Attempt, sqs};
use crate::sdk::host::{Answer, Host, credentials, error};
use crate::timers::Schedules;
use crate::wires::{Carrier, Wires};

const QUEUE: &str = "arn:aws:sqs:eu-north-1:1:shop";

fn config(host: &Host) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-north-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials()))
        .http_client(host.client())
        .build()
}

/// The wires of a function that has a scheduler and answers workflows.
fn wires(host: &Host) -> Aws {
    let deadline = Deadline::default();
    let kept = Schedules {
        group: "timers".to_owned(),
        role: "arn:aws:iam::1:role/timers".to_owned(),
        dead_letters: "arn:aws:sqs:eu-north-1:1:timers-undelivered".to_owned(),
    };
    Aws::new(
        config(host),
        deadline.clone(),
        Arc::default(),
        Some(QUEUE.to_owned()),
        Some(eventbridge(config(host), deadline.clone(), kept)),
        Some(doors(config(host), deadline)),
    )
}

fn said(json: serde_json::Value) -> Answer {
    Answer::Says(200, json)
}

fn metadata() -> Metadata {
    let metadata = json!({
        "id": "e-1", "source": "duet.payment", "type": "PaymentDeclined", "subject": "o-1",
        "time": "2026-01-01T00:00:00Z", "schemaversion": "1.0", "correlationid": "c-1",
        "variant": "sns",
    });
    serde_json::from_value(metadata).unwrap()
}

fn event(id: &str) -> Event {
    let order = "o-1".parse().unwrap();
    let metadata = Metadata {
        id: id.to_owned(),
        ..metadata()
    };
    Event::new(metadata, PaymentDeclined { order }.into())
}

fn command() -> CommandMessage {
    CommandMessage {
        command: "ExtendDeadline".to_owned(),
        metadata: metadata(),
        data: json!({}),
        reply_to: None,
        due: None,
    }
}

fn bus() -> Carrier {
    let bus = "shop".to_owned();
    Carrier::Eventbridge { bus }
}

#[tokio::test]
async fn only_what_the_bus_refused_is_put_again() {
    let host = Host::answering([
        said(json!({ "FailedEntryCount": 1, "Entries": [
            { "EventId": "1" }, { "ErrorCode": "ThrottlingException", "ErrorMessage": "x" },
        ] })),
        said(json!({ "FailedEntryCount": 0, "Entries": [{ "EventId": "2" }] })),
    ]);
    let events = ["e-1", "e-2"].map(event);
    assert_eq!(wires(&host).publish(&bus(), &events).await, Ok(()));
    let asked = host.asked();
    let entries = |at: usize| asked[at].1["Entries"].as_array().unwrap().clone();
    assert_eq!((asked.len(), entries(0).len(), entries(1).len()), (2, 2, 1));
    let again = &entries(1)[0];
    for (member, value) in [
        ("EventBusName", "shop"),
        ("Source", "duet.payment"),
        ("DetailType", "PaymentDeclined"),
    ] {
        assert_eq!(again[member], value, "{member}");
    }
    let detail: serde_json::Value =
        serde_json::from_str(again["Detail"].as_str().unwrap()).unwrap();
    assert_eq!(detail["metadata"]["id"], "e-2");
}

#[tokio::test]
async fn a_bus_that_refuses_for_good_is_not_asked_again() {
    let refusal = json!([{ "ErrorCode": "NotAuthorizedForSourceException" }]);
    let whole = said(json!({ "FailedEntryCount": 1, "Entries": refusal }));
    for (answer, failure) in [
        (
            whole,
            "the bus refused an entry: NotAuthorizedForSourceException",
        ),
        (
            error("ResourceNotFoundException"),
            "the bus answered ResourceNotFoundException",
        ),
    ] {
        let host = Host::answering([answer]);
        let sent = wires(&host).publish(&bus(), &[event("e-1")]).await;
        assert_eq!(sent, Err(Failure::misconfigured(failure)));
    }
}

/// The answer of PublishBatch: the places that were taken, and those that were not.
const TAKEN_BUT_ONE: &str = "<PublishBatchResponse><PublishBatchResult><Successful>\
    <member><Id>0</Id><MessageId>m</MessageId></member></Successful><Failed>\
    <member><Id>1</Id><Code>Throttled</Code><SenderFault>false</SenderFault></member></Failed>\
    </PublishBatchResult></PublishBatchResponse>";
const TAKEN: &str = "<PublishBatchResponse><PublishBatchResult><Successful>\
    <member><Id>0</Id><MessageId>m</MessageId></member></Successful>\
    <Failed/></PublishBatchResult></PublishBatchResponse>";
const NEVER: &str = "<PublishBatchResponse><PublishBatchResult><Successful/><Failed>\
    <member><Id>0</Id><Code>InvalidParameter</Code><SenderFault>true</SenderFault></member></Failed>\
    </PublishBatchResult></PublishBatchResponse>";

#[tokio::test]
async fn a_topic_gets_facts_with_what_filters_see_and_again_what_it_did_not_take() {
    let topics = "arn:aws:sns:eu-north-1:1:shop-".to_owned();
    let carrier = Carrier::Sns { topics };
    // The first answer does not name the third entry: it was not taken.
    let host = Host::answering([
        said(json!(TAKEN_BUT_ONE)),
        said(json!(TAKEN_BUT_ONE)),
        said(json!(TAKEN)),
    ]);
    let events = ["e-1", "e-2", "e-3"].map(event);
    assert_eq!(wires(&host).publish(&carrier, &events).await, Ok(()));
    let asked = host.asked();
    let entry = |at: usize, place: usize, member: &str| {
        let name = format!("PublishBatchRequestEntries.member.{place}.{member}");
        asked[at].1[&name].as_str().map(str::to_owned)
    };
    let id = |at: usize, place: usize| {
        let text = entry(at, place, "Message")?;
        let message: serde_json::Value = serde_json::from_str(&text).unwrap();
        Some(message["metadata"]["id"].as_str()?.to_owned())
    };
    assert_eq!(
        asked[0].1["TopicArn"],
        "arn:aws:sns:eu-north-1:1:shop-payment"
    );
    let ids = |at| (1..=4).map_while(|place| id(at, place)).collect::<Vec<_>>();
    assert_eq!(ids(0), ["e-1", "e-2", "e-3"]);
    assert_eq!(ids(1), ["e-2", "e-3"]);
    assert_eq!(ids(2), ["e-3"]);
    let attributes = (1..=2).map(|n| {
        let part = |part: &str| entry(0, 1, &format!("MessageAttributes.entry.{n}.{part}"));
        (part("Name").unwrap(), part("Value.StringValue").unwrap())
    });
    let attributes: BTreeMap<_, _> = attributes.collect();
    assert_eq!(attributes["detail-type"], "PaymentDeclined");
    assert_eq!(attributes["variant"], "sns");
    assert_eq!(entry(0, 1, "MessageGroupId"), None);

    let host = Host::answering([said(json!(NEVER))]);
    let sent = wires(&host).publish(&carrier, &[event("e-1")]).await;
    let why = "the topic refused an entry: InvalidParameter".to_owned();
    assert_eq!(sent, Err(Failure::Invalid(why)));
}

#[tokio::test]
async fn a_fifo_topic_gets_one_fact_a_call_in_its_group() {
    let topic = "arn:aws:sns:eu-north-1:1:shop.fifo".to_owned();
    let host = Host::answering([TAKEN, TAKEN].map(|text| said(json!(text))));
    let (carrier, events) = (Carrier::SnsFifo { topic }, ["e-1", "e-2"].map(event));
    assert_eq!(wires(&host).publish(&carrier, &events).await, Ok(()));
    for ((_, form), id) in host.asked().iter().zip(["e-1", "e-2"]) {
        let entry = |member: &str| &form[format!("PublishBatchRequestEntries.member.1.{member}")];
        assert_eq!(form["TopicArn"], "arn:aws:sns:eu-north-1:1:shop.fifo");
        assert_eq!(entry("MessageGroupId"), "o-1");
        assert_eq!(entry("MessageDeduplicationId"), id);
    }
    assert_eq!(host.asked().len(), 2);
    let silent = Host::answering([]);
    assert_eq!(
        wires(&silent)
            .publish(&Carrier::None {}, &[event("e-1")])
            .await,
        Ok(())
    );
}

#[tokio::test]
async fn a_queues_url_is_asked_for_once() {
    let url = || said(json!({ "QueueUrl": "https://queue/1/shop" }));
    let host = Host::answering([
        url(),
        said(json!({})),
        said(json!({})),
        error("AccessDenied"),
    ]);
    let wires = wires(&host);
    assert_eq!(wires.send_later(QUEUE, &command(), 900).await, Ok(()));
    wires
        .hide(QUEUE, "receipt", Duration::from_millis(7_900))
        .await;
    let refused = wires.send_later(QUEUE, &command(), 0).await;
    let why = "the queue answered AccessDenied";
    assert_eq!(refused, Err(Failure::misconfigured(why)));
    let operations = [
        "GetQueueUrl",
        "SendMessage",
        "ChangeMessageVisibility",
        "SendMessage",
    ];
    assert_eq!(host.operations(), operations);
    let asked = host.asked();
    assert_eq!(asked[0].1["QueueName"], "shop");
    assert_eq!(asked[1].1["DelaySeconds"], 900);
    assert_eq!(asked[1].1["QueueUrl"], "https://queue/1/shop");
    let body = serde_json::to_string(&command()).unwrap();
    assert_eq!(asked[1].1["MessageBody"], body.as_str());
    assert_eq!(asked[2].1["VisibilityTimeout"], 7);
    assert_eq!(asked[2].1["ReceiptHandle"], "receipt");
}

#[tokio::test]
async fn what_nobody_will_ever_handle_is_put_away_in_its_own_words() {
    let policy = json!({ "deadLetterTargetArn": "arn:aws:sqs:eu-north-1:1:shop-dlq" });
    let url = |name: &str| said(json!({ "QueueUrl": format!("https://queue/1/{name}") }));
    let host = Host::answering([
        url("shop"),
        said(json!({ "Attributes": { "RedrivePolicy": policy.to_string() } })),
        url("shop-dlq"),
        said(json!({})),
        said(json!({})),
    ]);
    let wires = wires(&host);
    let mut delivery = sqs::delivery(
        "m-1".to_owned(),
        QUEUE.to_owned(),
        "what came",
        Attempt::Known(3),
        None,
        SystemClock.now(),
    );
    let why = format!("no\n{}", "x".repeat(2_000));
    assert_eq!(wires.bury(&delivery, &why).await, Ok(()));
    (delivery.group, delivery.deduplication) = (Some("o-1".into()), Some("e-1".into()));
    assert_eq!(wires.bury(&delivery, " \t").await, Ok(()));
    let asked = host.asked();
    let (first, second) = (&asked[3].1, &asked[4].1);
    assert_eq!(first["QueueUrl"], "https://queue/1/shop-dlq");
    assert_eq!(first["MessageBody"], "what came");
    let told = |of: &serde_json::Value, name: &str| {
        let value = &of["MessageAttributes"][name]["StringValue"];
        value.as_str().unwrap().to_owned()
    };
    let reason = told(first, "duet.reason");
    assert!(reason.starts_with("no x") && reason.chars().count() == 1_000);
    assert_eq!(told(first, "duet.queue"), QUEUE);
    assert!(first.get("MessageGroupId").is_none());
    assert_eq!(told(second, "duet.reason"), "invalid");
    assert_eq!(second["MessageGroupId"], "o-1");
    assert_eq!(second["MessageDeduplicationId"], "m-1/3");
}

#[tokio::test]
async fn a_queue_that_has_no_dead_letters_is_tried_again() {
    let url = said(json!({ "QueueUrl": "https://queue/1/shop" }));
    let host = Host::answering([url, said(json!({ "Attributes": {} }))]);
    let now = SystemClock.now();
    let (id, queue) = ("m-1".to_owned(), QUEUE.to_owned());
    let delivery = sqs::delivery(id, queue, "x", Attempt::Unknown, None, now);
    let refused = wires(&host).bury(&delivery, "why").await;
    let why = "a queue without a dead-letter queue".to_owned();
    assert_eq!(refused, Err(Failure::Transient(why)));
}

#[tokio::test]
async fn who_has_neither_scheduler_nor_workflow_says_so() {
    let host = Host::answering([]);
    let (none, deadline) = (Arc::default(), Deadline::default());
    let bare = Aws::new(config(&host), deadline, none, None, None, None);
    assert!(!bare.has_scheduler() && wires(&host).has_scheduler());
    assert_eq!((bare.timers(), wires(&host).timers()), (None, Some(QUEUE)));
    let due = SystemClock.now();
    let set = bare.schedule("clock", QUEUE, &command(), due).await;
    assert_eq!(set, Err(Failure::misconfigured("there is no scheduler")));
    assert_eq!(bare.call_off("clock").await, Ok(()));
    let reply = Reply {
        to: "token".to_owned(),
        value: json!(1),
    };
    let why = "there is no workflow to answer";
    assert_eq!(bare.answer(&reply).await, Err(Failure::misconfigured(why)));
}

/// Connections are opened to the hosts that the deployed carriers need, and to no other.
#[tokio::test]
async fn the_hosts_are_those_of_the_carriers() {
    let host = Host::answering([]);
    let of = |carriers: serde_json::Value| {
        let carriers: Renderings = serde_json::from_value(carriers).unwrap();
        let deadline = Deadline::default();
        let wires = Aws::new(
            config(&host),
            deadline,
            Arc::new(carriers),
            None,
            None,
            None,
        );
        async move { wires.hosts().await }
    };
    let carrier = |facts: serde_json::Value| json!({ "facts": facts, "tasks": true, "clock": "service", "patience": 60 });
    let url = |service: &str| format!("https://{service}.eu-north-1.amazonaws.com");
    let none = carrier(json!({ "kind": "none" }));
    assert_eq!(of(json!({ "standard": none })).await, [url("sqs")]);
    let bus = carrier(json!({ "kind": "eventbridge", "bus": "shop" }));
    let fifo = carrier(json!({ "kind": "sns_fifo", "topic": "arn" }));
    let all = of(json!({ "eventbridge": bus, "fifo": fifo })).await;
    assert_eq!(all, [url("sqs"), url("events"), url("sns")]);
}

#[tokio::test]
async fn an_invocation_ends_when_its_context_says() {
    let at = |deadline: u64| {
        let mut context = lambda_runtime::Context::default();
        context.deadline = deadline;
        ends(&LambdaEvent::new(serde_json::Value::Null, context))
    };
    assert_eq!(at(1_500), Timestamp::from_millisecond(1_500).unwrap());
    let now = SystemClock.now();
    assert!(at(u64::MAX) >= now);
    let began = std::time::Instant::now();
    until(now + Duration::from_millis(30)).await;
    assert!(began.elapsed() >= Duration::from_millis(20));
    until(now - Duration::from_secs(9)).await;
    let told = failed(&Failure::transient("x"));
    assert_eq!(
        (&*told.error_type, &*told.error_message),
        ("Transient", "x")
    );
}
