//! The port to the carrier.

use std::future::Future;

use duet_core::order::Address;

/// A carrier that honours an idempotency key of ours.
pub trait Carrier: Clone + Send + Sync + 'static {
    /// Books a delivery to `ship_to` and gives its tracking reference. A key
    /// already booked is the same delivery.
    ///
    /// # Errors
    /// [`BookError`]. After `Unavailable` the delivery may be booked all the
    /// same: only asking again by the same key tells, and [`Carrier::cancel`]
    /// settles it.
    fn book(
        &self,
        key: &str,
        ship_to: &Address,
    ) -> impl Future<Output = Result<String, BookError>> + Send;

    /// Cancels whatever is booked under `key`, and sees to it that nothing ever
    /// will be: a booking that comes later finds [`BookError::Cancelled`].
    ///
    /// # Errors
    /// [`Unavailable`] when the carrier did not answer.
    fn cancel(&self, key: &str) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// Why nothing is booked, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// The carrier does not serve the address, for good.
    #[error("the address is not served")]
    NotServed,
    /// The key was cancelled before.
    #[error("the delivery was cancelled")]
    Cancelled,
    /// No answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The carrier did not answer. The text never holds an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the carrier did not answer: {0}")]
pub struct Unavailable(pub String);
