//! The store port over DynamoDB: one table per service, `pk` and `sk` as keys,
//! a document's fields as attributes beside them, its version in `_version`.

mod refused;

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{Builder, Config};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};
use duet_core::store::{
    Body, Browse, CommitError, Expect, Item, Key, Listing, Page, Pages, Store, StoreFault, Write,
};
use serde_json::Value;

use self::refused::{Refused, cancelled_for, refused};
use crate::sdk::{self, Deadline};

const PK: &str = "pk";
const SK: &str = "sk";
const VERSION: &str = "_version";

/// How often what met somebody else's write, or was throttled, is sent again.
/// Two orders for one popular SKU collide without either being wrong.
const ROUNDS: u32 = 12;

/// How often a document is sent that no answer comes to.
const UNHEARD: u32 = 3;

/// Most keys of one BatchGetItem.
const BATCH: usize = 100;

type Attributes = HashMap<String, AttributeValue>;

/// A table.
#[derive(Debug, Clone)]
pub struct Dynamo {
    client: Client,
    table: String,
    deadline: Deadline,
}

impl Dynamo {
    /// The table called `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        let deadline = Deadline::default();
        Self {
            client,
            table,
            deadline,
        }
    }

    /// … on which nothing is tried again after `deadline`.
    #[must_use]
    pub fn until(self, deadline: Deadline) -> Self {
        Self { deadline, ..self }
    }

    /// Waits before the next round: up to 10 ms x 2^round, at most 320 ms, full
    /// jitter. `false` when there is no time for another.
    async fn pause(&self, round: u32) -> bool {
        let most = Duration::from_millis(10 << round.min(5));
        round + 1 < ROUNDS && self.deadline.pause(most).await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Item>, StoreFault> {
        let wanted: Vec<_> = keys.iter().map(attributes).collect();
        let mut open = KeysAndAttributes::builder()
            .consistent_read(true)
            .set_keys(Some(wanted))
            .build()
            .ok();
        let mut items = Vec::with_capacity(keys.len());
        for round in 0.. {
            let Some(request) = open.take() else {
                break;
            };
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.table, request)
                .send()
                .await
                .map_err(|e| fault(&e))?;
            for found in answer.responses.unwrap_or_default().into_values().flatten() {
                items.push(item(found)?);
            }
            open = answer
                .unprocessed_keys
                .unwrap_or_default()
                .into_values()
                .next();
            if open.is_some() && !self.pause(round).await {
                return Err(StoreFault::transient("the table is too busy to read"));
            }
        }
        Ok(items)
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

    /// One write goes alone, on its condition; several go as a transaction,
    /// which takes twice the write units.
    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let writes = writes
            .iter()
            .map(|write| self.write(write))
            .collect::<Result<Vec<_>, _>>()?;
        let mut unheard = 0;
        for round in 0.. {
            let sent = match writes.as_slice() {
                [One::Put(put)] => self.put(put.clone(), unheard > 0).await,
                [One::Update(update)] => self.update(update.clone()).await,
                _ => self.transact(&writes).await,
            };
            let why = match sent {
                Ok(()) => break,
                Err(Refused::Condition) => return Err(CommitError::Conflict),
                Err(Refused::Failed(failure)) => return Err(StoreFault::from(failure).into()),
                Err(Refused::Now(why)) => why,
                Err(Refused::Unheard(why)) => {
                    unheard += 1;
                    if unheard == UNHEARD || !matches!(writes.as_slice(), [One::Put(_)]) {
                        return Err(StoreFault::transient(why).into());
                    }
                    why
                }
            };
            if !self.pause(round).await {
                return Err(StoreFault::transient(why).into());
            }
        }
        Ok(())
    }
}

/// Everything that is in a sparse index is wanted, so it is scanned: a query would
/// need one key for all of it, and one key is one partition, which takes 1,000
/// writes a second (DynamoDB developer guide, "Designing partition keys").
impl Listing for Dynamo {
    async fn listed(&self, index: &'static str) -> Result<Vec<Key>, StoreFault> {
        let mut found = self
            .client
            .scan()
            .table_name(&self.table)
            .index_name(index)
            .into_paginator()
            .items()
            .send();
        let mut keys = Vec::new();
        while let Some(item) = found.next().await {
            keys.push(key(&mut item.map_err(|e| fault(&e))?)?);
        }
        Ok(keys)
    }
}

