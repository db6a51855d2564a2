//! The execution's alarms: what falls due when, and telling the driver.

use super::thread::Activity;
use super::{Effect, Execution, Status};
use crate::Millis;
use crate::model::MachineType;
use std::cmp::Reverse;

/// How long a Standard execution may stay open: a year.
const STANDARD_SECONDS: u64 = 31_536_000;
/// How long an Express execution may run.
const EXPRESS_SECONDS: u64 = 300;
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    Deadline,
    Timeout,
    Heartbeat,
    Wake,
    /// A child execution's own: the activity names whose.
    Child,
}

/// An alarm for an activity; void once that activity is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    pub(super) at: Millis,
    pub(super) sequence: u64,
    pub(super) activity: u64,
    pub(super) alarm: Alarm,
}

impl Execution {
    pub(super) fn set_now(&mut self, now: Millis) {
        if now > self.now {
            self.now = now;
            self.transitions_before = self.transitions;
        }
    }

    /// Fires what fell due before `now`; what is due at `now` itself comes after
    /// the event that happens then.
    pub(super) fn catch_up(&mut self, now: Millis) {
        self.fire(|at| at < now);
        self.set_now(now);
        self.announce();
    }

    pub(super) fn set_timer(&mut self, at: Millis, activity: u64, alarm: Alarm) {
        self.sequence += 1;
        self.timers.push(Reverse(Timer {
            at,
            sequence: self.sequence,
            activity,
            alarm,
        }));
    }

    pub(super) fn set_deadline(&mut self) {
        let limit = match self.machine.kind {
            MachineType::Standard => STANDARD_SECONDS,
            MachineType::Express => EXPRESS_SECONDS,
        };
        let seconds = self.machine.timeout_seconds.unwrap_or(limit).min(limit);
        self.sequence += 1;
        self.deadline = self.sequence;
        self.set_timer(after(self.now, seconds), self.deadline, Alarm::Deadline);
    }

    pub(super) fn is_live(&self, timer: &Timer) -> bool {
        self.status == Status::Running
            && match timer.alarm {
                Alarm::Child => self.is_awaited(timer.activity, timer.at),
                Alarm::Deadline => timer.activity == self.deadline,
                _ => self.find(timer.activity).is_some(),
            }
    }

    pub(super) fn fire(&mut self, due: impl Fn(Millis) -> bool) {
        while let Some(Reverse(timer)) = self.timers.peek().copied() {
            if !due(timer.at) {
                break;
            }
            self.timers.pop();
            if !self.is_live(&timer) {
                continue;
            }
            self.set_now(timer.at);
            match (timer.alarm, self.find(timer.activity)) {
                (Alarm::Deadline, _) => self.time_out(),
                (Alarm::Child, _) => self.wake_child(timer.activity, timer.at),
                (alarm, Some(thread)) => self.ring(thread, alarm, timer.at),
                (_, None) => {}
            }
            self.run();
        }
    }

    pub(super) fn ring(&mut self, thread: usize, alarm: Alarm, at: Millis) {
        match &self.thread(thread).activity {
            Activity::Task(task) => {
                if alarm == Alarm::Heartbeat && task.silent_at.is_some_and(|due| due > at) {
                    return;
                }
                self.task_timed_out(thread, alarm == Alarm::Heartbeat);
            }
            Activity::Waiting => self.wait_over(thread),
            Activity::Backoff => {
                self.thread_mut(thread).activity = Activity::Attempt;
                self.ready.push_back(thread);
            }
            _ => {}
        }
    }

    /// Tells the driver when it is next needed, if that has changed.
    pub(super) fn announce(&mut self) {
        while let Some(Reverse(timer)) = self.timers.peek() {
            if self.is_live(timer) {
                break;
            }
            self.timers.pop();
        }
        let next = self.timers.peek().map(|Reverse(t)| t.at);
        if next != self.announced {
            self.announced = next;
            self.effects.extend(next.map(Effect::WakeAt));
        }
    }
}

/// The moment `seconds` after `from`.
pub(super) fn after(from: Millis, seconds: u64) -> Millis {
    let millis = i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000);
    from.saturating_add(millis)
}
