//! From a definition's text to a compiled machine, with findings on the way.
//!
//! Owns the field rules: which state type takes which field in which language,
//! and what a field may hold. Every finding is collected; the first does not
//! stop the reading. The compiled machine exists only when there is no error.

mod choice;
mod distributed;
mod duplicates;
mod fields;
mod integrations;
mod known;
mod state;
mod table;

use crate::jsonata::{Expr, Refusal, delimited};
use crate::model::{Language, MachineType, State, StateId, StateMachine};
use crate::path::Path;
use crate::template::Template;
use crate::validate::{Finding, Graph, Severity, codes};
use crate::{Data, intrinsic};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::sync::Arc;

type Object = Map<String, Value>;

/// API_CreateStateMachine: a definition has at most 1 MiB.
const MAX_DEFINITION: usize = 1_024 * 1_024;

impl StateMachine {
    /// Compiles a Standard definition.
    ///
    /// # Errors
    /// All findings, when at least one is an error.
    pub fn parse(definition: &str) -> Result<Self, Vec<Finding>> {
        Self::parse_as(definition, MachineType::Standard)
    }

    /// Compiles a definition under the rules of `kind`.
    ///
    /// # Errors
    /// All findings, when at least one is an error.
    pub fn parse_as(definition: &str, kind: MachineType) -> Result<Self, Vec<Finding>> {
        let (machine, findings) = compile(definition, kind);
        machine.ok_or(findings)
    }
}

/// Reads `definition`; the machine is there when no finding is an error.
pub(crate) fn compile(definition: &str, kind: MachineType) -> (Option<StateMachine>, Vec<Finding>) {
    let mut compiler = Compiler {
        kind,
        language: Language::JsonPath,
        states: Vec::new(),
        names: HashSet::new(),
        labels: HashSet::new(),
        findings: Vec::new(),
    };
    let machine = compiler.machine(definition);
    let findings = compiler.findings;
    let refused = findings.iter().any(|f| f.severity == Severity::Error);
    (machine.filter(|_| !refused), findings)
}

struct Compiler {
    kind: MachineType,
    /// The machine's language, which nested states fall back to as well.
    language: Language,
    states: Vec<Option<State>>,
    names: HashSet<String>,
    /// Of distributed Maps.
    labels: HashSet<String>,
    findings: Vec<Finding>,
}

/// What surrounds a flow.
#[derive(Clone, Copy, Default)]
struct Scope<'a> {
    outer: Option<&'a Scope<'a>>,
    /// Variables some state of this flow assigns.
    assigned: Option<&'a HashSet<String>>,
}

impl Scope<'_> {
    fn assigns(&self, name: &str) -> bool {
        self.assigned.is_some_and(|a| a.contains(name))
            || self.outer.is_some_and(|o| o.assigns(name))
    }
}

impl Compiler {
    fn report(&mut self, severity: Severity, code: &'static str, at: &str, message: String) {
        self.findings.push(Finding {
            path: at.to_owned(),
            severity,
            code,
            message,
        });
    }

    fn error(&mut self, code: &'static str, at: &str, message: impl Into<String>) {
        self.report(Severity::Error, code, at, message.into());
    }

    fn schema(&mut self, at: &str, message: impl Into<String>) {
        self.error(codes::SCHEMA, at, message);
    }

    fn refuse_here(&mut self, at: &str, what: &str, instead: &str) {
        self.error(
            codes::NOT_SUPPORTED_HERE,
            at,
            format!("{what} is not supported by duet yet: {instead}"),
        );
    }

