//! The Amazon States Language on virtual time.
//!
//! Owns definitions (reading, validating, running) and nothing else: no AWS
//! call, no clock, no thread. Time comes in as an argument and randomness from
//! a seed, so that a simulator can own both.
pub mod failure;
mod choice;
mod env;
mod exec;
mod history;
mod intrinsic;
mod jsonata;
mod model;
mod parse;
mod path;
mod retry;
mod template;
mod validate;

pub use exec::{
    AnswerError, Effect, Execution, ExecutionOptions, RedriveError, Status, TaskCall, TaskError, TaskId,
};
pub use history::{HistoryEvent, MAX_EVENTS};
pub use model::{MachineType, Pattern, Resource, StateMachine};
pub use validate::{Finding, Severity, codes, validate, validate_as};

/// State data: shared, so that passing it on copies nothing.
pub type Data = std::sync::Arc<serde_json::Value>;

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;
