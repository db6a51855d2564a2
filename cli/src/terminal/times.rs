//! Times and rates as people write them.

use duet_core::Timestamp;

/// A point in time, as people say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// By the calendar.
    At(Timestamp),
    /// So many seconds ago.
    Ago(i64),
}

impl When {
    /// The time that is meant, now being `now`.
    pub(crate) fn given(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(seconds) => {
                let ago = jiff::SignedDuration::from_secs(seconds);
                now.saturating_sub(ago).unwrap_or(Timestamp::MIN)
            }
        }
    }
}

/// A time, or how long ago.
pub(crate) fn when(text: &str) -> Result<When, String> {
    if let Ok(at) = text.parse() {
        return Ok(When::At(at));
    }
    seconds(text).map(When::Ago).map_err(|_| {
        "write a time such as 2026-01-31T12:00:00Z, or how long ago, such as 2h".to_owned()
    })
}

/// So many a second.
pub(crate) fn rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).parse();
    match number {
        Ok(number @ 1..=10_000) => Ok(number),
        _ => Err("write events a second, from 1/s to 10000/s".to_owned()),
    }
}

/// A time such as `90s` or `1h 30m`, in seconds.
pub(crate) fn seconds(text: &str) -> Result<i64, String> {
    let time: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "write a time such as 30m, 1h or 48h".to_owned())?;
    if time.is_negative() {
        return Err("a time is not negative".to_owned());
    }
    Ok(time.as_secs())
}

/// A span of time as people say it, with two parts at most: `45 s`, `3 min`,
/// `1 h 05 min`, `2 d 3 h`.
#[must_use]
pub fn span(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    match seconds {
        ..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..DAY => format!("{} h {:02} min", seconds / HOUR, seconds % HOUR / MINUTE),
        _ => format!("{} d {} h", seconds / DAY, seconds % DAY / HOUR),
    }
}

/// Milliseconds as people say them: `840 ms`, `2.4 s`, and from a minute on a [`span`].
#[must_use]
pub fn millis(millis: i64) -> String {
    match millis {
        ..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{:.1} s", millis as f64 / 1_000.0),
        _ => span(millis / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_parts_at_most() {
        for (seconds, said) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_900, "1 h 05 min"),
            (86_400, "1 d 0 h"),
            (189_000, "2 d 4 h"),
        ] {
            assert_eq!(span(seconds), said);
        }
        assert_eq!(millis(840), "840 ms");
        assert_eq!(millis(2_449), "2.4 s");
        assert_eq!(millis(61_000), "1 min");
    }
}