    fn machine(&mut self, definition: &str) -> Option<StateMachine> {
        if definition.trim().is_empty() {
            self.schema("", "Definition must be a valid JSON object");
            return None;
        }
        if definition.len() > MAX_DEFINITION {
            self.schema(
                "",
                format!("The definition is longer than {MAX_DEFINITION} bytes"),
            );
            return None;
        }
        let value: Value = match serde_json::from_str(definition) {
            Ok(value) => value,
            Err(e) => {
                let hint = if definition.contains("${") {
                    "; put the template's DefinitionSubstitutions in first"
                } else {
                    ""
                };
                self.error(codes::INVALID_JSON, "", format!("{e}{hint}"));
                return None;
            }
        };
        let Value::Object(object) = value else {
            self.schema("", "Definition must be a valid JSON object");
            return None;
        };
        self.duplicates(definition);
        if let Some(language) = object.get("QueryLanguage") {
            self.language = self.query_language(language, "");
        }
        for name in object.keys() {
            if ![
                "Comment",
                "QueryLanguage",
                "StartAt",
                "States",
                "TimeoutSeconds",
                "Version",
            ]
            .contains(&name.as_str())
            {
                self.schema("/", format!("Field '{name}' is not supported"));
            }
        }
        if let Some(version) = object.get("Version")
            && version != "1.0"
        {
            self.schema("/Version", "Value should be one of the following: [1.0]");
        }
        let timeout_seconds = object
            .get("TimeoutSeconds")
            .and_then(|v| self.whole(v, "/TimeoutSeconds", 1));
        let start = self.flow(&object, "", Scope::default());
        let states = std::mem::take(&mut self.states)
            .into_iter()
            .collect::<Option<Vec<_>>>()?;
        Some(StateMachine {
            states: states.into(),
            start: start?,
            timeout_seconds,
            kind: self.kind,
            comment: object
                .get("Comment")
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    }

    /// Names that an object has twice: of states, or of anything else.
    fn duplicates(&mut self, definition: &str) {
        for duplicates::Duplicate { at, name } in duplicates::duplicates(definition) {
            let here = format!("{at}/{name}");
            if at.ends_with("/States") {
                self.error(
                    codes::DUPLICATE_STATE_NAME,
                    &here,
                    format!("Duplicate State name: {name}"),
                );
            } else {
                self.error(
                    codes::INVALID_JSON,
                    &here,
                    format!("Duplicate field '{name}'"),
                );
            }
        }
    }

    /// Reads a `QueryLanguage`: anything but the exact word JSONPath counts as
    /// JSONata, as measured on AWS, besides being reported.
    fn query_language(&mut self, value: &Value, at: &str) -> Language {
        match value.as_str() {
            Some("JSONPath") => return Language::JsonPath,
            Some("JSONata") => {}
            Some(_) => self.schema(
                &format!("{at}/QueryLanguage"),
                "Value should be one of the following: [JSONPath, JSONata]",
            ),
            None => self.schema(
                &format!("{at}/QueryLanguage"),
                "Expected value of type [STRING]",
            ),
        }
        Language::Jsonata
    }

    /// Compiles the states of `object` (a machine, branch or processor); gives the start.
    fn flow(&mut self, object: &Object, at: &str, scope: Scope<'_>) -> Option<StateId> {
        let root = if at.is_empty() { "/" } else { at };
        let missing: Vec<&str> = ["States", "StartAt"]
            .into_iter()
            .filter(|f| !object.contains_key(*f))
            .collect();
        if !missing.is_empty() {
            self.schema(
                root,
                format!("These fields are required: [{}]", missing.join(", ")),
            );
            return None;
        }
        let (Some(Value::Object(states)), Some(Value::String(start))) =
            (object.get("States"), object.get("StartAt"))
        else {
            self.schema(root, "States must be an object and StartAt a string");
            return None;
        };
        if states.is_empty() {
            self.schema(&format!("{at}/States"), "States must not be empty");
            return None;
        }
        let first = self.states.len();
        self.states.resize_with(first + states.len(), || None);
        let assigned = state::assigned(states);
        for name in &assigned {
            if scope.assigns(name) {
                self.schema(
                    root,
                    format!(
                        "variable '{name}' is assigned in an outer scope too: give the inner one another name"
                    ),
                );
            }
        }
        let inner = Scope {
            outer: Some(&scope),
            assigned: Some(&assigned),
        };
        let targets = state::Targets {
            first,
            names: states,
        };
        let mut graph = Graph {
            start: Some((start.clone(), format!("{at}/StartAt"))),
            ..Graph::default()
        };
        for (i, (name, value)) in states.iter().enumerate() {
            let here = format!("{at}/States/{name}");
            graph.states.push((name.clone(), here.clone()));
            if name.is_empty() || name.chars().count() > 80 {
                self.error(
                    codes::INVALID_STATE_NAME,
                    &here,
                    "a state name has 1 to 80 characters",
                );
            }
            if !self.names.insert(name.clone()) {
                self.error(
                    codes::DUPLICATE_STATE_NAME,
                    &here,
                    format!("Duplicate State name: {name}"),
                );
            }
            let Value::Object(fields) = value else {
                self.schema(&here, "Expected value of type [OBJECT]");
                continue;
            };
            let state = self.state(name, fields, &here, &targets, &inner, &mut graph);
            self.states[first + i] = state;
        }
        graph.check(&mut self.findings);
        targets.find(start)
    }

    /// Compiles a template of either language. `at` is the absolute place,
    /// `location` the one relative to the state that AWS puts into causes.
    fn template(
        &mut self,
        value: &Value,
        at: &str,
        location: &str,
        language: Language,
        in_catch: bool,
    ) -> Template {
        match value {
            Value::String(text) if language == Language::Jsonata => match delimited(text) {
                Some(source) => self
                    .expression(source, at, location, in_catch)
                    .map_or_else(|| constant(value), |e| Template::Jsonata(Box::new(e))),
                None => {
                    // The guide: opened or closed improperly, it is a validation error.
                    if text.trim_start().starts_with("{%") || text.trim_end().ends_with("%}") {
                        self.error(
                            codes::INVALID_JSONATA,
                            at,
                            "An expression must start with '{%' and end with '%}', without blanks around them",
                        );
                    }
                    constant(value)
                }
            },
            Value::Array(items) => {
                let items: Vec<Template> = items
                    .iter()
                    .enumerate()
                    .map(|(i, v)| {
                        let (at, location) = (format!("{at}[{i}]"), format!("{location}[{i}]"));
                        self.template(v, &at, &location, language, in_catch)
                    })
                    .collect();
                if items.iter().all(|t| matches!(t, Template::Const(_))) {
                    constant(value)
                } else {
                    Template::Array(items)
                }
            }
            Value::Object(fields) => {
                let fields: Vec<(Box<str>, Template)> = fields
                    .iter()
                    .map(|(name, v)| {
                        let (here, location) =
                            (format!("{at}/{name}"), format!("{location}/{name}"));
                        match name.strip_suffix(".$") {
                            Some(plain) if language == Language::JsonPath => {
                                (plain.into(), self.dynamic(v, &here, name))
                            }
                            _ => {
                                self.warn_no_dollar(v, &here, language);
                                let t = self.template(v, &here, &location, language, in_catch);
                                (name.as_str().into(), t)
                            }
                        }
                    })
                    .collect();
                if fields.iter().all(|(_, t)| matches!(t, Template::Const(_))) {
                    constant(value)
                } else {
                    Template::Object(fields)
                }
            }
            other => constant(other),
        }
    }

    /// The value of a `name.$` field: a path or an intrinsic function.
    fn dynamic(&mut self, value: &Value, at: &str, name: &str) -> Template {
        let Some(text) = value.as_str() else {
            self.schema(at, format!("The value for the field '{name}' must be a valid JSONPath or a valid intrinsic function call"));
            return constant(value);
        };
        self.path_or_call(text, at, name)
    }

    fn path_or_call(&mut self, text: &str, at: &str, name: &str) -> Template {
        let parsed = if text.starts_with("States.") {
            intrinsic::Call::parse(text).map(|c| Template::Intrinsic(Box::new(c)))
        } else {
            Path::parse(text).map(|p| Template::Path(Box::new(p), name.into()))
        };
        parsed.unwrap_or_else(|why| {
            self.schema(
                at,
                format!(
                    "The value for the field '{name}' must be a valid JSONPath or a valid intrinsic function call: {why}"
                ),
            );
            constant(&Value::Null)
        })
    }

    fn expression(
        &mut self,
        source: &str,
        at: &str,
        location: &str,
        in_catch: bool,
    ) -> Option<Expr> {
        match Expr::parse(source, location, in_catch) {
            Ok(expr) => Some(expr),
            Err(refusals) => {
                for refusal in refusals {
                    match refusal {
                        Refusal::Invalid(m) => self.error(codes::INVALID_JSONATA, at, m),
                        Refusal::Unsupported(m) => self.error(codes::UNSUPPORTED_JSONATA, at, m),
                    }
                }
                None
            }
        }
    }

    fn warn_no_dollar(&mut self, value: &Value, at: &str, language: Language) {
        if let (Language::JsonPath, Some(text)) = (language, value.as_str())
            && (text.starts_with("$.") || text.starts_with("$$.") || text.starts_with("States."))
            && (Path::parse(text).is_ok() || intrinsic::Call::parse(text).is_ok())
        {
            self.report(
                Severity::Warning,
                codes::NO_DOLLAR,
                at,
                "No .$ on a field that appears to be a JSONPath or Intrinsic Function".into(),
            );
        }
    }
}

fn constant(value: &Value) -> Template {
    Template::Const(Data::from(Arc::new(value.clone())))
}
