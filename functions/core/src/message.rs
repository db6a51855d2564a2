//! The envelope: what every fact and command carries besides its data.
//!
//! Metadata uses CloudEvents names. The bus does not deliver a trace header,
//! so the trace context travels in here (W3C `traceparent`).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::vocabulary::{ParseError, Vocabulary};
use crate::{Fact, Timestamp};

/// The version of the envelope and of every payload in it: `major.minor`. What
/// is added with a default raises the minor part, anything else the major one.
pub const SCHEMA_VERSION: &str = "1.0";

/// The major part of [`SCHEMA_VERSION`].
pub const SCHEMA_MAJOR: u32 = 1;

/// CloudEvents attributes of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Metadata {
    /// Stable across re-publication: the same message has the same id however
    /// often it is sent.
    pub id: String,
    /// Who speaks: `duet.<service>`, or another name outside the services.
    pub source: String,
    /// The message's name.
    #[serde(rename = "type")]
    pub kind: String,
    /// The order or customer it is about.
    pub subject: String,
    /// When it was first said.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub time: Timestamp,
    /// Version of the envelope and payload.
    pub schemaversion: String,
    /// One value for all that follows from one request.
    pub correlationid: String,
    /// The id of the message this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causationid: Option<String>,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The variant under which the order or customer runs. Opaque to services.
    pub variant: String,
    /// Whether what led to this was waited for so long that somebody may have
    /// been told it is overdue. Left out when not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

impl Metadata {
    /// Whether this code may read the message: a consumer takes its own major
    /// version, whatever the minor one.
    ///
    /// # Errors
    /// [`OtherVersion`] when the major version is another, or none can be read.
    pub fn check_version(&self) -> Result<(), OtherVersion> {
        let major = self.schemaversion.split('.').next();
        match major.and_then(|major| major.parse().ok()) {
            Some(SCHEMA_MAJOR) => Ok(()),
            major => Err(OtherVersion(major)),
        }
    }

    /// The metadata of a message called `kind` that answers this one: same
    /// correlation and variant, this message as its cause. The trace context
    /// is passed on as it is: whoever handles a message has made it that of
    /// its own step ([`crate::trace`]).
    #[must_use]
    pub fn answer(
        &self,
        id: String,
        source: String,
        kind: &str,
        subject: &str,
        time: Timestamp,
    ) -> Self {
        Self {
            id,
            source,
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            time,
            schemaversion: SCHEMA_VERSION.to_owned(),
            correlationid: self.correlationid.clone(),
            causationid: Some(self.id.clone()),
            traceparent: self.traceparent.clone(),
            variant: self.variant.clone(),
            late: false,
        }
    }
}

/// A message of another major version, or of none that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "schemaversion {}: this consumer takes {SCHEMA_MAJOR}.x", .0.map_or("unreadable".to_owned(), |major| format!("{major}.x"))
)]
pub struct OtherVersion(Option<u32>);

/// A fact as it arrives: its envelope read, its data unread until somebody asks.
/// Who hears everything need not know every fact.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// The envelope; its [`kind`](Metadata::kind) is the fact's name.
    pub metadata: &'a Metadata,
    /// The fact's data, as it was sent.
    pub data: &'a RawValue,
}

impl Received<'_> {
    /// The fact.
    ///
    /// # Errors
    /// [`ParseError`] when there is no such fact, or its data does not fit.
    pub fn fact(&self) -> Result<Fact, ParseError> {
        fact(&self.metadata.kind, self.data)
    }
}

/// The fact called `name`. All facts are read here and from text: the code that
/// reads them is a good part of a function's binary, and is there once.
fn fact(name: &str, data: &RawValue) -> Result<Fact, ParseError> {
    Fact::parse(name, data)
}

/// The same, from a tree of values.
pub(crate) fn fact_of_tree(name: &str, data: &Value) -> Result<Fact, ParseError> {
    let text = serde_json::value::to_raw_value(data);
    fact(name, &text.map_err(|e| ParseError::data("a fact", &e))?)
}

/// Lower-case hexadecimal digits of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)].into());
        text.push(DIGITS[usize::from(byte & 15)].into());
    }
    text
}

