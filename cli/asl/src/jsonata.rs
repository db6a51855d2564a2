//! JSONata as Step Functions has it: `$states`, variables, six functions of its own.
//!
//! Owns reading an expression once, what AWS refuses in it, and evaluating it
//! many times on `serde_json` values. The language itself is `jsonata-core`'s.
//!
//! Two things keep evaluation cheap, and both are exact. An expression that is
//! only a path through objects (`$states.input.order.id`) is walked without the
//! evaluator. For the rest, only the parts of each variable that the expression
//! can reach are converted: a step that names a field of an object reads nothing
//! else of that object. What is not such a plain name step counts as reading all.

use crate::env::{Env, digest, uuid};
use crate::failure::Failure;
use crate::path::number;
use jsonata_core::ast::{AstNode, PathStep, Stage};
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::parser;
use jsonata_core::value::JValue;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// An expression that loops without end stops after this long, as on AWS.
const TIME_LIMIT_MS: u64 = 5_000;

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
    /// A plain path: the variable and the names after it.
    direct: Option<(Box<str>, Vec<Box<str>>)>,
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
    pub(crate) fn parse(source: &str, location: &str, in_catch: bool) -> Result<Expr, Vec<Refusal>> {
        let source = source.trim();
        let ast = parser::parse(source).map_err(|e| {
            let text = e.to_string();
            // AWS gives the parser's words without its code.
            let words = jsonata_core::evaluator::error_code_prefix(&text)
                .map_or(text.as_str(), |code| text[code.len() + 1..].trim());
            vec![Refusal::Invalid(words.to_owned())]
        })?;
        let mut survey = Survey {
            in_catch,
            ..Survey::default()
        };
        survey.visit(&ast, true);
        if !survey.refusals.is_empty() {
            return Err(survey.refusals);
        }
        if survey.looks_up {
            // `%` can climb to anything above: nothing may be left out.
            survey.needs.iter_mut().for_each(|(_, n)| *n = Need::All);
        }
        Ok(Expr {
            source: source.into(),
            location: location.into(),
            direct: direct_path(&ast),
            ast,
            needs: survey.needs,
            hosted: survey.hosted,
            recursive: survey.recursive,
        })
    }

    /// Evaluates; an error, a function or no value at all is a failure.
    pub(crate) fn evaluate(&self, env: &Env<'_>) -> Result<Value, Failure> {
        if let Some(value) = self.walk(env) {
            return Ok(value);
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
            ..EvaluatorOptions::default()
        };
        let mut evaluator = Evaluator::with_options(context, options);
        if self.hosted {
            self.register(&mut evaluator, env)
                .map_err(|e| self.threw(&e))?;
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
        convert(&value).ok_or_else(|| {
            self.failure(&format!(
                "returned an unexpected result type. Expected '{expected}', but was '{}' for value: {value}",
                type_name(&value)
            ))
        })
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
        self.failure(&format!(
            "threw an error during evaluation. {}",
            error.message()
        ))
    }

    /// The value of a plain path, when it leads through objects alone to
    /// something that is not an array (whose sequence rules are the evaluator's).
    fn walk(&self, env: &Env<'_>) -> Option<Value> {
        let (variable, names) = self.direct.as_ref()?;
        let mut names = names.iter();
        let mut at: &Value = if &**variable == "states" {
            match &**names.next()? {
                "input" => env.input,
                "result" => env.result?,
                "errorOutput" => env.error_output?,
                _ => return None,
            }
        } else {
            env.variables.get(variable)?
        };
        for name in names {
            at = at.as_object()?.get(&**name)?;
        }
        (!at.is_array()).then(|| at.clone())
    }

    /// The functions Step Functions adds, and those whose answer must come
    /// from the execution's own clock and random stream.
    fn register(&self, evaluator: &mut Evaluator, env: &Env<'_>) -> Result<(), EvaluatorError> {
        let seed = env.random.borrow_mut().u64(..);
        let random = Rc::new(RefCell::new(fastrand::Rng::with_seed(seed)));
        let now = env.now;
        let host = random.clone();
        evaluator.register_fn_override("random", move |args: &[JValue]| {
            Ok(JValue::from_f64(match args.first().and_then(JValue::as_f64) {
                Some(seed) => fastrand::Rng::with_seed(seed as i64 as u64).f64(),
                None => host.borrow_mut().f64(),
            }))
        })?;
        let host = random.clone();
        evaluator.register_fn_override("shuffle", move |args: &[JValue]| {
            Ok(match args.first().and_then(JValue::as_array) {
                Some(items) => {
                    let mut items = items.clone();
                    host.borrow_mut().shuffle(&mut items);
                    JValue::array(items)
                }
                None => args.first().cloned().unwrap_or(JValue::Undefined),
            })
        })?;
        evaluator.register_fn_override("uuid", move |_: &[JValue]| {
            Ok(JValue::string(uuid(&mut random.borrow_mut())))
        })?;
        evaluator.register_fn_override("millis", move |_: &[JValue]| {
            Ok(JValue::from_f64(now as f64))
        })?;
        evaluator.register_fn_override("now", move |args: &[JValue]| {
            if args.is_empty() {
                return Ok(JValue::string(crate::env::iso(now)));
            }
            // With a picture, `$now` is `$fromMillis` of the same instant.
            let mut inner = Context::new();
            inner.bind("at".into(), JValue::from_f64(now as f64));
            inner.bind("picture".into(), args[0].clone());
            let zone = args.get(1).cloned().unwrap_or(JValue::Undefined);
            inner.bind("zone".into(), zone);
            let ast = parser::parse("$fromMillis($at, $picture, $zone)")
                .map_err(|e| EvaluatorError::EvaluationError(e.to_string()))?;
            Evaluator::with_context(inner).evaluate(&ast, &JValue::Undefined)
        })?;
        evaluator.register_fn_override("hash", |args: &[JValue]| {
            let text = args.first().and_then(JValue::as_str);
            let algorithm = args.get(1).and_then(JValue::as_str);
            match (text, algorithm) {
                (Some(text), Some(algorithm)) => digest(text, algorithm)
                    .map(JValue::string)
                    .ok_or_else(|| error(format!("unknown hash algorithm '{algorithm}'"))),
                _ => Ok(JValue::Undefined),
            }
        })?;
        evaluator.register_fn_override("parse", |args: &[JValue]| {
            let Some(text) = args.first().and_then(JValue::as_str) else {
                return Ok(JValue::Undefined);
            };
            JValue::from_json_str(text).map_err(|e| error(format!("cannot parse JSON: {e}")))
        })?;
        evaluator.register_fn_override("partition", |args: &[JValue]| Ok(partition(args)))?;
        evaluator.register_fn_override("range", range)?;
        evaluator.register_fn_override("eval", |_: &[JValue]| {
            Err(error(
                "T1006: Attempted to invoke a non-function: $eval is not available, use $parse".into(),
            ))
        })
    }
}

