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
