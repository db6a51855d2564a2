//! The sweep entry: by the clock, everything that a service left undecided is
//! looked at, and what nobody drives any more is said to the service's queues.
//!
//! It decides nothing and writes to no table. What it says is a command on the
//! service's own queue, as a rule or a timer would have put it there: handled
//! once however often it is said, tried again, and buried, like any other. So a
//! sweep that dies half-way has done no harm, and the next one does the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use duet_core::id::{further_execution, of_execution};
use duet_core::message::SCHEMA_VERSION;
use duet_core::store::{Item, Listing};
use duet_core::sweep::{Execution, Sweep, Waits};
use duet_core::{Clock, CommandMessage, Failure, Metadata, Timestamp, Vocabulary};
use serde::{Deserialize, Serialize};

use crate::log::Log;
use crate::reading::{Reading, Span, Went, tell};
use crate::wires::Wires;

/// How many documents are looked at in one read.
const AT_ONCE: usize = 100;

/// How the sweep of a service reaches one variant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Way {
    /// The service's own queue, by its ARN: where what is said goes.
    pub queue: String,
    /// The state machines that drive the variant, by their ARNs; none where no
    /// workflow does.
    #[serde(default)]
    pub machines: Vec<String>,
}

/// The ways to every variant that is deployed, by the variant's name.
pub type Ways = BTreeMap<String, Way>;

/// The port to a workflow engine: what it says of executions.
pub trait Engine: Clone + Send + Sync + 'static {
    /// The names of the executions of `machine` (an ARN) that run.
    ///
    /// # Errors
    /// When the engine did not answer.
    fn running(&self, machine: &str) -> impl Future<Output = Result<Vec<String>, Failure>> + Send;

    /// The execution of `machine` called `name`, if there is one.
    ///
    /// # Errors
    /// When the engine did not answer.
    fn execution(
        &self,
        machine: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<Execution>, Failure>> + Send;
}

/// What a sweep came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Documents that are in the index.
    pub listed: usize,
    /// Documents that had waited for long enough to be asked after.
    pub asked: usize,
    /// Commands that were said.
    pub said: usize,
    /// Documents of variants that are not deployed: nobody can be asked.
    pub unreachable: usize,
}

/// Sweeps the table of the service `S` once.
///
/// # Errors
/// When a table, an engine or a queue did not answer. What was said before that
/// was said.
pub async fn sweep<S: Sweep>(
    table: &impl Listing,
    engine: &impl Engine,
    wires: &impl Wires,
    clock: &impl Clock,
    log: &impl Log,
    ways: &Ways,
) -> Result<Swept, Failure> {
    let began = clock.now();
    let swept = look::<S>(table, engine, wires, clock, log, ways).await;
    if let Err(failure) = &swept {
        let span = Span {
            began,
            ended: clock.now(),
            attempt: 1,
        };
        let went = Went::badly(failure);
        tell::<S>(log, "sweep", &Reading::default(), went, span, None);
    }
    swept
}

async fn look<S: Sweep>(
    table: &impl Listing,
    engine: &impl Engine,
    wires: &impl Wires,
    clock: &impl Clock,
    log: &impl Log,
    ways: &Ways,
) -> Result<Swept, Failure> {
    let keys = table.listed(S::INDEX).await?;
    let mut swept = Swept {
        listed: keys.len(),
        ..Swept::default()
    };
    // Asked for once a variant, and only if there is something to ask about.
    let mut driven: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for keys in keys.chunks(AT_ONCE) {
        // The index may lag; the documents do not.
        for item in table.load(keys).await?.into_iter().flatten() {
            let now = clock.now();
            let Some(Waits { subject, variant }) = S::waits(&item, now)? else {
                continue;
            };
            swept.asked += 1;
            let Some((variant, way)) = ways.get_key_value(&variant) else {
                swept.unreachable += 1;
                continue;
            };
            if !way.machines.is_empty() {
                if !driven.contains_key(variant.as_str()) {
                    driven.insert(variant, running(engine, way).await?);
                }
                if driven[variant.as_str()].contains(&subject) {
                    continue;
                }
            }
            let command = left::<S>(engine, way, &subject, &item, clock).await?;
            let Some(command) = command else { continue };
            let message = message::<S>(&command, subject, variant, clock.now());
            wires.send_later(&way.queue, &message, 0).await?;
            swept.said += 1;
            let mut reading = Reading::of_metadata(message.metadata);
            reading.command = Some(command.name());
            let span = Span {
                began: now,
                ended: clock.now(),
                attempt: 1,
            };
            tell::<S>(log, "sweep", &reading, Went::well("done"), span, None);
        }
    }
    Ok(swept)
}

/// What the executions of `way` that run are about.
async fn running(engine: &impl Engine, way: &Way) -> Result<BTreeSet<String>, Failure> {
    let mut subjects = BTreeSet::new();
    for machine in &way.machines {
        let names = engine.running(machine).await?;
        subjects.extend(names.iter().map(|name| of_execution(name).to_owned()));
    }
    Ok(subjects)
}

/// What is to be said of `item`, which no listed execution drives: a list may
/// lack what was started just now, so each execution is asked for by name.
async fn left<S: Sweep>(
    engine: &impl Engine,
    way: &Way,
    subject: &str,
    item: &Item,
    clock: &impl Clock,
) -> Result<Option<S::Command>, Failure> {
    if way.machines.is_empty() {
        return S::left(item, None, clock.now());
    }
    let mut executions = Vec::new();
    for machine in &way.machines {
        let mut name = subject.to_owned();
        let mut n = 1;
        while let Some(execution) = engine.execution(machine, &name).await? {
            executions.push(execution);
            n += 1;
            name = further_execution(subject, n);
        }
    }
    S::left(item, Some(&executions), clock.now())
}

fn message<S: Sweep>(
    command: &S::Command,
    subject: String,
    variant: &str,
    now: Timestamp,
) -> CommandMessage {
    let metadata = Metadata {
        id: format!(
            "sweep/{subject}/{}/{}",
            command.name(),
            now.as_millisecond()
        ),
        source: format!("duet.{}", S::NAME),
        kind: command.name().to_owned(),
        correlationid: subject.clone(),
        subject,
        time: now,
        schemaversion: SCHEMA_VERSION.to_owned(),
        causationid: None,
        traceparent: None,
        variant: variant.to_owned(),
        late: false,
    };
    CommandMessage {
        command: command.name().to_owned(),
        metadata,
        data: command.data(),
        reply_to: None,
        due: None,
    }
}
