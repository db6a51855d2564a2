//! One match expression, `{"prefix": ..}` and its like: its operands, and AWS's reasons to refuse them.
//!
//! Some reasons are odd (a second key beside `anything-but` is "Too many elements in numeric expression") and kept as they
//! are. This module must not know fields or `$or`.

use serde_json::Number;

use crate::address::Block;
use crate::dialect::Dialect;
use crate::error::PatternError;
use crate::fold::Folded;
use crate::json::Node;
use crate::number::millionths;
use crate::operator::{Bound, Operator};
use crate::wildcard::Wildcard;

const ONE_KEY: &str = "Only one key allowed in match expression";
const TOO_MANY: &str = "Too many elements in numeric expression";

/// `{"prefix": ..}` and its like.
pub(crate) fn expression(
    dialect: &Dialect,
    members: &[(String, Node)],
    at: &str,
) -> Result<Operator, PatternError> {
    let Some((name, value)) = members.first() else {
        return Err(PatternError::new(at, "Match expression name not found"));
    };
    let at = &format!("{at}.{name}");
    if !dialect.operators.contains(&name.as_str()) {
        let error = PatternError::new(at, format!("Unrecognized match type {name}"));
        return Err(error.with_hint(format!("known are {}", dialect.operators.join(", "))));
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
        "equals-ignore-case" => Operator::IgnoreCase(Folded::new(&text(
            value,
            at,
            "equals-ignore-case match pattern must be a string",
        )?)),
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
    ignore_case: fn(Folded) -> Operator,
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
    Ok(ignore_case(Folded::new(&text)))
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
                    text(value, at, message).map(|text| Operator::IgnoreCase(Folded::new(&text)))
                },
                _ => {
                    return Err(PatternError::new(
                        at,
                        format!("Unsupported anything-but pattern: {name}"),
                    ));
                }
            };
            let refused = match value {
                Node::Array(items) if items.is_empty() => {
                    return Err(PatternError::new(at, "Empty arrays are not allowed"));
                }
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
