//! The `duet` command: drives, inspects and compares the order system.
//!
//! Rooms, from the ground up; each uses only those before it:
//! [`terminal`] (what is said and read), [`shop`] (what the shop is), [`world`]
//! (where it runs), [`ops`] (what is done to a world), [`simulate`] (many seeded
//! worlds), [`target`] (where `--on` leads), [`commands`] (what is asked).

pub mod commands;
pub mod ops;
pub mod shop;
pub mod simulate;
pub mod target;
pub mod terminal;
pub mod world;
