//! What reaches a lab from outside. Definitions, parameters, a seed and the
//! list of these make a world, again and again the same.

use std::collections::BTreeMap;

use duet_core::store::{
    Body, Browse, CommitError, Expect, Item, Key, Listing, Store, StoreFault, Write,
};
use duet_core::{CommandMessage, Timestamp};
use duet_lab::{FaultRule, Started, Waiting};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::State;
use crate::terminal::exit::{Outcome, Problem};

/// Something that came from outside, and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// By the clock of the lab.
    pub(crate) at: Timestamp,
    /// What.
    pub(crate) input: Input,
}

/// Something that came from outside.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Input {
    /// StartExecution, or StartSyncExecution.
    StartExecution {
        machine: String,
        name: String,
        input: Value,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        sync: bool,
    },
    /// SendMessage of a command.
    SendCommand {
        queue: String,
        message: Box<CommandMessage>,
    },
    /// SendMessage of any text.
    SendText {
        queue: String,
        text: String,
        subject: String,
    },
    /// A task function was invoked by hand.
    Invoke {
        function: String,
        message: Box<CommandMessage>,
    },
    /// Documents were written past the services, such as the catalogue.
    Write {
        table: String,
        documents: Vec<Document>,
    },
    /// A dead letter was sent back: its place.
    Forward { letter: (usize, u64) },
    /// A dead letter was dropped: its place.
    Discard { letter: (usize, u64) },
    /// RedriveExecution.
    RedriveExecution { arn: String },
    /// PutEvents.
    PutEvent {
        bus: String,
        source: String,
        detail_type: String,
        detail: Value,
    },
    /// StartReplay of an archive, past the rules with these ARNs.
    Replay {
        archive: String,
        name: String,
        from: Timestamp,
        to: Timestamp,
        rules: Vec<String>,
    },
    /// From then on faults struck by these rules, and by no others.
    SetFaults { faults: Vec<String> },
    /// From then on nothing went wrong any more.
    StopFaults,
    /// A service went down, or came back.
    SetDown { service: String, down: bool },
    /// The stack was updated to these parameters.
    Update {
        parameters: BTreeMap<String, String>,
    },
    /// A command ended; what had happened by then, as a digest, and a digest of
    /// the file's lines up to here.
    End {
        trace: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lines: Option<String>,
    },
}

impl Input {
    /// The order that it places, if it places one.
    pub(crate) fn placed(self) -> Option<String> {
        match self {
            // An order's execution is given what places it.
            Self::StartExecution { name, input, .. } => {
                let kind = input.pointer("/metadata/type");
                kind.is_some_and(|kind| kind == "PlaceOrder")
                    .then_some(name)
            }
            Self::SendCommand { message, .. } if message.command == "PlaceOrder" => {
                Some(message.metadata.subject)
            }
            _ => None,
        }
    }
}

/// A document as it was after a write.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Document {
    pk: String,
    sk: String,
    body: Value,
}

/// The documents that `writes` left in `table`.
pub(crate) async fn written(table: &duet_lab::Table, keys: Vec<Key>) -> Vec<Document> {
    let found = table.load(&keys).await.unwrap_or_default();
    let documents = found.into_iter().flatten().map(|item| Document {
        pk: item.key.pk,
        sk: item.key.sk,
        body: item.body.value(),
    });
    documents.collect()
}

impl State {
    /// What a lab's trace is written as.
    pub(crate) fn trace(&self) -> String {
        format!("{:016x}", self.lab.trace_hash())
    }

    /// Remembers what came from outside at `at`, where somebody wants to know.
    pub(crate) fn record(&mut self, at: Timestamp, input: impl FnOnce() -> Input) {
        if let Some(inputs) = &mut self.inputs {
            inputs.push(Entry { at, input: input() });
        }
    }

    /// Starts an execution. Gives what became of that, and by what its answer is asked
    /// for where `sync` says that somebody waits.
    pub(crate) fn start(
        &mut self,
        (machine, sync): (&str, bool),
        name: &str,
        input: Value,
    ) -> Outcome<(Started, Option<Waiting>)> {
        let now = self.lab.now();
        let begun = match sync {
            true => {
                let waiting = self.lab.start_sync_execution(machine, name, &input);
                waiting.map(|waiting| (Started::New, Some(waiting)))
            }
            false => {
                let started = self.lab.start_execution(machine, name, &input);
                started.map(|started| (started, None))
            }
        };
        let begun = begun.map_err(Problem::environment)?;
        if begun.0 == Started::New {
            self.record(now, || Input::StartExecution {
                machine: machine.to_owned(),
                name: name.to_owned(),
                input,
                sync,
            });
        }
        Ok(begun)
    }

    /// From here on faults strike by these rules, and by no others.
    pub(crate) fn set_faults(&mut self, faults: Vec<String>) -> Outcome<()> {
        let rules = faults.iter().map(|rule| rule.parse::<FaultRule>());
        let rules: Vec<FaultRule> = rules.collect::<Result<_, _>>().map_err(Problem::usage)?;
        if let Some(rule) = rules.iter().find(|rule| !rule.kind.can_begin_later()) {
            return Err(Problem::usage(format!(
                "{} strikes fresh worlds only, in `duet demo` and `duet simulate`",
                rule.kind
            ))
            .hint("`duet break SERVICE` takes a service out of order"));
        }
        let now = self.lab.now();
        self.lab.set_faults(&rules);
        self.faults.clone_from(&faults);
        self.record(now, || Input::SetFaults { faults });
        Ok(())
    }

