//! How long a step is tried before it is given up: by the clock.
//!
//! Counting tries cannot say it: between tries lie waits that are drawn, so one
//! count means a minute here and half of it there. What is counted besides are
//! the tries it takes at least, so that one try that was killed, and came back
//! only much later, does not cost the whole patience.

use jiff::SignedDuration;

use crate::Timestamp;

/// The greatest wait between two tries, in seconds.
pub const MAX_WAIT_SECONDS: u32 = 10;

/// The greatest wait after `tries` tries, in seconds: 1, 2, 4, 8, 10, 10, …
///
/// The wait itself is drawn between none and this ("full jitter"), by the
/// retriers of a workflow and by a queue's entry alike.
#[must_use]
pub fn greatest_wait(tries: u32) -> u32 {
    let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
    doubled.min(MAX_WAIT_SECONDS)
}

/// The first try that may be the last one under a patience of `seconds`: there
/// are so many greatest waits before it that they sum to the patience.
#[must_use]
pub fn least_tries(seconds: u32) -> u32 {
    let (mut tries, mut waited) = (1, 0_u32);
    while waited < seconds {
        waited = waited.saturating_add(greatest_wait(tries));
        tries += 1;
    }
    tries
}

/// Whether the try number `tries` that begins at `now` is the last one of a
/// step that is tried since `since`: a patience of `seconds` is over, and it
/// was tried often enough.
#[must_use]
pub fn is_spent(seconds: u32, since: Timestamp, now: Timestamp, tries: u32) -> bool {
    let patience = SignedDuration::from_secs(i64::from(seconds));
    now.duration_since(since) >= patience && tries >= least_tries(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_ten_seconds() {
        let waits: Vec<u32> = (0..8).map(greatest_wait).collect();
        assert_eq!(waits, [1, 1, 2, 4, 8, 10, 10, 10]);
        assert_eq!(greatest_wait(u32::MAX), 10);
    }

    #[test]
    fn the_tries_it_takes_are_those_whose_greatest_waits_sum_to_the_patience() {
        for (seconds, tries) in [(0, 1), (1, 2), (5, 4), (8, 5), (20, 6), (60, 10), (75, 11)] {
            assert_eq!(least_tries(seconds), tries, "{seconds} s");
        }
    }

    #[test]
    fn a_try_is_the_last_when_both_clock_and_count_say_so() {
        let since = Timestamp::UNIX_EPOCH;
        let after = |seconds| since + SignedDuration::from_secs(seconds);
        for (seconds, tries, spent) in [
            (59, 10, false),
            (60, 9, false),
            (60, 10, true),
            // Killed once, and back a minute later: not given up for that.
            (61, 2, false),
            (3_600, 31, true),
            // A clock that went back.
            (-5, 31, false),
        ] {
            assert_eq!(
                is_spent(60, since, after(seconds), tries),
                spent,
                "{seconds} s, try {tries}"
            );
        }
    }
}
