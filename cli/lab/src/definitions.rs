//! What is deployed: functions, tables, queues, buses, rules, workflows.
//!
//! Everything here is read from the templates and state machines that are
//! deployed to AWS, which travel in the binary; no number is stated again in
//! code. Where a template leaves a property out, AWS's default stands in, with
//! its source beside it.

mod machines;
mod reading;
mod registry;

use std::collections::BTreeMap;
use std::sync::Arc;

use duet_asl::{Route, StateMachine};
use duet_edge::timers::Schedules;
use duet_pattern::{Matcher, Pattern, TargetInput};
use serde_json::Value;

use crate::declared::Places;
use crate::express::LogLevel;
use crate::template::Files;

pub use self::registry::Registered;

/// The name of the bus that every account has.
pub(crate) const DEFAULT_BUS: &str = "default";

/// The files that are deployed, as they were when this was built.
#[must_use]
pub fn bundled() -> Files {
    let files = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));
    files
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect()
}

/// A function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The service whose code it runs, from its `CodeUri`.
    pub service: String,
    /// Its timeout in milliseconds.
    pub timeout: i64,
    /// Its memory in MiB.
    pub memory: u64,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Whether an update has taken it away; kept for what was under way then.
    pub gone: bool,
}

impl Function {
    /// Where its schedules are kept, if it makes any.
    pub(crate) fn schedules(&self) -> Result<Option<Schedules>, String> {
        let text = self.environment.get("DUET_SCHEDULES");
        let kept = text.map(|text| serde_json::from_str(text)).transpose();
        kept.map_err(|e| format!("environment variable DUET_SCHEDULES is unusable: {e}"))
    }
}

/// A queue.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its URL.
    pub url: String,
    /// How long a received message stays hidden, in milliseconds.
    pub visibility: i64,
    /// How long a message is kept, in milliseconds.
    pub retention: i64,
    /// How long a message without a delay of its own is held back, in milliseconds.
    pub delay: i64,
    /// Where a message goes that was received too often, and after how many receives.
    pub redrive: Option<(usize, u32)>,
    /// Patterns of the ARNs that EventBridge may deliver from.
    pub sources: Vec<String>,
    /// Whether an update has taken it away; kept for what was under way then.
    pub gone: bool,
}

/// An event source mapping: a queue to a function.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Its place in the templates; it has no name.
    pub place: String,
    /// Index of the queue.
    pub queue: usize,
    /// Index of the function.
    pub function: usize,
    /// Most messages of one invocation.
    pub batch: usize,
    /// Most invocations at once.
    pub concurrency: usize,
    /// Whether the function may name the failed messages of a batch.
    pub partial: bool,
    /// Whether an update has taken it away; kept for what was under way then.
    pub gone: bool,
}

/// A bus with the rules on it.
#[derive(Debug, Clone)]
pub struct Bus {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Whether an update has taken it away; kept for what was under way then.
    pub gone: bool,
}

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Index of its bus.
    pub bus: usize,
    /// What it listens for.
    pub pattern: Pattern,
    /// The same, as the template writes it.
    pub written: Value,
    /// Where it delivers.
    pub targets: Vec<Target>,
    /// Whether an update has taken it away; kept for what was under way then.
    pub gone: bool,
}

/// A rule that runs a function by the clock.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The function's ARN.
    pub function: String,
    /// How often, in milliseconds.
    pub every: i64,
}

/// A sparse index of a table: it lists the documents that have an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The table's name.
    pub table: String,
    /// Its name.
    pub name: String,
    /// The attribute.
    pub attribute: String,
}

/// A rule's target: a queue.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its id in the rule.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Index of the queue; `None` when nothing of that ARN is deployed.
    pub queue: Option<usize>,
    /// What it receives.
    pub input: TargetInput,
    /// The paths into the event that its input is made from; none for the
    /// whole event.
    pub paths: Vec<String>,
    /// How old an event may get before it is given up, in milliseconds.
    pub max_age: i64,
    /// How often a delivery is tried again.
    pub max_attempts: u32,
    /// Index of the queue for what could not be delivered.
    pub dead_letters: Option<usize>,
}

