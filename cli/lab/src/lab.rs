//! The world: one agenda, one clock, everything that is deployed.
//!
//! Owns the order in which things happen. What happens is the business of the
//! modules beside it: [`lambda`](crate::lambda), [`sqs`](crate::sqs),
//! [`bus`](crate::bus), [`workflow`](crate::workflow).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Range;
use std::sync::Arc;

use duet_asl::{Execution, Millis, TaskError, TaskId};
use duet_core::Timestamp;
use duet_pattern::Matcher;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value;

use crate::bus::{Archived, Delivery};
use crate::definitions::{Definitions, Listener};
use crate::fault::{Blow, Fault, FaultRule, Faults, Strike};
use crate::host::{Host, Wait, timestamp};
use crate::lambda::{Instances, Invocation};
use crate::meter::Used;
use crate::plant::Plant;
use crate::ports::Table;
use crate::probe::Stamp;
use crate::profile::{Hop, Profile};
use crate::random::{digest, mix};
use crate::scheduler::Name;
use crate::services::{self, Handler};
use crate::sqs::{Message, QueueState};
use crate::template::DefinitionError;
use crate::update::{Rollout, Updates};
use crate::workflow::Run;

/// How a world is to be.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// When it begins; 2026-01-01T00:00:00Z if 0.
    pub start: Millis,
    /// What goes wrong.
    pub faults: Vec<FaultRule>,
    /// Of all that would go wrong, only this does; for making a schedule smaller.
    pub only: Option<FxHashSet<Strike>>,
    /// Whether what happens is written down, for [`Lab::timeline`].
    pub timeline: bool,
    /// Whether the functions' log lines are kept, for [`Lab::lines`].
    pub logs: bool,
    /// A mistake in the definitions' files is not planted here but in what
    /// [`Definitions::read`] is given.
    pub plant: Option<Plant>,
    /// The most things that may happen; no limit if 0. A world that reaches it
    /// does not come to rest.
    pub limit: u64,
    /// Whether succeeded executions keep their history. Counted in any case.
    pub keep_succeeded: bool,
    /// Whether what travels on the buses is kept, for [`Lab::heard`].
    pub events: bool,
    /// How [`Lab::update`] goes about it.
    pub rollout: Rollout,
    /// How long things take; the profile for tests if `None`.
    pub profile: Option<Arc<Profile>>,
    /// Decides where the profile's assumptions lie between their ends.
    pub assumptions: u64,
    /// Whether what orders wait for is kept, for [`Lab::waited`].
    pub waits: bool,
    /// Whether it is kept when functions ran, for [`Lab::stamps`].
    pub stamps: bool,
}

/// What happens next, to whom.
#[derive(Debug)]
pub(crate) enum Action {
    /// An invocation begins.
    Begin(u64),
    /// A part of an invocation goes on.
    Resume(u64, usize),
    /// An invocation has used up its time.
    Kill(u64),
    /// A call of a workflow failed before it reached its function.
    FailTask(usize, TaskId, Box<TaskError>),
    /// An execution is due.
    Wake(usize, Millis),
    /// An execution is stopped from outside, or its time is over.
    CutShort(usize, Fault),
    /// The end of an execution is told.
    TellEnd(usize, Box<Value>),
    /// A poller looks at a queue.
    Poll(usize),
    /// A hidden message may be seen again.
    Show(usize, u64, u32),
    /// A message reaches its queue.
    Enqueue(usize, Box<Message>),
    /// A rule tries to deliver.
    Deliver(Box<Delivery>),
    /// A schedule is due, or done with.
    Invoke(Box<Name>),
    /// Steps of an update are taken.
    Switch(usize, Range<usize>),
}

#[derive(Debug)]
struct Due {
    at: Millis,
    /// Decides between things due at one moment: drawn, then counted.
    tie: u64,
    action: Action,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.tie) == (other.at, other.tie)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.tie).cmp(&(other.at, other.tie))
    }
}

/// What is within this many milliseconds is soon.
const SOON: Millis = 5_000;

/// What is due, by time. Most of what is far off is the end of a visibility
/// timeout that will mean nothing when it comes: kept apart, it does not make
/// what is soon slower to find.
#[derive(Debug, Default)]
struct Agenda {
    soon: BinaryHeap<Reverse<Due>>,
    far: BinaryHeap<Reverse<Due>>,
}

