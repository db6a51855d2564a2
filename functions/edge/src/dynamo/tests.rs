//! What goes to DynamoDB, and what is made of its answers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use duet_core::{Clock, SystemClock};
use serde_json::json;

use super::*;

/// How the table answers a call.
enum Answer {
    Says(u16, Value),
    /// The call may have arrived; nothing comes back.
    Nothing,
    /// Nor does the connection end.
    Hangs,
}

fn error(code: &str) -> Answer {
    Answer::Says(
        400,
        json!({ "__type": format!("com.amazonaws.dynamodb#{code}") }),
    )
}

fn cancelled(codes: &[&str]) -> Answer {
    let reasons: Vec<_> = codes.iter().map(|code| json!({ "Code": code })).collect();
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    Answer::Says(
        400,
        json!({ "__type": kind, "CancellationReasons": reasons }),
    )
}

fn fine() -> Answer {
    Answer::Says(200, json!({}))
}

/// A table that gives its answers in turn, and remembers what it was asked.
#[derive(Clone, Default)]
struct Table {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Table")
    }
}

impl HttpConnector for Table {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap().to_owned();
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        self.asked.lock().unwrap().push((operation, body));
        match self.answers.lock().unwrap().pop_front() {
            Some(Answer::Says(status, body)) => {
                let status = status.try_into().unwrap();
                let body = SdkBody::from(body.to_string());
                HttpConnectorFuture::ready(Ok(HttpResponse::new(status, body)))
            }
            Some(Answer::Hangs) => HttpConnectorFuture::new(std::future::pending()),
            Some(Answer::Nothing) => {
                HttpConnectorFuture::ready(Err(ConnectorError::io("reset".into())))
            }
            None => panic!("nobody expects this call"),
        }
    }
}

impl Table {
    fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        let asked = Arc::default();
        Self { answers, asked }
    }

    fn store(&self, deadline: Deadline) -> Dynamo {
        let connector = SharedHttpConnector::new(self.clone());
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-north-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .interceptor(deadline.clone());
        Dynamo::new(Client::from_conf(config.build()), "t".to_owned()).until(deadline)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        self.store(Deadline::default()).commit(writes).await
    }

    fn operations(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .map(|(operation, _)| operation.clone())
            .collect()
    }
}

fn put(sk: &str, expect: Expect) -> Write {
    Write::put(Key::new("o-1", sk), &json!({ "n": 1, "word": "x" }), expect)
}

fn add() -> Write {
    Write::Add {
        key: Key::new("sku", "stock"),
        deltas: BTreeMap::from([("available", -2), ("reserved", 2)]),
    }
}

/// The document that `put` writes first, as DynamoDB has it.
fn document(n: u32) -> Value {
    json!({
        "pk": { "S": "o-1" }, "sk": { "S": "a" }, "_version": { "N": "1" },
        "n": { "N": n.to_string() }, "word": { "S": "x" },
    })
}

fn in_the_way(document: Value) -> Answer {
    let kind = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
    Answer::Says(400, json!({ "__type": kind, "Item": document }))
}

#[tokio::test]
async fn only_several_writes_are_a_transaction() {
    for (writes, operation) in [
        (vec![put("a", Expect::Absent)], "PutItem"),
        (vec![put("a", Expect::Version(3))], "PutItem"),
        (vec![add()], "UpdateItem"),
        (vec![put("a", Expect::Absent), add()], "TransactWriteItems"),
    ] {
        let table = Table::answering([fine()]);
        assert_eq!(table.commit(writes.clone()).await, Ok(()));
        let asked = table.asked.lock().unwrap().clone();
        assert_eq!((asked.len(), asked[0].0.as_str()), (1, operation));
        let request = &asked[0].1;
        match writes.as_slice() {
            [
                Write::Put {
                    expect: Expect::Absent,
                    ..
                },
            ] => {
                assert_eq!(request["Item"], document(1));
                assert_eq!(request["ConditionExpression"], "attribute_not_exists(#pk)");
            }
            [Write::Put { .. }] => {
                assert_eq!(request["Item"]["_version"], json!({ "N": "4" }));
                assert_eq!(request["ConditionExpression"], "#version = :version");
                assert_eq!(
                    request["ExpressionAttributeValues"][":version"],
                    json!({ "N": "3" })
                );
            }
            [Write::Add { .. }] => {
                assert_eq!(
                    request["ConditionExpression"],
                    "attribute_exists(#version) AND #f0 >= :least0"
                );
                assert_eq!(
                    request["Key"],
                    json!({ "pk": { "S": "sku" }, "sk": { "S": "stock" } })
                );
            }
            _ => assert_eq!(request["TransactItems"].as_array().unwrap().len(), 2),
        }
    }
}

#[tokio::test]
async fn a_condition_that_fails_is_a_conflict_at_once() {
    for (writes, answer) in [
        (vec![put("a", Expect::Absent)], in_the_way(document(2))),
        // Not ours, for nothing of ours went unheard.
        (vec![put("a", Expect::Absent)], in_the_way(document(1))),
        (vec![add()], error("ConditionalCheckFailedException")),
        (
            vec![put("a", Expect::Absent), add()],
            cancelled(&["ConditionalCheckFailed", "TransactionConflict"]),
        ),
    ] {
        let table = Table::answering([answer]);
        assert_eq!(table.commit(writes).await, Err(CommitError::Conflict));
    }
}

