//! One state alone, as the API's `TestState` does it: with a mock in place of its work.
//!
//! Owns the answer's shape and what of it each type of state has. The work itself is
//! that of the interpreter. Shapes: Step Functions API reference, `TestState`,
//! `InspectionData`, `MockInput`; what is refused: recordings of the service's answers.

use super::inspect::{InspectionData, text};
use super::io::{View, place, within_limit};
use super::states::Progress;
use super::thread::{Activity, Thread};
use super::{Effect, Execution, ExecutionOptions, MAX_DATA, TaskError};
use crate::env::size;
use crate::failure::Failure;
use crate::integration::{request, response};
use crate::model::{Kind, Language, State, StateId, StateMachine};
use crate::retry::choose;
use crate::{Data, Millis};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What to test.
#[derive(Debug, Clone)]
pub struct StateTest {
    /// The state's name; it may lie in a branch or an iteration.
    pub state: String,
    /// Its input.
    pub input: Value,
    /// The variables it sees.
    pub variables: Map<String, Value>,
    /// What its work comes to: of a Task, a Parallel or a Map.
    pub mock: Option<Result<Value, TaskError>>,
    /// `retrierRetryCount`: how often the retrier that names the mocked error has tried again.
    pub retries: u32,
    /// `errorCausedByState`: the state within a Parallel or Map that the mocked error is of.
    pub caused_by: Option<String>,
    /// `mapIterationFailureCount`.
    pub failed_iterations: Option<u32>,
    /// `mapItemReaderData`: what an `ItemReader` reads, as it stands in its source.
    pub reader_data: Option<String>,
    /// Seed and context object.
    pub options: ExecutionOptions,
    /// The virtual time.
    pub now: Millis,
}

/// How it went, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TestStatus {
    /// It is done.
    Succeeded,
    /// It failed, and nothing handles that.
    Failed,
    /// It failed, and a retrier would try it again.
    Retriable,
    /// It failed, and a catcher handles that.
    CaughtError,
}

/// What came of it. Data is JSON text, as the API gives it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateReport {
    /// How it went.
    pub status: TestStatus,
    /// Its output, if it succeeded or a catcher gave it one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The error, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The cause that goes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Where it goes on, unless it ends the flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_state: Option<String>,
    /// What was made of its data on the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inspection_data: Option<InspectionData>,
}

/// What a state's work came to: its output and where it goes on.
type Outcome = (Data, Option<StateId>);

/// Does the work of one state of `machine`.
///
/// # Errors
/// Why the API would refuse the test, or why this engine cannot do it, with what to do.
pub fn test_state(machine: &Arc<StateMachine>, test: &StateTest) -> Result<StateReport, String> {
    let found = machine.states.iter().position(|it| *it.name == *test.state);
    let id = found.and_then(|at| u32::try_from(at).ok()).map(StateId);
    let Some(id) = id else {
        let names: Vec<&str> = machine.state_names().collect();
        return Err(format!(
            "the definition has no state '{}'; it has {}",
            test.state,
            names.join(", ")
        ));
    };
    let state = machine.state(id);
    admissible(machine, state, test)?;
    let input: Data = Arc::new(test.input.clone());
    let mut run = Execution::idle(machine, &input, &test.options, test.now);
    let mut thread = Thread::new(id, input, 0);
    thread.activity = Activity::Attempt;
    thread.entered_at = test.now;
    thread.retries = test.retries;
    let variables = test.variables.iter();
    thread.variables = variables
        .map(|(name, value)| (name.as_str().into(), Arc::new(value.clone())))
        .collect();
    let at = run.spawn(thread);
    let mut seen = InspectionData {
        input: text(&test.input),
        ..InspectionData::default()
    };
    let outcome = run.work(at, state, test, &mut seen);
    let mut report = run.concluded(at, state, test, outcome, &mut seen);
    let variables: Map<String, Value> = run
        .thread(at)
        .variables
        .iter()
        .map(|(name, value)| (name.to_string(), (**value).clone()))
        .collect();
    seen.variables = (!variables.is_empty()).then(|| Value::Object(variables).to_string());
    report.inspection_data = Some(seen);
    Ok(report)
}

