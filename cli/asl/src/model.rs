//! A definition, read once: what the interpreter walks.
//!
//! All states of all nesting levels lie in one list, so that a state is a
//! number and entering one copies nothing. Made by `parse`; read by `exec`.

use crate::Data;
use crate::choice::Condition;
use crate::jsonata::Expr;
use crate::path::{Path, Step};
use crate::template::Template;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which rules an execution follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MachineType {
    /// Up to a year, history, redrive, task tokens.
    #[default]
    Standard,
    /// Up to five minutes; request-response tasks only; no redrive.
    Express,
}

impl std::str::FromStr for MachineType {
    type Err = String;

    /// Reads `standard` or `express`, in any case.
    fn from_str(s: &str) -> Result<Self, String> {
        match s.to_ascii_lowercase().as_str() {
            "standard" => Ok(Self::Standard),
            "express" => Ok(Self::Express),
            _ => Err(format!(
                "'{s}' is not a state machine type: use standard or express"
            )),
        }
    }
}

/// The language of a state's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Language {
    #[default]
    JsonPath,
    Jsonata,
}

/// The largest number of seconds AWS takes for a wait, a timeout or a heartbeat.
pub(crate) const MAX_SECONDS: u64 = 99_999_999;

/// A state's place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateId(pub(crate) u32);

/// A compiled definition, shared by all its executions.
#[derive(Debug)]
pub struct StateMachine {
    /// Shared with the machines that child executions run: those of distributed Maps.
    pub(crate) states: Arc<[State]>,
    pub(crate) start: StateId,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) kind: MachineType,
    pub(crate) comment: Option<String>,
}

impl StateMachine {
    /// The rules its executions follow.
    #[must_use]
    pub fn machine_type(&self) -> MachineType {
        self.kind
    }

    /// The definition's top-level `Comment`.
    #[must_use]
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// The top-level `TimeoutSeconds`.
    #[must_use]
    pub fn timeout_seconds(&self) -> Option<u64> {
        self.timeout_seconds
    }

    /// The names of all states, nested ones too, in the order they are written.
    pub fn state_names(&self) -> impl Iterator<Item = &str> {
        self.states.iter().map(|s| &*s.name)
    }

    /// Each Task state's name and `Resource`.
    pub fn tasks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.states.iter().filter_map(|s| match &s.kind {
            Kind::Task(t) => Some((&*s.name, &*t.resource.arn)),
            _ => None,
        })
    }

    /// The text at `path` in the arguments of the state called `state`, where it
    /// is written in the definition and not worked out when the state runs.
    #[must_use]
    pub fn literal(&self, state: &str, path: &[&str]) -> Option<&str> {
        let state = self.states.iter().find(|known| &*known.name == state)?;
        state.io.arguments.as_ref()?.literal(path)
    }

    /// Each error name in a `Retry` or `Catch`, with the state it stands in.
    pub fn error_names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.states.iter().flat_map(|s| {
            let retries = s.recovery.retry.iter().flat_map(|r| &r.errors);
            let catches = s.recovery.catch.iter().flat_map(|c| &c.errors);
            retries.chain(catches).map(|e| (&*s.name, &**e))
        })
    }

    pub(crate) fn state(&self, id: StateId) -> &State {
        &self.states[id.0 as usize]
    }
}

/// One state.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) name: Arc<str>,
    /// Where it is written, as AWS writes it: `/States/Ship`.
    pub(crate) place: Box<str>,
    pub(crate) language: Language,
    pub(crate) kind: Kind,
    /// Where to go next; `None` ends the flow.
    pub(crate) next: Option<StateId>,
    pub(crate) io: Io,
    pub(crate) assign: Option<Assign>,
    pub(crate) recovery: Recovery,
}

/// What a state does.
#[derive(Debug)]
pub(crate) enum Kind {
    Pass {
        result: Option<Data>,
    },
    Task(Box<Task>),
    Choice(Box<Choice>),
    Wait(Box<Wait>),
    Succeed,
    Fail {
        error: Option<Template>,
        cause: Option<Template>,
    },
    Parallel {
        branches: Vec<StateId>,
    },
    Map(Box<MapState>),
}

