//! A world inside this process: the embedded lab.
//!
//! Time there is virtual. It moves when everybody who watches waits, and then
//! straight to the next moment somebody waits for.

mod bus;
mod doors;
mod express;
pub(crate) mod inputs;
mod operate;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use duet_core::id::further_execution;
use duet_core::{CommandMessage, Timestamp};
use duet_lab::{Config, Definitions, Update, UpdateError, Used, bundled};
use serde_json::json;

use self::inputs::{Entry as Came, Input};
use super::port::{ANSWERED_WITHIN, express as port};
use super::{Answer, Commanded, DeadLetter, Deployment, Execution, HistoryEvent, Submitted, World};
use crate::shop::parameters::Fraud;
use crate::shop::services::{Subject, TableOf};
use crate::shop::variant::{Description, Entry, Variant, shared_dead_letters};
use crate::terminal::exit::{Outcome, Problem};

/// The stack's name in the lab.
pub(crate) const STACK: &str = "duet";

/// How often somebody who waits for an answer looks, in milliseconds.
const LOOK_EVERY: u64 = 10;

/// A lab, as the commands see it; clones share it.
#[derive(Debug, Clone)]
pub struct Lab(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    tables: BTreeMap<TableOf, Table>,
    state: Arc<Mutex<State>>,
}

pub use self::inputs::Table;

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A panic in the lab is a bug that has been reported; what it left
    // behind is still whole enough to look at.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) lab: duet_lab::Lab,
    /// Until when each watcher waits, by the watcher's number.
    waiting: BTreeMap<u64, Timestamp>,
    next: u64,
    /// Until when a dead letter is held by whoever looks at it, by its place.
    held: BTreeMap<(usize, u64), Timestamp>,
    /// The rules of the faults that somebody set, as they were written.
    pub(crate) faults: Vec<String>,
    /// What came from outside, where that is to be kept.
    pub(crate) inputs: Option<Vec<Came>>,
}

/// Reads what is deployed, with `parameters` in place of the template's defaults.
///
/// # Errors
/// [`Problem`] naming the parameter or resource that is wrong.
pub fn definitions(parameters: &BTreeMap<String, String>) -> Outcome<Arc<Definitions>> {
    let read = Definitions::read(bundled(), STACK, parameters);
    read.map(Arc::new).map_err(Problem::usage)
}

impl Lab {
    /// A new world in which `definitions` are deployed.
    ///
    /// # Errors
    /// [`Problem`] when the definitions do not fit the code.
    pub fn new(definitions: &Arc<Definitions>, config: Config) -> Outcome<Self> {
        let lab = duet_lab::Lab::new(definitions.clone(), config).map_err(Problem::usage)?;
        deployment(definitions)?;
        let mut names = BTreeMap::new();
        for of in TableOf::ALL {
            names.insert(of, output(definitions, of.output())?.to_owned());
        }
        let state = Arc::new(Mutex::new(State {
            lab,
            waiting: BTreeMap::new(),
            next: 0,
            held: BTreeMap::new(),
            faults: Vec::new(),
            inputs: None,
        }));
        let mut tables = BTreeMap::new();
        for (of, name) in names {
            let table = lock(&state).lab.table(&name).cloned();
            let table =
                table.ok_or_else(|| Problem::environment(format!("there is no table {name}")))?;
            let state = state.clone();
            tables.insert(of, Table { name, table, state });
        }
        Ok(Self(Arc::new(Shared { tables, state })))
    }

    /// Updates the stack in place, to `parameters` and the template's defaults,
    /// while everything goes on; see [`duet_lab::Lab::update`]. Time has to pass
    /// until it is complete.
    ///
    /// # Errors
    /// [`Problem`] when a parameter is wrong, or another update is under way.
    pub fn update(&self, parameters: &BTreeMap<String, String>) -> Outcome<Update> {
        let state = &mut *self.state();
        let now = state.lab.now();
        let is_new = state.lab.parameters() != parameters;
        let outputs = &state.lab.definitions().outputs;
        let to = parameters.get("Fraud").map_or("on", String::as_str);
        if let Some(from) = Fraud::of(|name| outputs.get(name).cloned())
            && let Some(to) = Fraud::of(|_| Some(to.to_owned()))
            && !from.is_step(to)
        {
            return Err(Problem::usage(format!(
                "fraud detection is {from} and would be {to}: a shop that runs is turned one step at a time"
            )));
        }
        let update = state.lab.update(parameters).map_err(|why| match why {
            UpdateError::InProgress => Problem::failed(why)
                .hint("an update lasts some minutes, and as long as executions of a state machine that it deleted"),
            other => Problem::usage(other),
        })?;
        if is_new {
            state.record(now, || Input::Update {
                parameters: parameters.clone(),
            });
        }
        Ok(update)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    /// Does something with the lab itself. A lab that lasts does not keep what
    /// is done to it here.
    pub fn with<T>(&self, act: impl FnOnce(&mut duet_lab::Lab) -> T) -> T {
        act(&mut self.state().lab)
    }

    /// An output of the stack, as it is now.
    fn output(&self, name: &str) -> Option<String> {
        self.with(|lab| lab.definitions().outputs.get(name).cloned())
    }
}

/// An output that there must be.
fn output<'a>(definitions: &'a Definitions, name: &str) -> Outcome<&'a str> {
    let found = definitions.outputs.get(name).map(String::as_str);
    found.ok_or_else(|| Problem::environment(format!("the definitions have no output {name}")))
}