/// Whether the API would take the test.
fn admissible(machine: &StateMachine, state: &State, test: &StateTest) -> Result<(), String> {
    let kind = state.kind.name();
    let bytes = size(&test.input);
    if bytes > MAX_DATA {
        return Err(format!(
            "the input has {bytes} bytes, and TestState takes at most {MAX_DATA}"
        ));
    }
    let is_nest = matches!(state.kind, Kind::Parallel { .. } | Kind::Map(_));
    let works = is_nest || matches!(state.kind, Kind::Task(_));
    match &test.mock {
        Some(_) if !works => {
            return Err(format!(
                "state type '{kind}' is not supported when a mock is specified: leave --mock out"
            ));
        }
        None if works => {
            return Err(format!(
                "a {kind} needs a mock, for nothing is called here: --mock '{{\"result\": \"{{}}\"}}'"
            ));
        }
        _ => {}
    }
    if let Some(Ok(result)) = &test.mock {
        let items = result.as_array().map(Vec::len);
        match &state.kind {
            Kind::Parallel { branches } if items != Some(branches.len()) => {
                return Err(format!(
                    "the mocked result of a Parallel is a list with an item for each of its {} branches",
                    branches.len()
                ));
            }
            Kind::Map(map) if map.exports() && !result.is_object() => {
                return Err("the mocked result of a Map that exports its results is an object: MapRunArn and ResultWriterDetails".into());
            }
            Kind::Map(map) if items.is_none() && !map.exports() => {
                return Err("the mocked result of a Map is a list".into());
            }
            _ => {}
        }
    }
    if let Some(name) = &test.caused_by {
        let inner = machine.states.iter().find(|it| *it.name == **name);
        let within = inner.and_then(|it| it.place.strip_prefix(&*state.place));
        if !is_nest || within.is_none_or(|rest| !rest.starts_with('/')) {
            return Err(format!(
                "errorCausedByState names a state within a Parallel or Map, and '{name}' is none within '{}'",
                state.name
            ));
        }
    }
    let distributed = match &state.kind {
        Kind::Map(map) => map.distributed.as_ref(),
        _ => None,
    };
    if test.reader_data.is_some() && distributed.is_none_or(|it| it.reader.is_none()) {
        return Err(format!(
            "mapItemReaderData is for a distributed Map with an ItemReader, and '{}' is none",
            state.name
        ));
    }
    match (test.failed_iterations, &state.kind) {
        (None, _) => Ok(()),
        (Some(0), Kind::Map(_)) => Ok(()),
        (Some(_), Kind::Map(_)) if distributed.is_some() => Ok(()),
        (Some(_), Kind::Map(_)) => Err(
            "mapIterationFailureCount above 0 is for a distributed Map; an inline Map fails with its first iteration: mock errorOutput".into(),
        ),
        _ => Err(format!(
            "mapIterationFailureCount is for a Map, and '{}' is a {kind}",
            state.name
        )),
    }
}

impl Execution {
    fn work(
        &mut self,
        at: usize,
        state: &State,
        test: &StateTest,
        seen: &mut InspectionData,
    ) -> Result<Outcome, Failure> {
        let is_path = state.language == Language::JsonPath;
        let effective = self.effective(at, state)?;
        if is_path {
            seen.after_input_path = text(&effective);
        }
        match &state.kind {
            Kind::Task(_) => {
                self.perform(at, state)?;
                let called = self.take_effects().into_iter().find_map(|it| match it {
                    Effect::Invoke(call) => Some(call),
                    _ => None,
                });
                if let Some(call) = called {
                    seen.given(is_path, &call.arguments);
                    if &*call.resource.service == "http" {
                        seen.request = Some(request(&call.arguments));
                    }
                }
            }
            Kind::Parallel { .. } => {
                let arguments = self.arguments(at, state, &effective, None)?;
                seen.given(is_path, &arguments);
            }
            Kind::Map(map) => match &map.distributed {
                None => self.inspect_map(at, state, map, &effective, seen)?,
                Some(it) => {
                    self.inspect_distributed(at, state, (map, it), test, &effective, seen)?
                }
            },
            kind => {
                if let (Kind::Pass { result: None }, true) = (kind, is_path) {
                    let arguments = self.arguments(at, state, &effective, None)?;
                    seen.given(true, &arguments);
                }
                return match self.perform(at, state)? {
                    Progress::Done {
                        output,
                        assigned,
                        next,
                        ..
                    } => Ok(self.set(at, output, assigned, next)),
                    // A Wait: the time is not waited for.
                    Progress::Blocked => self.finished(at, state, &effective, None, seen),
                };
            }
        }
        let result = match &test.mock {
            Some(Ok(value)) => Arc::new(value.clone()),
            Some(Err(TaskError { error, cause })) => {
                return Err(Failure::reported(error.clone(), cause.clone()));
            }
            None => Data::default(),
        };
        within_limit(&result, &state.name).map_err(Failure::of_an_answer)?;
        if seen.request.is_some() {
            seen.response = Some(response(&result));
        }
        seen.result = text(&result);
        self.finished(at, state, &effective, Some(result), seen)
    }

