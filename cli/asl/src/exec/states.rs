//! What each type of state does.

use super::io::{View, within_limit};
use super::thread::{Activity, RunningTask};
use super::{
    Alarm, EXPRESS_INSTANT_TRANSITIONS, Effect, Execution, Status, TaskCall, TaskError, TaskId,
    after,
};
use crate::choice::timestamp;
use crate::failure::{Failure, RUNTIME};
use crate::history::{Assigned, Detail, Ending};
use crate::model::{
    Choice, Kind, Language, MAX_SECONDS, MachineType, Pattern, State, StateId, Task, Wait,
};
use crate::taken::Way;
use crate::template::Template;
use crate::{Data, Millis};
use base64::Engine as _;
use serde_json::Value;
use std::sync::Arc;

/// The longest wait in seconds, 2^31 - 1.
const MAX_WAIT_SECONDS: Millis = 2_147_483_647;

/// What became of a state's work for now.
pub(super) enum Progress {
    /// It waits for something.
    Blocked,
    /// It is done: go on, or end the flow.
    Done {
        output: Data,
        assigned: Assigned,
        way: Way,
        next: Option<StateId>,
    },
}

impl Execution {
    /// Runs a thread until it blocks or ends.
    pub(super) fn step(&mut self, thread: usize) {
        let machine = self.machine.clone();
        while self.status == Status::Running {
            let Some(t) = self.threads[thread].as_ref() else {
                return;
            };
            let state = machine.state(t.state);
            match t.activity {
                Activity::Enter | Activity::Attempt if self.orphaned => {
                    let previous = t.tail_event;
                    let name = &self.identity.machine_name;
                    let cause = format!("State machine {name} has been deleted.");
                    return self.fail_execution(previous, &Failure::reported(RUNTIME, Some(cause)));
                }
                Activity::Enter => self.enter(thread, state),
                Activity::Attempt => {}
                _ => return,
            }
            if self.status != Status::Running {
                return;
            }
            let progress = self.perform(thread, state);
            if !self.proceed(thread, state, progress) {
                return;
            }
        }
    }

    /// Acts on what a state's work came to; says whether the thread goes on at once.
    pub(super) fn proceed(
        &mut self,
        thread: usize,
        state: &State,
        progress: Result<Progress, Failure>,
    ) -> bool {
        match progress {
            Ok(Progress::Blocked) => false,
            Ok(Progress::Done {
                output,
                assigned,
                way,
                next,
            }) => self.leave(thread, state, output, assigned, (way, next)),
            Err(failure) => self.fail(thread, failure),
        }
    }

    /// As [`Self::proceed`], for threads that are not being stepped.
    pub(super) fn resume(
        &mut self,
        thread: usize,
        state: &State,
        progress: Result<Progress, Failure>,
    ) {
        if self.proceed(thread, state, progress) {
            self.ready.push_back(thread);
        }
    }

    fn enter(&mut self, thread: usize, state: &State) {
        self.transitions += 1;
        self.take(state, Way::Entered, None);
        let now = self.now;
        let t = self.thread_mut(thread);
        t.entered_at = now;
        t.activity = Activity::Attempt;
        let previous = t.last_event;
        // The event is made only when it is kept: this is the hottest path there is.
        let input = self.history.keep.then(|| self.thread(thread).input.clone());
        let id = self.add_event(previous, || Detail::Entered {
            kind: state.kind.name(),
            name: state.name.clone(),
            input: input.unwrap_or_default(),
        });
        let t = self.thread_mut(thread);
        t.last_event = id;
        t.tail_event = id;
        t.entered_event = id;
        if self.machine.kind == MachineType::Express
            && self.transitions - self.transitions_before > EXPRESS_INSTANT_TRANSITIONS
        {
            self.time_out();
        }
    }

    /// Records the exit, sets variables and goes on. False when the flow ended.
    pub(super) fn leave(
        &mut self,
        thread: usize,
        state: &State,
        output: Data,
        assigned: Assigned,
        (way, next): (Way, Option<StateId>),
    ) -> bool {
        if let Some(values) = &assigned {
            self.thread_mut(thread).assign(values);
        }
        let kept = self.history.keep.then(|| output.clone());
        self.record(thread, || Detail::Exited {
            kind: state.kind.name(),
            name: state.name.clone(),
            output: kept.unwrap_or_default(),
            assigned,
        });
        self.take(state, way, next);
        match next {
            Some(next) => {
                self.thread_mut(thread).go(next, output);
                true
            }
            None => {
                self.finish(thread, output);
                false
            }
        }
    }

