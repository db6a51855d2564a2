//! What happened, in the shape of `GetExecutionHistory`.
//!
//! Owns the events, their numbers and their JSON. Data is shared with the
//! execution and rendered only when someone asks, so recording stays cheap.
//!
//! Shapes: Step Functions API reference, `HistoryEvent`. Chains of
//! `previousEventId`: recordings of AWS (see `exec`).

use crate::env::iso;
use crate::model::{Pattern, Resource};
use crate::{Data, Millis};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::sync::Arc;

/// Events a Standard execution may have.
pub const MAX_EVENTS: u64 = 25_000;

/// One event.
#[derive(Debug, Clone)]
pub struct HistoryEvent {
    /// Counts from 1.
    pub id: u64,
    /// The event it follows on its chain; 0 for none.
    pub previous_event_id: u64,
    /// When it happened.
    pub timestamp: Millis,
    pub(crate) detail: Detail,
}

/// What an event says.
#[derive(Debug, Clone)]
pub(crate) enum Detail {
    ExecutionStarted {
        input: Data,
        role: Arc<str>,
    },
    ExecutionSucceeded {
        output: Data,
    },
    ExecutionEnded {
        how: &'static str,
        error: Option<Arc<str>>,
        cause: Option<Arc<str>>,
    },
    ExecutionRedriven {
        count: u32,
    },
    Entered {
        kind: &'static str,
        name: Arc<str>,
        input: Data,
    },
    Exited {
        kind: &'static str,
        name: Arc<str>,
        output: Data,
        assigned: Assigned,
    },
    /// `<kind>State<what>` without details.
    State {
        kind: &'static str,
        what: &'static str,
    },
    MapStarted {
        length: usize,
    },
    /// `MapRun<what>`, of a distributed Map.
    MapRun {
        what: &'static str,
        arn: Option<Arc<str>>,
        redrives: Option<u32>,
        failure: Option<(Arc<str>, Option<Arc<str>>)>,
    },
    Iteration {
        what: &'static str,
        name: Arc<str>,
        index: usize,
    },
    Scheduled {
        resource: Resource,
        arguments: Data,
        timeout: Option<u64>,
        heartbeat: Option<u64>,
    },
    Started {
        resource: Resource,
        /// Of an activity: who took the task, if it has a name.
        worker: Option<Arc<str>>,
    },
    Submitted {
        resource: Resource,
        output: Data,
    },
    Succeeded {
        resource: Resource,
        output: Data,
    },
    Failed {
        resource: Resource,
        how: Ending,
        error: Arc<str>,
        cause: Option<Arc<str>>,
    },
    EvaluationFailed {
        state: Arc<str>,
        error: Arc<str>,
        cause: Option<Arc<str>>,
        location: Arc<str>,
    },
}

/// How a task did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Failed,
    TimedOut,
    /// Of an activity: no worker could be offered it.
    NotScheduled,
}

/// Variables a state set.
pub(crate) type Assigned = Option<Box<[(Arc<str>, Data)]>>;

