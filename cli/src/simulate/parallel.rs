//! Independent pieces of work on several threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::terminal::exit::Outcome;
use crate::terminal::progress::Progress;

/// What `work` gives for each number below `many`, in order: so many pieces of
/// `what`, which tells how far it is.
pub(crate) fn in_parallel<T: Send>(
    threads: usize,
    what: &'static str,
    many: u64,
    work: impl Fn(u64) -> Outcome<T> + Sync,
) -> Outcome<Vec<T>> {
    let next = AtomicU64::new(0);
    let done: Mutex<BTreeMap<u64, Outcome<T>>> = Mutex::default();
    let progress = Progress::new(what, many);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= many {
                        break;
                    }
                    let one = work(at);
                    progress.step();
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.insert(at, one);
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.into_values().collect()
}
