//! Written once, counted after that.

use std::collections::BTreeMap;

use duet_core::desk::{self, attempts};
use duet_core::service::Reaction;
use duet_core::store::{CommitError, Expect, Store, Write};
use duet_core::{
    Answer, Clock, Environment, Failure, Handled, ParseError, Received, Request, Service,
};
use serde_json::json;

use crate::command::Command;
use crate::domain::{Entry, key};

/// The journal over its table.
#[derive(Debug, Clone)]
pub struct Journal<S, C> {
    store: S,
    clock: C,
    days: u32,
}

impl<S: Store, C: Clock> Journal<S, C> {
    /// The journal over `store`, in which entries stay for `days`.
    pub fn new(store: S, clock: C, days: u32) -> Self {
        Self { store, clock, days }
    }

    /// Commits `write`; `false` when its condition did not hold.
    async fn commit(&self, write: Write) -> Result<bool, Failure> {
        match self.store.commit(vec![write]).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict) => Ok(false),
            Err(CommitError::Fault(fault)) => Err(fault.into()),
        }
    }
}

/// The journal, as its environment says.
///
/// # Errors
/// What is wrong with the environment.
pub fn build<E: Environment>(env: &E) -> Result<Journal<E::Table, E::Clock>, E::Error> {
    let days = env.setting("DUET_JOURNAL_DAYS")?;
    Ok(Journal::new(env.table("DUET_TABLE")?, env.clock(), days))
}

impl<S: Store, C: Clock> Service for Journal<S, C> {
    const NAME: &'static str = "journal";
    const SAYS: &'static [(&'static str, &'static [&'static str])] = &[("RecordFact", &[])];
    type Command = Command;

    async fn handle(&self, request: Request<Command>) -> Result<Handled, Failure> {
        let Request { command, context } = request;
        let Command::RecordFact(fact) = command;
        if fact.metadata.id.is_empty() || fact.metadata.correlationid.is_empty() {
            return Err(Failure::invalid("a fact without id or correlation id"));
        }
        let key = key(&fact.metadata);
        let entry = Entry::new(fact, self.clock.now(), self.days, context.replay);
        let done = |repeat| Handled {
            answer: Answer::Done(json!({ "fact": entry.metadata.id })),
            events: Vec::new(),
            timers: Vec::new(),
            called_off: Vec::new(),
            reply: None,
            repeat,
        };
        for _ in attempts() {
            // Most are new: one write and no read.
            let write = Write::put(key.clone(), &entry, Expect::Absent);
            if self.commit(write).await? {
                return Ok(done(false));
            }
            let mut deltas = BTreeMap::from([("deliveries", 1)]);
            if context.replay {
                deltas.insert("replays", 1);
            }
            let key = key.clone();
            if self.commit(Write::Add { key, deltas }).await? {
                return Ok(done(true));
            }
        }
        Err(desk::Error::Contended.into())
    }

    fn policy(received: &Received<'_>) -> Result<Reaction<Command>, ParseError> {
        crate::policy::command(received).map(Reaction::Command)
    }
}