/// A subscription of a queue to a topic.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Its place in the templates; it has no name.
    pub place: String,
    /// The end of its place: `OrderToInventory`.
    pub name: Arc<str>,
    /// The topic's ARN.
    pub topic: String,
    /// The queue's ARN.
    pub endpoint: String,
    /// Index of the queue; `None` when nothing of that ARN is deployed.
    pub queue: Option<usize>,
    /// Whether the queue gets what was published, with nothing around it.
    pub raw: bool,
    /// What it takes, by attributes; everything without one.
    pub filter: Option<Pattern>,
    /// The same, as the template writes it.
    pub written: Value,
    /// What it took before, until the filter holds.
    pub before: Option<Pattern>,
    /// From when on the filter holds, in milliseconds of the lab's clock.
    pub holds_from: i64,
    /// Index of the queue for what could not be delivered.
    pub dead_letters: Option<usize>,
    /// Whether an update has taken it away; kept for what was under way then.
    pub gone: bool,
}

/// A state machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The role it runs under.
    pub role: String,
    /// Its definition.
    pub machine: Arc<StateMachine>,
    /// The file that the definition is in.
    pub file: String,
    /// The name of the log group of its executions; empty where it logs nothing.
    pub logs: Arc<str>,
    /// What it logs of them.
    pub level: LogLevel,
    /// Whether an update has taken it away; kept for what was under way then.
    pub gone: bool,
}

/// A version or an alias that a template declares.
#[derive(Debug, Clone)]
pub enum Released {
    /// A version of the definition that is deployed.
    Version {
        /// Its place in the templates.
        place: String,
        /// Index of the machine.
        machine: usize,
    },
    /// An alias.
    Alias {
        /// Its place in the templates.
        place: String,
        /// Index of the machine.
        machine: usize,
        /// Its name.
        name: String,
        /// Where it leads.
        routes: Vec<Route>,
    },
}

/// An archive of a bus.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Its name.
    pub name: String,
    /// Index of its bus.
    pub bus: usize,
    /// What it keeps.
    pub pattern: Option<Pattern>,
    /// For how long, in milliseconds; `None` for ever.
    pub retention: Option<i64>,
    /// Whether an update has taken it away; kept for what was under way then.
    pub gone: bool,
}

/// Everything that is deployed.
#[derive(Debug, Clone)]
pub struct Definitions {
    /// The files they were read from.
    files: Arc<Files>,
    /// The stack's name.
    pub stack: String,
    /// The parameters they were read with, beside the template's defaults.
    pub parameters: BTreeMap<String, String>,
    /// Every parameter of the root template, with the value it has.
    pub values: BTreeMap<String, String>,
    /// Every resource by its place.
    pub(crate) declared: Arc<Places>,
    /// The root stack's outputs.
    pub outputs: BTreeMap<String, String>,
    /// Tables by name.
    pub tables: Vec<String>,
    /// Their indexes.
    pub indexes: Vec<Index>,
    /// Topics by ARN.
    pub topics: Vec<String>,
    /// For how long those of them that keep what is published keep it, in milliseconds.
    pub topic_archives: BTreeMap<String, i64>,
    /// Subscriptions to them.
    pub subscriptions: Vec<Subscription>,
    /// Groups of schedules by name.
    pub schedule_groups: Vec<String>,
    /// Functions.
    pub functions: Vec<Function>,
    /// Queues.
    pub queues: Vec<Queue>,
    /// Event source mappings.
    pub mappings: Vec<Mapping>,
    /// Buses; the first is the account's default bus.
    pub buses: Vec<Bus>,
    /// Rules.
    pub rules: Vec<Rule>,
    /// Rules that run functions by the clock.
    pub schedules: Vec<Schedule>,
    /// State machines.
    pub machines: Vec<Machine>,
    /// Their versions, then their aliases.
    pub released: Vec<Released>,
    /// Activities by ARN.
    pub activities: Vec<String>,
    /// Archives.
    pub archives: Vec<Archive>,
}

pub(crate) const FUNCTION: &str = "AWS::Serverless::Function";
pub(crate) const TABLE: &str = "AWS::DynamoDB::Table";
pub(crate) const TOPIC: &str = "AWS::SNS::Topic";
pub(crate) const SUBSCRIPTION: &str = "AWS::SNS::Subscription";
pub(crate) const SCHEDULE_GROUP: &str = "AWS::Scheduler::ScheduleGroup";
pub(crate) const QUEUE: &str = "AWS::SQS::Queue";
pub(crate) const QUEUE_POLICY: &str = "AWS::SQS::QueuePolicy";
pub(crate) const MAPPING: &str = "AWS::Lambda::EventSourceMapping";
pub(crate) const BUS: &str = "AWS::Events::EventBus";
pub(crate) const RULE: &str = "AWS::Events::Rule";
pub(crate) const ARCHIVE: &str = "AWS::Events::Archive";
pub(crate) const MACHINE: &str = "AWS::StepFunctions::StateMachine";
pub(crate) const VERSION: &str = "AWS::StepFunctions::StateMachineVersion";
pub(crate) const ALIAS: &str = "AWS::StepFunctions::StateMachineAlias";
pub(crate) const ACTIVITY: &str = "AWS::StepFunctions::Activity";

