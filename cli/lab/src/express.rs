//! Express executions: what is different about them.
//!
//! One that is started asynchronously runs at least once, so perhaps twice and at the
//! same time; one whose caller waits for its end runs at most once. Both share their names
//! with others (Step Functions developer guide, "Choosing workflow type" and "Execution
//! guarantees"). Nobody can describe, list, stop or redrive
//! it, and no event tells of its end: what is known of it is in the log group, as far as
//! the machine's level goes.

use std::sync::Arc;

use duet_asl::{HistoryEvent, MachineType, Millis, Status};
use duet_core::Timestamp;
use serde_json::Value;

use crate::fault::{Aim, Fault};
use crate::host::timestamp;
use crate::lab::Lab;
use crate::meter::Owner;
use crate::random::{digest, mix};
use crate::workflow::{Start, WorkflowError};

/// What a machine logs of its executions (API_LoggingConfiguration). No variant has
/// `FATAL`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Nothing.
    #[default]
    Off,
    /// What failed.
    Error,
    /// Every event.
    All,
}

impl LogLevel {
    pub(crate) fn of(word: &str) -> Option<Self> {
        match word {
            "" | "OFF" => Some(Self::Off),
            "ERROR" => Some(Self::Error),
            "ALL" => Some(Self::All),
            _ => None,
        }
    }

    /// Whether an event of this type is logged (Step Functions developer guide, "Log
    /// levels for Step Functions execution events").
    fn takes(self, kind: &str) -> bool {
        let is_error = ["Failed", "TimedOut", "Aborted"];
        match self {
            Self::Off => false,
            Self::Error => {
                kind == "FailStateEntered" || is_error.iter().any(|end| kind.ends_with(end))
            }
            Self::All => true,
        }
    }
}

/// A record of a machine's log group: an event of an execution, without its data
/// (`IncludeExecutionData` is false everywhere).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// The log group's name.
    pub group: Arc<str>,
    /// The execution's ARN, `arn:..:express:MACHINE:NAME:UUID`; it runs twice under the
    /// same one.
    pub arn: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// The event's number in its execution, and that of the one that it follows.
    pub id: u64,
    /// See [`Self::id`].
    pub previous: u64,
    /// Its type, such as `ExecutionFailed`.
    pub kind: String,
    /// The state that it names.
    pub state: Option<String>,
    /// What sort of resource it is about, such as `lambda`.
    pub resource: Option<String>,
    /// The name of the error that it tells of.
    pub error: Option<String>,
}

impl LogRecord {
    /// The part of the ARN at `at`, from its end.
    fn part(&self, at: usize) -> &str {
        self.arn.rsplit(':').nth(at).unwrap_or_default()
    }

    /// The execution's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.part(1)
    }

    /// The machine's name.
    #[must_use]
    pub fn machine(&self) -> &str {
        self.part(2)
    }
}

/// Somebody who waits for an execution's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting(usize);

/// What StartSyncExecution answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// How it ended: `Succeeded`, `Failed` or `TimedOut`.
    pub status: Status,
    /// Its output, if it succeeded.
    pub output: Option<Value>,
    /// The name of the error it failed with.
    pub error: Option<String>,
}

/// What a record takes beside its words: the names of its members, the ARN, two numbers
/// and the time, as AWS writes them. An assumption of the lab, for what logs cost.
const RECORD_BYTES: u64 = 210;

/// What AWS rounds the duration of an Express execution up to (Step Functions pricing).
const BILLED_MS: Millis = 100;

impl Lab {
    /// Whether executions of this machine are Express.
    pub(crate) fn is_express(&self, machine: usize) -> bool {
        let machine = &self.definitions.machines[machine].machine;
        machine.machine_type() == MachineType::Express
    }

    /// StartSyncExecution: each is an execution of its own, whatever it is called, and it
    /// is run once. `machine` and `name` as in [`Self::start_execution`].
    ///
    /// # Errors
    /// [`WorkflowError::NoMachine`], [`WorkflowError::Standard`]
    pub fn start_sync_execution(
        &mut self,
        machine: &str,
        name: &str,
        input: &Value,
    ) -> Result<Waiting, WorkflowError> {
        if let Some((at, _)) = self.machine_by(machine)
            && !self.is_express(at)
        {
            return Err(WorkflowError::Standard(machine.to_owned()));
        }
        let begun = self.begin_execution(machine, name, input, Start::Sync)?;
        Ok(Waiting(begun.0))
    }

