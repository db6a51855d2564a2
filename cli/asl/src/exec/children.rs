//! Child executions of Map Runs: starting, driving, counting and ending them.
//!
//! A child is an execution of its own. Its driver is its parent: what it wants done
//! is handed on under ids of the parent's, and what comes back goes the same way.

use super::clock::Alarm;
use super::maprun::{ChildId, MapRun};
use super::states::Progress;
use super::thread::Activity;
use super::{AnswerError, Effect, Execution, ExecutionOptions, Status, TaskId};
use crate::Millis;
use crate::failure::{Failure, TOLERATED};
use crate::history::Detail;
use crate::model::MachineType;
use std::sync::Arc;

/// Child executions of a Map Run that run at once, at most (AWS's quota).
const MAX_CHILDREN: usize = 10_000;
/// Recorded (TestState, 2025-11-13).
pub(super) const EXCEEDED: &str = "The specified tolerated failure threshold was exceeded";

impl Execution {
    pub(super) fn map_run(&self, run: usize) -> &MapRun {
        let runs = self.runs.as_ref().expect("a begun Map Run's number");
        &runs.all[run]
    }

    pub(super) fn map_run_mut(&mut self, run: usize) -> &mut MapRun {
        let runs = self.runs.as_mut().expect("a begun Map Run's number");
        &mut runs.all[run]
    }

    /// Starts children while there are any and there is room.
    pub(super) fn pump(&mut self, run: usize) {
        while self.status == Status::Running {
            let it = self.map_run_mut(run);
            let room = match usize::try_from(it.max_concurrency).unwrap_or(usize::MAX) {
                0 => MAX_CHILDREN,
                n => n.min(MAX_CHILDREN),
            };
            if it.failing.is_some() || it.running >= room {
                break;
            }
            let Some(child) = it.waiting.pop_front() else {
                break;
            };
            it.running += 1;
            self.start_child((run, child));
            if self.relay((run, child)) {
                self.account((run, child));
            }
        }
    }

    /// Starts a child, or takes it up again.
    pub(super) fn start_child(&mut self, (run, child): ChildId) {
        let now = self.now;
        let (keep, ways) = (self.history.keep, self.taken.is_some());
        let (around, orphaned) = (self.around.within(), self.orphaned);
        let (region, account) = self.identity.owner();
        let (region, account) = (region.to_owned(), account.to_owned());
        let role_arn = self.identity.role_arn.to_string();
        let it = self.map_run_mut(run);
        // The states of a nested execution are another machine's.
        let ways = ways && it.nested.is_none();
        let (machine, machine_name) = (it.machine.clone(), it.machine_name.clone());
        let nested = it.nested.as_ref();
        let version = nested.and_then(|it| it.version);
        let alias = nested.and_then(|it| it.alias.clone());
        let child = &mut it.children[child];
        if child.again && machine.kind == MachineType::Standard {
            child.again = false;
            if let Some(execution) = &mut child.execution {
                // It was looked at before: it can be redriven.
                let _ = execution.redrive(now);
            }
            return;
        }
        child.restarts += u32::from(std::mem::take(&mut child.again));
        let options = ExecutionOptions {
            name: child.name.clone(),
            machine_name,
            version,
            alias,
            region,
            account,
            role_arn,
            seed: child.seed,
            history: keep,
            ways,
            context: None,
        };
        let input = (*child.input).clone();
        let mut execution = Execution::start_with(&machine, input, &options, around, now);
        if orphaned {
            execution.orphan();
        }
        child.counted = 0;
        child.execution = Some(Box::new(execution));
    }

