//! The rules of a template, for whoever wants to try events on them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::Value;

use crate::Refused;
use crate::model::{Model, Rule};

/// A rule that a template deploys.
#[derive(Debug, Clone, PartialEq)]
pub struct BusRule {
    /// Its logical id; of a function's own event, that of the function and the event.
    pub name: String,
    /// The file that declares it.
    pub file: String,
    /// The line there.
    pub line: usize,
    /// Its event pattern; nothing for a schedule.
    pub pattern: Option<Value>,
    /// Its targets, with `Input`, `InputPath` and `InputTransformer` as the template has them.
    pub targets: Vec<Value>,
    /// Whether a part of the pattern is known only once it is deployed. That part is
    /// the text that asks for it.
    pub is_doubtful: bool,
}

/// The rules of the template at `path` and of those nested in it, as they are deployed
/// with `parameters` in place of its defaults. `read` reads it, and the files that it names.
///
/// # Errors
/// [`Refused`] when the file cannot be read or is no template, or has no such parameter.
pub fn rules_of(
    path: &Path,
    parameters: &BTreeMap<String, String>,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Vec<BusRule>, Refused> {
    let model = Model::of(path, read, parameters).map_err(Refused)?;
    let rule = |rule: &Rule| BusRule {
        name: rule.name.clone(),
        file: model.resources[rule.id].file.clone(),
        line: rule.line,
        pattern: (!rule.pattern.is_null()).then(|| rule.pattern.to_json()),
        targets: rule
            .targets
            .iter()
            .map(|it| it.settings.to_json())
            .collect(),
        is_doubtful: rule.pattern.has_unknown(),
    };
    Ok(model.rules.iter().map(rule).collect())
}
