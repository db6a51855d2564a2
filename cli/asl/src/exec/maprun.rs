//! A Map Run: the child executions of a distributed Map, and what is told of them.
//!
//! Owns their record, and its form in `DescribeMapRun` (Step Functions API
//! reference). Who starts and ends them is `children`.

use super::nested::Nested;
use super::{Execution, Status, TaskId};
use crate::env::iso;
use crate::failure::Failure;
use crate::history::HistoryEvent;
use crate::model::{MachineType, StateMachine};
use crate::{Data, Millis};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// All Map Runs of an execution, and what their children wait for.
#[derive(Debug, Default)]
pub(super) struct Runs {
    pub(super) all: Vec<MapRun>,
    /// Calls that children made, by the ids they have for this execution's driver.
    pub(super) calls: BTreeMap<u64, (ChildId, TaskId)>,
    /// Which child holds a token.
    pub(super) tokens: BTreeMap<Arc<str>, ChildId>,
    /// Whose alarm a timer is.
    pub(super) alarms: BTreeMap<u64, ChildId>,
}

/// A child: its run, and its place there.
pub(super) type ChildId = (usize, usize);

/// One Map Run.
#[derive(Debug)]
pub(super) struct MapRun {
    pub(super) arn: Arc<str>,
    /// The last part of the ARN.
    pub(super) id: String,
    /// What its children run.
    pub(super) machine: Arc<StateMachine>,
    /// The name of that: the machine's, a slash, and the label.
    pub(super) machine_name: String,
    /// The thread that waits for it.
    pub(super) thread: usize,
    /// What makes it one nested execution, and no Map Run.
    pub(super) nested: Option<Nested>,
    pub(super) status: Status,
    pub(super) started: Millis,
    pub(super) stopped: Option<Millis>,
    pub(super) redrives: u32,
    pub(super) redriven: Option<Millis>,
    /// As it was asked for: 0 is as many as AWS runs at once.
    pub(super) max_concurrency: u64,
    pub(super) tolerated: Tolerated,
    pub(super) children: Vec<Child>,
    /// Those that have not begun, or wait for a redrive.
    pub(super) waiting: VecDeque<usize>,
    pub(super) running: usize,
    pub(super) failed_items: usize,
    pub(super) total_items: usize,
    /// Why it fails, once that is settled.
    pub(super) failing: Option<Failure>,
    /// Files with results of successful children, by their keys: of all attempts.
    pub(super) successes: Vec<(String, usize)>,
    pub(super) written: bool,
}

/// How many items may fail.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tolerated {
    pub(super) count: Option<u64>,
    pub(super) percentage: Option<f64>,
}

impl Tolerated {
    /// Whether so many failures of so many items are too many. Without a threshold one is.
    pub(super) fn exceeded(self, failed: usize, of: usize) -> bool {
        let count = self.count.is_some_and(|most| failed as u64 > most);
        let share = failed as f64 * 100.0 / of.max(1) as f64;
        let percentage = self.percentage.is_some_and(|most| share > most);
        let any = self.count.is_none() && self.percentage.is_none() && failed > 0;
        count || percentage || any
    }
}

/// A child execution, or one that is to be.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) name: String,
    pub(super) input: Data,
    /// The items it works on: more than one in a batch.
    pub(super) items: usize,
    pub(super) seed: u64,
    /// `None` until it begins.
    pub(super) execution: Option<Box<Execution>>,
    /// Its calls, by its own ids.
    pub(super) calls: BTreeMap<TaskId, u64>,
    /// Names its alarms.
    pub(super) alarm: u64,
    /// Its transitions that its parent has counted.
    pub(super) counted: u64,
    /// How often an Express child was started again.
    pub(super) restarts: u32,
    /// Whether it waits for a redrive.
    pub(super) again: bool,
    /// Whether its success stands in a file.
    pub(super) exported: bool,
}

impl Child {
    /// One that has not begun; `alarm` names its alarms.
    pub(super) fn new(name: String, input: Data, items: usize, seed: u64, alarm: u64) -> Self {
        Child {
            name,
            input,
            items,
            seed,
            execution: None,
            calls: BTreeMap::new(),
            alarm,
            counted: 0,
            restarts: 0,
            again: false,
            exported: false,
        }
    }

    /// Where it stands; `None` before it begins.
    pub(super) fn status(&self) -> Option<Status> {
        self.execution.as_ref().map(|it| it.status)
    }
}

/// A Map Run in the form of `DescribeMapRun`, with its children if their histories
/// are kept.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    missing_docs,
    reason = "but for the children, each is a member of the API's, which says what it is"
)]
pub struct MapRunReport {
    pub map_run_arn: String,
    pub execution_arn: String,
    pub status: Status,
    pub start_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_date: Option<String>,
    pub max_concurrency: u64,
    pub tolerated_failure_count: u64,
    pub tolerated_failure_percentage: f64,
    pub item_counts: Counts,
    pub execution_counts: Counts,
    pub redrive_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redrive_date: Option<String>,
    /// The child executions that began, in the order of their items.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub executions: Vec<ChildReport>,
}

/// How many items, or executions, stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    missing_docs,
    reason = "each is a member of the API's, which says what it is"
)]
pub struct Counts {
    pub pending: u64,
    pub running: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub aborted: u64,
    pub total: u64,
    pub results_written: u64,
    pub failures_not_redrivable: u64,
    pub pending_redrive: u64,
}

