//! From a pattern's text to its alternatives, refusing what AWS refuses, in AWS's words.
//!
//! The reasons are those of Event Ruler's rule compiler, which the live service was recorded to answer with; some of them
//! are odd (a second key beside `anything-but` is "Too many elements in numeric expression") and kept as they are.
//! This module must not know events or how tests are run.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Number;

use crate::address::{self, Block};
use crate::dialect::{Dialect, Duplicates};
use crate::error::PatternError;
use crate::json::{Node, minify};
use crate::number::millionths;
use crate::operator::{Bound, Operator, Test};
use crate::wildcard::Wildcard;

/// The fields of one alternative, by path.
pub(crate) type Fields = BTreeMap<Arc<str>, Arc<[Test]>>;

const OR: &str = "$or";

/// Names that no field within `$or` may have; Event Ruler keeps some for operators that do not exist yet.
const RESERVED_IN_OR: [&str; 24] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

/// Parses a pattern into alternatives, of which one must hold.
pub(crate) fn alternatives(dialect: &Dialect, text: &str) -> Result<Vec<Fields>, PatternError> {
    let node: Node = serde_json::from_str(text)
        .map_err(|error| PatternError::new("$", format!("Invalid JSON: {error}")))?;
    let Node::Object(members) = &node else {
        return Err(PatternError::new("$", "Filter is not an object"));
    };
    let length = minify(text).chars().count();
    if length > dialect.max_characters {
        let message = format!(
            "the pattern has {length} characters, and {} are allowed",
            dialect.max_characters
        );
        return Err(PatternError::new("$", message)
            .with_hint("split it over several rules, or ask for fewer values"));
    }
    let mut rules = vec![Fields::new()];
    Parser { dialect }.object(members, "$", "", &mut rules)?;
    Ok(rules)
}

struct Parser<'d> {
    dialect: &'d Dialect,
}

