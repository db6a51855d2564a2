//! What a fact makes the journal do: keep it, whatever it is, without what it
//! says of a person.

use duet_core::fact::personal;
use duet_core::{ParseError, Received};
use serde_json::Value;

use crate::command::{Command, RecordFact};

/// The command that a fact calls for. Its data is kept as it came, known or not,
/// but for what is known to be about a person.
///
/// # Errors
/// [`ParseError`] when the data is nested too deep to be read.
pub(crate) fn command(received: &Received<'_>) -> Result<Command, ParseError> {
    let mut data: Value = serde_json::from_str(received.data.get())
        .map_err(|error| ParseError::data("a fact", &error))?;
    if let Some(members) = data.as_object_mut() {
        let personal = personal(&received.metadata.kind);
        members.retain(|name, _| !personal.contains(&name.as_str()));
    }
    let metadata = received.metadata.clone();
    Ok(RecordFact { metadata, data }.into())
}
