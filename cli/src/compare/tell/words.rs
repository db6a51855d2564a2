//! Numbers and lists, as one says them.

use crate::compare::time::Spread;

/// `n` with its thousands apart.
pub(super) fn grouped(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if n < 0 { format!("-{text}") } else { text }
}

/// `value` with so many decimals, and its thousands apart.
pub(in crate::compare) fn decimal(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let whole = grouped(whole.parse().unwrap_or(0));
    let sign = if value < 0.0 && text.contains(|c: char| ('1'..='9').contains(&c)) {
        "-"
    } else {
        ""
    };
    format!("{sign}{whole}{rest}")
}

/// US dollars, to the cent, or as small as they are.
pub(super) fn dollars(usd: f64) -> String {
    let cents = (usd * 100.0).round() as i64;
    match cents {
        0 if usd > 0.0 => "< 0.01".to_owned(),
        _ => decimal(usd, 2),
    }
}

/// A quantile with the range it lies in.
pub(in crate::compare) fn ranged(spread: &Spread, name: &str, value: i64) -> String {
    match spread.range.get(name) {
        None => "none".to_owned(),
        Some([least, most]) => {
            format!(
                "{} [{} to {}]",
                grouped(value),
                grouped(*least),
                grouped(*most)
            )
        }
    }
}

/// A time that is long enough to be waited for.
pub(super) fn lasting(ms: i64) -> String {
    let seconds = ms as f64 / 1_000.0;
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 5_400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}

/// `many` of something, as one says it.
pub(super) fn counted(many: usize, what: &str) -> String {
    match many {
        0 => format!("no {what}"),
        1 => format!("one {what}"),
        many => format!("{many} {what}s"),
    }
}

/// `names` as one says them.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(-1_000), "-1,000");
        assert_eq!(dollars(1_234.567), "1,234.57");
        assert_eq!(dollars(0.001), "< 0.01");
        assert_eq!(dollars(0.0), "0.00");
        assert_eq!(lasting(1_234), "1.2 s");
        assert_eq!(lasting(240_000), "4 min");
        assert_eq!(lasting(7_200_000), "2.0 h");
    }
}
