//! The intrinsic functions of JSONPath states (`States.Format(...)` and its kin).
//!
//! Owns their grammar, read once, and their semantics. Limits and behaviour:
//! Step Functions developer guide, "Intrinsic functions for JSONPath states".

use crate::env::{Env, digest, uuid};
use crate::failure::Failure;
use crate::path::Path;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// Functions may nest this deep in one field.
const MAX_DEPTH: usize = 10;
/// Characters that may be hashed, encoded or decoded.
const MAX_TEXT: usize = 10_000;
/// Items `States.ArrayRange` may make.
const MAX_RANGE: i64 = 1_000;

/// A compiled call.
#[derive(Debug)]
pub(crate) struct Call {
    source: Arc<str>,
    function: Function,
    args: Vec<Arg>,
}

#[derive(Debug)]
enum Arg {
    Const(Value),
    Path(Path),
    Call(Call),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Format,
    StringToJson,
    JsonToString,
    Array,
    ArrayPartition,
    ArrayContains,
    ArrayRange,
    ArrayGetItem,
    ArrayLength,
    ArrayUnique,
    Base64Encode,
    Base64Decode,
    Hash,
    JsonMerge,
    MathRandom,
    MathAdd,
    StringSplit,
    Uuid,
}

impl Function {
    /// The function named `States.<name>` and how many arguments it takes.
    fn named(name: &str) -> Option<(Self, std::ops::RangeInclusive<usize>)> {
        Some(match name {
            "Format" => (Self::Format, 1..=usize::MAX),
            "StringToJson" => (Self::StringToJson, 1..=1),
            "JsonToString" => (Self::JsonToString, 1..=1),
            "Array" => (Self::Array, 0..=usize::MAX),
            "ArrayPartition" => (Self::ArrayPartition, 2..=2),
            "ArrayContains" => (Self::ArrayContains, 2..=2),
            "ArrayRange" => (Self::ArrayRange, 3..=3),
            "ArrayGetItem" => (Self::ArrayGetItem, 2..=2),
            "ArrayLength" => (Self::ArrayLength, 1..=1),
            "ArrayUnique" => (Self::ArrayUnique, 1..=1),
            "Base64Encode" => (Self::Base64Encode, 1..=1),
            "Base64Decode" => (Self::Base64Decode, 1..=1),
            "Hash" => (Self::Hash, 2..=2),
            "JsonMerge" => (Self::JsonMerge, 3..=3),
            "MathRandom" => (Self::MathRandom, 2..=3),
            "MathAdd" => (Self::MathAdd, 2..=2),
            "StringSplit" => (Self::StringSplit, 2..=2),
            "UUID" => (Self::Uuid, 0..=0),
            _ => return None,
        })
    }
}

impl Call {
    /// Reads `source`, which should start with `States.`.
    pub(crate) fn parse(source: &str) -> Result<Call, String> {
        let mut reader = Reader { rest: source };
        let call = reader.call(1)?;
        if reader.rest.trim().is_empty() {
            Ok(call)
        } else {
            Err(format!("unexpected text after '{}'", call.source))
        }
    }

