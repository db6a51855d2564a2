//! Tests of a state machine: named cases with mocks and expectations.
//!
//! Owns the format of a test file, and running it. Reading YAML or JSON, and which
//! file has the definition, is the caller's. Unlike `mock`, which has the format of
//! Step Functions Local's `MockConfigFile`, a case says what it expects, and its
//! answers may take virtual time; `docs/asl-tests.md` describes the format.

mod case;
mod coverage;
mod expect;
mod picture;
mod read;
mod script;

pub use case::{CaseReport, Difference};
pub use coverage::{Coverage, Covered, Family};
pub use picture::mermaid;

use crate::exec::{Status, TaskError};
use crate::model::{MachineType, StateMachine};
use crate::objects::Objects;
use crate::{Data, Millis};
use case::Prepared;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A test file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Suite {
    /// The definition's file.
    pub definition: Option<String>,
    /// Or: the template that deploys it.
    pub template: Option<String>,
    /// Which state machine of the template, by its logical id.
    pub resource: Option<String>,
    /// Parameters of the template.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// What stands for the definition's `${Name}`.
    #[serde(default)]
    pub substitutions: BTreeMap<String, Value>,
    /// The kind of workflow; a template says it itself.
    #[serde(default, rename = "type", deserialize_with = "read::kind")]
    pub kind: Option<MachineType>,
    /// Decides jitter, UUIDs, tokens and random numbers, where a case does not.
    #[serde(default)]
    pub seed: u64,
    /// When executions start, as ISO 8601; 2026-01-01T00:00:00Z unless given.
    #[serde(default, deserialize_with = "read::moment")]
    pub start: Option<Millis>,
    /// A folder with the objects that distributed Maps read.
    pub objects: Option<String>,
    /// Laid over the context object of each case.
    #[serde(default)]
    pub context: Map<String, Value>,
    /// Answers of tasks, where a case has none of its own for the state.
    #[serde(default)]
    pub mocks: BTreeMap<String, Answers>,
    /// The cases.
    pub cases: Vec<Case>,
}

/// A case.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// What it is called; no other case of the file is.
    pub name: String,
    /// The execution's input; an empty object unless given.
    #[serde(default = "read::empty")]
    pub input: Value,
    /// Laid over the context object, and over the file's own.
    #[serde(default)]
    pub context: Map<String, Value>,
    /// In place of the file's.
    pub seed: Option<u64>,
    /// Answers of tasks, by state.
    #[serde(default)]
    pub mocks: BTreeMap<String, Answers>,
    /// What must come of it.
    pub expect: Expect,
}

/// What the calls of a state are answered.
#[derive(Debug, Clone)]
pub struct Answers {
    /// Whether it is a list: one call after the other, and no more calls than answers.
    listed: bool,
    answers: Vec<Answer>,
}

/// An answer: one of `returns`, `throws` and `never`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// The task's result.
    #[serde(default, deserialize_with = "read::given")]
    returns: Option<Value>,
    /// Its error.
    throws: Option<Throw>,
    /// Whether nothing is answered, ever.
    #[serde(default)]
    never: bool,
    /// Virtual seconds until it comes.
    #[serde(default)]
    after: f64,
    /// How many calls get it.
    times: Option<Times>,
}

/// A task's error.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Throw {
    error: String,
    cause: Option<String>,
}

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    Of(u32),
    Always,
}

/// What must come of a case. What is not given is not looked at, but for the status:
/// `SUCCEEDED`, or `FAILED` where an error or a cause is expected.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    status: Option<Status>,
    #[serde(default, deserialize_with = "read::given")]
    output: Option<Value>,
    #[serde(default, deserialize_with = "read::given")]
    error: Option<Value>,
    #[serde(default, deserialize_with = "read::given")]
    cause: Option<Value>,
    /// The states in the order they are entered, nested ones too.
    path: Option<Vec<String>>,
    /// By state: how often it is called, or a list of what each call is given.
    #[serde(default)]
    calls: BTreeMap<String, Value>,
    /// Virtual seconds from start to end.
    #[serde(default, deserialize_with = "read::given")]
    duration: Option<Value>,
    /// Billed state transitions.
    #[serde(default, deserialize_with = "read::given")]
    transitions: Option<Value>,
}

/// What became of a test file.
#[derive(Debug, Clone)]
pub struct SuiteReport {
    /// Each case, in the file's order.
    pub cases: Vec<CaseReport>,
    /// What all cases together took of the definition.
    pub coverage: Coverage,
}

impl Suite {
    /// Runs the cases that `wanted` accepts by their names on `machine`.
    ///
    /// # Errors
    /// Everything in the file that does not fit the definition or the format, each
    /// with its place; then nothing is run.
    pub fn run(
        &self,
        machine: &Arc<StateMachine>,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<SuiteReport, Vec<String>> {
        self.run_with(machine, wanted, &|| None)
    }

    /// As [`Suite::run`], with objects for distributed Maps: `objects` gives those of
    /// one case.
    ///
    /// # Errors
    /// As [`Suite::run`].
    pub fn run_with(
        &self,
        machine: &Arc<StateMachine>,
        wanted: &dyn Fn(&str) -> bool,
        objects: &dyn Fn() -> Option<Arc<dyn Objects>>,
    ) -> Result<SuiteReport, Vec<String>> {
        let prepared = Prepared::all(self, machine)?;
        let cases: Vec<CaseReport> = prepared
            .iter()
            .filter(|case| wanted(case.name()))
            .map(|case| case.run(machine, objects()))
            .collect();
        let coverage = Coverage::of(machine, cases.iter().map(|case| case.taken.as_slice()));
        Ok(SuiteReport { cases, coverage })
    }
}

/// A call that a task made.
#[derive(Debug, Clone)]
pub struct Called {
    /// The state.
    pub state: Arc<str>,
    /// What it was called with.
    pub arguments: Data,
}

/// What a task is answered, by its state.
type Mocked = Result<Value, TaskError>;
