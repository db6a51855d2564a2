//! The in-memory adapter: for tests and the lab.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

use super::{Body, Browse, CommitError, Expect, Item, Key, Page, Pages, Store, StoreFault, Write};

/// A table in memory; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    partitions: Arc<Mutex<Partitions>>,
}

/// The documents of each partition, in the order of `sk`. There are many
/// partitions, and few documents in one.
#[derive(Debug, Default)]
struct Partitions(HashMap<Box<str>, Vec<Kept>>);

/// A document as it is kept.
#[derive(Debug)]
struct Kept {
    sk: Box<str>,
    version: u64,
    body: Body,
}

impl Kept {
    fn item(&self, pk: &str) -> Item {
        Item {
            key: Key::new(pk, &*self.sk),
            version: self.version,
            body: self.body.clone(),
        }
    }
}

impl Partitions {
    fn get(&self, key: &Key) -> Option<&Kept> {
        let there = self.0.get(key.pk.as_str())?;
        let at = place(there, &key.sk).ok()?;
        Some(&there[at])
    }

    fn remove(&mut self, key: &Key) {
        if let Some(there) = self.0.get_mut(key.pk.as_str())
            && let Ok(at) = place(there, &key.sk)
        {
            there.remove(at);
        }
    }

    fn put(&mut self, key: Key, body: Body) {
        let there = self.0.entry(key.pk.into()).or_default();
        match place(there, &key.sk) {
            Ok(at) => {
                let kept = &mut there[at];
                kept.version += 1;
                kept.body = body;
            }
            Err(at) => {
                let sk = key.sk.into();
                let version = 1;
                there.insert(at, Kept { sk, version, body });
            }
        }
    }
}

/// Where `sk` is among `documents`, or where it would be.
fn place(documents: &[Kept], sk: &str) -> Result<usize, usize> {
    documents.binary_search_by(|kept| (*kept.sk).cmp(sk))
}

impl Memory {
    /// The document at `key`.
    #[must_use]
    pub fn at(&self, key: &Key) -> Option<Item> {
        Some(self.partitions().get(key)?.item(&key.pk))
    }

    /// Has the document at `key` say `body`, whatever it says now; without a body there
    /// is none from then on. For whoever writes past the protocol.
    pub fn set(&self, key: Key, body: Option<Body>) {
        let mut there = self.partitions();
        match body {
            Some(body) => there.put(key, body),
            None => there.remove(&key),
        }
    }

    fn partitions(&self) -> MutexGuard<'_, Partitions> {
        // A panic while the lock is held leaves whole documents behind: every
        // write below is checked before the first is applied.
        self.partitions
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Whether `write` may go through against the document that is there.
fn allowed(write: &Write, there: Option<&Kept>) -> bool {
    match write {
        Write::Put {
            expect: Expect::Anything,
            ..
        } => true,
        Write::Put {
            expect: Expect::Absent,
            ..
        } => there.is_none(),
        Write::Put {
            expect: Expect::Version(version),
            ..
        } => there.is_some_and(|kept| kept.version == *version),
        Write::Add { deltas, .. } => there.map(|kept| kept.body.value()).is_some_and(|body| {
            deltas.iter().all(|(field, delta)| {
                body[field]
                    .as_i64()
                    .and_then(|n| n.checked_add(*delta))
                    .is_some_and(|n| n >= 0)
            })
        }),
    }
}

impl Store for Memory {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreFault> {
        let there = self.partitions();
        let found = keys.iter().map(|key| Some(there.get(key)?.item(&key.pk)));
        Ok(found.collect())
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let mut there = self.partitions();
        if !writes
            .iter()
            .all(|write| allowed(write, there.get(write.key())))
        {
            return Err(CommitError::Conflict);
        }
        for write in writes {
            match write {
                Write::Put { key, body, .. } => there.put(key, body),
                Write::Add { key, deltas } => {
                    let mut body = there
                        .get(&key)
                        .map(|kept| kept.body.value())
                        .unwrap_or_default();
                    for (field, delta) in deltas {
                        let sum = body[field].as_i64().unwrap_or(0) + delta;
                        body[field] = Value::from(sum);
                    }
                    there.put(key, Body::of(&body));
                }
            }
        }
        Ok(())
    }
}

impl Browse for Memory {
    async fn partition(&self, pk: &str) -> Result<Vec<Item>, StoreFault> {
        let there = self.partitions();
        let documents = there.0.get(pk).into_iter().flatten();
        Ok(documents.map(|kept| kept.item(pk)).collect())
    }

    async fn everything(&self) -> Result<Vec<Item>, StoreFault> {
        let there = self.partitions();
        let mut partitions: Vec<_> = there.0.iter().collect();
        partitions.sort_unstable_by_key(|(pk, _)| *pk);
        let documents = partitions.into_iter();
        Ok(documents
            .flat_map(|(pk, documents)| documents.iter().map(move |kept| kept.item(pk)))
            .collect())
    }
}

/// All of a table is one page.
impl Pages for Memory {
    async fn page(
        &self,
        having: &'static [&'static str],
        _: Option<Key>,
    ) -> Result<Page, StoreFault> {
        let mut items = self.everything().await?;
        items.retain(|item| {
            let body = item.body.value();
            having.iter().any(|name| body.get(name).is_some())
        });
        Ok(Page { items, next: None })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn put(sk: &str, expect: Expect) -> Write {
        Write::put(Key::new("o-1", sk), &json!({"n": 1}), expect)
    }

    #[tokio::test]
    async fn a_transaction_is_all_or_nothing() {
        let table = Memory::default();
        table.commit(vec![put("a", Expect::Absent)]).await.unwrap();
        let refused = table
            .commit(vec![put("b", Expect::Absent), put("a", Expect::Absent)])
            .await;
        assert_eq!(refused, Err(CommitError::Conflict));
        assert_eq!(table.partition("o-1").await.unwrap().len(), 1);
        table
            .commit(vec![put("a", Expect::Version(1))])
            .await
            .unwrap();
        assert_eq!(
            table.commit(vec![put("a", Expect::Version(1))]).await,
            Err(CommitError::Conflict)
        );
    }

    #[test]
    fn whoever_writes_past_the_protocol_sets_and_removes() {
        let table = Memory::default();
        let key = Key::new("o-1", "a");
        let at = |table: &Memory| Some(table.at(&key)?.body.value());
        assert_eq!(at(&table), None);
        table.set(key.clone(), None);
        table.set(key.clone(), Some(Body::of(&json!({"n": 1}))));
        assert_eq!(at(&table), Some(json!({"n": 1})));
        table.set(key.clone(), None);
        assert_eq!(at(&table), None);
    }

    #[tokio::test]
    async fn counters_never_fall_below_zero() {
        let table = Memory::default();
        let key = Key::new("sku", "stock");
        let add = |n| Write::Add {
            key: key.clone(),
            deltas: BTreeMap::from([("n", n)]),
        };
        assert_eq!(table.commit(vec![add(1)]).await, Err(CommitError::Conflict));
        table
            .commit(vec![Write::put(
                key.clone(),
                &json!({"n": 2}),
                Expect::Absent,
            )])
            .await
            .unwrap();
        table.commit(vec![add(-2)]).await.unwrap();
        assert_eq!(
            table.commit(vec![add(-1)]).await,
            Err(CommitError::Conflict)
        );
        let item = table.load(&[key]).await.unwrap().remove(0).unwrap();
        assert_eq!(
            (item.version, item.body.value()["n"].as_i64()),
            (2, Some(0))
        );
    }
}
