//! What is expected of a value: the value itself, or a matcher in its place.

use super::case::Difference;
use crate::path::{Found, Path, Root};
use regex::Regex;
use serde_json::Value;

/// The matchers, as a refusal lists them.
const MATCHERS: &str = "$any, $absent, $equals, $not, $contains, $matches, $type, $between, $at";
/// What `$type` may say.
const TYPES: [&str; 6] = ["null", "boolean", "number", "string", "array", "object"];

/// What is expected of a value.
#[derive(Debug)]
pub(super) enum Expected {
    /// `$any`: it is there.
    Any,
    /// `$absent`: it is not there.
    Absent,
    /// Equal, without a look for matchers (`$equals`).
    Equal(Value),
    /// A list of as many, each as expected.
    List(Vec<Expected>),
    /// These members, and no others.
    Object(Vec<(String, Expected)>),
    /// `$contains` of an object: these members, whatever else there is.
    Members(Vec<(String, Expected)>),
    /// `$contains` of anything else: an item of a list, or a part of a text.
    Contains(Value, Box<Expected>),
    /// `$matches`: a text that the pattern is found in.
    Matches(Box<Regex>),
    /// `$type`.
    Type(&'static str),
    /// `$between`: a number, both ends included.
    Between(f64, f64),
    /// `$not`.
    Not(Value, Box<Expected>),
    /// `$at`: what JSONPaths find.
    At(Vec<(Path, Expected)>),
}

impl Expected {
    /// Reads what is expected; what is wrong with it goes to `problems` with its place.
    pub(super) fn read(value: &Value, place: &str, problems: &mut Vec<String>) -> Self {
        Self::shaped(value, place, false, problems)
    }

    /// As [`Self::read`]; with `loose`, objects may have more members than are named.
    fn shaped(value: &Value, place: &str, loose: bool, problems: &mut Vec<String>) -> Self {
        match value {
            Value::Array(items) => Self::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(i, it)| Self::shaped(it, &format!("{place}[{i}]"), loose, problems))
                    .collect(),
            ),
            Value::Object(members) => {
                if let Some((name, argument)) = members.iter().find(|(n, _)| n.starts_with('$')) {
                    if members.len() == 1 {
                        return Self::matcher(name, argument, place, problems);
                    }
                    problems.push(format!(
                        "{place}: a matcher such as {name} stands alone in its object; {{\"$equals\": ..}} takes such a member as it is"
                    ));
                }
                let members = members
                    .iter()
                    .map(|(name, it)| {
                        let place = format!("{place}.{name}");
                        (name.clone(), Self::shaped(it, &place, loose, problems))
                    })
                    .collect();
                if loose {
                    Self::Members(members)
                } else {
                    Self::Object(members)
                }
            }
            other => Self::Equal(other.clone()),
        }
    }

    fn matcher(name: &str, argument: &Value, place: &str, problems: &mut Vec<String>) -> Self {
        let place = format!("{place}.{name}");
        let mut wrong = |why: String| {
            problems.push(format!("{place}: {why}"));
            Self::Any
        };
        match (name, argument) {
            ("$any", Value::Bool(true)) => Self::Any,
            ("$absent", Value::Bool(true)) => Self::Absent,
            ("$any" | "$absent", _) => wrong("takes true".into()),
            ("$equals", it) => Self::Equal(it.clone()),
            ("$not", it) => Self::Not(it.clone(), Self::read(it, &place, problems).into()),
            ("$contains", Value::Object(_)) => Self::shaped(argument, &place, true, problems),
            ("$contains", it) => {
                Self::Contains(it.clone(), Self::shaped(it, &place, true, problems).into())
            }
            ("$matches", Value::String(pattern)) => match Regex::new(pattern) {
                Ok(pattern) => Self::Matches(pattern.into()),
                Err(why) => wrong(format!("no regular expression: {why}")),
            },
            ("$matches", _) => wrong("takes a regular expression".into()),
            ("$type", it) => match TYPES.iter().find(|known| it.as_str() == Some(known)) {
                Some(known) => Self::Type(known),
                None => wrong(format!("takes one of {}", TYPES.join(", "))),
            },
            ("$between", Value::Array(ends)) => {
                match ends.iter().map(Value::as_f64).collect::<Vec<_>>()[..] {
                    [Some(low), Some(high)] if low <= high => Self::Between(low, high),
                    _ => wrong("takes a list of two numbers, the lower first".into()),
                }
            }
            ("$between", _) => wrong("takes a list of two numbers, the lower first".into()),
            ("$at", Value::Object(parts)) => {
                let parts = parts.iter().filter_map(|(source, it)| {
                    let read = Path::parse(source).and_then(|path| match path.root() {
                        Root::Current => Ok(path),
                        _ => Err("a path begins with `$.` here".to_owned()),
                    });
                    match read {
                        Ok(path) => {
                            let place = format!("{place}.{source}");
                            Some((path, Self::read(it, &place, problems)))
                        }
                        Err(why) => {
                            problems.push(format!("{place}.{source}: {why}"));
                            None
                        }
                    }
                });
                Self::At(parts.collect())
            }
            ("$at", _) => wrong("takes an object of JSONPaths".into()),
            _ => wrong(format!("no matcher has this name; there are {MATCHERS}")),
        }
    }

    /// How `got` differs; `None` is a value that is not there.
    pub(super) fn compare(&self, got: Option<&Value>, place: &str, found: &mut Vec<Difference>) {
        let mut differs = |expected: String| {
            found.push(Difference {
                place: place.to_owned(),
                expected,
                got: got.map_or_else(|| "nothing".to_owned(), Value::to_string),
            });
        };
        let Some(value) = got else {
            if !self.is_absence() {
                differs(self.to_string());
            }
            return;
        };
        match self {
            Self::Any => {}
            Self::List(items) => match value {
                Value::Array(values) if values.len() == items.len() => {
                    for (i, (it, value)) in items.iter().zip(values).enumerate() {
                        it.compare(Some(value), &format!("{place}[{i}]"), found);
                    }
                }
                _ => differs(self.to_string()),
            },
            Self::Object(members) | Self::Members(members) => {
                let Value::Object(values) = value else {
                    return differs(self.to_string());
                };
                for (name, it) in members {
                    it.compare(values.get(name), &format!("{place}.{name}"), found);
                }
                if matches!(self, Self::Object(_)) {
                    for (name, value) in values {
                        if !members.iter().any(|(known, _)| known == name) {
                            found.push(Difference {
                                place: format!("{place}.{name}"),
                                expected: "nothing".into(),
                                got: value.to_string(),
                            });
                        }
                    }
                }
            }
            Self::At(parts) => {
                for (path, it) in parts {
                    let rest = path.source().strip_prefix('$').unwrap_or_default();
                    let place = format!("{place}{rest}");
                    match path.follow(value) {
                        Found::Value(value) => it.compare(Some(&value), &place, found),
                        Found::Missing | Found::PastEnd => it.compare(None, &place, found),
                    }
                }
            }
            simple => {
                if !simple.holds(value) {
                    differs(simple.to_string());
                }
            }
        }
    }

    fn is_absence(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Not(_, inner) => !inner.is_absence(),
            _ => false,
        }
    }

    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Absent => false,
            Self::Equal(it) => same(it, value),
            Self::Contains(text, inner) => match (text, value) {
                (Value::String(part), Value::String(whole)) => whole.contains(part),
                (_, Value::Array(items)) => items.iter().any(|it| inner.agrees(it)),
                _ => false,
            },
            Self::Matches(pattern) => value.as_str().is_some_and(|it| pattern.is_match(it)),
            Self::Type(name) => *name == type_of(value),
            Self::Between(low, high) => value.as_f64().is_some_and(|n| (*low..=*high).contains(&n)),
            Self::Not(_, inner) => !inner.agrees(value),
            _ => self.agrees(value),
        }
    }

    fn agrees(&self, value: &Value) -> bool {
        let mut found = Vec::new();
        self.compare(Some(value), "", &mut found);
        found.is_empty()
    }
}

