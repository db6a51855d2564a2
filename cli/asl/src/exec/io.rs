//! Input and output processing: what goes into a state's work and comes out.

use super::Execution;
use super::thread::Scopes;
use crate::Data;
use crate::env::{Context, Env, fits, size};
use crate::failure::{DATA_LIMIT, Failure, RESULT_PATH};
use crate::history::Assigned;
use crate::model::{Assign, Kind, Language, Number, ResultPath, Rule, Selected, State};
use crate::path::{Path, inject};
use crate::template::Template;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// State data may be this long as UTF-8 JSON.
pub(crate) const MAX_DATA: usize = 256 * 1_024;
/// All variables of an execution together may be this long.
const MAX_VARIABLES: usize = 10 * 1_024 * 1_024;

/// The values an expression may refer to besides variables and context.
#[derive(Default, Clone, Copy)]
pub(super) struct View<'a> {
    /// `$`; the state's input unless given.
    pub(super) current: Option<&'a Value>,
    pub(super) result: Option<&'a Value>,
    pub(super) error_output: Option<&'a Value>,
    pub(super) token: Option<&'a str>,
    pub(super) item: Option<&'a crate::env::MapItem>,
}

impl<'a> View<'a> {
    pub(super) fn of(current: &'a Value) -> Self {
        View {
            current: Some(current),
            ..View::default()
        }
    }
}

