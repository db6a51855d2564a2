//! From a pattern's text to its alternatives, refusing what AWS refuses, in AWS's words.
//!
//! The reasons are those of Event Ruler's rule compiler, which the live service was recorded to answer with; some of them
//! are odd and kept as they are.
//! This module must not know events or how tests are run.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::address;
use crate::complexity::{LIMIT, TOO_COMPLEX, complexity};
use crate::dialect::{Dialect, Duplicates};
use crate::error::PatternError;
use crate::expression::expression;
use crate::json::{Node, minify};
use crate::number::millionths;
use crate::operator::{Operator, Test};

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
    check_complexity(&rules)?;
    Ok(rules)
}

/// Event Ruler judges together what alternatives ask of one field after the same fields before it.
fn check_complexity(rules: &[Fields]) -> Result<(), PatternError> {
    let wild = |test: &Test| match &test.operator {
        Operator::Wildcard(_) => true,
        Operator::NoneOf(refused) => refused.iter().any(|o| matches!(o, Operator::Wildcard(_))),
        _ => false,
    };
    let mut machines: BTreeMap<Vec<&str>, Vec<&Arc<[Test]>>> = BTreeMap::new();
    for rule in rules {
        let mut before: Vec<&str> = Vec::new();
        for (path, tests) in rule {
            before.push(path);
            if tests.iter().any(wild) {
                let machine = machines.entry(before.clone()).or_default();
                if !machine.iter().any(|known| Arc::ptr_eq(known, tests)) {
                    machine.push(tests);
                }
            }
            before.extend(tests.iter().map(|test| &*test.source));
        }
    }
    for (before, machine) in machines {
        if complexity(machine.into_iter().flat_map(|tests| tests.iter())) > LIMIT {
            let field = before.last().copied().unwrap_or_default();
            return Err(PatternError::new(format!("$.{field}"), TOO_COMPLEX));
        }
    }
    Ok(())
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
                    Node::Object(members) => expression(self.dialect, members, &at)?,
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
}

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
