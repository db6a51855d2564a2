//! What a handler is rehearsed on: a table on which one thing goes wrong.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{HandClock, Torn, pause};
use crate::store::{CommitError, Item, Key, Memory, Store, StoreFault, Write};

/// What a handler is built on for one situation, empty each time.
#[derive(Debug, Clone, Default)]
pub struct Stage {
    /// The handler's table.
    pub table: Table,
    /// What lies outside it, such as a third party's books: nothing goes wrong with
    /// it, and nothing of it is undone.
    pub outside: Memory,
    /// The clock.
    pub clock: HandClock,
}

/// What goes wrong with a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Trouble {
    #[default]
    Nothing,
    /// The n-th commit finds a document changed.
    Conflict(usize),
    /// The n-th call is not done, and not answered.
    Silence(usize),
    /// The n-th call is done, and not answered.
    Unheard(usize),
    /// Reads tear: see [`Torn`].
    Torn,
}

/// Where a caller of the table is.
#[derive(Debug, Default)]
struct Script {
    trouble: Trouble,
    calls: usize,
    commits: usize,
    place: &'static str,
}

/// A table in memory that pauses before and after each call; clones share it.
#[derive(Debug, Clone)]
pub struct Table {
    memory: Memory,
    torn: Torn<Memory>,
    script: Arc<Mutex<Script>>,
}

/// A call, as it was counted.
struct Call {
    conflicts: bool,
    is_silent: bool,
    is_unheard: bool,
    tears: bool,
}

const SILENCE: &str = "the table does not answer";

impl Default for Table {
    fn default() -> Self {
        let memory = Memory::default();
        Self {
            torn: Torn::new(memory.clone()),
            memory,
            script: Arc::default(),
        }
    }
}

impl Table {
    /// What is in it: to put there what a handler needs, and to look at what it left.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Counts anew, and has `trouble` happen.
    pub(super) fn begin(&self, trouble: Trouble) {
        *self.script() = Script {
            trouble,
            ..Script::default()
        };
    }

    /// How many calls there were, and how many of them were commits.
    pub(super) fn counted(&self) -> (usize, usize) {
        let script = self.script();
        (script.calls, script.commits)
    }

    /// Where the caller is: `before its commit (call 2 of the table)`.
    pub(super) fn place(&self) -> String {
        let script = self.script();
        format!("{} (call {} of the table)", script.place, script.calls)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn at(&self, place: &'static str) {
        self.script().place = place;
        pause().await;
    }

    fn call(&self, is_commit: bool) -> Call {
        let mut script = self.script();
        script.calls += 1;
        script.commits += usize::from(is_commit);
        let trouble = script.trouble;
        Call {
            conflicts: is_commit && trouble == Trouble::Conflict(script.commits),
            is_silent: trouble == Trouble::Silence(script.calls),
            is_unheard: trouble == Trouble::Unheard(script.calls),
            tears: trouble == Trouble::Torn,
        }
    }
}

impl Store for Table {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreFault> {
        let call = self.call(false);
        self.at("before it read").await;
        if call.is_silent || call.is_unheard {
            return Err(StoreFault::transient(SILENCE));
        }
        if call.tears {
            return self.torn.load(keys).await;
        }
        let mut items = Vec::with_capacity(keys.len());
        for key in keys {
            items.push(self.memory.at(key));
            self.at("while it read").await;
        }
        Ok(items)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let call = self.call(true);
        self.at("before its commit").await;
        if call.conflicts {
            return Err(CommitError::Conflict);
        }
        if call.is_silent {
            return Err(StoreFault::transient(SILENCE).into());
        }
        let done = if call.tears {
            self.torn.commit(writes).await
        } else {
            self.memory.commit(writes).await
        };
        self.at("after its commit").await;
        if call.is_unheard {
            return Err(StoreFault::transient(SILENCE).into());
        }
        done
    }
}
