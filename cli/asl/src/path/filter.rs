//! Filters, `[?(@.price < 10 && @.kind in ['a','b'])]`, with the operators of Jayway's library.
//!
//! Operators that are words may be written in either case. A number and a text that spells it are equal, an
//! order there is only between two numbers or two texts, and what is missing equals nothing.

use super::Query;
use super::read::Reader;
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A compiled filter.
#[derive(Debug)]
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Exists(Operand),
    Compare(Operand, Operator, Operand),
}

/// One side of a comparison.
#[derive(Debug)]
pub(super) enum Operand {
    /// `@…`, or `$…` where the flag is set.
    Path(Query, bool),
    Value(Value),
    Pattern(Regex),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    SameType,
    NotEqual,
    NotSameType,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Matches,
    In,
    NotIn,
    Contains,
    All,
    Size,
    Empty,
    Exists,
    SubsetOf,
    AnyOf,
    NoneOf,
}

/// Signs, the longer ones first.
const SIGNS: [(&str, Operator); 9] = [
    ("===", Operator::SameType),
    ("!==", Operator::NotSameType),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessEqual),
    (">=", Operator::GreaterEqual),
    ("=~", Operator::Matches),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

const WORDS: [(&str, Operator); 10] = [
    ("in", Operator::In),
    ("nin", Operator::NotIn),
    ("contains", Operator::Contains),
    ("all", Operator::All),
    ("size", Operator::Size),
    ("empty", Operator::Empty),
    ("exists", Operator::Exists),
    ("subsetof", Operator::SubsetOf),
    ("anyof", Operator::AnyOf),
    ("noneof", Operator::NoneOf),
];

impl Filter {
    /// Reads what stands between the filter's parentheses.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Filter, String> {
        let filter = Self::or(reader)?;
        reader.skip();
        Ok(filter)
    }

    fn or(reader: &mut Reader<'_>) -> Result<Filter, String> {
        Self::joined(reader, "||", Self::and, Filter::Or)
    }

    fn and(reader: &mut Reader<'_>) -> Result<Filter, String> {
        Self::joined(reader, "&&", Self::one, Filter::And)
    }

    fn joined(
        reader: &mut Reader<'_>,
        sign: &str,
        part: fn(&mut Reader<'_>) -> Result<Filter, String>,
        join: fn(Vec<Filter>) -> Filter,
    ) -> Result<Filter, String> {
        let mut parts = vec![part(reader)?];
        reader.skip();
        while reader.take(sign) {
            parts.push(part(reader)?);
            reader.skip();
        }
        Ok(match <[_; 1]>::try_from(parts) {
            Ok([one]) => one,
            Err(parts) => join(parts),
        })
    }

    fn one(reader: &mut Reader<'_>) -> Result<Filter, String> {
        reader.skip();
        if reader.depth > 32 {
            return Err("a filter nests too deep".into());
        }
        if reader.take("!") {
            reader.depth += 1;
            let inner = Self::one(reader)?;
            reader.depth -= 1;
            return Ok(Filter::Not(Box::new(inner)));
        }
        if reader.take("(") {
            reader.depth += 1;
            let inner = Self::or(reader)?;
            reader.depth -= 1;
            reader.skip();
            if !reader.take(")") {
                return Err("a '(' is not closed".into());
            }
            return Ok(inner);
        }
        let left = Operand::read(reader)?;
        reader.skip();
        if let Some(operator) = operator(reader) {
            reader.skip();
            return Ok(Filter::Compare(left, operator, Operand::read(reader)?));
        }
        match left {
            Operand::Path(..) => Ok(Filter::Exists(left)),
            _ => Err(format!("an operator is missing before '{}'", reader.rest)),
        }
    }

    /// Whether `item`, an element, passes.
    pub(super) fn holds(&self, item: &Value, root: &Value) -> bool {
        match self {
            Filter::And(all) => all.iter().all(|f| f.holds(item, root)),
            Filter::Or(any) => any.iter().any(|f| f.holds(item, root)),
            Filter::Not(one) => !one.holds(item, root),
            Filter::Exists(operand) => operand.value(item, root).is_some(),
            Filter::Compare(left, operator, right) => {
                if *operator == Operator::Matches {
                    return left.matches(right, item, root);
                }
                let (left, right) = (left.value(item, root), right.value(item, root));
                operator.holds(left.as_deref(), right.as_deref())
            }
        }
    }
}

