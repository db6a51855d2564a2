//! The in-memory adapter: for tests and the lab.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

use super::{Browse, CommitError, Expect, Item, Key, Store, StoreFault, Write};

/// A table in memory; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    items: Arc<Mutex<BTreeMap<Key, Kept>>>,
}

/// A document as it is kept: as text, for most are written once and hardly ever
/// read, and a tree of values is many times as large.
#[derive(Debug)]
struct Kept {
    version: u64,
    text: Box<str>,
}

impl Kept {
    fn new(version: u64, body: &Value) -> Self {
        Self {
            version,
            text: body.to_string().into_boxed_str(),
        }
    }

    fn body(&self) -> Value {
        // It was written by `new`: it is JSON.
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    fn item(&self, key: &Key) -> Item {
        Item {
            key: key.clone(),
            version: self.version,
            body: self.body(),
        }
    }
}

impl Memory {
    fn items(&self) -> MutexGuard<'_, BTreeMap<Key, Kept>> {
        // A panic while the lock is held leaves whole documents behind: every
        // write below is checked before the first is applied.
        self.items
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
        } => there.is_some_and(|item| item.version == *version),
        Write::Add { deltas, .. } => there.map(Kept::body).is_some_and(|body| {
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
        let items = self.items();
        let found = keys.iter().map(|key| Some(items.get(key)?.item(key)));
        Ok(found.collect())
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let mut items = self.items();
        if !writes
            .iter()
            .all(|write| allowed(write, items.get(write.key())))
        {
            return Err(CommitError::Conflict);
        }
        for write in writes {
            match write {
                Write::Put { key, body, .. } => {
                    let version = items.get(&key).map_or(1, |item| item.version + 1);
                    items.insert(key, Kept::new(version, &body));
                }
                Write::Add { key, deltas } => {
                    if let Some(item) = items.get_mut(&key) {
                        let mut body = item.body();
                        for (field, delta) in deltas {
                            let sum = body[field].as_i64().unwrap_or(0) + delta;
                            body[field] = Value::from(sum);
                        }
                        *item = Kept::new(item.version + 1, &body);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Browse for Memory {
    async fn partition(&self, pk: &str) -> Result<Vec<Item>, StoreFault> {
        let first = Key::new(pk, "");
        let items = self.items();
        Ok(items
            .range(first..)
            .take_while(|(key, _)| key.pk == pk)
            .map(|(key, item)| item.item(key))
            .collect())
    }

    async fn everything(&self) -> Result<Vec<Item>, StoreFault> {
        let items = self.items();
        Ok(items.iter().map(|(key, item)| item.item(key)).collect())
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!((item.version, item.body["n"].as_i64()), (2, Some(0)));
    }
}
