//! Running a machine, one event at a time.
//!
//! Owns an execution's state. It never waits, and calls nobody but the port of a
//! distributed Map's objects: what the world must do comes out as [`Effect`]s, what
//! the world did comes in through methods that carry the time. Between two calls an
//! execution stands still.
//!
//! A flow of control is a *thread*: the machine's own, one per Parallel branch,
//! one per Map iteration. Each has its own variables and its own chain of
//! `previousEventId`s. What AWS's recordings show of those chains: the first
//! event of a branch follows `…StateStarted`; `…StateSucceeded`,
//! `MapIterationFailed` and `…Aborted` do not move a chain on; the next
//! iteration follows the last event of the one whose place it takes.

mod api;
mod branches;
mod children;
mod clock;
mod distributed;
mod inspect;
mod io;
mod maprun;
mod nested;
mod recover;
mod redrive;
mod results;
mod single;
mod states;
mod thread;
mod worker;

use crate::env::Identity;
use crate::failure::{Failure, RUNTIME, TIMEOUT};
use crate::history::{Detail, History, MAX_EVENTS};
use crate::model::{MachineType, State, StateId, StateMachine};
use crate::taken::{Taken, Way};
use crate::{Data, Millis};
pub use api::{
    AnswerError, Effect, ExecutionOptions, RedriveError, Status, TaskCall, TaskError, TaskId,
};
use clock::{Alarm, Timer, after};
pub use inspect::InspectionData;
pub(crate) use io::MAX_DATA;
use io::within_limit;
use maprun::Runs;
pub use maprun::{ChildReport, Counts, MapRunReport};
pub use nested::Surroundings;
use serde_json::Value;
pub use single::{StateReport, StateTest, TestStatus, test_state};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use thread::{Activity, Thread};
pub use worker::ActivityTask;

/// Express executions have no event limit; one that makes this many transitions
/// at a single instant would have used up its five minutes at 2 ms each.
const EXPRESS_INSTANT_TRANSITIONS: u64 = 150_000;

/// One run of a machine.
#[derive(Debug)]
pub struct Execution {
    machine: Arc<StateMachine>,
    identity: Identity,
    random: RefCell<fastrand::Rng>,
    threads: Vec<Option<Thread>>,
    free: Vec<usize>,
    ready: VecDeque<usize>,
    timers: BinaryHeap<Reverse<Timer>>,
    effects: Vec<Effect>,
    history: History,
    status: Status,
    output: Option<Data>,
    error: Option<Arc<str>>,
    cause: Option<Arc<str>>,
    ended: Option<Millis>,
    now: Millis,
    /// Numbers activities and timers.
    sequence: u64,
    /// The activity the deadline's timer stands for.
    deadline: u64,
    announced: Option<Millis>,
    /// Whether its machine was deleted.
    orphaned: bool,
    transitions: u64,
    /// The ways taken, if they are kept.
    taken: Option<Vec<Taken>>,
    /// Its Map Runs, once a distributed Map began.
    runs: Option<Box<Runs>>,
    around: Surroundings,
    /// The state that wanted objects where there are none.
    lacking: Option<Arc<str>>,
    /// Transitions when the clock last moved.
    transitions_before: u64,
}

impl Execution {
    /// Starts a run of `machine` at `now`. Collect what it wants with [`Self::take_effects`].
    #[must_use]
    pub fn start(
        machine: &Arc<StateMachine>,
        input: Value,
        options: &ExecutionOptions,
        now: Millis,
    ) -> Self {
        Self::start_with(machine, input, options, Surroundings::default(), now)
    }

    /// As [`Self::start`], with objects for distributed Maps, and machines for nested
    /// executions. Without objects, reading or writing some fails;
    /// [`Self::lacks_objects`] says so.
    #[must_use]
    pub fn start_with(
        machine: &Arc<StateMachine>,
        input: Value,
        options: &ExecutionOptions,
        around: Surroundings,
        now: Millis,
    ) -> Self {
        let input = Arc::new(input);
        let mut this = Self::idle(machine, &input, options, now);
        this.around = around;
        let role = this.identity.role_arn.clone();
        this.history.add(0, now, || Detail::ExecutionStarted {
            input: input.clone(),
            role,
        });
        this.set_deadline();
        // StartExecution refuses it; whoever starts without asking gets no further.
        if let Err(failure) = within_limit(&input, &options.machine_name) {
            this.fail_execution(0, &failure);
            return this;
        }
        // The first state's event follows nothing, not even ExecutionStarted.
        this.spawn(Thread::new(machine.start, input, 0));
        this.settle();
        this
    }