fn error(text: String) -> EvaluatorError {
    EvaluatorError::EvaluationError(text)
}

/// `$partition(array, size)`; nothing for an empty array or a size of zero.
fn partition(args: &[JValue]) -> JValue {
    let items = args.first().and_then(JValue::as_array);
    let size = args.get(1).and_then(JValue::as_f64).map_or(0, |n| n as usize);
    match items {
        Some(items) if size > 0 && !items.is_empty() => JValue::array(
            items
                .chunks(size)
                .map(|c| JValue::array(c.to_vec()))
                .collect(),
        ),
        _ => JValue::Undefined,
    }
}

/// `$range(start, end, step)`, inclusive; a range of one is the number itself.
fn range(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let whole = |i: usize| args.get(i).and_then(JValue::as_f64).map(|n| n as i64);
    let (Some(start), Some(end), Some(step)) = (whole(0), whole(1), whole(2)) else {
        return Ok(JValue::Undefined);
    };
    if step == 0 || (end > start && step < 0) || (end < start && step > 0) {
        return Ok(JValue::Undefined);
    }
    let count = end.abs_diff(start) / step.unsigned_abs() + 1;
    if count > 360_145 {
        return Err(error("Expression evaluation memory limit exceeded".into()));
    }
    let items: Vec<JValue> = (0..count as i64)
        .map(|i| JValue::from_f64((start + i * step) as f64))
        .collect();
    Ok(match items.as_slice() {
        [one] => one.clone(),
        _ => JValue::array(items),
    })
}

