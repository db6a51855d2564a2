//! What a fact makes the journal do: keep it, whatever it is.

use duet_core::{Event, Vocabulary};

use crate::command::{Command, RecordFact};

/// The command that `event` calls for.
pub(crate) fn command(event: &Event) -> Command {
    RecordFact {
        metadata: event.metadata.clone(),
        data: event.fact.data(),
    }
    .into()
}
