//! Functions at the end of a path, as Jayway's library has them.

use super::{Query, number};
use serde_json::Value;
use std::borrow::Cow;

/// A function with its arguments.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) function: Function,
    pub(super) args: Vec<Arg>,
}

/// An argument: a value, or a path from the root.
#[derive(Debug)]
pub(super) enum Arg {
    Value(Value),
    Path(Query),
}

impl Call {
    /// The function of a value; nothing where the library fails. `root` is what the arguments start from.
    pub(super) fn apply(&self, value: &Value, root: &Value) -> Option<Value> {
        if self.args.is_empty() {
            return self.function.apply(value);
        }
        let args = self
            .args
            .iter()
            .map(|arg| match arg {
                Arg::Value(value) => Some(Cow::Borrowed(value)),
                Arg::Path(query) => query.value(root, root),
            })
            .collect::<Option<Vec<_>>>()?;
        match self.function {
            Function::Index => {
                let items = value.as_array()?;
                let at = super::position(args.first()?.as_i64()?, items.len())?;
                items.get(at).cloned()
            }
            Function::Append => {
                let mut items = value.as_array()?.clone();
                items.extend(args.into_iter().map(Cow::into_owned));
                Some(items.into())
            }
            // Of the value's own elements, if it has some, and of the arguments.
            function => {
                let mut all = value.as_array().cloned().unwrap_or_default();
                for arg in args {
                    match arg.into_owned() {
                        Value::Array(items) => all.extend(items),
                        item => all.push(item),
                    }
                }
                function.apply(&all.into())
            }
        }
    }
}

/// What a function is called.
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
    Index,
    Append,
    Concat,
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
            "index" => Function::Index,
            "append" => Function::Append,
            "concat" => Function::Concat,
            _ => return None,
        })
    }

    fn apply(self, value: &Value) -> Option<Value> {
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
            Function::Concat => {
                let texts = value.as_array()?.iter().filter_map(Value::as_str);
                Some(texts.collect::<String>().into())
            }
            Function::Index | Function::Append => None,
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
