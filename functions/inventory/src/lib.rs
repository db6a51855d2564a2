//! The inventory service: sets stock aside for an order, ships it or puts it back.
//!
//! | command | facts | notes |
//! |---|---|---|
//! | ReserveStock | StockReserved, StockUnavailable | every line or none; the total must be the catalogue's |
//! | ReleaseStock | StockReleased | answers every rejection, even when nothing was set aside |
//! | ShipStock | StockShipped | after the pivot |
//!
//! Ports: its own table ([`duet_core::store::Store`]), which holds the catalogue
//! too, and the clock.

pub mod command;
pub mod domain;
#[cfg(test)]
mod interleavings;
mod policy;
mod service;

pub use command::Command;
pub use service::{Inventory, build, reservation_key, restock, seed, stock_key};
