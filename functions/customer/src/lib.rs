//! The customer service: takes registrations and decides, once, whether an
//! account may be used.
//!
//! | command | facts | notes |
//! |---|---|---|
//! | RegisterCustomer | NewCustomer | the account is pending |
//! | ActivateCustomer | CustomerActivated | declined once the account is blocked |
//! | BlockCustomer | CustomerBlocked | declined once the account is active |
//!
//! The decision about an account is made once: whichever of the last two comes
//! first is final, and the other is declined. Closing an account that was in
//! use is another matter (orders, refunds), and another command's.
//!
//! Ports: its own table ([`duet_core::store::Store`]) and the clock.

pub mod command;
pub mod domain;
mod policy;
mod service;
#[cfg(test)]
mod tests;

pub use command::Command;
pub use service::{Customers, build, key};
