//! Tables: documents that two runs may meet at, reads that lag or are torn,
//! writes that fail or are lost.

mod planted;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use duet_core::desk::is_record;
use duet_core::store::{
    Body, Browse, CommitError, Expect, Item, Key, Listing, Memory, Page, Pages, Store, StoreFault,
    Write,
};
use serde_json::Value;

use crate::definitions::Index;
use crate::fault::Fault;
use crate::host::Host;
use crate::indexes::Indexes;
use crate::latency::TEAR;
use crate::meter::{read_units, scan_units, too_large, write_units};
use crate::plant::Plant;
use crate::profile::{Hop, WaitsFor};

/// How long a read may lag behind a write, in milliseconds.
const LAG: i64 = 1_000;

/// How a call failed that the store did not answer.
const SILENCE: &str = "the table did not answer";

/// A document as it was, and when that ended.
type Past = (i64, Key, Option<Item>);

/// A table, as the world outside the services sees it: no call takes time.
#[derive(Debug, Clone, Default)]
pub struct Table {
    memory: Memory,
    /// What recent writes replaced; kept only where reads may lag.
    past: Option<Arc<Mutex<VecDeque<Past>>>>,
    indexes: Indexes,
}

impl Table {
    /// An empty table; its reads may lag if it `lags`.
    pub(crate) fn new<'a>(lags: bool, indexes: impl Iterator<Item = &'a Index>) -> Self {
        Self {
            memory: Memory::default(),
            past: lags.then(Arc::default),
            indexes: Indexes::new(indexes),
        }
    }

    #[cfg(test)]
    pub(crate) fn indexes(&self) -> &Indexes {
        &self.indexes
    }

    /// Whether its index called `name` lists anything.
    pub(crate) fn lists_anything(&self, name: &str) -> bool {
        !self.indexes.is_empty(name)
    }

    /// Commits `writes`. Gives what that takes of the table's indexes.
    async fn write(&self, writes: Vec<Write>) -> Result<u64, CommitError> {
        let changes = self.indexes.changes(&writes);
        self.memory.commit(writes).await?;
        Ok(self.indexes.apply(changes))
    }

    /// The document at `key`.
    pub(crate) fn at(&self, key: &Key) -> Option<Item> {
        self.memory.at(key)
    }

    /// Has the document at `key` say `body`, or be gone. Gives what that takes of the
    /// table's indexes.
    pub(crate) fn set(&self, key: Key, body: Option<Body>) -> u64 {
        let said = body.clone().unwrap_or_else(|| Body::of(&Value::Null));
        let changes = self.indexes.changes(&[Write::Put {
            key: key.clone(),
            body: said,
            expect: Expect::Anything,
        }]);
        self.memory.set(key, body);
        self.indexes.apply(changes)
    }

    async fn remember(&self, now: i64, writes: &[Write]) {
        let Some(past) = &self.past else { return };
        let keys: Vec<Key> = writes.iter().map(|write| write.key().clone()).collect();
        let items = self.memory.load(&keys).await.unwrap_or_default();
        let mut past = past.lock().unwrap_or_else(PoisonError::into_inner);
        past.extend(
            keys.into_iter()
                .zip(items)
                .map(|(key, item)| (now, key, item)),
        );
        while past.front().is_some_and(|(at, ..)| *at < now - LAG) {
            past.pop_front();
        }
    }

    /// What `key` was before its last update, if that was just now. The first
    /// write of a document is not hidden, but for records: those are looked for
    /// and missed by every first delivery.
    fn was(&self, now: i64, key: &Key) -> Option<Option<Item>> {
        let past = self
            .past
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (_, _, was) = past
            .iter()
            .rev()
            .find(|(at, of, _)| of == key && *at >= now - LAG)?;
        (was.is_some() || is_record(key)).then(|| was.clone())
    }
}

impl Store for Table {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreFault> {
        self.memory.load(keys).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        self.write(writes).await.map(|_| ())
    }
}

impl Browse for Table {
    async fn partition(&self, pk: &str) -> Result<Vec<Item>, StoreFault> {
        self.memory.partition(pk).await
    }

    async fn everything(&self) -> Result<Vec<Item>, StoreFault> {
        self.memory.everything().await
    }
}

/// A table, as a service sees it.
#[derive(Debug, Clone)]
pub(crate) struct TablePort {
    pub(crate) host: Host,
    pub(crate) table: Table,
    /// Whether it is a third party's: then its use is not the shop's.
    pub(crate) ledger: bool,
}

