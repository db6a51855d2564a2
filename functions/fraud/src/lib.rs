//! The fraud service: screens orders and customers by rules over what it has
//! seen before, and keeps the reviews that people decide.
//!
//! | command | facts | notes |
//! |---|---|---|
//! | ScreenOrder | NoFraudDetected, PossibleFraud or FraudConfirmed | PossibleFraud opens a review |
//! | ScreenCustomer | NoFraudDetected or PossibleFraud | no review: the account gets blocked |
//! | OpenReview | | somebody waits for the verdict |
//! | DecideReview | NoFraudDetected or FraudConfirmed | declined once the review is closed |
//! | CloseReview | ReviewTimedOut, or none | also its own clock; a verdict given in time stands |
//!
//! The rules stand in [`rules`], as a table. Ports: its own table
//! ([`duet_core::store::Store`]) and the clock.

pub mod command;
pub mod domain;
pub mod history;
mod policy;
pub mod review;
pub mod rules;
mod service;
#[cfg(test)]
mod tests;

pub use command::Command;
pub use service::{Frauds, build, email_key, history_key, review_key};
