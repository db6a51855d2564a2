//! How a batch is taken apart, run and answered; what is taken off a message,
//! and what is kept of it.

use super::*;
use crate::intake::{Body, Failures, InvalidBatch, Stub, deliveries, lanes, run};

/// A record of a queue, of the group `group` if it has one.
fn record(id: &str, group: Option<&str>, body: &Value) -> Value {
    let mut record = json!({
        "messageId": id, "receiptHandle": format!("receipt of {id}"), "body": body.to_string(),
        "attributes": { "ApproximateReceiveCount": "2" },
        "eventSource": "aws:sqs", "eventSourceARN": "arn:q",
    });
    if let Some(group) = group {
        record["attributes"]["MessageGroupId"] = json!(group);
    }
    record
}

fn taken(records: &[Value]) -> Result<Vec<Delivery>, InvalidBatch> {
    deliveries(json!({ "Records": records }), now())
}

/// The deliveries of messages with these ids and groups.
fn grouped(messages: &[(&str, Option<&str>)]) -> Vec<Delivery> {
    let of = |(id, group): &(&str, Option<&str>)| record(id, *group, &command("done", "known"));
    taken(&messages.iter().map(of).collect::<Vec<_>>()).unwrap()
}

fn declined() -> Value {
    let fact = PaymentDeclined {
        order: "o-1".parse().unwrap(),
    };
    bus_event(fact.into())
}

fn failed(answer: &Failures) -> Vec<&str> {
    let failures = answer.batch_item_failures.iter();
    failures
        .map(|failure| failure.item_identifier.as_str())
        .collect()
}

#[test]
fn a_batch_of_a_queue_is_taken_apart() {
    let text = include_str!("../../../../tests/fixtures/sqs-batch.json");
    let batch = serde_json::from_str(text).unwrap();
    let deliveries = deliveries(batch, now()).unwrap();
    assert_eq!(deliveries.len(), 2);
    let attempts = [Attempt::Known(1), Attempt::Known(3)];
    assert_eq!([deliveries[0].attempt, deliveries[1].attempt], attempts);
    let first = "2026-01-01T00:00:00.001Z".parse().ok();
    assert_eq!(deliveries[0].first_received, first);
    assert!(deliveries[0].source.ends_with(":duet-order"));
    assert_eq!(deliveries[0].deadline, now());
    let receipt = deliveries[0].receipt.as_deref().unwrap();
    assert!(receipt.starts_with("AQEB"), "{receipt}");
    let groups = deliveries.iter().all(|delivery| delivery.group.is_none());
    assert!(groups, "a standard queue has none");
    let event = deliveries[0].event_id.as_deref();
    assert_eq!(event, Some("17793124-05d4-b198-2fde-7ededc63b103"));
}

#[test]
fn a_batch_of_something_unknown_is_an_error_that_names_it() {
    let mut strange = record("a", None, &json!({}));
    strange["eventSource"] = json!("aws:kinesis");
    let error = taken(&[strange.clone()]).unwrap_err();
    assert_eq!(error, InvalidBatch::Unknown("aws:kinesis".to_owned()));
    assert!(error.to_string().contains("\"aws:kinesis\""), "{error}");
    // Its shape is not asked, neither to take it nor to refuse it.
    let bare = json!({ "eventSource": "aws:mq" });
    assert_eq!(
        taken(&[bare]).unwrap_err(),
        InvalidBatch::Unknown("aws:mq".to_owned())
    );
    // One that nothing here takes spoils all: nothing of the batch is handled.
    let known = record("b", None, &json!({}));
    for (mixed, first, second) in [
        ([&known, &strange], "aws:sqs", "aws:kinesis"),
        ([&strange, &known], "aws:kinesis", "aws:sqs"),
    ] {
        let error = taken(&mixed.map(Clone::clone)).unwrap_err();
        assert_eq!(error, InvalidBatch::Mixed(first.into(), second.into()));
        assert!(error.to_string().contains("\"aws:kinesis\""), "{error}");
    }
    let mut unlabelled = known.clone();
    unlabelled.as_object_mut().unwrap().remove("eventSource");
    for records in [vec![unlabelled.clone()], vec![known, unlabelled]] {
        assert_eq!(taken(&records).unwrap_err(), InvalidBatch::Unlabelled);
    }
}

#[test]
fn what_is_no_batch_is_an_error() {
    let mut torn = record("a", None, &json!({}));
    torn.as_object_mut().unwrap().remove("body");
    for (event, says) in [
        (json!({ "records": [] }), "missing field `Records`"),
        (json!({ "Records": [torn] }), "missing field `body`"),
    ] {
        let error = deliveries(event, now()).unwrap_err().to_string();
        assert!(error.contains("a batch of messages"), "{error}");
        assert!(error.contains(says), "{error}");
    }
    assert!(taken(&[]).unwrap().is_empty());
}

