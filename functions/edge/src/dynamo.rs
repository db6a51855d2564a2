//! The store port over DynamoDB: one table per service, `pk` and `sk` as keys,
//! a document's fields as attributes beside them, its version in `_version`.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, TransactWriteItem, Update};
use duet_core::store::{Body, Browse, CommitError, Expect, Item, Key, Store, StoreFault, Write};
use serde_json::Value;

use crate::sdk::told;

const PK: &str = "pk";
const SK: &str = "sk";
const VERSION: &str = "_version";

/// How often a transaction that met another one is sent again. Two orders for
/// one popular SKU collide without either being wrong.
const COLLISIONS: u32 = 12;

/// Most keys of one BatchGetItem.
const BATCH: usize = 100;

type Attributes = HashMap<String, AttributeValue>;

/// A table.
#[derive(Debug, Clone)]
pub struct Dynamo {
    client: Client,
    table: String,
}

impl Dynamo {
    /// The table called `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Item>, StoreFault> {
        let wanted: Vec<_> = keys.iter().map(attributes).collect();
        let mut open = KeysAndAttributes::builder()
            .consistent_read(true)
            .set_keys(Some(wanted))
            .build()
            .ok();
        let mut items = Vec::with_capacity(keys.len());
        for round in 0..COLLISIONS {
            let Some(request) = open.take() else {
                return Ok(items);
            };
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.table, request)
                .send()
                .await
                .map_err(|e| StoreFault(text(&e)))?;
            for found in answer.responses.unwrap_or_default().into_values().flatten() {
                items.push(item(found)?);
            }
            open = answer
                .unprocessed_keys
                .unwrap_or_default()
                .into_values()
                .next();
            if open.is_some() {
                pause(round).await;
            }
        }
        match open {
            None => Ok(items),
            Some(_) => Err(StoreFault("the table is too busy to read".to_owned())),
        }
    }
}

impl Store for Dynamo {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreFault> {
        let mut found = HashMap::with_capacity(keys.len());
        for chunk in keys.chunks(BATCH) {
            for item in self.get(chunk).await? {
                found.insert(item.key.clone(), item);
            }
        }
        Ok(keys.iter().map(|key| found.remove(key)).collect())
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let writes = writes
            .iter()
            .map(|write| self.write(write))
            .collect::<Result<Vec<_>, _>>()?;
        for round in 0..COLLISIONS {
            let sent = self
                .client
                .transact_write_items()
                .set_transact_items(Some(writes.clone()))
                .send()
                .await;
            match sent.map_err(|error| verdict(&error)) {
                Ok(_) => return Ok(()),
                Err(Refused::Collided) => pause(round).await,
                Err(Refused::Condition) => return Err(CommitError::Conflict),
                Err(Refused::Fault(why)) => return Err(CommitError::Fault(why)),
            }
        }
        Err(CommitError::Fault(
            "the documents are too busy to write".to_owned(),
        ))
    }
}

impl Browse for Dynamo {
    async fn partition(&self, pk: &str) -> Result<Vec<Item>, StoreFault> {
        let pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .into_paginator()
            .items()
            .send();
        collect(
            pages
                .collect::<Result<Vec<_>, _>>()
                .await
                .map_err(|e| StoreFault(text(&e)))?,
        )
    }

    async fn everything(&self) -> Result<Vec<Item>, StoreFault> {
        let pages = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        collect(
            pages
                .collect::<Result<Vec<_>, _>>()
                .await
                .map_err(|e| StoreFault(text(&e)))?,
        )
    }
}

