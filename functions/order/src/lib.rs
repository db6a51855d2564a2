//! The order service: takes orders on and decides their fate. It is the only
//! decider: every compensation hangs on its one fact `OrderRejected`.
//!
//! | command | facts | notes |
//! |---|---|---|
//! | PlaceOrder | NewOrder | sets the order's deadline |
//! | ConfirmOrder | OrderConfirmed | the pivot: nothing is undone after it |
//! | RejectOrder | OrderRejected | declined once the order is confirmed |
//! | ExtendDeadline | | a person needs time to look |
//! | NoteUndone | | the last one makes the order whole again |
//! | ParkOrder | OrderNeedsAttention | what could not be undone, or done |
//! | ExpireOrder | OrderRejected | its own deadline |
//! | ExpireCompensation | OrderNeedsAttention | a compensation's deadline |
//! | ForgetOrder | | declined before the order has ended |
//!
//! Ports: its own table ([`duet_core::store::Store`]) and the clock. What nobody
//! drives any more is found by its sweep ([`sweep`]).

pub mod command;
pub mod domain;
mod ending;
mod policy;
mod service;
pub mod sweep;
#[cfg(test)]
mod tests;

pub use command::Command;
pub use service::{Orders, Patience, build, key, placing_key};