    /// Hands on what a child wants; says whether it is over.
    fn relay(&mut self, id: ChildId) -> bool {
        let Some(runs) = self.runs.as_deref_mut() else {
            return false;
        };
        let run = &mut runs.all[id.0];
        let standard = run.machine.kind == MachineType::Standard;
        let child = &mut run.children[id.1];
        let Some(execution) = &mut child.execution else {
            return false;
        };
        if let (Some(all), Some(own)) = (&mut self.taken, &mut execution.taken) {
            all.append(own);
        }
        if let Some(state) = execution.lacking.take() {
            self.lacking.get_or_insert(state);
        }
        if standard {
            self.transitions += execution.transitions - child.counted;
            child.counted = execution.transitions;
        }
        let (mut ended, mut wake) = (false, None);
        for effect in execution.take_effects() {
            match effect {
                Effect::Invoke(mut call) => {
                    self.sequence += 1;
                    let own = self.sequence;
                    runs.calls.insert(own, (id, call.id));
                    child.calls.insert(call.id, own);
                    if let Some(token) = &call.token {
                        runs.tokens.insert(token.clone(), id);
                    }
                    call.id = TaskId(own);
                    self.effects.push(Effect::Invoke(call));
                }
                Effect::Cancel(task) => {
                    if let Some(own) = child.calls.remove(&task) {
                        runs.calls.remove(&own);
                        self.effects.push(Effect::Cancel(TaskId(own)));
                    }
                }
                Effect::WakeAt(at) => wake = Some(at),
                Effect::Ended(_) => ended = true,
            }
        }
        let alarm = child.alarm;
        if ended {
            for own in std::mem::take(&mut child.calls).into_values() {
                runs.calls.remove(&own);
            }
            runs.alarms.remove(&alarm);
        } else if let Some(at) = wake {
            runs.alarms.insert(alarm, id);
            self.set_timer(at, alarm, Alarm::Child);
        }
        ended
    }

    /// Counts a child that is over; too many failures end the run.
    fn account(&mut self, (run, child): ChildId) {
        let it = self.map_run_mut(run);
        it.running -= 1;
        let child = &it.children[child];
        if matches!(child.status(), Some(Status::Failed | Status::TimedOut)) {
            it.failed_items += child.items;
        }
        if it.failing.is_none() && it.tolerated.exceeded(it.failed_items, it.total_items) {
            it.failing = Some(Failure::reported(TOLERATED, Some(EXCEEDED.to_owned())));
            // AWS cancels Standard children, and waits for Express ones.
            if it.machine.kind == MachineType::Standard {
                self.stop_children(run);
            }
        }
    }

    fn stop_children(&mut self, run: usize) {
        let now = self.now;
        let it = self.map_run(run);
        let cause = it.nested.is_none();
        let cause = cause.then(|| "The parent Map Run was stopped.".to_owned());
        for child in 0..it.children.len() {
            let Some(execution) = &mut self.map_run_mut(run).children[child].execution else {
                continue;
            };
            if execution.status == Status::Running {
                execution.stop(None, cause.clone(), now);
                if self.relay((run, child)) {
                    self.map_run_mut(run).running -= 1;
                }
            }
        }
    }

    /// Whether nothing of a run is to come any more but its end.
    pub(super) fn is_over(&self, run: usize) -> bool {
        let it = self.map_run(run);
        it.status == Status::Running
            && it.running == 0
            && (it.failing.is_some() || it.waiting.is_empty())
    }

    /// Ends a run: its results are the state's.
    pub(super) fn conclude(&mut self, run: usize) -> Result<Progress, Failure> {
        let machine = self.machine.clone();
        let thread = self.map_run(run).thread;
        let state = machine.state(self.thread(thread).state);
        let results = self.results(run, thread, state);
        let failing = self.map_run(run).failing.clone();
        let output = match (failing, results) {
            (None, Ok(output)) => output,
            (Some(failure), _) | (None, Err(failure)) => {
                let failure = self.told(thread, state, failure);
                self.close(run, Status::Failed, Some(&failure));
                return Err(failure);
            }
        };
        self.close(run, Status::Succeeded, None);
        self.begin(thread, Activity::Halted);
        let kind = state.kind.name();
        self.record_aside(thread, || Detail::State {
            kind,
            what: "Succeeded",
        });
        let effective = self.effective(thread, state)?;
        self.done(thread, state, &effective, Some(output))
    }

    /// Notes a run's end.
    pub(super) fn close(&mut self, run: usize, status: Status, failure: Option<&Failure>) {
        let now = self.now;
        let it = self.map_run_mut(run);
        it.status = status;
        it.stopped = Some(now);
        it.children.iter_mut().for_each(|child| child.again = false);
        let thread = it.thread;
        let failure = failure.map(|it| ((&*it.error).into(), it.cause.clone()));
        self.record(thread, || Detail::MapRun {
            what: match status {
                Status::Succeeded => "Succeeded",
                _ => "Failed",
            },
            arn: None,
            redrives: None,
            failure,
        });
    }