#[tokio::test]
async fn collisions_and_throttles_are_sent_again() {
    let two = || vec![put("a", Expect::Absent), add()];
    for (writes, answers) in [
        (
            vec![put("a", Expect::Absent)],
            [
                error("TransactionConflictException"),
                error("ThrottlingException"),
            ],
        ),
        (
            vec![add()],
            [
                error("ProvisionedThroughputExceededException"),
                error("TransactionConflictException"),
            ],
        ),
        (
            two(),
            [
                cancelled(&["None", "TransactionConflict"]),
                cancelled(&["ThrottlingError", "None"]),
            ],
        ),
        (
            two(),
            [
                cancelled(&["ProvisionedThroughputExceeded", "None"]),
                cancelled(&["None", "None"]),
            ],
        ),
    ] {
        let table = Table::answering(answers.into_iter().chain([fine()]));
        assert_eq!(table.commit(writes).await, Ok(()));
        assert_eq!(table.operations().len(), 3);
    }
}

#[tokio::test]
async fn nothing_is_sent_again_after_the_deadline() {
    let table = Table::answering([cancelled(&["TransactionConflict", "None"])]);
    let deadline = Deadline::default();
    deadline.set(SystemClock.now() + Duration::from_millis(10));
    let writes = vec![put("a", Expect::Absent), add()];
    let refused = table.store(deadline).commit(writes).await;
    let Err(CommitError::Fault(StoreFault::Transient(_))) = refused else {
        panic!("{refused:?}");
    };
    assert!(table.operations().len() <= 1);
}

#[tokio::test]
async fn a_call_that_hangs_ends_before_its_invocation() {
    let table = Table::answering([Answer::Hangs, Answer::Hangs, Answer::Hangs]);
    let deadline = Deadline::default();
    deadline.set(SystemClock.now() + Duration::from_millis(500));
    let began = Instant::now();
    let read = table.store(deadline).load(&[Key::new("o-1", "a")]).await;
    assert!(
        began.elapsed() < Duration::from_millis(480),
        "{:?}",
        began.elapsed()
    );
    let silence = StoreFault::transient("the table did not answer in time");
    assert_eq!(read, Err(silence));
}

#[tokio::test]
async fn a_document_that_arrived_unheard_counts_as_written() {
    for (there, outcome) in [(1, Ok(())), (2, Err(CommitError::Conflict))] {
        let table = Table::answering([Answer::Nothing, in_the_way(document(there))]);
        assert_eq!(table.commit(vec![put("a", Expect::Absent)]).await, outcome);
    }
    let table = Table::answering([Answer::Nothing, Answer::Says(500, json!({})), fine()]);
    assert_eq!(table.commit(vec![put("a", Expect::Absent)]).await, Ok(()));
    let table = Table::answering([Answer::Nothing, Answer::Nothing, Answer::Nothing]);
    let refused = table.commit(vec![put("a", Expect::Absent)]).await;
    assert!(matches!(
        refused,
        Err(CommitError::Fault(StoreFault::Transient(_)))
    ));
}

#[tokio::test]
async fn an_addition_is_never_sent_twice() {
    for silence in [Answer::Nothing, Answer::Says(503, json!({}))] {
        let table = Table::answering([silence]);
        let refused = table.commit(vec![add()]).await;
        assert!(matches!(
            refused,
            Err(CommitError::Fault(StoreFault::Transient(_)))
        ));
        assert_eq!(table.operations(), ["UpdateItem"]);
    }
}

#[tokio::test]
async fn what_never_can_be_written_is_told_apart_from_what_somebody_can_mend() {
    let two = || vec![put("a", Expect::Absent), add()];
    for (writes, answer, fault) in [
        (
            vec![put("a", Expect::Absent)],
            error("ValidationException"),
            StoreFault::invalid("the table answered ValidationException"),
        ),
        (
            two(),
            cancelled(&["None", "ValidationError"]),
            StoreFault::invalid("the table answered ValidationError"),
        ),
        (
            two(),
            cancelled(&["TransactionConflict", "ItemCollectionSizeLimitExceeded"]),
            StoreFault::invalid("the table answered ItemCollectionSizeLimitExceeded"),
        ),
        (
            two(),
            error("ResourceNotFoundException"),
            StoreFault::misconfigured("the table answered ResourceNotFoundException"),
        ),
        (
            vec![add()],
            error("AccessDeniedException"),
            StoreFault::misconfigured("the table answered AccessDeniedException"),
        ),
    ] {
        let table = Table::answering([answer]);
        assert_eq!(table.commit(writes).await, Err(fault.into()));
    }
    let table = Table::answering([error("ResourceNotFoundException")]);
    let read = table
        .store(Deadline::default())
        .load(&[Key::new("o-1", "a")])
        .await;
    let missing = StoreFault::misconfigured("the table answered ResourceNotFoundException");
    assert_eq!(read, Err(missing));
}
