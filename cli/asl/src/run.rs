//! Running a machine to its end on virtual time, with mocked tasks.
//!
//! Owns a small driver: tasks answer at once or after a virtual while, waits and
//! backoffs take no real time. A simulator of more than one execution drives
//! [`Execution`] directly.

use crate::env::size;
use crate::exec::{
    AnswerError, ChildReport, Effect, Execution, ExecutionOptions, MAX_DATA, MapRunReport, Status,
    Surroundings, TaskCall, TaskError,
};
use crate::history::HistoryEvent;
use crate::mock::MockCase;
use crate::model::{Pattern, StateMachine};
use crate::taken::Taken;
use crate::{Data, Millis};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
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
    /// What distributed Maps read and write, and what tasks start and wait for.
    pub around: Surroundings,
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions {
            execution: ExecutionOptions::default(),
            mocks: None,
            task_echo: false,
            start: DEFAULT_START,
            around: Surroundings::default(),
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
    /// The Map Runs of distributed Maps; with the events of their children, when events
    /// were asked for.
    #[serde(rename = "mapRuns", skip_serializing_if = "Vec::is_empty")]
    pub map_runs: Vec<MapRunReport>,
    /// The executions that it started and waited for, when events were asked for.
    #[serde(rename = "nestedExecutions", skip_serializing_if = "Vec::is_empty")]
    pub nested: Vec<ChildReport>,
    /// Billed state transitions.
    #[serde(skip)]
    pub transitions: u64,
    /// Virtual milliseconds from start to end.
    #[serde(skip)]
    pub elapsed: Millis,
    /// The ways taken, when they were asked for.
    #[serde(skip)]
    pub taken: Vec<Taken>,
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
    /// A task of an activity has no mock.
    #[error(
        "state '{state}' waits for a worker of {activity}, and there are no workers here: mock what the worker answers (--mock-config, --test-case)"
    )]
    NoWorker {
        /// The state that waits.
        state: String,
        /// The activity's ARN.
        activity: String,
    },
    /// The answer to a task is none that AWS would take.
    #[error("the answer to state '{state}' is refused: {why}")]
    Refused {
        /// The state that called.
        state: String,
        /// Why.
        why: AnswerError,
    },
    /// The input is larger than StartExecution takes.
    #[error("the input has {bytes} bytes, and StartExecution takes at most {MAX_DATA}")]
    InputTooLarge {
        /// Its size as compact JSON.
        bytes: usize,
    },
    /// A distributed Map reads or writes objects, and there are none.
    #[error(
        "state '{state}' reads or writes objects, and there are none here: put them into DIR/BUCKET/KEY, and say so (--objects DIR, or objects: DIR in a test file)"
    )]
    NoObjects {
        /// The state.
        state: String,
    },
    /// The execution waits for something that never comes.
    #[error("the execution waits for a task that nothing will answer")]
    Stuck,
}

/// What comes of a task's call.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// This answer, so many virtual milliseconds later.
    After(Millis, Result<Value, TaskError>),
    /// Nothing, ever: it is for the task's time limit to end it.
    Never,
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
        around,
    } = options;
    drive_with(machine, input, &execution, around, start, &mut |call| {
        let lambda = &*call.resource.service == "lambda";
        match mocks.as_mut().and_then(|m| m.next(&call.state)) {
            Some(mocked) => Ok(Reply::After(0, mocked)),
            None if task_echo && lambda => Ok(Reply::After(0, Ok(echo(call)))),
            None if call.resource.is_activity() => Err(RunError::NoWorker {
                state: call.state.to_string(),
                activity: call.resource.arn.to_string(),
            }),
            None => Err(RunError::Unmocked {
                state: call.state.to_string(),
                resource: call.resource.arn.to_string(),
                echo: if lambda {
                    " or echo its payload (--task-echo)"
                } else {
                    ""
                },
            }),
        }
    })
}

/// Runs `machine` on `input` until it ends, from `start` on; `answer` says what
/// comes of each call.
///
/// # Errors
/// What `answer` gives, and [`RunError::InputTooLarge`] as [`run`].
pub fn drive(
    machine: &Arc<StateMachine>,
    input: Value,
    options: &ExecutionOptions,
    start: Millis,
    answer: &mut dyn FnMut(&TaskCall) -> Result<Reply, RunError>,
) -> Result<RunReport, RunError> {
    drive_with(
        machine,
        input,
        options,
        Surroundings::default(),
        start,
        answer,
    )
}

