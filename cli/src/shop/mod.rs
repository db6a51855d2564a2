//! What the shop is: its services, variants, messages, scenarios, parameters,
//! goods and contracts. Nothing here knows where it runs.

pub mod contracts;
pub mod goods;
pub mod message;
pub mod parameters;
pub mod scenario;
pub mod services;
pub mod variant;
