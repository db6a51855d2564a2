//! The clock port. Business time never comes from anywhere else.

use std::sync::Arc;

pub use jiff::Timestamp;
/// A time that may be absent, on the wire as milliseconds since the epoch.
pub use jiff::fmt::serde::timestamp::millisecond::optional as optional_millis;

/// Tells the time.
pub trait Clock: Clone + Send + Sync + 'static {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the port's real adapter")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that shows what it is told to: for tests and simulated worlds.
impl<F: Fn() -> Timestamp + Send + Sync + 'static> Clock for Arc<F> {
    fn now(&self) -> Timestamp {
        self()
    }
}

/// What is more than this many seconds off is far off.
pub const FAR_SECONDS: u32 = 60 * 60;

/// Whether `due` is far off at `now`.
#[must_use]
pub fn is_far(now: Timestamp, due: Timestamp) -> bool {
    due > after(now, FAR_SECONDS)
}

/// `at` plus `seconds`, held at the end of time rather than overflowing.
#[must_use]
pub fn after(at: Timestamp, seconds: u32) -> Timestamp {
    at.saturating_add(jiff::SignedDuration::from_secs(i64::from(seconds)))
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_more_than_an_hour_off_is_far_off() {
        let now = Timestamp::UNIX_EPOCH;
        for (seconds, far) in [(0, false), (3_600, false), (3_601, true)] {
            assert_eq!(is_far(now, after(now, seconds)), far, "{seconds} s");
        }
    }
}
