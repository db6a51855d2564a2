//! Idempotency records: what is kept of a command, and how it is said again.

use std::borrow::Cow;

use duet_idempotency::{Stamp, sha256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SAID_AGAIN_SECONDS;
use crate::message::fact_of_tree;
use crate::store::{Expect, Item, Write};
use crate::time::after;
use crate::{Answer, Event, Fact, Failure, Metadata, Reply, Timer, Timestamp, Vocabulary};

/// A fact whose data the subject's document keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Announced {
    pub(super) member: &'static str,
    pub(super) fact: Fact,
}

/// What a record keeps of an announced fact.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Announcement<'a> {
    /// Its envelope, as it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) envelope: Option<Cow<'a, str>>,
    /// Its envelope, in records from before its words were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Cow<'a, Metadata>>,
    /// The member of the document that has its data.
    pub(super) member: Cow<'a, str>,
}

/// What a record keeps of a fact: the words in which it was said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Said<'a> {
    /// Its envelope.
    pub(super) envelope: Cow<'a, str>,
    /// Its data.
    pub(super) data: Cow<'a, str>,
}

/// The kept outcome of a command.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record<'a> {
    pub(super) hash: Cow<'a, str>,
    pub(super) variant: Cow<'a, str>,
    pub(super) at: Timestamp,
    /// The id of the message that asked: what a reader of the table follows
    /// from effect to cause. The service itself never reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<Cow<'a, str>>,
    pub(super) answer: Cow<'a, Answer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) announced: Option<Announcement<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) said: Vec<Said<'a>>,
    /// The facts of records from before their words were kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) events: Vec<Event>,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(super) timers: Cow<'a, [Timer]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reply: Option<Cow<'a, Reply>>,
}

fn is_empty<T>(items: &[T]) -> bool {
    items.is_empty()
}

/// The members of a record that hold what it said, or refer to it.
pub const SAID: &[&str] = &["announced", "said", "events", "timers", "reply"];

impl Record<'_> {
    /// What tells its command from another of the same name.
    pub(super) fn stamp(&self) -> Stamp<'_> {
        Stamp {
            hash: &self.hash,
            scope: &self.variant,
        }
    }

    /// Whether what it said is not said again any more.
    pub(super) fn is_outlived(&self, now: Timestamp) -> bool {
        now >= after(self.at, SAID_AGAIN_SECONDS)
    }

    /// Whether it holds nothing of what it said.
    pub(super) fn is_silent(&self) -> bool {
        self.announced.is_none()
            && self.said.is_empty()
            && self.events.is_empty()
            && self.timers.is_empty()
            && self.reply.is_none()
    }

    /// The record without what it said.
    pub(super) fn silent(self) -> Self {
        Self {
            announced: None,
            said: Vec::new(),
            events: Vec::new(),
            timers: Cow::Borrowed(&[]),
            reply: None,
            ..self
        }
    }
}

impl Announcement<'_> {
    /// The event, if `document` still keeps its data.
    pub(super) fn event(self, document: &Item) -> Result<Option<Event>, Failure> {
        let data = document.body.value()[&*self.member].take();
        let event = match (self.envelope, self.metadata, data) {
            (_, _, Value::Null) => return Ok(None),
            (Some(envelope), _, Value::String(data)) => Event::said(envelope.into_owned(), data),
            // From before envelope, or data, was kept word for word.
            (envelope, metadata, data) => {
                let read = |envelope: Cow<'_, str>| serde_json::from_str(&envelope).ok();
                let metadata = metadata.map(Cow::into_owned);
                let metadata = metadata.or_else(|| envelope.and_then(read));
                let Some::<Metadata>(metadata) = metadata else {
                    return Err(Failure::invalid("a kept announcement has no envelope"));
                };
                let data = match data {
                    Value::String(text) => serde_json::from_str(&text).unwrap_or_default(),
                    data => data,
                };
                fact_of_tree(&metadata.kind, &data).map(|fact| Event::new(metadata, fact))
            }
        };
        event.map(Some).map_err(Failure::invalid)
    }
}

/// What a record keeps of its command, to tell it from another under the same
/// name: SHA-256 of its data, in hexadecimal.
#[must_use]
pub fn hash(command: &impl Vocabulary) -> String {
    // Commands are structs, so their data has one order: equal data, equal text.
    let text = serde_json::to_string(command).unwrap_or_default();
    sha256(&text)
}

/// The [`hash`] that `record` keeps.
///
/// # Errors
/// [`Failure::Invalid`] when it is no record.
pub fn kept_hash(record: &Item) -> Result<String, Failure> {
    let record: Record<'_> = record.read()?;
    Ok(record.hash.into_owned())
}

/// The envelopes of the facts that `record` keeps, in the order they were said.
///
/// # Errors
/// [`Failure::Invalid`] when it is no record.
pub fn envelopes(record: &Item) -> Result<Vec<Metadata>, Failure> {
    let record: Record<'_> = record.read()?;
    let read = |text: Cow<'_, str>| {
        serde_json::from_str(&text)
            .map_err(|e| Failure::invalid(crate::ParseError::data("a kept envelope", &e)))
    };
    let mut all = Vec::new();
    if let Some(Announcement {
        envelope, metadata, ..
    }) = record.announced
    {
        all.extend(metadata.map(Cow::into_owned));
        all.extend(envelope.map(read).transpose()?);
    }
    all.extend(record.events.into_iter().map(|event| event.metadata));
    for said in record.said {
        all.push(read(said.envelope)?);
    }
    Ok(all)
}

/// `record` with nothing in it but its hash, its ids and `answer`: a repeat of
/// its command is acknowledged and says nothing.
///
/// # Errors
/// [`Failure::Invalid`] when it is no record.
pub fn silenced(record: &Item, answer: impl Serialize) -> Result<Write, Failure> {
    let answer = Answer::Done(serde_json::to_value(answer).unwrap_or_default());
    let silent = Record {
        answer: Cow::Owned(answer),
        ..record.read::<Record<'_>>()?.silent()
    };
    Ok(in_place_of(record, &silent))
}

/// `record` without what it said, if that is not said again any more
/// ([`SAID_AGAIN_SECONDS`]): hash, ids and answer stay. `None` where it is said
/// again `now`, and where nothing of it is left.
///
/// # Errors
/// [`Failure::Invalid`] when it is no record.
pub fn outlived(record: &Item, now: Timestamp) -> Result<Option<Write>, Failure> {
    let kept: Record<'_> = record.read()?;
    if !kept.is_outlived(now) || kept.is_silent() {
        return Ok(None);
    }
    Ok(Some(in_place_of(record, &kept.silent())))
}

/// `silent` where `record` is, if that is as it was read.
fn in_place_of(record: &Item, silent: &Record<'_>) -> Write {
    let seen = Expect::unchanged(Some(record));
    Write::put(record.key.clone(), silent, seen)
}