#[test]
fn what_a_queue_does_not_say_is_not_known() {
    let mut record = record("a", None, &json!({}));
    record["attributes"]["ApproximateReceiveCount"] = json!("often");
    record["attributes"]["ApproximateFirstReceiveTimestamp"] = json!("long ago");
    let delivery = &taken(&[record]).unwrap()[0];
    assert_eq!(delivery.attempt, Attempt::Unknown);
    assert_eq!(delivery.attempt.number(), 1);
    assert_eq!(delivery.first_received, None);
}

#[test]
fn a_group_is_a_lane_and_all_else_has_one_each() {
    let (red, blue) = (Some("red"), Some("blue"));
    let messages = grouped(&[
        ("a", None),
        ("b", red),
        ("c", blue),
        ("d", None),
        ("e", red),
    ]);
    let all = lanes(messages);
    let ids = all.iter().map(|lane| {
        let ids = lane.iter().map(|delivery| delivery.id.as_str());
        ids.collect::<String>()
    });
    assert_eq!(ids.collect::<Vec<_>>(), ["a", "be", "c", "d"]);
    // Two queues may have groups of one name.
    let mut elsewhere = grouped(&[("a", red), ("b", red)]);
    elsewhere[1].source = "arn:other".into();
    assert_eq!(lanes(elsewhere).len(), 2);
}

/// Runs messages with these ids and groups. Whatever is called `x` fails. Gives
/// what happened, in order, and who failed.
async fn ran(messages: &[(&str, Option<&str>)]) -> (Vec<String>, Vec<String>) {
    let told = Mutex::new(Vec::new());
    let tell = |line: String| told.lock().unwrap().push(line);
    let receive = |delivery: Delivery| async move {
        tell(format!("{} begins", delivery.id));
        tokio::task::yield_now().await;
        tell(format!("{} ends", delivery.id));
        match delivery.id.starts_with('x') {
            true => Verdict::Again(Duration::from_secs(7)),
            false => Verdict::Acknowledge,
        }
    };
    let put_off = |stub: Stub, wait: Duration| async move {
        let (receipt, seconds) = (stub.receipt.unwrap(), wait.as_secs());
        assert_eq!(stub.source, "arn:q");
        tell(format!("{receipt}: {seconds}"));
    };
    let answer = run(grouped(messages), receive, put_off).await;
    let names = failed(&answer).into_iter().map(str::to_owned).collect();
    let told = std::mem::take(&mut *told.lock().unwrap());
    (told, names)
}

#[tokio::test]
async fn messages_of_no_group_run_at_once() {
    let (told, failed) = ran(&[("a", None), ("x", None), ("c", None)]).await;
    let begins = ["a begins", "x begins", "c begins"];
    assert_eq!(told[..3], begins);
    assert_eq!(failed, ["x"]);
    assert_eq!(told.last().unwrap(), "c ends");
    assert!(told.contains(&"receipt of x: 7".to_owned()), "{told:?}");
}

#[tokio::test]
async fn messages_of_a_group_run_in_its_order() {
    let red = Some("red");
    let (told, failed) = ran(&[("a", red), ("b", None), ("c", red)]).await;
    let lines = [
        "a begins", "b begins", "a ends", "c begins", "b ends", "c ends",
    ];
    assert_eq!(told, lines);
    assert!(failed.is_empty());
}

#[tokio::test]
async fn after_a_failure_the_rest_of_its_group_is_not_tried_and_has_failed() {
    let (red, blue) = (Some("red"), Some("blue"));
    let messages = [
        ("a", red),
        ("x", red),
        ("b", blue),
        ("c", red),
        ("d", None),
        ("e", red),
        ("f", blue),
    ];
    let (told, failed) = ran(&messages).await;
    assert_eq!(failed, ["x", "c", "e"]);
    for untried in ["c", "e"] {
        assert!(!told.contains(&format!("{untried} begins")), "{told:?}");
        // It is hidden no longer than what it waits for.
        assert!(
            told.contains(&format!("receipt of {untried}: 7")),
            "{told:?}"
        );
    }
    for done in ["a", "b", "d", "f"] {
        assert!(told.contains(&format!("{done} ends")), "{told:?}");
    }
}

