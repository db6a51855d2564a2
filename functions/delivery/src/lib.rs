//! The delivery service: books a carrier for an order once, and cancels.
//!
//! | command | facts | notes |
//! |---|---|---|
//! | ScheduleDelivery | DeliveryScheduled, DeliveryFailed | at once |
//! | NoteOrder, NotePayment, NoteClearance | the same | a join: whichever completes it books |
//! | CancelDelivery | DeliveryCancelled | answers every rejection, even when nothing was booked |
//!
//! Whether the join waits for the fraud service's clearance is a setting: a shop
//! without that service has nobody to wait for.
//!
//! Ports: its own table ([`duet_core::store::Store`]), the clock, and the
//! carrier ([`ports::Carrier`]), simulated in [`adapters`].

pub mod adapters;
pub mod command;
pub mod domain;
#[cfg(test)]
mod interleavings;
mod policy;
pub mod ports;
mod service;

pub use adapters::SimulatedCarrier;
pub use command::Command;
pub use service::{Deliveries, build, key};
