//! What is wrong with a definition, and where.
//!
//! Owns the findings and the checks that look at a whole flow: targets, reach,
//! an end. Field rules are checked where fields are read, in `parse`.
//!
//! Codes and texts are those of AWS's `ValidateStateMachineDefinition` where it
//! has them (API reference, and answers recorded from the service).

use crate::model::MachineType;
use crate::parse;
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// AWS's diagnostic codes, and one of our own.
pub mod codes {
    /// Not JSON.
    pub const INVALID_JSON: &str = "INVALID_JSON_DESCRIPTION";
    /// A field is missing, misplaced or of the wrong type.
    pub const SCHEMA: &str = "SCHEMA_VALIDATION_FAILED";
    /// A `Resource` that names nothing a task could call.
    pub const INVALID_RESOURCE: &str = "INVALID_RESOURCE";
    /// No state ends the flow.
    pub const MISSING_END_STATE: &str = "MISSING_END_STATE";
    /// A target that does not exist, or a state nothing leads to.
    pub const MISSING_TRANSITION_TARGET: &str = "MISSING_TRANSITION_TARGET";
    /// Two states share a name.
    pub const DUPLICATE_STATE_NAME: &str = "DUPLICATE_STATE_NAME";
    /// A name longer than 80 characters, or empty.
    pub const INVALID_STATE_NAME: &str = "INVALID_STATE_NAME";
    /// A JSONata expression that does not parse.
    pub const INVALID_JSONATA: &str = "INVALID_JSONATA_EXPRESSION";
    /// A JSONata expression that reads what Step Functions does not provide.
    pub const UNSUPPORTED_JSONATA: &str = "UNSUPPORTED_JSONATA_EXPRESSION";
    /// A value that looks like a path under a name without `.$` (a warning).
    pub const NO_DOLLAR: &str = "NO_DOLLAR";
    /// A path in a Pass state's `Result`, which is taken literally (a warning).
    pub const PASS_RESULT_IS_STATIC: &str = "PASS_RESULT_IS_STATIC";
    /// Valid on AWS, but not run by this engine. Not one of AWS's codes.
    pub const NOT_SUPPORTED_HERE: &str = "NOT_SUPPORTED_BY_DUET";
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// The definition is refused.
    Error,
    /// It is accepted, but probably not what was meant.
    Warning,
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where, as AWS writes it: `/States/Ship/Catch[0]/Next`. Empty for the whole definition.
    pub path: String,
    /// Whether it stops the definition from being used.
    pub severity: Severity,
    /// One of [`codes`].
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}: {}", self.code, self.message)?;
        if self.path.is_empty() {
            Ok(())
        } else {
            write!(f, " at {}", self.path)
        }
    }
}

/// All findings for `definition`, errors and warnings, as a Standard workflow.
///
/// No finding of severity [`Severity::Error`] means that it can be run.
#[must_use]
pub fn validate(definition: &str) -> Vec<Finding> {
    validate_as(definition, MachineType::Standard)
}

/// As [`validate`], under the rules of `kind`.
#[must_use]
pub fn validate_as(definition: &str, kind: MachineType) -> Vec<Finding> {
    parse::compile(definition, kind).1
}

/// The transitions of one flow, as far as its graph checks need them.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// The start state's name and where it is written.
    pub(crate) start: Option<(String, String)>,
    /// States in the order they are written, with their places.
    pub(crate) states: Vec<(String, String)>,
    /// From, to, and where the target is written.
    pub(crate) edges: Vec<(String, String, String)>,
    /// Whether some state ends the flow.
    pub(crate) ends: bool,
}

impl Graph {
    /// Missing targets first, then a missing end or the states nothing leads to.
    pub(crate) fn check(&self, findings: &mut Vec<Finding>) {
        let mut push = |path: &str, code, message| {
            findings.push(Finding {
                path: path.to_owned(),
                severity: Severity::Error,
                code,
                message,
            });
        };
        let known: HashSet<&str> = self.states.iter().map(|(n, _)| n.as_str()).collect();
        let starts = self.start.iter().map(|(to, at)| (to, at));
        let targets = starts.chain(self.edges.iter().map(|(_, to, at)| (to, at)));
        for (to, at) in targets {
            if !known.contains(to.as_str()) {
                // AWS says 'Next' whatever the field is called.
                push(
                    at,
                    codes::MISSING_TRANSITION_TARGET,
                    format!("Missing 'Next' target: {to}"),
                );
            }
        }
        if !self.ends && !self.states.is_empty() {
            push(
                "",
                codes::MISSING_END_STATE,
                "Workflow has no terminal state".into(),
            );
            return;
        }
        let mut next: HashMap<&str, Vec<&str>> = HashMap::new();
        for (from, to, _) in &self.edges {
            next.entry(from).or_default().push(to);
        }
        let mut reached = HashSet::new();
        let mut open: Vec<&str> = self.start.iter().map(|(n, _)| n.as_str()).collect();
        while let Some(at) = open.pop() {
            if reached.insert(at) {
                open.extend(next.get(at).into_iter().flatten());
            }
        }
        for (name, at) in &self.states {
            if !reached.contains(name.as_str()) && self.start.is_some() {
                push(
                    at,
                    codes::MISSING_TRANSITION_TARGET,
                    format!("State \"{name}\" is not reachable."),
                );
            }
        }
    }
}