impl Kind {
    /// The type's name as it stands in the definition and in event types.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::Pass { .. } => "Pass",
            Kind::Task(_) => "Task",
            Kind::Choice(_) => "Choice",
            Kind::Wait(_) => "Wait",
            Kind::Succeed => "Succeed",
            Kind::Fail { .. } => "Fail",
            Kind::Parallel { .. } => "Parallel",
            Kind::Map(_) => "Map",
        }
    }
}

/// Input and output processing. Absent fields mean "as it is".
#[derive(Debug, Default)]
pub(crate) struct Io {
    pub(crate) input_path: Option<Selected>,
    /// `Parameters`, or `Arguments` in JSONata.
    pub(crate) arguments: Option<Template>,
    pub(crate) result_selector: Option<Template>,
    pub(crate) result_path: ResultPath,
    pub(crate) output_path: Option<Selected>,
    /// `Output`, in JSONata.
    pub(crate) output: Option<Template>,
}

/// An `InputPath` or `OutputPath`.
#[derive(Debug)]
pub(crate) enum Selected {
    /// `null`: an empty object.
    Nothing,
    Path(Box<Path>),
}

/// Where a result goes.
#[derive(Debug, Default)]
pub(crate) enum ResultPath {
    /// `$`: it takes the place of the input.
    #[default]
    Replace,
    /// `null`: it is dropped.
    Discard,
    Inject(Box<str>, Vec<Step>),
}

/// Variables and the templates of their values.
pub(crate) type Assign = Vec<(Arc<str>, Template)>;

/// Retriers and catchers.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    pub(crate) retry: Vec<Retrier>,
    pub(crate) catch: Vec<Catcher>,
}

/// One `Retry` entry.
#[derive(Debug, Clone)]
pub(crate) struct Retrier {
    pub(crate) errors: Vec<Box<str>>,
    pub(crate) interval_seconds: f64,
    pub(crate) max_attempts: u32,
    pub(crate) backoff_rate: f64,
    pub(crate) max_delay_seconds: Option<f64>,
    pub(crate) full_jitter: bool,
}

/// One `Catch` entry.
#[derive(Debug)]
pub(crate) struct Catcher {
    pub(crate) errors: Vec<Box<str>>,
    pub(crate) next: StateId,
    pub(crate) result_path: ResultPath,
    pub(crate) assign: Option<Assign>,
    pub(crate) output: Option<Template>,
}

/// A Task state.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) resource: Resource,
    pub(crate) timeout: Option<Number>,
    pub(crate) heartbeat: Option<Number>,
}

/// What a task calls.
#[derive(Debug, Clone)]
pub struct Resource {
    /// The ARN as the definition has it.
    pub arn: Arc<str>,
    /// The service as the history names it: `lambda`, `sqs`, `aws-sdk:dynamodb`.
    pub service: Arc<str>,
    /// The action as the history names it, with its suffix: `sendMessage.waitForTaskToken`.
    pub action: Arc<str>,
    /// How the task ends.
    pub pattern: Pattern,
}

impl Resource {
    /// Whether the history tells its calls as `LambdaFunction…` events.
    pub(crate) fn is_function(&self) -> bool {
        self.pattern == Pattern::Function
    }

    /// Whether it is a service integration, whose calls the history tells as `Task…` events.
    pub(crate) fn is_integration(&self) -> bool {
        !matches!(self.pattern, Pattern::Function | Pattern::Activity)
    }

    /// Whether it is an activity, whose tasks the history tells as `Activity…` events.
    pub(crate) fn is_activity(&self) -> bool {
        self.pattern == Pattern::Activity
    }
}

