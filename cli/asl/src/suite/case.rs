//! One case: read against the definition, run, compared.

use super::expect::Expected;
use super::script::{Script, is_task, known, reach, scripts};
use super::{Called, Case, Expect, Suite};
use crate::env::size;
use crate::exec::{ExecutionOptions, MAX_DATA, Status, Surroundings, TaskCall};
use crate::model::StateMachine;
use crate::objects::Objects;
use crate::run::{DEFAULT_START, Reply, RunError, RunReport, drive_with};
use crate::taken::{Taken, Way};
use crate::{Data, Millis};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Of what: `output.total.amount`, `calls.Pay[1].Payload`.
    pub place: String,
    /// What was expected.
    pub expected: String,
    /// What was there.
    pub got: String,
}

/// What became of a case.
#[derive(Debug, Clone)]
pub struct CaseReport {
    /// The case.
    pub name: String,
    /// The expectations that were not met.
    pub differences: Vec<Difference>,
    /// Why it could not be run to its end, if it could not.
    pub stopped: Option<String>,
    /// How the execution ended, if it did.
    pub status: Option<Status>,
    /// Its output, if it succeeded.
    pub output: Option<Data>,
    /// Its error, if it failed.
    pub error: Option<String>,
    /// The cause that goes with it.
    pub cause: Option<String>,
    /// The ways taken.
    pub taken: Vec<Taken>,
    /// The calls made.
    pub calls: Vec<Called>,
    /// Billed state transitions.
    pub transitions: u64,
    /// Virtual milliseconds from start to end.
    pub elapsed: Millis,
}

impl CaseReport {
    /// Whether all was as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.stopped.is_none() && self.differences.is_empty()
    }

    /// The states in the order they were entered.
    pub fn path(&self) -> impl Iterator<Item = &str> {
        let entered = self.taken.iter().filter(|it| it.way == Way::Entered);
        entered.map(|it| &*it.state)
    }
}

/// A case that fits its definition.
pub(super) struct Prepared {
    name: String,
    input: Value,
    options: ExecutionOptions,
    start: Millis,
    mocks: HashMap<String, Script>,
    expected: Expectations,
}

/// What must come of it, read.
struct Expectations {
    status: Status,
    /// Of the whole: by what it is called.
    values: Vec<(&'static str, Expected)>,
    path: Option<Vec<String>>,
    calls: Vec<(String, Calls)>,
}

enum Calls {
    Count(Expected),
    Given(Vec<Expected>),
}

impl Prepared {
    /// All cases of `suite`.
    pub(super) fn all(suite: &Suite, machine: &StateMachine) -> Result<Vec<Self>, Vec<String>> {
        let mut problems = Vec::new();
        let mut names = BTreeSet::new();
        let shared = scripts(&suite.mocks, "mocks", machine, &mut problems);
        if suite.cases.is_empty() {
            problems.push("cases: there is none".to_owned());
        }
        let prepared = suite
            .cases
            .iter()
            .enumerate()
            .map(|(i, case)| {
                let place = format!("cases[{i}]");
                if !names.insert(case.name.as_str()) {
                    problems.push(format!(
                        "{place}.name: another case is called '{}' too",
                        case.name
                    ));
                }
                Self::new(suite, case, &place, shared.clone(), machine, &mut problems)
            })
            .collect();
        if problems.is_empty() {
            Ok(prepared)
        } else {
            Err(problems)
        }
    }

