//! One line per step, as JSON on standard output.
//!
//! Ids and names of the vocabulary only: no names of people, addresses,
//! e-mails or tokens. Failures never quote data, so their text may appear.

use duet_core::{Context, Timestamp};
use serde::Serialize;

/// What happened to one message.
#[derive(Debug, Clone, Serialize)]
pub struct Step<'a> {
    /// When it ended.
    pub time: Timestamp,
    /// `INFO`, `WARN` (will be tried again) or `ERROR` (will not).
    pub level: &'static str,
    /// The service.
    pub service: &'static str,
    /// `task` or `queue`.
    pub entry: &'static str,
    /// The command, where the message was one or led to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<&'a str>,
    /// Which message: its envelope's identifying parts.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub message: Option<Envelope<'a>>,
    /// `done`, `repeat`, `declined`, `transient`, `invalid`, `later` or `ignored`.
    pub outcome: &'static str,
    /// The refusal's or failure's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Which delivery of the message this was, from 1.
    pub attempt: u32,
    /// How long the step took.
    pub duration_ms: i64,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
}

impl<'a> From<&'a Context> for Envelope<'a> {
    fn from(context: &'a Context) -> Self {
        let metadata = &context.message;
        Self {
            message: &metadata.id,
            subject: &metadata.subject,
            variant: &metadata.variant,
            correlation: &metadata.correlationid,
            causation: metadata.causationid.as_deref(),
            traceparent: metadata.traceparent.as_deref(),
        }
    }
}

/// Takes the lines.
pub trait Log: Clone + Send + Sync + 'static {
    /// Takes one line.
    fn step(&self, step: &Step<'_>);
}

/// Lines on standard output, where the Lambda runtime collects them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stdout;

impl Log for Stdout {
    fn step(&self, step: &Step<'_>) {
        if let Ok(line) = serde_json::to_string(step) {
            println!("{line}");
        }
    }
}

/// No lines at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Log for Silent {
    fn step(&self, _: &Step<'_>) {}
}