/// `$states` with the parts that are needed.
fn states(env: &Env<'_>, need: &Need) -> JValue {
    let mut all = Vec::new();
    let mut put = |name: &str, value: Option<JValue>| {
        if let Some(value) = value {
            all.push((name.to_owned(), value));
        }
    };
    if let Some(need) = need.field("input") {
        put("input", Some(to_jsonata(env.input, need)));
    }
    if let Some(need) = need.field("result") {
        put("result", env.result.map(|v| to_jsonata(v, need)));
    }
    if let Some(need) = need.field("errorOutput") {
        put("errorOutput", env.error_output.map(|v| to_jsonata(v, need)));
    }
    if let Some(need) = need.field("context") {
        put("context", Some(to_jsonata(&env.context.for_need(need), need)));
    }
    JValue::object(all.into_iter().collect())
}

/// The needed part of `value` for the evaluator.
fn to_jsonata(value: &Value, need: &Need) -> JValue {
    match (value, need) {
        (Value::Object(map), Need::Fields(fields)) => JValue::object(
            fields
                .iter()
                .filter_map(|(name, need)| {
                    let value = map.get(&**name)?;
                    Some((name.to_string(), to_jsonata(value, need)))
                })
                .collect(),
        ),
        (Value::Null, _) => JValue::Null,
        (Value::Bool(b), _) => JValue::Bool(*b),
        (Value::Number(n), _) => JValue::Number(n.as_f64().unwrap_or(f64::NAN)),
        (Value::String(s), _) => JValue::string(s.as_str()),
        (Value::Array(items), _) => {
            JValue::array(items.iter().map(|v| to_jsonata(v, &Need::All)).collect())
        }
        (Value::Object(map), Need::All) => JValue::object(
            map.iter()
                .map(|(k, v)| (k.clone(), to_jsonata(v, &Need::All)))
                .collect(),
        ),
    }
}

