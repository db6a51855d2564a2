//! The journal: keeps every fact of the bus for a while, so that people and
//! tools can tell what led to what, and say it again.
//!
//! | command | facts | notes |
//! |---|---|---|
//! | RecordFact | none | one entry per fact, under its correlation id, in order of time |
//!
//! A listener like any other: nobody knows that it is there, and it says
//! nothing. What is told twice is counted, not kept twice; whether a telling
//! was a replay is counted apart.
//!
//! Facts hold names and addresses, so an entry goes after a while: the table's
//! time-to-live removes it, up to two days late.
//!
//! Ports: its own table ([`duet_core::store::Store`]) and the clock.

pub mod command;
pub mod domain;
mod policy;
mod service;
#[cfg(test)]
mod tests;

pub use command::Command;
pub use domain::{Entry, key};
pub use service::{Journal, build};
