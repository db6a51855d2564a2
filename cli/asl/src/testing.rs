//! Testing a state machine from Rust, in a line.
//!
//! Owns the words; what they mean is [`suite`](crate::suite)'s, so an expected value may hold its matchers, such as
//! `{"$any": true}`. What is not as it should be panics, for that is how a Rust test fails.
//!
//! ```
//! use duet_asl::testing::{definition, throws};
//! use serde_json::json;
//! use std::time::Duration;
//!
//! let order = definition(r#"{
//!     "StartAt": "Charge",
//!     "States": {
//!         "Charge": {
//!             "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "charge"},
//!             "ResultSelector": {"charge.$": "$.Payload"},
//!             "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 2}],
//!             "Catch": [{"ErrorEquals": ["Declined"], "Next": "Refuse"}], "End": true
//!         },
//!         "Refuse": {"Type": "Fail", "Error": "Refused"}
//!     }
//! }"#);
//! order.mock("Charge", throws("Busy")).mock("Charge", json!({"Payload": "ch-1"})).run(json!({}))
//!     .succeeds_with(json!({"charge": "ch-1"}))
//!     .takes(Duration::from_secs(2));
//! order.mock("Charge", throws("Declined")).run(json!({}))
//!     .fails_with("Refused")
//!     .goes_through(["Charge", "Refuse"]);
//! ```

use crate::model::StateMachine;
use crate::suite::{CaseReport, Suite};
use crate::validate::Severity;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A state machine under test, with the answers of its tasks.
#[derive(Debug, Clone)]
#[must_use]
pub struct Machine {
    machine: Arc<StateMachine>,
    /// By state: a list of answers as a test file has them.
    mocks: Map<String, Value>,
}

/// An execution under test.
#[derive(Debug, Clone)]
pub struct Ran {
    machine: Arc<StateMachine>,
    mocks: Value,
    input: Value,
}

/// What a task is answered: a result, or what [`throws`], [`never()`] and [`Answer::after`] make.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Answer(Map<String, Value>);

/// The machine that a file defines; the path is from where the test runs, which is the package's own folder.
///
/// # Panics
/// When the file cannot be read, or Step Functions would refuse it: with all findings.
#[track_caller]
pub fn machine(path: impl AsRef<Path>) -> Machine {
    let path = path.as_ref();
    match std::fs::read_to_string(path) {
        Ok(text) => of(&text, &path.display().to_string()),
        Err(why) => panic!("{} cannot be read: {why}", path.display()),
    }
}

/// The machine that a text defines.
///
/// # Panics
/// When Step Functions would refuse it: with all findings.
#[track_caller]
pub fn definition(text: &str) -> Machine {
    of(text, "the definition")
}

#[track_caller]
fn of(text: &str, name: &str) -> Machine {
    match StateMachine::parse(text) {
        Ok(machine) => Machine {
            machine: Arc::new(machine),
            mocks: Map::new(),
        },
        Err(findings) => {
            let errors = findings.iter().filter(|it| it.severity == Severity::Error);
            let errors: Vec<String> = errors.map(ToString::to_string).collect();
            panic!("{name} is refused:\n{}", errors.join("\n"))
        }
    }
}

/// An answer that is an error.
pub fn throws(error: &str) -> Answer {
    Answer::of("throws", json!({"error": error}))
}

/// No answer: it is for the state's time limit to end it.
pub fn never() -> Answer {
    Answer::of("never", true.into())
}

impl Answer {
    fn of(kind: &str, value: Value) -> Self {
        Self(Map::from_iter([(kind.to_owned(), value)]))
    }

    /// … and it comes so much later.
    pub fn after(mut self, time: Duration) -> Self {
        self.0.insert("after".into(), time.as_secs_f64().into());
        self
    }
}

impl From<Value> for Answer {
    /// The task's result.
    fn from(value: Value) -> Self {
        Self::of("returns", value)
    }
}

impl Machine {
    /// The same with an answer for a task: for every call, or, given more than once for a state, for one call after the
    /// other.
    pub fn mock(&self, state: &str, answer: impl Into<Answer>) -> Self {
        let mut more = self.clone();
        let answers = more.mocks.entry(state).or_insert_with(|| json!([]));
        if let Value::Array(answers) = answers {
            answers.push(Value::Object(answer.into().0));
        }
        more
    }

    /// An execution with this input, to be asked what becomes of it.
    #[must_use]
    pub fn run(&self, input: Value) -> Ran {
        // One answer is for every call.
        let mocks = self.mocks.iter().map(|(state, answers)| {
            let answers = match answers.as_array().map(Vec::as_slice) {
                Some([one]) => one.clone(),
                _ => answers.clone(),
            };
            (state.clone(), answers)
        });
        Ran {
            machine: self.machine.clone(),
            mocks: mocks.collect(),
            input,
        }
    }
}

impl Ran {
    /// It succeeds, with this output.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn succeeds_with(&self, output: Value) -> &Self {
        self.expect(json!({"output": output}))
    }

    /// It fails, with this error.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn fails_with(&self, error: &str) -> &Self {
        self.expect(json!({"error": error}))
    }

    /// It enters these states in this order, however it ends.
    ///
    /// # Panics
    /// When it enters others.
    #[track_caller]
    pub fn goes_through<'s>(&self, states: impl IntoIterator<Item = &'s str>) -> &Self {
        let path: Vec<&str> = states.into_iter().collect();
        self.expect(json!({"status": self.report(&json!({})).status, "path": path}))
    }

    /// It takes so much virtual time, however it ends.
    ///
    /// # Panics
    /// When it takes another.
    #[track_caller]
    pub fn takes(&self, time: Duration) -> &Self {
        let duration = time.as_secs_f64();
        self.expect(json!({"status": self.report(&json!({})).status, "duration": duration}))
    }

    /// All that a test file can expect of a case, such as `{"status": "TIMED_OUT", "calls": {"Charge": 2}}`.
    ///
    /// # Panics
    /// When it is not so.
    #[track_caller]
    pub fn expect(&self, expect: Value) -> &Self {
        let report = self.report(&expect);
        if let Some(why) = &report.stopped {
            panic!("it could not be run to its end: {why}");
        }
        let told = report.differences.iter().map(|it| {
            let (place, expected, got) = (&it.place, &it.expected, &it.got);
            format!("{place}\n  expected {expected}\n  got      {got}")
        });
        let told: Vec<String> = told.collect();
        let path: Vec<&str> = report.path().collect();
        assert!(
            told.is_empty(),
            "{}\npath: {}",
            told.join("\n"),
            path.join(", ")
        );
        self
    }

    /// Runs it as the one case of a test file. Executions are alike, so each question may have one of its own.
    #[track_caller]
    fn report(&self, expect: &Value) -> CaseReport {
        let case =
            json!({"name": "it", "input": self.input, "mocks": self.mocks, "expect": expect});
        let suite = serde_json::from_value(json!({"cases": [case]}));
        let ran = suite
            .map_err(|why| vec![why.to_string()])
            .and_then(|suite: Suite| suite.run(&self.machine, &|_| true));
        match ran {
            Ok(mut ran) => ran.cases.remove(0),
            Err(problems) => panic!("{}", problems.join("\n")),
        }
    }
}
