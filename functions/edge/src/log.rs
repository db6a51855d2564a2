//! One line per step, as JSON on standard output: for people, and in CloudWatch
//! embedded metric format (CloudWatch user guide, "Specification: Embedded
//! metric format") for counting. Metrics cost the step no call that way.
//!
//! Ids and names of the vocabulary only: no names of people, addresses,
//! e-mails or tokens. Failures never quote data, so their text may appear.

use std::sync::Arc;

use duet_core::{Ending, Event, Metadata, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use crate::wires::Renderings;

/// What happened to one message.
#[derive(Debug, Clone, Serialize)]
pub struct Step<'a> {
    /// When it ended.
    pub time: Timestamp,
    /// `INFO`, `WARN` (will be tried again) or `ERROR` (somebody should look).
    pub level: &'static str,
    /// The service.
    pub service: &'static str,
    /// `task`, `queue` or `sweep`.
    pub entry: &'static str,
    /// The command, where the message was one or led to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<&'static str>,
    /// Which message: its envelope's identifying parts, where it had any.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub message: Option<Envelope<'a>>,
    /// `done`, `repeat`, `declined`, `transient`, `misconfigured`, `invalid` or
    /// `later`.
    pub outcome: &'static str,
    /// The refusal's or failure's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Which delivery of the message this was, from 1.
    pub attempt: u32,
    /// How long the step took.
    pub duration_ms: i64,
    /// How an order ended by it.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// The identifying parts of a message's metadata.
#[derive(Debug, Clone, Serialize)]
pub struct Envelope<'a> {
    message: &'a str,
    subject: &'a str,
    variant: &'a str,
    correlation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    causation: Option<&'a str>,
    /// The trace context of this step, which whatever it says carries on.
    traceparent: &'a str,
    /// The span that led to this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<&'a str>,
}

/// What stands in a line in place of metadata that is no id.
const UNREADABLE: &str = "unreadable";

/// What stands in a line in place of a variant that is not deployed. Metrics
/// are told apart by variant, and each further word would be one more to pay
/// for: so the words are those the deployment knows, and this one.
const UNKNOWN: &str = "unknown";

/// The outcome of a step that somebody has to mend the deployment for.
pub(crate) const MISCONFIGURED: &str = "misconfigured";

impl<'a> Envelope<'a> {
    /// The envelope `metadata`, and `traceparent` for the step it leads to.
    #[must_use]
    pub fn new(metadata: &'a Metadata, traceparent: &'a str) -> Self {
        Self {
            message: plain(&metadata.id),
            subject: plain(&metadata.subject),
            variant: plain(&metadata.variant),
            correlation: plain(&metadata.correlationid),
            causation: metadata.causationid.as_deref().map(plain),
            traceparent,
            parent: metadata
                .traceparent
                .as_deref()
                .and_then(duet_core::trace::span_id),
        }
    }
}

/// `text`, if it can be an id or the name of something: anybody may put
/// anything into an envelope, and an e-mail address is not to get here.
fn plain(text: &str) -> &str {
    let may = |b: u8| b.is_ascii_alphanumeric() || b"-_./:+#".contains(&b);
    if text.len() <= 256 && text.bytes().all(may) {
        text
    } else {
        UNREADABLE
    }
}

/// How an order ended by a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ended {
    order_outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_to_outcome_ms: Option<i64>,
}

impl Ended {
    /// `ending`, as told by the fact `event`.
    #[must_use]
    pub fn new(event: &Event, ending: Ending) -> Self {
        let took = |began| event.metadata.time.duration_since(began).as_millis();
        Self {
            order_outcome: ending.outcome,
            reason: ending.reason,
            time_to_outcome_ms: ending.began.map(|began| took(began).max(0) as i64),
        }
    }
}

impl Step<'_> {
    /// The step as one line of JSON, with its metrics in `namespace`. A variant
    /// that is none of those `deployed` is told as `unknown`.
    #[must_use]
    pub fn line(mut self, namespace: &str, deployed: &Renderings) -> String {
        if let Some(message) = &mut self.message
            && !deployed.contains_key(message.variant)
        {
            message.variant = UNKNOWN;
        }
        let line = Line {
            step: &self,
            variant: self.message.is_none().then_some(UNKNOWN),
            steps: 1,
            retries: (self.attempt > 1).then_some(1),
            orders: self.ended.is_some().then_some(1),
            aws: self.metrics(namespace),
        };
        // Plain data with string keys: it does not fail.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Which members of the line are metrics, and by which others they are told
    /// apart. Few, for each combination of values is a metric that is paid for.
    fn metrics(&self, namespace: &str) -> Value {
        let count = |name: &str| json!({ "Name": name, "Unit": "Count" });
        let millis = |name: &str| json!({ "Name": name, "Unit": "Milliseconds" });
        let directive = |dimensions: Value, metrics: Vec<Value>| json!({ "Namespace": namespace, "Dimensions": dimensions, "Metrics": metrics });
        let mut by_service = vec![millis("duration_ms")];
        by_service.extend((self.attempt > 1).then(|| count("retries")));
        let mut by_outcome = vec![json!(["variant", "outcome"])];
        if self.outcome == MISCONFIGURED {
            // All variants together, too: alarms cannot search.
            by_outcome.push(json!(["outcome"]));
        }
        let mut directives = vec![
            directive(json!([["variant", "service"]]), by_service),
            directive(by_outcome.into(), vec![count("steps")]),
        ];
        if let Some(ended) = &self.ended {
            // All variants together, too: alarms cannot search.
            let mut dimensions = vec![
                json!(["order_outcome"]),
                json!(["variant", "order_outcome"]),
            ];
            if ended.reason.is_some() {
                dimensions.push(json!(["variant", "order_outcome", "reason"]));
            }
            directives.push(directive(dimensions.into(), vec![count("orders")]));
            if ended.time_to_outcome_ms.is_some() {
                let dimensions = json!([["variant"], ["variant", "order_outcome"]]);
                directives.push(directive(dimensions, vec![millis("time_to_outcome_ms")]));
            }
        }
        json!({ "Timestamp": self.time.as_millisecond(), "CloudWatchMetrics": directives })
    }
}

/// A step with what makes it an embedded metric document.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    step: &'a Step<'a>,
    /// Metrics are told apart by variant, also those of a message without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'static str>,
    steps: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orders: Option<u8>,
    #[serde(rename = "_aws")]
    aws: Value,
}

/// Takes the lines.
pub trait Log: Clone + Send + Sync + 'static {
    /// Takes one line. `step` is made only if somebody reads it.
    fn step<'a>(&self, step: impl FnOnce() -> Step<'a>);
}

/// Lines on standard output, where the Lambda runtime collects them.
#[derive(Debug, Clone)]
pub struct Stdout {
    /// The namespace of the metrics.
    pub namespace: Arc<str>,
    /// The variants that are deployed.
    pub deployed: Arc<Renderings>,
}

impl Log for Stdout {
    fn step<'a>(&self, step: impl FnOnce() -> Step<'a>) {
        println!("{}", step().line(&self.namespace, &self.deployed));
    }
}

/// No lines at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Log for Silent {
    fn step<'a>(&self, _: impl FnOnce() -> Step<'a>) {}
}