impl Execution {
    /// Evaluates something as the thread's current state sees the world.
    pub(super) fn with_env<R>(
        &self,
        thread: usize,
        view: View<'_>,
        evaluate: impl FnOnce(&Env<'_>) -> R,
    ) -> R {
        let t = self.thread(thread);
        let state = self.machine.state(t.state);
        let context = Context {
            identity: &self.identity,
            state: &state.name,
            entered: t.entered_at,
            retries: matches!(
                state.kind,
                Kind::Task(_) | Kind::Parallel { .. } | Kind::Map(_)
            )
            .then_some(t.retries),
            token: view.token,
            item: view.item.or(t.item.as_deref()),
        };
        evaluate(&Env {
            current: view.current.unwrap_or(&t.input),
            input: &t.input,
            result: view.result,
            error_output: view.error_output,
            variables: &Scopes {
                threads: &self.threads,
                at: thread,
            },
            context: &context,
            random: &self.random,
            now: self.now,
        })
    }

    pub(super) fn fill(
        &self,
        thread: usize,
        template: &Template,
        view: View<'_>,
    ) -> Result<Data, Failure> {
        self.with_env(thread, view, |env| template.fill(env))
    }

    fn select(&self, thread: usize, selected: &Selected, from: &Data) -> Result<Data, Failure> {
        match selected {
            Selected::Nothing => Ok(Arc::new(Value::Object(Map::new()))),
            Selected::Path(path) => self.with_env(thread, View::of(from), |env| {
                env.value(path)
                    .map(|v| Arc::new(v.into_owned()))
                    .ok_or_else(|| no_such_path(path))
            }),
        }
    }

    /// The input after `InputPath`.
    pub(super) fn effective(&self, thread: usize, state: &State) -> Result<Data, Failure> {
        let input = &self.thread(thread).input;
        match &state.io.input_path {
            None => Ok(input.clone()),
            Some(selected) => self.select(thread, selected, input),
        }
    }

    /// What the state's work is given: the effective input, or what
    /// `Parameters` or `Arguments` make of it.
    pub(super) fn arguments(
        &self,
        thread: usize,
        state: &State,
        effective: &Data,
        token: Option<&str>,
    ) -> Result<Data, Failure> {
        let Some(template) = &state.io.arguments else {
            return Ok(effective.clone());
        };
        let view = View {
            token,
            ..View::of(effective)
        };
        let arguments = self.fill(thread, template, view)?;
        within_limit(&arguments, &state.name)?;
        Ok(arguments)
    }

    /// A number of seconds or of things, within the limits the definition is held to.
    pub(super) fn number(
        &self,
        thread: usize,
        number: &Number,
        effective: &Data,
        name: &str,
        allowed: RangeInclusive<u64>,
    ) -> Result<u64, Failure> {
        // AWS takes whole numbers; 5.0 is one.
        let whole = |v: &Value| {
            v.as_u64().or_else(|| {
                v.as_f64()
                    .filter(|n| n.fract() == 0.0 && (0.0..1e15).contains(n))
                    .map(|n| n as u64)
            })
        };
        match number {
            Number::Const(n) => Ok(*n),
            Number::Jsonata(expr) => self.with_env(thread, View::default(), |env| {
                let n = expr.evaluate_as(env, "number", whole)?;
                if allowed.contains(&n) {
                    return Ok(n);
                }
                Err(expr.failure(&format!("returned {n}, which is {}", outside(&allowed))))
            }),
            Number::Path(path) => self.with_env(thread, View::of(effective), |env| {
                let value = env.value(path).ok_or_else(|| {
                    Failure::runtime(format!(
                        "The {name}Path parameter does not reference an input value: {}",
                        path.source()
                    ))
                })?;
                // A text that spells a number was recorded to be read as one here (2024-11-18).
                let spelled = || {
                    let text = value.as_str().filter(|_| name == "MaxConcurrency")?;
                    text.parse().ok()
                };
                let n = whole(&value).or_else(spelled).ok_or_else(|| {
                    Failure::runtime(format!(
                        "The {name}Path parameter must reference a non-negative integer, but {} is {value}",
                        path.source()
                    ))
                })?;
                if allowed.contains(&n) {
                    return Ok(n);
                }
                Err(Failure::runtime(format!(
                    "The {name}Path parameter references {n}, which is {}",
                    outside(&allowed)
                )))
            }),
        }
    }

    /// The state's output and the variables it sets. `rule` is the Choice rule that matched.
    pub(super) fn shape(
        &self,
        thread: usize,
        state: &State,
        effective: &Data,
        result: Option<Data>,
        rule: Option<&Rule>,
    ) -> Result<(Data, Assigned), Failure> {
        let input = &self.thread(thread).input;
        let assign = match rule {
            Some(rule) => rule.assign.as_ref(),
            None => state.assign.as_ref(),
        };
        if state.language == Language::Jsonata {
            let view = View {
                result: result.as_deref(),
                ..View::default()
            };
            let template = match rule {
                Some(rule) => rule.output.as_ref(),
                None => state.io.output.as_ref(),
            };
            let output = match template {
                Some(template) => self.fill(thread, template, view)?,
                None => result.clone().unwrap_or_else(|| input.clone()),
            };
            let assigned = self.assigned(thread, assign, view, &state.name)?;
            if !Arc::ptr_eq(&output, input) {
                within_limit(&output, &state.name)?;
            }
            return Ok((output, assigned));
        }
        let current = result.as_ref().unwrap_or(effective);
        let assigned = self.assigned(thread, assign, View::of(current), &state.name)?;
        let combined = match result {
            None => effective.clone(),
            Some(result) => {
                let result = match &state.io.result_selector {
                    Some(template) => self.fill(thread, template, View::of(&result))?,
                    None => result,
                };
                place(&state.io.result_path, input, result)?
            }
        };
        let output = match &state.io.output_path {
            Some(selected) => self.select(thread, selected, &combined)?,
            None => combined,
        };
        if !Arc::ptr_eq(&output, input) {
            within_limit(&output, &state.name)?;
        }
        Ok((output, assigned))
    }

    /// The new values of variables; all see the old ones.
    pub(super) fn assigned(
        &self,
        thread: usize,
        assign: Option<&Assign>,
        view: View<'_>,
        state: &str,
    ) -> Result<Assigned, Failure> {
        let Some(assign) = assign.filter(|a| !a.is_empty()) else {
            return Ok(None);
        };
        let mut total = 0;
        let values = assign
            .iter()
            .map(|(name, template)| {
                let value = self.fill(thread, template, view)?;
                total += size(&value);
                Ok((name.clone(), value))
            })
            .collect::<Result<Box<[_]>, Failure>>()?;
        let over = if total > MAX_DATA {
            Some("the 256 KiB one Assign may set")
        } else if total > 1_024 && self.variables_size() + total > MAX_VARIABLES {
            Some("the 10 MiB all variables may take")
        } else {
            None
        };
        match over {
            None => Ok(Some(values)),
            Some(limit) => Err(Failure::interpreter(
                DATA_LIMIT,
                format!("The state/task '{state}' assigned variables exceeding {limit}."),
            )),
        }
    }

    fn variables_size(&self) -> usize {
        let threads = self.threads.iter().flatten();
        threads
            .flat_map(|t| &t.variables)
            .map(|(_, v)| size(v))
            .sum()
    }
}

fn outside(allowed: &RangeInclusive<u64>) -> String {
    format!("not between {} and {}.", allowed.start(), allowed.end())
}

/// Puts a result where `ResultPath` wants it.
pub(super) fn place(path: &ResultPath, input: &Data, result: Data) -> Result<Data, Failure> {
    match path {
        ResultPath::Replace => Ok(result),
        ResultPath::Discard => Ok(input.clone()),
        ResultPath::Inject(source, steps) => {
            let mut combined = (**input).clone();
            let value = Arc::unwrap_or_clone(result);
            inject(&mut combined, steps, value).map_err(|()| {
                Failure::interpreter(
                    RESULT_PATH,
                    format!("Unable to apply ResultPath '{source}' to input {input}"),
                )
            })?;
            Ok(Arc::new(combined))
        }
    }
}

fn no_such_path(path: &Path) -> Failure {
    Failure::runtime(format!(
        "Invalid path '{}' : No results for path",
        path.source()
    ))
}

/// Refuses data above the limit, in the words AWS was recorded to use.
pub(super) fn within_limit(data: &Value, who: &str) -> Result<(), Failure> {
    if fits(data, MAX_DATA) {
        return Ok(());
    }
    Err(Failure::reported(
        DATA_LIMIT,
        Some(format!(
            "The state/task '{who}' returned a result with a size exceeding the maximum number of bytes service limit."
        )),
    ))
}