impl Agenda {
    fn push(&mut self, now: Millis, due: Due) {
        let heap = match due.at - now <= SOON {
            true => &mut self.soon,
            false => &mut self.far,
        };
        heap.push(Reverse(due));
    }

    /// The heap on top of which the next thing lies. (They hold reversed
    /// things: what is greater comes first, and nothing is least of all.)
    fn nearest(&mut self) -> &mut BinaryHeap<Reverse<Due>> {
        match self.soon.peek() >= self.far.peek() {
            true => &mut self.soon,
            false => &mut self.far,
        }
    }

    /// When the next thing is due.
    fn next(&mut self) -> Option<Millis> {
        self.nearest().peek().map(|Reverse(due)| due.at)
    }

    fn pop(&mut self) -> Option<Due> {
        self.nearest().pop().map(|Reverse(due)| due)
    }

    fn is_empty(&self) -> bool {
        self.soon.is_empty() && self.far.is_empty()
    }
}

/// Something that happened, for people to read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// About which order or customer.
    pub subject: String,
    /// What.
    pub what: String,
}

/// An event that travelled on a bus.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// When the bus took it.
    pub at: Timestamp,
    /// The bus's name.
    pub bus: String,
    /// The event, as targets get it.
    pub event: serde_json::Value,
}

/// Messages that are no more, though nobody handled them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Lost {
    /// Where.
    pub place: String,
    /// About which order or customer.
    pub subject: String,
    /// Why.
    pub why: String,
}

/// The system in one process.
pub struct Lab {
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) config: Config,
    pub(crate) host: Host,
    pub(crate) handlers: Vec<Arc<dyn Handler>>,
    pub(crate) services: Vec<Arc<str>>,
    pub(crate) arns: FxHashMap<String, usize>,
    pub(crate) tables: BTreeMap<String, Table>,
    pub(crate) matchers: Vec<Matcher<Listener>>,
    pub(crate) steps: Vec<Arc<str>>,
    pub(crate) queues: Vec<QueueState>,
    pub(crate) feeds: Vec<Option<usize>>,
    pub(crate) pollers: Vec<Poller>,
    pub(crate) instances: Vec<Instances>,
    pub(crate) invocations: FxHashMap<u64, Invocation>,
    pub(crate) answers: FxHashMap<u64, Result<serde_json::Value, duet_edge::task::TaskError>>,
    pub(crate) runs: Vec<Run>,
    pub(crate) names: FxHashMap<(usize, Arc<str>), usize>,
    pub(crate) tokens: FxHashMap<Arc<str>, usize>,
    pub(crate) archives: Vec<Vec<Archived>>,
    pub(crate) outages: Vec<(Arc<str>, Millis, Millis)>,
    pub(crate) down: FxHashSet<String>,
    pub(crate) lost: Vec<Lost>,
    pub(crate) updates: Updates,
    agenda: Agenda,
    timeline: Vec<Moment>,
    pub(crate) heard: Vec<Heard>,
    pub(crate) stamps: Vec<Stamp>,
    /// When the world began.
    pub(crate) began: Millis,
    pub(crate) now: Millis,
    sequence: u64,
    trace: u64,
    happened: u64,
}

/// The pollers of an event source mapping.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Poller {
    pub(crate) running: usize,
    pub(crate) scheduled: bool,
}

impl std::fmt::Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab")
            .field("now", &self.now)
            .field("happened", &self.happened)
            .finish_non_exhaustive()
    }
}