    /// The state's output once its work has come to `result`.
    fn finished(
        &mut self,
        at: usize,
        state: &State,
        effective: &Data,
        result: Option<Data>,
        seen: &mut InspectionData,
    ) -> Result<Outcome, Failure> {
        if let (Some(result), Language::JsonPath) = (&result, state.language) {
            let mut selected = result.clone();
            if let Some(template) = &state.io.result_selector {
                selected = self.fill(at, template, View::of(result))?;
                seen.after_result_selector = text(&selected);
            }
            let placed = place(&state.io.result_path, &self.thread(at).input, selected)?;
            seen.after_result_path = text(&placed);
        }
        let (output, assigned) = self.shape(at, state, effective, result, None)?;
        Ok(self.set(at, output, assigned, state.next))
    }

    fn set(
        &mut self,
        at: usize,
        output: Data,
        assigned: crate::history::Assigned,
        next: Option<StateId>,
    ) -> Outcome {
        if let Some(values) = &assigned {
            self.thread_mut(at).assign(values);
        }
        (output, next)
    }

    /// What the API would answer: a failure is a retrier's first, then a catcher's.
    fn concluded(
        &mut self,
        at: usize,
        state: &State,
        test: &StateTest,
        outcome: Result<Outcome, Failure>,
        seen: &mut InspectionData,
    ) -> StateReport {
        let name = |run: &Self, id: StateId| run.machine.state(id).name.to_string();
        let failure = match outcome {
            Ok((output, next)) => {
                return StateReport {
                    status: TestStatus::Succeeded,
                    output: text(&output),
                    error: None,
                    cause: None,
                    next_state: next.map(|id| name(self, id)),
                    inspection_data: None,
                };
            }
            Err(failure) => self.told(at, state, failure),
        };
        let mut report = StateReport {
            status: TestStatus::Failed,
            output: None,
            error: Some(failure.error.to_string()),
            cause: failure.cause.as_deref().map(str::to_owned),
            next_state: None,
            inspection_data: None,
        };
        if failure.is_fatal() {
            return report;
        }
        let retriers = &state.recovery.retry;
        if let Some(chosen) = choose(retriers, &failure) {
            // The longest the wait may be: jitter draws from it.
            let mut plain = retriers[chosen].clone();
            plain.full_jitter = false;
            if let Some(delay) = plain.delay(test.retries, &mut self.random.borrow_mut()) {
                seen.error_details = Some(json!({
                    "retryIndex": chosen, "retryBackoffIntervalSeconds": (delay + 500) / 1_000,
                }));
                report.status = TestStatus::Retriable;
                return report;
            }
        }
        let mut catchers = state.recovery.catch.iter();
        let catcher = catchers.position(|it| it.errors.iter().any(|named| failure.matches(named)));
        if let Some(catcher) = catcher {
            let next = state.recovery.catch[catcher].next;
            match self.caught(at, state, catcher, &failure) {
                Ok(()) => {
                    report.status = TestStatus::CaughtError;
                    report.output = text(&self.thread(at).input);
                    report.next_state = Some(name(self, next));
                    seen.error_details = Some(json!({ "catchIndex": catcher }));
                }
                Err(failure) => {
                    let failure = self.told(at, state, failure);
                    report.error = Some(failure.error.to_string());
                    report.cause = failure.cause.as_deref().map(str::to_owned);
                }
            }
        }
        report
    }
}
