//! Reading Choice states: rules in either language.

use super::state::{Edges, Site};
use super::{Compiler, Object};
use crate::choice::{Condition, Test};
use crate::jsonata::delimited;
use crate::model::{Choice, Kind, Language, Rule, StateId};
use serde_json::Value;

impl Compiler {
    pub(super) fn choice(
        &mut self,
        fields: &Object,
        site: &Site<'_>,
        edges: &mut Edges<'_, '_>,
    ) -> Kind {
        if fields
            .get("Choices")
            .is_none_or(|c| c.as_array().is_some_and(Vec::is_empty))
        {
            self.schema(site.at, "These fields are required: [Choices]");
        }
        let mut rules = Vec::new();
        for (i, _, rule, at) in self.entries(fields, "Choices", site.at) {
            let rule_site = Site {
                at: &at,
                prefix: &format!("Choices[{i}]/"),
                ..*site
            };
            let next = edges.target(self, &rule, "Next", &at).unwrap_or(StateId(0));
            let condition = match site.language {
                Language::Jsonata => {
                    self.only(
                        &rule,
                        &at,
                        &["Condition", "Next", "Assign", "Output", "Comment"],
                    );
                    self.condition(&rule, &rule_site)
                }
                Language::JsonPath => self.rule(&rule, &at, true),
            };
            let Some(condition) = condition else { continue };
            rules.push(Rule {
                condition,
                next,
                assign: self.assign(&rule, &rule_site),
                output: match site.language {
                    Language::Jsonata => self.field(&rule, "Output", &rule_site),
                    Language::JsonPath => None,
                },
            });
        }
        let default = fields
            .contains_key("Default")
            .then(|| edges.target(self, fields, "Default", site.at))
            .flatten();
        Kind::Choice(Box::new(Choice { rules, default }))
    }

    fn condition(&mut self, rule: &Object, site: &Site<'_>) -> Option<Condition> {
        let at = format!("{}/Condition", site.at);
        match rule.get("Condition") {
            None => {
                self.schema(site.at, "These fields are required: [Condition]");
                None
            }
            Some(Value::Bool(fixed)) => Some(if *fixed {
                Condition::And(Vec::new())
            } else {
                Condition::Or(Vec::new())
            }),
            Some(value) => {
                let Some(source) = value.as_str().and_then(delimited) else {
                    self.schema(
                        &at,
                        "Condition must be a JSONata expression between {% and %}",
                    );
                    return None;
                };
                let location = format!("{}Condition", site.prefix);
                self.expression(source, &at, &location, false)
                    .map(|e| Condition::Jsonata(Box::new(e)))
            }
        }
    }

    /// A JSONPath rule, or a part of one.
    fn rule(&mut self, rule: &Object, at: &str, top: bool) -> Option<Condition> {
        let extra: &[&str] = if top {
            &["Next", "Assign", "Comment"]
        } else {
            &["Comment"]
        };
        let mut operators = rule
            .iter()
            .filter(|(n, _)| !extra.contains(&n.as_str()) && *n != "Variable");
        let (Some((name, value)), None) = (operators.next(), operators.next()) else {
            self.schema(
                at,
                "a choice rule has exactly one comparison operator, And, Or or Not",
            );
            return None;
        };
        let here = format!("{at}/{name}");
        match (name.as_str(), value) {
            ("And" | "Or", Value::Array(parts)) if !parts.is_empty() => {
                let parts = parts
                    .iter()
                    .enumerate()
                    .filter_map(|(i, p)| match p {
                        Value::Object(p) => self.rule(p, &format!("{here}[{i}]"), false),
                        _ => None,
                    })
                    .collect();
                Some(if name == "And" {
                    Condition::And(parts)
                } else {
                    Condition::Or(parts)
                })
            }
            ("Not", Value::Object(part)) => self
                .rule(part, &here, false)
                .map(|c| Condition::Not(Box::new(c))),
            ("And" | "Or" | "Not", _) => {
                self.schema(
                    &here,
                    "And and Or take a non-empty array of rules, Not takes one rule",
                );
                None
            }
            _ => {
                let test = match Test::parse(name, value) {
                    None => {
                        self.schema(at, format!("Field '{name}' is not supported"));
                        return None;
                    }
                    Some(Err(why)) => {
                        self.schema(&here, why);
                        return None;
                    }
                    Some(Ok(test)) => test,
                };
                let Some(variable) = rule.get("Variable") else {
                    self.schema(at, "These fields are required: [Variable]");
                    return None;
                };
                let path = self.path(variable, &format!("{at}/Variable"))?;
                Some(Condition::Test(Box::new(path), test))
            }
        }
    }
}