fn operator(reader: &mut Reader<'_>) -> Option<Operator> {
    for (sign, operator) in SIGNS {
        if reader.take(sign) {
            return Some(operator);
        }
    }
    let word = &reader.rest[..reader
        .rest
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(reader.rest.len())];
    let (_, operator) = WORDS.iter().find(|(w, _)| word.eq_ignore_ascii_case(w))?;
    reader.rest = &reader.rest[word.len()..];
    Some(*operator)
}

impl Operand {
    fn read(reader: &mut Reader<'_>) -> Result<Operand, String> {
        reader.skip();
        if reader.take("@") {
            return Ok(Operand::Path(reader.query(true)?, false));
        }
        if reader.take("$") {
            return Ok(Operand::Path(reader.query(true)?, true));
        }
        if reader.take("/") {
            return pattern(reader).map(Operand::Pattern);
        }
        literal(reader).map(Operand::Value)
    }

    fn value<'a>(&'a self, item: &'a Value, root: &'a Value) -> Option<Cow<'a, Value>> {
        match self {
            Operand::Path(query, from_root) => {
                query.value(if *from_root { root } else { item }, root)
            }
            Operand::Value(value) => Some(Cow::Borrowed(value)),
            Operand::Pattern(_) => None,
        }
    }

    /// `=~`: the whole text; of an array, any element.
    fn matches(&self, other: &Operand, item: &Value, root: &Value) -> bool {
        let ((Operand::Pattern(pattern), operand) | (operand, Operand::Pattern(pattern))) =
            (self, other)
        else {
            return false;
        };
        let whole = |value: &Value| match value {
            Value::String(text) => pattern.is_match(text),
            Value::Number(_) | Value::Bool(_) => pattern.is_match(&value.to_string()),
            _ => false,
        };
        match operand.value(item, root).as_deref() {
            Some(Value::Array(items)) => items.iter().any(whole),
            Some(value) => whole(value),
            None => false,
        }
    }
}

impl Operator {
    fn holds(self, left: Option<&Value>, right: Option<&Value>) -> bool {
        let list = |value: Option<&Value>, test: &dyn Fn(&[Value]) -> bool| {
            value
                .and_then(Value::as_array)
                .is_some_and(|items| test(items))
        };
        let within = |value: &Value, items: &[Value]| items.iter().any(|i| equal(value, i));
        let sets = |test: &dyn Fn(&[Value], &[Value]) -> bool| {
            list(left, &|left| list(right, &|right| test(left, right)))
        };
        let both = left.zip(right);
        match self {
            Operator::Equal => both.is_some_and(|(l, r)| equal(l, r)),
            Operator::NotEqual => !both.is_some_and(|(l, r)| equal(l, r)),
            Operator::SameType => both.is_some_and(|(l, r)| same(l, r)),
            Operator::NotSameType => !both.is_some_and(|(l, r)| same(l, r)),
            Operator::Less => both.and_then(order).is_some_and(Ordering::is_lt),
            Operator::LessEqual => both.and_then(order).is_some_and(Ordering::is_le),
            Operator::Greater => both.and_then(order).is_some_and(Ordering::is_gt),
            Operator::GreaterEqual => both.and_then(order).is_some_and(Ordering::is_ge),
            Operator::In => left.is_some_and(|l| list(right, &|r| within(l, r))),
            Operator::NotIn => !left.is_some_and(|l| list(right, &|r| within(l, r))),
            Operator::Contains => match both {
                Some((Value::String(l), Value::String(r))) => l.contains(r.as_str()),
                Some((Value::Array(l), r)) => within(r, l),
                _ => false,
            },
            Operator::All => sets(&|l, r| r.iter().all(|r| within(r, l))),
            Operator::SubsetOf => sets(&|l, r| l.iter().all(|l| within(l, r))),
            Operator::AnyOf => sets(&|l, r| l.iter().any(|l| within(l, r))),
            Operator::NoneOf => sets(&|l, r| !l.iter().any(|l| within(l, r))),
            Operator::Size => {
                let size = match left {
                    Some(Value::String(text)) => text.encode_utf16().count(),
                    Some(Value::Array(items)) => items.len(),
                    _ => return false,
                };
                right.and_then(Value::as_f64) == Some(size as f64)
            }
            Operator::Empty => {
                let empty = match left {
                    Some(Value::String(text)) => text.is_empty(),
                    Some(Value::Array(items)) => items.is_empty(),
                    Some(Value::Object(map)) => map.is_empty(),
                    _ => return false,
                };
                right.and_then(Value::as_bool) == Some(empty)
            }
            Operator::Exists => right.and_then(Value::as_bool) == Some(left.is_some()),
            // Done where the pattern is.
            Operator::Matches => false,
        }
    }
}