impl std::fmt::Display for Expected {
    /// As it is told where it was not met.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |f: &mut std::fmt::Formatter<'_>, members: &[(String, Self)]| {
            for (i, (name, it)) in members.iter().enumerate() {
                let comma = if i > 0 { "," } else { "" };
                write!(f, "{comma}{}:{it}", Value::String(name.clone()))?;
            }
            Ok(())
        };
        match self {
            Self::Any => f.write_str("anything"),
            Self::Absent => f.write_str("nothing"),
            Self::Equal(it) => write!(f, "{it}"),
            Self::List(items) => {
                f.write_str("[")?;
                for (i, it) in items.iter().enumerate() {
                    write!(f, "{}{it}", if i > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                list(f, members)?;
                f.write_str("}")
            }
            Self::Members(members) => {
                f.write_str("an object with {")?;
                list(f, members)?;
                f.write_str("}")
            }
            Self::Contains(it, _) => write!(f, "something that contains {it}"),
            Self::Matches(pattern) => write!(f, "text that matches {pattern}"),
            Self::Type(name) => write!(f, "of type {name}"),
            Self::Between(low, high) => write!(f, "a number from {low} to {high}"),
            Self::Not(it, _) => write!(f, "not {it}"),
            Self::At(_) => f.write_str("a value that paths lead into"),
        }
    }
}

/// Whether two values are equal; 1 and 1.0 are.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y))
        }
        (Value::Object(x), Value::Object(y)) => {
            let is_in = |(name, x): (&String, &Value)| y.get(name).is_some_and(|y| same(x, y));
            x.len() == y.len() && x.iter().all(is_in)
        }
        _ => a == b,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => TYPES[0],
        Value::Bool(_) => TYPES[1],
        Value::Number(_) => TYPES[2],
        Value::String(_) => TYPES[3],
        Value::Array(_) => TYPES[4],
        Value::Object(_) => TYPES[5],
    }
}