/// As [`drive`], with objects for distributed Maps and machines for nested executions.
///
/// # Errors
/// As [`drive`], and [`RunError::NoObjects`] when a state wants objects where there are none.
pub fn drive_with(
    machine: &Arc<StateMachine>,
    input: Value,
    options: &ExecutionOptions,
    around: Surroundings,
    start: Millis,
    answer: &mut dyn FnMut(&TaskCall) -> Result<Reply, RunError>,
) -> Result<RunReport, RunError> {
    let bytes = size(&input);
    if bytes > MAX_DATA {
        return Err(RunError::InputTooLarge { bytes });
    }
    let mut now = start;
    let mut run = Execution::start_with(machine, input, options, around, now);
    // By the time they are due, and those of one time in the order of their calls.
    let mut pending = BTreeMap::new();
    while run.status() == Status::Running {
        lacking(&run)?;
        for effect in run.take_effects() {
            match effect {
                Effect::Invoke(mut call) => {
                    let Reply::After(delay, result) = answer(&call)? else {
                        submit(&mut run, &mut call, now);
                        continue;
                    };
                    if delay > 0 {
                        submit(&mut run, &mut call, now);
                    }
                    let due = now.saturating_add(delay.max(0));
                    pending.insert((due, call.id), (call, delay > 0, result));
                }
                Effect::Cancel(id) => pending.retain(|(_, call), _| *call != id),
                Effect::WakeAt(_) | Effect::Ended(_) => {}
            }
        }
        if run.status() != Status::Running {
            break;
        }
        let wake = run.next_wake();
        let first = pending
            .first_entry()
            .filter(|it| wake.is_none_or(|wake| it.key().0 <= wake));
        match first {
            Some(entry) => {
                now = entry.key().0;
                let (mut call, submitted, result) = entry.remove();
                if !submitted {
                    submit(&mut run, &mut call, now);
                }
                reply(&mut run, &call, result, now)?;
            }
            None => {
                now = wake.ok_or(RunError::Stuck)?;
                run.advance(now);
            }
        }
    }
    lacking(&run)?;
    Ok(RunReport {
        status: run.status(),
        output: run.output().cloned(),
        error: run.error().map(str::to_owned),
        cause: run.cause().map(str::to_owned),
        history: options.history.then(|| run.history().to_vec()),
        map_runs: run.map_runs(),
        nested: match options.history {
            true => run.nested(),
            false => Vec::new(),
        },
        transitions: run.transitions(),
        elapsed: run.ended().unwrap_or(now) - run.started(),
        taken: run.taken().to_vec(),
    })
}

/// Refuses an execution that wanted objects where there are none.
fn lacking(run: &Execution) -> Result<(), RunError> {
    match run.lacks_objects() {
        None => Ok(()),
        Some(state) => Err(RunError::NoObjects {
            state: state.to_string(),
        }),
    }
}

/// Answers a call: by its token, if it has one.
fn reply(
    run: &mut Execution,
    call: &TaskCall,
    result: Result<Value, TaskError>,
    now: Millis,
) -> Result<(), RunError> {
    let taken = match (&call.token, result) {
        (None, result) => run.complete_task(call.id, result, now),
        (Some(token), Ok(output)) => run.task_token_success(token, output, now),
        (Some(token), Err(error)) => run.task_token_failure(token, error, now),
    };
    match taken {
        Err(why @ AnswerError::TooLong { .. }) => Err(RunError::Refused {
            state: call.state.to_string(),
            why,
        }),
        // An answer may come too late: a sibling's failure may have cancelled the task.
        _ => Ok(()),
    }
}

/// Says of a task with a token that its message went out: the result comes with the token.
/// A worker takes an activity's.
fn submit(run: &mut Execution, call: &mut TaskCall, now: Millis) {
    if call.resource.is_activity() {
        let taken = run.take_activity(call.id, None, now);
        call.token = taken.ok().map(|taken| taken.token);
    } else if call.token.is_some() {
        // Nothing waits for it any more if a sibling's failure has cancelled the task.
        let _ = run.complete_task(call.id, Ok(json!({})), now);
    }
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
