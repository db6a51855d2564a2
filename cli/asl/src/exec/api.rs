//! What an execution and its driver say to each other.

use super::Execution;
use crate::history::HistoryEvent;
use crate::model::Resource;
use crate::taken::Taken;
use crate::{Data, Millis};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

/// API_SendTaskFailure, API_StopExecution: an error has at most so many characters.
const MAX_ERROR: usize = 256;
/// The same of a cause.
pub(super) const MAX_CAUSE: usize = 32_768;

/// Where an execution stands, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Not over yet.
    Running,
    /// Reached an end.
    Succeeded,
    /// A failure nothing handled.
    Failed,
    /// Outlived the machine's `TimeoutSeconds` (no Catch runs), or the type's limit.
    TimedOut,
    /// Stopped from outside.
    Aborted,
}

/// A task, within its execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

/// A call the driver must make.
#[derive(Debug, Clone)]
pub struct TaskCall {
    /// Names the call when it is answered.
    pub id: TaskId,
    /// The state that calls.
    pub state: Arc<str>,
    /// What to call.
    pub resource: Resource,
    /// The task's input: `Arguments`, or the input after `Parameters`.
    pub arguments: Data,
    /// For `.waitForTaskToken`: the token that answers the task. The answer to the
    /// call itself only says that the message went out.
    pub token: Option<Arc<str>>,
    /// Retries of this state so far.
    pub retries: u32,
    /// Seconds until the execution gives up on the task.
    pub timeout_seconds: Option<u64>,
    /// Seconds of silence it bears from the holder of the token.
    pub heartbeat_seconds: Option<u64>,
}

/// What the driver must do.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Make this call, and answer with [`crate::Execution::complete_task`]; or, of an activity,
    /// keep it until a worker asks for one, and have it taken with
    /// [`crate::Execution::take_activity`].
    Invoke(TaskCall),
    /// The answer to this call is no longer wanted (it may still run).
    Cancel(TaskId),
    /// Call [`crate::Execution::advance`] at this time. Only the latest of these counts,
    /// and none once the execution has ended.
    WakeAt(Millis),
    /// The execution is over.
    Ended(Status),
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskError {
    /// The name that Retry and Catch match.
    pub error: String,
    /// The rest of the story.
    pub cause: Option<String>,
}

impl TaskError {
    /// A failure with a name and a cause.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        TaskError {
            error: error.into(),
            cause: Some(cause.into()),
        }
    }

    /// Whether SendTaskFailure and StopExecution take it.
    ///
    /// # Errors
    /// [`AnswerError::TooLong`]
    pub fn sendable(&self) -> Result<(), AnswerError> {
        let cause = self.cause.as_deref().unwrap_or_default();
        for (what, text, most) in [
            ("error", &*self.error, MAX_ERROR),
            ("cause", cause, MAX_CAUSE),
        ] {
            // A character has one byte or more.
            if text.len() > most && text.chars().count() > most {
                return Err(AnswerError::TooLong { what, most });
            }
        }
        Ok(())
    }
}

/// Why an answer was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// No task waits under this id: it was answered, timed out or was cancelled.
    #[error("no task waits under this id: it was answered, timed out or was cancelled")]
    UnknownTask,
    /// It is an activity's: whoever took it answers with the token.
    #[error("the task of an activity is answered with the token that its worker got")]
    ByToken,
    /// AWS answers `ValidationException` (API_SendTaskFailure).
    #[error("a task's {what} has at most {most} characters")]
    TooLong {
        /// `error` or `cause`.
        what: &'static str,
        /// The limit.
        most: usize,
    },
    /// AWS answers `TaskTimedOut` or `InvalidToken`.
    #[error("no task waits for this token: it was answered, timed out or never given")]
    UnknownToken,
}

