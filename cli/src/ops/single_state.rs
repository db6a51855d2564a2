//! One state of a definition alone, in the form of the API's `TestState`.

use std::path::Path;

use duet_asl::{
    DEFAULT_START, ExecutionOptions, InspectionData, StateMachine, StateReport, StateTest,
    TaskError, TestStatus, test_state,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::read;
use crate::terminal::report::Report;

/// How much of a state's data is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The output or the error, and the next state.
    Info,
    /// What was made of its data on the way, too.
    Debug,
    /// The HTTP request and response, too.
    Trace,
}

/// What is asked, as the API's request has it.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// `stateName`.
    pub state: &'a str,
    /// `input`.
    pub input: Value,
    /// `context`.
    pub context: Value,
    /// `variables`.
    pub variables: Value,
    /// `mock`.
    pub mock: Option<Value>,
    /// `stateConfiguration`.
    pub configuration: Value,
    /// `inspectionLevel`.
    pub level: Level,
    /// Decides jitter, UUIDs, tokens and random numbers.
    pub seed: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Mock {
    /// JSON text, as the API takes it, or the value itself.
    result: Option<Value>,
    error_output: Option<ErrorOutput>,
    #[serde(default)]
    field_validation_mode: Mode,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ErrorOutput {
    error: String,
    cause: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Mode {
    #[default]
    Strict,
    Present,
    None,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Configuration {
    #[serde(default)]
    retrier_retry_count: u32,
    error_caused_by_state: Option<String>,
    map_iteration_failure_count: Option<u32>,
    map_item_reader_data: Option<String>,
}

/// What came of it; in either format it is one JSON document, the API's answer.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Answered(StateReport);

impl Report for Answered {
    fn text(&self) -> String {
        serde_json::to_string_pretty(&self.0).unwrap_or_default()
    }

    fn exit(&self) -> Exit {
        match self.0.status {
            TestStatus::Succeeded => Exit::Done,
            TestStatus::Failed | TestStatus::Retriable | TestStatus::CaughtError => Exit::Failed,
        }
    }
}

/// Tests one state of `machine`, which was read from `file`.
///
/// # Errors
/// [`Problem`] when the request is not what the API would take, saying where.
pub fn of(machine: &Arc<StateMachine>, file: &Path, asked: Asked<'_>) -> Outcome<Answered> {
    let mock = match asked.mock {
        None => None,
        Some(value) => Some(mocked(machine, asked.state, value)?),
    };
    let configuration: Configuration = read::typed(asked.configuration, "--state-configuration")?;
    let context = object("--context", asked.context)?;
    let test = StateTest {
        state: asked.state.to_owned(),
        input: asked.input,
        variables: object("--variables", asked.variables)?,
        mock,
        retries: configuration.retrier_retry_count,
        caused_by: configuration.error_caused_by_state,
        failed_iterations: configuration.map_iteration_failure_count,
        reader_data: configuration.map_item_reader_data,
        options: ExecutionOptions {
            seed: asked.seed,
            history: false,
            context: (!context.is_empty()).then_some(context),
            ..ExecutionOptions::default()
        },
        now: DEFAULT_START,
    };
    let mut report = test_state(machine, &test)
        .map_err(|why| Problem::usage(format!("{}: {why}", file.display())))?;
    match (asked.level, &mut report.inspection_data) {
        (Level::Info, all) => *all = None,
        (
            Level::Debug,
            Some(InspectionData {
                request, response, ..
            }),
        ) => {
            (*request, *response) = (None, None);
        }
        _ => {}
    }
    Ok(Answered(report))
}

/// The mock in the form of the engine.
fn mocked(machine: &StateMachine, state: &str, value: Value) -> Outcome<Result<Value, TaskError>> {
    let mock: Mock = read::typed(value, "--mock")?;
    match (mock.result, mock.error_output) {
        (Some(Value::String(text)), None) => {
            let result = serde_json::from_str(&text).map_err(|e| {
                Problem::usage(format!("--mock: result: no JSON text: {e}")).hint(
                    "the API takes the result as JSON text, a text within it as \"\\\"text\\\"\"",
                )
            })?;
            fitting(machine, state, result, mock.field_validation_mode)
        }
        (Some(result), None) => fitting(machine, state, result, mock.field_validation_mode),
        (None, Some(it)) => Ok(Err(TaskError {
            error: it.error,
            cause: it.cause,
        })),
        _ => Err(Problem::usage(
            "--mock: exactly one of result and errorOutput",
        )),
    }
}

/// A mocked result that its integration could give, as far as that is known.
fn fitting(
    machine: &StateMachine,
    state: &str,
    result: Value,
    mode: Mode,
) -> Outcome<Result<Value, TaskError>> {
    let misfits = match mode {
        Mode::None => None,
        mode => machine.misfits(state, &result, mode == Mode::Strict),
    };
    match misfits.unwrap_or_default().as_slice() {
        [] => Ok(Ok(result)),
        some => Err(
            Problem::usage(format!("--mock: result: {}", some.join("; ")))
                .hint("fieldValidationMode NONE takes any result"),
        ),
    }
}

fn object(what: &str, value: Value) -> Outcome<Map<String, Value>> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(Problem::usage(format!("{what} is a JSON object"))),
    }
}
