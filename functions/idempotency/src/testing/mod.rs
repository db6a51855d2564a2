//! Rehearsing a handler under at-least-once delivery, in tests.
//!
//! [`rehearse`] goes through all that can go wrong with each delivery, one thing at
//! a time, and says what broke. [`schedule`] mixes everything, in an order that is
//! data (bytes, for a property test to draw). The stores that both stand on can be
//! used apart: [`Stepwise`], [`Torn`].
//!
//! All of it runs without a runtime: a handler is taken on one `await` at a time.

mod rehearsal;
mod schedule;
mod stage;
mod stores;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};

use jiff::{SignedDuration, Timestamp};

pub use rehearsal::{Broken, Finding, Rehearsed, rehearse};
pub use schedule::{Turn, schedule};
pub use stage::{Stage, Table};
pub use stores::{Stepwise, Torn};

use crate::lock::Run;

/// Seconds a delivery has before it is stopped.
pub const RUN_SECONDS: u32 = 10;

/// A clock moved by hand; clones share it. It begins at the Unix epoch.
#[derive(Debug, Clone, Default)]
pub struct HandClock(Arc<AtomicI64>);

impl HandClock {
    /// Moves the clock on by `seconds`.
    pub fn advance(&self, seconds: u32) {
        self.0.fetch_add(i64::from(seconds), Ordering::SeqCst);
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
    }

    /// When a delivery that begins now is stopped.
    fn deadline(&self) -> Timestamp {
        let run = SignedDuration::from_secs(i64::from(RUN_SECONDS));
        self.now().saturating_add(run).unwrap_or(Timestamp::MAX)
    }
}

/// A delivery of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which message, by its place among all.
    pub message: usize,
    /// The message's id, the same at each delivery.
    pub id: String,
    /// When the delivery is stopped.
    pub until: Timestamp,
    /// Whether the message is given up after it.
    pub last: bool,
}

impl Delivery {
    /// The delivery, as a [lock](crate::lock) knows it.
    #[must_use]
    pub fn run(&self) -> Run<'_> {
        Run {
            message: &self.id,
            until: self.until,
            last: self.last,
        }
    }
}

/// Runs `future` to its end, on a store in memory: it never waits for anything.
///
/// # Panics
/// When it waits for what nobody here drives, such as a timer or a socket.
pub fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut waker = Context::from_waker(Waker::noop());
    for _ in 0..PATIENCE {
        if let Poll::Ready(output) = future.as_mut().poll(&mut waker) {
            return output;
        }
    }
    panic!("the future waits for what nobody drives here, such as a timer or a socket");
}

/// How often what is taken on step by step may pause before it counts as stuck.
const PATIENCE: usize = 100_000;

/// Gives way once, so that others may come in between.
async fn pause() {
    let mut paused = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests;