impl Lab {
    /// A world in which `definitions` are deployed and nothing has happened yet.
    ///
    /// # Errors
    /// [`DefinitionError`] when a function's environment does not fit its code.
    pub fn new(definitions: Arc<Definitions>, config: Config) -> Result<Self, DefinitionError> {
        let definitions = match config.plant {
            None => definitions,
            Some(plant) => {
                let mut planted = Definitions::clone(&definitions);
                plant.plant_in_definitions(&mut planted);
                Arc::new(planted)
            }
        };
        let faults = Faults::new(config.seed, &config.faults, config.only.clone());
        let lags = faults.any(Fault::StaleRead);
        let tables: BTreeMap<String, Table> = definitions
            .tables
            .iter()
            .map(|name| (name.clone(), Table::new(lags, definitions.indexes_of(name))))
            .collect();
        let host = Host::default();
        let now = if config.start == 0 {
            duet_asl::DEFAULT_START
        } else {
            config.start
        };
        {
            let mut inner = host.lock();
            inner.now = now;
            inner.faults = faults;
            inner.faults.now = now;
            inner.plant = config.plant;
            for group in &definitions.schedule_groups {
                inner.schedules.make_group(group);
            }
            inner.lines = config.logs.then(Vec::new);
            inner.waits = config.waits.then(Vec::new);
            if let Some(profile) = &config.profile {
                inner.pace = profile.pace(config.assumptions);
            }
        }
        let started = definitions
            .functions
            .iter()
            .map(|function| services::start(function, &host, &tables));
        let handlers = started.collect::<Result<_, _>>()?;
        let mut feeds = vec![None; definitions.queues.len()];
        for (at, mapping) in definitions.mappings.iter().enumerate() {
            feeds[mapping.queue] = Some(at);
        }
        let names = definitions.functions.iter().enumerate();
        let arns = names
            .flat_map(|(at, f)| [(f.arn.clone(), at), (f.name.clone(), at)])
            .collect();
        let mut lab = Self {
            matchers: definitions.matchers(),
            steps: definitions
                .rules
                .iter()
                .map(|rule| rule.name.as_str().into())
                .collect(),
            services: definitions
                .functions
                .iter()
                .map(|f| f.service.as_str().into())
                .collect(),
            queues: definitions
                .queues
                .iter()
                .map(|_| QueueState::default())
                .collect(),
            pollers: vec![Poller::default(); definitions.mappings.len()],
            instances: vec![Instances::default(); definitions.functions.len()],
            archives: definitions.archives.iter().map(|_| Vec::new()).collect(),
            definitions,
            config,
            host,
            handlers,
            arns,
            tables,
            feeds,
            invocations: FxHashMap::default(),
            answers: FxHashMap::default(),
            runs: Vec::new(),
            names: FxHashMap::default(),
            tokens: FxHashMap::default(),
            outages: Vec::new(),
            down: FxHashSet::default(),
            lost: Vec::new(),
            updates: Updates::default(),
            agenda: Agenda::default(),
            timeline: Vec::new(),
            heard: Vec::new(),
            stamps: Vec::new(),
            began: now,
            now,
            sequence: 0,
            trace: 0,
            happened: 0,
        };
        lab.plan_outages();
        Ok(lab)
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        timestamp(self.now)
    }

    /// What is deployed, as far as updates have come.
    #[must_use]
    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// The table with this name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// Lets everything happen that is due until `to`.
    pub fn advance(&mut self, to: Timestamp) {
        let to = to.as_millisecond();
        let goal = Some(to);
        while self.next(goal).is_some_and(|at| at <= to) && self.step_towards(goal) {}
        self.set_now(to.max(self.now));
    }

    /// Lets things happen until nothing is due within `horizon` milliseconds
    /// from now. Gives whether it came to rest.
    pub fn settle(&mut self, horizon: Millis) -> bool {
        let until = self.now.saturating_add(horizon);
        while self.next(None).is_some_and(|at| at <= until) && self.step() {}
        self.is_at_rest()
    }

    /// When the next thing happens, on the way to `goal` if there is one.
    fn next(&mut self, goal: Option<Millis>) -> Option<Millis> {
        let due = self.agenda.next();
        let runs = self.next_run(due.or(goal)).map(|(at, _)| at);
        runs.or(due)
    }

    /// Lets the next thing happen. `false` when nothing is due any more, or
    /// more happened than [`Config::limit`] allows.
    pub fn step(&mut self) -> bool {
        self.step_towards(None)
    }