/// The filter spares what is sent, not what is read: a scan takes read units for
/// all of the table (DynamoDB developer guide, "Scanning tables").
impl Pages for Dynamo {
    async fn page(
        &self,
        having: &'static [&'static str],
        after: Option<Key>,
    ) -> Result<Page, StoreFault> {
        let names = having.iter().enumerate();
        let exist = names
            .clone()
            .map(|(n, _)| format!("attribute_exists(#a{n})"));
        let filter = exist.collect::<Vec<_>>().join(" OR ");
        let names = names.map(|(n, name)| (format!("#a{n}"), (*name).to_owned()));
        let mut answer = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression(filter)
            .set_expression_attribute_names(Some(names.collect()))
            .set_exclusive_start_key(after.as_ref().map(attributes))
            .send()
            .await
            .map_err(|e| fault(&e))?;
        let items = answer.items.unwrap_or_default().into_iter().map(item);
        let next = answer.last_evaluated_key.as_mut().map(key).transpose()?;
        Ok(Page {
            items: items.collect::<Result<_, _>>()?,
            next,
        })
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
                .map_err(|e| fault(&e))?,
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
                .map_err(|e| fault(&e))?,
        )
    }
}

/// A write, as DynamoDB takes it.
#[derive(Debug, Clone)]
enum One {
    Put(Put),
    Update(Update),
}

impl Dynamo {
    fn write(&self, write: &Write) -> Result<One, StoreFault> {
        match write {
            Write::Put { key, body, expect } => {
                let mut all: Attributes = serde_dynamo::to_item(body.value()).map_err(unfit)?;
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
                put.build().map(One::Put).map_err(unfit)
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
                update.build().map(One::Update).map_err(unfit)
            }
        }
    }

    /// A whole document. If an earlier try was `unheard`, it may have arrived all
    /// the same: then what is in the way of this one is this very document.
    async fn put(&self, put: Put, unheard: bool) -> Result<(), Refused> {
        let document = put.item.clone();
        let sent = self
            .client
            .put_item()
            .table_name(put.table_name)
            .set_item(Some(put.item))
            .set_condition_expression(put.condition_expression)
            .set_expression_attribute_names(put.expression_attribute_names)
            .set_expression_attribute_values(put.expression_attribute_values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .customize()
            .config_override(once())
            .send()
            .await;
        let Err(error) = sent else { return Ok(()) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(there))
                if unheard && there.item() == Some(&document) =>
            {
                Ok(())
            }
            _ => Err(refused(&error)),
        }
    }

    /// An addition. It is sent once: no answer would tell whether an earlier try
    /// arrived, and two would count twice.
    async fn update(&self, update: Update) -> Result<(), Refused> {
        let sent = self
            .client
            .update_item()
            .table_name(update.table_name)
            .set_key(Some(update.key))
            .update_expression(update.update_expression)
            .set_condition_expression(update.condition_expression)
            .set_expression_attribute_names(update.expression_attribute_names)
            .set_expression_attribute_values(update.expression_attribute_values)
            .customize()
            .config_override(once())
            .send()
            .await;
        sent.map(drop).map_err(|error| refused(&error))
    }

    /// Several writes: all or none. The client gives them a token, under which
    /// sending twice is sending once.
    async fn transact(&self, writes: &[One]) -> Result<(), Refused> {
        let item = |write: &One| {
            let item = TransactWriteItem::builder();
            match write.clone() {
                One::Put(put) => item.put(put),
                One::Update(update) => item.update(update),
            }
            .build()
        };
        let sent = self
            .client
            .transact_write_items()
            .set_transact_items(Some(writes.iter().map(item).collect()))
            .send()
            .await;
        let Err(error) = sent else { return Ok(()) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let reasons = cancelled.cancellation_reasons().iter();
                Err(cancelled_for(reasons.filter_map(|reason| reason.code())))
            }
            _ => Err(refused(&error)),
        }
    }
}

/// A single write is not repeated by the client, which could not tell whether
/// the first one arrived.
fn once() -> Builder {
    Config::builder().retry_config(RetryConfig::disabled())
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
    let (key, version) = (key(&mut found)?, take(&mut found, VERSION)?);
    let version = version.parse().map_err(|_| unreadable(VERSION))?;
    let body: Value = serde_dynamo::from_item(found).map_err(unfit)?;
    Ok(Item {
        key,
        version,
        body: Body::of(&body),
    })
}

fn key(found: &mut Attributes) -> Result<Key, StoreFault> {
    Ok(Key {
        pk: take(found, PK)?,
        sk: take(found, SK)?,
    })
}

fn take(found: &mut Attributes, name: &str) -> Result<String, StoreFault> {
    match found.remove(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => Ok(text),
        _ => Err(unreadable(name)),
    }
}

fn unreadable(what: &str) -> StoreFault {
    StoreFault::invalid(format!("a document without {what}"))
}

/// What is no document, or cannot be made one: a bug.
fn unfit(error: impl std::fmt::Display) -> StoreFault {
    StoreFault::invalid(error)
}

fn fault<E: ProvideErrorMetadata>(error: &SdkError<E>) -> StoreFault {
    sdk::failure("the table", error).into()
}

#[cfg(test)]
mod tests;
