//! Functions at the end of a path, as Jayway's library has them.

use super::number;
use serde_json::Value;

/// A function without arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Length,
    Min,
    Max,
    Sum,
    Avg,
    StdDev,
    Keys,
    First,
    Last,
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "length" | "size" => Function::Length,
            "min" => Function::Min,
            "max" => Function::Max,
            "sum" => Function::Sum,
            "avg" => Function::Avg,
            "stddev" => Function::StdDev,
            "keys" => Function::Keys,
            "first" => Function::First,
            "last" => Function::Last,
            _ => return None,
        })
    }

    /// The function of a value; nothing where the library fails.
    pub(super) fn apply(self, value: &Value) -> Option<Value> {
        match self {
            Function::Length => match value {
                Value::Array(a) => Some(a.len().into()),
                Value::Object(o) => Some(o.len().into()),
                // A Java string counts in UTF-16.
                Value::String(s) => Some(s.encode_utf16().count().into()),
                _ => None,
            },
            Function::Keys => value
                .as_object()
                .map(|map| map.keys().map(String::as_str).map(Value::from).collect()),
            Function::First => value.as_array()?.first().cloned(),
            Function::Last => value.as_array()?.last().cloned(),
            _ => self.aggregate(value),
        }
    }

    /// What is no number is left out; of no number at all there is no aggregate.
    fn aggregate(self, value: &Value) -> Option<Value> {
        let numbers: Vec<f64> = value.as_array()?.iter().filter_map(Value::as_f64).collect();
        if numbers.is_empty() {
            return None;
        }
        let count = numbers.len() as f64;
        let sum: f64 = numbers.iter().sum();
        Some(number(match self {
            Function::Min => numbers.iter().copied().fold(f64::INFINITY, f64::min),
            Function::Max => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Function::Avg => sum / count,
            Function::StdDev => {
                let squares: f64 = numbers.iter().map(|n| n * n).sum();
                (squares / count - (sum / count).powi(2)).max(0.0).sqrt()
            }
            _ => sum,
        }))
    }
}
