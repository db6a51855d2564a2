//! What is put on record about a notice: a pure decision.

use duet_core::fact::{CustomerNotified, Notice as Kind};
use duet_core::{Decision, Failure, Timestamp};
use serde::{Deserialize, Serialize};

use crate::command::NotifyCustomer;

/// A notice on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The notice's id: the same for every publication of it.
    pub id: String,
    /// What it says.
    pub kind: Kind,
    /// When it was first taken on.
    pub at: Timestamp,
}

/// The id of the notice of `kind` about `subject`: there is only one.
#[must_use]
pub fn id(subject: &str, kind: Kind) -> String {
    format!("notice/{subject}/{kind}")
}

/// What is to be done about `command`, given the notice as recorded (`None`:
/// not yet).
///
/// # Errors
/// [`Failure::Invalid`] when the subject is no id.
pub(crate) fn decide(
    recorded: Option<Recorded>,
    command: &NotifyCustomer,
    now: Timestamp,
) -> Result<Decision<Recorded>, Failure> {
    command.check().map_err(Failure::invalid)?;
    let NotifyCustomer { subject, kind } = command.clone();
    let recorded = recorded.unwrap_or_else(|| Recorded {
        id: id(&subject, kind),
        kind,
        at: now,
    });
    Ok(Decision::done(command)
        .state(recorded)
        .fact(CustomerNotified { subject, kind }))
}