impl Parser<'_> {
    /// An object of fields: each of `rules` gains what it asks for; `$or` multiplies them.
    fn object(
        &self,
        members: &[(String, Node)],
        at: &str,
        field: &str,
        rules: &mut Vec<Fields>,
    ) -> Result<(), PatternError> {
        if members.is_empty() {
            return Err(PatternError::new(at, "Empty objects are not allowed"));
        }
        for (i, (name, value)) in members.iter().enumerate() {
            let at = format!("{at}.{name}");
            let path = if field.is_empty() {
                name.clone()
            } else {
                format!("{field}.{name}")
            };
            let repeated = members[..i].iter().any(|(earlier, _)| earlier == name);
            if repeated && self.dialect.duplicates == Duplicates::Refuse {
                return Err(twice(&at, &path));
            }
            match value {
                Node::Array(branches) if name == OR && is_alternative(branches) => {
                    self.or(branches, &at, field, rules)?;
                }
                Node::Object(members) => self.object(members, &at, &path, rules)?,
                Node::Array(items) => {
                    let tests = self.tests(items, &at).map_err(|error| {
                        if name == OR {
                            error.with_hint("`$or` joins at least two objects, whose fields must not be named like operators")
                        } else {
                            error
                        }
                    })?;
                    let path: Arc<str> = path.into();
                    for rule in &mut *rules {
                        let known = rule.insert(Arc::clone(&path), Arc::clone(&tests)).is_some();
                        if known && self.dialect.duplicates == Duplicates::Refuse {
                            return Err(twice(&at, &path));
                        }
                    }
                }
                _ => {
                    return Err(PatternError::new(
                        at,
                        format!("\"{name}\" must be an object or an array"),
                    )
                    .with_hint(format!("write [{value}]")));
                }
            }
        }
        Ok(())
    }

    fn or(
        &self,
        branches: &[Node],
        at: &str,
        field: &str,
        rules: &mut Vec<Fields>,
    ) -> Result<(), PatternError> {
        let before = std::mem::take(rules);
        for (i, branch) in branches.iter().enumerate() {
            let Node::Object(members) = branch else {
                continue;
            };
            let mut branch_rules = before.clone();
            self.object(members, &format!("{at}[{i}]"), field, &mut branch_rules)?;
            rules.extend(branch_rules);
            if rules.len() > self.dialect.max_alternatives {
                let message = format!(
                    "`$or` makes over {} rule combinations",
                    self.dialect.max_alternatives
                );
                return Err(PatternError::new(at, message)
                    .with_hint("split the pattern over several rules"));
            }
        }
        Ok(())
    }

    /// The values of a field.
    fn tests(&self, items: &[Node], at: &str) -> Result<Arc<[Test]>, PatternError> {
        if items.is_empty() {
            return Err(PatternError::new(at, "Empty arrays are not allowed"));
        }
        items
            .iter()
            .enumerate()
            .map(|(i, item)| {
                let at = format!("{at}[{i}]");
                let operator = match item {
                    Node::Text(text) => address::parse(text)
                        .map_or_else(|| Operator::Text(text.as_str().into()), Operator::Address),
                    Node::Number(number) => Operator::Number {
                        exact: number.clone(),
                        millionths: millionths(number).ok(),
                    },
                    Node::Bool(flag) => Operator::Bool(*flag),
                    Node::Null => Operator::Null,
                    Node::Object(members) => self.expression(members, &at)?,
                    Node::Array(_) => {
                        let message = "Match value must be String, number, true, false, or null";
                        return Err(PatternError::new(at, message));
                    }
                };
                Ok(Test {
                    operator,
                    source: item.to_string().into(),
                })
            })
            .collect()
    }

    /// `{"prefix": ..}` and its like.
    fn expression(&self, members: &[(String, Node)], at: &str) -> Result<Operator, PatternError> {
        let Some((name, value)) = members.first() else {
            return Err(PatternError::new(at, "Match expression name not found"));
        };
        let at = &format!("{at}.{name}");
        if !self.dialect.operators.contains(&name.as_str()) {
            let error = PatternError::new(at, format!("Unrecognized match type {name}"));
            return Err(error.with_hint(format!("known are {}", self.dialect.operators.join(", "))));
        }
        let operator = match name.as_str() {
            "exactly" => Operator::Text(text(value, at, "exact match pattern must be a string")?),
            "prefix" => affix(
                value,
                at,
                "prefix",
                Operator::Prefix,
                Operator::PrefixIgnoreCase,
            )?,
            "suffix" => affix(
                value,
                at,
                "suffix",
                Operator::Suffix,
                Operator::SuffixIgnoreCase,
            )?,
            "equals-ignore-case" => Operator::IgnoreCase(text(
                value,
                at,
                "equals-ignore-case match pattern must be a string",
            )?),
            "wildcard" => wildcard(value, at)?,
            // AWS's own words: its check of `cidr` was copied from `prefix`.
            "cidr" => Operator::Cidr(
                Block::parse(&text(value, at, "prefix match pattern must be a string")?)
                    .map_err(|reason| PatternError::new(at, reason))?,
            ),
            "exists" => match value {
                Node::Bool(true) => Operator::Exists,
                Node::Bool(false) => Operator::Absent,
                _ => {
                    let message = "exists match pattern must be either true or false.";
                    return Err(PatternError::new(at, message));
                }
            },
            "numeric" => numeric(value, at)?,
            _ => anything_but(value, at)?,
        };
        match members.get(1) {
            None => Ok(operator),
            Some(_) if matches!(name.as_str(), "numeric" | "anything-but") => {
                Err(PatternError::new(at, TOO_MANY).with_hint(ONE_KEY))
            }
            Some(_) => Err(PatternError::new(at, ONE_KEY)),
        }
    }
}

const ONE_KEY: &str = "Only one key allowed in match expression";
const TOO_MANY: &str = "Too many elements in numeric expression";

fn twice(at: &str, path: &str) -> PatternError {
    PatternError::new(
        at,
        format!("Path `{path}` cannot be allowed multiple times"),
    )
    .with_hint("list all values in one array, or use `$or`")
}