impl HistoryEvent {
    /// The event's type, as AWS names it.
    #[must_use]
    pub fn event_type(&self) -> Cow<'static, str> {
        let of = |r: &Resource, what: &str| -> Cow<'static, str> {
            let whose = match r.pattern {
                Pattern::Function => "LambdaFunction",
                Pattern::Activity => "Activity",
                _ => "Task",
            };
            format!("{whose}{what}").into()
        };
        match &self.detail {
            Detail::ExecutionStarted { .. } => "ExecutionStarted".into(),
            Detail::ExecutionSucceeded { .. } => "ExecutionSucceeded".into(),
            Detail::ExecutionEnded { how, .. } => (*how).into(),
            Detail::ExecutionRedriven { .. } => "ExecutionRedriven".into(),
            Detail::Entered { kind, .. } => format!("{kind}StateEntered").into(),
            Detail::Exited { kind, .. } => format!("{kind}StateExited").into(),
            Detail::State { kind, what } => format!("{kind}State{what}").into(),
            Detail::MapStarted { .. } => "MapStateStarted".into(),
            Detail::MapRun { what, .. } => format!("MapRun{what}").into(),
            Detail::Iteration { what, .. } => format!("MapIteration{what}").into(),
            Detail::Scheduled { resource, .. } => of(resource, "Scheduled"),
            Detail::Started { resource, .. } => of(resource, "Started"),
            Detail::Submitted { .. } => "TaskSubmitted".into(),
            Detail::Succeeded { resource, .. } => of(resource, "Succeeded"),
            Detail::Failed { resource, how, .. } => of(
                resource,
                match how {
                    Ending::Failed => "Failed",
                    Ending::TimedOut => "TimedOut",
                    Ending::NotScheduled => "ScheduleFailed",
                },
            ),
            Detail::EvaluationFailed { .. } => "EvaluationFailed".into(),
        }
    }

    /// The state the event names, if it names one.
    #[must_use]
    pub fn state_name(&self) -> Option<&str> {
        match &self.detail {
            Detail::Entered { name, .. }
            | Detail::Exited { name, .. }
            | Detail::Iteration { name, .. }
            | Detail::EvaluationFailed { state: name, .. } => Some(name),
            _ => None,
        }
    }

    /// The event's details object, if it has one.
    #[must_use]
    pub fn details(&self) -> Option<Value> {
        let mut map = Map::new();
        let mut put = |name: &str, value: Value| {
            map.insert(name.into(), value);
        };
        let text = |data: &Data| Value::String(data.to_string());
        let whole = || json!({"truncated": false});
        match &self.detail {
            Detail::State { .. } => return None,
            Detail::MapRun {
                arn: None,
                failure: None,
                ..
            } => return None,
            Detail::Started { resource, .. } if resource.is_function() => return None,
            Detail::ExecutionStarted { input, role } => {
                put("input", text(input));
                put("inputDetails", whole());
                put("roleArn", json!(&**role));
            }
            Detail::ExecutionSucceeded { output } => {
                put("output", text(output));
                put("outputDetails", whole());
            }
            Detail::ExecutionEnded { error, cause, .. } => {
                for (name, value) in [("error", error), ("cause", cause)] {
                    if let Some(value) = value {
                        put(name, json!(&**value));
                    }
                }
            }
            Detail::ExecutionRedriven { count } => put("redriveCount", json!(count)),
            Detail::Entered { name, input, .. } => {
                put("input", text(input));
                put("inputDetails", whole());
                put("name", json!(&**name));
            }
            Detail::Exited {
                name,
                output,
                assigned,
                ..
            } => {
                if let Some(assigned) = assigned {
                    let values: Map<String, Value> = assigned
                        .iter()
                        .map(|(n, v)| (n.to_string(), text(v)))
                        .collect();
                    put("assignedVariables", Value::Object(values));
                    put("assignedVariablesDetails", whole());
                }
                put("name", json!(&**name));
                put("output", text(output));
                put("outputDetails", whole());
            }
            Detail::MapStarted { length } => put("length", json!(length)),
            Detail::MapRun {
                arn,
                redrives,
                failure,
                ..
            } => {
                if let Some(arn) = arn {
                    put("mapRunArn", json!(&**arn));
                }
                if let Some(n) = redrives {
                    put("redriveCount", json!(n));
                }
                if let Some((error, cause)) = failure {
                    put("error", json!(&**error));
                    if let Some(cause) = cause {
                        put("cause", json!(&**cause));
                    }
                }
            }
            Detail::Iteration { name, index, .. } => {
                put("index", json!(index));
                put("name", json!(&**name));
            }
            Detail::Scheduled {
                resource,
                arguments,
                timeout,
                heartbeat,
            } => {
                if let Some(seconds) = heartbeat {
                    put("heartbeatInSeconds", json!(seconds));
                }
                if !resource.is_integration() {
                    put("input", text(arguments));
                    put("inputDetails", whole());
                    put("resource", json!(&*resource.arn));
                } else {
                    put("parameters", text(arguments));
                    put("region", json!("us-east-1"));
                    put("resource", json!(&*resource.action));
                    put("resourceType", json!(&*resource.service));
                }
                if let Some(seconds) = timeout {
                    put("timeoutInSeconds", json!(seconds));
                }
            }
            Detail::Started { resource, worker } => {
                if let Some(worker) = worker {
                    put("workerName", json!(&**worker));
                }
                named(&mut put, resource);
            }
            Detail::Submitted { resource, output } | Detail::Succeeded { resource, output } => {
                put("output", text(output));
                put("outputDetails", whole());
                named(&mut put, resource);
            }
            Detail::Failed {
                resource,
                error,
                cause,
                ..
            } => {
                if let Some(cause) = cause {
                    put("cause", json!(&**cause));
                }
                put("error", json!(&**error));
                named(&mut put, resource);
            }
            Detail::EvaluationFailed {
                state,
                error,
                cause,
                location,
            } => {
                if let Some(cause) = cause {
                    put("cause", json!(&**cause));
                }
                put("error", json!(&**error));
                put("location", json!(&**location));
                put("state", json!(&**state));
            }
        }
        Some(Value::Object(map))
    }

    /// The member of the event that holds its details.
    fn details_name(&self) -> String {
        match &self.detail {
            Detail::Entered { .. } => "stateEnteredEventDetails".into(),
            Detail::Exited { .. } => "stateExitedEventDetails".into(),
            _ => {
                let kind = self.event_type();
                let (first, rest) = kind.split_at(1);
                format!("{}{rest}EventDetails", first.to_ascii_lowercase())
            }
        }
    }
}

/// What task events say of the integration; those of functions and activities do not.
fn named(put: &mut impl FnMut(&str, Value), resource: &Resource) {
    if resource.is_integration() {
        put("resource", json!(&*resource.action));
        put("resourceType", json!(&*resource.service));
    }
}

impl Serialize for HistoryEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &iso(self.timestamp))?;
        map.serialize_entry("type", &self.event_type())?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("previousEventId", &self.previous_event_id)?;
        if let Some(details) = self.details() {
            map.serialize_entry(&self.details_name(), &details)?;
        }
        map.end()
    }
}

/// The events of an execution, or only their number.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) keep: bool,
    pub(crate) count: u64,
    pub(crate) events: Vec<HistoryEvent>,
}

impl History {
    /// Adds an event; gives its id.
    pub(crate) fn add(
        &mut self,
        previous: u64,
        timestamp: Millis,
        detail: impl FnOnce() -> Detail,
    ) -> u64 {
        self.count += 1;
        if self.keep {
            self.events.push(HistoryEvent {
                id: self.count,
                previous_event_id: previous,
                timestamp,
                detail: detail(),
            });
        }
        self.count
    }
}