    /// The same, on the way to `goal` if there is one.
    fn step_towards(&mut self, goal: Option<Millis>) -> bool {
        if self.config.limit > 0 && self.happened >= self.config.limit {
            return false;
        }
        let due = self.agenda.next();
        if let Some((at, schedule)) = self.next_run(due.or(goal)) {
            self.set_now(at);
            self.trace = mix(mix(self.trace, at as u64), mix(11, schedule as u64));
            self.happened += 1;
            self.run_schedule(schedule);
            return true;
        }
        let Some(Due { at, tie, action }) = self.agenda.pop() else {
            return false;
        };
        self.set_now(at.max(self.now));
        self.trace = mix(mix(self.trace, at as u64), tie ^ action.print());
        self.happened += 1;
        match action {
            Action::Begin(invocation) => self.begin(invocation),
            Action::Resume(invocation, part) => self.resume(invocation, part),
            Action::Kill(invocation) => self.time_out(invocation),
            Action::FailTask(run, task, error) => self.answer_task(run, task, Err(*error)),
            Action::Wake(run, at) => self.wake(run, at),
            Action::CutShort(run, kind) => self.cut_short(run, kind),
            Action::TellEnd(run, detail) => self.tell_end(run, *detail),
            Action::Poll(mapping) => self.poll(mapping),
            Action::Show(queue, message, stamp) => self.show(queue, message, stamp),
            Action::Enqueue(queue, message) => self.enqueue(queue, *message),
            Action::Deliver(delivery) => self.deliver(*delivery),
            Action::Invoke(schedule) => self.invoke_schedule(*schedule),
            Action::Switch(update, steps) => self.switch(update, steps),
        }
        true
    }

    fn set_now(&mut self, now: Millis) {
        self.now = now;
        let mut inner = self.host.lock();
        inner.now = now;
        inner.faults.now = now;
    }

    pub(crate) fn after(&mut self, millis: Millis, action: Action) {
        self.at(self.now.saturating_add(millis), action);
    }

    pub(crate) fn at(&mut self, at: Millis, action: Action) {
        self.sequence += 1;
        // The upper half is drawn: what is due at one moment comes in any order.
        let tie =
            mix(self.config.seed, self.sequence) & !0xffff_ffff | (self.sequence & 0xffff_ffff);
        self.agenda.push(self.now, Due { at, tie, action });
    }

    /// A number nothing else in this world has.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// A number from `span` for what `ident` names.
    pub(crate) fn draw(&self, span: crate::latency::Span, ident: u64) -> Millis {
        crate::host::within(span, mix(self.config.seed, ident))
    }

    /// How long `hop` of `size` takes for what `ident` names.
    pub(crate) fn time(&self, hop: Hop, size: u64, ident: u64) -> Millis {
        let drawn = mix(self.config.seed, ident);
        self.host.lock().pace.time(hop, size, drawn)
    }

    /// Writes down what happens, if somebody wants to read it.
    pub(crate) fn note(
        &mut self,
        subject: impl FnOnce(&Self) -> String,
        what: impl FnOnce() -> String,
    ) {
        if self.config.timeline {
            let moment = Moment {
                at: self.now(),
                subject: subject(self),
                what: what(),
            };
            self.timeline.push(moment);
        }
    }

    /// What happened, in order; empty unless [`Config::timeline`] asked for it.
    #[must_use]
    pub fn timeline(&self) -> &[Moment] {
        &self.timeline
    }

    /// The functions' log lines, each a JSON document, in the order they were
    /// written; `None` unless [`Config::logs`] asked for them.
    #[must_use]
    pub fn lines(&self) -> Option<Vec<String>> {
        self.host.lock().lines.clone()
    }

    /// What travelled on the buses, in order; empty unless [`Config::events`]
    /// asked for it.
    #[must_use]
    pub fn heard(&self) -> &[Heard] {
        &self.heard
    }

