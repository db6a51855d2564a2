//! Drills: what an operator does when something went wrong, done for practice
//! and proved to do no harm.

pub mod replay;

use clap::ValueEnum;

/// The drills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Drill {
    /// Replay everything over finished orders: nothing may change.
    Replay,
}
