//! How long a call may take: as long as the invocation that makes it has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept};
use aws_sdk_dynamodb::error::BoxError;
use duet_core::{Clock, SystemClock, Timestamp};

/// What is kept back at most, to say how the invocation went.
const LAST_WORD: Duration = Duration::from_millis(500);

/// What a call may take while no invocation runs: during start-up.
const UNBOUND: Duration = Duration::from_secs(5);

/// When the running invocation is stopped. A function's clients share it (it is
/// an interceptor of their calls), as one process runs one invocation at a time.
#[derive(Debug, Clone, Default)]
pub struct Deadline(Arc<AtomicI64>);

impl Deadline {
    /// An invocation begins that is stopped at `at`.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.as_millisecond(), Ordering::Relaxed);
    }

    /// How long calls may still take: what is left, less a fifth and at most
    /// half a second, in which to say how it went.
    #[must_use]
    pub fn left(&self) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            0 => UNBOUND,
            at => usable(at.saturating_sub(SystemClock.now().as_millisecond())),
        }
    }

    /// Waits for up to `most`, full jitter; `false`, at once, when there is no
    /// time for it.
    pub async fn pause(&self, most: Duration) -> bool {
        if self.left() <= most {
            return false;
        }
        tokio::time::sleep(most.mul_f64(fastrand::f64())).await;
        true
    }
}

/// What of `left` milliseconds calls may take.
fn usable(left: i64) -> Duration {
    let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
    left - LAST_WORD.min(left / 5)
}

/// The limits of a call that may take `left` in all: an attempt that hangs
/// leaves time for a second one.
fn limits(left: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_timeout(left)
        .operation_attempt_timeout(left / 2)
        .build()
}

impl Intercept for Deadline {
    fn name(&self) -> &'static str {
        "Deadline"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(limits(self.left()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_ends_before_the_invocation_does() {
        for (left, calls) in [
            (60_000, 59_500),
            (3_000, 2_500),
            (1_000, 800),
            (0, 0),
            (-5, 0),
        ] {
            let most = usable(left);
            assert_eq!(most, Duration::from_millis(calls), "{left}");
            let limits = limits(most);
            assert_eq!(limits.operation_timeout(), Some(most));
            assert_eq!(limits.operation_attempt_timeout(), Some(most / 2));
        }
    }

    #[test]
    fn what_is_left_is_told_to_all_who_share_it() {
        let deadline = Deadline::default();
        let shared = deadline.clone();
        assert_eq!(shared.left(), UNBOUND);
        deadline.set(SystemClock.now() + Duration::from_secs(3));
        let left = shared.left();
        assert!(left <= Duration::from_millis(2_500) && left > Duration::from_secs(1));
        deadline.set(SystemClock.now() - Duration::from_secs(3));
        assert!(shared.left().is_zero());
    }
}
