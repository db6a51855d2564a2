//! Activities: tasks that wait for workers, and what workers answer.
//!
//! Any worker may ask for a task under any name. GetActivityTask waits for a minute on
//! AWS; here it tells at once what there is.

use std::sync::Arc;

use duet_asl::{ActivityTask, AnswerError, TaskCall, TaskError, TaskId};
use serde_json::Value;

use crate::lab::Lab;
use crate::template::{ACCOUNT, REGION};

/// Most characters of an activity's name, and of a worker's (API_CreateActivity,
/// API_GetActivityTask).
const MAX_NAME: usize = 80;

/// Why a worker gets no task, or its answer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActivityError {
    /// AWS answers `ActivityDoesNotExist`.
    #[error("there is no activity {0}")]
    NoActivity(String),
    /// AWS answers `InvalidName` or `ValidationException`.
    #[error("a name has 1 to {MAX_NAME} characters, and this one {0}")]
    Name(usize),
    /// The token is nobody's any more, or the answer too long.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

impl Lab {
    /// CreateActivity: idempotent. Gives its ARN.
    ///
    /// # Errors
    /// [`ActivityError::Name`]
    pub fn create_activity(&mut self, name: &str) -> Result<String, ActivityError> {
        let length = name.chars().count();
        if !(1..=MAX_NAME).contains(&length) {
            return Err(ActivityError::Name(length));
        }
        let arn = format!("arn:aws:states:{REGION}:{ACCOUNT}:activity:{name}");
        self.activities.entry(arn.clone()).or_default();
        self.surround();
        Ok(arn)
    }

    /// How many tasks of the activity with this name or ARN wait for a worker; `None` when
    /// there is no such activity.
    #[must_use]
    pub fn activity_tasks(&self, activity: &str) -> Option<usize> {
        Some(self.activities.get(&arn(activity))?.len())
    }

    /// GetActivityTask: `worker` takes the oldest task that waits, if any does.
    ///
    /// # Errors
    /// [`ActivityError::NoActivity`], [`ActivityError::Name`]
    pub fn take_activity_task(
        &mut self,
        activity: &str,
        worker: Option<&str>,
    ) -> Result<Option<ActivityTask>, ActivityError> {
        let arn = arn(activity);
        let length = worker.map_or(1, |worker| worker.chars().count());
        if !(1..=MAX_NAME).contains(&length) {
            return Err(ActivityError::Name(length));
        }
        let missing = || ActivityError::NoActivity(activity.to_owned());
        loop {
            let waiting = self.activities.get_mut(&arn).ok_or_else(missing)?;
            let Some((run, id)) = waiting.pop_front() else {
                return Ok(None);
            };
            let now = self.now;
            let Some(execution) = self.runs[run].execution.as_mut() else {
                continue;
            };
            let taken = execution.take_activity(id, worker, now);
            self.drive(run);
            // One that nobody waits for any more is passed over.
            if let Ok(taken) = taken {
                self.tokens.insert(taken.token.clone(), run);
                let owner = self.runs[run].owner;
                self.note(
                    |lab| lab.subject(owner),
                    || {
                        format!(
                            "{} takes a task of {activity}",
                            worker.unwrap_or("a worker")
                        )
                    },
                );
                return Ok(Some(taken));
            }
        }
    }

    /// SendTaskSuccess.
    ///
    /// # Errors
    /// [`ActivityError::Answer`]
    pub fn send_task_success(&mut self, token: &str, output: Value) -> Result<(), ActivityError> {
        let now = self.now;
        self.by_token(token, true, |execution| {
            execution.task_token_success(token, output, now)
        })
    }

    /// SendTaskFailure.
    ///
    /// # Errors
    /// [`ActivityError::Answer`]
    pub fn send_task_failure(
        &mut self,
        token: &str,
        error: TaskError,
    ) -> Result<(), ActivityError> {
        let now = self.now;
        error.sendable()?;
        self.by_token(token, true, |execution| {
            execution.task_token_failure(token, error, now)
        })
    }

    /// SendTaskHeartbeat.
    ///
    /// # Errors
    /// [`ActivityError::Answer`]
    pub fn send_task_heartbeat(&mut self, token: &str) -> Result<(), ActivityError> {
        let now = self.now;
        self.by_token(token, false, |execution| execution.heartbeat(token, now))
    }

    /// Has the execution that waits for `token` hear of it; for the last time if it `ends`
    /// the task.
    fn by_token(
        &mut self,
        token: &str,
        ends: bool,
        tell: impl FnOnce(&mut duet_asl::Execution) -> Result<(), AnswerError>,
    ) -> Result<(), ActivityError> {
        let run = match ends {
            true => self.tokens.remove(token),
            false => self.tokens.get(token).copied(),
        };
        let run = run.ok_or(AnswerError::UnknownToken)?;
        let execution = self.runs[run].execution.as_mut();
        let told = execution.map_or(Err(AnswerError::UnknownToken), |it| tell(it));
        self.drive(run);
        Ok(told?)
    }

    /// A task waits for a worker.
    pub(super) fn await_worker(&mut self, run: usize, call: &TaskCall) {
        let owner = self.runs[run].owner;
        let (state, arn) = (call.state.clone(), call.resource.arn.clone());
        self.note(
            |lab| lab.subject(owner),
            || format!("the workflow waits at {state} for a worker of {arn}"),
        );
        self.tasks_of(&arn).push_back((run, call.id));
    }

    fn tasks_of(&mut self, arn: &Arc<str>) -> &mut std::collections::VecDeque<(usize, TaskId)> {
        self.activities.entry(arn.to_string()).or_default()
    }

    /// A task is not wanted any more: no worker is to take it.
    pub(super) fn withdraw(&mut self, run: usize, id: TaskId) {
        for waiting in self.activities.values_mut() {
            waiting.retain(|it| *it != (run, id));
        }
    }
}

/// The ARN of the activity with this name or ARN.
fn arn(activity: &str) -> String {
    match activity.starts_with("arn:") {
        true => activity.to_owned(),
        false => format!("arn:aws:states:{REGION}:{ACCOUNT}:activity:{activity}"),
    }
}