    /// A number that two worlds share exactly when the same things happened at
    /// the same times in both.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.trace
    }

    /// How many things happened.
    #[must_use]
    pub fn happened(&self) -> u64 {
        self.happened
    }

    /// Whether anything is still to happen.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.agenda.is_empty() && self.next_run(None).is_none()
    }

    /// The faults that struck, in order.
    #[must_use]
    pub fn struck(&self) -> Vec<Strike> {
        self.host.lock().faults.struck().to_vec()
    }

    /// How often each kind of fault could have struck.
    #[must_use]
    pub fn chances(&self) -> BTreeMap<Fault, u64> {
        self.host.lock().faults.chances().clone()
    }

    /// How many things each kind of fault touched.
    #[must_use]
    pub fn touched(&self) -> BTreeMap<Fault, u64> {
        self.host.lock().faults.touched().clone()
    }

    /// From here on faults strike by these rules and by no others; kinds that
    /// cannot begin later ([`Fault::can_begin_later`]) do not.
    pub fn set_faults(&mut self, rules: &[FaultRule]) {
        let rules: Vec<FaultRule> = rules
            .iter()
            .filter(|rule| rule.kind.can_begin_later())
            .cloned()
            .collect();
        self.host.lock().faults.replace(&rules);
    }

    /// The services that were taken out of order by hand.
    #[must_use]
    pub fn down(&self) -> Vec<String> {
        let mut down: Vec<String> = self.down.iter().cloned().collect();
        down.sort();
        down
    }

    /// From here on nothing goes wrong any more.
    pub fn stop_faults(&mut self) {
        self.host.lock().faults.quiet = true;
        self.outages.clear();
    }

    /// Whether `kind` strikes what a driver of this world does, under a name of its own.
    pub fn strikes(&mut self, kind: Fault, name: &str) -> bool {
        let aim = crate::fault::Aim {
            service: "",
            step: "",
            ident: crate::random::digest(name),
            about: &[],
        };
        self.host.lock().faults.strikes(kind, aim)
    }

    /// What each fault did to the work for `subject`, in order of time.
    #[must_use]
    pub fn blows(&self, subject: &str) -> Vec<Blow> {
        let inner = self.host.lock();
        let Some(owner) = inner.meters.known(subject) else {
            return Vec::new();
        };
        let all = inner.faults.blows().iter();
        all.filter(|blow| blow.owners.contains(&owner))
            .cloned()
            .collect()
    }

    /// What each order and customer waited for, in the order in which it was
    /// known; empty unless [`Config::waits`] asked for it.
    #[must_use]
    pub fn waited(&self) -> BTreeMap<Arc<str>, Vec<Wait>> {
        let inner = self.host.lock();
        let mut waited: BTreeMap<Arc<str>, Vec<Wait>> = BTreeMap::new();
        for wait in inner.waits.iter().flatten() {
            let subject = inner.meters.subject(wait.owner).clone();
            waited.entry(subject).or_default().push(*wait);
        }
        waited
    }

    /// What each order and customer used.
    #[must_use]
    pub fn used(&self) -> Vec<Used> {
        let mut used = self.host.lock().meters.used().to_vec();
        for run in &self.runs {
            if let Some(used) = used.get_mut(run.owner as usize) {
                used.meter.transitions += run.transitions();
            }
        }
        used
    }

    /// When functions ran, in the order in which they ended; empty unless
    /// [`Config::stamps`] asked for it.
    #[must_use]
    pub fn stamps(&self) -> &[Stamp] {
        &self.stamps
    }

    /// How many messages wait, or are being handled, in the queue that has most.
    #[must_use]
    pub fn deepest(&self) -> usize {
        let depths = self.queues.iter().map(|queue| queue.messages.len());
        depths.max().unwrap_or(0)
    }

    /// How many notices the topic took.
    #[must_use]
    pub fn notices(&self) -> u64 {
        self.host.lock().notices
    }

    /// Messages that are no more, though nobody handled them.
    #[must_use]
    pub fn lost(&self) -> &[Lost] {
        &self.lost
    }

    /// The execution called `name` of the machine with this name or ARN.
    #[must_use]
    pub fn execution(&self, machine: &str, name: &str) -> Option<&Execution> {
        let machine = self.definitions.machine_named(machine)?;
        let run = *self.names.get(&(machine, Arc::from(name)))?;
        self.runs[run].execution.as_deref()
    }
}

impl Action {
    /// What of an action goes into the trace.
    fn print(&self) -> u64 {
        match self {
            Self::Begin(n) => mix(1, *n),
            Self::Resume(n, part) => mix(mix(2, *n), *part as u64),
            Self::Kill(n) => mix(3, *n),
            Self::FailTask(run, task, _) => mix(mix(4, *run as u64), task.0),
            Self::Wake(run, at) => mix(mix(5, *run as u64), *at as u64),
            Self::Poll(mapping) => mix(6, *mapping as u64),
            Self::Show(queue, message, _) => mix(mix(7, *queue as u64), *message),
            Self::Enqueue(queue, message) => mix(mix(8, *queue as u64), message.ident),
            Self::Deliver(delivery) => mix(mix(9, delivery.rule as u64), delivery.ident),
            Self::CutShort(run, kind) => mix(mix(10, *run as u64), *kind as u64),
            Self::TellEnd(run, _) => mix(11, *run as u64),
            Self::Switch(update, steps) => mix(mix(12, *update as u64), steps.start as u64),
            Self::Invoke(name) => mix(13, digest(&name.1)),
        }
    }
}
