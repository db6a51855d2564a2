//! JSON with holes: payload templates (`"key.$"`) and JSONata templates (`{% %}`).
//!
//! Owns the compiled shape both languages share and filling it in. Parts with
//! no hole are kept whole and shared, never copied piece by piece.

use crate::Data;
use crate::env::Env;
use crate::failure::Failure;
use crate::intrinsic::Call;
use crate::jsonata::Expr;
use crate::path::{Found, Path};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A compiled template.
#[derive(Debug)]
pub(crate) enum Template {
    Const(Data),
    /// A path and the field it stands for (`name.$`).
    Path(Box<Path>, Box<str>),
    Intrinsic(Box<Call>),
    Jsonata(Box<Expr>),
    Array(Vec<Template>),
    Object(Vec<(Box<str>, Template)>),
}

impl Template {
    /// The text at `path`, where it is written and not worked out.
    pub(crate) fn literal(&self, path: &[&str]) -> Option<&str> {
        match (self, path) {
            (Template::Const(data), path) => {
                let at = path.iter().try_fold(&**data, |at, name| at.get(name));
                at.and_then(Value::as_str)
            }
            (Template::Object(members), [name, rest @ ..]) => {
                let (_, member) = members.iter().find(|(of, _)| &**of == *name)?;
                member.literal(rest)
            }
            _ => None,
        }
    }

    /// Fills the template in.
    pub(crate) fn fill(&self, env: &Env<'_>) -> Result<Data, Failure> {
        match self {
            Template::Const(data) => Ok(data.clone()),
            other => other.value(env).map(Arc::new),
        }
    }

    fn value(&self, env: &Env<'_>) -> Result<Value, Failure> {
        match self {
            Template::Const(data) => Ok((**data).clone()),
            Template::Path(path, field) => match env.follow(path) {
                Found::Value(v) => Ok(v.into_owned()),
                // Measured on AWS: an index past the end is null, not an error.
                Found::PastEnd => Ok(Value::Null),
                Found::Missing => Err(Failure::runtime(format!(
                    "The JSONPath '{}' specified for the field '{field}' could not be found in the input '{}'",
                    path.source(),
                    env.shown(path)
                ))),
            },
            Template::Intrinsic(call) => call.evaluate(env),
            Template::Jsonata(expr) => expr.evaluate(env),
            Template::Array(items) => items.iter().map(|t| t.value(env)).collect(),
            Template::Object(fields) => {
                let mut map = Map::with_capacity(fields.len());
                for (name, template) in fields {
                    map.insert(name.to_string(), template.value(env)?);
                }
                Ok(Value::Object(map))
            }
        }
    }
}
