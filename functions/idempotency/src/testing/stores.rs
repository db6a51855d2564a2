//! Stores that behave as a table does at its worst.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::pause;
use crate::is_record;
use crate::store::{CommitError, Item, Key, Store, StoreFault, Write};

/// A store that pauses before and after each call, so that others may come in
/// between, or the caller may die with the call made or not made. Documents
/// that are read together are read one after the other, as BatchGetItem does:
/// what is written meanwhile shows in some and not in others.
#[derive(Debug, Clone, Default)]
pub struct Stepwise<S>(pub S);

impl<S: Store> Store for Stepwise<S> {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreFault> {
        pause().await;
        let mut items = Vec::with_capacity(keys.len());
        for key in keys {
            items.extend(self.0.load(std::slice::from_ref(key)).await?);
            pause().await;
        }
        Ok(items)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        pause().await;
        let done = self.0.commit(writes).await;
        pause().await;
        done
    }
}

/// A store whose reads tear: the first read of several documents after a
/// commit misses the idempotency records that it wrote, and shows everything
/// else that it did. A read of one document is exact.
#[derive(Debug, Clone, Default)]
pub struct Torn<S> {
    store: S,
    unseen: Arc<Mutex<BTreeSet<Key>>>,
}

impl<S: Store> Torn<S> {
    /// `store`, with torn reads.
    pub fn new(store: S) -> Self {
        let unseen = Arc::default();
        Self { store, unseen }
    }

    fn unseen(&self) -> MutexGuard<'_, BTreeSet<Key>> {
        self.unseen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store> Store for Torn<S> {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreFault> {
        let mut items = self.store.load(keys).await?;
        if keys.len() > 1 {
            for (key, item) in keys.iter().zip(&mut items) {
                if self.unseen().remove(key) {
                    *item = None;
                }
            }
        }
        Ok(items)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let keys = writes.iter().map(Write::key);
        let records: Vec<_> = keys.filter(|key| is_record(key)).cloned().collect();
        self.store.commit(writes).await?;
        self.unseen().extend(records);
        Ok(())
    }
}
