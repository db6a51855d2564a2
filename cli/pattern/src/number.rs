//! Numbers as EventBridge compares them: integers of a millionth, between −5,000,000,000 and 5,000,000,000.
//!
//! Source: the user guide ("-5.0e9 and +5.0e9 inclusive, with 15 digits of precision, or six digits to the right of the
//! decimal point") and Event Ruler's `ComparableNumber`, whose two reasons for a refusal are kept here.

use serde_json::Number;

const SCALE: i64 = 1_000_000;
const LIMIT: i64 = 5_000_000_000;

/// Why a number cannot be compared, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incomparable {
    Range,
    Precision,
}

impl Incomparable {
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Range => "Value must be between -5.0E9 and 5.0E9, inclusive",
            Self::Precision => "Only values upto 6 decimals are supported",
        }
    }
}

/// The number in millionths.
pub(crate) fn millionths(number: &Number) -> Result<i64, Incomparable> {
    if let Some(int) = number.as_i64() {
        return if (-LIMIT..=LIMIT).contains(&int) {
            Ok(int * SCALE)
        } else {
            Err(Incomparable::Range)
        };
    }
    let Some(float) = number.as_f64() else {
        return Err(Incomparable::Range);
    };
    if !(-5e9..=5e9).contains(&float) {
        return Err(Incomparable::Range);
    }
    // A decimal of at most six places is the double nearest to `scaled / 10^6`, and the division finds it again: both
    // operands are exact (5·10^15 < 2^53) and IEEE division rounds once.
    let scaled = (float * 1e6).round();
    if scaled / 1e6 == float {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an integer of at most 5e15"
        )]
        Ok(scaled as i64)
    } else {
        Err(Incomparable::Precision)
    }
}

/// The number for comparing it with bounds, which always lie within the limits: in millionths, what
/// cannot be compared exactly as the double that it is.
pub(crate) fn order(number: &Number) -> f64 {
    millionths(number).map_or_else(|_| number.as_f64().unwrap_or(f64::NAN) * 1e6, |n| n as f64)
}
