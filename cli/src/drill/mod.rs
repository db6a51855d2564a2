//! Drills: something is broken on purpose, as it breaks in earnest, and the
//! operator's commands have to make it good and do no harm.

pub mod outage;
pub mod replay;

use clap::ValueEnum;

/// The drills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Drill {
    /// Payment, refund and release are down and return; every order ends as it should.
    Outage,
    /// Everything is said again over finished orders; nothing may change.
    Replay,
}

impl Drill {
    /// How long a person has to decide a review in a lab for it, in seconds.
    #[must_use]
    pub fn review_seconds(self) -> u32 {
        match self {
            Self::Outage => outage::REVIEW_SECONDS,
            Self::Replay => 30,
        }
    }
}