#[test]
fn an_answer_names_the_failed_as_lambda_asks() {
    let failure = |id: &str| crate::intake::Failure {
        item_identifier: id.to_owned(),
    };
    let answer = Failures {
        batch_item_failures: vec![failure("a")],
    };
    let answer = serde_json::to_value(answer).unwrap();
    let expected = json!({ "batchItemFailures": [{ "itemIdentifier": "a" }] });
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn the_replay_mark_and_the_event_s_id_are_kept() {
    let mut event = declined();
    event["id"] = json!("6a7e8feb");
    let plain = delivery(&event, 1);
    assert_eq!(plain.event_id.as_deref(), Some("6a7e8feb"));
    assert_eq!(plain.replay, None);
    event["replay-name"] = json!("replay-1");
    let replayed = delivery(&event, 1);
    assert_eq!(replayed.replay.as_deref(), Some("replay-1"));
    assert_eq!(replayed.event_id.as_deref(), Some("6a7e8feb"));
    let Body::Fact(fact) = &replayed.body else {
        panic!("{replayed:?}")
    };
    assert_eq!(fact.metadata.kind, "PaymentDeclined");
    assert_eq!(fact.data.get(), event["detail"]["data"].to_string());
    // Also of what cannot be read.
    event["detail"]["metadata"] = json!(null);
    let torn = delivery(&event, 1);
    assert!(matches!(torn.body, Body::Unfit(_)), "{torn:?}");
    assert_eq!(torn.replay.as_deref(), Some("replay-1"));
    assert_eq!(torn.event_id.as_deref(), Some("6a7e8feb"));
    // A topic's archive says so beside the message, and names no replay.
    let mut again = record("a", Some("o-1"), &command("done", "known"));
    assert_eq!(taken(&[again.clone()]).unwrap()[0].replay, None);
    again["messageAttributes"] =
        json!({ "Replayed": { "stringValue": "true", "dataType": "String" } });
    assert!(taken(&[again]).unwrap()[0].replay.is_some());
    // What is no event has neither.
    let direct = delivery(&command("done", "known"), 1);
    assert!(matches!(direct.body, Body::Plain), "{direct:?}");
    assert_eq!((direct.replay, direct.event_id), (None, None));
}

#[tokio::test]
async fn a_fact_is_taken_with_nothing_around_it() {
    let wrapped = declined();
    let raw = delivery(&wrapped["detail"], 1);
    assert!(matches!(raw.body, Body::Fact(_)), "{raw:?}");
    assert_eq!((&raw.replay, &raw.event_id), (&None, &None));
    let (verdict, told, asked) = hand_over(raw).await;
    assert_eq!(
        (verdict, told),
        (Verdict::Acknowledge, vec!["publish e-1".to_owned()])
    );
    let (_, _, from_a_bus) = deliver(&wrapped, 1).await;
    assert_eq!(asked, from_a_bus);
}

#[tokio::test]
async fn the_name_of_a_fact_is_in_its_metadata() {
    let mut event = declined();
    event["detail-type"] = json!("CustomerActivated");
    let (_, told, asked) = deliver(&event, 1).await;
    assert_eq!((told.len(), asked.len()), (1, 1), "{told:?}");
    event["detail"]["metadata"]["type"] = json!("CustomerActivated");
    let (_, told, asked) = deliver(&event, 1).await;
    assert!(asked.is_empty(), "{told:?}");
}

#[tokio::test]
async fn what_a_bus_brings_is_never_a_command() {
    let command = command("done", "known");
    let event = json!({ "detail-type": "Act", "detail": command });
    let (verdict, told, asked) = deliver(&event, 1).await;
    assert_eq!(verdict, Verdict::Acknowledge);
    assert!(told.is_empty() && asked.is_empty(), "{told:?}");
    let torn = json!({ "detail-type": "Act", "detail": { "command": "Act", "metadata": command["metadata"] } });
    let (_, told, asked) = deliver(&torn, 1).await;
    assert!(asked.is_empty());
    assert_eq!(
        told,
        ["bury from arn:q: data does not fit a fact: missing field `data`"]
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_put_away_as_it_came() {
    let mut metadata = command("done", "known")["metadata"].clone();
    metadata["type"] = json!("PaymentDeclined");
    let event = |detail: Value| json!({ "version": "0", "id": "i", "detail-type": "PaymentDeclined", "detail": detail });
    let fact = "data does not fit a fact: ";
    for (body, why) in [
        (
            event(json!({ "metadata": metadata })),
            format!("{fact}missing field `data`"),
        ),
        (
            event(json!({ "data": {} })),
            format!("{fact}missing field `metadata`"),
        ),
        (
            event(json!("text")),
            format!("{fact}invalid type, expected metadata and data"),
        ),
        (
            event(json!({ "metadata": metadata, "data": {} })),
            "data does not fit PaymentDeclined: missing field `order` at line 1 column 2"
                .to_owned(),
        ),
        (
            json!({ "metadata": metadata }),
            format!("{fact}missing field `data`"),
        ),
        (
            json!({}),
            "data does not fit a command message: missing field `command`".to_owned(),
        ),
    ] {
        // With a space that no serialiser would put there.
        let text = format!(" {body}");
        let attempt = Attempt::Known(1);
        let (id, source) = ("d-1".to_owned(), "arn:q".to_owned());
        let delivery = sqs::delivery(id, source, text.clone(), attempt, None, now());
        let (service, wires) = (Obedient::default(), Notebook::default());
        let clock = Arc::new(now);
        let verdict = receive(&service, &wires, &clock, &Silent, delivery, pending()).await;
        assert_eq!(verdict, Verdict::Acknowledge);
        let told = wires.lines.lock().unwrap().clone();
        assert_eq!(told, [format!("bury from arn:q: {why}")]);
        assert_eq!(*wires.buried.lock().unwrap(), [text]);
    }
    let (_, told, _) = deliver(&json!("{\"a\": 1,\n nothing"), 1).await;
    assert_eq!(told, ["bury from arn:q: no JSON from line 2 column 2"]);
}
