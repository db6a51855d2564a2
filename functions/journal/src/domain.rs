//! What the journal keeps of a fact, where, and for how long.

use duet_core::store::Key;
use duet_core::{Metadata, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::command::RecordFact;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A fact in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The fact's envelope, its name in it.
    pub metadata: Metadata,
    /// The fact's data, without what it says of a person
    /// ([`duet_core::fact::personal`]). Not for printing: that of entries from
    /// before the rule may be whole.
    pub data: Value,
    /// When the journal first heard it.
    pub first_seen: Timestamp,
    /// How often it was told, replays included.
    pub deliveries: u32,
    /// How many of these were replays.
    pub replays: u32,
    /// When the table may forget it, in seconds since the epoch.
    pub expires_at: i64,
}

impl Entry {
    /// The first telling of `fact`, at `now`, to be kept for `days`.
    #[must_use]
    pub fn new(fact: RecordFact, now: Timestamp, days: u32, replay: bool) -> Self {
        Self {
            metadata: fact.metadata,
            data: fact.data,
            first_seen: now,
            deliveries: 1,
            replays: u32::from(replay),
            expires_at: now.as_second().saturating_add(i64::from(days) * DAY),
        }
    }

    /// How often it was told anew, beyond the first time.
    #[must_use]
    pub fn duplicates(&self) -> u32 {
        let anew = self.deliveries.saturating_sub(self.replays);
        anew.saturating_sub(1)
    }
}

/// Where a fact is kept: under its correlation id, in order of its time.
#[must_use]
pub fn key(metadata: &Metadata) -> Key {
    // Nine digits always: as text, a fraction that is left out sorts wrongly.
    let sk = format!("fact#{:.9}#{}", metadata.time, metadata.id);
    Key::new(&metadata.correlationid, sk)
}
