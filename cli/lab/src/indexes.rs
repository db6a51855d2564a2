//! Sparse indexes of a table: the documents that have an attribute, and what
//! keeping them takes.
//!
//! Every write that puts a document into an index, or takes one out, is a write
//! of the index, too, paid for by itself; one that leaves its key as it is, is
//! none, for nothing else of the document is projected (DynamoDB developer
//! guide, "Using Global Secondary Indexes": write capacity).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use duet_core::store::{Key, Write};

use serde_json::value::RawValue;

use crate::definitions::Index;

/// What an index listed of a document, and what it is to list.
type Change = (usize, Key, Option<String>);

/// The documents of one index, by key, with their value of its attribute.
#[derive(Debug)]
struct Listed {
    name: String,
    attribute: String,
    documents: BTreeMap<Key, String>,
}

/// The indexes of a table; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Indexes(Option<Arc<Mutex<Vec<Listed>>>>);

impl Indexes {
    pub(crate) fn new<'a>(declared: impl Iterator<Item = &'a Index>) -> Self {
        let listed = declared.map(|index| Listed {
            name: index.name.clone(),
            attribute: index.attribute.clone(),
            documents: BTreeMap::new(),
        });
        let listed: Vec<_> = listed.collect();
        Self((!listed.is_empty()).then(|| Arc::new(Mutex::new(listed))))
    }

    fn lock(&self) -> Option<MutexGuard<'_, Vec<Listed>>> {
        let all = self.0.as_ref()?;
        Some(all.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is no index `name`, or nothing in it.
    pub(crate) fn is_empty(&self, name: &str) -> bool {
        self.lock().is_none_or(|all| {
            let mut of_name = all.iter().filter(|index| index.name == name);
            of_name.all(|index| index.documents.is_empty())
        })
    }

    /// What `writes` would change.
    pub(crate) fn changes(&self, writes: &[Write]) -> Vec<Change> {
        let Some(all) = self.lock() else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        for write in writes {
            // An addition changes numbers, and no key is one.
            let Write::Put { key, body, .. } = write else {
                continue;
            };
            for (at, index) in all.iter().enumerate() {
                let listed = index.documents.get(key);
                // Most documents have nothing of the kind: no need to read them.
                let has = body.text().contains(&index.attribute);
                let value = match has {
                    true => member(body.text(), &index.attribute),
                    false => None,
                };
                if listed != value.as_ref() {
                    changes.push((at, key.clone(), value));
                }
            }
        }
        changes
    }

    /// What `writes` would take of the indexes.
    pub(crate) fn write_units(&self, writes: &[Write]) -> u64 {
        let changes = self.changes(writes);
        let Some(all) = self.lock() else { return 0 };
        changes.iter().map(|change| units(&all, change)).sum()
    }

    /// Changes the indexes. Gives what that takes.
    pub(crate) fn apply(&self, changes: Vec<Change>) -> u64 {
        let Some(mut all) = self.lock() else { return 0 };
        let mut taken = 0;
        for change in changes {
            taken += units(&all, &change);
            let (at, key, value) = change;
            let documents = &mut all[at].documents;
            match value {
                Some(value) => _ = documents.insert(key, value),
                None => _ = documents.remove(&key),
            }
        }
        taken
    }

    /// The keys that the index `name` lists, and what reading them takes: half a
    /// unit for each 4 KiB of a page, for an index is read eventually consistent.
    pub(crate) fn listed(&self, name: &str) -> Option<(Vec<Key>, u64)> {
        let all = self.lock()?;
        let index = all.iter().find(|index| index.name == name)?;
        let names = "pk".len() + "sk".len() + index.attribute.len();
        let of = |(key, value): (&Key, &String)| names + key.pk.len() + key.sk.len() + value.len();
        let bytes: usize = index.documents.iter().map(of).sum();
        let units = (bytes as u64).div_ceil(8_192).max(1);
        Some((index.documents.keys().cloned().collect(), units))
    }
}

/// What a change takes of the indexes `all`: a unit to put a document in, one to
/// take it out, both where its key changes.
fn units(all: &[Listed], (at, key, value): &Change) -> u64 {
    let listed = all[*at].documents.contains_key(key);
    u64::from(listed) + u64::from(value.is_some())
}

/// The member `name` of `document`, as it is written there.
fn member(document: &str, name: &str) -> Option<String> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(document).ok()?;
    members.get(name).map(|value| value.get().to_owned())
}

#[cfg(test)]
mod tests {
    use duet_core::store::{Expect, Store};
    use serde_json::{Value, json};

    use super::*;
    use crate::ports::Table;

    fn put(key: &str, body: Value, expect: Expect) -> Vec<Write> {
        vec![Write::put(Key::new(key, "order"), &body, expect)]
    }

    fn commit(table: &Table, writes: Vec<Write>) -> bool {
        let mut call = std::pin::pin!(table.commit(writes));
        let waker = std::task::Waker::noop();
        let done = call
            .as_mut()
            .poll(&mut std::task::Context::from_waker(waker));
        matches!(done, std::task::Poll::Ready(Ok(())))
    }

    #[test]
    fn an_index_lists_what_has_its_attribute_and_costs_what_changes() {
        let index = Index {
            table: "t".into(),
            name: "waiting".into(),
            attribute: "since".into(),
        };
        let table = Table::new(false, std::iter::once(&index));
        let indexes = Indexes::clone(table.indexes());
        let keys = |indexes: &Indexes| indexes.listed("waiting").unwrap().0;
        for (body, expect, units, listed) in [
            (json!({ "since": "a", "n": 1 }), Expect::Absent, 1, 1),
            // What is not projected costs nothing.
            (json!({ "since": "a", "n": 2 }), Expect::Anything, 0, 1),
            (json!({ "since": "b" }), Expect::Anything, 2, 1),
            // Refused: nothing changes.
            (json!({}), Expect::Absent, 1, 1),
            (json!({ "text": "since" }), Expect::Anything, 1, 0),
            (json!({}), Expect::Anything, 0, 0),
        ] {
            let writes = put("o-1", body.clone(), expect);
            assert_eq!(indexes.write_units(&writes), units, "{body}");
            commit(&table, writes);
            assert_eq!(keys(&indexes).len(), listed, "{body}");
            assert_eq!(indexes.is_empty("waiting"), listed == 0);
        }
        assert!(indexes.listed("another").is_none());
        let none = Indexes::new(std::iter::empty());
        assert!(
            none.is_empty("waiting") && none.write_units(&put("o", json!({}), Expect::Absent)) == 0
        );
    }
}
