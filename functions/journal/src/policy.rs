//! What a fact makes the journal do: keep it, whatever it is, without what it
//! says of a person.

use duet_core::fact::personal;
use duet_core::{Event, Vocabulary};

use crate::command::{Command, RecordFact};

/// The command that `event` calls for.
pub(crate) fn command(event: &Event) -> Command {
    let mut data = event.fact.data();
    if let Some(members) = data.as_object_mut() {
        let personal = personal(event.fact.name());
        members.retain(|name, _| !personal.contains(&name.as_str()));
    }
    RecordFact {
        metadata: event.metadata.clone(),
        data,
    }
    .into()
}
