//! `sqs:sendMessage`, `sns:publish` and `events:putEvents`.

use duet_asl::TaskError;
use duet_edge::carry::EVENTBRIDGE;
use md5::{Digest as _, Md5};
use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};

use super::{Answer, Asked, Refusal, malformed};
use crate::fault::{Aim, Fault};
use crate::fifo::{Place, is_fifo};
use crate::host::Entry;
use crate::lab::Lab;
use crate::random::{mix, uuid};
use crate::sns::Published;
use crate::sqs::{Attributes, Sending, message_id, on_queue};

/// The longest delay of a message, in seconds (API_SendMessage).
const MAX_DELAY: u64 = 900;

/// A message attribute: its name, type and value.
type Attribute = (String, String, String);

impl Lab {
    pub(super) fn ask_queue(&mut self, asked: &Asked) -> Answer {
        let arguments = &asked.arguments;
        let url = asked.call.text(arguments, "QueueUrl")?.unwrap_or_default();
        let body = asked.call.text(arguments, "MessageBody")?;
        let Some(body) = body.filter(|body| !body.is_empty()) else {
            let message = "The request must contain the parameter MessageBody.";
            return asked.refuse(Refusal::plain("MissingParameter", message));
        };
        let queues = self.definitions.queues.iter();
        let mut queues = queues.enumerate().filter(|(_, it)| !it.gone);
        let Some((queue, _)) = queues.find(|(_, it)| it.url == url) else {
            return asked.refuse(Refusal::named(
                "QueueDoesNotExistException",
                "AWS.SimpleQueueService.NonExistentQueue",
                "The specified queue does not exist.",
            ));
        };
        let invalid = |name: &str, value: &Value, why: &str| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let message = format!("Value {value} for parameter {name} is invalid. Reason: {why}");
            asked.refuse(Refusal::plain("InvalidParameterValue", message))
        };
        let delay = match &arguments["DelaySeconds"] {
            Value::Null => None,
            given => match given.as_u64().filter(|seconds| *seconds <= MAX_DELAY) {
                Some(seconds) => Some(seconds as i64 * 1_000),
                None => {
                    let why = format!("DelaySeconds must be >= 0 and <= {MAX_DELAY}.");
                    return invalid("DelaySeconds", given, &why);
                }
            },
        };
        let in_order = is_fifo(&self.definitions.queues[queue].name);
        let place = match in_order {
            true => Some(place(
                asked,
                "MissingParameter",
                "The request must contain the parameter ",
            )?),
            // A standard queue takes a group since 2025, for fairness.
            false => None,
        };
        let deduplication = &arguments["MessageDeduplicationId"];
        if !in_order && !deduplication.is_null() {
            let why = "The request includes a parameter that is not valid for this queue type.";
            return invalid("MessageDeduplicationId", deduplication, why);
        }
        let attributes = attributes(&arguments["MessageAttributes"])?;
        let mut members = Map::new();
        members.insert(
            "MD5OfMessageBody".to_owned(),
            hex(&Md5::digest(&body)).into(),
        );
        if !attributes.is_empty() {
            let digest = digest_of(&attributes);
            members.insert("MD5OfMessageAttributes".to_owned(), digest.into());
        }
        let id = message_id(on_queue(asked.ident, queue));
        members.insert("MessageId".to_owned(), id.into());
        let carried = attributes.into_iter();
        let carried: Attributes = carried.map(|(name, _, it)| (name.into(), it)).collect();
        self.send(
            queue,
            Sending {
                body: body.into(),
                ident: asked.ident,
                owner: asked.owner,
                step: asked.step.clone(),
                delay,
                attributes: carried,
                place,
            },
        );
        Ok(asked.answer(Value::Object(members)))
    }

    pub(super) fn ask_topic(&mut self, asked: &Asked) -> Answer {
        let arguments = &asked.arguments;
        let topic = ["TopicArn", "TargetArn"].map(|name| arguments[name].as_str());
        let Some(topic) = topic.into_iter().flatten().next() else {
            let message =
                "Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter";
            return asked.refuse(Refusal::named(
                "InvalidParameterException",
                "InvalidParameter",
                message,
            ));
        };
        let body = asked.call.text(arguments, "Message")?;
        let Some(body) = body.filter(|body| !body.is_empty()) else {
            let message = "Invalid parameter: Empty message";
            return asked.refuse(Refusal::named(
                "InvalidParameterException",
                "InvalidParameter",
                message,
            ));
        };
        let attributes = attributes(&arguments["MessageAttributes"])?;
        let seen: Map<String, Value> = attributes
            .iter()
            .filter_map(|(name, kind, value)| Some((name.clone(), seen(kind, value)?)))
            .collect();
        let message = Published {
            body: body.into(),
            subject: asked.call.text(arguments, "Subject")?,
            attributes,
            place: match is_fifo(topic) {
                true => Some(place(
                    asked,
                    "InvalidParameter",
                    "Invalid parameter: there is no ",
                )?),
                false => None,
            },
        };
        let who = (asked.ident, asked.owner);
        if !self.publish_one(topic, message, &Value::Object(seen), who) {
            let refusal = Refusal::named("NotFoundException", "NotFound", "Topic does not exist");
            return asked.refuse(Refusal {
                status: 404,
                ..refusal
            });
        }
        Ok(asked.answer(json!({ "MessageId": uuid(asked.ident) })))
    }

    /// The optimized form names the execution and its machine among an event's resources,
    /// and fails when an entry is refused (recorded 2023-09-12).
    pub(super) fn ask_bus(&mut self, asked: &Asked) -> Answer {
        let Some(entries) = asked.arguments["Entries"].as_array() else {
            return Err(malformed("Entries", "an ARRAY"));
        };
        if !(1..=EVENTBRIDGE.entries).contains(&entries.len()) {
            let most = EVENTBRIDGE.entries;
            let message = format!(
                "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length between 1 and {most}"
            );
            return asked.refuse(Refusal::plain("ValidationException", message));
        }
        let mut own = Vec::new();
        if asked.call.optimized {
            own = self.resources_of(asked.run);
        }
        let (mut results, mut failed) = (Vec::new(), 0);
        for (at, entry) in entries.iter().enumerate() {
            let ident = mix(asked.ident, at as u64);
            results.push(match self.ask_entry(asked, entry, ident, &own)? {
                Ok(id) => json!({ "EventId": id }),
                Err((code, message)) => {
                    failed += 1;
                    json!({ "ErrorCode": code, "ErrorMessage": message })
                }
            });
        }
        let answer = json!({ "Entries": results, "FailedEntryCount": failed });
        if failed > 0 && asked.call.optimized {
            return Err(TaskError::new(
                "EventBridge.FailedEntry",
                answer.to_string(),
            ));
        }
        Ok(asked.answer(answer))
    }

    /// Puts one entry on its bus: its id, or the code and text with which it is refused.
    fn ask_entry(
        &mut self,
        asked: &Asked,
        entry: &Value,
        ident: u64,
        own: &[String],
    ) -> Result<Result<String, (&'static str, String)>, TaskError> {
        let missing = |name: &str| {
            let message =
                format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
            Ok(Err(("InvalidArgument", message)))
        };
        let given = |name: &str| entry[name].as_str().filter(|text| !text.is_empty());
        let Some(source) = given("Source") else {
            return missing("Source");
        };
        let Some(detail_type) = given("DetailType") else {
            return missing("DetailType");
        };
        let Some(detail) = asked.call.text(entry, "Detail")? else {
            return missing("Detail");
        };
        let read: Option<Value> = serde_json::from_str(&detail).ok();
        let Some(detail) = read.filter(Value::is_object) else {
            return Ok(Err(("MalformedDetail", "Detail is malformed.".to_owned())));
        };
        let aim = Aim {
            service: "",
            step: &asked.step,
            ident,
            about: &[asked.owner],
        };
        if self.host.lock().faults.strikes(Fault::PutEvents, aim) {
            let message = "Rate exceeded".to_owned();
            return Ok(Err(("ThrottlingException", message)));
        }
        let bus = entry["EventBusName"].as_str().unwrap_or("default");
        let Some(bus) = self.definitions.bus_named(bus) else {
            self.lose(bus, asked.owner, "there is no such bus");
            return Ok(Ok(uuid(ident)));
        };
        let given = entry["Resources"].as_array().into_iter().flatten();
        let given = given.filter_map(Value::as_str);
        let resources: Vec<&str> = given.chain(own.iter().map(String::as_str)).collect();
        let entry = Entry {
            source: source.to_owned(),
            detail_type: detail_type.to_owned(),
            // Plain data: it has words.
            detail: to_raw_value(&detail).unwrap_or_default(),
            ident,
            owner: asked.owner,
            in_order: None,
        };
        Ok(Ok(self.put_entry(bus, entry, &resources)))
    }
}