    /// An execution in which nothing happens yet.
    fn idle(
        machine: &Arc<StateMachine>,
        input: &Data,
        options: &ExecutionOptions,
        now: Millis,
    ) -> Self {
        let ExecutionOptions {
            name,
            machine_name,
            region,
            account,
            ..
        } = options;
        let owner = format!("arn:aws:states:{region}:{account}");
        let execution_arn = match machine.kind {
            MachineType::Standard => format!("{owner}:execution:{machine_name}:{name}"),
            MachineType::Express => format!(
                "{owner}:express:{machine_name}:{name}:{:016x}",
                options.seed
            ),
        };
        Execution {
            machine: machine.clone(),
            identity: Identity {
                execution_arn: execution_arn.into(),
                execution_name: name.as_str().into(),
                machine_arn: format!("{owner}:stateMachine:{machine_name}").into(),
                machine_name: machine_name.as_str().into(),
                version: options.version,
                alias: options.alias.clone(),
                role_arn: options.role_arn.as_str().into(),
                input: input.clone(),
                started: now,
                redrives: 0,
                redriven: None,
                extra: options.context.clone().map(Arc::new),
            },
            random: RefCell::new(fastrand::Rng::with_seed(options.seed)),
            threads: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            timers: BinaryHeap::new(),
            effects: Vec::new(),
            history: History {
                keep: options.history,
                ..History::default()
            },
            status: Status::Running,
            output: None,
            error: None,
            cause: None,
            ended: None,
            now,
            sequence: 0,
            deadline: 0,
            announced: None,
            orphaned: false,
            transitions: 0,
            taken: options.ways.then(Vec::new),
            runs: None,
            around: Surroundings::default(),
            lacking: None,
            transitions_before: 0,
        }
    }

    /// What the driver must do since it last asked, oldest first.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Moves the clock to `now`, firing what falls due on the way, each at its own time.
    pub fn advance(&mut self, now: Millis) {
        self.fire(|at| at <= now);
        self.set_now(now);
        self.settle();
    }

    /// Answers the call `id`. For a task with a token, `Ok` only says that the
    /// message went out; the result comes with the token.
    ///
    /// # Errors
    /// [`AnswerError::UnknownTask`] when nothing waits for this answer (any more);
    /// [`AnswerError::ByToken`] for an activity's task, which its worker answers. A failure
    /// says that no worker can be offered it (`ActivityScheduleFailed`).
    pub fn complete_task(
        &mut self,
        id: TaskId,
        result: Result<Value, TaskError>,
        now: Millis,
    ) -> Result<(), AnswerError> {
        self.catch_up(now);
        if let Some((child, task)) = self.caller(id) {
            let answer = |run: &mut Self| run.complete_task(task, result, now);
            return self.ask_child(child, answer, AnswerError::UnknownTask);
        }
        let thread = self.find(id.0).ok_or(AnswerError::UnknownTask)?;
        self.admits(thread, &result)?;
        self.answer(thread, result, false);
        self.settle();
        Ok(())
    }

    /// `SendTaskSuccess`.
    ///
    /// # Errors
    /// [`AnswerError::UnknownToken`] when no task waits for `token` (any more).
    pub fn task_token_success(
        &mut self,
        token: &str,
        output: Value,
        now: Millis,
    ) -> Result<(), AnswerError> {
        self.answer_token(token, Ok(output), now)
    }

    /// `SendTaskFailure`.
    ///
    /// # Errors
    /// [`AnswerError::UnknownToken`] when no task waits for `token` (any more);
    /// [`AnswerError::TooLong`] as AWS refuses it.
    pub fn task_token_failure(
        &mut self,
        token: &str,
        error: TaskError,
        now: Millis,
    ) -> Result<(), AnswerError> {
        error.sendable()?;
        self.answer_token(token, Err(error), now)
    }

    /// `SendTaskHeartbeat`: the silence starts anew.
    ///
    /// # Errors
    /// [`AnswerError::UnknownToken`] when no task waits for `token` (any more).
    pub fn heartbeat(&mut self, token: &str, now: Millis) -> Result<(), AnswerError> {
        self.catch_up(now);
        if let Some(child) = self.child_with(token) {
            let beat = |run: &mut Self| run.heartbeat(token, now);
            return self.ask_child(child, beat, AnswerError::UnknownToken);
        }
        let thread = self.holder(token).ok_or(AnswerError::UnknownToken)?;
        let thread = self.thread_mut(thread);
        let activity = thread.activity_id;
        if let Activity::Task(task) = &mut thread.activity
            && let Some(seconds) = task.heartbeat
        {
            let due = after(now, seconds);
            task.silent_at = Some(due);
            self.set_timer(due, activity, Alarm::Heartbeat);
        }
        self.settle();
        Ok(())
    }

    /// `StopExecution`. Does nothing to an execution that is over.
    pub fn stop(&mut self, error: Option<String>, cause: Option<String>, now: Millis) {
        self.catch_up(now);
        if self.status == Status::Running {
            self.error = error.map(Into::into);
            self.cause = cause.map(Into::into);
            let (error, cause) = (self.error.clone(), self.cause.clone());
            self.end(Status::Aborted, 0, || Detail::ExecutionEnded {
                how: "ExecutionAborted",
                error,
                cause,
            });
        }
    }

    /// The machine's own `TimeoutSeconds` is over now, whatever it says: for
    /// those who try what a last resort leaves behind. Does nothing to an
    /// execution that is over.
    pub fn expire(&mut self, now: Millis) {
        self.catch_up(now);
        if self.status == Status::Running {
            self.time_out();
        }
    }

