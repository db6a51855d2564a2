//! Queues behind SQS's API, as far as dead letters need it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::loopback::{Asked, Server, identity, stack};

#[derive(Default)]
struct State {
    /// By queue and id: a message, and whether it is held.
    letters: BTreeMap<(String, String), (Value, bool)>,
    sent: Vec<Value>,
}

/// The queues of the stack `shop`.
#[derive(Clone, Default)]
pub(super) struct Queues(Arc<Mutex<State>>);

impl Queues {
    /// Puts a message with these attributes into a queue.
    pub(super) fn put(&self, queue: &str, id: &str, attributes: Value) {
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
    pub(super) fn sent(&self) -> Vec<Value> {
        self.0.lock().unwrap().sent.clone()
    }

    /// The ids of the messages that anybody can receive.
    pub(super) fn visible(&self, queue: &str) -> Vec<String> {
        let state = self.0.lock().unwrap();
        let all = state.letters.iter();
        let visible = all.filter(|((at, _), (_, held))| at == queue && !held);
        visible.map(|((_, id), _)| id.clone()).collect()
    }

    /// A server that has them, and the stack.
    pub(super) fn served(&self) -> Server {
        let queues = self.clone();
        Server::start(move |asked| match asked.operation.as_str() {
            "GetCallerIdentity" => identity(),
            "DescribeStacks" => stack("shop", "CREATE_COMPLETE", &super::OUTPUTS),
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
            "ReceiveMessage" => {
                let mut received = Vec::new();
                for ((queue, _), (letter, held)) in &mut state.letters {
                    if *queue == at.0 && !*held && received.len() < 10 {
                        *held = true;
                        received.push(letter.clone());
                    }
                }
                json!({ "Messages": received })
            }
            "ChangeMessageVisibility" => {
                if let Some((_, held)) = state.letters.get_mut(&at) {
                    *held = body["VisibilityTimeout"] != 0;
                }
                json!({})
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
