//! Which command it is.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::Error;
use crate::store::Key;

/// What the keys of records begin with.
const RECORD: &str = "done#";

/// Whether `key` is that of a record.
#[must_use]
pub fn is_record(key: &Key) -> bool {
    key.sk.starts_with(RECORD)
}

/// Where the record of `command` about `subject` is kept; see [`Ticket::part`].
#[must_use]
pub fn record_key(command: &str, subject: &str, part: &str) -> Key {
    let sk = if part.is_empty() {
        format!("{RECORD}{command}")
    } else {
        format!("{RECORD}{command}#{part}")
    };
    Key::new(subject, sk)
}

/// One command: two deliveries with equal tickets are deliveries of the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    key: Key,
    hash: String,
    scope: String,
}

impl Ticket {
    /// The ticket of `command` about `subject` (an order, an account), with its
    /// `data`: all that the sender decides, and nothing that differs between two
    /// deliveries, such as a time of arrival or a trace. The data has to have one
    /// text: no `HashMap` in it, whose order is another each time.
    ///
    /// # Errors
    /// [`Error::Unwritable`] when the data has no JSON text.
    pub fn new(command: &str, subject: &str, data: &impl Serialize) -> Result<Self, Error> {
        let text = serde_json::to_string(data).map_err(|e| Error::Unwritable {
            what: "the command's data",
            problem: e.to_string(),
        })?;
        Ok(Self::hashed(command, subject, "", sha256(&text)))
    }

    /// The ticket of a command whose data is hashed already, with its
    /// [`part`](Self::part).
    #[must_use]
    pub fn hashed(command: &str, subject: &str, part: &str, hash: String) -> Self {
        Self {
            key: record_key(command, subject, part),
            hash,
            scope: String::new(),
        }
    }

    /// … which is one of several repetitions of the command that are each to take
    /// effect, such as the attempts of a refund. `part` tells them apart; an empty one
    /// is none.
    #[must_use]
    pub fn part(mut self, part: &str) -> Self {
        self.key = record_key(self.command(), &self.key.pk, part);
        self
    }

    /// … within `scope`, such as a tenant: under another it is refused.
    #[must_use]
    pub fn scope(self, scope: impl Into<String>) -> Self {
        Self {
            scope: scope.into(),
            ..self
        }
    }

    /// Where the command's record is kept.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The command's name, with its part: `RefundPayment#2`.
    #[must_use]
    pub fn command(&self) -> &str {
        self.key.sk.strip_prefix(RECORD).unwrap_or(&self.key.sk)
    }

    /// The stamp that the command's record is to have.
    #[must_use]
    pub fn stamp(&self) -> Stamp<'_> {
        Stamp {
            hash: &self.hash,
            scope: &self.scope,
        }
    }
}

/// What a record keeps of its command, to tell it from another of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// Of the command's data.
    pub hash: &'a str,
    /// Where it belongs.
    pub scope: &'a str,
}

impl Stamp<'_> {
    /// Whether `self`, which a record has, is that of `ticket`.
    pub(crate) fn check(self, ticket: &Ticket) -> Result<(), Error> {
        if self.hash != ticket.hash {
            return Err(Error::OtherData);
        }
        if self.scope != ticket.scope {
            return Err(Error::OtherScope);
        }
        Ok(())
    }
}

/// SHA-256 of `text`, in lower-case hexadecimal.
#[must_use]
pub fn sha256(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(text.as_bytes());
    let mut hash = String::with_capacity(digest.len() * 2);
    for byte in digest {
        hash.push(DIGITS[usize::from(byte >> 4)].into());
        hash.push(DIGITS[usize::from(byte & 15)].into());
    }
    hash
}
