//! When to try again.
//!
//! Owns choosing a retrier and computing its delay. The attempts made so far
//! are the execution's to remember.

use crate::failure::Failure;
use crate::model::Retrier;

/// The first retrier that names `failure`; only that one counts.
pub(crate) fn choose(retriers: &[Retrier], failure: &Failure) -> Option<usize> {
    retriers
        .iter()
        .position(|r| r.errors.iter().any(|name| failure.matches(name)))
}

impl Retrier {
    /// Milliseconds to wait before attempt number `made` + 1, or `None` when all are spent.
    /// Full jitter draws evenly between nothing and the computed delay.
    pub(crate) fn delay(&self, made: u32, random: &mut fastrand::Rng) -> Option<i64> {
        if made >= self.max_attempts {
            return None;
        }
        // Beyond a few hundred doublings every delay is capped below anyway.
        let power = i32::try_from(made.min(1_000)).unwrap_or(1_000);
        let mut seconds = self.interval_seconds * self.backoff_rate.powi(power);
        if let Some(max) = self.max_delay_seconds {
            seconds = seconds.min(max);
        }
        if self.full_jitter {
            seconds *= random.f64();
        }
        // A year at most: nothing runs longer.
        Some((seconds.min(31_536_000.0) * 1_000.0).round() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retrier() -> Retrier {
        Retrier {
            errors: vec!["States.ALL".into()],
            interval_seconds: 2.0,
            max_attempts: 4,
            backoff_rate: 3.0,
            max_delay_seconds: Some(20.0),
            full_jitter: false,
        }
    }

    #[test]
    fn delays_grow_to_their_cap_and_end() {
        let mut random = fastrand::Rng::with_seed(1);
        let delays: Vec<_> = (0..5).map(|n| retrier().delay(n, &mut random)).collect();
        assert_eq!(
            delays,
            [Some(2_000), Some(6_000), Some(18_000), Some(20_000), None]
        );
    }

    #[test]
    fn full_jitter_stays_within_the_delay() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut jittered = retrier();
        jittered.full_jitter = true;
        let drawn: Vec<_> = (0..200)
            .filter_map(|_| jittered.delay(1, &mut random))
            .collect();
        assert!(drawn.iter().all(|d| (0..=6_000).contains(d)));
        assert!(drawn.iter().any(|d| *d < 1_000) && drawn.iter().any(|d| *d > 5_000));
    }
}