    /// Calls the function; `field` is where it stands, for error texts.
    pub(crate) fn evaluate(&self, env: &Env<'_>) -> Result<Value, Failure> {
        let args = self
            .args
            .iter()
            .map(|arg| {
                Ok(match arg {
                    Arg::Const(v) => Cow::Borrowed(v),
                    Arg::Call(call) => Cow::Owned(call.evaluate(env)?),
                    Arg::Path(path) => env.value(path).ok_or_else(|| {
                        Failure::runtime(format!(
                            "The JsonPath argument for the field '{}' could not be found in the input '{}'",
                            path.source(),
                            env.shown(path)
                        ))
                    })?,
                })
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        self.apply(&args, env).map_err(|why| {
            Failure::runtime(format!(
                "The function '{}' had the following error: {why}",
                self.source
            ))
        })
    }

    fn apply(&self, args: &[Cow<'_, Value>], env: &Env<'_>) -> Result<Value, String> {
        Ok(match self.function {
            Function::Format => format(args)?.into(),
            Function::StringToJson => {
                let text = string(&args[0])?;
                serde_json::from_str(text).map_err(|e| format!("'{text}' is not JSON: {e}"))?
            }
            Function::JsonToString => args[0].to_string().into(),
            Function::Array => args.iter().map(|a| a.as_ref().clone()).collect(),
            Function::ArrayPartition => {
                let size = usize::try_from(integer(&args[1])?)
                    .ok()
                    .filter(|n| *n > 0)
                    .ok_or("the chunk size must be a positive integer")?;
                array(&args[0])?
                    .chunks(size)
                    .map(<[Value]>::to_vec)
                    .collect()
            }
            Function::ArrayContains => array(&args[0])?.iter().any(|v| same(v, &args[1])).into(),
            Function::ArrayRange => {
                range(integer(&args[0])?, integer(&args[1])?, integer(&args[2])?)?
            }
            Function::ArrayGetItem => item(array(&args[0])?, integer(&args[1])?)?.clone(),
            Function::ArrayLength => array(&args[0])?.len().into(),
            Function::ArrayUnique => {
                let mut unique: Vec<Value> = Vec::new();
                for v in array(&args[0])? {
                    if !unique.iter().any(|u| same(u, v)) {
                        unique.push(v.clone());
                    }
                }
                unique.into()
            }
            Function::Base64Encode => BASE64.encode(short(string(&args[0])?)?).into(),
            Function::Base64Decode => {
                let bytes = BASE64
                    .decode(short(string(&args[0])?)?)
                    .map_err(|e| format!("not Base64: {e}"))?;
                String::from_utf8(bytes)
                    .map_err(|_| "the decoded bytes are not UTF-8".to_owned())?
                    .into()
            }
            Function::Hash => hash(&args[0], string(&args[1])?)?.into(),
            Function::JsonMerge => merge(args)?.into(),
            Function::MathRandom => random(args, env)?.into(),
            Function::MathAdd => {
                let small = |v| {
                    integer(v).and_then(|n| {
                        i32::try_from(n).map_err(|_| format!("{n} is not a 32-bit integer"))
                    })
                };
                (i64::from(small(&args[0])?) + i64::from(small(&args[1])?)).into()
            }
            Function::StringSplit => {
                let delimiters = string(&args[1])?;
                string(&args[0])?
                    .split(|c| delimiters.contains(c))
                    .filter(|part| !part.is_empty())
                    .collect()
            }
            Function::Uuid => uuid(&mut env.random.borrow_mut()).into(),
        })
    }
}

/// Equality by value: `1` and `1.0` are the same number.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y))
        }
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(k, x)| y.get(k).is_some_and(|y| same(x, y)))
        }
        _ => a == b,
    }
}

fn string(value: &Value) -> Result<&str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("expected a string, got {value}"))
}

fn array(value: &Value) -> Result<&[Value], String> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| format!("expected an array, got {value}"))
}

/// Numbers are rounded to the nearest integer, halves up, as Java's `Math.round` does (recorded: -1.5 is -1).
fn integer(value: &Value) -> Result<i64, String> {
    value
        .as_i64()
        .or_else(|| value.as_f64().map(|n| (n + 0.5).floor() as i64))
        .ok_or_else(|| format!("expected a number, got {value}"))
}

fn short(text: &str) -> Result<&str, String> {
    if text.chars().count() <= MAX_TEXT {
        Ok(text)
    } else {
        Err(format!("the text is longer than {MAX_TEXT} characters"))
    }
}

fn range(from: i64, to: i64, step: i64) -> Result<Value, String> {
    if step == 0 {
        return Err("the step must not be zero".into());
    }
    if (to > from && step < 0) || (to < from && step > 0) {
        return Ok(Value::Array(Vec::new()));
    }
    let count = to.abs_diff(from) / step.unsigned_abs() + 1;
    if count > MAX_RANGE as u64 {
        return Err(format!("the range has more than {MAX_RANGE} items"));
    }
    Ok((0..count as i64)
        .map(|i| Value::from(from + i * step))
        .collect())
}

fn item(items: &[Value], at: i64) -> Result<&Value, String> {
    usize::try_from(at)
        .ok()
        .and_then(|i| items.get(i))
        .ok_or_else(|| format!("index {at} is out of the bounds of {} items", items.len()))
}

/// The hash of a text, or of what other values are as JSON.
fn hash(value: &Value, algorithm: &str) -> Result<String, String> {
    let text = match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    digest(short(&text)?, algorithm).ok_or_else(|| format!("unknown hash algorithm '{algorithm}'"))
}

/// The members of the first object and of the second, which wins.
fn merge(args: &[Cow<'_, Value>]) -> Result<Map<String, Value>, String> {
    if args[2].as_ref() != &Value::Bool(false) {
        return Err("deep merging is not supported: the third argument must be false".into());
    }
    let (Value::Object(a), Value::Object(b)) = (args[0].as_ref(), args[1].as_ref()) else {
        return Err("both values must be objects".into());
    };
    let mut merged = a.clone();
    merged.extend(b.clone());
    Ok(merged)
}

/// A number from the first to below the second, from the seed if one is given.
fn random(args: &[Cow<'_, Value>], env: &Env<'_>) -> Result<i64, String> {
    let (from, to) = (integer(&args[0])?, integer(&args[1])?);
    if to <= from {
        return Err(format!("the end {to} must be above the start {from}"));
    }
    Ok(match args.get(2) {
        Some(seed) => fastrand::Rng::with_seed(integer(seed)? as u64).i64(from..to),
        None => env.random.borrow_mut().i64(from..to),
    })
}

/// Fills each `{}` of the template with the next argument.
fn format(args: &[Cow<'_, Value>]) -> Result<String, String> {
    let template = string(&args[0])?;
    let mut values = args[1..].iter();
    let mut out = String::with_capacity(template.len() + 16);
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('{' | '}' | '\\' | '\'')) => out.push(c),
                Some(c) => out.extend(['\\', c]),
                None => out.push('\\'),
            },
            '{' if chars.peek() == Some(&'}') => {
                chars.next();
                match values.next().map(Cow::as_ref) {
                    Some(value) => shown(value, &mut out),
                    None => return Err("there are more '{}' than values".into()),
                }
            }
            '{' | '}' => return Err(format!("a '{c}' must be written '\\\\{c}'")),
            c => out.push(c),
        }
    }
    if values.next().is_some() {
        return Err("there are more values than '{}'".into());
    }
    Ok(out)
}