    /// What `waiting` is told; `None` while the execution runs, and in a lab that does not
    /// keep what succeeded.
    #[must_use]
    pub fn answer(&self, waiting: Waiting) -> Option<Answer> {
        let execution = self.runs.get(waiting.0)?.execution.as_ref()?;
        execution.ended()?;
        Some(Answer {
            status: execution.status(),
            output: execution.output().map(|it| Value::clone(it)),
            error: execution.error().map(str::to_owned),
        })
    }

    /// StartExecution of an Express machine, called by a workflow or a function: what a
    /// half of an order is started by. `false` where it is answered and nothing runs
    /// ([`Fault::HalfNotStarted`]).
    pub(crate) fn is_taken(&mut self, machine: &str, name: &str, owner: Owner) -> bool {
        let Some((at, _)) = self
            .machine_by(machine)
            .filter(|(at, _)| self.is_express(*at))
        else {
            return true;
        };
        let ident = mix(self.nth(at, name), digest(name));
        let step = self.definitions.machines[at].name.clone();
        let aim = Aim {
            service: "",
            step: &step,
            ident,
            about: &[owner],
        };
        let lost = self.host.lock().faults.strikes(Fault::HalfNotStarted, aim);
        if lost {
            // The next one is another.
            *self.namesakes.entry((at, name.into())).or_default() += 1;
        }
        !lost
    }

    /// How many executions of this machine were started by the name of `name`.
    pub(crate) fn nth(&self, machine: usize, name: &str) -> u64 {
        let key = (machine, Arc::from(name));
        self.namesakes.get(&key).copied().unwrap_or_default()
    }

    /// Whether an execution is run a second time, at the same time.
    pub(crate) fn runs_twice(&mut self, machine: usize, ident: u64, owner: Owner) -> bool {
        let step = self.definitions.machines[machine].name.clone();
        let aim = Aim {
            service: "",
            step: &step,
            ident,
            about: &[owner],
        };
        self.host.lock().faults.strikes(Fault::ExpressTwice, aim)
    }

    /// An answer that starts a machine.
    pub(crate) fn start_by_answer(&mut self, machine: &str, name: &str, input: &Value) {
        let owner = {
            let said = |member: &str| input["metadata"][member].as_str().unwrap_or_default();
            let mut inner = self.host.lock();
            inner.meters.owner(said("subject"), said("variant"))
        };
        if self.is_taken(machine, name, owner) {
            match self.begin_execution(machine, name, input, Start::Async) {
                Ok(_) => {}
                Err(WorkflowError::NoMachine(machine)) => {
                    self.lose(&machine, owner, "the machine is not there");
                }
                Err(other) => self.lose(name, owner, &other.to_string()),
            }
        }
    }

    /// Writes what happened in an execution since it was looked at into the log group,
    /// and bills it when it is over.
    pub(crate) fn log_express(&mut self, run: usize) {
        let it = &self.runs[run];
        let machine = &self.definitions.machines[it.machine];
        let Some(execution) = &it.execution else {
            return;
        };
        if machine.machine.machine_type() != MachineType::Express {
            return;
        }
        let new = execution.history().get(it.logged..).unwrap_or_default();
        let level = machine.level;
        let logged = it.logged + new.len();
        let taken = new.iter().filter(|event| level.takes(&event.event_type()));
        let word = |event: &HistoryEvent, name: &str| {
            let details = event.details().unwrap_or_default();
            details[name].as_str().map(str::to_owned)
        };
        let record = |event: &HistoryEvent| LogRecord {
            group: machine.logs.clone(),
            arn: it.arn.clone(),
            at: timestamp(event.timestamp),
            id: event.id,
            previous: event.previous_event_id,
            kind: event.event_type().into_owned(),
            state: event.state_name().map(str::to_owned),
            resource: word(event, "resourceType"),
            error: word(event, "error"),
        };
        let records: Vec<LogRecord> = taken.map(record).collect();
        let bytes = records.iter().map(|it| {
            let words = it.kind.len() + it.state.as_deref().unwrap_or_default().len();
            RECORD_BYTES + (words + it.arn.len()) as u64
        });
        let bytes: u64 = bytes.sum();
        let ended = execution.ended().filter(|_| !it.billed);
        let ran = ended.map(|at| (at - it.started).max(1));
        let owner = it.owner;
        {
            let mut inner = self.host.lock();
            let meter = inner.meters.of(owner);
            meter.express_log_bytes += bytes;
            if let Some(ran) = ran {
                meter.express_ms += ((ran + BILLED_MS - 1) / BILLED_MS * BILLED_MS) as u64;
            }
        }
        let it = &mut self.runs[run];
        it.logged = logged;
        it.billed |= ran.is_some();
        self.records.extend(records);
    }

    /// What is in the log groups of the Express machines, in order.
    #[must_use]
    pub fn log_records(&self) -> &[LogRecord] {
        &self.records
    }
}
