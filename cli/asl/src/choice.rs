//! The conditions of Choice states.
//!
//! Owns the comparison operators of JSONPath rules and their nesting. A JSONata
//! condition is an expression that must give a boolean.

use crate::env::Env;
use crate::failure::Failure;
use crate::jsonata::Expr;
use crate::path::Path;
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A compiled condition.
#[derive(Debug)]
pub(crate) enum Condition {
    Jsonata(Box<Expr>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Test(Box<Path>, Test),
}

/// One comparison.
#[derive(Debug)]
pub(crate) enum Test {
    Compare(Kind, Comparison, Operand),
    Matches(Box<str>),
    Is(Type, bool),
}

/// What is compared; a value of another kind never matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    Numeric,
    Boolean,
    Timestamp,
}

/// How it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equals,
    LessThan,
    GreaterThan,
    LessThanEquals,
    GreaterThanEquals,
}

/// What it is compared with.
#[derive(Debug)]
pub(crate) enum Operand {
    Const(Value),
    Path(Box<Path>),
}

/// The `Is…` operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Null,
    Present,
    Numeric,
    String,
    Boolean,
    Timestamp,
}

impl Test {
    /// Reads the operator `name` with its `value`; `None` when there is no such operator.
    pub(crate) fn parse(name: &str, value: &Value) -> Option<Result<Test, String>> {
        let kind = match name {
            "IsNull" => Type::Null,
            "IsPresent" => Type::Present,
            "IsNumeric" => Type::Numeric,
            "IsString" => Type::String,
            "IsBoolean" => Type::Boolean,
            "IsTimestamp" => Type::Timestamp,
            "StringMatches" => {
                return Some(match value.as_str() {
                    Some(pattern) => Ok(Test::Matches(pattern.into())),
                    None => Err("Expected value of type [STRING]".into()),
                });
            }
            _ => return Self::parse_comparison(name, value),
        };
        Some(match value.as_bool() {
            Some(expect) => Ok(Test::Is(kind, expect)),
            None => Err("Expected value of type [BOOLEAN]".into()),
        })
    }

    fn parse_comparison(name: &str, value: &Value) -> Option<Result<Test, String>> {
        let (name, by_path) = match name.strip_suffix("Path") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (kind, rest) = [
            ("String", Kind::String),
            ("Numeric", Kind::Numeric),
            ("Boolean", Kind::Boolean),
            ("Timestamp", Kind::Timestamp),
        ]
        .into_iter()
        .find_map(|(prefix, kind)| Some((kind, name.strip_prefix(prefix)?)))?;
        let comparison = match rest {
            "Equals" => Comparison::Equals,
            "LessThan" => Comparison::LessThan,
            "GreaterThan" => Comparison::GreaterThan,
            "LessThanEquals" => Comparison::LessThanEquals,
            "GreaterThanEquals" => Comparison::GreaterThanEquals,
            _ => return None,
        };
        if kind == Kind::Boolean && comparison != Comparison::Equals {
            return None;
        }
        if by_path {
            let path = value
                .as_str()
                .ok_or_else(|| "Expected value of type [STRING]".to_owned())
                .and_then(Path::parse);
            return Some(path.map(|p| Test::Compare(kind, comparison, Operand::Path(Box::new(p)))));
        }
        let fits = match kind {
            Kind::String => value.is_string(),
            Kind::Numeric => value.is_number(),
            Kind::Boolean => value.is_boolean(),
            Kind::Timestamp => timestamp(value).is_some(),
        };
        Some(if fits {
            let operand = Operand::Const(value.clone());
            Ok(Test::Compare(kind, comparison, operand))
        } else {
            Err(format!("{name} cannot compare with {value}"))
        })
    }

    fn holds(&self, variable: Option<&Value>, env: &Env<'_>) -> Result<bool, Failure> {
        Ok(match self {
            Test::Is(kind, expect) => {
                let is = match (kind, variable) {
                    (Type::Present, v) => v.is_some(),
                    (_, None) => return Ok(!expect),
                    (Type::Null, Some(v)) => v.is_null(),
                    (Type::Numeric, Some(v)) => v.is_number(),
                    (Type::String, Some(v)) => v.is_string(),
                    (Type::Boolean, Some(v)) => v.is_boolean(),
                    (Type::Timestamp, Some(v)) => timestamp(v).is_some(),
                };
                is == *expect
            }
            Test::Matches(pattern) => variable
                .and_then(Value::as_str)
                .is_some_and(|s| wildcard(pattern, s)),
            Test::Compare(kind, comparison, operand) => {
                let operand = match operand {
                    Operand::Const(v) => Cow::Borrowed(v),
                    Operand::Path(path) => env.value(path).ok_or_else(|| invalid(path))?,
                };
                variable
                    .and_then(|v| order(*kind, v, &operand))
                    .is_some_and(|o| match comparison {
                        Comparison::Equals => o.is_eq(),
                        Comparison::LessThan => o.is_lt(),
                        Comparison::GreaterThan => o.is_gt(),
                        Comparison::LessThanEquals => o.is_le(),
                        Comparison::GreaterThanEquals => o.is_ge(),
                    })
            }
        })
    }
}

