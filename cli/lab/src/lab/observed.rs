//! What a world shows of itself: its timeline, faults, waits and what was used.

use std::collections::BTreeMap;
use std::sync::Arc;

use duet_asl::Execution;

use super::{Heard, Lab, Lost, Moment};
use crate::fault::{Blow, Fault, FaultRule, Strike};
use crate::host::Wait;
use crate::meter::Used;
use crate::probe::Stamp;

impl Lab {
    /// What happened, in order; empty unless [`Config::timeline`](crate::lab::Config::timeline) asked for it.
    #[must_use]
    pub fn timeline(&self) -> &[Moment] {
        &self.timeline
    }

    /// The functions' log lines, each a JSON document, in the order they were
    /// written; `None` unless [`Config::logs`](crate::lab::Config::logs) asked for them.
    #[must_use]
    pub fn lines(&self) -> Option<Vec<String>> {
        self.host.lock().lines.clone()
    }

    /// What travelled on the buses, in order; empty unless [`Config::events`](crate::lab::Config::events)
    /// asked for it.
    #[must_use]
    pub fn heard(&self) -> &[Heard] {
        &self.heard
    }

    /// A number that two worlds share exactly when the same things happened at
    /// the same times in both.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.trace
    }

    /// How many things happened.
    #[must_use]
    pub fn happened(&self) -> u64 {
        self.happened
    }

    /// Whether anything is still to happen.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.agenda.is_empty() && self.next_run(None).is_none()
    }

    /// The faults that struck, in order.
    #[must_use]
    pub fn struck(&self) -> Vec<Strike> {
        self.host.lock().faults.struck().to_vec()
    }

    /// How often each kind of fault could have struck.
    #[must_use]
    pub fn chances(&self) -> BTreeMap<Fault, u64> {
        self.host.lock().faults.chances().clone()
    }

    /// How many things each kind of fault touched.
    #[must_use]
    pub fn touched(&self) -> BTreeMap<Fault, u64> {
        self.host.lock().faults.touched().clone()
    }

    /// From here on faults strike by these rules and by no others; kinds that
    /// cannot begin later ([`Fault::can_begin_later`]) do not.
    pub fn set_faults(&mut self, rules: &[FaultRule]) {
        let rules: Vec<FaultRule> = rules
            .iter()
            .filter(|rule| rule.kind.can_begin_later())
            .cloned()
            .collect();
        self.host.lock().faults.replace(&rules);
    }

    /// The services that were taken out of order by hand.
    #[must_use]
    pub fn down(&self) -> Vec<String> {
        let mut down: Vec<String> = self.down.iter().cloned().collect();
        down.sort();
        down
    }

    /// From here on nothing goes wrong any more.
    pub fn stop_faults(&mut self) {
        self.host.lock().faults.quiet = true;
        self.outages.clear();
    }

    /// Whether `kind` strikes what a driver of this world does, under a name of its own.
    pub fn strikes(&mut self, kind: Fault, name: &str) -> bool {
        let aim = crate::fault::Aim {
            service: "",
            step: "",
            ident: crate::random::digest(name),
            about: &[],
        };
        self.host.lock().faults.strikes(kind, aim)
    }

    /// What each fault did to the work for `subject`, in order of time.
    #[must_use]
    pub fn blows(&self, subject: &str) -> Vec<Blow> {
        let inner = self.host.lock();
        let Some(owner) = inner.meters.known(subject) else {
            return Vec::new();
        };
        let all = inner.faults.blows().iter();
        all.filter(|blow| blow.owners.contains(&owner))
            .cloned()
            .collect()
    }

    /// What each order and customer waited for, in the order in which it was
    /// known; empty unless [`Config::waits`](crate::lab::Config::waits) asked for it.
    #[must_use]
    pub fn waited(&self) -> BTreeMap<Arc<str>, Vec<Wait>> {
        let inner = self.host.lock();
        let mut waited: BTreeMap<Arc<str>, Vec<Wait>> = BTreeMap::new();
        for wait in inner.waits.iter().flatten() {
            let subject = inner.meters.subject(wait.owner).clone();
            waited.entry(subject).or_default().push(*wait);
        }
        waited
    }

    /// What each order and customer used.
    #[must_use]
    pub fn used(&self) -> Vec<Used> {
        let mut used = self.host.lock().meters.used().to_vec();
        // Nobody is charged for the states of Express executions.
        let runs = self.runs.iter().filter(|run| !self.is_express(run.machine));
        for run in runs {
            if let Some(used) = used.get_mut(run.owner as usize) {
                used.meter.transitions += run.transitions();
            }
        }
        used
    }

    /// When functions ran, in the order in which they ended; empty unless
    /// [`Config::stamps`](crate::lab::Config::stamps) asked for it.
    #[must_use]
    pub fn stamps(&self) -> &[Stamp] {
        &self.stamps
    }

    /// How many messages wait, or are being handled, in the queue that has most.
    #[must_use]
    pub fn deepest(&self) -> usize {
        let depths = self.queues.iter().map(|queue| queue.messages.len());
        depths.max().unwrap_or(0)
    }

    /// How many notices the topic took.
    #[must_use]
    pub fn notices(&self) -> u64 {
        self.host.lock().notices
    }

    /// Messages that are no more, though nobody handled them.
    #[must_use]
    pub fn lost(&self) -> &[Lost] {
        &self.lost
    }

    /// The execution called `name` of the machine with this name or ARN.
    #[must_use]
    pub fn execution(&self, machine: &str, name: &str) -> Option<&Execution> {
        let machine = self.definitions.machine_named(machine)?;
        let run = *self.names.get(&(machine, Arc::from(name)))?;
        self.runs[run].execution.as_deref()
    }
}