/// A child execution.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChildReport {
    /// Its ARN.
    pub execution_arn: String,
    /// Its name.
    pub name: String,
    /// How many items it works on.
    pub item_count: usize,
    /// Where it stands.
    pub status: Status,
    /// Its input.
    pub input: Value,
    /// Its output, if it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Its error, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The cause that goes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// How often it was redriven, or started again.
    pub redrive_count: u32,
    /// Its own events.
    pub history: Vec<HistoryEvent>,
    /// Map Runs of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub map_runs: Vec<MapRunReport>,
    /// Executions that it started and waited for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nested: Vec<ChildReport>,
}

impl Execution {
    /// The Map Runs of its distributed Maps, in the order they began.
    #[must_use]
    pub fn map_runs(&self) -> Vec<MapRunReport> {
        let all = self.runs.iter().flat_map(|runs| &runs.all);
        let all = all.filter(|run| run.nested.is_none());
        all.map(|run| run.report(&self.identity.execution_arn, self.history.keep))
            .collect()
    }
}

impl MapRun {
    /// One that begins now, for `thread`, without children.
    pub(super) fn new(
        machine: Arc<StateMachine>,
        machine_name: String,
        thread: usize,
        now: Millis,
    ) -> Self {
        MapRun {
            arn: "".into(),
            id: String::new(),
            machine,
            machine_name,
            thread,
            nested: None,
            status: Status::Running,
            started: now,
            stopped: None,
            redrives: 0,
            redriven: None,
            max_concurrency: 0,
            tolerated: Tolerated::default(),
            children: Vec::new(),
            waiting: VecDeque::new(),
            running: 0,
            failed_items: 0,
            total_items: 0,
            failing: None,
            successes: Vec::new(),
            written: false,
        }
    }

    fn report(&self, parent: &str, children: bool) -> MapRunReport {
        let (mut items, mut executions) = (Counts::default(), Counts::default());
        for child in &self.children {
            executions.add(child, 1);
            items.add(child, child.items as u64);
        }
        if self.status != Status::Running {
            (items.results_written, executions.results_written) = match self.written {
                true => (items.total, executions.total),
                false => (0, 0),
            };
        }
        let began = self.children.iter().filter(|_| children);
        MapRunReport {
            map_run_arn: self.arn.to_string(),
            execution_arn: parent.to_owned(),
            status: self.status,
            start_date: iso(self.started),
            stop_date: self.stopped.map(iso),
            max_concurrency: self.max_concurrency,
            tolerated_failure_count: self.tolerated.count.unwrap_or(0),
            tolerated_failure_percentage: self.tolerated.percentage.unwrap_or(0.0),
            item_counts: items,
            execution_counts: executions,
            redrive_count: self.redrives,
            redrive_date: self.redriven.map(iso),
            executions: began.filter_map(Child::report).collect(),
        }
    }
}

impl Counts {
    fn add(&mut self, child: &Child, n: u64) {
        self.total += n;
        let place = match child.status() {
            _ if child.again => &mut self.pending_redrive,
            None => &mut self.pending,
            Some(Status::Running) => &mut self.running,
            Some(Status::Succeeded) => &mut self.succeeded,
            Some(Status::Failed) => &mut self.failed,
            Some(Status::TimedOut) => &mut self.timed_out,
            Some(Status::Aborted) => &mut self.aborted,
        };
        *place += n;
        let unsuccessful = matches!(
            child.status(),
            Some(Status::Failed | Status::TimedOut | Status::Aborted)
        );
        let full = child.execution.as_ref().is_some_and(|it| it.is_full());
        if unsuccessful && full {
            self.failures_not_redrivable += n;
        }
    }
}

impl Child {
    pub(super) fn report(&self) -> Option<ChildReport> {
        let run = self.execution.as_ref()?;
        Some(ChildReport {
            execution_arn: run.arn().to_owned(),
            name: self.name.clone(),
            item_count: self.items,
            status: run.status,
            input: (*self.input).clone(),
            output: run.output.as_deref().cloned(),
            error: run.error().map(str::to_owned),
            cause: run.cause().map(str::to_owned),
            redrive_count: self.redrive_count(),
            history: run.history().to_vec(),
            map_runs: run.map_runs(),
            nested: run.nested(),
        })
    }

    /// How often it was redriven, or started again.
    pub(super) fn redrive_count(&self) -> u32 {
        let run = self.execution.as_ref();
        run.map_or(0, |run| match run.machine.kind {
            MachineType::Standard => run.redrive_count(),
            MachineType::Express => self.restarts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Tolerated;

    #[test]
    fn thresholds() {
        let of = |count, percentage| Tolerated { count, percentage };
        assert!(of(None, None).exceeded(1, 100) && !of(None, None).exceeded(0, 100));
        assert!(!of(Some(2), None).exceeded(2, 2) && of(Some(2), None).exceeded(3, 100));
        assert!(!of(None, Some(50.0)).exceeded(1, 2) && of(None, Some(50.0)).exceeded(2, 3));
        assert!(!of(None, Some(100.0)).exceeded(3, 3));
        // Either is enough.
        assert!(of(Some(9), Some(10.0)).exceeded(2, 10) && of(Some(1), Some(99.0)).exceeded(2, 10));
    }
}
