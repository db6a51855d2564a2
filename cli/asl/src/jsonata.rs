//! JSONata as Step Functions has it: `$states`, variables, six functions of its own.
//!
//! Owns reading an expression once, what AWS refuses in it, and evaluating it
//! many times on `serde_json` values. The language itself is `jsonata-core`'s.
//!
//! Three things keep evaluation cheap, and all are exact. A number by itself is
//! its value. An expression that is only a path through objects
//! (`$states.input.order.id`) is walked without the evaluator. For the rest, only
//! the parts of each variable that the expression can reach are converted: a step
//! that names a field of an object reads nothing else of that object. What is not
//! such a plain name step counts as reading all.

mod convert;
mod host;
mod rewrite;
mod survey;

use crate::env::Env;
use crate::failure::Failure;
use convert::{from_jsonata, states, to_jsonata, type_name};
use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::parser;
use jsonata_core::value::JValue;
use serde_json::Value;
use std::sync::Arc;
use survey::{Survey, direct_path};

/// Calls of functions with a name that an expression may make. AWS ends an expression that loops without end after
/// seconds; the number stands for them, so that no outcome depends on how fast a machine is.
const MAX_CALLS: u32 = 200_000;
/// AWS's words for it.
const ENDLESS: &str = "Expression evaluation timeout: Check for infinite loop";
/// The last resort against what calls itself without a name.
const TIME_LIMIT_MS: u64 = 60_000;

/// How deep an expression may nest: measured on AWS, five shapes agree (floci-io/floci#2737).
const MAX_DEPTH: usize = 100;
/// Items a sequence may have: AWS takes `[1..873782]` and no more, which is some 7 MB.
const MAX_ITEMS: usize = 873_782;
/// Bytes that one value may hold: the same bound, and a text of 2^22 characters is within it and of 2^23 is not.
const MAX_HELD: usize = 6_990_256;
/// AWS's words for it.
const MEMORY: &str =
    "Expression evaluation memory limit exceeded: Check for excessive memory usage";
const STACK: &str = "Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive. Depth=101 max=100";

/// Which parts of a variable an expression reads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Need {
    All,
    Fields(Vec<(Box<str>, Need)>),
}

impl Need {
    /// What is needed of `field`, if anything.
    pub(crate) fn field(&self, field: &str) -> Option<&Need> {
        match self {
            Need::All => Some(&Need::All),
            Need::Fields(fields) => fields.iter().find(|(n, _)| **n == *field).map(|(_, n)| n),
        }
    }

    fn add(&mut self, names: &[&str]) {
        let Need::Fields(fields) = self else { return };
        let Some((first, rest)) = names.split_first() else {
            *self = Need::All;
            return;
        };
        let at = fields
            .iter()
            .position(|(n, _)| **n == **first)
            .unwrap_or_else(|| {
                fields.push(((*first).into(), Need::Fields(Vec::new())));
                fields.len() - 1
            });
        fields[at].1.add(rest);
    }
}

/// A compiled expression and the field it stands in.
#[derive(Debug)]
pub(crate) struct Expr {
    source: Box<str>,
    /// The field, relative to its state, as AWS names it (`Output/a[0]`).
    location: Arc<str>,
    ast: AstNode,
    needs: Vec<(Box<str>, Need)>,
    /// What it is, where it is a number by itself.
    number: Option<Value>,
    /// A plain path: the variable and the names after it.
    direct: Option<(Box<str>, Vec<Box<str>>)>,
    /// Nests deeper than AWS evaluates.
    too_deep: bool,
    /// Calls one of the functions the host provides.
    hosted: bool,
    /// Defines a function, and so may recurse.
    recursive: bool,
}

/// Why AWS refuses an expression when it reads the definition.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// `INVALID_JSONATA_EXPRESSION`: it does not parse.
    Invalid(String),
    /// `UNSUPPORTED_JSONATA_EXPRESSION`: it reads what is not there.
    Unsupported(String),
}

/// The text between `{%` and `%}`, when `text` is an expression.
pub(crate) fn delimited(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}")
}

