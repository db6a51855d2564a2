//! Where dead letters go, with queues behind SQS's API as far as they need it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::loopback::{Asked, Server, identity, stack};
use super::{OUTPUTS, at_aws, said};
use crate::harness::run;

#[derive(Default)]
struct State {
    /// By queue and id: a message, and whether it is held.
    letters: BTreeMap<(String, String), (Value, bool)>,
    sent: Vec<Value>,
    /// Whether a receive that does not wait sees nothing two times in five, as one
    /// that asks a few of a queue's servers.
    is_short: bool,
    receives: u32,
    let_go: Vec<usize>,
}

/// The queues of the stack `shop`.
#[derive(Clone, Default)]
struct Queues(Arc<Mutex<State>>);

impl Queues {
    /// Puts a message with these attributes into a queue.
    fn put(&self, queue: &str, id: &str, attributes: Value) {
        let attributes = attributes.as_object().unwrap().iter();
        let attributes: serde_json::Map<String, Value> = attributes
            .map(|(name, value)| {
                let attribute = json!({ "DataType": "String", "StringValue": value });
                (name.clone(), attribute)
            })
            .collect();
        let letter = json!({
            "MessageId": id, "ReceiptHandle": id, "Body": "{}",
            "Attributes": { "SentTimestamp": "1767225600000" }, "MessageAttributes": attributes,
        });
        let at = (queue.to_owned(), id.to_owned());
        self.0.lock().unwrap().letters.insert(at, (letter, false));
    }

    /// What was sent, in order.
    fn sent(&self) -> Vec<Value> {
        self.0.lock().unwrap().sent.clone()
    }

    /// The ids of the messages that anybody can receive.
    fn visible(&self, queue: &str) -> Vec<String> {
        let state = self.0.lock().unwrap();
        let all = state.letters.iter();
        let visible = all.filter(|((at, _), (_, held))| at == queue && !held);
        visible.map(|((_, id), _)| id.clone()).collect()
    }

    /// A server that has them, and the stack.
    fn served(&self) -> Server {
        let queues = self.clone();
        Server::start(move |asked| match asked.operation.as_str() {
            "GetCallerIdentity" => identity(),
            "DescribeStacks" => stack("shop", "CREATE_COMPLETE", &OUTPUTS),
            _ if asked.service == "sqs" => (200, queues.answer(asked).to_string()),
            other => panic!("nobody should ask for {other}"),
        })
    }

    fn answer(&self, asked: &Asked) -> Value {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        let word = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let at = (word("QueueUrl"), word("ReceiptHandle"));
        let state = &mut *self.0.lock().unwrap();
        match asked.operation.as_str() {
            "GetQueueAttributes" => {
                let all = state.letters.iter();
                let visible = all.filter(|((queue, _), (_, held))| *queue == at.0 && !held);
                json!({ "Attributes": { "ApproximateNumberOfMessages": visible.count().to_string() } })
            }
            "ReceiveMessage" => {
                state.receives += 1;
                let waits = body["WaitTimeSeconds"].as_i64().unwrap_or(0) > 0;
                if state.is_short && !waits && state.receives % 5 < 2 {
                    return json!({});
                }
                let mut received = Vec::new();
                for ((queue, _), (letter, held)) in &mut state.letters {
                    if *queue == at.0 && !*held && received.len() < 10 {
                        *held = true;
                        received.push(letter.clone());
                    }
                }
                json!({ "Messages": received })
            }
            "ChangeMessageVisibilityBatch" => {
                let entries = body["Entries"].as_array().unwrap();
                for entry in entries {
                    let one = entry["ReceiptHandle"].as_str().unwrap().to_owned();
                    if let Some((_, held)) = state.letters.get_mut(&(at.0.clone(), one)) {
                        *held = entry["VisibilityTimeout"] != 0;
                    }
                }
                state.let_go.push(entries.len());
                json!({ "Successful": [], "Failed": [] })
            }
            "SendMessage" => {
                state.sent.push(body);
                json!({ "MessageId": "m", "MD5OfMessageBody": "0" })
            }
            "DeleteMessage" => {
                state.letters.remove(&at);
                json!({})
            }
            other => panic!("nobody should ask SQS for {other}"),
        }
    }
}

