//! Sweeps: what a service does by the clock, beside the commands that reach it.
//!
//! A message that is lost, a timer that never fires or an execution whose end
//! nobody told leave something undecided. A service that says here which of its
//! documents wait, and what is to be said when nobody drives one any more, has
//! them found by whoever runs its sweep. It says what it would have been told:
//! a command of its own, which takes effect once like any other.

use crate::store::Item;
use crate::{Failure, Service, Timestamp};

/// An execution of a workflow, as its engine tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// Its name: see [`crate::id::of_execution`].
    pub name: String,
    /// When it ended; `None` while it runs.
    pub ended: Option<Timestamp>,
}

/// What a document waits under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// What it is about, which is what executions are named after.
    pub subject: String,
    /// The variant that drives it.
    pub variant: String,
}

/// A service that has what it left undecided found.
pub trait Sweep: Service {
    /// The index of its table that lists, sparsely, what is to be looked at:
    /// named after the attribute by which a document is in it.
    const INDEX: &'static str;

    /// Whether `item` is one to be asked after, `now`: it waits, and has been let
    /// alone for long enough.
    ///
    /// # Errors
    /// [`Failure::Invalid`] when it is no document of the service's.
    fn waits(item: &Item, now: Timestamp) -> Result<Option<Waits>, Failure>;

    /// What is to be said about `item`, if nobody drives it any more. Where its
    /// variant has a workflow, `executions` are all about it; `None` where it has
    /// none, and the document's own timers drive it.
    ///
    /// # Errors
    /// [`Failure::Invalid`] when it is no document of the service's.
    fn left(
        item: &Item,
        executions: Option<&[Execution]>,
        now: Timestamp,
    ) -> Result<Option<Self::Command>, Failure>;
}