impl Expr {
    /// Reads the expression between the delimiters. `in_catch` says whether
    /// `$states.errorOutput` exists where it stands.
    pub(crate) fn parse(
        source: &str,
        location: &str,
        in_catch: bool,
    ) -> Result<Expr, Vec<Refusal>> {
        let source = source.trim();
        let mut ast = parser::parse(source).map_err(|e| {
            let text = e.to_string();
            // AWS gives the parser's words without its code.
            let words = jsonata_core::evaluator::error_code_prefix(&text)
                .map_or(text.as_str(), |code| text[code.len() + 1..].trim());
            vec![Refusal::Invalid(words.to_owned())]
        })?;
        rewrite::rewrite(&mut ast);
        let mut survey = Survey {
            in_catch,
            ..Survey::default()
        };
        survey.visit(&ast, true);
        if !survey.refusals.is_empty() {
            return Err(survey.refusals);
        }
        let counted = survey.recursive && rewrite::count_calls(&mut ast);
        if survey.looks_up {
            // `%` can climb to anything above: nothing may be left out.
            survey.needs.iter_mut().for_each(|(_, n)| *n = Need::All);
        }
        Ok(Expr {
            source: source.into(),
            location: location.into(),
            number: match &ast {
                AstNode::Number(n) => from_jsonata(&JValue::Number(*n)),
                _ => None,
            },
            direct: direct_path(&ast),
            ast,
            needs: survey.needs,
            too_deep: survey.deepest > MAX_DEPTH,
            hosted: survey.hosted || counted,
            recursive: survey.recursive,
        })
    }

    /// Evaluates; an error, a function or no value at all is a failure.
    pub(crate) fn evaluate(&self, env: &Env<'_>) -> Result<Value, Failure> {
        if let Some(number) = &self.number {
            return Ok(number.clone());
        }
        if let Some(value) = self.walk(env) {
            return Ok(value);
        }
        if self.too_deep {
            return Err(self.failure(&format!("threw an error during evaluation: {STACK}")));
        }
        let mut context = Context::new();
        for (name, need) in &self.needs {
            if &**name == "states" {
                context.bind("states".into(), states(env, need));
            } else if let Some(value) = env.variables.get(name) {
                context.bind(name.to_string(), to_jsonata(value, need));
            }
        }
        let options = EvaluatorOptions {
            timeout_ms: self.recursive.then_some(TIME_LIMIT_MS),
            max_stack_depth: Some(MAX_DEPTH),
            max_sequence_length: Some(MAX_ITEMS),
            ..EvaluatorOptions::default()
        };
        let mut evaluator = Evaluator::with_options(context, options);
        if self.hosted {
            host::register(&mut evaluator, env).map_err(|e| self.threw(&e))?;
        }
        let result = evaluator
            .evaluate(&self.ast, &JValue::Undefined)
            .map_err(|e| self.threw(&e))?;
        match from_jsonata(&result) {
            Some(value) => Ok(value),
            None if result.is_undefined() => Err(self.failure("returned nothing (undefined).")),
            None => Err(self.failure("returned a function, which is not a JSON value.")),
        }
    }

    /// Evaluates where only one type will do.
    pub(crate) fn evaluate_as<T>(
        &self,
        env: &Env<'_>,
        expected: &str,
        convert: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, Failure> {
        let value = self.evaluate(env)?;
        convert(&value).ok_or_else(|| self.unexpected(expected, &value))
    }

    /// The failure of a value that is of the wrong type for the field.
    pub(crate) fn unexpected(&self, expected: &str, value: &Value) -> Failure {
        self.failure(&format!(
            "returned an unexpected result type. Expected '{expected}', but was '{}' for value: {value}",
            type_name(value)
        ))
    }

    pub(crate) fn failure(&self, what: &str) -> Failure {
        Failure::evaluation(
            &self.location,
            format!(
                "The JSONata expression '{}' specified for the field '{}' {what}",
                self.source, self.location
            ),
        )
    }

    fn threw(&self, error: &EvaluatorError) -> Failure {
        let message = error.message();
        // What AWS's own limits say carries no code, and comes after a colon.
        let limit = match message.get(..5) {
            Some("D1011" | "U1001") => Some(STACK),
            Some("D2015") => Some(MEMORY),
            Some("D1012") => Some(ENDLESS),
            _ => [MEMORY, ENDLESS]
                .into_iter()
                .find(|limit| message == *limit),
        };
        self.failure(&match limit {
            Some(limit) => format!("threw an error during evaluation: {limit}"),
            None => format!("threw an error during evaluation. {message}"),
        })
    }

    /// The value of a plain path, when it leads through objects alone to
    /// something that is not an array (whose sequence rules are the evaluator's).
    fn walk(&self, env: &Env<'_>) -> Option<Value> {
        let (variable, names) = self.direct.as_ref()?;
        let context;
        let (mut at, names): (&Value, _) = match (&**variable, names.split_first()) {
            ("states", Some((first, rest))) => match &**first {
                "input" => (env.input, rest),
                "result" => (env.result?, rest),
                "errorOutput" => (env.error_output?, rest),
                "context" => {
                    // A path of `$states` reads nothing else.
                    let (_, need) = self.needs.first()?;
                    context = env.context.for_need(need.field("context")?);
                    (&context, rest)
                }
                _ => return None,
            },
            ("states", None) => return None,
            _ => (env.variables.get(variable)?, names.as_slice()),
        };
        for name in names {
            at = at.as_object()?.get(&**name)?;
        }
        (!at.is_array()).then(|| at.clone())
    }
}
