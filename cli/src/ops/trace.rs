//! One order as a trace: spans over services, bus, queues and workflow, for tools
//! that were made for such.
//!
//! A span is there where a record tells of it, and has the times that the record
//! tells. The timeline gives facts, steps, states and executions; the functions' log
//! lines give when each attempt began and ended. Where there are no lines, a step is
//! a moment; what nobody recorded is left out.
//!
//! Names, ids and numbers only, as in a timeline; and not who an operator was.

mod attempts;
mod otlp;
mod perfetto;
mod spans;
mod wire;

use duet_core::Timestamp;
use duet_core::message::hex;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::ops::timeline::Timeline;
use crate::terminal;
use crate::terminal::exit::Outcome;
use crate::world::World;

/// A trace of one order.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The order's id.
    pub order: String,
    /// Its spans; the first is the order as a whole, and the parent of the outermost
    /// others.
    pub spans: Vec<Span>,
}

/// The id of a span: drawn from what it tells of, so it is the same at every reading.
pub type SpanId = [u8; 8];

/// Something that lasted, or a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its id.
    pub id: SpanId,
    /// What it is inside of, or came of; `None` for the order as a whole.
    pub parent: Option<SpanId>,
    /// What happened.
    pub name: String,
    /// Its part in a conversation.
    pub kind: Role,
    /// Who: a service, the workflow, the bus and queues, an operator.
    pub whose: String,
    /// When it began.
    pub began: Timestamp,
    /// When it ended; when it began, for a moment.
    pub ended: Timestamp,
    /// What else is known.
    pub attributes: Vec<(&'static str, Value)>,
    /// What it belongs with besides its parent.
    pub links: Vec<Link>,
    /// The kind of failure that it ended with.
    pub failed: Option<String>,
}

/// The part of a span in a conversation, as OpenTelemetry names it (specification,
/// "SpanKind").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Neither asks nor is asked.
    Internal,
    /// Is asked, and answers.
    Server,
    /// Sends a message.
    Producer,
    /// Handles a message.
    Consumer,
}

/// What is known of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A word.
    Text(String),
    /// A number.
    Number(i64),
    /// Whether.
    Flag(bool),
    /// Several words.
    Texts(Vec<String>),
}

/// What a span belongs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The other span.
    pub to: SpanId,
    /// Why: `retry` of an attempt, or `duplicate` of what was done.
    pub why: &'static str,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A log line of a function, as far as spans need it (docs/telemetry.md).
#[derive(Debug, Clone, Deserialize)]
struct Line {
    time: Timestamp,
    service: String,
    entry: String,
    #[serde(default)]
    command: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    correlation: String,
    #[serde(default)]
    subject: String,
    outcome: String,
    attempt: i64,
    duration_ms: i64,
}

/// How long before an order's first record a function may have been at it.
const EARLIER: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

/// The trace of the order that `timeline` tells of. Where the functions' logs cannot
/// be read, that is said on standard error, and steps are moments.
///
/// # Errors
/// [`crate::terminal::exit::Problem`] when the target does not answer.
pub async fn read<W: World>(world: &W, timeline: &Timeline) -> Outcome<Trace> {
    let began = timeline.began_at.unwrap_or_else(|| world.now());
    let since = began.saturating_sub(EARLIER).unwrap_or(Timestamp::MIN);
    let lines = match world.logs(&timeline.order, since).await {
        Ok(lines) => lines,
        Err(problem) => {
            terminal::tell(&format!(
                "the functions' logs cannot be read ({}): how long they took is left out",
                problem.message()
            ));
            Vec::new()
        }
    };
    let mut lines: Vec<Line> = lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Line| [&line.correlation, &line.subject].contains(&&timeline.order))
        .collect();
    lines.sort_by_key(|line| (line.time, line.attempt));
    let facts = timeline
        .variant
        .and_then(|name| world.variant(name).ok())
        .and_then(|variant| world.deployed(variant))
        .and_then(|described| described.facts());
    Ok(Trace {
        order: timeline.order.clone(),
        spans: spans::of(timeline, &lines, facts),
    })
}

impl Trace {
    /// The trace as OTLP JSON, as collectors read it from files and over HTTP.
    ///
    /// # Errors
    /// None that is known of: only names and numbers are written.
    pub fn otlp(&self) -> Outcome<String> {
        otlp::written(self)
    }

    /// The trace as Perfetto reads it: protobuf, binary.
    #[must_use]
    pub fn perfetto(&self) -> Vec<u8> {
        perfetto::written(self)
    }

    /// Its id: that which the functions give the order where nobody else began the
    /// trace ([`duet_core::trace`]).
    #[must_use]
    pub fn id(&self) -> String {
        hex(&Sha256::digest(self.order.as_bytes())[..16])
    }
}

/// The id of the span called `name` of `order`.
fn span_id(order: &str, name: &str) -> SpanId {
    let digest = Sha256::digest(format!("{order}\n{name}").as_bytes());
    let mut id = [0; 8];
    id.copy_from_slice(&digest[..8]);
    id
}

#[cfg(test)]
mod tests;
