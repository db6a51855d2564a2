//! Executions of state machines, driven by what their tasks answer.

mod activities;
mod control;
mod cuts;
mod releases;
mod standing;
mod told;

pub use activities::ActivityError;

use std::sync::Arc;

use duet_asl::{
    AnswerError, Effect, Execution, ExecutionOptions, Millis, Pattern, RedriveError, ReleaseError,
    Status, TaskCall, TaskError, TaskId,
};
use duet_core::Timestamp;
use serde_json::Value;

use crate::lab::{Action, Lab};
use crate::lambda::Call;
use crate::meter::Owner;
use crate::profile::Hop;
use crate::random::{digest, mix};
use crate::template::{ACCOUNT, REGION};
use crate::wire::text;

/// One execution.
#[derive(Debug)]
pub(crate) struct Run {
    /// `None` once it succeeded and nobody wants to look at it.
    pub(crate) execution: Option<Box<Execution>>,
    pub(crate) owner: Owner,
    pub(crate) machine: usize,
    pub(crate) name: Arc<str>,
    pub(crate) arn: Arc<str>,
    input: u64,
    ident: u64,
    pub(crate) started: Millis,
    counted: u64,
    due: Option<Millis>,
    redrives: u64,
    /// How many states it had entered when it last called a function.
    entered: u64,
    /// Whether the last task failed.
    failed: bool,
    start: Start,
    /// How many of its events are in the log group, and whether it was billed, where it
    /// is Express.
    pub(crate) logged: usize,
    pub(crate) billed: bool,
}

impl Run {
    pub(crate) fn transitions(&self) -> u64 {
        self.execution
            .as_ref()
            .map_or(self.counted, |execution| execution.transitions())
    }
}

/// By which API an execution was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// StartExecution: it is answered when the execution has begun.
    Async,
    /// StartSyncExecution: it is answered with the execution's end.
    Sync,
}

/// What became of a StartExecution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It runs.
    New,
    /// An execution of that name and input is there already.
    Already,
    /// An execution of that name and another input is there
    /// (`ExecutionAlreadyExists`).
    Clashes,
}

/// How an execution stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The machine's name.
    pub machine: String,
    /// The execution's name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Where it stands.
    pub status: Status,
    /// When it ended, if it did.
    pub ended: Option<Timestamp>,
    /// When it started.
    pub started: Timestamp,
    /// The error it failed with.
    pub error: Option<String>,
    /// The ARN of the version that it runs, if it was started by one or by an alias.
    pub version: Option<String>,
    /// The ARN of the alias that it was started by.
    pub alias: Option<String>,
}

