//! What an event source mapping hands to a function, and what it gets back.
//!
//! The shape is AWS Lambda's SQS event (Lambda developer guide, "Using Lambda
//! with Amazon SQS"). Only the fields in use are read, so that a new one breaks
//! nothing.

use duet_core::Timestamp;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::queue::Delivery;

/// A batch of messages of one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The messages, each independent of the others.
    #[serde(rename = "Records")]
    pub records: Vec<Record>,
}

/// One received message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The message's id on the queue.
    pub message_id: String,
    /// The handle of this receipt.
    pub receipt_handle: String,
    /// The text.
    pub body: String,
    /// What the queue says about it.
    pub attributes: Attributes,
    /// The queue.
    #[serde(rename = "eventSourceARN")]
    pub event_source_arn: String,
}

/// What the queue says about a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// How often it was received, this time included: a number as text.
    #[serde(rename = "ApproximateReceiveCount")]
    pub receives: String,
    /// When it was received for the first time, in milliseconds since the epoch:
    /// a number as text.
    #[serde(
        rename = "ApproximateFirstReceiveTimestamp",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub first_received: Option<String>,
}

impl Record {
    /// The record as a delivery whose time is over at `deadline`.
    #[must_use]
    pub fn delivery(self, deadline: Timestamp) -> Delivery {
        let first = self.attributes.first_received;
        let first = first.and_then(|millis| millis.parse().ok());
        Delivery {
            first_received: first.and_then(|millis| Timestamp::from_millisecond(millis).ok()),
            id: self.message_id,
            queue: self.event_source_arn,
            body: self.body,
            // Not a number: as if it were the first, so that it is tried.
            receives: self.attributes.receives.parse().unwrap_or(1),
            deadline,
        }
    }
}

/// The longest time that a receiver keeps for its answer.
const MOST_MARGIN: SignedDuration = SignedDuration::from_secs(1);

/// When the time of each delivery is over, for a receiver that began at `began`
/// and is stopped at `deadline`: a fifth of its time before, or a second. One
/// slow message so costs itself only: what the others did is still answered.
#[must_use]
pub fn deadline(began: Timestamp, deadline: Timestamp) -> Timestamp {
    let margin = (deadline.duration_since(began) / 5).min(MOST_MARGIN);
    deadline - margin.max(SignedDuration::ZERO)
}

/// The answer to a batch: only the messages named return to the queue
/// (`ReportBatchItemFailures`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failures {
    /// The failed messages.
    pub batch_item_failures: Vec<Failure>,
}

/// A failed message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Its id on the queue.
    pub item_identifier: String,
}