impl Store for TablePort {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreFault> {
        self.takes(Hop::StoreRead, 0).await;
        let (fails, hangs, lags, tears) = {
            let mut inner = self.host.lock();
            (
                inner.strikes(Fault::StoreFault),
                inner.strikes(Fault::Timeout),
                // What is read alone is read as it is.
                !self.ledger && keys.len() > 1 && inner.strikes(Fault::StaleRead),
                !self.ledger && keys.len() > 1 && inner.strikes(Fault::TornRead),
            )
        };
        if hangs {
            self.host.hang().await;
        }
        if fails {
            return Err(StoreFault::transient(SILENCE));
        }
        let altered = self.altered(keys);
        let mut items = self.table.load(altered.as_deref().unwrap_or(keys)).await?;
        if tears {
            // BatchGetItem reads each item for itself (API_BatchGetItem): what
            // is written meanwhile shows in those that are read last.
            self.host.lingers(WaitsFor::Store, TEAR).await;
            let later = self.table.load(keys).await?;
            for ((key, item), later) in keys.iter().zip(&mut items).zip(later) {
                if !is_record(key) {
                    *item = later;
                }
            }
        }
        if !self.ledger && self.host.has(Plant::NoDeduplication) {
            items
                .iter_mut()
                .zip(keys)
                .filter(|(_, key)| is_record(key))
                .for_each(|(item, _)| *item = None);
        }
        if self.host.has(Plant::LockEndsWithRun) {
            self.forget_locks(&mut items);
        }
        let mut inner = self.host.lock();
        if lags {
            let now = inner.now;
            for (key, item) in keys.iter().zip(&mut items) {
                if let Some(was) = self.table.was(now, key) {
                    *item = was;
                }
            }
        }
        if !self.ledger {
            inner.meter().read_units += read_units(&items);
        }
        Ok(items)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let one = writes.len() == 1;
        let hop = if one {
            Hop::StoreWrite
        } else {
            Hop::StoreTransaction
        };
        self.takes(hop, writes.len()).await;
        let (fails, collides, hangs, dies) = {
            let mut inner = self.host.lock();
            (
                inner.strikes(Fault::StoreFault),
                inner.strikes(Fault::StoreConflict),
                inner.strikes(Fault::Timeout),
                inner.strikes(Fault::CrashBeforeCommit),
            )
        };
        if dies {
            self.host.die().await;
        }
        if hangs {
            self.host.hang().await;
        }
        if fails {
            return Err(StoreFault::transient(SILENCE).into());
        }
        if collides {
            return Err(CommitError::Conflict);
        }
        if writes.iter().any(too_large) {
            return Err(StoreFault::invalid("the table answered ValidationException").into());
        }
        let mut units = write_units(&writes);
        let now = self.host.lock().now;
        self.table.remember(now, &writes).await;
        let plant = self.host.lock().plant.filter(|_| !self.ledger);
        match plant {
            None => units += self.table.write(writes).await?,
            Some(plant) => {
                units += self.table.indexes.write_units(&writes);
                self.commit_badly(plant, writes).await?;
            }
        }
        let dies = {
            let mut inner = self.host.lock();
            if !self.ledger {
                inner.meter().write_units += units;
            }
            inner.strikes(Fault::CrashAfterCommit)
        };
        if dies {
            self.host.die().await;
        }
        Ok(())
    }
}

/// `key` of a record, made different for each delivery.
fn per_delivery(key: Key, delivery: u64) -> Key {
    match is_record(&key) {
        true => Key::new(key.pk, format!("{}#{delivery:x}", key.sk)),
        false => key,
    }
}

impl TablePort {
    /// The table takes its time. What a third party's table takes is the third party's.
    async fn takes(&self, hop: Hop, size: usize) {
        let waits_for = if self.ledger {
            WaitsFor::ThirdParty
        } else {
            hop.waits_for()
        };
        self.host.call_as(waits_for, hop, size as u64).await;
    }

    /// The table is asked for all that it lists, or holds.
    async fn scan(&self) -> Result<(), StoreFault> {
        self.takes(Hop::StoreRead, 0).await;
        let (fails, hangs) = {
            let mut inner = self.host.lock();
            (
                inner.strikes(Fault::StoreFault),
                inner.strikes(Fault::Timeout),
            )
        };
        if hangs {
            self.host.hang().await;
        }
        if fails {
            return Err(StoreFault::transient(SILENCE));
        }
        Ok(())
    }
}

impl Pages for TablePort {
    async fn page(
        &self,
        having: &'static [&'static str],
        after: Option<Key>,
    ) -> Result<Page, StoreFault> {
        self.scan().await?;
        let everything = self.table.everything().await?;
        self.host.lock().meter().read_units += scan_units(&everything);
        self.table.memory.page(having, after).await
    }
}

/// As somebody outside reads it: nothing is metered.
impl Listing for Table {
    async fn listed(&self, index: &'static str) -> Result<Vec<Key>, StoreFault> {
        let listed = self.indexes.listed(index);
        listed.map(|(keys, _)| keys).ok_or_else(|| no_index(index))
    }
}

fn no_index(index: &str) -> StoreFault {
    StoreFault::misconfigured(format!("the table has no index {index}"))
}

impl Listing for TablePort {
    async fn listed(&self, index: &'static str) -> Result<Vec<Key>, StoreFault> {
        self.scan().await?;
        let listed = self.table.indexes.listed(index);
        let (keys, units) = listed.ok_or_else(|| no_index(index))?;
        self.host.lock().meter().read_units += units;
        Ok(keys)
    }
}

#[cfg(test)]
mod tests;