    /// What `DeleteStateMachine` does to an execution of the machine: at its next
    /// transition it fails with `States.Runtime`, which nothing catches. Until
    /// then it waits for what it waits for.
    pub fn orphan(&mut self) {
        self.orphaned = true;
        self.orphan_children();
    }

    // ---- threads

    fn thread(&self, at: usize) -> &Thread {
        self.threads[at].as_ref().expect("a live thread's index")
    }

    fn thread_mut(&mut self, at: usize) -> &mut Thread {
        self.threads[at].as_mut().expect("a live thread's index")
    }

    fn spawn(&mut self, thread: Thread) -> usize {
        let at = match self.free.pop() {
            Some(at) => {
                self.threads[at] = Some(thread);
                at
            }
            None => {
                self.threads.push(Some(thread));
                self.threads.len() - 1
            }
        };
        self.ready.push_back(at);
        at
    }

    /// Gives the thread a new activity, which voids the alarms of the old one.
    fn begin(&mut self, thread: usize, activity: Activity) -> u64 {
        self.sequence += 1;
        let id = self.sequence;
        let thread = self.thread_mut(thread);
        thread.activity = activity;
        thread.activity_id = id;
        id
    }

    /// The thread whose current activity is `activity`.
    fn find(&self, activity: u64) -> Option<usize> {
        self.threads.iter().position(|t| {
            t.as_ref()
                .is_some_and(|t| t.activity_id == activity && t.activity.is_pending())
        })
    }

    fn answer_token(
        &mut self,
        token: &str,
        result: Result<Value, TaskError>,
        now: Millis,
    ) -> Result<(), AnswerError> {
        self.catch_up(now);
        if let Some(child) = self.child_with(token) {
            let answer = |run: &mut Self| run.answer_token(token, result, now);
            return self.ask_child(child, answer, AnswerError::UnknownToken);
        }
        let thread = self.holder(token).ok_or(AnswerError::UnknownToken)?;
        self.answer(thread, result, true);
        self.settle();
        Ok(())
    }

    /// Runs every thread until it blocks.
    fn run(&mut self) {
        while self.status == Status::Running {
            let Some(thread) = self.ready.pop_front() else {
                break;
            };
            self.step(thread);
        }
        if self.status != Status::Running {
            self.ready.clear();
        }
    }

    /// Ends every call from outside: runs what can run, says when to come back.
    fn settle(&mut self) {
        self.run();
        self.announce();
    }

    // ---- ways

    /// Keeps, if ways are kept, that one of `state` was taken.
    fn take(&mut self, state: &State, way: Way, to: Option<StateId>) {
        if let Some(taken) = &mut self.taken {
            taken.push(Taken {
                state: state.name.clone(),
                way,
                to: to.map(|id| self.machine.state(id).name.clone()),
            });
        }
    }

    // ---- events

    /// Records an event on the thread's chain.
    fn record(&mut self, thread: usize, detail: impl FnOnce() -> Detail) -> u64 {
        let previous = self.thread(thread).last_event;
        let id = self.add_event(previous, detail);
        let thread = self.thread_mut(thread);
        thread.last_event = id;
        thread.tail_event = id;
        id
    }

    /// Records an event that follows the chain without moving it on.
    fn record_aside(&mut self, thread: usize, detail: impl FnOnce() -> Detail) {
        let previous = self.thread(thread).last_event;
        let id = self.add_event(previous, detail);
        self.thread_mut(thread).tail_event = id;
    }

    fn add_event(&mut self, previous: u64, detail: impl FnOnce() -> Detail) -> u64 {
        if self.status != Status::Running {
            return previous;
        }
        // The last place is kept for the event that ends the execution.
        if self.machine.kind == MachineType::Standard && self.history.count >= MAX_EVENTS - 1 {
            let cause = format!(
                "The execution reached the maximum number of history events ({MAX_EVENTS})."
            );
            self.fail_execution(previous, &Failure::reported(RUNTIME, Some(cause)));
            return previous;
        }
        self.history.add(previous, self.now, detail)
    }

    // ---- the end

    fn fail_execution(&mut self, previous: u64, failure: &Failure) {
        let (error, cause): (Arc<str>, _) = ((&*failure.error).into(), failure.cause.clone());
        self.error = Some(error.clone());
        self.cause = cause.clone();
        self.end(Status::Failed, previous, || Detail::ExecutionEnded {
            how: "ExecutionFailed",
            error: Some(error),
            cause,
        });
    }

    fn time_out(&mut self) {
        // AWS gives a timed out execution neither error nor cause; only the event has one.
        self.end(Status::TimedOut, 0, || Detail::ExecutionEnded {
            how: "ExecutionTimedOut",
            error: Some(TIMEOUT.into()),
            cause: None,
        });
    }

    fn end(&mut self, status: Status, previous: u64, detail: impl FnOnce() -> Detail) {
        if self.status != Status::Running {
            return;
        }
        self.history.add(previous, self.now, detail);
        self.status = status;
        self.ended = Some(self.now);
        for at in 0..self.threads.len() {
            self.halt(at);
        }
        self.abort_all();
        self.ready.clear();
        self.timers.clear();
        self.announced = None;
        self.effects.push(Effect::Ended(status));
    }
}