/// How a task ends, and how the history tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// A plain Lambda function ARN.
    Function,
    /// A service integration that answers at once.
    RequestResponse,
    /// `.sync`: the integration waits for the job it started.
    Sync,
    /// `.waitForTaskToken`: someone answers with the token.
    TaskToken,
    /// An activity: a worker takes the task, and answers with the token it got.
    Activity,
}

/// A number written down, pointed at, or computed.
#[derive(Debug)]
pub(crate) enum Number {
    Const(u64),
    Path(Box<Path>),
    Jsonata(Box<Expr>),
}

/// A Wait state.
#[derive(Debug)]
pub(crate) enum Wait {
    Seconds(Number),
    Timestamp(Template),
}

/// A Choice state.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) rules: Vec<Rule>,
    pub(crate) default: Option<StateId>,
}

/// One rule of a Choice state.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) condition: Condition,
    pub(crate) next: StateId,
    pub(crate) assign: Option<Assign>,
    pub(crate) output: Option<Template>,
}

/// A Map state.
#[derive(Debug)]
pub(crate) struct MapState {
    pub(crate) items: Items,
    /// `ItemSelector`, or the legacy `Parameters`.
    pub(crate) selector: Option<Template>,
    pub(crate) max_concurrency: Option<Number>,
    pub(crate) start: StateId,
    /// What a distributed Map has besides; `None` for an inline one.
    pub(crate) distributed: Option<Box<Distributed>>,
}

impl MapState {
    /// Whether its results are written to objects.
    pub(crate) fn exports(&self) -> bool {
        let writer = self.distributed.as_ref().and_then(|it| it.writer.as_ref());
        writer.is_some_and(|it| it.target.is_some())
    }
}

/// What only a distributed Map has.
#[derive(Debug)]
pub(crate) struct Distributed {
    /// The rules that its child executions follow.
    pub(crate) kind: MachineType,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) reader: Option<Reader>,
    pub(crate) batcher: Option<Batcher>,
    pub(crate) tolerated_count: Option<Number>,
    pub(crate) tolerated_percentage: Option<Percentage>,
    pub(crate) writer: Option<Writer>,
}

/// A share written down, or a number of percent pointed at or computed.
#[derive(Debug)]
pub(crate) enum Percentage {
    Const(f64),
    Number(Number),
}

/// An `ItemReader`.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) source: Source,
    /// Of what is read: for an object `None` is the manifest of an S3 inventory,
    /// for a list the objects' metadata.
    pub(crate) format: Option<Format>,
    /// `Bucket`, and `Key` or `Prefix`.
    pub(crate) arguments: Option<Template>,
    pub(crate) max_items: Option<Number>,
}

/// Where an `ItemReader` reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// One object.
    Object,
    /// The objects whose keys begin with a prefix.
    List,
}

/// What an object holds.
#[derive(Debug)]
pub(crate) enum Format {
    Csv { delimiter: char, headers: Headers },
    Json { pointer: Option<String> },
    JsonLines,
}

/// The names of columns.
#[derive(Debug)]
pub(crate) enum Headers {
    FirstRow,
    Given(Vec<String>),
}

/// An `ItemBatcher`.
#[derive(Debug)]
pub(crate) struct Batcher {
    pub(crate) max_items: Option<Number>,
    pub(crate) max_bytes: Option<Number>,
    pub(crate) input: Option<Template>,
}

/// A `ResultWriter`.
#[derive(Debug)]
pub(crate) struct Writer {
    /// `Bucket` and `Prefix`; `None` leaves the results in the state's output.
    pub(crate) target: Option<Template>,
    pub(crate) transformation: Transformation,
    /// JSON Lines in place of a JSON array.
    pub(crate) lines: bool,
}

/// What becomes of the results of child executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transformation {
    /// Output and metadata.
    None,
    /// The outputs.
    Compact,
    /// The outputs, and of those that are arrays the items.
    Flatten,
}

/// What a Map runs over.
#[derive(Debug)]
pub(crate) enum Items {
    /// The effective input itself.
    Input,
    Path(Box<Path>),
    Template(Template),
}
