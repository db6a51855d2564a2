//! The payment service: charges an order's total once, and gives it back.
//!
//! | command | facts | notes |
//! |---|---|---|
//! | CapturePayment | PaymentCaptured, PaymentDeclined, PaymentUnavailable | at once |
//! | NoteOrder, NoteReservation | the same | a join: whichever completes it charges |
//! | RefundPayment | PaymentRefunded, RefundFailed | answers every rejection, even when nothing was charged |
//!
//! Ports: its own table ([`duet_core::store::Store`]), the clock, and the
//! payment provider ([`ports::Provider`]), simulated in [`adapters`].

pub mod adapters;
pub mod command;
pub mod domain;
#[cfg(test)]
mod interleavings;
mod policy;
pub mod ports;
mod service;

pub use adapters::SimulatedProvider;
pub use command::Command;
pub use service::{Payments, build, key};
