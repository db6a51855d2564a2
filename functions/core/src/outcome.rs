//! What a service answers. One vocabulary; each trigger renders it in its own
//! way (a reply or a named error to a workflow, facts to a carrier).

use duet_idempotency::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::StoreFault;
use crate::{Event, Timestamp};

/// The error name of what is tried again in a workflow: [`Failure::Transient`]
/// and [`Failure::Misconfigured`].
pub const TRANSIENT: &str = "Transient";
/// What an execution is refused with whose definition is for orders, or
/// customers, of the other mark: another execution drives this one.
pub const OTHER_MARK: &str = "OtherMark";
/// The error name of a [`Failure::Transient`] of the last try in a workflow:
/// not to be tried again ([`crate::patience`]).
pub const PATIENCE_SPENT: &str = "PatienceSpent";
/// The error name of a [`Failure::Invalid`] in a workflow.
pub const INVALID_COMMAND: &str = "InvalidCommand";

/// A command took effect (now, or at its first delivery).
#[derive(Debug, Clone, PartialEq)]
#[must_use = "an outcome that is dropped is a message lost"]
pub struct Handled {
    /// For whoever asked.
    pub answer: Answer,
    /// For whoever is interested.
    pub events: Vec<Event>,
    /// For the service itself, later.
    pub timers: Vec<Timer>,
    /// Timers that the service set earlier and needs no more.
    pub called_off: Vec<CalledOff>,
    /// For somebody who asked earlier and was told to wait.
    pub reply: Option<Reply>,
    /// Whether this is the kept answer of an earlier delivery.
    pub repeat: bool,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "with", rename_all = "snake_case")]
pub enum Answer {
    /// Done.
    Done(Value),
    /// The business says no. Final: asking again gets the same.
    Declined(Refusal),
}

/// A refusal by the business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The vocabulary's name, such as `PaymentDeclined`.
    pub name: String,
    /// One word more, such as `OutOfStock`.
    pub detail: String,
}

impl Handled {
    /// What to answer an execution that begins what was begun before: the kept
    /// answer, unless it says that order or customer has the other mark than
    /// the execution's definition `asked` for.
    pub fn for_mark(self, asked: Option<bool>) -> Self {
        let kept = match &self.answer {
            Answer::Done(reply) => reply.get("clearance").and_then(Value::as_bool),
            Answer::Declined(_) => None,
        };
        match (kept, asked) {
            (Some(kept), Some(asked)) if self.repeat && kept != asked => Self {
                answer: Answer::Declined(Refusal::new(OTHER_MARK, kept)),
                events: Vec::new(),
                timers: Vec::new(),
                called_off: Vec::new(),
                reply: None,
                ..self
            },
            _ => self,
        }
    }
}

impl Refusal {
    /// A refusal called `name`.
    pub fn new(name: &str, detail: impl ToString) -> Self {
        Self {
            name: name.to_owned(),
            detail: detail.to_string(),
        }
    }
}

/// A command a service sends itself for later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timer {
    /// Not before.
    pub due: Timestamp,
    /// The command's name.
    pub command: String,
    /// The command's data.
    pub data: Value,
}

/// A timer that is not needed any more. Should it come all the same, it does
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledOff {
    /// When it is due.
    pub due: Timestamp,
    /// The command's name.
    pub command: &'static str,
}

/// An answer that goes to an earlier asker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The asker's opaque address.
    pub to: String,
    /// What to tell.
    pub value: Value,
}

/// A command took no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Worth trying again: a third party or the store did not answer, or
    /// somebody else is at it.
    #[error("transient: {0}")]
    Transient(String),
    /// Not this message's fault, and no waiting mends it: a permission, a table
    /// or a queue is missing. Tried again like [`Failure::Transient`], for
    /// somebody may mend it meanwhile; told apart, so that somebody is told.
    #[error("misconfigured: {0}")]
    Misconfigured(String),
    /// Never worth trying again: no such command, bad data, or a bug.
    #[error("invalid: {0}")]
    Invalid(String),
}

impl Failure {
    /// A failure worth trying again.
    pub fn transient(why: impl ToString) -> Self {
        Self::Transient(why.to_string())
    }

    /// A failure that somebody has to mend in the deployment.
    pub fn misconfigured(why: impl ToString) -> Self {
        Self::Misconfigured(why.to_string())
    }

    /// A failure not worth trying again.
    pub fn invalid(why: impl ToString) -> Self {
        Self::Invalid(why.to_string())
    }

    /// Its text, without its kind.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Transient(text) | Self::Misconfigured(text) | Self::Invalid(text) => text,
        }
    }

    /// The failure's name in a workflow.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Transient(_) | Self::Misconfigured(_) => TRANSIENT,
            Self::Invalid(_) => INVALID_COMMAND,
        }
    }
}

impl From<StoreFault> for Failure {
    fn from(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Transient(text) => Self::Transient(text),
            StoreFault::Misconfigured(text) => Self::Misconfigured(text),
            StoreFault::Invalid(text) => Self::Invalid(text),
        }
    }
}

impl From<Failure> for StoreFault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Transient(text) => Self::Transient(text),
            Failure::Misconfigured(text) => Self::Misconfigured(text),
            Failure::Invalid(text) => Self::Invalid(text),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(fault) => fault.into(),
            Error::OtherScope => {
                Self::invalid("the same command was handled before under another variant")
            }
            error if error.is_transient() => Self::transient(error),
            error => Self::invalid(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_a_name_in_a_workflow_and_a_text() {
        for (failure, name) in [
            (Failure::transient("x"), TRANSIENT),
            (Failure::misconfigured("x"), TRANSIENT),
            (Failure::invalid("x"), INVALID_COMMAND),
        ] {
            assert_eq!((failure.name(), failure.text()), (name, "x"));
        }
    }
}
