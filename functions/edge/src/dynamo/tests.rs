//! What goes to DynamoDB, and what is made of its answers.

use std::collections::BTreeMap;
use std::time::Instant;

use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use duet_core::{Clock, SystemClock};
use serde_json::json;

use super::*;
use crate::sdk::host::{Answer, Host, credentials, error};

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

fn store(table: &Host, deadline: Deadline) -> Dynamo {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-north-1"))
        .credentials_provider(credentials())
        .http_client(table.client())
        .interceptor(deadline.clone());
    Dynamo::new(Client::from_conf(config.build()), "t".to_owned()).until(deadline)
}

async fn commit(table: &Host, writes: Vec<Write>) -> Result<(), CommitError> {
    store(table, Deadline::default()).commit(writes).await
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
        let table = Host::answering([fine()]);
        assert_eq!(commit(&table, writes.clone()).await, Ok(()));
        let asked = table.asked();
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
        let table = Host::answering([answer]);
        assert_eq!(commit(&table, writes).await, Err(CommitError::Conflict));
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
        let table = Host::answering(answers.into_iter().chain([fine()]));
        assert_eq!(commit(&table, writes).await, Ok(()));
        assert_eq!(table.operations().len(), 3);
    }
}

#[tokio::test]
async fn nothing_is_sent_again_after_the_deadline() {
    let table = Host::answering([cancelled(&["TransactionConflict", "None"])]);
    let deadline = Deadline::default();
    deadline.set(SystemClock.now() + Duration::from_millis(10));
    let writes = vec![put("a", Expect::Absent), add()];
    let refused = store(&table, deadline).commit(writes).await;
    let Err(CommitError::Fault(StoreFault::Transient(_))) = refused else {
        panic!("{refused:?}");
    };
    assert!(table.operations().len() <= 1);
}

#[tokio::test]
async fn a_call_that_hangs_ends_before_its_invocation() {
    let table = Host::answering([Answer::Hangs, Answer::Hangs, Answer::Hangs]);
    let deadline = Deadline::default();
    deadline.set(SystemClock.now() + Duration::from_millis(500));
    let began = Instant::now();
    let read = store(&table, deadline).load(&[Key::new("o-1", "a")]).await;
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
        let table = Host::answering([Answer::Nothing, in_the_way(document(there))]);
        assert_eq!(
            commit(&table, vec![put("a", Expect::Absent)]).await,
            outcome
        );
    }
    let table = Host::answering([Answer::Nothing, Answer::Says(500, json!({})), fine()]);
    assert_eq!(commit(&table, vec![put("a", Expect::Absent)]).await, Ok(()));
    let table = Host::answering([Answer::Nothing, Answer::Nothing, Answer::Nothing]);
    let refused = commit(&table, vec![put("a", Expect::Absent)]).await;
    assert!(matches!(
        refused,
        Err(CommitError::Fault(StoreFault::Transient(_)))
    ));
}

#[tokio::test]
async fn an_addition_is_never_sent_twice() {
    for silence in [Answer::Nothing, Answer::Says(503, json!({}))] {
        let table = Host::answering([silence]);
        let refused = commit(&table, vec![add()]).await;
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
        let table = Host::answering([answer]);
        assert_eq!(commit(&table, writes).await, Err(fault.into()));
    }
    let table = Host::answering([error("ResourceNotFoundException")]);
    let read = store(&table, Deadline::default())
        .load(&[Key::new("o-1", "a")])
        .await;
    let missing = StoreFault::misconfigured("the table answered ResourceNotFoundException");
    assert_eq!(read, Err(missing));
}

/// What a batch left, as DynamoDB says it.
fn left(keys: &[&str]) -> Value {
    let keys: Vec<_> = keys
        .iter()
        .map(|sk| json!({ "pk": { "S": "o-1" }, "sk": { "S": sk } }))
        .collect();
    json!({ "t": { "Keys": keys } })
}

fn other(sk: &str) -> Value {
    json!({ "pk": { "S": "o-1" }, "sk": { "S": sk }, "_version": { "N": "7" } })
}

#[tokio::test]
async fn what_a_read_left_out_is_asked_for_again_and_keys_are_answered_in_their_order() {
    let table = Host::answering([
        Answer::Says(
            200,
            json!({ "Responses": { "t": [other("c")] }, "UnprocessedKeys": left(&["a"]) }),
        ),
        Answer::Says(200, json!({ "Responses": { "t": [document(1)] } })),
    ]);
    let keys = ["a", "b", "c"].map(|sk| Key::new("o-1", sk));
    let read = store(&table, Deadline::default())
        .load(&keys)
        .await
        .unwrap();
    let versions: Vec<_> = read
        .iter()
        .map(|item| item.as_ref().map(|item| item.version))
        .collect();
    assert_eq!(versions, [Some(1), None, Some(7)]);
    let asked = table.asked();
    assert_eq!(asked[0].1["RequestItems"]["t"]["ConsistentRead"], true);
    let again = &asked[1].1["RequestItems"]["t"]["Keys"];
    assert_eq!((asked.len(), again), (2, &left(&["a"])["t"]["Keys"]));
}

