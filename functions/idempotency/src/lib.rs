#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! | module | what it owns |
//! |---|---|
//! | [`store`] | the port to a table of versioned documents, with an in-memory adapter |
//! | [`Ticket`] | which command it is: its name, subject, part, data and scope |
//! | [`Once`] | the protocol: look for the record, decide, write state and record together |
//! | [`Keeper`], [`Plain`] | how an outcome is kept and had again |
//! | [`lock`] | asking a third party: lock, ask, commit |
//! | [`testing`] | rehearsing a handler under at-least-once delivery |

mod error;
pub mod lock;
mod once;
mod plain;
pub mod store;
pub mod testing;
#[cfg(test)]
mod tests;
mod ticket;

pub use error::Error;
pub use once::{Found, Keeper, Kept, Once, attempts};
pub use plain::{Decision, Done, Plain};
pub use ticket::{Stamp, Ticket, is_record, record_key, sha256};