/// A value as `States.Format` writes it: lists and objects as Java does, `{k=[1, a]}` (recorded 2023).
fn shown(value: &Value, out: &mut String) {
    match value {
        Value::String(s) => out.push_str(s),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                shown(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (i, (key, value)) in map.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                out.push_str(key);
                out.push('=');
                shown(value, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// A cursor over the text of a call.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn call(&mut self, depth: usize) -> Result<Call, String> {
        if depth > MAX_DEPTH {
            return Err(format!("intrinsic functions nest deeper than {MAX_DEPTH}"));
        }
        self.skip();
        let start = self.rest;
        let Some(open) = self.rest.find('(') else {
            return Err(format!("'{start}' is not a call: a '(' is missing"));
        };
        let name = self.rest[..open].trim_end();
        let (function, arity) = name
            .strip_prefix("States.")
            .and_then(Function::named)
            .ok_or_else(|| format!("unknown intrinsic function '{name}'"))?;
        self.rest = &self.rest[open + 1..];
        let mut args = Vec::new();
        self.skip();
        if let Some(rest) = self.rest.strip_prefix(')') {
            self.rest = rest;
        } else {
            loop {
                args.push(self.arg(depth)?);
                self.skip();
                if let Some(rest) = self.rest.strip_prefix(',') {
                    self.rest = rest;
                } else if let Some(rest) = self.rest.strip_prefix(')') {
                    self.rest = rest;
                    break;
                } else {
                    return Err(format!("expected ',' or ')' in '{start}'"));
                }
            }
        }
        if !arity.contains(&args.len()) {
            return Err(format!("{name} does not take {} arguments", args.len()));
        }
        let source = start[..start.len() - self.rest.len()].trim();
        Ok(Call {
            source: source.into(),
            function,
            args,
        })
    }

    fn arg(&mut self, depth: usize) -> Result<Arg, String> {
        self.skip();
        if let Some(rest) = self.rest.strip_prefix('\'') {
            return self.literal(rest);
        }
        if self.rest.starts_with('$') {
            let end = self.path_end();
            let (path, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Path::parse(path.trim_end()).map(Arg::Path);
        }
        if self.rest.starts_with("States.") {
            return self.call(depth + 1).map(Arg::Call);
        }
        let end = self.rest.find([',', ')']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match serde_json::from_str::<Value>(word.trim()) {
            Ok(v @ (Value::Null | Value::Bool(_) | Value::Number(_))) => Ok(Arg::Const(v)),
            _ => Err(format!("'{}' is not an argument", word.trim())),
        }
    }

    /// A string in single quotes. `\'` is a quote; `\{`, `\}` and `\\` are left
    /// for `States.Format`, and mean the same everywhere else.
    fn literal(&mut self, text: &'a str) -> Result<Arg, String> {
        let mut out = String::new();
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => {
                    self.rest = &text[at + 1..];
                    return Ok(Arg::Const(out.into()));
                }
                '\\' => match chars.next() {
                    Some((_, '\'')) => out.push('\''),
                    Some((_, c @ ('{' | '}' | '\\'))) => out.extend(['\\', c]),
                    // Recorded: AWS refuses any other.
                    Some((_, c)) => return Err(format!("'\\{c}' is no escape in a string")),
                    None => break,
                },
                c => out.push(c),
            }
        }
        Err("a string is not closed".into())
    }

    /// Where the path at the cursor ends: a ',' or ')' outside brackets and quotes.
    fn path_end(&self) -> usize {
        let mut depth = 0_usize;
        let mut quote = None;
        for (at, c) in self.rest.char_indices() {
            match (quote, c) {
                (Some(q), c) if q == c => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') if depth > 0 => quote = Some(c),
                (None, '[' | '(') => depth += 1,
                (None, ']') => depth = depth.saturating_sub(1),
                (None, ')') if depth > 0 => depth -= 1,
                (None, ',' | ')') if depth == 0 => return at,
                _ => {}
            }
        }
        self.rest.len()
    }
}