impl Definitions {
    /// The patterns of each bus, compiled together: of its rules, and of its
    /// archives that have one.
    pub(crate) fn matchers(&self) -> Vec<Matcher<Listener>> {
        let mut all = vec![Matcher::new(); self.buses.len()];
        for (at, rule) in self.rules.iter().enumerate().filter(|(_, it)| !it.gone) {
            all[rule.bus].add(Listener::Rule(at), &rule.pattern);
        }
        for (at, archive) in self.archives.iter().enumerate().filter(|(_, it)| !it.gone) {
            if let Some(pattern) = &archive.pattern {
                all[archive.bus].add(Listener::Archive(at), pattern);
            }
        }
        all
    }

    /// Whether a resource of this type is deployed, one that the lab does not
    /// model too.
    #[must_use]
    pub fn declares(&self, kind: &str) -> bool {
        self.declared.values().any(|declared| declared.kind == kind)
    }

    /// The function with this name or ARN.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<usize> {
        self.functions
            .iter()
            .position(|it| !it.gone && (it.arn == name || it.name == name))
    }

    /// The queue with this name, ARN or URL.
    #[must_use]
    pub fn queue_named(&self, name: &str) -> Option<usize> {
        self.queues
            .iter()
            .position(|it| !it.gone && (it.arn == name || it.url == name || it.name == name))
    }

    /// The state machine with this name or ARN.
    #[must_use]
    pub fn machine_named(&self, name: &str) -> Option<usize> {
        self.machines
            .iter()
            .position(|it| !it.gone && (it.arn == name || it.name == name))
    }

    /// The bus with this name or ARN.
    #[must_use]
    pub fn bus_named(&self, name: &str) -> Option<usize> {
        self.buses
            .iter()
            .position(|it| !it.gone && (it.arn == name || it.name == name))
    }

    /// The archive with this name.
    #[must_use]
    pub fn archive_named(&self, name: &str) -> Option<usize> {
        self.archives
            .iter()
            .position(|it| !it.gone && it.name == name)
    }

    /// The indexes of the table with this name.
    pub fn indexes_of<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Index> {
        self.indexes
            .iter()
            .filter(move |index| index.table == table)
    }

    /// The archives that keep what was said: those of buses by name, those of topics by
    /// the topic's ARN.
    pub fn archives(&self) -> impl Iterator<Item = &str> {
        let of_buses = self.archives.iter().filter(|archive| !archive.gone);
        let of_topics = self.topic_archives.keys().map(String::as_str);
        of_buses.map(|it| it.name.as_str()).chain(of_topics)
    }

    /// For how long the archive `name` keeps what it has, in milliseconds; `None` where it
    /// keeps it for ever, or where there is none.
    #[must_use]
    pub fn kept_by(&self, name: &str) -> Option<i64> {
        match self.archive_named(name) {
            Some(at) => self.archives[at].retention,
            None => self.topic_archives.get(name).copied(),
        }
    }

    /// The rules that listen.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| !rule.gone)
    }

    /// The subscriptions that take something.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.iter().filter(|it| !it.gone)
    }

    /// The queues that dead letters end in: behind another queue, a target, a
    /// subscription, or the schedules of a function.
    #[must_use]
    pub fn dead_letter_queues(&self) -> Vec<usize> {
        let behind = self
            .queues
            .iter()
            .filter(|queue| !queue.gone)
            .filter_map(|queue| queue.redrive.map(|(at, _)| at));
        let targets = self.rules().flat_map(|rule| &rule.targets);
        let functions = self.functions.iter().filter(|function| !function.gone);
        // What cannot be read was refused when the function was started.
        let schedules = functions.filter_map(|function| function.schedules().ok().flatten());
        let mut all: Vec<usize> = behind
            .chain(targets.filter_map(|target| target.dead_letters))
            .chain(self.subscriptions().filter_map(|it| it.dead_letters))
            .chain(schedules.filter_map(|kept| self.queue_named(&kept.dead_letters)))
            .filter(|at| !self.queues[*at].gone)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Who gets the events of a bus that a pattern lets through, by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    Rule(usize),
    Archive(usize),
}

/// Whether `arn` fits `pattern`, in which `*` stands for any text (IAM's `ArnLike`).
pub(crate) fn is_like(pattern: &str, arn: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = arn.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests;
