//! What the journal can be asked to do.

use duet_core::{Metadata, vocabulary};
use serde::{Deserialize, Serialize};
use serde_json::Value;

vocabulary! {
    /// A command to the journal.
    pub enum Command {
        /// Keep a fact.
        RecordFact,
    }
}

/// Keep a fact: once, however often it is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordFact {
    /// The fact's envelope, its name in it.
    pub metadata: Metadata,
    /// The fact's data, without what it says of a person. Never logged.
    pub data: Value,
}