/// Whether an array under `$or` joins alternatives, and is not the value of a field called `$or`.
fn is_alternative(branches: &[Node]) -> bool {
    fn plain(members: &[(String, Node)]) -> bool {
        members.iter().all(|(name, value)| {
            !RESERVED_IN_OR.contains(&name.as_str())
                && match value {
                    Node::Object(members) => plain(members),
                    _ => true,
                }
        })
    }
    branches.len() >= 2
        && branches
            .iter()
            .all(|branch| matches!(branch, Node::Object(members) if plain(members)))
}

fn text(value: &Node, at: &str, message: &str) -> Result<Box<str>, PatternError> {
    match value {
        Node::Text(text) => Ok(text.as_str().into()),
        _ => Err(PatternError::new(at, message)),
    }
}

fn wildcard(value: &Node, at: &str) -> Result<Operator, PatternError> {
    let text = text(value, at, "wildcard match pattern must be a string")?;
    Wildcard::parse(&text)
        .map(Operator::Wildcard)
        .map_err(|reason| PatternError::new(at, reason))
}

/// `prefix` and `suffix`: a text, or `{"equals-ignore-case": text}`.
fn affix(
    value: &Node,
    at: &str,
    name: &str,
    exact: fn(Box<str>) -> Operator,
    ignore_case: fn(Box<str>) -> Operator,
) -> Result<Operator, PatternError> {
    let Node::Object(members) = value else {
        return text(value, at, &format!("{name} match pattern must be a string")).map(exact);
    };
    let title = if name == "prefix" { "Prefix" } else { "Suffix" };
    let Some((inner, value)) = members.first() else {
        return Err(PatternError::new(
            at,
            format!("{title} expression name not found"),
        ));
    };
    if inner != "equals-ignore-case" {
        return Err(PatternError::new(
            at,
            format!("Unsupported {name} pattern: {inner}"),
        ));
    }
    let at = format!("{at}.{inner}");
    let text = text(
        value,
        &at,
        "equals-ignore-case match pattern must be a string",
    )?;
    if members.len() > 1 {
        return Err(PatternError::new(at, ONE_KEY));
    }
    Ok(ignore_case(text))
}

/// `anything-but`: a value or a list of them, or an operator with a text or a list of them.
fn anything_but(value: &Node, at: &str) -> Result<Operator, PatternError> {
    const NOT_A_VALUE: &str =
        "Value of anything-but must be an array or single string/number value.";
    const MIXED: &str = "Inside anything but list, either all values are number or string, mixed type is not supported";

    let plain = |value: &Node, at: &str| match value {
        Node::Text(text) => Ok(Operator::Text(text.as_str().into())),
        Node::Number(number) => comparable(number, at).map(|millionths| Operator::Number {
            exact: number.clone(),
            millionths: Some(millionths),
        }),
        _ => {
            let message = "Inside anything but list, start|null|boolean is not supported.";
            Err(PatternError::new(at, message))
        }
    };
    let refused = match value {
        Node::Text(_) | Node::Number(_) => vec![plain(value, at)?],
        Node::Array(items) => {
            let refused = each(items, at, plain)?;
            let numbers = refused
                .iter()
                .filter(|o| matches!(o, Operator::Number { .. }))
                .count();
            if refused.is_empty() || (numbers != 0 && numbers != refused.len()) {
                return Err(PatternError::new(at, MIXED));
            }
            refused
        }
        Node::Object(members) => {
            let Some((name, value)) = members.first() else {
                return Err(PatternError::new(
                    at,
                    "Anything-But expression name not found",
                ));
            };
            let at = &format!("{at}.{name}");
            let one: fn(&Node, &str) -> Result<Operator, PatternError> = match name.as_str() {
                "prefix" => |value, at| refused_affix(value, at).map(Operator::Prefix),
                "suffix" => |value, at| refused_affix(value, at).map(Operator::Suffix),
                "wildcard" => wildcard,
                "equals-ignore-case" => |value, at| {
                    let message = "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.";
                    text(value, at, message).map(Operator::IgnoreCase)
                },
                _ => {
                    return Err(PatternError::new(
                        at,
                        format!("Unsupported anything-but pattern: {name}"),
                    ));
                }
            };
            let refused = match value {
                Node::Array(items) => each(items, at, one)?,
                Node::Text(_) | Node::Number(_) => vec![one(value, at)?],
                _ => return Err(PatternError::new(at, NOT_A_VALUE)),
            };
            if members.len() > 1 {
                return Err(PatternError::new(at, TOO_MANY).with_hint(ONE_KEY));
            }
            refused
        }
        Node::Bool(_) | Node::Null => return Err(PatternError::new(at, NOT_A_VALUE)),
    };
    Ok(Operator::NoneOf(refused))
}