const ELSEWHERE: [&str; 4] = [
    "arn:aws:sqs:eu-north-1:123456789012:payroll",
    "arn:aws:sqs:eu-north-1:999999999999:shop-order",
    "arn:aws:lambda:eu-north-1:123456789012:shop-order",
    "shop-order",
];

#[test]
fn a_letter_goes_to_a_queue_of_this_stack_or_nowhere() {
    let queues = Queues::default();
    let undelivered = "http://sqs.test/123456789012/shop-undelivered";
    // Where the bus, and where a service, would say it: anybody can.
    let mut away = Vec::new();
    for attribute in ["TARGET_ARN", "duet.queue"] {
        for arn in ELSEWHERE {
            let id = format!("away-{}", away.len());
            queues.put(undelivered, &id, json!({ attribute: arn }));
            away.push(id);
        }
    }
    queues.put(
        undelivered,
        "ours",
        json!({
            "TARGET_ARN": "arn:aws:sqs:eu-north-1:123456789012:shop-order",
            "ERROR_CODE": "NO_PERMISSIONS",
            "RULE_ARN": "arn:aws:events:eu-north-1:123456789012:rule/shop-bus/r",
            "tenant": "north",
        }),
    );
    let server = queues.served();
    for dry_run in [true, false] {
        let mut command = at_aws(&[
            "dlq",
            "redrive",
            "--output",
            "json",
            "--endpoint",
            &server.url,
        ]);
        if dry_run {
            command.arg("--dry-run");
        }
        let (code, found, told) = said(&run(&mut command));
        assert_eq!(code, Some(1), "{told}");
        let found: Value = serde_json::from_str(&found).unwrap();
        let redriven: Vec<_> = found["redriven"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["id"])
            .collect();
        // What was sent is known by the id that it has there.
        assert_eq!(redriven, [if dry_run { "ours" } else { "m" }], "{found:#}");
        let kept = found["kept"].as_array().unwrap();
        assert_eq!(kept.len(), away.len(), "{found:#}");
        for (kept, arn) in kept.iter().zip(ELSEWHERE.into_iter().cycle()) {
            assert_eq!(kept["stranger"], arn);
            let why =
                format!("it says that it was going to {arn}, which is no queue of this stack");
            assert_eq!(kept["why"], why.as_str());
        }
        assert_eq!(queues.sent().len(), usize::from(!dry_run));
    }
    let sent = queues.sent();
    assert_eq!(
        sent[0]["QueueUrl"],
        "http://sqs.test/123456789012/shop-order"
    );
    // Its own attributes go with it, what the bus said about it does not.
    let attributes = sent[0]["MessageAttributes"].as_object().unwrap();
    assert_eq!(attributes.keys().collect::<Vec<_>>(), ["tenant"]);
    // What was refused lies where it was, and can be seen.
    assert_eq!(queues.visible(undelivered), away);
}

#[test]
fn fifty_letters_are_found_though_receives_fall_short() {
    let queues = Queues::default();
    let undelivered = "http://sqs.test/123456789012/shop-undelivered";
    for n in 0..50 {
        let home = "arn:aws:sqs:eu-north-1:123456789012:shop-order";
        queues.put(
            undelivered,
            &format!("l-{n:02}"),
            json!({ "TARGET_ARN": home }),
        );
    }
    queues.0.lock().unwrap().is_short = true;
    let server = queues.served();
    let args = [
        "dlq",
        "redrive",
        "--dry-run",
        "--output",
        "json",
        "--endpoint",
    ];
    let (code, found, told) = said(&run(&mut at_aws(&[&args[..], &[&server.url]].concat())));
    assert_eq!(code, Some(0), "{told}");
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["redriven"].as_array().unwrap().len(), 50);
    // They are let go ten at a time, and lie there as before.
    assert_eq!(queues.0.lock().unwrap().let_go, [10; 5]);
    assert_eq!(queues.visible(undelivered).len(), 50);
}