/// Equality over the border between numbers and texts: a text that spells the number.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || (a.as_i64().is_none() || b.as_i64().is_none()) && a.as_f64() == b.as_f64()
        }
        (Value::Number(n), Value::String(s)) | (Value::String(s), Value::Number(n)) => {
            n.to_string() == *s
        }
        _ => a == b,
    }
}

fn same(a: &Value, b: &Value) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b) && equal(a, b)
}

fn order((a, b): (&Value, &Value)) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// `…/flags`, after the first slash. As in Java's `matches`, the whole text must match.
fn pattern(reader: &mut Reader<'_>) -> Result<Regex, String> {
    let mut escaped = false;
    let source = reader.until(|c| {
        let end = c == '/' && !escaped;
        escaped = c == '\\' && !escaped;
        end
    });
    if !reader.take("/") {
        return Err("a regular expression is not closed".into());
    }
    let flags = reader.until(|c| !c.is_ascii_alphabetic());
    RegexBuilder::new(&format!(r"\A(?:{})\z", source.replace("\\/", "/")))
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .dot_matches_new_line(flags.contains('s'))
        .ignore_whitespace(flags.contains('x'))
        .size_limit(1 << 20)
        .build()
        .map_err(|e| format!("'/{source}/' is not a regular expression: {e}"))
}

/// A JSON value, with single quotes too, or a text without any: one word.
pub(super) fn literal(reader: &mut Reader<'_>) -> Result<Value, String> {
    reader.skip();
    if reader.rest.starts_with(['\'', '"']) {
        return reader.quoted().map(Value::String);
    }
    if reader.take("[") {
        let mut items = Vec::new();
        reader.skip();
        if reader.take("]") {
            return Ok(Value::Array(items));
        }
        reader.depth += 1;
        if reader.depth > 64 {
            return Err("a list nests too deep".into());
        }
        loop {
            items.push(literal(reader)?);
            reader.skip();
            if reader.take("]") {
                reader.depth -= 1;
                return Ok(Value::Array(items));
            }
            if !reader.take(",") {
                return Err("a list is not closed".into());
            }
        }
    }
    if reader.rest.starts_with('{') {
        let mut stream = serde_json::Deserializer::from_str(reader.rest).into_iter::<Value>();
        let value = stream
            .next()
            .and_then(Result::ok)
            .ok_or("an object in a filter is not JSON")?;
        reader.rest = &reader.rest[stream.byte_offset()..];
        return Ok(value);
    }
    let word = reader.until(|c| c.is_whitespace() || ")],&|=<>!~".contains(c));
    if word.is_empty() {
        return Err(format!("a value is missing before '{}'", reader.rest));
    }
    Ok(match serde_json::from_str::<Value>(word) {
        Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value,
        _ => word.into(),
    })
}
