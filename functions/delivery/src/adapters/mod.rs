//! Adapters of the carrier's port.

mod simulated;

pub use simulated::{Booking, SimulatedCarrier, Status, booking_key};
