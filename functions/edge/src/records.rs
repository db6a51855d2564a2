//! The sweep of kept outcomes: what records said is removed once it is not said
//! again any more ([`duet_core::desk::outlived`]).
//!
//! It is the idempotency layer's, which is alike in all services, so one function
//! goes over all their tables. Readers take what is too old as gone, swept or
//! not: a sweep that dies half-way has done no harm, and the next one does the
//! rest.

use duet_core::desk::{SAID, is_record, outlived};
use duet_core::store::{CommitError, Key, Page, Pages, Write};
use duet_core::{Clock, Failure, Timestamp};
use futures_util::future::join_all;
use serde::Serialize;

/// How many records are written at a time.
const AT_ONCE: usize = 25;

/// What a sweep came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Records that still held what they said.
    pub seen: usize,
    /// Records from which it was removed.
    pub removed: usize,
    /// Records that could not be read: they are left as they are.
    pub unreadable: usize,
}

/// Sweeps `tables` once, one after the other.
///
/// # Errors
/// When a table did not answer. What was removed before that is removed.
pub async fn sweep(tables: &[impl Pages], clock: &impl Clock) -> Result<Swept, Failure> {
    let mut swept = Swept::default();
    for table in tables {
        let mut after: Option<Key> = None;
        loop {
            let Page { items, next } = table.page(SAID, after).await?;
            let records = items.iter().filter(|item| is_record(&item.key));
            let mut writes = Vec::new();
            for record in records {
                swept.seen += 1;
                match outlived(record, clock.now()) {
                    Ok(write) => writes.extend(write),
                    Err(_) => swept.unreadable += 1,
                }
            }
            swept.removed += write(table, writes).await?;
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(swept)
}

/// Writes each of `writes` by itself; how many went through. One whose record
/// changed meanwhile was forgotten, and holds nothing any more.
async fn write(table: &impl Pages, writes: Vec<Write>) -> Result<usize, Failure> {
    let mut written = 0;
    let mut left = writes.into_iter();
    loop {
        let some: Vec<_> = left.by_ref().take(AT_ONCE).collect();
        if some.is_empty() {
            return Ok(written);
        }
        let each = some.into_iter().map(|write| table.commit(vec![write]));
        for done in join_all(each).await {
            match done {
                Ok(()) => written += 1,
                Err(CommitError::Conflict) => {}
                Err(CommitError::Fault(fault)) => return Err(fault.into()),
            }
        }
    }
}

/// What a sweep tells the log, as one line of JSON.
#[must_use]
pub fn line(swept: &Swept, now: Timestamp) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        time: Timestamp,
        level: &'static str,
        service: &'static str,
        #[serde(flatten)]
        swept: &'a Swept,
    }
    let level = if swept.unreadable > 0 {
        "ERROR"
    } else {
        "INFO"
    };
    let line = Line {
        time: now,
        level,
        service: "records",
        swept,
    };
    // Plain data with string keys: it does not fail.
    serde_json::to_string(&line).unwrap_or_default()
}