    /// SendMessage of any text about `subject`.
    pub(crate) fn send_text(&mut self, queue: &str, text: String, subject: &str) -> Outcome<()> {
        let now = self.lab.now();
        self.lab
            .send_text(queue, &text, subject)
            .map_err(Problem::environment)?;
        self.record(now, || Input::SendText {
            queue: queue.to_owned(),
            text,
            subject: subject.to_owned(),
        });
        Ok(())
    }

    /// StartReplay of `archive`, past the rules with these ARNs. Gives how many
    /// events it takes.
    pub(crate) fn replay_archive(
        &mut self,
        archive: &str,
        name: &str,
        (from, to): (Timestamp, Timestamp),
        rules: &[String],
    ) -> Outcome<usize> {
        let now = self.lab.now();
        let events = self.lab.replay(archive, name, (from, to), rules);
        let events = events.map_err(Problem::usage)?;
        self.record(now, || Input::Replay {
            archive: archive.to_owned(),
            name: name.to_owned(),
            from,
            to,
            rules: rules.to_vec(),
        });
        Ok(events)
    }

    /// Does what was done before, at the time it was done.
    pub(crate) fn replay(&mut self, entry: Entry) -> Outcome<()> {
        let Entry { at, input } = entry;
        let lab = &mut self.lab;
        // Between two inputs of one moment nothing happened then, either.
        if at > lab.now() || matches!(input, Input::End { .. }) {
            lab.advance(at);
        }
        let gone = || Problem::failed("a dead letter it names is not there");
        match input {
            Input::StartExecution {
                machine,
                name,
                input,
                sync,
            } => self.start((&machine, sync), &name, input).map(drop),
            Input::SendCommand { queue, message } => {
                lab.send_command(&queue, &message).map_err(Problem::failed)
            }
            Input::SendText {
                queue,
                text,
                subject,
            } => lab
                .send_text(&queue, &text, &subject)
                .map_err(Problem::failed),
            Input::Invoke { function, message } => lab
                .invoke(&function, &message)
                .map(drop)
                .map_err(Problem::failed),
            Input::Write { table, documents } => write(lab, &table, documents),
            Input::Forward { letter } => {
                let mut letters = lab.dead_letters().into_iter();
                let letter = letters.find(|one| one.at == letter).ok_or_else(gone)?;
                lab.redrive(&letter).map(drop).ok_or_else(gone)
            }
            Input::Discard { letter } => {
                let mut letters = lab.dead_letters().into_iter();
                let letter = letters.find(|one| one.at == letter).ok_or_else(gone)?;
                lab.discard(&letter);
                Ok(())
            }
            Input::RedriveExecution { arn } => lab.redrive_execution(&arn).map_err(Problem::failed),
            Input::PutEvent {
                bus,
                source,
                detail_type,
                detail,
            } => lab
                .put_event(&bus, &source, &detail_type, &detail)
                .map(drop)
                .map_err(Problem::failed),
            Input::Replay {
                archive,
                name,
                from,
                to,
                rules,
            } => lab
                .replay(&archive, &name, (from, to), &rules)
                .map(drop)
                .map_err(Problem::failed),
            Input::SetDown { service, down } => {
                lab.set_down(&service, down).map_err(Problem::usage)
            }
            Input::Update { parameters } => {
                lab.update(&parameters).map(drop).map_err(Problem::failed)
            }
            Input::StopFaults => {
                lab.stop_faults();
                Ok(())
            }
            Input::SetFaults { faults } => self.set_faults(faults),
            Input::End { trace, .. } if trace == self.trace() => Ok(()),
            Input::End { .. } => Err(Problem::failed("other things happened than the first time")),
        }
    }
}

/// Writes `documents` into `table` past the services.
fn write(lab: &duet_lab::Lab, table: &str, documents: Vec<Document>) -> Outcome<()> {
    let known = lab.table(table).cloned();
    let known = known.ok_or_else(|| Problem::failed(format!("no table {table}")))?;
    let puts = documents.into_iter().map(|document| Write::Put {
        key: Key::new(document.pk, document.sk),
        body: Body::of(&document.body),
        expect: Expect::Anything,
    });
    // Tables in memory answer at once.
    match known.commit(puts.collect()).now_or_never() {
        Some(done) => done.map_err(Problem::failed),
        None => Err(Problem::failed(format!("table {table} did not answer"))),
    }
}

/// A table of a lab, as commands see it: what they write comes from outside.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) name: String,
    pub(crate) table: duet_lab::Table,
    pub(crate) state: std::sync::Arc<std::sync::Mutex<State>>,
}

impl Store for Table {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreFault> {
        self.table.load(keys).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let keys = writes.iter().map(|write| write.key().clone()).collect();
        self.table.commit(writes).await?;
        if super::lock(&self.state).inputs.is_some() {
            let documents = written(&self.table, keys).await;
            let table = self.name.clone();
            let state = &mut *super::lock(&self.state);
            state.record(state.lab.now(), || Input::Write { table, documents });
        }
        Ok(())
    }
}

impl Listing for Table {
    async fn listed(&self, index: &'static str) -> Result<Vec<Key>, StoreFault> {
        self.table.listed(index).await
    }
}

impl Browse for Table {
    async fn partition(&self, pk: &str) -> Result<Vec<Item>, StoreFault> {
        self.table.partition(pk).await
    }

    async fn everything(&self) -> Result<Vec<Item>, StoreFault> {
        self.table.everything().await
    }
}
