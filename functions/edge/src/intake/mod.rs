//! How a batch is taken apart, what of it may run side by side, and how the
//! verdicts are answered.
//!
//! Each transport has a module of its own, which knows what the transport adds
//! to a message and takes it off again. Which one takes a batch is said by the
//! transport's own label on each record (`eventSource`), never by the shape of
//! what was sent.
//!
//! | label | module |
//! |---|---|
//! | `aws:sqs` | [`sqs`] |

pub mod sqs;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use duet_core::{Metadata, ParseError, Timestamp};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use serde_json::value::RawValue;

use crate::queue::Verdict;

/// One delivery of one message, whatever transport brought it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The message's id on its transport: by it a failure is reported.
    pub id: String,
    /// What it came from, by its ARN: the queue.
    pub source: String,
    /// What the transport keeps in order: the deliveries of one group are
    /// handled one after the other. `None` where it keeps nothing in order.
    pub group: Option<String>,
    /// Which delivery of the message this is.
    pub attempt: Attempt,
    /// When it was received for the first time: its patience counts from there.
    /// `None` where the transport did not say; then it is never spent.
    pub first_received: Option<Timestamp>,
    /// When the time for this delivery is over: before the receiver is stopped,
    /// so that a slow message does not take others with it.
    pub deadline: Timestamp,
    /// The text as it came. What nobody will ever handle is put away in these
    /// words, so that it can be sent again.
    pub text: Arc<str>,
    /// What the text says, without what the transport put around it.
    pub body: Body,
    /// The transport's replay mark: the name of the replay that brought the
    /// message, if one did.
    pub replay: Option<String>,
    /// The transport's own id of the event that the message carries, if it gave
    /// it one. It is not the fact's id: that is in the metadata, and is the same
    /// however often the fact is published.
    pub event_id: Option<String>,
    /// By what the transport is told to hide this delivery for a while. `None`
    /// where there is no such thing.
    pub receipt: Option<String>,
    /// What the transport knew the message by when it was sent: it takes the same
    /// once. `None` where it takes whatever is sent.
    pub deduplication: Option<String>,
}

impl Delivery {
    /// Whether others wait until this one is done with: it is of a group of a queue
    /// that keeps its groups in order.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        self.group.is_some() && self.deduplication.is_some()
    }
}

/// Which delivery of a message it is, the first being 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The transport counts.
    Known(u32),
    /// It does not, or what it says is no number. The message is tried as if for
    /// the first time, and no try is ever the last: nobody can say how many lie
    /// behind it.
    Unknown,
}

impl Attempt {
    /// The number to go by: 1 when it is not known.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Known(number) => number,
            Self::Unknown => 1,
        }
    }
}

/// What a message says.
#[derive(Debug, Clone, Default)]
#[allow(
    clippy::large_enum_variant,
    reason = "made once per message and taken apart at once; a box would only add an allocation"
)]
pub enum Body {
    /// A fact.
    Fact(Fact),
    /// What came as a fact by its transport's wrapping, and is none that can be
    /// read: all that was in the wrapping, which is JSON.
    Unfit(Box<RawValue>),
    /// The text itself, with nothing around it: a command, or what is to be told
    /// why it is neither.
    #[default]
    Plain,
}

impl Body {
    /// What `text` says where the transport puts nothing around it, and the replay
    /// that brought it, if it names one.
    #[must_use]
    pub fn of(text: &str) -> (Self, Option<String>) {
        match serde_json::from_str(text) {
            Ok(Wire {
                command: None,
                metadata,
                data,
                replay_name,
            }) => (Self::Fact(Fact { metadata, data }), replay_name),
            _ => (Self::Plain, None),
        }
    }
}

/// A fact as it arrives: its envelope read, its data not.
#[derive(Debug, Clone)]
pub struct Fact {
    /// The envelope.
    pub metadata: Metadata,
    /// The data, as it was sent.
    pub data: Box<RawValue>,
}

/// The wire form of a fact, on whatever transport: `{metadata, data}`. What else
/// is there is passed over, but for what makes it a command.
#[derive(Deserialize)]
#[serde(expecting = "metadata and data")]
pub(crate) struct Wire {
    command: Option<IgnoredAny>,
    metadata: Metadata,
    data: Box<RawValue>,
    /// The name of the replay that brought the fact, where a carrier puts nothing
    /// around it that could say so.
    #[serde(rename = "replay-name")]
    replay_name: Option<String>,
}

impl From<Wire> for Fact {
    fn from(wire: Wire) -> Self {
        Self {
            metadata: wire.metadata,
            data: wire.data,
        }
    }
}

/// Why a batch could not be taken apart. None of its messages was handled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBatch {
    /// It has not the shape that its transport gives it.
    #[error(transparent)]
    Shape(#[from] ParseError),
    /// A record does not say what it comes from.
    #[error("a record of the batch has no eventSource")]
    Unlabelled,
    /// It comes from something that nothing here takes.
    #[error("there is no intake for eventSource {0:?}, only for {known:?}", known = sqs::LABEL)]
    Unknown(String),
    /// Its records come from different things, which no transport does.
    #[error("the batch mixes eventSource {0:?} with {1:?}")]
    Mixed(String, String),
}