/// Why no execution was started or redriven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkflowError {
    /// No such state machine is deployed.
    #[error("there is no state machine {0}")]
    NoMachine(String),
    /// No such execution is known.
    #[error("there is no execution {0}")]
    NoExecution(String),
    /// AWS answers `InvalidDefinition`.
    #[error("the definition is not valid: {0}")]
    Definition(String),
    /// A version or an alias is not as it was asked to be.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// The error or cause with which it was to be stopped is too long.
    #[error(transparent)]
    Stop(#[from] AnswerError),
    /// StartSyncExecution takes Express machines only (API_StartSyncExecution, which
    /// answers `StateMachineTypeNotSupported`).
    #[error("{0} is a Standard state machine, and answers nobody who waits")]
    Standard(String),
    /// StopExecution knows no Express executions (API_StopExecution).
    #[error("{0} is an Express execution, and cannot be stopped")]
    Express(String),
    /// AWS would refuse to redrive it.
    #[error(transparent)]
    Redrive(#[from] RedriveError),
}

impl Lab {
    /// StartExecution: idempotent in name and input while it runs. What ended
    /// keeps its name, but the same input tells the caller so. `machine` is a name or an
    /// ARN, which a version or an alias may follow (`..:3`, `..:prod`).
    ///
    /// # Errors
    /// [`WorkflowError::NoMachine`]
    pub fn start_execution(
        &mut self,
        machine: &str,
        name: &str,
        input: &Value,
    ) -> Result<Started, WorkflowError> {
        let begun = self.begin_execution(machine, name, input, Start::Async)?;
        Ok(begun.1)
    }

    /// The same, or StartSyncExecution; gives the number of the execution, too.
    pub(crate) fn begin_execution(
        &mut self,
        machine: &str,
        name: &str,
        input: &Value,
        start: Start,
    ) -> Result<(usize, Started), WorkflowError> {
        let named = self.machine_by(machine);
        let (at, qualifier) = named.ok_or_else(|| WorkflowError::NoMachine(machine.to_owned()))?;
        let sent = text(input);
        let print = digest(&text(&input["data"]));
        let name: Arc<str> = name.into();
        let express = self.is_express(at);
        if let Some(run) = self.names.get(&(at, name.clone())).filter(|_| !express) {
            let same = self.runs[*run].input == print;
            let started = match same {
                true => Started::Already,
                false => Started::Clashes,
            };
            return Ok((*run, started));
        }
        let it = &self.definitions.machines[at];
        let nth = self.nth(at, &name);
        let ident = told_apart(mix(digest(&it.name), digest(&name)), nth);
        let seed = mix(self.config.seed, ident);
        let draw = || (mix(seed, 0x5eed) % 100) as u32;
        let release = self.releases[at].release(qualifier, draw);
        let release = release.ok_or_else(|| WorkflowError::NoMachine(machine.to_owned()))?;
        let options = ExecutionOptions {
            name: name.to_string(),
            machine_name: it.name.clone(),
            version: release.version,
            alias: release.alias,
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            role_arn: it.role.clone(),
            seed,
            history: true,
            ways: false,
            context: None,
        };
        let variant = input["metadata"]["variant"].as_str().unwrap_or_default();
        let subject = input["metadata"]["subject"].as_str().unwrap_or(&name);
        let owner = self.host.lock().meters.owner(subject, variant);
        // As on the wire: text, and read again.
        let input: Value = serde_json::from_str(&sent).unwrap_or_default();
        let twice = express && {
            *self.namesakes.entry((at, name.clone())).or_default() += 1;
            self.host.lock().meters.of(owner).express_starts += 1;
            start == Start::Async && self.runs_twice(at, ident, owner)
        };
        let first = self.runs.len();
        for second in 0..=u64::from(twice) {
            let (around, input) = (self.around.clone(), input.clone());
            let machine = &release.machine;
            let execution = Execution::start_with(machine, input, &options, around, self.now);
            self.runs.push(Run {
                arn: execution.arn().into(),
                execution: Some(Box::new(execution)),
                owner,
                machine: at,
                name: name.clone(),
                input: print,
                ident: told_apart(ident, second),
                started: self.now,
                counted: 0,
                due: None,
                redrives: 0,
                entered: 0,
                failed: false,
                start,
                logged: 0,
                billed: false,
            });
        }
        self.names.insert((at, name), first);
        for run in first..self.runs.len() {
            self.tell_engine(run, None);
            self.announce_status(run, Status::Running);
            self.plan_cuts(run);
            self.drive(run);
        }
        Ok((first, Started::New))
    }

    /// Does what an execution wants done.
    fn drive(&mut self, run: usize) {
        let Some(execution) = self.runs[run].execution.as_mut() else {
            return;
        };
        let (effects, entered) = (execution.take_effects(), execution.transitions());
        let calls = effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Invoke(_)))
            .count() as u64;
        let mut called = 0;
        let between = entered.saturating_sub(self.runs[run].entered + calls);
        for effect in effects {
            match effect {
                Effect::Invoke(call) => {
                    self.call(run, call, (called, calls), between);
                    called += 1;
                }
                // The function runs on; its answer finds nobody. No worker is to take it.
                Effect::Cancel(id) => self.withdraw(run, id),
                Effect::WakeAt(at) => {
                    self.runs[run].due = Some(at);
                    self.at(at, Action::Wake(run, at));
                }
                Effect::Ended(status) => self.ended(run, status),
            }
        }
        if calls > 0 {
            let it = &mut self.runs[run];
            (it.entered, it.failed) = (entered, false);
        }
        self.log_express(run);
    }

    /// How long the engine takes until it makes a call, the first of which has
    /// the number 0, with `between` states before it that are no tasks.
    fn gap(
        &self,
        run: usize,
        call: &TaskCall,
        (number, calls): (u64, u64),
        between: u64,
    ) -> Millis {
        if !self.host.lock().pace.knows(Hop::StepToStep) {
            return 0;
        }
        let it = &self.runs[run];
        let ident = mix(it.ident, mix(digest(&call.state), it.redrives));
        if call.retries > 0 {
            return self.time(Hop::StepAgain, 0, mix(ident, call.retries.into()));
        }
        let (hop, size, within) = match (it.entered, it.failed) {
            (0, _) => (self.started_by(run), 0, 0),
            // The row has one or two states in it.
            (_, true) => (Hop::IntoCompensation, 0, 2),
            _ => (
                Hop::StepToStep,
                duet_asl::size(&call.arguments["Payload"]) as u64,
                0,
            ),
        };
        let states = between.saturating_sub(within) as Millis;
        let passing = states * self.time(Hop::ThroughState, 0, mix(it.ident, it.entered));
        if calls < 2 {
            return self.time(hop, size, mix(ident, 8)) + passing;
        }
        // Branches start one after the other; what lies between the first and the
        // last is a row of its own, so they share the rest.
        let together = mix(it.ident, it.entered + 1);
        let apart = self.time(Hop::BranchSpread, calls, together);
        let later = apart * number as Millis / (calls - 1) as Millis;
        self.time(hop, size, mix(together, 8)) + passing + later
    }

    /// What lies between the start of an execution and its first function.
    fn started_by(&self, run: usize) -> Hop {
        match (
            self.is_express(self.runs[run].machine),
            self.runs[run].start,
        ) {
            (false, _) => Hop::StartToFunction,
            (true, Start::Async) => Hop::ExpressStartToFunction,
            (true, Start::Sync) => Hop::ExpressSyncStartToFunction,
        }
    }

    fn call(&mut self, run: usize, call: TaskCall, place: (u64, u64), between: u64) {
        if call.resource.pattern == Pattern::Activity {
            return self.await_worker(run, &call);
        }
        let gap = self.gap(run, &call, place, between);
        let is_function = &*call.resource.service == "lambda";
        let it = &self.runs[run];
        let attempt = mix(it.redrives, call.retries.into());
        let (owner, ident) = (it.owner, mix(it.ident, mix(digest(&call.state), attempt)));
        if let Some(token) = &call.token {
            self.tokens.insert(token.clone(), run);
        }
        if call.retries > 0 {
            self.host.lock().meters.of(owner).retries += 1;
        }
        self.note(
            |lab| lab.subject(owner),
            || {
                format!(
                    "the workflow is at {}, attempt {}",
                    call.state,
                    call.retries + 1
                )
            },
        );
        if !is_function && self.plan_ask((run, owner, ident), &call, gap) {
            return;
        }
        let TaskCall {
            id,
            state,
            resource,
            arguments,
            ..
        } = call;
        let function = match is_function {
            true => arguments["FunctionName"]
                .as_str()
                .and_then(|name| self.arns.get(name))
                .copied(),
            false => None,
        };
        let Some(function) = function else {
            let error = match is_function {
                true => TaskError::new(
                    "Lambda.ResourceNotFoundException",
                    format!("Function not found: {}", arguments["FunctionName"]),
                ),
                false => TaskError::new(
                    "States.TaskFailed",
                    format!("the lab has no {}:{}", resource.service, resource.action),
                ),
            };
            return self.after(1, Action::FailTask(run, id, Box::new(error)));
        };
        let payload = arguments["Payload"].clone();
        self.invoke_task(Call {
            run,
            task: id,
            function,
            payload,
            state,
            ident,
            owner,
            gap,
        });
    }

    /// The answer to a task's call.
    pub(crate) fn answer_task(
        &mut self,
        run: usize,
        task: TaskId,
        result: Result<Value, TaskError>,
    ) {
        let now = self.now;
        if let Err(error) = &result {
            let (owner, name) = (self.runs[run].owner, error.error.clone());
            self.note(
                |lab| lab.subject(owner),
                || format!("the step fails with {name}"),
            );
        }
        self.runs[run].failed = result.is_err();
        if let Some(execution) = self.runs[run].execution.as_mut() {
            // An answer that nobody waits for any more changes nothing.
            let _ = execution.complete_task(task, result, now);
        }
        self.drive(run);
    }

    /// SendTaskSuccess. A token that nobody waits for is no error to the caller.
    pub(crate) fn answer_token(&mut self, token: &str, value: Value) {
        let now = self.now;
        if let Some(run) = self.tokens.remove(token) {
            if let Some(execution) = self.runs[run].execution.as_mut() {
                let _ = execution.task_token_success(token, value, now);
            }
            self.drive(run);
        }
    }

    pub(crate) fn wake(&mut self, run: usize, at: Millis) {
        let it = &mut self.runs[run];
        // Only the latest appointment counts.
        if it.due == Some(at)
            && let Some(execution) = it.execution.as_mut()
        {
            it.due = None;
            execution.advance(at);
            self.drive(run);
        }
    }

    fn ended(&mut self, run: usize, status: Status) {
        let owner = self.runs[run].owner;
        self.note(
            |lab| lab.subject(owner),
            || format!("the execution ends: {}", word(status)),
        );
        self.tell_engine(run, Some(self.now));
        self.log_express(run);
        self.announce_status(run, status);
        if status == Status::Succeeded && !self.config.keep_succeeded {
            let it = &mut self.runs[run];
            it.counted = it.transitions();
            it.execution = None;
        }
    }

    /// What functions that ask for an execution are told from now on.
    fn tell_engine(&mut self, run: usize, ended: Option<Millis>) {
        // An Express execution can be neither listed nor described (API_ListExecutions).
        if self.is_express(self.runs[run].machine) {
            return;
        }
        let arn = self.runs[run].arn.clone();
        self.host.lock().executions.insert(arn, ended);
    }
}

/// What tells the `n`-th of what `ident` names from the others.
fn told_apart(ident: u64, n: u64) -> u64 {
    match n {
        0 => ident,
        n => mix(ident, n),
    }
}

/// A status in AWS's words.
#[must_use]
pub fn word(status: Status) -> &'static str {
    match status {
        Status::Running => "RUNNING",
        Status::Succeeded => "SUCCEEDED",
        Status::Failed => "FAILED",
        Status::TimedOut => "TIMED_OUT",
        Status::Aborted => "ABORTED",
    }
}
