//! What SQS hands to a function, and what EventBridge puts around a fact on its
//! way to a queue.
//!
//! The shape of a batch is AWS Lambda's SQS event (Lambda developer guide,
//! "Using Lambda with Amazon SQS"). Only the fields in use are read, so that a
//! new one breaks nothing.

use std::sync::Arc;

use duet_core::{ParseError, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Attempt, Body, Delivery, Wire};

/// The label of a record that comes from a queue, standard or FIFO (Lambda
/// developer guide, the example events of "Using Lambda with Amazon SQS").
pub const LABEL: &str = "aws:sqs";

/// The attribute of a message that a topic's archive says again (SNS developer guide,
/// "Message replay for FIFO topic subscribers").
pub const REPLAYED: &str = "Replayed";

/// What such a replay is called here: it has no name of its own.
pub const OF_A_TOPIC: &str = "of a topic";

/// One received message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    receipt_handle: String,
    body: String,
    attributes: Attributes,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    #[serde(default)]
    message_attributes: Told,
}

/// What the sender put beside a message, as far as anybody here looks at it.
#[derive(Default, Deserialize)]
struct Told {
    #[serde(rename = "Replayed")]
    replayed: Option<IgnoredAny>,
}

/// What the queue says about a message (SQS API reference, ReceiveMessage,
/// `MessageSystemAttributeNames`).
#[derive(Deserialize)]
struct Attributes {
    /// How often it was received, this time included: a number as text.
    #[serde(rename = "ApproximateReceiveCount")]
    receives: String,
    /// When it was received for the first time, in milliseconds since the epoch:
    /// a number as text.
    #[serde(rename = "ApproximateFirstReceiveTimestamp")]
    first_received: Option<String>,
    /// The sender's. A FIFO queue gives the messages of one group in order; on a
    /// standard queue it says whose turn it is, and keeping that order there costs
    /// time only.
    #[serde(rename = "MessageGroupId")]
    group: Option<String>,
    /// A FIFO queue's alone.
    #[serde(rename = "MessageDeduplicationId")]
    deduplication: Option<String>,
}

/// Takes `records` apart, all of them [labelled](LABEL) as a queue's. They are
/// deliveries whose time is over at `deadline`, in the order of the batch.
///
/// # Errors
/// [`ParseError`] when one of them has not the shape of a queue's.
pub(super) fn deliveries(
    records: Vec<Value>,
    deadline: Timestamp,
) -> Result<Vec<Delivery>, ParseError> {
    let read = |record| {
        let record = Record::deserialize(record);
        record.map_err(|error| ParseError::data("a batch of messages", &error))
    };
    let taken = |record: Record| {
        let Attributes {
            receives,
            first_received,
            group,
            deduplication,
        } = record.attributes;
        let attempt = receives.parse().map_or(Attempt::Unknown, Attempt::Known);
        let first_received = first_received
            .and_then(|millis| millis.parse().ok())
            .and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let (id, source) = (record.message_id, record.event_source_arn);
        let taken = delivery(id, source, record.body, attempt, first_received, deadline);
        let replayed = record.message_attributes.replayed;
        Delivery {
            group,
            deduplication,
            receipt: Some(record.receipt_handle),
            replay: replayed.map(|_| OF_A_TOPIC.to_owned()).or(taken.replay),
            ..taken
        }
    };
    records
        .into_iter()
        .map(|record| read(record).map(taken))
        .collect()
}

/// The delivery of the message `id`, with the text `text`, from the queue with
/// the ARN `source`: of no group, and with no receipt. Its time is over at
/// `deadline`. What EventBridge put around the text is taken off.
#[must_use]
pub fn delivery(
    id: String,
    source: String,
    text: impl Into<Arc<str>>,
    attempt: Attempt,
    first_received: Option<Timestamp>,
    deadline: Timestamp,
) -> Delivery {
    let text = text.into();
    let Unwrapped {
        body,
        replay,
        event_id,
    } = unwrapped(&text);
    Delivery {
        id,
        source,
        group: None,
        attempt,
        first_received,
        deadline,
        text,
        body,
        replay,
        event_id,
        receipt: None,
        deduplication: None,
    }
}

/// What EventBridge delivers to a queue when a rule says nothing else
/// (EventBridge user guide, "Event structure reference"): the fact's wire form,
/// with this around it.
#[derive(Deserialize)]
struct BusEvent<D> {
    /// EventBridge's own id: another one each time the fact is published.
    id: Option<String>,
    /// The fact's name, which is in the metadata too, and read there.
    #[serde(rename = "detail-type")]
    _detail_type: IgnoredAny,
    detail: D,
    /// On an event that a replay of an archive brings, the replay's name
    /// (EventBridge user guide, "Replaying archived events").
    #[serde(rename = "replay-name")]
    replay_name: Option<String>,
}

/// A text, taken out of what EventBridge put around it.
struct Unwrapped {
    body: Body,
    replay: Option<String>,
    event_id: Option<String>,
}

impl<D> BusEvent<D> {
    fn open(self, body: impl FnOnce(D) -> Body) -> Unwrapped {
        Unwrapped {
            body: body(self.detail),
            replay: self.replay_name,
            event_id: self.id,
        }
    }
}

fn unwrapped(text: &str) -> Unwrapped {
    // Nearly every message is a whole event, read in one go. What is in one is a
    // fact, whatever else it has: commands do not come by a bus.
    if let Ok(event) = serde_json::from_str::<BusEvent<Wire>>(text) {
        return event.open(|wire| Body::Fact(wire.into()));
    }
    if let Ok(event) = serde_json::from_str::<BusEvent<Box<RawValue>>>(text) {
        return event.open(Body::Unfit);
    }
    let (body, replay) = Body::of(text);
    Unwrapped {
        body,
        replay,
        event_id: None,
    }
}