fn each(
    items: &[Node],
    at: &str,
    one: impl Fn(&Node, &str) -> Result<Operator, PatternError>,
) -> Result<Vec<Operator>, PatternError> {
    items
        .iter()
        .enumerate()
        .map(|(i, item)| one(item, &format!("{at}[{i}]")))
        .collect()
}

fn refused_affix(value: &Node, at: &str) -> Result<Box<str>, PatternError> {
    let text = text(value, at, "prefix/suffix match pattern must be a string")?;
    if text.is_empty() {
        return Err(PatternError::new(at, "Null prefix/suffix not allowed"));
    }
    Ok(text)
}

fn comparable(number: &Number, at: &str) -> Result<i64, PatternError> {
    millionths(number).map_err(|reason| PatternError::new(at, reason.message()))
}

/// `["=", n]`, one bound, or a lower and an upper bound in this order.
fn numeric(value: &Node, at: &str) -> Result<Operator, PatternError> {
    let refuse = |message: String| Err(PatternError::new(at, message));
    let bare = |node: &Node| match node {
        Node::Text(text) => text.clone(),
        other => other.to_string(),
    };
    let Node::Array(terms) = value else {
        return refuse("Value of numeric must be an array.".to_owned());
    };
    let Some(Node::Text(operator)) = terms.first() else {
        let found = terms.first().map_or_else(|| "]".to_owned(), bare);
        return refuse(format!("Invalid member in numeric match: {found}"));
    };
    let named = match operator.as_str() {
        "=" => "equals",
        known @ ("<" | "<=" | ">" | ">=") => known,
        unknown => return refuse(format!("Unrecognized numeric range operator: {unknown}")),
    };
    let Some(Node::Number(number)) = terms.get(1) else {
        return refuse(format!("Value of {named} must be numeric"));
    };
    let first = |inclusive| {
        comparable(number, at).map(|millionths| Bound {
            millionths,
            inclusive,
        })
    };
    let lower = match operator.as_str() {
        ">" => first(false)?,
        ">=" => first(true)?,
        _ if terms.len() > 2 => return refuse(TOO_MANY.to_owned()),
        "=" => {
            let bound = Some(first(true)?);
            return Ok(Operator::Numeric {
                low: bound,
                high: bound,
            });
        }
        operator => {
            let high = Some(first(operator == "<=")?);
            return Ok(Operator::Numeric { low: None, high });
        }
    };
    let Some(second) = terms.get(2) else {
        return Ok(Operator::Numeric {
            low: Some(lower),
            high: None,
        });
    };
    let Node::Text(operator) = second else {
        return refuse(format!("Bad value in numeric range: {}", bare(second)));
    };
    if !matches!(operator.as_str(), "<" | "<=") {
        return refuse(format!("Bad numeric range operator: {operator}"));
    }
    let Some(Node::Number(number)) = terms.get(3) else {
        return refuse(format!("Value of {operator} must be numeric"));
    };
    if terms.len() > 4 {
        return refuse("Too many terms in numeric range expression".to_owned());
    }
    let upper = Bound {
        millionths: comparable(number, at)?,
        inclusive: operator == "<=",
    };
    if lower.millionths >= upper.millionths {
        return refuse("Bottom must be less than top".to_owned());
    }
    Ok(Operator::Numeric {
        low: Some(lower),
        high: Some(upper),
    })
}