/// The group that a call names, and what its message is known by.
fn place(asked: &Asked, code: &'static str, why: &str) -> Result<Place, TaskError> {
    let given = |name: &str| match asked.arguments[name].as_str() {
        Some(text) if !text.is_empty() => Ok(text.into()),
        _ => asked.refuse(Refusal::plain(code, format!("{why}{name}."))),
    };
    Ok(Place {
        group: given("MessageGroupId")?,
        deduplication: given("MessageDeduplicationId")?,
        number: None,
    })
}

/// Message attributes as SQS and SNS take them: `{Name: {DataType, StringValue}}`.
fn attributes(given: &Value) -> Result<Vec<Attribute>, TaskError> {
    let all = match given {
        Value::Null => return Ok(Vec::new()),
        Value::Object(all) => all,
        _ => return Err(malformed("MessageAttributes", "an OBJECT")),
    };
    let read = all.iter().map(|(name, it)| {
        let value = it["StringValue"].as_str().or(it["BinaryValue"].as_str());
        match (it["DataType"].as_str(), value) {
            (Some(kind), Some(value)) => Ok((name.clone(), kind.to_owned(), value.to_owned())),
            _ => Err(malformed(
                &format!("MessageAttributes.{name}"),
                "DataType with a StringValue or BinaryValue",
            )),
        }
    });
    read.collect()
}