/// The JSON value of a result. Numbers JSON cannot write become the names
/// JavaScript gives them, as on AWS; functions and nothing are no value.
fn from_jsonata(value: &JValue) -> Option<Value> {
    Some(match value {
        JValue::Null => Value::Null,
        JValue::Bool(b) => Value::Bool(*b),
        JValue::Number(n) if n.is_nan() => "NaN".into(),
        JValue::Number(n) if n.is_infinite() => {
            if *n > 0.0 { "Infinity" } else { "-Infinity" }.into()
        }
        JValue::Number(n) => number(*n),
        JValue::String(s) => Value::String(s.to_string()),
        JValue::Array(items) => {
            Value::Array(items.iter().map(from_jsonata).collect::<Option<_>>()?)
        }
        JValue::Object(map) => Value::Object(
            map.iter()
                .map(|(k, v)| Some((k.clone(), from_jsonata(v)?)))
                .collect::<Option<Map<_, _>>>()?,
        ),
        _ => return None,
    })
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// `$name` or `$name.a.b` with nothing else to it.
fn direct_path(ast: &AstNode) -> Option<(Box<str>, Vec<Box<str>>)> {
    match ast {
        AstNode::Variable(v) if !v.is_empty() => Some((v.as_str().into(), Vec::new())),
        AstNode::Path { steps } => {
            let (first, rest) = steps.split_first()?;
            let AstNode::Variable(v) = &first.node else {
                return None;
            };
            let names = rest
                .iter()
                .map(|s| match &s.node {
                    AstNode::Name(n) if is_plain(s) => Some(n.as_str().into()),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()?;
            (is_plain(first) && !v.is_empty()).then(|| (v.as_str().into(), names))
        }
        _ => None,
    }
}

/// Whether a step only steps: no predicate, no `@`, `#` or `%`.
fn is_plain(step: &PathStep) -> bool {
    step.stages.is_empty()
        && step.focus.is_none()
        && step.index_var.is_none()
        && step.ancestor_label.is_none()
        && !step.is_tuple
        && !step.inner_tuple
}

/// One walk over an expression: what it reads, calls and may not do.
#[derive(Default)]
struct Survey {
    in_catch: bool,
    needs: Vec<(Box<str>, Need)>,
    refusals: Vec<Refusal>,
    looks_up: bool,
    hosted: bool,
    recursive: bool,
}

impl Survey {
    fn need(&mut self, variable: &str, names: &[&str]) {
        if variable == "states" && names.first() == Some(&"errorOutput") && !self.in_catch {
            self.refuse("Reference to '$states.errorOutput' is not supported.".into());
        }
        let at = self
            .needs
            .iter()
            .position(|(n, _)| **n == *variable)
            .unwrap_or_else(|| {
                self.needs
                    .push((variable.into(), Need::Fields(Vec::new())));
                self.needs.len() - 1
            });
        self.needs[at].1.add(names);
    }

    fn refuse(&mut self, text: String) {
        let refusal = Refusal::Unsupported(text);
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }

    fn name(&mut self, name: &str) {
        if matches!(
            name,
            "random" | "shuffle" | "uuid" | "millis" | "now" | "hash" | "parse" | "partition"
                | "range" | "eval"
        ) {
            self.hosted = true;
        }
    }

    /// `top` says whether a bare name here would read the context item that
    /// Step Functions does not provide.
    fn visit(&mut self, ast: &AstNode, top: bool) {
        match ast {
            AstNode::Name(n) if top => {
                self.refuse(format!("Reference to '{n}' at the top level is not supported."));
            }
            AstNode::Variable(v) if v.is_empty() => {
                if top {
                    self.refuse("Reference to '$' is not supported.".into());
                }
            }
            AstNode::Variable(v) => {
                self.name(v);
                self.need(v, &[]);
            }
            AstNode::ParentVariable(_) => self.refuse("Reference to '$$' is not supported.".into()),
            AstNode::Path { steps } => self.path(steps, top),
            AstNode::Binary { lhs, rhs, .. } => {
                self.visit(lhs, top);
                self.visit(rhs, top);
            }
            AstNode::Unary { operand, .. } => self.visit(operand, top),
            AstNode::Function { name, args, .. } => {
                self.name(name);
                args.iter().for_each(|a| self.visit(a, top));
            }
            AstNode::Call { procedure, args } => {
                self.visit(procedure, top);
                args.iter().for_each(|a| self.visit(a, top));
            }
            AstNode::Lambda { body, .. } => {
                self.recursive = true;
                self.visit(body, top);
            }
            AstNode::Array(items) | AstNode::ArrayGroup(items) | AstNode::Block(items) => {
                items.iter().for_each(|i| self.visit(i, top));
            }
            AstNode::Object(pairs) => pairs.iter().for_each(|(k, v)| {
                self.visit(k, top);
                self.visit(v, top);
            }),
            AstNode::ObjectTransform { input, pattern } => {
                self.visit(input, top);
                pattern.iter().for_each(|(k, v)| {
                    self.visit(k, false);
                    self.visit(v, false);
                });
            }
            AstNode::Conditional {
                condition,
                then_branch,
                else_branch,
            } => {
                self.visit(condition, top);
                self.visit(then_branch, top);
                if let Some(e) = else_branch {
                    self.visit(e, top);
                }
            }
            AstNode::FunctionApplication(inner) => self.visit(inner, top),
            AstNode::Sort { input, terms } => {
                self.visit(input, top);
                terms.iter().for_each(|(t, _)| self.visit(t, false));
            }
            AstNode::Transform {
                location,
                update,
                delete,
            } => {
                self.visit(location, false);
                self.visit(update, false);
                if let Some(d) = delete {
                    self.visit(d, false);
                }
            }
            AstNode::Parent(_) => self.looks_up = true,
            AstNode::Name(_)
            | AstNode::String(_)
            | AstNode::Number(_)
            | AstNode::Boolean(_)
            | AstNode::Null
            | AstNode::Undefined
            | AstNode::Placeholder
            | AstNode::Regex { .. }
            | AstNode::Wildcard
            | AstNode::Descendant => {}
        }
    }

    fn path(&mut self, steps: &[PathStep], top: bool) {
        let mut from = 0;
        if let Some(PathStep {
            node: AstNode::Variable(v),
            ..
        }) = steps.first()
            && !v.is_empty()
        {
            let mut names = Vec::new();
            from = 1;
            while let Some(PathStep {
                node: AstNode::Name(n),
                ..
            }) = steps.get(from)
                && is_plain(&steps[from - 1])
            {
                names.push(n.as_str());
                from += 1;
            }
            self.need(v, &names);
        }
        for (at, step) in steps.iter().enumerate() {
            if step.ancestor_label.is_some() || step.is_tuple || step.inner_tuple {
                self.looks_up = true;
            }
            if at >= from {
                self.visit(&step.node, top && at == 0);
            }
            for stage in &step.stages {
                if let Stage::Filter(predicate) = stage {
                    self.visit(predicate, false);
                }
            }
        }
    }
}