#[tokio::test]
async fn more_keys_than_a_read_takes_are_several_reads() {
    let table = Host::answering([
        Answer::Says(200, json!({ "Responses": {} })),
        Answer::Says(200, json!({ "Responses": { "t": [document(1)] } })),
    ]);
    let mut keys: Vec<_> = (0..BATCH).map(|n| Key::new("o-1", n.to_string())).collect();
    keys.push(Key::new("o-1", "a"));
    let read = store(&table, Deadline::default())
        .load(&keys)
        .await
        .unwrap();
    assert!(read[BATCH].is_some() && read[..BATCH].iter().all(Option::is_none));
    let asked = table.asked();
    let many = |n: usize| {
        asked[n].1["RequestItems"]["t"]["Keys"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((asked.len(), many(0), many(1)), (2, BATCH, 1));
}

#[tokio::test]
async fn a_table_that_stays_busy_is_given_up_after_twelve_rounds() {
    let busy = || {
        Answer::Says(
            200,
            json!({ "Responses": {}, "UnprocessedKeys": left(&["a"]) }),
        )
    };
    let table = Host::answering((0..20).map(|_| busy()));
    let read = store(&table, Deadline::default())
        .load(&[Key::new("o-1", "a")])
        .await;
    let busy = StoreFault::transient("the table is too busy to read");
    assert_eq!((read, table.asked().len()), (Err(busy), 12));
}

#[tokio::test]
async fn an_index_and_a_partition_are_read_to_their_last_page() {
    let page = |sk: &str, next: Option<&str>| {
        let next = next.map(|sk| json!({ "pk": { "S": "o-1" }, "sk": { "S": sk } }));
        let mut page = json!({ "Items": [other(sk)], "Count": 1 });
        if let Some(next) = next {
            page["LastEvaluatedKey"] = next;
        }
        Answer::Says(200, page)
    };
    let pages = || Host::answering([page("a", Some("a")), page("b", None)]);
    let (a, b) = (Key::new("o-1", "a"), Key::new("o-1", "b"));

    let table = pages();
    let listed = store(&table, Deadline::default()).listed("open").await;
    assert_eq!(listed, Ok(vec![a.clone(), b.clone()]));
    let asked = table.asked();
    assert_eq!(
        (&*asked[1].0, &asked[1].1["IndexName"]),
        ("Scan", &json!("open"))
    );
    assert_eq!(
        asked[1].1["ExclusiveStartKey"],
        left(&["a"])["t"]["Keys"][0]
    );

    let keys = |items: Vec<Item>| items.into_iter().map(|item| item.key).collect::<Vec<_>>();
    let table = pages();
    let partition = store(&table, Deadline::default()).partition("o-1").await;
    assert_eq!(keys(partition.unwrap()), [a.clone(), b.clone()]);
    let asked = &table.asked()[0];
    assert_eq!(
        (&*asked.0, &asked.1["ConsistentRead"]),
        ("Query", &json!(true))
    );
    assert_eq!(
        asked.1["ExpressionAttributeValues"][":pk"],
        json!({ "S": "o-1" })
    );

    let table = pages();
    let all = store(&table, Deadline::default()).everything().await;
    assert_eq!(keys(all.unwrap()), [a.clone(), b]);
    assert_eq!(table.operations(), ["Scan", "Scan"]);

    let table = pages();
    let one = store(&table, Deadline::default())
        .page(&["said", "open"], None)
        .await;
    let one = one.unwrap();
    assert_eq!(
        (keys(one.items), one.next),
        (vec![a.clone()], Some(a.clone()))
    );
    let asked = &table.asked()[0].1;
    let filter = "attribute_exists(#a0) OR attribute_exists(#a1)";
    assert_eq!(asked["FilterExpression"], filter);
    assert_eq!(
        asked["ExpressionAttributeNames"],
        json!({ "#a0": "said", "#a1": "open" })
    );
    let next = store(&table, Deadline::default())
        .page(&["said"], Some(a))
        .await;
    assert_eq!(next.unwrap().next, None);
    assert_eq!(
        table.asked()[1].1["ExclusiveStartKey"],
        left(&["a"])["t"]["Keys"][0]
    );
}
