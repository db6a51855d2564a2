//! Times.

use crate::support::Invalid;

/// A time by RFC 3339, such as `2026-01-01T12:00:00Z`: as it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct DateTime(String);

impl DateTime {
    /// `text`, if it is one.
    ///
    /// # Errors
    /// That it is none.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        check(&text)?;
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for DateTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for DateTime {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(from)?;
        Self::new(text).map_err(serde::de::Error::custom)
    }
}

/// Whether `text` is a time.
pub(crate) fn check(text: &str) -> Result<(), Invalid> {
    match parts(text.as_bytes()) {
        Some(()) => Ok(()),
        None => Err(Invalid(format!("{text:?} is no time by RFC 3339"))),
    }
}

fn parts(text: &[u8]) -> Option<()> {
    let number = |from: usize, digits: usize| {
        let digits = text.get(from..from + digits)?;
        digits.iter().try_fold(0_u32, |sum, digit| {
            Some(sum * 10 + char::from(*digit).to_digit(10)?)
        })
    };
    let mark = |at: usize, of: &[u8]| text.get(at).filter(|it| of.contains(it)).map(|_| ());
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    mark(4, b"-")?;
    mark(7, b"-")?;
    mark(10, b"Tt")?;
    mark(13, b":")?;
    mark(16, b":")?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let mut at = 19;
    if text.get(at) == Some(&b'.') {
        let digits = text[at + 1..]
            .iter()
            .take_while(|it| it.is_ascii_digit())
            .count();
        at = (digits > 0).then_some(at + 1 + digits)?;
    }
    let offset = match text.get(at)? {
        b'Z' | b'z' => (text.len() == at + 1).then_some(0)?,
        sign @ (b'+' | b'-') => {
            mark(at + 3, b":")?;
            let (hours, minutes) = (number(at + 1, 2)?, number(at + 4, 2)?);
            let fits = text.len() == at + 6 && hours < 24 && minutes < 60;
            let minutes = fits.then_some(i64::from(hours * 60 + minutes))?;
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    // A leap second is the last one of a day of UTC.
    let utc = (i64::from(hour * 60 + minute) - offset).rem_euclid(24 * 60);
    let seconds = if utc == 23 * 60 + 59 { 61 } else { 60 };
    let fits = (1..=days).contains(&day) && hour < 24 && minute < 60 && second < seconds;
    fits.then_some(())
}
