//! What a fact makes the journal do: keep it, whatever it is.

use duet_core::{ParseError, Received};

use crate::command::{Command, RecordFact};

/// The command that a fact calls for. Its data is kept as it came, known or not.
///
/// # Errors
/// [`ParseError`] when the data is nested too deep to be read.
pub(crate) fn command(received: &Received<'_>) -> Result<Command, ParseError> {
    let data = serde_json::from_str(received.data.get())
        .map_err(|error| ParseError::data("a fact", &error))?;
    let metadata = received.metadata.clone();
    Ok(RecordFact { metadata, data }.into())
}