/// Why an execution cannot be redriven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedriveError {
    /// Only Standard executions can be.
    #[error("an Express execution cannot be redriven: start a new one")]
    Express,
    /// It still runs, or it succeeded.
    #[error("only a failed, aborted or timed out execution can be redriven")]
    NotFailed,
    /// It ended more than 14 days ago.
    #[error("the execution ended more than 14 days ago: start a new one")]
    TooLate,
    /// There is no room for more events.
    #[error("the execution's history has no room for a redrive: start a new one")]
    HistoryFull,
}

/// Who an execution is and what it records.
#[derive(Debug, Clone)]
pub struct ExecutionOptions {
    /// The execution's name.
    pub name: String,
    /// The machine's name.
    pub machine_name: String,
    /// The machine's version that runs, if it was started by one or by an alias.
    pub version: Option<u64>,
    /// The alias that it was started by.
    pub alias: Option<Arc<str>>,
    /// Region and account of the ARNs in the context object.
    pub region: String,
    /// See `region`.
    pub account: String,
    /// `$$.Execution.RoleArn`.
    pub role_arn: String,
    /// Decides jitter, UUIDs, tokens and random numbers.
    pub seed: u64,
    /// Whether events are kept; they are counted in any case.
    pub history: bool,
    /// Whether the ways it takes are kept, see [`Execution::taken`].
    pub ways: bool,
    /// Laid over the context object, member by member.
    pub context: Option<Map<String, Value>>,
}

impl Default for ExecutionOptions {
    fn default() -> Self {
        ExecutionOptions {
            name: "execution".into(),
            machine_name: "machine".into(),
            version: None,
            alias: None,
            region: "us-east-1".into(),
            account: "123456789012".into(),
            role_arn: "arn:aws:iam::123456789012:role/machine".into(),
            seed: 0,
            history: true,
            ways: false,
            context: None,
        }
    }
}

/// What an execution tells of itself.
impl Execution {
    /// Where the execution stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// The output of a succeeded execution.
    #[must_use]
    pub fn output(&self) -> Option<&Data> {
        self.output.as_ref()
    }

    /// The error of a failed or aborted execution. A timed out one has none, as on AWS.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// The cause that goes with [`Self::error`].
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The events so far; empty unless history was asked for.
    #[must_use]
    pub fn history(&self) -> &[HistoryEvent] {
        &self.history.events
    }

    /// How many events there are, kept or not.
    #[must_use]
    pub fn event_count(&self) -> u64 {
        self.history.count
    }

    /// The ways taken so far, in order; empty unless they were asked for.
    #[must_use]
    pub fn taken(&self) -> &[Taken] {
        self.taken.as_deref().unwrap_or_default()
    }

    /// Billed state transitions: each state entered, each retry, each redrive.
    #[must_use]
    pub fn transitions(&self) -> u64 {
        self.transitions
    }

    /// When it started.
    #[must_use]
    pub fn started(&self) -> Millis {
        self.identity.started
    }

    /// When it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Millis> {
        self.ended
    }

    /// The execution's ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.identity.execution_arn
    }

    /// The machine's ARN, without version or alias.
    #[must_use]
    pub fn state_machine_arn(&self) -> &str {
        &self.identity.machine_arn
    }

    /// `stateMachineVersionArn` of DescribeExecution: of an execution that was started by a
    /// version or an alias.
    #[must_use]
    pub fn version_arn(&self) -> Option<String> {
        let version = self.identity.version?;
        Some(format!("{}:{version}", self.identity.machine_arn))
    }

    /// `stateMachineAliasArn` of DescribeExecution.
    #[must_use]
    pub fn alias_arn(&self) -> Option<String> {
        let alias = self.identity.alias.as_ref()?;
        Some(format!("{}:{alias}", self.identity.machine_arn))
    }

    /// The execution's input.
    #[must_use]
    pub fn input(&self) -> &Data {
        &self.identity.input
    }

    /// How often it was redriven.
    #[must_use]
    pub fn redrive_count(&self) -> u32 {
        self.identity.redrives
    }

    /// The next time something falls due by itself.
    #[must_use]
    pub fn next_wake(&self) -> Option<Millis> {
        // Told anew whenever it changes.
        self.announced
    }
}
