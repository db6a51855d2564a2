//! Why a command took no effect, apart from what its own decision says.

use crate::store::StoreFault;

/// Why a command took no effect. What a decision says no with is an error of the
/// caller's own, which holds these: see [`Keeper::Error`](crate::Keeper::Error).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The command took effect before, with other data: a mistake of the sender's.
    #[error("the same command was handled before with other data")]
    OtherData,
    /// The command took effect before, in another [scope](crate::Ticket::scope).
    #[error("the same command was handled before in another scope")]
    OtherScope,
    /// Its documents changed each time before what it decided was written. Try it
    /// again later.
    #[error("the document kept changing")]
    Contended,
    /// Another delivery is asking the third party. Try it again later.
    #[error("another delivery is asking the third party")]
    Locked,
    /// What is to be written has no JSON text: a map whose keys are no text, for one.
    #[error("{what} cannot be written as JSON: {problem}")]
    Unwritable {
        /// What it is.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The store did not do what it was asked.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Error {
    /// Whether the same command may take effect if it is delivered again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Contended | Self::Locked => true,
            Self::Store(fault) => fault.is_transient(),
            Self::OtherData | Self::OtherScope | Self::Unwritable { .. } => false,
        }
    }
}
