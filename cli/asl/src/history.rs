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
        let all = Details::default();
        let all = match &self.detail {
            Detail::State { .. } => return None,
            Detail::MapRun {
                arn: None,
                failure: None,
                ..
            } => return None,
            Detail::Started { resource, .. } if resource.is_function() => return None,
            Detail::ExecutionStarted { input, role } => {
                all.document("input", input).with("roleArn", &**role)
            }
            Detail::ExecutionSucceeded { output } => all.document("output", output),
            Detail::ExecutionEnded { error, cause, .. } => all
                .maybe("error", error.as_deref())
                .maybe("cause", cause.as_deref()),
            Detail::ExecutionRedriven { count } => all.with("redriveCount", *count),
            Detail::Entered { name, input, .. } => {
                all.document("input", input).with("name", &**name)
            }
            Detail::Exited {
                name,
                output,
                assigned,
                ..
            } => all
                .variables(assigned)
                .with("name", &**name)
                .document("output", output),
            Detail::MapStarted { length } => all.with("length", *length),
            Detail::MapRun {
                arn,
                redrives,
                failure,
                ..
            } => all
                .maybe("mapRunArn", arn.as_deref())
                .maybe("redriveCount", *redrives)
                .maybe("error", failure.as_ref().map(|(error, _)| &**error))
                .maybe("cause", failure.as_ref().and_then(|it| it.1.as_deref())),
            Detail::Iteration { name, index, .. } => {
                all.with("index", *index).with("name", &**name)
            }
            Detail::Scheduled {
                resource,
                arguments,
                timeout,
                heartbeat,
            } => all
                .maybe("heartbeatInSeconds", *heartbeat)
                .call(resource, arguments)
                .maybe("timeoutInSeconds", *timeout),
            Detail::Started { resource, worker } => all
                .maybe("workerName", worker.as_deref())
                .integration(resource),
            Detail::Submitted { resource, output } | Detail::Succeeded { resource, output } => {
                all.document("output", output).integration(resource)
            }
            Detail::Failed {
                resource,
                error,
                cause,
                ..
            } => all
                .maybe("cause", cause.as_deref())
                .with("error", &**error)
                .integration(resource),
            Detail::EvaluationFailed {
                state,
                error,
                cause,
                location,
            } => all
                .maybe("cause", cause.as_deref())
                .with("error", &**error)
                .with("location", &**location)
                .with("state", &**state),
        };
        Some(Value::Object(all.0))
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

/// An event's details, while they are put together.
#[derive(Default)]
struct Details(Map<String, Value>);

impl Details {
    /// And a member.
    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// And a member, if there is such a thing.
    fn maybe(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// And a document as text, and that nothing of it is left out.
    fn document(self, name: &str, data: &Data) -> Self {
        self.with(name, data.to_string())
            .with(&format!("{name}Details"), json!({"truncated": false}))
    }

    /// And the variables that a state set, if it set any.
    fn variables(self, assigned: &Assigned) -> Self {
        let Some(assigned) = assigned else {
            return self;
        };
        let values: Map<String, Value> = assigned
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string().into()))
            .collect();
        self.with("assignedVariables", values)
            .with("assignedVariablesDetails", json!({"truncated": false}))
    }

    /// And what is called, with which arguments.
    fn call(self, resource: &Resource, arguments: &Data) -> Self {
        if resource.is_integration() {
            self.with("parameters", arguments.to_string())
                .with("region", "us-east-1")
                .integration(resource)
        } else {
            self.document("input", arguments)
                .with("resource", &*resource.arn)
        }
    }

    /// And what task events say of the integration; those of functions and activities do not.
    fn integration(self, resource: &Resource) -> Self {
        if resource.is_integration() {
            self.with("resource", &*resource.action)
                .with("resourceType", &*resource.service)
        } else {
            self
        }
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