    pub(super) fn perform(&mut self, thread: usize, state: &State) -> Result<Progress, Failure> {
        match &state.kind {
            Kind::Pass { result } => {
                let effective = self.effective(thread, state)?;
                let result = match result {
                    Some(fixed) => Some(fixed.clone()),
                    // A JSONata Pass has no result: its Output says it all.
                    None if state.language == Language::Jsonata => None,
                    None => Some(self.arguments(thread, state, &effective, None)?),
                };
                self.done(thread, state, &effective, result)
            }
            Kind::Succeed => {
                let effective = self.effective(thread, state)?;
                self.done(thread, state, &effective, None)
            }
            Kind::Fail { error, cause } => {
                let text = |template: &Option<_>| {
                    template
                        .as_ref()
                        .map(|t| self.fill(thread, t, View::default()))
                        .transpose()
                        .map(|v| v.map(|v| plain_text(&v)))
                };
                let (error, cause) = (text(error)?, text(cause)?);
                Err(Failure::reported(error.unwrap_or_default(), cause))
            }
            Kind::Choice(choice) => self.choose(thread, state, choice),
            Kind::Wait(wait) => self.wait(thread, state, wait),
            Kind::Task(task) => self.call(thread, state, task),
            Kind::Parallel { branches } => self.fork(thread, state, branches),
            Kind::Map(map) => self.iterate(thread, state, map),
        }
    }

    pub(super) fn done(
        &self,
        thread: usize,
        state: &State,
        effective: &Data,
        result: Option<Data>,
    ) -> Result<Progress, Failure> {
        let (output, assigned) = self.shape(thread, state, effective, result, None)?;
        Ok(Progress::Done {
            output,
            assigned,
            way: state.next.map_or(Way::End, |_| Way::Next),
            next: state.next,
        })
    }

    fn choose(&self, thread: usize, state: &State, choice: &Choice) -> Result<Progress, Failure> {
        let effective = self.effective(thread, state)?;
        let rule = self.with_env(thread, View::of(&effective), |env| {
            for (at, rule) in choice.rules.iter().enumerate() {
                if rule.condition.holds(env)? {
                    return Ok(Some((at, rule)));
                }
            }
            Ok::<_, Failure>(None)
        })?;
        let (way, next) = match rule {
            Some((at, rule)) => (Way::Rule(at), rule.next),
            None => choice.default.map(|next| (Way::Default, next)).ok_or_else(|| {
                Failure::runtime(
                    "Failed to transition out of the state. The state does not point to a next state.",
                )
            })?,
        };
        let rule = rule.map(|(_, rule)| rule);
        let (output, assigned) = self.shape(thread, state, &effective, None, rule)?;
        Ok(Progress::Done {
            output,
            assigned,
            way,
            next: Some(next),
        })
    }

    fn wait(&mut self, thread: usize, state: &State, wait: &Wait) -> Result<Progress, Failure> {
        let effective = self.effective(thread, state)?;
        let until: Millis = match wait {
            Wait::Seconds(seconds) => after(
                self.now,
                self.number(thread, seconds, &effective, "Seconds", 0..=MAX_SECONDS)?,
            ),
            Wait::Timestamp(template) => {
                let value = self.fill(thread, template, View::of(&effective))?;
                timestamp(&value)
                    .ok_or_else(|| no_timestamp(state.language, template, &value))?
                    .as_millisecond()
            }
        };
        // Recorded: AWS fails a wait of more than 2^31 seconds.
        if until.saturating_sub(self.now) / 1_000 > MAX_WAIT_SECONDS {
            return Err(Failure::runtime(format!(
                "The state waits longer than {MAX_WAIT_SECONDS} seconds."
            )));
        }
        if until <= self.now {
            return self.done(thread, state, &effective, None);
        }
        let activity = self.begin(thread, Activity::Waiting);
        self.set_timer(until, activity, Alarm::Wake);
        Ok(Progress::Blocked)
    }

    pub(super) fn wait_over(&mut self, thread: usize) {
        let machine = self.machine.clone();
        let state = machine.state(self.thread(thread).state);
        self.begin(thread, Activity::Halted);
        let progress = self
            .effective(thread, state)
            .and_then(|effective| self.done(thread, state, &effective, None));
        self.resume(thread, state, progress);
    }

    fn call(&mut self, thread: usize, state: &State, task: &Task) -> Result<Progress, Failure> {
        let effective = self.effective(thread, state)?;
        let token = (task.resource.pattern == Pattern::TaskToken).then(|| self.new_token());
        let arguments = self.arguments(thread, state, &effective, token.as_deref())?;
        let seconds = |number: &Option<_>, name| {
            number
                .as_ref()
                .map(|n| self.number(thread, n, &effective, name, 1..=MAX_SECONDS))
                .transpose()
        };
        let timeout = seconds(&task.timeout, "TimeoutSeconds")?;
        let heartbeat = seconds(&task.heartbeat, "HeartbeatSeconds")?;
        let resource = &task.resource;
        if resource.is_activity() {
            return self.offer(thread, state, resource, (arguments, timeout, heartbeat));
        }
        self.record(thread, || Detail::Scheduled {
            resource: resource.clone(),
            arguments: arguments.clone(),
            timeout,
            heartbeat,
        });
        self.record(thread, || Detail::Started {
            resource: resource.clone(),
            worker: None,
        });
        if self.status != Status::Running {
            return Ok(Progress::Blocked);
        }
        if let Some(machine) = self.machine_of(resource, &arguments) {
            return Ok(self.nest(thread, resource, machine, &arguments, timeout));
        }
        // Only the holder of a token can send heartbeats.
        let watched = heartbeat.filter(|_| token.is_some());
        let silent_at = watched.map(|seconds| after(self.now, seconds));
        let activity = self.begin(
            thread,
            Activity::Task(RunningTask {
                token: token.clone(),
                heartbeat: watched,
                silent_at,
                nested: None,
                offered: None,
            }),
        );
        if let Some(seconds) = timeout {
            self.set_timer(after(self.now, seconds), activity, Alarm::Timeout);
        }
        if let Some(due) = silent_at {
            self.set_timer(due, activity, Alarm::Heartbeat);
        }
        self.effects.push(Effect::Invoke(TaskCall {
            id: TaskId(activity),
            state: state.name.clone(),
            resource: resource.clone(),
            arguments,
            token,
            retries: self.thread(thread).retries,
            timeout_seconds: timeout,
            heartbeat_seconds: heartbeat,
        }));
        Ok(Progress::Blocked)
    }

