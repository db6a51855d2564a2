//! A world that the system runs in: what the commands need of it ([`port`]), and
//! the two there are, in files of the same names.
//!
//! Commands are written against [`World`] and know neither the emulator nor AWS.

#[cfg(feature = "aws")]
pub mod aws;
pub mod lab;
pub mod port;

pub use self::port::{
    Answer, Commanded, DeadLetter, Deployment, Execution, HistoryEvent, Submitted, World,
};
