//! The Amazon States Language on virtual time.
//!
//! Owns definitions (reading, validating, running) and nothing else: no AWS
//! call, no clock, no thread. Time comes in as an argument and randomness from
//! a seed, so that a simulator can own both; objects that a distributed Map
//! reads and writes are a port, [`Objects`].
//!
//! | to | use |
//! |---|---|
//! | check a definition | [`validate`], [`validate_as`] |
//! | compile it, once for all executions | [`StateMachine::parse`], [`substitute`] before it |
//! | run it to the end with mocked tasks | [`run()`], [`drive`] |
//! | test one state, as `TestState` does | [`test_state`] |
//! | test it from Rust, in a line | [`testing`] |
//! | test it by a file: cases, expectations, coverage | [`suite`] |
//! | drive it from a simulator | [`Execution`] and its [`Effect`]s |
//!
//! ```
//! use duet_asl::{RunOptions, StateMachine, Status, run};
//! use serde_json::json;
//! use std::sync::Arc;
//!
//! let definition = json!({
//!     "QueryLanguage": "JSONata", "StartAt": "Greet",
//!     "States": {"Greet": {"Type": "Pass", "Output": "{% 'Hello, ' & $states.input.name %}", "End": true}}
//! });
//! let machine = Arc::new(StateMachine::parse(&definition.to_string()).expect("no findings"));
//! let report = run(&machine, json!({"name": "Ada"}), RunOptions::default())?;
//! assert_eq!(report.status, Status::Succeeded);
//! assert_eq!(report.output.as_deref(), Some(&json!("Hello, Ada")));
//! # Ok::<(), duet_asl::RunError>(())
//! ```
//!
//! # Where the facts come from
//! The States Language specification, the Step Functions developer guide and API
//! reference, and public recordings of the service's answers and histories. Where
//! they differ: the guide says that `States.ALL` does not match
//! `States.DataLimitExceeded`, recordings of 2024 show it caught for a task's
//! answer, and this crate follows the recordings there and the guide elsewhere; a
//! Map over an object was refused on JSONPath in 2024, and today's guide allows it;
//! the history names a missed heartbeat `States.Timeout`, and here it is caught
//! under that name and under `States.HeartbeatTimeout`. `docs/lab.md` has a row
//! for each fact.
//!
//! # What is not here
//! Of a distributed Map PARQUET and manifests of Athena are refused by name when a definition is read. Not established, and so chosen: for what
//! AWS writes `ActivityScheduleFailed` (here: the driver refuses the task), what `ExecutionRedriven`
//! follows (the last event), and the causes of failures for which no recording
//! was found. `.sync` tasks record no `TaskSubmitted`. An Express execution that
//! makes 150,000 transitions at one instant counts as having used its five minutes.
//! AWS bounds what a JSONata expression holds to some 7 MB; here that bound is on the
//! items of a sequence and on what functions are called with, and other texts may grow
//! beyond it.

mod choice;
mod dataset;
mod env;
mod exec;
pub mod failure;
mod history;
mod integration;
mod intrinsic;
mod jsonata;
mod mock;
mod model;
mod objects;
mod parse;
mod path;
mod release;
mod retry;
mod run;
mod substitute;
pub mod suite;
mod taken;
mod template;
pub mod testing;
mod validate;

pub use env::size;
pub use exec::{
    ActivityTask, AnswerError, ChildReport, Counts, Effect, Execution, ExecutionOptions,
    InspectionData, MapRunReport, RedriveError, StateReport, StateTest, Status, Surroundings,
    TaskCall, TaskError, TaskId, TestStatus, test_state,
};
pub use history::{HistoryEvent, MAX_EVENTS};
pub use mock::{MockCase, MockConfig, MockError};
pub use model::{MachineType, Pattern, Resource, StateMachine};
pub use objects::{MemoryObjects, ObjectError, Objects};
pub use release::{Release, ReleaseError, Releases, Route};
pub use run::{DEFAULT_START, Reply, RunError, RunOptions, RunReport, drive, drive_with, run};
pub use substitute::substitute;
pub use taken::{Possible, Taken, Way};
pub use validate::{Finding, Severity, codes, validate, validate_as};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// State data: shared, so that passing it on copies nothing.
pub type Data = std::sync::Arc<serde_json::Value>;

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;
