//! What a service is built from.

use std::fmt::Display;
use std::str::FromStr;

use crate::store::Store;
use crate::time::Clock;

/// Where a service runs: a function on Lambda, one in the lab, or nowhere.
///
/// Each service's crate has one function `build` that makes the service from it,
/// so what a service needs is written once. A third party is no part of it: the
/// service whose it is takes it beside.
pub trait Environment {
    /// A table.
    type Table: Store;
    /// The clock.
    type Clock: Clock;
    /// What is wrong with the environment.
    type Error;

    /// The table that the variable called `variable` names.
    ///
    /// # Errors
    /// When the variable is missing, or names no table.
    fn table(&self, variable: &str) -> Result<Self::Table, Self::Error>;

    /// The variable called `variable`, as a `T`.
    ///
    /// # Errors
    /// When it is missing, or no `T`.
    fn setting<T: FromStr<Err: Display>>(&self, variable: &str) -> Result<T, Self::Error>;

    /// The clock that a service there goes by.
    fn clock(&self) -> Self::Clock;
}
