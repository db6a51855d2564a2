//! Numbers as schemas bound them: whole ones exactly, the rest as they are read.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// A number of a schema or a document.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Num {
    /// A whole number, exactly.
    Whole(i128),
    /// Any other.
    Real(f64),
}

/// The greatest whole number that a double still tells from its neighbours.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Num {
    /// The number that `value` is, if it is one.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        let Value::Number(number) = value else {
            return None;
        };
        let whole = number.as_i64().map(i128::from);
        let whole = whole.or_else(|| number.as_u64().map(i128::from));
        match whole {
            Some(whole) => Some(Self::Whole(whole)),
            None => Some(Self::real(number.as_f64()?)),
        }
    }

    fn real(real: f64) -> Self {
        if real.fract() == 0.0 && real.abs() <= EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
            return Self::Whole(real as i128);
        }
        Self::Real(real)
    }

    fn as_real(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "only compared with a double")]
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }

    /// Whether it has no fraction.
    pub(crate) fn is_whole(self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Real(real) => real.fract() == 0.0,
        }
    }

    /// It and `more`.
    pub(crate) fn plus(self, more: f64) -> Self {
        match (self, Self::real(more)) {
            (Self::Whole(a), Self::Whole(b)) => Self::Whole(a.saturating_add(b)),
            _ => Self::real(self.as_real() + more),
        }
    }

    /// Whether it is a multiple of `of`; `None` when that cannot be said exactly.
    pub(crate) fn is_multiple(self, of: Self) -> Option<bool> {
        match (self, of) {
            (Self::Whole(it), Self::Whole(of)) if of != 0 => Some(it % of == 0),
            _ => None,
        }
    }

    /// The whole number next to it on the way `up` or down; itself if it is one.
    pub(crate) fn rounded(self, up: bool) -> Self {
        match self {
            Self::Whole(_) => self,
            Self::Real(real) if up => Self::real(real.ceil()),
            Self::Real(real) => Self::real(real.floor()),
        }
    }

    /// As JSON has it, where JSON has it.
    pub(crate) fn value(self) -> Option<Value> {
        let number = match self {
            Self::Whole(whole) => match (i64::try_from(whole), u64::try_from(whole)) {
                (Ok(small), _) => Some(Number::from(small)),
                (_, Ok(great)) => Some(Number::from(great)),
                _ => None,
            },
            Self::Real(real) => Number::from_f64(real),
        };
        number.map(Value::Number)
    }
}

impl PartialEq for Num {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Num {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(b)),
            _ => self.as_real().partial_cmp(&other.as_real()),
        }
    }
}

/// The numbers that a type admits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Range {
    /// Whether only whole ones.
    pub(crate) whole: bool,
    /// The least, and whether it is itself outside.
    pub(crate) low: Option<(Num, bool)>,
    /// The greatest, and whether it is itself outside.
    pub(crate) high: Option<(Num, bool)>,
    /// What it is a multiple of: of each.
    pub(crate) multiples: Vec<Num>,
}

impl Range {
    /// Whether `number` is in it; `None` when that cannot be said exactly.
    pub(crate) fn has(&self, number: Num) -> Option<bool> {
        let above = self.low.is_none_or(|(low, out)| match out {
            true => number > low,
            false => number >= low,
        });
        let below = self.high.is_none_or(|(high, out)| match out {
            true => number < high,
            false => number <= high,
        });
        if !above || !below || (self.whole && !number.is_whole()) {
            return Some(false);
        }
        let multiples = self.multiples.iter().map(|of| number.is_multiple(*of));
        multiples.reduce(both).unwrap_or(Some(true))
    }

    /// What is in this and in `other`.
    pub(crate) fn and(mut self, other: Self) -> Self {
        let tighter = |a: Option<(Num, bool)>, b: Option<(Num, bool)>, up: bool| match (a, b) {
            (Some(a), Some(b)) if a.0 == b.0 => Some((a.0, a.1 || b.1)),
            (Some(a), Some(b)) => Some(if (a.0 > b.0) == up { a } else { b }),
            (a, b) => a.or(b),
        };
        self.low = tighter(self.low, other.low, true);
        self.high = tighter(self.high, other.high, false);
        self.whole |= other.whole;
        self.multiples.extend(other.multiples);
        self.tight()
    }

