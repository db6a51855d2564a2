//! Asking a third party, in the shop's terms: [`duet_idempotency::lock`] with its
//! decisions and failures.

pub use duet_idempotency::lock::{Lock, Run};

use crate::{Context, Decision, Failure};

/// What a document and a command call for.
pub type Step<T, Q> = duet_idempotency::lock::Step<Decision<T>, T, Q>;

/// What an answer calls for.
pub type End<T> = duet_idempotency::lock::End<Decision<T>, T, Failure>;

impl Context {
    /// The delivery, as a lock knows it.
    #[must_use]
    pub fn run(&self) -> Run<'_> {
        Run {
            message: &self.message.id,
            until: self.deadline,
            last: self.last_attempt,
        }
    }
}
