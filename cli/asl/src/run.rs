//! Running a machine to its end on virtual time, with mocked tasks.
//!
//! Owns a small driver: tasks answer at once, waits and backoffs take no real
//! time. A simulator with delays of its own drives [`Execution`] directly.

use crate::env::size;
use crate::exec::{Effect, Execution, ExecutionOptions, MAX_DATA, Status, TaskCall, TaskError};
use crate::history::HistoryEvent;
use crate::mock::MockCase;
use crate::model::{Pattern, StateMachine};
use crate::{Data, Millis};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// When runs start unless told otherwise: 2026-01-01T00:00:00Z.
pub const DEFAULT_START: Millis = 1_767_225_600_000;

/// How to run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Identity, seed and history of the execution.
    pub execution: ExecutionOptions,
    /// Answers of tasks, by state.
    pub mocks: Option<MockCase>,
    /// Whether a Lambda task without a mock returns its payload.
    pub task_echo: bool,
    /// The virtual time at which it starts.
    pub start: Millis,
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions {
            execution: ExecutionOptions::default(),
            mocks: None,
            task_echo: false,
            start: DEFAULT_START,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// In AWS's words.
    pub status: Status,
    /// The output, when it succeeded.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shared")]
    pub output: Option<Data>,
    /// The error, when it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The cause, when it failed and has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The events, when they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<HistoryEvent>>,
    /// Billed state transitions.
    #[serde(skip)]
    pub transitions: u64,
    /// Virtual milliseconds from start to end.
    #[serde(skip)]
    pub elapsed: Millis,
}

fn shared<S: serde::Serializer>(data: &Option<Data>, s: S) -> Result<S::Ok, S::Error> {
    data.as_deref().serialize(s)
}

/// Why a run could not be completed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// A task has no mock.
    #[error(
        "state '{state}' calls {resource}, which nothing answers: mock it (--mock-config, --test-case){echo}"
    )]
    Unmocked {
        /// The state that calls.
        state: String,
        /// What it calls.
        resource: String,
        /// The other remedy, for Lambda tasks.
        echo: &'static str,
    },
    /// The input is larger than StartExecution takes.
    #[error("the input has {bytes} bytes, and StartExecution takes at most {MAX_DATA}")]
    InputTooLarge {
        /// Its size as compact JSON.
        bytes: usize,
    },
    /// The execution waits for something that never comes.
    #[error("the execution waits for a task that nothing will answer")]
    Stuck,
}

/// Runs `machine` on `input` until it ends.
///
/// # Errors
/// [`RunError::Unmocked`] when a task is neither mocked nor echoed, [`RunError::InputTooLarge`] when AWS would not
/// start it (API_StartExecution: 262,144 bytes).
pub fn run(
    machine: &Arc<StateMachine>,
    input: Value,
    options: RunOptions,
) -> Result<RunReport, RunError> {
    let RunOptions {
        execution,
        mut mocks,
        task_echo,
        start,
    } = options;
    let bytes = size(&input);
    if bytes > MAX_DATA {
        return Err(RunError::InputTooLarge { bytes });
    }
    let mut now = start;
    let mut run = Execution::start(machine, input, &execution, now);
    while run.status() == Status::Running {
        let effects = run.take_effects();
        for effect in &effects {
            if let Effect::Invoke(call) = effect {
                answer(&mut run, call, mocks.as_mut(), task_echo, now)?;
            }
        }
        if effects.iter().any(|e| matches!(e, Effect::Invoke(_))) {
            continue;
        }
        if run.status() == Status::Running {
            now = run.next_wake().ok_or(RunError::Stuck)?;
            run.advance(now);
        }
    }
    Ok(RunReport {
        status: run.status(),
        output: run.output().cloned(),
        error: run.error().map(str::to_owned),
        cause: run.cause().map(str::to_owned),
        history: execution.history.then(|| run.history().to_vec()),
        transitions: run.transitions(),
        elapsed: run.ended().unwrap_or(now) - run.started(),
    })
}

fn answer(
    run: &mut Execution,
    call: &TaskCall,
    mocks: Option<&mut MockCase>,
    task_echo: bool,
    now: Millis,
) -> Result<(), RunError> {
    let lambda = &*call.resource.service == "lambda";
    let result = match mocks.and_then(|m| m.next(&call.state)) {
        Some(mocked) => mocked,
        None if task_echo && lambda => Ok(echo(call)),
        None => {
            return Err(RunError::Unmocked {
                state: call.state.to_string(),
                resource: call.resource.arn.to_string(),
                echo: if lambda {
                    " or echo its payload (--task-echo)"
                } else {
                    ""
                },
            });
        }
    };
    // An answer may come too late: a sibling's failure may have cancelled the task.
    let _ = match (&call.token, result) {
        (None, result) => run.complete_task(call.id, result, now).is_ok(),
        (Some(token), Ok(output)) => {
            run.complete_task(call.id, Ok(json!({})), now).is_ok()
                && run.task_token_success(token, output, now).is_ok()
        }
        (Some(token), Err(TaskError { error, cause })) => {
            run.complete_task(call.id, Ok(json!({})), now).is_ok()
                && run
                    .task_token_failure(token, TaskError { error, cause }, now)
                    .is_ok()
        }
    };
    Ok(())
}

/// The result of a Lambda task whose function returns what it is given.
fn echo(call: &TaskCall) -> Value {
    match call.resource.pattern {
        Pattern::Function => (*call.arguments).clone(),
        pattern => {
            let payload = call.arguments.get("Payload").cloned().unwrap_or(json!({}));
            if pattern == Pattern::TaskToken {
                return payload;
            }
            json!({"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200})
        }
    }
}