    /// The same numbers, with bounds that are whole themselves if all are.
    pub(crate) fn tight(mut self) -> Self {
        if self.whole {
            let inner = |(bound, out): (Num, bool), up: bool| {
                let step = if up { 1.0 } else { -1.0 };
                match (bound.is_whole(), out) {
                    (true, true) => (bound.plus(step), false),
                    _ => (bound.rounded(up), false),
                }
            };
            self.low = self.low.map(|low| inner(low, true));
            self.high = self.high.map(|high| inner(high, false));
        }
        self
    }

    /// Whether each number in it is surely in `other`.
    pub(crate) fn within(&self, other: &Self) -> bool {
        let low = match (self.low, other.low) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(a), Some(b)) => a.0 > b.0 || (a.0 == b.0 && (a.1 || !b.1)),
        };
        let high = match (self.high, other.high) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(a), Some(b)) => a.0 < b.0 || (a.0 == b.0 && (a.1 || !b.1)),
        };
        let multiples = other.multiples.iter().all(|of| {
            let mut own = self.multiples.iter();
            own.any(|own| own == of || own.is_multiple(*of) == Some(true))
                || (self.whole && *of == Num::Whole(1))
        });
        low && high && multiples && (self.whole || !other.whole)
    }

    /// Whether nothing is surely in it.
    pub(crate) fn is_empty(&self) -> bool {
        match (self.low, self.high) {
            (Some(low), Some(high)) => low.0 > high.0 || (low.0 == high.0 && (low.1 || high.1)),
            _ => false,
        }
    }

    /// The same near its own ends, as JSON has them.
    pub(crate) fn values(&self) -> Vec<Value> {
        let samples = self.samples(None).into_iter();
        samples.filter_map(Num::value).collect()
    }

    /// Numbers near its ends and near those of `other`: where a difference shows.
    pub(crate) fn samples(&self, other: Option<&Self>) -> Vec<Num> {
        let bounds = |range: &Self| [range.low, range.high].into_iter().flatten().map(|it| it.0);
        let mut around: Vec<Num> = bounds(self).collect();
        around.extend(other.into_iter().flat_map(bounds));
        around.push(Num::Whole(0));
        if let (Some((low, _)), Some((high, _))) = (self.low, self.high) {
            around.push(Num::real(f64::midpoint(low.as_real(), high.as_real())));
        }
        let steps = [0.0, 1.0, -1.0, 0.5, -0.5];
        let mut all: Vec<Num> = around
            .iter()
            .flat_map(|it| steps.map(|step| it.plus(step)))
            .collect();
        for of in &self.multiples {
            let Num::Whole(of) = of else { continue };
            let near = around.iter().filter_map(|it| match it.rounded(false) {
                Num::Whole(it) if *of != 0 => Some(it - it.rem_euclid(*of)),
                _ => None,
            });
            let near: Vec<i128> = near.collect();
            let steps = near.iter().flat_map(|it| [*it, it + of, it - of]);
            all.extend(steps.map(Num::Whole));
        }
        all.retain(|it| self.has(*it) == Some(true) && it.value().is_some());
        all
    }
}

/// Whether two things hold, of which each may be unknown.
pub(crate) fn both(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// The whole numbers that a `format` of an integer stands for, as schemas made
/// from Rust (`uint32`) and OpenAPI (`int32`, `int64`) say it.
pub(crate) fn of_format(format: &str) -> Option<(i128, i128)> {
    let (unsigned, bits) = match format.strip_prefix('u') {
        Some(rest) => (true, rest.strip_prefix("int")?),
        None => (false, format.strip_prefix("int")?),
    };
    let bits: u32 = match bits {
        "" => 64,
        bits => bits.parse().ok()?,
    };
    match (unsigned, bits) {
        (true, 8 | 16 | 32 | 64) => Some((0, (1_i128 << bits) - 1)),
        (false, 8 | 16 | 32 | 64) => Some((-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1)),
        _ => None,
    }
}
