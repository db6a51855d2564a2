//! The notification service: tells the world outside the shop what became of
//! an order or an account.
//!
//! | command | facts | notes |
//! |---|---|---|
//! | NotifyCustomer | CustomerNotified | one record per subject and kind; published at least once |
//!
//! That the service publishes to its topic by itself is its business, like a
//! charge is the payment service's, and no coordination: nobody in the shop
//! listens there. The record comes first, then the publication, and a repeat
//! publishes again, under the id of the record: who receives a notice twice
//! can tell. A replay of old messages publishes nothing.
//!
//! Ports: its own table ([`duet_core::store::Store`]), the clock, and the
//! topic ([`ports::Publisher`]).

pub mod adapters;
pub mod command;
pub mod domain;
mod policy;
pub mod ports;
mod service;
#[cfg(test)]
mod tests;

pub use command::Command;
pub use service::{Notifications, build, key};