/// Takes the batch in `event` apart. The time of each of its deliveries is over
/// at `deadline` ([`deadline`] gives it). An empty batch has none.
///
/// # Errors
/// [`InvalidBatch`], before anything is handled, when it is no batch or not all
/// of it comes from one thing that has an intake here.
pub fn deliveries(event: Value, deadline: Timestamp) -> Result<Vec<Delivery>, InvalidBatch> {
    /// What all transports that label their records have in common.
    #[derive(Deserialize)]
    struct Batch {
        #[serde(rename = "Records")]
        records: Vec<Value>,
    }
    let shape = |error| ParseError::data("a batch of messages", &error);
    let Batch { records } = Batch::deserialize(event).map_err(shape)?;
    let Some(label) = label(&records)? else {
        return Ok(Vec::new());
    };
    match label {
        sqs::LABEL => Ok(sqs::deliveries(records, deadline)?),
        other => Err(InvalidBatch::Unknown(other.to_owned())),
    }
}

/// The label that all of `records` have, if there are any.
fn label(records: &[Value]) -> Result<Option<&str>, InvalidBatch> {
    let mut labels = records
        .iter()
        .map(|record| record.get("eventSource").and_then(Value::as_str));
    let Some(first) = labels.next() else {
        return Ok(None);
    };
    let first = first.ok_or(InvalidBatch::Unlabelled)?;
    for label in labels {
        let label = label.ok_or(InvalidBatch::Unlabelled)?;
        if label != first {
            return Err(InvalidBatch::Mixed(first.to_owned(), label.to_owned()));
        }
    }
    Ok(Some(first))
}

/// What of `deliveries` may run side by side: each lane is to be run in its
/// order, one after the other, and no lane waits for another. The deliveries of
/// a group are a lane, and each that is of no group is one by itself. Lanes come
/// in the order of their first deliveries.
#[must_use]
pub fn lanes(deliveries: Vec<Delivery>) -> Vec<Vec<Delivery>> {
    let mut lanes: Vec<Vec<Delivery>> = Vec::with_capacity(deliveries.len());
    let mut places = BTreeMap::new();
    for delivery in deliveries {
        let place = match &delivery.group {
            // Two sources may have groups of one name.
            Some(group) => *places
                .entry((delivery.source.clone(), group.clone()))
                .or_insert(lanes.len()),
            None => lanes.len(),
        };
        match lanes.get_mut(place) {
            Some(lane) => lane.push(delivery),
            None => lanes.push(vec![delivery]),
        }
    }
    lanes
}

/// What is still known of a delivery that is being handled: enough to answer for
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stub {
    /// [`Delivery::id`]
    pub id: String,
    /// [`Delivery::source`]
    pub source: String,
    /// [`Delivery::receipt`]
    pub receipt: Option<String>,
}

/// Hands each of `deliveries` to `receive`, as side by side as [`lanes`] allows,
/// and gives the answer to the batch. When one fails, the later ones of its lane
/// are not tried and have failed with it, for their order would be lost. All that
/// failed is given to `put_off`, to be hidden for as long as the verdict says;
/// what was not tried for as long as what it waits for.
pub async fn run<R, P>(
    deliveries: Vec<Delivery>,
    receive: impl Fn(Delivery) -> R,
    put_off: impl Fn(Stub, Duration) -> P,
) -> Failures
where
    R: Future<Output = Verdict>,
    P: Future<Output = ()>,
{
    let (receive, put_off) = (&receive, &put_off);
    let failed = lanes(deliveries).into_iter().map(|lane| async move {
        let mut lane = lane.into_iter();
        while let Some(delivery) = lane.next() {
            let stub = Stub::of(&delivery);
            let Verdict::Again(wait) = receive(delivery).await else {
                continue;
            };
            let untried = lane.map(|delivery| Stub::of(&delivery));
            let failed: Vec<Stub> = std::iter::once(stub).chain(untried).collect();
            let items = failed.iter().map(|stub| Failure {
                item_identifier: stub.id.clone(),
            });
            let items: Vec<Failure> = items.collect();
            join_all(failed.into_iter().map(|stub| put_off(stub, wait))).await;
            return items;
        }
        Vec::new()
    });
    Failures {
        batch_item_failures: join_all(failed).await.into_iter().flatten().collect(),
    }
}

impl Stub {
    fn of(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id.clone(),
            source: delivery.source.clone(),
            receipt: delivery.receipt.clone(),
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

/// The answer to a batch: only the messages named come again, all others are
/// done with (`ReportBatchItemFailures`; Lambda developer guide, "Handling
/// errors for an SQS event source", "Implementing partial batch responses").
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
    /// Its id on its transport.
    pub item_identifier: String,
}
