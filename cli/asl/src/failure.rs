//! Errors as the States Language names them.
//!
//! Owns the well-known names and what a failure carries on its way to a Retry,
//! a Catch or the end of the execution. It knows nothing of states or history.
//!
//! Names and what they match: Step Functions developer guide, "Handling errors".

use std::borrow::Cow;
use std::sync::Arc;

/// Matches every error but `States.DataLimitExceeded` and `States.Runtime`; the former too
/// where it is a task's answer that is too large.
pub const ALL: &str = "States.ALL";
/// Matches every error but timeouts (and the two that `States.ALL` leaves out).
pub const TASK_FAILED: &str = "States.TaskFailed";
/// A task outlived `TimeoutSeconds`, or fell silent for `HeartbeatSeconds`.
pub const TIMEOUT: &str = "States.Timeout";
/// The narrower name under which a silent task can be caught or retried.
pub const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";
/// State data above 256 KiB.
pub const DATA_LIMIT: &str = "States.DataLimitExceeded";
/// What the interpreter could not process: neither retried nor caught.
pub const RUNTIME: &str = "States.Runtime";
/// A JSONata expression failed, or returned nothing or the wrong type.
pub const QUERY_EVALUATION: &str = "States.QueryEvaluationError";
/// A distributed Map that could not read its items.
pub const ITEM_READER: &str = "States.ItemReaderFailed";
/// A distributed Map that could not write its results.
pub const RESULT_WRITER: &str = "States.ResultWriterFailed";
/// A distributed Map with more failed items than it tolerates.
pub const TOLERATED: &str = "States.ExceedToleratedFailureThreshold";
/// A `ResultPath` that cannot be applied to the state's input.
pub const RESULT_PATH: &str = "States.ResultPathMatchFailure";

/// Why a state did not succeed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: Cow<'static, str>,
    pub(crate) cause: Option<Arc<str>>,
    pub(crate) origin: Origin,
}

/// Who found the failure, which decides how it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The task, a Fail state, or a branch: passed on as it is.
    Reported,
    /// A task whose answer is too large, which `States.ALL` was recorded to catch (2024-03-21).
    Answer,
    /// The interpreter: the cause is prefixed with the state it happened in.
    Interpreter,
    /// A JSONata field, named relative to its state: the history gets an
    /// `EvaluationFailed` event besides the prefix.
    Evaluation(Arc<str>),
    /// A missed heartbeat: reported as `States.Timeout`, and matched by
    /// `States.HeartbeatTimeout` too.
    Heartbeat,
}

impl Failure {
    pub(crate) fn reported(error: impl Into<String>, cause: Option<String>) -> Self {
        Failure {
            error: Cow::Owned(error.into()),
            cause: cause.map(Into::into),
            origin: Origin::Reported,
        }
    }

    /// A failure the interpreter itself raises under a well-known name.
    pub(crate) fn interpreter(error: &'static str, cause: impl Into<Arc<str>>) -> Self {
        Failure {
            error: Cow::Borrowed(error),
            cause: Some(cause.into()),
            origin: Origin::Interpreter,
        }
    }

    /// `States.Runtime`: ends the execution, whatever catches are declared.
    pub(crate) fn runtime(cause: impl Into<Arc<str>>) -> Self {
        Self::interpreter(RUNTIME, cause)
    }

    /// A failed JSONata field.
    pub(crate) fn evaluation(location: &Arc<str>, cause: String) -> Self {
        Failure {
            error: Cow::Borrowed(QUERY_EVALUATION),
            cause: Some(cause.into()),
            origin: Origin::Evaluation(location.clone()),
        }
    }

    /// The same failure, of a task's answer.
    pub(crate) fn of_an_answer(mut self) -> Self {
        self.origin = Origin::Answer;
        self
    }

    /// A task that ran out of time (no cause, as AWS records it).
    pub(crate) fn timeout(heartbeat: bool) -> Self {
        Failure {
            error: Cow::Borrowed(TIMEOUT),
            cause: None,
            origin: if heartbeat {
                Origin::Heartbeat
            } else {
                Origin::Reported
            },
        }
    }

    /// Whether the execution ends here and now.
    pub(crate) fn is_fatal(&self) -> bool {
        self.error == RUNTIME
    }

    /// Whether `name`, an entry of an `ErrorEquals`, matches this failure.
    pub(crate) fn matches(&self, name: &str) -> bool {
        if self.error == name {
            return true;
        }
        let wild = match &*self.error {
            DATA_LIMIT => self.origin == Origin::Answer,
            error => error != RUNTIME,
        };
        match name {
            ALL => wild,
            TASK_FAILED => wild && self.error != TIMEOUT && self.error != HEARTBEAT_TIMEOUT,
            HEARTBEAT_TIMEOUT => self.origin == Origin::Heartbeat,
            TIMEOUT => self.error == HEARTBEAT_TIMEOUT,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_leave_out_what_aws_leaves_out() {
        let matched = |f: &Failure| {
            [ALL, TASK_FAILED, TIMEOUT, HEARTBEAT_TIMEOUT, DATA_LIMIT]
                .into_iter()
                .filter(|n| f.matches(n))
                .collect::<Vec<_>>()
        };
        assert_eq!(matched(&Failure::reported("X", None)), [ALL, TASK_FAILED]);
        assert_eq!(matched(&Failure::timeout(false)), [ALL, TIMEOUT]);
        assert_eq!(
            matched(&Failure::timeout(true)),
            [ALL, TIMEOUT, HEARTBEAT_TIMEOUT]
        );
        assert_eq!(
            matched(&Failure::interpreter(DATA_LIMIT, "big")),
            [DATA_LIMIT]
        );
        assert_eq!(
            matched(&Failure::interpreter(DATA_LIMIT, "big").of_an_answer()),
            [ALL, TASK_FAILED, DATA_LIMIT]
        );
        assert!(matched(&Failure::runtime("bug")).is_empty());
    }
}
