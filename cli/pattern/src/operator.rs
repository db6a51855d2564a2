//! The operators on one value. This module must not know fields, arrays or how patterns are written.

use std::net::IpAddr;

use serde_json::{Number, Value};

use crate::address::{self, Block};
use crate::fold::Folded;
use crate::number::{millionths, order};
use crate::wildcard::Wildcard;

/// One way in which a leaf of an event may be what a pattern asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operator {
    Text(Box<str>),
    Address(IpAddr),
    Number {
        exact: Number,
        millionths: Option<i64>,
    },
    Bool(bool),
    Null,
    Prefix(Box<str>),
    Suffix(Box<str>),
    IgnoreCase(Folded),
    PrefixIgnoreCase(Folded),
    SuffixIgnoreCase(Folded),
    Wildcard(Wildcard),
    Cidr(Block),
    Numeric {
        low: Option<Bound>,
        high: Option<Bound>,
    },
    Exists,
    /// Holds for no value at all, only for their absence, which is not this module's to see.
    Absent,
    /// `anything-but`: none of these.
    NoneOf(Vec<Operator>),
}

/// One end of a numeric range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) millionths: i64,
    pub(crate) inclusive: bool,
}

/// An operator with the JSON that asked for it, for explanations.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Test {
    pub(crate) operator: Operator,
    pub(crate) source: Box<str>,
}

impl Operator {
    /// Whether a leaf (a string, number, boolean or null) is what this operator asks for.
    pub(crate) fn accepts(&self, leaf: &Value) -> bool {
        match (self, leaf) {
            (Self::Text(wanted), Value::String(text)) => **wanted == **text,
            (Self::Address(wanted), Value::String(text)) => address::parse(text) == Some(*wanted),
            (
                Self::Number {
                    exact,
                    millionths: wanted,
                },
                Value::Number(number),
            ) => number == exact || (wanted.is_some() && millionths(number).ok() == *wanted),
            (Self::Bool(wanted), Value::Bool(flag)) => wanted == flag,
            (Self::Null, Value::Null) | (Self::Exists, _) => true,
            (Self::Prefix(prefix), Value::String(text)) => text.starts_with(&**prefix),
            (Self::Suffix(suffix), Value::String(text)) => text.ends_with(&**suffix),
            (Self::IgnoreCase(wanted), Value::String(text)) => wanted.equals(text),
            (Self::PrefixIgnoreCase(prefix), Value::String(text)) => prefix.begins(text),
            (Self::SuffixIgnoreCase(suffix), Value::String(text)) => suffix.ends(text),
            (Self::Wildcard(wildcard), Value::String(text)) => wildcard.matches(text),
            (Self::Cidr(block), Value::String(text)) => {
                address::parse(text).is_some_and(|ip| block.holds(ip))
            }
            (Self::Numeric { low, high }, Value::Number(number)) => {
                let n = order(number);
                // Bounds are at most 5·10^15 millionths, which a double holds exactly.
                let above = |bound: Bound| {
                    let m = bound.millionths as f64;
                    n > m || (bound.inclusive && n == m)
                };
                let below = |bound: Bound| {
                    let m = bound.millionths as f64;
                    n < m || (bound.inclusive && n == m)
                };
                low.is_none_or(above) && high.is_none_or(below)
            }
            (Self::NoneOf(refused), leaf) => !refused.iter().any(|operator| operator.accepts(leaf)),
            _ => false,
        }
    }
}