impl Dynamo {
    fn write(&self, write: &Write) -> Result<TransactWriteItem, CommitError> {
        let built = match write {
            Write::Put { key, body, expect } => {
                let mut all: Attributes = serde_dynamo::to_item(body.value()).map_err(fault)?;
                all.extend(attributes(key));
                let next = if let Expect::Version(version) = expect {
                    version + 1
                } else {
                    1
                };
                all.insert(VERSION.to_owned(), number(next));
                let put = Put::builder().table_name(&self.table).set_item(Some(all));
                let put = match expect {
                    Expect::Anything => put,
                    Expect::Absent => put
                        .condition_expression("attribute_not_exists(#pk)")
                        .expression_attribute_names("#pk", PK),
                    Expect::Version(version) => put
                        .condition_expression("#version = :version")
                        .expression_attribute_names("#version", VERSION)
                        .expression_attribute_values(":version", number(*version)),
                };
                TransactWriteItem::builder().put(put.build().map_err(fault)?)
            }
            Write::Add { key, deltas } => {
                let mut update = Update::builder()
                    .table_name(&self.table)
                    .set_key(Some(attributes(key)));
                let mut sums = vec!["#version = #version + :one".to_owned()];
                let mut conditions = vec!["attribute_exists(#version)".to_owned()];
                for (n, (field, delta)) in deltas.iter().enumerate() {
                    sums.push(format!("#f{n} = #f{n} + :d{n}"));
                    update = update
                        .expression_attribute_names(format!("#f{n}"), *field)
                        .expression_attribute_values(
                            format!(":d{n}"),
                            AttributeValue::N(delta.to_string()),
                        );
                    if *delta < 0 {
                        conditions.push(format!("#f{n} >= :least{n}"));
                        let least = delta.unsigned_abs();
                        update =
                            update.expression_attribute_values(format!(":least{n}"), number(least));
                    }
                }
                let update = update
                    .expression_attribute_names("#version", VERSION)
                    .expression_attribute_values(":one", number(1))
                    .update_expression(format!("SET {}", sums.join(", ")))
                    .condition_expression(conditions.join(" AND "));
                TransactWriteItem::builder().update(update.build().map_err(fault)?)
            }
        };
        Ok(built.build())
    }
}

/// Why DynamoDB refused a transaction.
enum Refused {
    /// A condition did not hold.
    Condition,
    /// Another transaction was at the same documents.
    Collided,
    /// Anything else.
    Fault(String),
}

/// Reads the reasons of a cancelled transaction (TransactWriteItems API
/// reference, `CancellationReasons`): one code per write, `None` for the
/// innocent ones.
fn verdict(error: &SdkError<TransactWriteItemsError>) -> Refused {
    let codes: Vec<&str> = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => cancelled
            .cancellation_reasons()
            .iter()
            .filter_map(|reason| reason.code())
            .collect(),
        Some(other) if other.code() == Some("TransactionInProgressException") => {
            vec!["TransactionConflict"]
        }
        _ => Vec::new(),
    };
    // A condition that failed is final for this attempt, whoever else collided.
    if codes.contains(&"ConditionalCheckFailed") {
        Refused::Condition
    } else if codes.contains(&"TransactionConflict") {
        Refused::Collided
    } else {
        Refused::Fault(text(error))
    }
}

/// Waits up to 10 ms x 2^round, at most 320 ms: full jitter.
async fn pause(round: u32) {
    let most = 10 << round.min(5);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=most))).await;
}

fn attributes(key: &Key) -> Attributes {
    HashMap::from([
        (PK.to_owned(), AttributeValue::S(key.pk.clone())),
        (SK.to_owned(), AttributeValue::S(key.sk.clone())),
    ])
}

fn number(n: u64) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

fn collect(found: Vec<Attributes>) -> Result<Vec<Item>, StoreFault> {
    found.into_iter().map(item).collect()
}

fn item(mut found: Attributes) -> Result<Item, StoreFault> {
    let mut take = |name: &str| match found.remove(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => Ok(text),
        _ => Err(StoreFault(format!("a document without {name}"))),
    };
    let (pk, sk, version) = (take(PK)?, take(SK)?, take(VERSION)?);
    let version = version
        .parse()
        .map_err(|_| StoreFault(format!("a document without {VERSION}")))?;
    let body: Value = serde_dynamo::from_item(found).map_err(|e| StoreFault(e.to_string()))?;
    Ok(Item {
        key: Key { pk, sk },
        version,
        body: Body::of(&body),
    })
}

fn fault(error: impl std::fmt::Display) -> CommitError {
    CommitError::Fault(error.to_string())
}

fn text<E: ProvideErrorMetadata>(error: &SdkError<E>) -> String {
    format!("the table {}", told(error))
}
