//! Activities: tasks that wait until a worker takes them.
//!
//! A worker gets a token with the task, and answers with it as the holder of any token
//! does. Who waits for a worker, and for how long, is the driver's to know: it hears of
//! each task as a call, and of those that are not wanted any more.
//!
//! Source: Step Functions developer guide, "Activities" and "Task state": both time limits
//! count from when a worker took the task, and `ActivityStarted` is recorded. The events,
//! and an activity that is not there: recorded executions, 2024-03-03.

use super::clock::{Alarm, after};
use super::states::Progress;
use super::thread::{Activity, Offer, RunningTask};
use super::{AnswerError, Effect, Execution, Status, TaskCall, TaskError, TaskId};
use crate::failure::Failure;
use crate::history::Detail;
use crate::model::{Kind, Resource, State};
use crate::{Data, Millis};
use std::sync::Arc;

/// What GetActivityTask gives a worker.
#[derive(Debug, Clone)]
pub struct ActivityTask {
    /// What answers the task.
    pub token: Arc<str>,
    /// The task's input.
    pub input: Data,
}

impl Execution {
    /// GetActivityTask: a worker takes the task `id` of an activity, and both its time limits
    /// begin. The task came out as an [`Effect::Invoke`]; which one is the oldest is the
    /// driver's to say.
    ///
    /// # Errors
    /// [`AnswerError::UnknownTask`] when it waits for no worker (any more).
    pub fn take_activity(
        &mut self,
        id: TaskId,
        worker: Option<&str>,
        now: Millis,
    ) -> Result<ActivityTask, AnswerError> {
        self.catch_up(now);
        if let Some((child, task)) = self.caller(id) {
            let take = |run: &mut Self| run.take_activity(task, worker, now);
            let taken = self.ask_child(child, take, AnswerError::UnknownTask)?;
            self.note_token(taken.token.clone(), child);
            return Ok(taken);
        }
        let unknown = AnswerError::UnknownTask;
        let thread = self.find(id.0).ok_or(unknown)?;
        let Activity::Task(task) = &mut self.thread_mut(thread).activity else {
            return Err(unknown);
        };
        let offer = task.offered.take().ok_or(unknown)?;
        let token = self.new_token();
        let silent_at = offer.heartbeat.map(|seconds| after(self.now, seconds));
        if let Activity::Task(task) = &mut self.thread_mut(thread).activity {
            task.token = Some(token.clone());
            task.heartbeat = offer.heartbeat;
            task.silent_at = silent_at;
        }
        self.record_taken(thread, worker);
        if let Some(seconds) = offer.timeout {
            self.set_timer(after(self.now, seconds), id.0, Alarm::Timeout);
        }
        if let Some(due) = silent_at {
            self.set_timer(due, id.0, Alarm::Heartbeat);
        }
        self.settle();
        match self.status {
            Status::Running => Ok(ActivityTask {
                token,
                input: offer.input,
            }),
            // There was no room for the event.
            _ => Err(unknown),
        }
    }

    fn record_taken(&mut self, thread: usize, worker: Option<&str>) {
        let machine = self.machine.clone();
        let Kind::Task(task) = &machine.state(self.thread(thread).state).kind else {
            return;
        };
        self.record(thread, || Detail::Started {
            resource: task.resource.clone(),
            worker: worker.map(Into::into),
        });
    }

    /// Has a task wait for a worker.
    pub(super) fn offer(
        &mut self,
        thread: usize,
        state: &State,
        resource: &Resource,
        (input, timeout, heartbeat): (Data, Option<u64>, Option<u64>),
    ) -> Result<Progress, Failure> {
        if !self.around.has_activity(&resource.arn) {
            let cause = format!("The activity {} does not exist.", resource.arn);
            return Err(Failure::runtime(cause));
        }
        self.record(thread, || Detail::Scheduled {
            resource: resource.clone(),
            arguments: input.clone(),
            timeout,
            heartbeat,
        });
        if self.status != Status::Running {
            return Ok(Progress::Blocked);
        }
        let offer = Offer {
            input: input.clone(),
            timeout,
            heartbeat,
        };
        let activity = self.begin(
            thread,
            Activity::Task(RunningTask {
                token: None,
                heartbeat: None,
                silent_at: None,
                nested: None,
                offered: Some(Box::new(offer)),
            }),
        );
        self.effects.push(Effect::Invoke(TaskCall {
            id: TaskId(activity),
            state: state.name.clone(),
            resource: resource.clone(),
            arguments: input,
            token: None,
            retries: self.thread(thread).retries,
            timeout_seconds: timeout,
            heartbeat_seconds: heartbeat,
        }));
        Ok(Progress::Blocked)
    }

    /// The thread whose task is answered with `token`.
    pub(super) fn holder(&self, token: &str) -> Option<usize> {
        self.threads.iter().position(|t| {
            t.as_ref().is_some_and(|t| {
                matches!(&t.activity, Activity::Task(task) if task.token.as_deref() == Some(token))
            })
        })
    }

    /// Whether a thread's task waits for a worker.
    pub(super) fn is_offered(&self, thread: usize) -> bool {
        matches!(&self.thread(thread).activity, Activity::Task(task) if task.offered.is_some())
    }

    /// Whether the call of a thread's task may be answered so: that of an activity is
    /// answered with its token, and only refused before that.
    pub(super) fn admits<T>(
        &self,
        thread: usize,
        result: &Result<T, TaskError>,
    ) -> Result<(), AnswerError> {
        let state = self.machine.state(self.thread(thread).state);
        let of_activity = matches!(&state.kind, Kind::Task(task) if task.resource.is_activity());
        match of_activity && (result.is_ok() || !self.is_offered(thread)) {
            true => Err(AnswerError::ByToken),
            false => Ok(()),
        }
    }
}
