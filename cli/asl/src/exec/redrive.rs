//! Going on after a failure: of an execution, and of the Map Runs in it.
//!
//! Source: Step Functions developer guide, "Restarting state machine executions with
//! redrive" and "Redriving Map Runs".

use super::thread::Activity;
use super::{Execution, RedriveError, Status};
use crate::Millis;
use crate::failure::Failure;
use crate::history::{Detail, MAX_EVENTS};
use crate::model::{Kind, MachineType};

/// A redrive must come within this time after the end: 14 days.
const REDRIVE_MILLIS: Millis = 14 * 24 * 3_600 * 1_000;
/// A Map Run may be redriven so often (AWS's quota).
const MAX_REDRIVES: u32 = 1_000;

impl Execution {
    /// `RedriveExecution`: goes on from the states that did not succeed, with the
    /// same definition and input. Retries and timeouts start anew.
    ///
    /// # Errors
    /// When AWS would refuse; see [`RedriveError`].
    pub fn redrive(&mut self, now: Millis) -> Result<(), RedriveError> {
        self.redrivable(now)?;
        self.set_now(now);
        self.status = Status::Running;
        (self.output, self.error, self.cause, self.ended) = (None, None, None, None);
        self.identity.redrives += 1;
        self.identity.redriven = Some(now);
        self.transitions += 1;
        let count = self.identity.redrives;
        let last = self.history.count;
        let event = self
            .history
            .add(last, now, || Detail::ExecutionRedriven { count });
        self.set_deadline();
        self.revive(event);
        self.settle();
        Ok(())
    }

    /// Whether AWS would redrive it.
    pub(super) fn redrivable(&self, now: Millis) -> Result<(), RedriveError> {
        if self.machine.kind == MachineType::Express {
            return Err(RedriveError::Express);
        }
        let Some(ended) = self.ended.filter(|_| self.status != Status::Succeeded) else {
            return Err(RedriveError::NotFailed);
        };
        if now - ended > REDRIVE_MILLIS {
            return Err(RedriveError::TooLate);
        }
        if self.is_full() {
            return Err(RedriveError::HistoryFull);
        }
        Ok(())
    }

    /// Whether there is no room for more than one event.
    pub(super) fn is_full(&self) -> bool {
        self.history.count >= MAX_EVENTS - 1
    }

    /// Restarts, after a redrive, every flow that had not come to its end.
    fn revive(&mut self, event: u64) {
        let machine = self.machine.clone();
        let mut runs = Vec::new();
        for (at, thread) in self.threads.iter_mut().enumerate() {
            let Some(t) = thread else { continue };
            t.last_event = event;
            t.tail_event = event;
            t.attempts.clear();
            t.retries = 0;
            let fails = matches!(machine.state(t.state).kind, Kind::Fail { .. });
            t.activity = match std::mem::replace(&mut t.activity, Activity::Halted) {
                Activity::Join(mut join) => {
                    join.last_event = event;
                    t.activity = Activity::Join(join);
                    continue;
                }
                Activity::Run(run) => {
                    t.activity = Activity::Run(run);
                    runs.push(run);
                    continue;
                }
                Activity::Enter => Activity::Enter,
                _ if fails || t.entered_event == 0 => Activity::Enter,
                _ => Activity::Attempt,
            };
            self.ready.push_back(at);
        }
        for run in runs {
            self.redrive_run(run);
        }
    }

    /// Takes a run up again: what has not begun, and what did not succeed.
    fn redrive_run(&mut self, run: usize) {
        let now = self.now;
        let it = self.map_run_mut(run);
        let thread = it.thread;
        let express = it.machine.kind == MachineType::Express;
        it.failing = None;
        it.failed_items = 0;
        it.waiting.clear();
        for (i, child) in it.children.iter_mut().enumerate() {
            let Some(execution) = &child.execution else {
                it.waiting.push_back(i);
                continue;
            };
            if execution.status == Status::Succeeded {
                continue;
            }
            if express || execution.redrivable(now).is_ok() {
                child.again = true;
                it.waiting.push_back(i);
            } else {
                it.failed_items += child.items;
            }
        }
        let spent = it.redrives >= MAX_REDRIVES;
        it.status = Status::Running;
        it.stopped = None;
        it.redriven = Some(now);
        it.redrives += 1;
        let (arn, redrives) = (it.arn.clone(), it.redrives);
        if spent {
            it.failing = Some(Failure::runtime(format!(
                "The Map Run was redriven {MAX_REDRIVES} times, and cannot be again."
            )));
        }
        self.record(thread, || Detail::MapRun {
            what: "Redriven",
            arn: Some(arn),
            redrives: Some(redrives),
            failure: None,
        });
        self.pump(run);
        self.conclude_if_over(run);
    }
}
