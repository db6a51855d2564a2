//! The port to the payment provider.

use std::future::Future;

use duet_core::Money;

/// A payment provider that honours an idempotency key of ours.
pub trait Provider: Clone + Send + Sync + 'static {
    /// Charges `amount` to the card behind `token`. A key already charged is
    /// the same charge: nothing more is taken.
    ///
    /// # Errors
    /// [`CaptureError`]. After `Unavailable` the money may have been taken all
    /// the same: only asking again by the same key, or [`Provider::void`], tells.
    fn capture(
        &self,
        key: &str,
        token: &str,
        amount: Money,
    ) -> impl Future<Output = Result<(), CaptureError>> + Send;

    /// Gives back whatever was charged under `key`, and sees to it that nothing
    /// ever will be: a capture that comes later finds
    /// [`CaptureError::Voided`]. Gives what has been given back under this key
    /// in all, however often it is asked; `None` when nothing was charged.
    ///
    /// # Errors
    /// [`Unavailable`] when the provider did not answer.
    fn void(&self, key: &str) -> impl Future<Output = Result<Option<Money>, Unavailable>> + Send;
}

/// Why nothing was charged, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// The provider says no, for good.
    #[error("the card was declined")]
    Declined,
    /// The key was voided before.
    #[error("the charge was voided")]
    Voided,
    /// No answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The provider did not answer. The text never holds a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payment provider did not answer: {0}")]
pub struct Unavailable(pub String);