    /// Cuts a run short, with all its children.
    pub(super) fn abort(&mut self, run: usize) -> bool {
        if self.map_run(run).status != Status::Running {
            return false;
        }
        let now = self.now;
        let it = self.map_run_mut(run);
        it.status = Status::Aborted;
        it.stopped = Some(now);
        it.children.iter_mut().for_each(|child| child.again = false);
        self.stop_children(run);
        true
    }

    pub(super) fn abort_all(&mut self) {
        let runs = self.runs.as_ref().map_or(0, |runs| runs.all.len());
        for run in 0..runs {
            self.abort(run);
        }
    }

    pub(super) fn conclude_if_over(&mut self, run: usize) {
        if self.status == Status::Running && self.is_over(run) {
            if self.map_run(run).nested.is_some() {
                return self.answer_nested(run);
            }
            let machine = self.machine.clone();
            let thread = self.map_run(run).thread;
            let state = machine.state(self.thread(thread).state);
            let progress = self.conclude(run);
            self.resume(thread, state, progress);
        }
    }

    // ---- what comes from outside

    /// Does something with a child, and what follows from it.
    fn with_child<T>(&mut self, id: ChildId, act: impl FnOnce(&mut Execution) -> T) -> Option<T> {
        let child = &mut self.map_run_mut(id.0).children[id.1];
        let result = act(child.execution.as_mut()?);
        self.follow(id);
        Some(result)
    }

    /// Does what follows from a child's doings.
    pub(super) fn follow(&mut self, id: ChildId) {
        if self.relay(id) {
            self.account(id);
            self.pump(id.0);
            self.conclude_if_over(id.0);
        }
    }

    /// Whose call this is, if it is a child's.
    pub(super) fn caller(&self, task: TaskId) -> Option<(ChildId, TaskId)> {
        self.runs.as_ref()?.calls.get(&task.0).copied()
    }

    /// Notes that a child holds a token.
    pub(super) fn note_token(&mut self, token: Arc<str>, id: ChildId) {
        if let Some(runs) = &mut self.runs {
            runs.tokens.insert(token, id);
        }
    }

    /// Who holds a token, if it is a child.
    pub(super) fn child_with(&self, token: &str) -> Option<ChildId> {
        self.runs.as_ref()?.tokens.get(token).copied()
    }

    /// Lets a child take an answer.
    pub(super) fn ask_child<T>(
        &mut self,
        id: ChildId,
        act: impl FnOnce(&mut Execution) -> Result<T, AnswerError>,
        otherwise: AnswerError,
    ) -> Result<T, AnswerError> {
        let result = self.with_child(id, act).unwrap_or(Err(otherwise));
        self.settle();
        result
    }

    /// Whether a child's alarm still stands.
    pub(super) fn is_awaited(&self, alarm: u64, at: Millis) -> bool {
        let runs = self.runs.as_ref();
        let id = runs.and_then(|runs| runs.alarms.get(&alarm));
        id.is_some_and(|(run, child)| {
            let execution = self.map_run(*run).children[*child].execution.as_ref();
            execution.is_some_and(|it| it.announced == Some(at))
        })
    }

    /// A child's alarm rings.
    pub(super) fn wake_child(&mut self, alarm: u64, at: Millis) {
        let runs = self.runs.as_ref();
        if let Some(id) = runs.and_then(|runs| runs.alarms.get(&alarm).copied()) {
            self.with_child(id, |execution| execution.advance(at));
        }
    }

    /// Tells the running children that the machine is deleted.
    pub(super) fn orphan_children(&mut self) {
        let runs = self.runs.iter_mut().flat_map(|runs| &mut runs.all);
        for execution in runs
            .flat_map(|run| &mut run.children)
            .filter_map(|child| child.execution.as_mut())
        {
            execution.orphan();
        }
    }

    /// The state whose objects nobody gave: a distributed Map that was to read or write
    /// some, in an execution that has none.
    #[must_use]
    pub fn lacks_objects(&self) -> Option<&Arc<str>> {
        self.lacking.as_ref()
    }
}