/// A fact in its envelope: the `detail` of a bus event.
///
/// An event that was said before is said in the words it was said in, whatever
/// this code knows of them: who hears it twice hears the same twice, also where
/// the code has changed in between.
#[derive(Debug, Clone)]
pub struct Event {
    /// The envelope. It is changed by [`Event::mark_late`] only.
    pub metadata: Metadata,
    /// What happened.
    pub fact: Fact,
    /// The envelope, in the words it was said in.
    envelope: Option<Box<RawValue>>,
    /// What happened, in the words it was said in.
    data: Option<Box<RawValue>>,
}

impl Event {
    /// An event that nobody has said yet.
    #[must_use]
    pub fn new(metadata: Metadata, fact: Fact) -> Self {
        Self {
            metadata,
            fact,
            envelope: None,
            data: None,
        }
    }

    /// … put into words, which it keeps.
    #[must_use]
    pub(crate) fn worded(self) -> Self {
        // Plain data: it has words.
        let envelope = serde_json::value::to_raw_value(&self.metadata).ok();
        let data = serde_json::value::to_raw_value(&self.fact).ok();
        Self {
            envelope,
            data,
            ..self
        }
    }

    /// The words of envelope and data, if it was put into any.
    pub(crate) fn words(&self) -> Option<(&str, &str)> {
        let (envelope, data) = (self.envelope.as_ref()?, self.data.as_ref()?);
        Some((envelope.get(), data.get()))
    }

    /// An event that was said in these words.
    ///
    /// # Errors
    /// [`ParseError`] when this code can make nothing of them.
    pub(crate) fn said(envelope: String, data: String) -> Result<Self, ParseError> {
        let no_json = |error| ParseError::data("a kept event", &error);
        let envelope = RawValue::from_string(envelope).map_err(no_json)?;
        let data = RawValue::from_string(data).map_err(no_json)?;
        let metadata: Metadata = serde_json::from_str(envelope.get())
            .map_err(|error| ParseError::data("the envelope of a kept event", &error))?;
        Ok(Self {
            fact: fact(&metadata.kind, &data)?,
            metadata,
            envelope: Some(envelope),
            data: Some(data),
        })
    }

    /// What happened, as data: all that was said of it.
    #[must_use]
    pub fn data(&self) -> Value {
        let said = self.data.as_ref();
        let said = said.and_then(|data| serde_json::from_str(data.get()).ok());
        said.unwrap_or_else(|| self.fact.data())
    }

    /// Says of it that it comes late ([`Metadata::late`]).
    pub fn mark_late(&mut self) {
        if !self.metadata.late {
            self.metadata.late = true;
            self.envelope = None;
        }
    }

    /// Reads an event from its `detail-type` and `detail`.
    ///
    /// # Errors
    /// [`ParseError`] when there is no such fact or something does not fit.
    pub fn parse(detail_type: &str, detail: Value) -> Result<Self, ParseError> {
        let Detail { metadata, data } =
            serde_json::from_value(detail).map_err(|e| ParseError::data("detail", &e))?;
        Ok(Self::new(metadata, fact_of_tree(detail_type, &data)?))
    }
}

/// Whether they mean the same to this code, in whatever words.
impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        (&self.metadata, &self.fact) == (&other.metadata, &other.fact)
    }
}

#[derive(Deserialize)]
struct Detail {
    metadata: Metadata,
    data: Value,
}

/// As the `detail` of a bus entry: `{ metadata, data }`. The fact's name is in
/// the metadata.
impl Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Detail<'a> {
            metadata: Words<'a, Metadata>,
            data: Words<'a, Fact>,
        }
        Detail {
            metadata: Words(self.envelope.as_deref(), &self.metadata),
            data: Words(self.data.as_deref(), &self.fact),
        }
        .serialize(serializer)
    }
}

/// What was said in the words it was said in, or as it is.
struct Words<'a, T>(Option<&'a RawValue>, &'a T);

impl<T: Serialize> Serialize for Words<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(words) => words.serialize(serializer),
            None => self.1.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Detail { metadata, data } = Detail::deserialize(deserializer)?;
        let fact = fact_of_tree(&metadata.kind, &data).map_err(serde::de::Error::custom)?;
        Ok(Self::new(metadata, fact))
    }
}