    fn new(
        suite: &Suite,
        case: &Case,
        place: &str,
        mut mocks: HashMap<String, Script>,
        machine: &StateMachine,
        problems: &mut Vec<String>,
    ) -> Self {
        let own = format!("{place}.mocks");
        mocks.extend(scripts(&case.mocks, &own, machine, problems));
        let bytes = size(&case.input);
        if bytes > MAX_DATA {
            problems.push(format!(
                "{place}.input: {}",
                RunError::InputTooLarge { bytes }
            ));
        }
        let mut context = suite.context.clone();
        for (name, value) in &case.context {
            context.insert(name.clone(), value.clone());
        }
        Self {
            name: case.name.clone(),
            input: case.input.clone(),
            options: ExecutionOptions {
                seed: case.seed.unwrap_or(suite.seed),
                history: false,
                ways: true,
                context: (!context.is_empty()).then_some(context),
                ..ExecutionOptions::default()
            },
            start: suite.start.unwrap_or(DEFAULT_START),
            mocks,
            expected: Expectations::read(
                &case.expect,
                &format!("{place}.expect"),
                machine,
                problems,
            ),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs it and compares.
    pub(super) fn run(
        &self,
        machine: &Arc<StateMachine>,
        objects: Option<Arc<dyn Objects>>,
    ) -> CaseReport {
        let mut calls = Vec::new();
        let mut made: HashMap<Arc<str>, u32> = HashMap::new();
        let mut stopped = None;
        let around = Surroundings::default().with_objects(objects);
        let ran = drive_with(
            machine,
            self.input.clone(),
            &self.options,
            around,
            self.start,
            &mut |call| {
                calls.push(Called {
                    state: call.state.clone(),
                    arguments: call.arguments.clone(),
                });
                let made = made.entry(call.state.clone()).or_default();
                *made += 1;
                self.answer(machine, call, *made).map_err(|why| {
                    stopped = Some(why);
                    RunError::Stuck
                })
            },
        );
        let mut report = CaseReport {
            name: self.name.clone(),
            differences: Vec::new(),
            stopped,
            status: None,
            output: None,
            error: None,
            cause: None,
            taken: Vec::new(),
            calls,
            transitions: 0,
            elapsed: 0,
        };
        match ran {
            Ok(ran) => {
                report.fill(ran);
                self.expected.compare(&mut report);
            }
            Err(why) => {
                report.stopped.get_or_insert_with(|| why.to_string());
            }
        }
        report
    }

    /// What the `nth` call of a state is answered, or why nothing is.
    fn answer(&self, machine: &StateMachine, call: &TaskCall, nth: u32) -> Result<Reply, String> {
        let Some(script) = self.mocks.get(&*call.state) else {
            return Err(self.unmocked(machine, call));
        };
        let mut before = 0_u32;
        for (times, reply) in script {
            match times {
                Some(times) if nth > before.saturating_add(*times) => {
                    before = before.saturating_add(*times);
                }
                _ => return Ok(reply.clone()),
            }
        }
        Err(format!(
            "call {nth} of state '{}' has no answer: its mocks answer {before}",
            call.state
        ))
    }

    /// Says which task has no mock, and which others may follow that have none either.
    fn unmocked(&self, machine: &StateMachine, call: &TaskCall) -> String {
        let led = reach(machine, &call.state);
        let others: Vec<&str> = machine
            .tasks()
            .map(|(name, _)| name)
            .filter(|name| {
                *name != &*call.state && led.contains(*name) && !self.mocks.contains_key(*name)
            })
            .collect();
        let mut text = format!(
            "state '{}' calls {}, and has no mock",
            call.state, call.resource.arn
        );
        if !others.is_empty() {
            text.push_str("; nor have those that may come after it: ");
            text.push_str(&others.join(", "));
        }
        text
    }
}

impl CaseReport {
    fn fill(&mut self, ran: RunReport) {
        self.status = Some(ran.status);
        self.output = ran.output;
        self.error = ran.error;
        self.cause = ran.cause;
        self.taken = ran.taken;
        self.transitions = ran.transitions;
        self.elapsed = ran.elapsed;
    }
}

impl Expectations {
    fn read(
        expect: &Expect,
        place: &str,
        machine: &StateMachine,
        problems: &mut Vec<String>,
    ) -> Self {
        let fails = expect.error.is_some() || expect.cause.is_some();
        let otherwise = if fails {
            Status::Failed
        } else {
            Status::Succeeded
        };
        let status = expect.status.unwrap_or(otherwise);
        if matches!(status, Status::Running | Status::Aborted) {
            problems.push(format!(
                "{place}.status: a case ends as SUCCEEDED, FAILED or TIMED_OUT"
            ));
        }
        let mut values = Vec::new();
        for (name, value) in [
            ("output", &expect.output),
            ("error", &expect.error),
            ("cause", &expect.cause),
            ("duration", &expect.duration),
            ("transitions", &expect.transitions),
        ] {
            if let Some(value) = value {
                let expected = Expected::read(value, &format!("{place}.{name}"), problems);
                values.push((name, expected));
            }
        }
        for (i, state) in expect.path.iter().flatten().enumerate() {
            known(machine, state, &format!("{place}.path[{i}]"), problems);
        }
        let mut calls = Vec::new();
        for (state, value) in &expect.calls {
            let place = format!("{place}.calls.{state}");
            is_task(machine, state, &place, problems);
            let expected = match value {
                Value::Array(given) => {
                    let read = given
                        .iter()
                        .enumerate()
                        .map(|(i, it)| Expected::read(it, &format!("{place}[{i}]"), problems));
                    Calls::Given(read.collect())
                }
                Value::Number(_) | Value::Object(_) => {
                    Calls::Count(Expected::read(value, &place, problems))
                }
                _ => {
                    problems.push(format!(
                        "{place}: a number of calls, or a list of what each is given"
                    ));
                    continue;
                }
            };
            calls.push((state.clone(), expected));
        }
        Self {
            status,
            values,
            path: expect.path.clone(),
            calls,
        }
    }

    /// Compares with what came of it.
    fn compare(&self, report: &mut CaseReport) {
        let mut found = Vec::new();
        let word = |status: Status| json!(status).as_str().unwrap_or_default().to_owned();
        if let Some(status) = report.status.filter(|it| *it != self.status) {
            let why = match (&report.error, &report.cause) {
                (Some(error), Some(cause)) => format!(" ({error}: {cause})"),
                (Some(error), None) => format!(" ({error})"),
                (None, _) => String::new(),
            };
            found.push(Difference {
                place: "status".into(),
                expected: word(self.status),
                got: word(status) + &why,
            });
        }
        for (name, expected) in &self.values {
            let seconds = report.elapsed as f64 / 1_000.0;
            let got = match *name {
                "output" => report.output.as_deref().cloned(),
                "error" => report.error.clone().map(Value::String),
                "cause" => report.cause.clone().map(Value::String),
                "duration" => Some(json!(seconds)),
                _ => Some(json!(report.transitions)),
            };
            expected.compare(got.as_ref(), name, &mut found);
        }
        if let Some(expected) = &self.path {
            let got: Vec<&str> = report.path().collect();
            if *expected != got {
                let same = expected
                    .iter()
                    .zip(&got)
                    .take_while(|(a, b)| a == b)
                    .count();
                found.push(Difference {
                    place: format!("path[{same}]"),
                    expected: expected
                        .get(same)
                        .map_or("the end", String::as_str)
                        .to_owned(),
                    got: got.get(same).copied().unwrap_or("the end").to_owned(),
                });
            }
        }
        for (state, expected) in &self.calls {
            let place = format!("calls.{state}");
            let made: Vec<&Called> = report
                .calls
                .iter()
                .filter(|it| *it.state == **state)
                .collect();
            match expected {
                Calls::Count(count) => count.compare(Some(&json!(made.len())), &place, &mut found),
                Calls::Given(given) => {
                    if given.len() != made.len() {
                        found.push(Difference {
                            place: place.clone(),
                            expected: calls_in_words(given.len()),
                            got: calls_in_words(made.len()),
                        });
                    }
                    for (i, (expected, call)) in given.iter().zip(&made).enumerate() {
                        expected.compare(
                            Some(&call.arguments),
                            &format!("{place}[{i}]"),
                            &mut found,
                        );
                    }
                }
            }
        }
        report.differences = found;
    }
}

/// So many calls, as they are told.
fn calls_in_words(n: usize) -> String {
    match n {
        1 => "1 call".to_owned(),
        n => format!("{n} calls"),
    }
}