impl Condition {
    /// Whether the condition holds.
    pub(crate) fn holds(&self, env: &Env<'_>) -> Result<bool, Failure> {
        match self {
            Condition::Jsonata(expr) => expr.evaluate_as(env, "boolean", Value::as_bool),
            Condition::And(all) => {
                for c in all {
                    if !c.holds(env)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Condition::Or(any) => {
                for c in any {
                    if c.holds(env)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Condition::Not(c) => c.holds(env).map(|b| !b),
            Condition::Test(path, test) => {
                let variable = env.value(path);
                // Only IsPresent may ask after what is not there.
                if variable.is_none() && !matches!(test, Test::Is(Type::Present, _)) {
                    return Err(invalid(path));
                }
                test.holds(variable.as_deref(), env)
            }
        }
    }
}

fn invalid(path: &Path) -> Failure {
    Failure::runtime(format!(
        "Invalid path '{}': The choice state's condition path references an invalid value.",
        path.source()
    ))
}

fn order(kind: Kind, a: &Value, b: &Value) -> Option<Ordering> {
    match kind {
        Kind::String => Some(a.as_str()?.cmp(b.as_str()?)),
        Kind::Boolean => Some(a.as_bool()?.cmp(&b.as_bool()?)),
        Kind::Numeric => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        Kind::Timestamp => Some(timestamp(a)?.cmp(&timestamp(b)?)),
    }
}

/// An RFC 3339 timestamp with a capital `T` and a capital `Z` or an offset.
pub(crate) fn timestamp(value: &Value) -> Option<jiff::Timestamp> {
    let text = value.as_str()?;
    // `0` stands for a digit; the fraction comes between the seconds and the zone.
    let shaped = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(b, s)| match s {
                b'0' => b.is_ascii_digit(),
                s => b == s,
            })
    };
    let (time, rest) = text.split_at_checked(19)?;
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(rest) => {
            let zone = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == rest.len() {
                return None;
            }
            zone
        }
    };
    if !shaped(time, "0000-00-00T00:00:00")
        || !["Z", "+00:00", "-00:00"].iter().any(|z| shaped(zone, z))
    {
        return None;
    }
    text.parse().ok()
}

/// `*` matches any run of characters; `\*` and `\\` are literal.
fn wildcard(pattern: &str, text: &str) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum Token {
        Any,
        One(char),
    }
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '\\' => Token::One(chars.next().unwrap_or('\\')),
            c => Token::One(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut t, mut p) = (0, 0);
    // Where to resume when the run a `*` took proves too short.
    let mut resume: Option<(usize, usize)> = None;
    while t < text.len() {
        if tokens.get(p) == Some(&Token::Any) {
            resume = Some((p, t));
            p += 1;
        } else if tokens.get(p) == Some(&Token::One(text[t])) {
            p += 1;
            t += 1;
        } else if let Some((star, from)) = resume {
            resume = Some((star, from + 1));
            p = star + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    tokens[p..].iter().all(|t| *t == Token::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, text, expect) in [
            ("foo*.log", "foo23.log", true),
            ("*.log", "zebra.log", true),
            ("foo*.*", "foobar.zebra", true),
            ("foo*", "fo", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
        ] {
            assert_eq!(wildcard(pattern, text), expect, "{pattern} {text}");
        }
    }

    #[test]
    fn timestamps_need_a_capital_t() {
        assert!(timestamp(&"2026-03-14T01:59:00Z".into()).is_some());
        assert!(timestamp(&"2026-03-14T01:59:00+02:00".into()).is_some());
        for bad in [
            "2026-03-14t01:59:00Z",
            "2026-03-14 01:59:00Z",
            "noon",
            "2026-03-14",
            "2026-03-14T01:59Z",
            "2026-03-14T01:59:00",
            "2026-03-14T01:59:00+02",
            "2026-03-14T01:59:00,5Z",
            "2026-03-14T01:59:00.Z",
            "2026-13-14T01:59:00Z",
            "2026-02-30T01:59:00Z",
            "+002026-03-14T01:59:00Z",
        ] {
            assert!(timestamp(&bad.into()).is_none(), "{bad}");
        }
    }
}
