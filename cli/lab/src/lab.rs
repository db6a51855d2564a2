//! The world: one agenda, one clock, everything that is deployed.
//!
//! Owns the order in which things happen. What happens is the business of the
//! modules beside it: [`lambda`](crate::lambda), [`sqs`](crate::sqs),
//! [`bus`](crate::bus), [`workflow`](crate::workflow).

mod agenda;
mod observed;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use duet_asl::{Millis, Releases, Surroundings, TaskId};
use duet_core::{Event, Timestamp};
use duet_pattern::Matcher;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value;

use crate::bus::Archived;
use crate::definitions::{Definitions, Listener};
use crate::express::LogRecord;
use crate::fault::{Fault, FaultRule, Faults, Strike};
use crate::fifo::{Lines, TopicState};
use crate::host::{Host, timestamp};
use crate::lambda::{Instances, Invocation};
use crate::plant::Plant;
use crate::ports::Table;
use crate::probe::Stamp;
use crate::profile::{Hop, Profile};
use crate::random::mix;
use crate::services::{self, Handler};
use crate::sqs::QueueState;
use crate::template::DefinitionError;
use crate::update::{Rollout, Updates};
use crate::workflow::Run;

pub(crate) use self::agenda::Action;
use self::agenda::{Agenda, Due};

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
    /// Whether what travels on the buses and topics is kept, for [`Lab::heard`].
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
    /// What is said in place of what the services say, if anything.
    pub writer: Option<Writer>,
}

/// Services of another release, as far as those of this one can tell: facts as they
/// would write them.
#[derive(Clone)]
pub struct Writer(Arc<dyn Fn(&Event) -> Value + Send + Sync>);

impl Writer {
    /// Facts are written as `write` says: the whole event, envelope and data.
    pub fn new(write: impl Fn(&Event) -> Value + Send + Sync + 'static) -> Self {
        Self(Arc::new(write))
    }

    pub(crate) fn write(&self, event: &Event) -> Value {
        (self.0)(event)
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Writer").finish()
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

/// An event that travelled on a bus, or a message on a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// When it was taken.
    pub at: Timestamp,
    /// The bus's or topic's name.
    pub bus: String,
    /// The event or message, as targets and subscribers get it.
    pub event: Value,
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
    pub(crate) answers: FxHashMap<u64, Result<Value, duet_edge::task::TaskError>>,
    pub(crate) runs: Vec<Run>,
    pub(crate) names: FxHashMap<(usize, Arc<str>), usize>,
    pub(crate) tokens: FxHashMap<Arc<str>, usize>,
    /// How many executions of an Express machine share a name.
    pub(crate) namesakes: FxHashMap<(usize, Arc<str>), u64>,
    /// What is in the log groups of Express machines.
    pub(crate) records: Vec<LogRecord>,
    /// The versions and aliases of each machine, in the definitions' order.
    pub(crate) releases: Vec<Releases>,
    /// The activities by ARN, with the tasks that wait for a worker, oldest first.
    pub(crate) activities: BTreeMap<String, VecDeque<(usize, TaskId)>>,
    /// What executions find around them.
    pub(crate) around: Surroundings,
    pub(crate) archives: Vec<Vec<Archived>>,
    pub(crate) outages: Vec<(Arc<str>, Millis, Millis)>,
    pub(crate) down: FxHashSet<String>,
    pub(crate) lost: Vec<Lost>,
    pub(crate) updates: Updates,
    /// What FIFO topics remember, by ARN.
    pub(crate) topics: BTreeMap<String, TopicState>,
    /// What they are still to deliver.
    pub(crate) lines: Lines,
    /// By queue and group, the number of what was handled last.
    pub(crate) turns: FxHashMap<(usize, Arc<str>), u64>,
    /// What was handled out of its turn: of whom, and what.
    pub(crate) disorder: Vec<(String, String)>,
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

/// `definitions` with the mistake `plant`, if there is to be one.
fn planted(definitions: Arc<Definitions>, plant: Option<Plant>) -> Arc<Definitions> {
    let Some(plant) = plant else {
        return definitions;
    };
    let mut planted = Definitions::clone(&definitions);
    plant.plant_in_definitions(&mut planted);
    Arc::new(planted)
}

/// What the functions of a world that begins at `now` have around them.
fn host(definitions: &Definitions, config: &Config, now: Millis) -> Host {
    let host = Host::default();
    let mut inner = host.lock();
    inner.now = now;
    inner.faults = Faults::new(config.seed, &config.faults, config.only.clone());
    inner.faults.now = now;
    inner.plant = config.plant;
    for group in &definitions.schedule_groups {
        inner.schedules.make_group(group);
    }
    inner.lines = config.logs.then(Vec::new);
    inner.waits = config.waits.then(Vec::new);
    inner.writer.clone_from(&config.writer);
    if let Some(profile) = &config.profile {
        inner.pace = profile.pace(config.assumptions);
    }
    drop(inner);
    host
}

/// Names that many things will hold.
fn shared<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Arc<str>> {
    names.map(Arc::from).collect()
}

impl Lab {
    /// A world in which `definitions` are deployed and nothing has happened yet.
    ///
    /// # Errors
    /// [`DefinitionError`] when a function's environment does not fit its code.
    pub fn new(definitions: Arc<Definitions>, config: Config) -> Result<Self, DefinitionError> {
        let definitions = planted(definitions, config.plant);
        let now = match config.start {
            0 => duet_asl::DEFAULT_START,
            start => start,
        };
        let host = host(&definitions, &config, now);
        let lags = host.lock().faults.any(Fault::StaleRead);
        let tables: BTreeMap<String, Table> = definitions
            .tables
            .iter()
            .map(|name| (name.clone(), Table::new(lags, definitions.indexes_of(name))))
            .collect();
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
            steps: shared(definitions.rules.iter().map(|it| it.name.as_str())),
            services: shared(definitions.functions.iter().map(|it| it.service.as_str())),
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
            namesakes: FxHashMap::default(),
            records: Vec::new(),
            releases: Vec::new(),
            activities: BTreeMap::new(),
            around: Surroundings::default(),
            outages: Vec::new(),
            down: FxHashSet::default(),
            lost: Vec::new(),
            updates: Updates::default(),
            topics: BTreeMap::new(),
            lines: Lines::default(),
            turns: FxHashMap::default(),
            disorder: Vec::new(),
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
        lab.deploy_machines()?;
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
            Action::Ask(asked) => self.ask(*asked),
            Action::Wake(run, at) => self.wake(run, at),
            Action::CutShort(run, kind) => self.cut_short(run, kind),
            Action::TellEnd(run, status, detail) => self.tell_end(run, status, &detail),
            Action::Poll(mapping) => self.poll(mapping),
            Action::Show(queue, message, stamp) => self.show(queue, message, stamp),
            Action::Enqueue(queue, message) => self.enqueue(queue, *message),
            Action::Deliver(delivery) => self.deliver(*delivery),
            Action::Notify(notification) => self.notify(*notification),
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
        self.agenda.push(Due { at, tie, action });
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
}
