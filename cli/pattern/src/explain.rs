//! Why an event does not match a pattern: which field, what was wanted, what was there.
//!
//! The answer agrees with [`Pattern::matches`] by construction: it runs the same tests over the same leaves. This module
//! must not know how rules are found.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::event::Leaves;
use crate::pattern::{Alternative, Pattern};
use crate::search::Search;

/// What became of a pattern on one event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Whether the event matches.
    pub matches: bool,
    /// The alternatives that `$or` makes (one without it), those nearest to a match first.
    pub alternatives: Vec<Attempt>,
}

/// One alternative of the pattern.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Whether all of it holds.
    pub holds: bool,
    /// Each field holds for some value, but not in the same elements of the arrays they share.
    pub split_over_elements: bool,
    /// Its fields, in the order of their paths.
    pub fields: Vec<FieldOutcome>,
}

/// One field of an alternative, looked at alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldOutcome {
    /// The dotted path.
    pub field: String,
    /// Whether some value of the field is one of those wanted.
    pub holds: bool,
    /// What the pattern wants: any one of these, as the pattern writes them.
    pub wanted: Vec<String>,
    /// What the event has there.
    pub found: Found,
}

/// What an event has at a field.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", content = "values", rename_all = "camelCase")]
pub enum Found {
    /// Nothing.
    Missing,
    /// An object or an empty array, which have no value of their own.
    NoLeaf,
    /// These values; several if the field lies in an array.
    Values(Vec<Value>),
}

/// Says why the event does or does not match.
#[must_use]
pub fn explain(pattern: &Pattern, event: &Value) -> Explanation {
    let leaves = pattern.paths.leaves(event);
    let mut alternatives: Vec<Attempt> = pattern
        .alternatives
        .iter()
        .map(|alternative| attempt(alternative, &leaves, event))
        .collect();
    alternatives.sort_by_key(|a| {
        (
            !a.holds,
            a.fields.iter().filter(|field| !field.holds).count(),
        )
    });
    Explanation {
        matches: alternatives.iter().any(|a| a.holds),
        alternatives,
    }
}

fn attempt(alternative: &Alternative, leaves: &Leaves<'_>, event: &Value) -> Attempt {
    let holds = event.is_object() && Search::new(leaves).hold(&alternative.fields);
    let fields: Vec<FieldOutcome> = alternative
        .fields
        .iter()
        .map(|field| {
            let mut values: Vec<Value> = leaves
                .of(field.field)
                .map(|leaf| leaf.value.clone())
                .collect();
            // The leaves come last first; readers expect the event's order.
            values.reverse();
            FieldOutcome {
                field: field.path.to_string(),
                // A field that is absent from the element that matched may be present in another.
                holds: holds || field.holds_alone(leaves),
                wanted: field
                    .tests
                    .iter()
                    .map(|test| test.source.to_string())
                    .collect(),
                found: if !values.is_empty() {
                    Found::Values(values)
                } else if leads_somewhere(event, &field.path) {
                    Found::NoLeaf
                } else {
                    Found::Missing
                },
            }
        })
        .collect();
    Attempt {
        holds,
        split_over_elements: !holds && event.is_object() && fields.iter().all(|field| field.holds),
        fields,
    }
}

/// Whether something lies at the path, in an object or in any element of an array.
fn leads_somewhere(value: &Value, path: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| leads_somewhere(item, path)),
        Value::Object(members) => {
            members
                .iter()
                .any(|(key, member)| match path.strip_prefix(key.as_str()) {
                    Some("") => true,
                    Some(rest) => rest
                        .strip_prefix('.')
                        .is_some_and(|rest| leads_somewhere(member, rest)),
                    None => false,
                })
        }
        _ => false,
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.matches {
            return f.write_str("match");
        }
        f.write_str("no match")?;
        for (i, attempt) in self.alternatives.iter().enumerate() {
            if self.alternatives.len() > 1 {
                write!(f, "\nalternative {} of {}:", i + 1, self.alternatives.len())?;
            }
            if attempt.split_over_elements {
                f.write_str("\n  each field matches, but in different elements of one array")?;
            }
            for field in &attempt.fields {
                if !field.holds || attempt.split_over_elements {
                    write!(f, "\n  {field}")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for FieldOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: wanted {}, found ",
            self.field,
            self.wanted.join(" or ")
        )?;
        match &self.found {
            Found::Missing => f.write_str("nothing"),
            Found::NoLeaf => f.write_str("an object or an empty array, which has no value"),
            Found::Values(values) => {
                for (i, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}
