//! Adapters of the payment provider's port.

mod simulated;

pub use simulated::{Card, Charge, SimulatedProvider, charge_key};
