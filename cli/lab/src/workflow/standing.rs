//! How executions stand: which run, which failed, which nobody needs any more.

use std::sync::Arc;

use duet_asl::Status;

use super::{Run, Standing};
use crate::host::timestamp;
use crate::lab::Lab;

impl Lab {
    /// The executions that failed, timed out or were aborted.
    #[must_use]
    pub fn failed_executions(&self) -> Vec<Standing> {
        let over = |run: &&Run| {
            let status = run.execution.as_ref().map(|execution| execution.status());
            status.is_some_and(|status| !matches!(status, Status::Running | Status::Succeeded))
        };
        self.runs
            .iter()
            .filter(over)
            .filter(|run| !self.is_express(run.machine))
            .map(|run| self.standing(run))
            .collect()
    }

    /// The executions that still run, on machines that are there.
    #[must_use]
    pub fn running(&self) -> Vec<Standing> {
        let runs = |run: &&Run| {
            let status = run.execution.as_ref().map(|execution| execution.status());
            status == Some(Status::Running)
        };
        let there = |run: &&Run| !self.definitions.machines[run.machine].gone;
        let listed = |run: &&Run| !self.is_express(run.machine);
        let runs = self.runs.iter().filter(runs).filter(there).filter(listed);
        runs.map(|run| self.standing(run)).collect()
    }

    /// How many executions still run.
    #[must_use]
    pub fn running_executions(&self) -> usize {
        let runs = self.runs.iter().filter_map(|run| run.execution.as_ref());
        runs.filter(|execution| execution.status() == Status::Running)
            .count()
    }

    /// What DeleteStateMachine does to a machine's executions.
    pub(crate) fn orphan_executions(&mut self, machine: usize) {
        for run in self.runs.iter_mut().filter(|run| run.machine == machine) {
            if let Some(execution) = run.execution.as_mut() {
                execution.orphan();
            }
        }
    }

    /// Whether an execution runs whose machine was deleted.
    pub(crate) fn has_orphans(&self) -> bool {
        let is_gone = |run: &&Run| self.definitions.machines[run.machine].gone;
        let mut running = self.runs.iter().filter(|run| {
            let execution = run.execution.as_ref();
            execution.is_some_and(|execution| execution.status() == Status::Running)
        });
        running.any(|run| is_gone(&run))
    }

    pub(crate) fn standing(&self, run: &Run) -> Standing {
        let execution = run.execution.as_ref();
        Standing {
            machine: self.definitions.machines[run.machine].name.clone(),
            name: run.name.to_string(),
            arn: run.arn.to_string(),
            status: execution.map_or(Status::Succeeded, |execution| execution.status()),
            ended: {
                let inner = self.host.lock();
                let told = inner.executions.get(&run.arn).copied();
                told.flatten().map(timestamp)
            },
            started: timestamp(run.started),
            version: execution.and_then(|execution| execution.version_arn()),
            alias: execution.and_then(|execution| execution.alias_arn()),
            error: execution.and_then(|execution| execution.error().map(str::to_owned)),
        }
    }

    /// How the execution `name` of a machine stands, if there is one.
    #[must_use]
    pub fn execution_standing(&self, machine: &str, name: &str) -> Option<Standing> {
        let machine = self.definitions.machine_named(machine)?;
        if self.is_express(machine) {
            return None;
        }
        let run = *self.names.get(&(machine, Arc::from(name)))?;
        Some(self.standing(&self.runs[run]))
    }
}
