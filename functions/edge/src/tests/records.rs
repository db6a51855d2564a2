//! The sweep of kept outcomes: what it removes, and what it leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use duet_core::desk::{SAID, SAID_AGAIN_SECONDS, record_key};
use duet_core::store::{
    CommitError, Expect, Item, Key, Memory, Page, Pages, Store, StoreFault, Write,
};
use duet_core::time::after;

use super::*;
use crate::records::{Swept, line, sweep};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// The record of a command that was handled at `at` and set a timer.
fn record(at: Timestamp) -> Value {
    json!({
        "hash": "h", "variant": "known", "at": at, "cause": "m", "answer": { "outcome": "done", "with": null },
        "said": [{ "envelope": "{}", "data": "{}" }],
        "timers": [{ "due": at, "command": "Act", "data": {} }],
    })
}

async fn keep(table: &impl Store, key: Key, body: &Value) {
    let write = Write::put(key, body, Expect::Anything);
    table.commit(vec![write]).await.unwrap();
}

async fn body(table: &Memory, key: &Key) -> (u64, Value) {
    let items = table.load(std::slice::from_ref(key)).await.unwrap();
    let item = items[0].as_ref().unwrap();
    (item.version, item.body.value())
}

/// A table that shows one document a page, and may be busy.
#[derive(Clone, Default)]
struct ByOne(Memory, Arc<AtomicBool>);

impl Store for ByOne {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreFault> {
        self.0.load(keys).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        self.0.commit(writes).await
    }
}

impl Pages for ByOne {
    async fn page(
        &self,
        having: &'static [&'static str],
        after: Option<Key>,
    ) -> Result<Page, StoreFault> {
        assert_eq!(having, SAID);
        if self.1.load(Ordering::Relaxed) {
            return Err(StoreFault::transient("the table is too busy to read"));
        }
        // In the order of keys, as a whole table lies there.
        let all = self.0.page(having, None).await?.items;
        let left = all.into_iter().filter(|it| Some(&it.key) > after.as_ref());
        let left: Vec<_> = left.take(2).collect();
        let next = (left.len() > 1).then(|| left[0].key.clone());
        let items = left.into_iter().take(1).collect();
        Ok(Page { items, next })
    }
}

#[tokio::test]
async fn only_what_outlived_its_time_is_removed() {
    let now = at(2_000_000);
    let clock = Arc::new(move || now);
    let (old, young) = (record_key("Act", "a", ""), record_key("Act", "b", ""));
    let (odd, document) = (record_key("Act", "c", ""), Key::new("d", "document"));
    let early = at(2_000_000 - i64::from(SAID_AGAIN_SECONDS));
    let first = ByOne::default();
    keep(&first, old.clone(), &record(early)).await;
    keep(&first, young.clone(), &record(after(early, 1))).await;
    keep(&first, odd.clone(), &json!({ "said": "so" })).await;
    // A document of the service's own may have a member of that name.
    keep(
        &first,
        document.clone(),
        &json!({ "timers": [], "at": early }),
    )
    .await;
    let second = ByOne::default();
    keep(&second, old.clone(), &record(early)).await;

    let tables = [first.clone(), second.clone()];
    let swept = sweep(&tables, &clock).await.unwrap();
    let expected = Swept {
        seen: 4,
        removed: 2,
        unreadable: 1,
    };
    assert_eq!(swept, expected);
    for table in [&first.0, &second.0] {
        let (version, left) = body(table, &old).await;
        assert_eq!(version, 2);
        let stays = json!({
            "hash": "h", "variant": "known", "at": early, "cause": "m", "answer": { "outcome": "done", "with": null },
        });
        assert_eq!(left, stays);
    }
    for key in [&young, &odd, &document] {
        assert_eq!(body(&first.0, key).await.0, 1, "{key:?}");
    }
    let again = sweep(&[second], &clock).await.unwrap();
    assert_eq!(again.removed, 0);

    let told: Value = serde_json::from_str(&line(&swept, now)).unwrap();
    assert_eq!(
        (&told["level"], &told["removed"], &told["unreadable"]),
        (&json!("ERROR"), &json!(2), &json!(1))
    );
}

#[tokio::test]
async fn a_table_that_does_not_answer_ends_it_and_nothing_is_lost() {
    let now = at(2_000_000);
    let clock = Arc::new(move || now);
    let tables = [ByOne::default(), ByOne::default()];
    let key = record_key("Act", "a", "");
    for table in &tables {
        keep(table, key.clone(), &record(at(0))).await;
    }
    tables[1].1.store(true, Ordering::Relaxed);
    let failed = sweep(&tables, &clock).await.unwrap_err();
    assert!(matches!(failed, Failure::Transient(_)), "{failed:?}");
    assert_eq!(body(&tables[0].0, &key).await.0, 2);
    tables[1].1.store(false, Ordering::Relaxed);
    let swept = sweep(&tables, &clock).await.unwrap();
    assert_eq!((swept.seen, swept.removed), (1, 1));
    let told: Value = serde_json::from_str(&line(&swept, now)).unwrap();
    assert_eq!(told["level"], "INFO");
}