/// A command on its way to one service: the input of a workflow task, and the
/// body of a direct message on the service's queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CommandMessage {
    /// The command's name.
    pub command: String,
    /// The envelope.
    pub metadata: Metadata,
    /// The command's data.
    pub data: Value,
    /// Where an answer that comes later is to go. Opaque to services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// A timer: not to be handled before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub due: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fact::PaymentDeclined;

    fn metadata() -> Metadata {
        Metadata {
            id: "cmd-1".into(),
            source: "duet.cli".into(),
            kind: "CapturePayment".into(),
            subject: "o-1".into(),
            time: Timestamp::UNIX_EPOCH,
            schemaversion: SCHEMA_VERSION.into(),
            correlationid: "o-1".into(),
            causationid: None,
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            variant: "eventbridge".into(),
            late: false,
        }
    }

    #[test]
    fn an_event_survives_the_wire() {
        let fact = Fact::from(PaymentDeclined {
            order: "o-1".parse().unwrap(),
        });
        let metadata = metadata().answer(
            "e-1".into(),
            "duet.payment".into(),
            fact.name(),
            "o-1",
            Timestamp::UNIX_EPOCH,
        );
        let event = Event::new(metadata, fact);
        let detail = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&detail).unwrap(), event);
        let detail = serde_json::from_str(&detail).unwrap();
        assert_eq!(Event::parse("PaymentDeclined", detail), Ok(event));
    }

    #[test]
    fn an_answer_names_its_cause_and_keeps_the_trace() {
        let cause = metadata();
        let answer = cause.answer("e-1".into(), "duet.payment".into(), "X", "o-1", cause.time);
        assert_eq!(answer.causationid.as_deref(), Some("cmd-1"));
        assert_eq!(answer.correlationid, cause.correlationid);
        assert_eq!(answer.traceparent, cause.traceparent);
    }

    #[test]
    fn parse_errors_never_quote_data() {
        let error = Event::parse(
            "PaymentDeclined",
            json!({"metadata": "tok_secret", "data": {}}),
        );
        assert!(!error.unwrap_err().to_string().contains("tok_secret"));
        for data in [
            json!({ "order": "tok secret" }),
            json!({ "order": { "tok secret": 1 } }),
            json!({ "order": "x, expected tok secret" }),
            json!("x, expected tok secret"),
            json!(["tok secret"]),
            json!({ "tok secret": "o-1" }),
            json!({ "order": "o-1", "reason": "tok secret", "total": "tok secret" }),
            json!({ "order": "o-1", "customer": "c-1", "reason": "tok secret", "sku": null }),
        ] {
            for name in Fact::NAMES {
                if let Err(error) = Fact::parse(name, data.clone()) {
                    let text = error.to_string();
                    assert!(!text.contains("tok secret"), "{name} {data}: {text}");
                }
            }
        }
    }

    #[test]
    fn a_time_that_is_none_is_not_quoted() {
        for time in [
            "tok secret",
            "2026-01-01 tok secret",
            "2026-01-01T00:00:00Z tok secret",
            "2026-tok secret",
        ] {
            let mut metadata = json!(metadata());
            metadata["time"] = json!(time);
            let error = Event::parse(
                "PaymentDeclined",
                json!({ "metadata": metadata, "data": {} }),
            );
            let text = error.unwrap_err().to_string();
            assert!(!text.contains("secret") && !text.contains("tok"), "{text}");
        }
    }

    #[test]
    fn parse_errors_say_what_did_not_fit() {
        let text = |data| Fact::parse("OrderRejected", data).unwrap_err().to_string();
        let missing = text(json!({ "order": "o-1" }));
        assert!(missing.contains("missing field `customer`"), "{missing}");
        let total = json!({ "amount": 1, "currency": "EUR" });
        let other =
            text(json!({ "order": "o-1", "customer": "c-1", "total": total, "reason": "No" }));
        assert!(
            other.contains("unknown variant, expected one of `StockUnavailable`"),
            "{other}"
        );
        let kind = text(json!({ "order": 7 }));
        assert!(kind.contains("invalid type"), "{kind}");
    }
}