/// What `definitions` deploy.
fn deployment(definitions: &Definitions) -> Outcome<Deployment> {
    let described = Description::all(&definitions.outputs)?;
    let fraud = Fraud::of(|name| definitions.outputs.get(name).cloned());
    let fraud = fraud.ok_or_else(|| Problem::environment("the definitions have no Fraud"))?;
    Ok(Deployment {
        variants: described.iter().map(|one| one.variant.name).collect(),
        fraud,
        with_fraud: fraud == Fraud::On,
        patience_seconds: output(definitions, "PatienceSeconds")?
            .parse()
            .map_err(Problem::environment)?,
    })
}

impl World for Lab {
    type Table = Table;

    fn deployment(&self) -> Deployment {
        // The same templates told it when the world was made.
        self.with(|lab| deployment(lab.definitions()).unwrap_or_default())
    }

    fn described(&self) -> Vec<&'static Description> {
        // They were read when the world was made, and at every update.
        self.with(|lab| Description::all(&lab.definitions().outputs).unwrap_or_default())
    }

    fn table(&self, of: TableOf) -> &Table {
        &self.0.tables[&of]
    }

    fn now(&self) -> Timestamp {
        self.state().lab.now()
    }

    fn is_virtual(&self) -> bool {
        true
    }

    async fn submit(
        &self,
        variant: &'static Variant,
        subject: Subject,
        message: &CommandMessage,
    ) -> Outcome<Submitted> {
        Ok(self.begin(variant, subject, message)?.0)
    }

    async fn ask(
        &self,
        variant: &'static Variant,
        subject: Subject,
        message: &CommandMessage,
    ) -> Outcome<(Submitted, Option<Answer>)> {
        let (submitted, waiting) = self.begin(variant, subject, message)?;
        let Some(waiting) = waiting else {
            return Ok((submitted, None));
        };
        for _ in 0..ANSWERED_WITHIN.as_millis() / u128::from(LOOK_EVERY) {
            let answer = self.state().lab.answer(waiting);
            if let Some(answer) = answer {
                let answer = Answer {
                    status: duet_lab::word(answer.status).to_owned(),
                    output: answer.output,
                    error: answer.error,
                };
                return Ok((submitted, Some(answer)));
            }
            self.pause(LOOK_EVERY).await;
        }
        Ok((submitted, None))
    }

    async fn submit_poison(&self, variant: &'static Variant, marker: &str) -> Outcome<()> {
        let entry = self.description(variant)?.entry(Subject::Order);
        let metadata = crate::shop::message::metadata("Poison", marker, variant.name, self.now());
        let state = &mut *self.state();
        match entry {
            Entry::Machine(machine) | Entry::SyncMachine(machine) => {
                // An execution's input is JSON whatever one does; its data is nothing an order can be.
                let input = json!({ "metadata": metadata, "data": { "poison": marker } });
                state.start((machine, entry.answers()), marker, input)?;
            }
            Entry::Queue(queue) => {
                let text = format!("{{\"poison\": \"{marker}\"");
                state.send_text(queue, text, marker)?;
            }
        }
        Ok(())
    }

    async fn dead_letters(
        &self,
        variant: &'static Variant,
        marker: &str,
    ) -> Outcome<Vec<DeadLetter>> {
        let there = self.description(variant)?;
        let machines: Vec<&str> = there.all_machines().collect();
        let lab = &mut self.state().lab;
        let queues: BTreeSet<String> = {
            let shared = shared_dead_letters(&lab.definitions().outputs);
            let own = there.dead_letters().iter().map(String::as_str);
            let name = |url: &str| url.rsplit('/').next().unwrap_or(url).to_owned();
            own.chain(shared).map(name).collect()
        };
        let letters = lab
            .dead_letters()
            .into_iter()
            .filter(|letter| queues.contains(&letter.queue) && letter.body.contains(marker));
        let letters = letters.map(|letter| DeadLetter {
            place: letter.queue,
            id: letter.id,
            cause: Some(letter.cause),
            body: letter.body,
        });
        let letters: Vec<_> = letters.collect();
        let logged = Self::records(lab, there);
        let logged = port::failed(&logged, there).into_iter();
        let logged = logged.filter(|run| run.name.contains(marker));
        let logged = logged.map(|run| DeadLetter {
            place: run.machine,
            id: run.name,
            cause: run.error.or(Some(run.status)),
            body: String::new(),
        });
        let failed = lab.failed_executions().into_iter().filter(|run| {
            let of = |arn: &&str| arn.ends_with(&format!(":{}", run.machine));
            machines.iter().any(of) && run.name.contains(marker)
        });
        let failed = failed.map(|run| DeadLetter {
            place: run.machine,
            id: run.name,
            cause: run.error,
            body: String::new(),
        });
        Ok(letters.into_iter().chain(failed).chain(logged).collect())
    }

    async fn executions(
        &self,
        variant: &'static Variant,
        subject: Subject,
        id: &str,
    ) -> Outcome<Vec<Execution>> {
        let machines = self
            .deployed(variant)
            .map_or(&[][..], |there| there.machines(subject));
        if let Some(there) = self.of_log(variant) {
            let lab = &self.state().lab;
            let mut all = port::executions(&Self::records(lab, there), id);
            let name = |arn: &String| arn.rsplit(':').next().map(str::to_owned);
            let machines: BTreeSet<String> = machines.iter().filter_map(name).collect();
            all.retain(|one| machines.contains(&one.machine));
            return Ok(all);
        }
        let lab = &self.state().lab;
        let mut all = Vec::new();
        for machine in machines {
            let further = (2..).map(|n| further_execution(id, n));
            let names = std::iter::once(id.to_owned()).chain(further);
            all.extend(names.map_while(|name| {
                let standing = lab.execution_standing(machine, &name)?;
                let events = lab
                    .execution(machine, &name)
                    .map_or(&[][..], |execution| execution.history());
                let entered = events
                    .iter()
                    .filter(|event| event.event_type().ends_with("StateEntered"));
                Some(Execution {
                    name,
                    machine: standing.machine,
                    arn: standing.arn,
                    status: duet_lab::word(standing.status).to_owned(),
                    ended: standing.ended,
                    error: standing.error,
                    states: entered
                        .filter_map(|event| event.state_name())
                        .map(str::to_owned)
                        .collect(),
                })
            }));
        }
        Ok(all)
    }

    async fn history(
        &self,
        variant: &'static Variant,
        subject: Subject,
        id: &str,
    ) -> Outcome<Vec<HistoryEvent>> {
        if let Some(there) = self.of_log(variant) {
            let lab = &self.state().lab;
            return Ok(port::history(&Self::records(lab, there), id));
        }
        let Some(driving) = self.execution(variant, subject, id).await? else {
            return Ok(Vec::new());
        };
        let lab = &self.state().lab;
        let execution = lab.execution(&driving.machine, &driving.name);
        let events = execution.map_or(&[][..], |execution| execution.history());
        Ok(events
            .iter()
            .map(|event| {
                let details = event.details().unwrap_or_default();
                let word = |name: &str| details[name].as_str();
                let arguments = word("parameters").or_else(|| {
                    let function = event.event_type() == "LambdaFunctionScheduled";
                    word("input").filter(|_| function)
                });
                HistoryEvent {
                    id: event.id,
                    previous: event.previous_event_id,
                    at: Timestamp::from_millisecond(event.timestamp).unwrap_or_default(),
                    kind: event.event_type().into_owned(),
                    state: event.state_name().map(str::to_owned),
                    command: arguments.and_then(HistoryEvent::command_in),
                    error: word("error").map(str::to_owned),
                }
            })
            .collect())
    }

    fn review_seconds(&self) -> Option<u32> {
        self.output("ReviewSeconds")?.parse().ok()
    }

    async fn command(
        &self,
        variant: &'static Variant,
        service: TableOf,
        message: &CommandMessage,
    ) -> Outcome<Commanded> {
        self.at_door(variant, service, message)
    }

    async fn logs(&self, about: &str, _: Timestamp) -> Outcome<Vec<String>> {
        let lines = self.state().lab.lines();
        let mut lines =
            lines.ok_or_else(|| Problem::usage("this lab was not told to keep logs"))?;
        lines.retain(|line| line.contains(about));
        Ok(lines)
    }

    fn used(&self) -> Option<Vec<Used>> {
        Some(self.state().lab.used())
    }

    async fn pause(&self, millis: u64) {
        let millis = i64::try_from(millis).unwrap_or(i64::MAX);
        let watcher = {
            let state = &mut *self.state();
            state.next += 1;
            let until = state
                .lab
                .now()
                .saturating_add(jiff::SignedDuration::from_millis(millis));
            state
                .waiting
                .insert(state.next, until.unwrap_or(Timestamp::MAX));
            Watcher {
                lab: self,
                number: state.next,
            }
        };
        let mut asked = false;
        std::future::poll_fn(|context| {
            let state = &mut *self.state();
            let until = state.waiting[&watcher.number];
            // Everybody else gets a turn first; then whoever waits for the
            // earliest moment lets the time pass.
            let first = state.waiting.values().all(|other| until <= *other);
            if asked && first && state.lab.now() < until {
                state.lab.advance(until);
            }
            if state.lab.now() >= until {
                return Poll::Ready(());
            }
            asked = true;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// Somebody who waits; gone when it is dropped.
struct Watcher<'a> {
    lab: &'a Lab,
    number: u64,
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        self.lab.state().waiting.remove(&self.number);
    }
}
