//! The subset of JSONPath that EventBridge takes in `InputPath` and `InputPathsMap`: `$`, dotted names, array positions and
//! `*`. Source: the user guide's list of supported syntax, and recorded refusals of `PutTargets` (no leading `$`, quoted
//! brackets). This module must not know templates.

use serde_json::Value;

/// A parsed path into an event, such as `$.detail.data.lines[0].sku`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPath {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    At(usize),
    All,
}

impl InputPath {
    /// Parses a path.
    ///
    /// # Errors
    /// What is wrong with it, as a phrase.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut rest = text.strip_prefix('$').ok_or("must begin with $")?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(name) = rest.strip_prefix('.') {
                let end = name.find(['.', '[']).unwrap_or(name.len());
                let (name, after) = name.split_at(end);
                rest = after;
                steps.push(match name {
                    "" => return Err("has an empty name; `..` is not supported"),
                    "*" => Step::All,
                    name if name.chars().all(|c| c.is_alphanumeric() || "-_/".contains(c)) => Step::Name(name.to_owned()),
                    _ => return Err("has a name with other characters than letters, digits, `-`, `_` and `/`"),
                });
            } else if let Some(inside) = rest.strip_prefix('[') {
                let (index, after) = inside.split_once(']').ok_or("has an open bracket")?;
                rest = after;
                steps.push(match index {
                    "*" => Step::All,
                    index => Step::At(index.parse().map_err(
                        |_| "has a bracket without an array position; write names with dots",
                    )?),
                });
            } else {
                return Err("needs a dot or a bracket between its steps");
            }
        }
        Ok(Self { steps })
    }

    /// What the path finds: one value; of a path with `*`, the list of all it finds; nothing if a step leads nowhere.
    #[must_use]
    pub fn find(&self, event: &Value) -> Option<Value> {
        let mut found = vec![event];
        let mut many = false;
        for step in &self.steps {
            found = match step {
                Step::Name(name) => found
                    .into_iter()
                    .filter_map(|value| value.get(name))
                    .collect(),
                Step::At(index) => found
                    .into_iter()
                    .filter_map(|value| value.get(*index))
                    .collect(),
                Step::All => {
                    many = true;
                    found
                        .into_iter()
                        .flat_map(|value| match value {
                            Value::Array(items) => items.iter().collect::<Vec<_>>(),
                            Value::Object(members) => members.values().collect(),
                            _ => Vec::new(),
                        })
                        .collect()
                }
            };
        }
        if many {
            Some(found.into_iter().cloned().collect())
        } else {
            found.first().copied().cloned()
        }
    }
}
