//! Task results from a file, in the format of Step Functions Local's `MockConfigFile`.
//!
//! Owns the format: `StateMachines.<machine>.TestCases.<case>.<state>` names a
//! response, `MockedResponses.<name>."0"` or `."1-3"` says what that call of the
//! state gives: `{"Return": ..}` or `{"Throw": {"Error": .., "Cause": ..}}`.

use crate::exec::TaskError;
use crate::failure::RUNTIME;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Why a mock file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MockError {
    /// It does not have the format.
    #[error("not a mock configuration: {0}")]
    Format(String),
    /// The test case does not exist.
    #[error("no test case '{case}' for state machine '{machine}': the file has {known}")]
    UnknownCase {
        /// What was asked for.
        case: String,
        /// The machine it was asked for.
        machine: String,
        /// What there is.
        known: String,
    },
    /// A test case names a response that is not in `MockedResponses`.
    #[error("state '{state}' names the response '{response}', which MockedResponses does not have")]
    UnknownResponse {
        /// The state.
        state: String,
        /// The response's name.
        response: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct File {
    #[serde(default)]
    state_machines: BTreeMap<String, Machine>,
    #[serde(default)]
    mocked_responses: HashMap<String, BTreeMap<String, Entry>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Machine {
    test_cases: BTreeMap<String, HashMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Entry {
    #[serde(default, deserialize_with = "given")]
    r#return: Option<Value>,
    throw: Option<Throw>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Throw {
    error: String,
    cause: Option<String>,
}

/// Tells `"Return": null` from no `Return`.
fn given<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(d).map(Some)
}

/// What each call of a state gives.
type Answers = Vec<(RangeInclusive<u32>, Result<Value, TaskError>)>;

/// A mock file.
#[derive(Debug)]
pub struct MockConfig {
    machines: BTreeMap<String, Machine>,
    responses: HashMap<String, Arc<Answers>>,
}

impl MockConfig {
    /// Reads the file's text.
    ///
    /// # Errors
    /// [`MockError::Format`] when it is not in the format, saying where.
    pub fn parse(text: &str) -> Result<Self, MockError> {
        let file: File =
            serde_json::from_str(text).map_err(|e| MockError::Format(e.to_string()))?;
        let mut responses = HashMap::new();
        for (name, entries) in file.mocked_responses {
            let mut answers = Answers::new();
            for (calls, entry) in entries {
                let wrong = |what: &str| {
                    MockError::Format(format!("MockedResponses.{name}.\"{calls}\" {what}"))
                };
                let range =
                    range(&calls).ok_or_else(|| wrong("is not a number or a range like 0-2"))?;
                let answer = match (entry.r#return, entry.throw) {
                    (Some(value), None) => Ok(value),
                    (None, Some(Throw { error, cause })) => Err(TaskError { error, cause }),
                    _ => return Err(wrong("must have either Return or Throw")),
                };
                answers.push((range, answer));
            }
            responses.insert(name, Arc::new(answers));
        }
        Ok(MockConfig {
            machines: file.state_machines,
            responses,
        })
    }

    /// The test case `case`. Without a machine's name, the case must be in one machine only.
    ///
    /// # Errors
    /// When there is no such case, or it names a response that does not exist.
    pub fn case(&self, machine: Option<&str>, case: &str) -> Result<MockCase, MockError> {
        let mut found = self
            .machines
            .iter()
            .filter(|(name, _)| machine.is_none_or(|m| m == *name))
            .filter_map(|(_, m)| m.test_cases.get(case));
        let (Some(states), None) = (found.next(), found.next()) else {
            let known: Vec<String> = self
                .machines
                .iter()
                .flat_map(|(name, m)| m.test_cases.keys().map(move |c| format!("{name}#{c}")))
                .collect();
            return Err(MockError::UnknownCase {
                case: case.into(),
                machine: machine.unwrap_or("(any)").into(),
                known: if known.is_empty() {
                    "none".into()
                } else {
                    known.join(", ")
                },
            });
        };
        let states = states
            .iter()
            .map(|(state, response)| match self.responses.get(response) {
                Some(answers) => Ok((state.clone(), (answers.clone(), 0))),
                None => Err(MockError::UnknownResponse {
                    state: state.clone(),
                    response: response.clone(),
                }),
            })
            .collect::<Result<_, _>>()?;
        Ok(MockCase { states })
    }
}

/// The mocks of one test case, with a count of the calls made.
#[derive(Debug, Clone, Default)]
pub struct MockCase {
    states: HashMap<String, (Arc<Answers>, u32)>,
}

impl MockCase {
    /// The answer to the next call of `state`; `None` when the case does not mock it.
    /// A call the response has no entry for fails with `States.Runtime`, as in Step Functions Local.
    pub fn next(&mut self, state: &str) -> Option<Result<Value, TaskError>> {
        let (answers, calls) = self.states.get_mut(state)?;
        let call = *calls;
        *calls += 1;
        Some(
            answers
                .iter()
                .find(|(range, _)| range.contains(&call))
                .map_or_else(
                    || {
                        Err(TaskError::new(
                            RUNTIME,
                            format!("the mock of state '{state}' has no entry for call {call}"),
                        ))
                    },
                    |(_, answer)| answer.clone(),
                ),
        )
    }
}

fn range(text: &str) -> Option<RangeInclusive<u32>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (from <= to).then_some(from..=to)
}
