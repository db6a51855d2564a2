//! Nested executions: what `states:startExecution.sync` and `.sync:2` start and wait for,
//! where the machine is here.
//!
//! A nested execution is a child as those of Map Runs are, alone in a run of its own.
//! Its events and the forms of its output: recorded executions, 2023-08-12.

use super::api::MAX_CAUSE;
use super::clock::{Alarm, after};
use super::maprun::{Child, MapRun};
use super::states::Progress;
use super::thread::{Activity, RunningTask};
use super::{ChildReport, Execution, Status, TaskError};
use crate::env::uuid;
use crate::history::Detail;
use crate::model::{MachineType, Pattern, Resource, StateId, StateMachine};
use crate::objects::Objects;
use crate::release::{Release, Releases};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Executions within executions, at most: ours, AWS has no such limit.
const MAX_DEPTH: u32 = 32;

/// What an execution finds around it.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    pub(super) objects: Option<Arc<dyn Objects>>,
    machines: Arc<BTreeMap<String, Releases>>,
    /// The ARNs of the activities there are; `None` where nobody says.
    activities: Option<Arc<BTreeSet<String>>>,
    /// How many executions it lies in.
    depth: u32,
}

/// What makes a run one nested execution.
#[derive(Debug)]
pub(super) struct Nested {
    /// The state that waits for it.
    state: StateId,
    /// The version and the alias that it was started by.
    pub(super) version: Option<u64>,
    pub(super) alias: Option<Arc<str>>,
    /// `.sync:2`: input and output are JSON, not text.
    parsed: bool,
}

impl Surroundings {
    /// With what distributed Maps read and write.
    #[must_use]
    pub fn with_objects(mut self, objects: Option<Arc<dyn Objects>>) -> Self {
        self.objects = objects;
        self
    }

    /// With the machines that tasks start and wait for, by their names. The driver
    /// answers for those that are not among them.
    #[must_use]
    pub fn with_machines(self, machines: BTreeMap<String, Arc<StateMachine>>) -> Self {
        let all = machines.into_iter();
        self.with_releases(all.map(|(name, it)| (name, Releases::of(it))).collect())
    }

    /// The same, with their versions and aliases.
    #[must_use]
    pub fn with_releases(mut self, machines: BTreeMap<String, Releases>) -> Self {
        self.machines = Arc::new(machines);
        self
    }

    /// With the ARNs of all activities there are: a task of another fails. Without this,
    /// every activity is there.
    #[must_use]
    pub fn with_activities(mut self, activities: Arc<BTreeSet<String>>) -> Self {
        self.activities = Some(activities);
        self
    }

    pub(super) fn has_activity(&self, arn: &str) -> bool {
        let all = self.activities.as_ref();
        all.is_none_or(|all| all.contains(arn))
    }

    /// What a child finds.
    pub(super) fn within(&self) -> Self {
        Surroundings {
            depth: self.depth + 1,
            ..self.clone()
        }
    }
}

impl Execution {
    /// The machine that a task starts and waits for, and its name, if it is here.
    pub(super) fn machine_of(
        &self,
        resource: &Resource,
        arguments: &Value,
    ) -> Option<(String, Release)> {
        if resource.pattern != Pattern::Sync || &*resource.service != "states" {
            return None;
        }
        let arn = arguments.get("StateMachineArn")?.as_str()?;
        let mut named = arn.split(":stateMachine:").last()?.splitn(2, ':');
        let (name, qualifier) = (named.next()?, named.next());
        let draw = || self.random.borrow_mut().u32(..100);
        let release = self.around.machines.get(name)?.release(qualifier, draw)?;
        // AWS waits for Standard executions only.
        let standard = release.machine.kind == MachineType::Standard;
        standard.then(|| (name.to_owned(), release))
    }

    /// Starts what a task waits for.
    pub(super) fn nest(
        &mut self,
        thread: usize,
        resource: &Resource,
        (machine_name, release): (String, Release),
        arguments: &Value,
        timeout: Option<u64>,
    ) -> Progress {
        let begun = self.prepare(thread, resource, machine_name, release, arguments);
        let nested = begun.as_ref().ok().copied();
        let activity = self.begin(
            thread,
            Activity::Task(RunningTask {
                token: None,
                heartbeat: None,
                silent_at: None,
                nested,
                offered: None,
            }),
        );
        let run = match begun {
            Ok(run) => run,
            Err(error) => {
                self.answer(thread, Err(error), false);
                return Progress::Blocked;
            }
        };
        if let Some(seconds) = timeout {
            self.set_timer(after(self.now, seconds), activity, Alarm::Timeout);
        }
        let it = self.map_run_mut(run);
        it.waiting.clear();
        it.running = 1;
        self.start_child((run, 0));
        let child = self.map_run(run).children[0].execution.as_ref();
        let (arn, started) = child.map_or(("", 0), |it| (it.arn(), it.started()));
        let output = json!({"ExecutionArn": arn, "StartDate": started as f64 / 1_000.0});
        self.record(thread, || Detail::Submitted {
            resource: resource.clone(),
            output: Arc::new(output),
        });
        self.follow((run, 0));
        Progress::Blocked
    }