    /// A token no other task has: it holds the execution's ARN and a number of its own.
    pub(super) fn new_token(&mut self) -> Arc<str> {
        let nonce = self.random.borrow_mut().u64(..);
        let text = format!(
            "{}#{}#{nonce:016x}",
            self.identity.execution_arn, self.sequence
        );
        base64::engine::general_purpose::STANDARD
            .encode(text)
            .into()
    }

    /// Takes the answer to a task: of the call, or of the token's holder.
    pub(super) fn answer(
        &mut self,
        thread: usize,
        result: Result<Value, TaskError>,
        by_token: bool,
    ) {
        let machine = self.machine.clone();
        let state = machine.state(self.thread(thread).state);
        let Kind::Task(task) = &state.kind else {
            return;
        };
        let resource = &task.resource;
        let result = match result {
            Ok(value) if resource.pattern == Pattern::TaskToken && !by_token => {
                let output = Arc::new(value);
                self.record(thread, || Detail::Submitted {
                    resource: resource.clone(),
                    output,
                });
                return;
            }
            Ok(value) => {
                let who = if resource.is_integration() {
                    &resource.service
                } else {
                    &resource.arn
                };
                within_limit(&value, who)
                    .map(|()| Arc::new(value))
                    .map_err(Failure::of_an_answer)
            }
            Err(TaskError { error, cause }) => Err(Failure::reported(error, cause)),
        };
        let unclaimed = result.is_err() && self.is_offered(thread);
        self.begin(thread, Activity::Halted);
        let progress = match result {
            Ok(output) => {
                self.record(thread, || Detail::Succeeded {
                    resource: resource.clone(),
                    output: output.clone(),
                });
                self.effective(thread, state)
                    .and_then(|effective| self.done(thread, state, &effective, Some(output)))
            }
            Err(failure) => {
                let how = match unclaimed {
                    true => Ending::NotScheduled,
                    false => Ending::Failed,
                };
                self.record_failed(thread, task, &failure, how);
                Err(failure)
            }
        };
        self.resume(thread, state, progress);
    }

    pub(super) fn task_timed_out(&mut self, thread: usize, heartbeat: bool) {
        let machine = self.machine.clone();
        let state = machine.state(self.thread(thread).state);
        let Kind::Task(task) = &state.kind else {
            return;
        };
        self.call_off(thread);
        self.begin(thread, Activity::Halted);
        let failure = Failure::timeout(heartbeat);
        self.record_failed(thread, task, &failure, Ending::TimedOut);
        self.resume(thread, state, Err(failure));
    }

    fn record_failed(&mut self, thread: usize, task: &Task, failure: &Failure, how: Ending) {
        self.record(thread, || Detail::Failed {
            resource: task.resource.clone(),
            how,
            error: (&*failure.error).into(),
            cause: failure.cause.clone(),
        });
    }
}

/// A bad timestamp fails by the language: on JSONata as an expression does (recorded 2024-12-27).
fn no_timestamp(language: Language, template: &Template, value: &Value) -> Failure {
    const WHAT: &str = "a valid ISO-8601 extended offset date-time format string";
    match (language, template) {
        (Language::Jsonata, Template::Jsonata(expr)) => {
            expr.failure(&format!("did not return {WHAT}: {value}"))
        }
        (Language::Jsonata, _) => Failure::evaluation(
            &"Timestamp".into(),
            format!("The field 'Timestamp' is not {WHAT}: {value}"),
        ),
        (Language::JsonPath, Template::Path(path, _)) => Failure::runtime(format!(
            "The TimestampPath parameter does not reference {WHAT}: {} == {}",
            path.source(),
            plain_text(value)
        )),
        (Language::JsonPath, _) => Failure::runtime(format!(
            "The Timestamp parameter is not {WHAT}: {}",
            plain_text(value)
        )),
    }
}

/// A text as it is; anything else as JSON.
fn plain_text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}
