//! The envelopes of what the tool says.

use duet_core::message::SCHEMA_VERSION;
use duet_core::{CommandMessage, Metadata, Timestamp, Vocabulary};

/// Where the text of a message says what it is, as JSON pointers: an event of a bus,
/// a command, a fact as it is said on a topic.
pub const KIND: [&str; 3] = ["/detail-type", "/command", "/metadata/type"];

/// Where it says what it is about: an event of a bus, and all else.
pub const SUBJECT: [&str; 2] = ["/detail/metadata/correlationid", "/metadata/correlationid"];

/// The metadata of a command called `kind` about `subject`, the first of its
/// correlation. The id is drawn from what is asked, so asking twice is asking once.
#[must_use]
pub fn metadata(kind: &str, subject: &str, variant: &str, now: Timestamp) -> Metadata {
    let (trace, span) = (fastrand::u128(1..), fastrand::u64(1..));
    Metadata {
        id: format!("cli/{subject}/{kind}"),
        source: "duet.cli".to_owned(),
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        time: now,
        schemaversion: SCHEMA_VERSION.to_owned(),
        correlationid: subject.to_owned(),
        causationid: None,
        traceparent: Some(format!("00-{trace:032x}-{span:016x}-01")),
        variant: variant.to_owned(),
        late: false,
    }
}

/// `command` about `subject`, under `variant`.
#[must_use]
pub fn command(
    command: &impl Vocabulary,
    subject: &str,
    variant: &str,
    now: Timestamp,
) -> CommandMessage {
    CommandMessage {
        command: command.name().to_owned(),
        metadata: metadata(command.name(), subject, variant, now),
        data: command.data(),
        reply_to: None,
        due: None,
    }
}
