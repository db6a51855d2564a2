//! The port to the world outside the shop.

use std::future::Future;

use duet_core::Failure;
use duet_core::fact::Notice as Kind;

/// A notice on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The id of its record: a receiver who sees it again has seen the notice.
    pub id: String,
    /// The order or customer it is about.
    pub subject: String,
    /// What it says.
    pub kind: Kind,
    /// The variant under which the order or customer runs.
    pub variant: String,
}

/// Where notices go.
pub trait Publisher: Clone + Send + Sync + 'static {
    /// Publishes `notice`.
    ///
    /// # Errors
    /// [`Failure::Transient`] when nobody took it.
    fn publish(&self, notice: &Notice) -> impl Future<Output = Result<(), Failure>> + Send;
}