    /// The run of a nested execution: a new one, or after a redrive the one that failed.
    fn prepare(
        &mut self,
        thread: usize,
        resource: &Resource,
        machine_name: String,
        release: Release,
        arguments: &Value,
    ) -> Result<usize, TaskError> {
        if let Some(run) = self.failed_before(thread) {
            return Ok(run);
        }
        if self.around.depth >= MAX_DEPTH {
            let cause = format!("More than {MAX_DEPTH} executions lie in each other.");
            return Err(TaskError::new(
                "StepFunctions.ExecutionLimitExceeded",
                cause,
            ));
        }
        let input = match arguments.get("Input") {
            None | Some(Value::Null) => json!({}),
            Some(Value::String(text)) => serde_json::from_str(text).map_err(|e| {
                let cause = format!("Invalid State Machine Execution Input: '{e}'");
                TaskError::new("StepFunctions.InvalidExecutionInputException", cause)
            })?,
            Some(value) => value.clone(),
        };
        let given = arguments.get("Name").and_then(Value::as_str);
        let (name, seed) = {
            let mut random = self.random.borrow_mut();
            let drawn = uuid(&mut random);
            (given.map_or(drawn, str::to_owned), random.u64(..))
        };
        self.sequence += 1;
        let child = Child::new(name, Arc::new(input), 1, seed, self.sequence);
        let state = self.thread(thread).state;
        let now = self.now;
        let runs = self.runs.get_or_insert_default();
        let taken = runs.all.iter().filter(|run| run.nested.is_some());
        let mut taken = taken.filter(|run| run.machine_name == machine_name);
        if taken.any(|run| run.children.iter().any(|it| it.name == child.name)) {
            return Err(TaskError::new(
                "StepFunctions.ExecutionAlreadyExistsException",
                format!("Execution Already Exists: '{machine_name}:{}'", child.name),
            ));
        }
        let mut run = MapRun::new(release.machine, machine_name, thread, now);
        run.nested = Some(Nested {
            state,
            version: release.version,
            alias: release.alias,
            parsed: resource.action.ends_with(":2"),
        });
        // Its failure is the task's, and no matter of thresholds.
        run.tolerated.percentage = Some(100.0);
        run.children = vec![child];
        run.total_items = 1;
        runs.all.push(run);
        Ok(runs.all.len() - 1)
    }

    /// The nested execution that failed in this state before the last redrive, if it can
    /// be redriven.
    fn failed_before(&mut self, thread: usize) -> Option<usize> {
        let state = self.thread(thread).state;
        let (now, redriven) = (self.now, self.identity.redriven?);
        let all = &mut self.runs.as_mut()?.all;
        let mine = all.iter_mut().enumerate();
        for (at, run) in mine.filter(|(_, run)| run.thread == thread) {
            let (Some(nested), [child]) = (&run.nested, &mut run.children[..]) else {
                continue;
            };
            let before = run.stopped.is_some_and(|it| it <= redriven);
            let execution = child.execution.as_ref();
            let redrivable = execution.is_some_and(|it| it.redrivable(now).is_ok());
            if nested.state == state && before && redrivable {
                child.again = true;
                run.status = Status::Running;
                run.stopped = None;
                return Some(at);
            }
        }
        None
    }

    /// A nested execution is over: that is the task's answer.
    pub(super) fn answer_nested(&mut self, run: usize) {
        let now = self.now;
        let it = self.map_run_mut(run);
        let thread = it.thread;
        let Some(status) = it.children.first().and_then(Child::status) else {
            return;
        };
        it.status = status;
        it.stopped = Some(now);
        let parsed = it.nested.as_ref().is_some_and(|it| it.parsed);
        let told = it.children[0].told(parsed);
        let waits = matches!(&self.thread(thread).activity, Activity::Task(task) if task.nested == Some(run));
        if !waits {
            return;
        }
        let result = match status {
            Status::Succeeded => Ok(told),
            _ => {
                // Each execution writes the cause of the one within it as a text in its own, so
                // they would grow without end.
                let cause: String = told.to_string().chars().take(MAX_CAUSE).collect();
                Err(TaskError::new("States.TaskFailed", cause))
            }
        };
        self.answer(thread, result, false);
    }

    /// The nested executions, in the order they began.
    #[must_use]
    pub fn nested(&self) -> Vec<ChildReport> {
        let runs = self.runs.iter().flat_map(|runs| &runs.all);
        runs.filter(|run| run.nested.is_some())
            .flat_map(|run| run.children.iter().filter_map(Child::report))
            .collect()
    }
}

impl Child {
    /// A nested execution as its parent hears of it. A failure's own texts stay texts.
    fn told(&self, parsed: bool) -> Value {
        let mut all = Map::new();
        let Some(run) = &self.execution else {
            return Value::Object(all);
        };
        let data = |value: &Value| match parsed {
            true => value.clone(),
            false => value.to_string().into(),
        };
        let mut put = |name: &str, value: Value| {
            all.insert(name.to_owned(), value);
        };
        put("ExecutionArn", run.arn().into());
        put("Input", data(&self.input));
        put("InputDetails", json!({"Included": true}));
        put("Name", self.name.clone().into());
        if let Some(output) = &run.output {
            put("Output", data(output));
            put("OutputDetails", json!({"Included": true}));
        }
        put("StartDate", run.started().into());
        put("StateMachineArn", run.identity.machine_arn.as_ref().into());
        let by = [
            ("StateMachineAliasArn", run.alias_arn()),
            ("StateMachineVersionArn", run.version_arn()),
        ];
        for (name, arn) in by {
            if let Some(arn) = arn {
                put(name, arn.into());
            }
        }
        put("Status", json!(run.status));
        if let Some(ended) = run.ended {
            put("StopDate", ended.into());
        }
        for (name, text) in [("Error", run.error()), ("Cause", run.cause())] {
            if let Some(text) = text {
                put(name, text.into());
            }
        }
        Value::Object(all)
    }
}