/// What a filter policy sees of an attribute (SNS developer guide, "Message attributes").
fn seen(kind: &str, value: &str) -> Option<Value> {
    match kind.split('.').next()? {
        "String" if kind == "String.Array" => serde_json::from_str(value).ok(),
        "String" => Some(value.into()),
        "Number" => serde_json::from_str(value).ok(),
        _ => None,
    }
}

/// `MD5OfMessageAttributes` (SQS developer guide, "Calculating the MD5 message digest for
/// message attributes"): each part with its length before it, by name.
fn digest_of(attributes: &[Attribute]) -> String {
    let mut sorted: Vec<&Attribute> = attributes.iter().collect();
    sorted.sort();
    let mut all = Md5::new();
    let part = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        [&length.to_be_bytes()[..], bytes].concat()
    };
    for (name, kind, value) in sorted {
        let binary = kind.starts_with("Binary");
        all.update(part(name.as_bytes()));
        all.update(part(kind.as_bytes()));
        all.update([if binary { 2 } else { 1 }]);
        all.update(part(value.as_bytes()));
    }
    hex(&all.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest of an attribute is one that AWS was seen to give.
    #[test]
    fn digests_are_those_of_aws() {
        assert_eq!(hex(&Md5::digest("abc")), "900150983cd24fb0d6963f7d28e17f72");
        let one = ["timestamp", "Number", "1493147359900"].map(str::to_owned);
        let [name, kind, value] = one;
        assert_eq!(
            digest_of(&[(name, kind, value)]),
            "235c5c510d26fb653d073faed50ae77c"
        );
    }

    #[test]
    fn filters_see_texts_numbers_and_lists() {
        assert_eq!(seen("String", "a"), Some(json!("a")));
        assert_eq!(seen("String.Array", "[\"a\", 1]"), Some(json!(["a", 1])));
        assert_eq!(seen("Number", "1.5"), Some(json!(1.5)));
        assert_eq!(seen("Binary", "YQ=="), None);
    }
}
