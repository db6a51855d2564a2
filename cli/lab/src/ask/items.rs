//! `dynamodb:getItem`, `putItem`, `updateItem` and `deleteItem`.
//!
//! The lab's tables keep documents under `pk` and `sk`, as JSON (see [`super::values`]).

use duet_core::store::{Body, Expect, Key, Write};
use serde_json::{Map, Value, json};

use super::expression::{Placeholders, holds, project, update};
use super::values::{Item, PK, SK, item, kept, key};
use super::{Answer, Asked, Refusal, Verb};
use crate::fault::{Aim, Fault};
use crate::lab::Lab;
use crate::meter::{read_units, too_large, write_units};
use crate::ports::Table;

const NAMES: &str = "ExpressionAttributeNames";
const VALUES: &str = "ExpressionAttributeValues";

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::plain("ValidationException", message)
}

fn is_null(member: &str) -> Refusal {
    invalid(format!(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
    ))
}

impl Lab {
    pub(super) fn ask_get(&mut self, asked: &Asked) -> Answer {
        self.get(asked).or_else(|refusal| asked.refuse(refusal))
    }

    fn get(&mut self, asked: &Asked) -> Result<Value, Refusal> {
        let table = self.asked_table(asked)?;
        let key = asked.key()?;
        let found = table.at(&key);
        let found = [found];
        self.host.lock().meters.of(asked.owner).read_units += read_units(&found);
        let [found] = found;
        let mut answer = json!({});
        if let Some(found) = found {
            let whole = item(&key, &found.body.value());
            let part = match asked.arguments["ProjectionExpression"].as_str() {
                Some(text) => project(text, asked.placeholders(), &whole).map_err(invalid)?,
                None => whole,
            };
            answer["Item"] = Value::Object(part);
        }
        Ok(asked.answer(answer))
    }

    pub(super) fn ask_write(&mut self, asked: &Asked) -> Answer {
        self.write(asked).or_else(|refusal| asked.refuse(refusal))
    }

    fn write(&mut self, asked: &Asked) -> Result<Value, Refusal> {
        let table = self.asked_table(asked)?;
        let put = match asked.call.action {
            Verb::PutItem => Some(asked.given("Item")?),
            _ => None,
        };
        let key = match put {
            Some(item) => self::key(item).map_err(invalid)?,
            None => asked.key()?,
        };
        let before = table.at(&key).map(|it| item(&key, &it.body.value()));
        let seen = before.clone().unwrap_or_default();
        if let Some(text) = asked.arguments["ConditionExpression"].as_str()
            && !holds(text, asked.placeholders(), &seen).map_err(invalid)?
        {
            let message = "The conditional request failed";
            let name = "ConditionalCheckFailedException";
            return Err(Refusal::named(name, name, message));
        }
        let mut named = Vec::new();
        let after = match (asked.call.action, put) {
            (Verb::DeleteItem, _) => None,
            (_, Some(item)) => Some(item.clone()),
            _ => {
                let mut item = match before.clone() {
                    Some(item) => item,
                    None => item(&key, &json!({})),
                };
                if let Some(text) = asked.arguments["UpdateExpression"].as_str() {
                    named = update(text, asked.placeholders(), &mut item).map_err(invalid)?;
                }
                if let Some(part) = named.iter().find(|name| [PK, SK].contains(&name.as_str())) {
                    return Err(invalid(format!(
                        "One or more parameter values were invalid: Cannot update attribute {part}. This attribute is part of the key"
                    )));
                }
                Some(item)
            }
        };
        let units = keep(&table, &key, after.as_ref())?;
        self.host.lock().meters.of(asked.owner).write_units += units;
        Ok(asked.answer(asked.returned(before, after, &named)))
    }

    /// The table that a call names; now and then it does not answer.
    fn asked_table(&self, asked: &Asked) -> Result<Table, Refusal> {
        let name = asked.arguments["TableName"].as_str();
        let name = name.ok_or_else(|| is_null("tableName"))?;
        // An ARN names a table, too.
        let name = name.rsplit("table/").next().unwrap_or(name);
        let Some(table) = self.tables.get(name) else {
            return Err(Refusal::named(
                "ResourceNotFoundException",
                "ResourceNotFoundException",
                "Requested resource not found",
            ));
        };
        let aim = Aim {
            service: "",
            step: &asked.step,
            ident: asked.ident,
            about: &[asked.owner],
        };
        match self.host.lock().faults.strikes(Fault::StoreFault, aim) {
            true => Err(Refusal {
                status: 500,
                ..Refusal::named(
                    "InternalServerErrorException",
                    "InternalServerError",
                    "Internal server error",
                )
            }),
            false => Ok(table.clone()),
        }
    }
}

/// Keeps `item`, or takes it away. Gives the write units that it takes.
fn keep(table: &Table, key: &Key, item: Option<&Item>) -> Result<u64, Refusal> {
    let Some(item) = item else {
        return Ok(1 + table.set(key.clone(), None));
    };
    let attributes = item
        .iter()
        .filter(|(name, _)| ![PK, SK].contains(&name.as_str()));
    let attributes = attributes.map(|(name, it)| Ok((name.clone(), kept(it)?)));
    let attributes: Map<String, Value> =
        attributes.collect::<Result<_, String>>().map_err(invalid)?;
    let body = Body::of(&attributes);
    let write = Write::Put {
        key: key.clone(),
        body: body.clone(),
        expect: Expect::Anything,
    };
    if too_large(&write) {
        return Err(invalid("Item size has exceeded the maximum allowed size"));
    }
    Ok(write_units(&[write]) + table.set(key.clone(), Some(body)))
}

impl Asked {
    fn placeholders(&self) -> Placeholders<'_> {
        Placeholders {
            names: &self.arguments[NAMES],
            values: &self.arguments[VALUES],
        }
    }

    fn given(&self, member: &str) -> Result<&Item, Refusal> {
        let lower = member.to_lowercase();
        self.arguments[member]
            .as_object()
            .ok_or_else(|| is_null(&lower))
    }

    /// `Key`: the two keys, and nothing else.
    fn key(&self) -> Result<Key, Refusal> {
        let given = self.given("Key")?;
        match (key(given), given.len()) {
            (Ok(key), 2) => Ok(key),
            _ => Err(invalid(
                "The provided key element does not match the schema",
            )),
        }
    }

    /// What `ReturnValues` asks for.
    fn returned(&self, before: Option<Item>, after: Option<Item>, named: &[String]) -> Value {
        let of = |item: Option<Item>| item.map(Value::Object);
        let part = |item: Option<Item>| {
            let all = item.into_iter().flatten();
            let part: Item = all.filter(|(name, _)| named.contains(name)).collect();
            (!part.is_empty()).then_some(Value::Object(part))
        };
        let attributes = match self.arguments["ReturnValues"].as_str() {
            Some("ALL_OLD") => of(before),
            Some("ALL_NEW") => of(after),
            Some("UPDATED_OLD") => part(before),
            Some("UPDATED_NEW") => part(after),
            _ => None,
        };
        match attributes {
            Some(attributes) => json!({ "Attributes": attributes }),
            None => json!({}),
        }
    }
}
