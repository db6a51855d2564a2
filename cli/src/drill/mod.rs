//! Drills: something is broken on purpose, as it breaks in earnest, and the
//! operator's commands have to make it good.

pub mod outage;

use clap::ValueEnum;

/// The drills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Drill {
    /// Payment, refund and release are down and return; every order ends as it should.
    Outage,
}

impl Drill {
    /// How long a person has to decide a review in a lab for it, in seconds.
    #[must_use]
    pub fn review_seconds(self) -> u32 {
        match self {
            Self::Outage => outage::REVIEW_SECONDS,
        }
    }

    /// How many orders are placed under each variant unless one says otherwise.
    #[must_use]
    pub fn orders(self) -> usize {
        match self {
            Self::Outage => 200,
        }
    }
}
