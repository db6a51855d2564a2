//! Updating in place: the same templates with other parameters, while
//! everything runs.
//!
//! As CloudFormation does it: each resource that differs switches at a moment of
//! its own, after those it needs; what is deleted goes last, in the clean-up.
//! What is under way crosses it. What a switch does is in [`switch`](crate::switch).

use std::collections::BTreeMap;
use std::sync::Arc;

use duet_asl::Millis;
use duet_core::Timestamp;
use serde::Serialize;

use crate::declared::{Change, Declared, differences, in_order};
use crate::definitions::{
    Definitions, FUNCTION, MACHINE, MAPPING, QUEUE, QUEUE_POLICY, RULE, SUBSCRIPTION, TABLE,
};
use crate::host::{timestamp, within};
use crate::lab::{Action, Lab};
use crate::latency::{Span, UPDATE};
use crate::ports::Table;
use crate::random::mix;
use crate::services::{self, Handler};
use crate::sns::FILTER_LAG;
use crate::template::DefinitionError;

/// How the lab's stack is updated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rollout {
    /// As CloudFormation does: one resource after another, deletions last.
    #[default]
    InOrder,
    /// As nobody can: everything at one moment, deletions first, and no instance
    /// stays as it was.
    AtOnce,
}

/// What an update changes, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Update {
    /// The resources that are made, by place: `Nested/Resource`.
    pub added: Vec<String>,
    /// The resources that are changed.
    pub changed: Vec<String>,
    /// The resources that are deleted.
    pub removed: Vec<String>,
    /// When CloudFormation has switched the last of them.
    pub complete: Timestamp,
    /// When the last of them is in effect, warm instances apart: services take up
    /// some changes later.
    pub settled: Timestamp,
}

/// Why a lab is not updated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// As AWS does with UPDATE_IN_PROGRESS and its clean-up.
    #[error("the stack is still being updated")]
    InProgress,
    /// The templates do not take the parameters, or the code does not.
    #[error(transparent)]
    Definitions(#[from] DefinitionError),
    /// Tables stay: what is in them is nobody's to delete.
    #[error("{0}: the lab deletes no tables")]
    DeletesTable(String),
}

/// The updates so far.
#[derive(Default)]
pub(crate) struct Updates {
    pub(crate) plans: Vec<Arc<Plan>>,
    /// Which update switched a place last.
    pub(crate) latest: BTreeMap<String, usize>,
    /// When the last one is complete.
    complete: Millis,
    /// By function: the one of before its last update, and until when that has
    /// warm instances.
    pub(crate) warm: BTreeMap<usize, (usize, Millis)>,
}

/// An update.
pub(crate) struct Plan {
    pub(crate) target: Definitions,
    /// The code of functions that are made or changed, by ARN.
    pub(crate) handlers: BTreeMap<String, Arc<dyn Handler>>,
    /// In the order in which they are taken.
    pub(crate) steps: Vec<Step>,
}

/// A switch.
pub(crate) enum Step {
    /// A resource, at its place, is made or changed.
    Make(String, Declared),
    /// A resource is deleted.
    Remove(String, Declared),
    /// The stack tells its new outputs.
    Outputs,
}

/// How long a service may go on as before when CloudFormation is done with one
/// of its resources. Least and most, in milliseconds.
///
/// Rules and targets: "allow a short period of time" (API_PutRule,
/// API_PutTargets, API_DeleteRule), here half a minute. Queues: up to 60 seconds
/// for most attributes, the policy too, and for a deletion (API_SetQueueAttributes,
/// API_DeleteQueue). Executions started "within a few seconds" may follow the
/// old definition (API_UpdateStateMachine). A mapping is not gone "for several
/// seconds" (API_DeleteEventSourceMapping).
fn lag(kind: &str, change: Change) -> Span {
    match (kind, change) {
        (RULE, _) => (0, 30_000),
        (QUEUE, Change::Modify | Change::Remove) | (QUEUE_POLICY, Change::Modify) => (0, 60_000),
        (MACHINE, Change::Modify) => (0, 5_000),
        (MAPPING, Change::Remove) => (0, 10_000),
        _ => (0, 0),
    }
}

impl Lab {
    /// Updates the stack to `parameters`, in place of those it has; what they
    /// leave out has the template's default. Nothing switches at once: time has
    /// to pass. Parameters that change nothing are taken, and nothing happens.
    ///
    /// # Errors
    /// [`UpdateError`]: then nothing is changed.
    pub fn update(&mut self, parameters: &BTreeMap<String, String>) -> Result<Update, UpdateError> {
        if self.definitions.parameters == *parameters {
            let complete = timestamp(self.updates.complete.max(self.now));
            return Ok(Update {
                added: Vec::new(),
                changed: Vec::new(),
                removed: Vec::new(),
                complete,
                settled: complete,
            });
        }
        if self.updating() {
            return Err(UpdateError::InProgress);
        }
        let before = self.definitions.clone();
        let mut target = before.with(parameters)?;
        if let Some(plant) = self.config.plant {
            plant.plant_in_definitions(&mut target);
        }
        let changes = differences(&before.declared, &target.declared);
        let is_table = |place: &&String| {
            before
                .declared
                .get(*place)
                .is_some_and(|it| it.kind == TABLE)
        };
        let mut removed = changes.iter().filter(|(_, it)| **it == Change::Remove);
        if let Some((table, _)) = removed.find(|(place, _)| is_table(place)) {
            return Err(UpdateError::DeletesTable(table.clone()));
        }
        let number = self.updates.plans.len();
        let seed = mix(self.config.seed, mix(0x0bda7e, number as u64));
        let mut steps = steps(&before, &target, &changes, seed)?;
        if self.config.rollout == Rollout::AtOnce {
            steps.sort_by_key(|step| !matches!(step, Step::Remove(..)));
        }
        let handlers = self.handlers_of(&target, &changes)?;
        let of = |change| {
            let some = changes.iter().filter(move |(_, it)| **it == change);
            some.map(|(place, _)| place.clone()).collect()
        };
        let (complete, settled) = self.schedule(number, &steps, &changes, seed);
        let update = Update {
            added: of(Change::Add),
            changed: of(Change::Modify),
            removed: of(Change::Remove),
            complete: timestamp(complete),
            settled: timestamp(settled),
        };
        self.updates.complete = complete;
        let live = Arc::make_mut(&mut self.definitions);
        live.parameters = target.parameters.clone();
        live.values = target.values.clone();
        live.declared = target.declared.clone();
        self.updates.plans.push(Arc::new(Plan {
            target,
            handlers,
            steps,
        }));
        Ok(update)
    }

    /// Whether an update is under way. One that deleted a state machine is until
    /// that machine's executions are over, as on AWS.
    #[must_use]
    pub fn updating(&self) -> bool {
        self.now < self.updates.complete || self.has_orphans()
    }

    /// When the last update was, or will be, over everywhere: complete, and no
    /// instance left with the environment of before; `None` without one.
    #[must_use]
    pub fn updated(&self) -> Option<Timestamp> {
        let warm = self.updates.warm.values().map(|(_, until)| *until);
        let over = warm.fold(self.updates.complete, Millis::max);
        (!self.updates.plans.is_empty()).then(|| timestamp(over))
    }

    /// The parameters of the stack, beside the template's defaults.
    #[must_use]
    pub fn parameters(&self) -> &BTreeMap<String, String> {
        &self.definitions.parameters
    }

    /// Starts the code of what an update makes or changes. Its tables are there
    /// from now on; until its moment nobody uses them.
    fn handlers_of(
        &mut self,
        target: &Definitions,
        changes: &BTreeMap<String, Change>,
    ) -> Result<BTreeMap<String, Arc<dyn Handler>>, DefinitionError> {
        let mut tables = self.tables.clone();
        for name in &target.tables {
            let lags = self.host.lock().faults.any(crate::fault::Fault::StaleRead);
            tables
                .entry(name.clone())
                .or_insert_with(|| Table::new(lags, target.indexes_of(name)));
        }
        let mut handlers = BTreeMap::new();
        for (place, change) in changes {
            let declared = target.declared.get(place);
            let Some(it) = declared.filter(|it| it.kind == FUNCTION && *change != Change::Remove)
            else {
                continue;
            };
            if let Some(at) = target.function(&it.id) {
                let handler = services::start(&target.functions[at], &self.host, &tables)?;
                handlers.insert(it.id.clone(), handler);
            }
        }
        self.tables = tables;
        Ok(handlers)
    }

    /// Sets a moment for each step. Gives the last, and when the last is in effect.
    fn schedule(
        &mut self,
        update: usize,
        steps: &[Step],
        changes: &BTreeMap<String, Change>,
        seed: u64,
    ) -> (Millis, Millis) {
        if steps.is_empty() {
            return (self.now, self.now);
        }
        if self.config.rollout == Rollout::AtOnce {
            let at = self.now + within(UPDATE, seed);
            self.at(at, Action::Switch(update, 0..steps.len()));
            return (at, at);
        }
        let count = 0..steps.len() as u64;
        let mut moments: Vec<Millis> = count
            .map(|n| self.now + within(UPDATE, mix(seed, n)))
            .collect();
        moments.sort_unstable();
        let (mut complete, mut settled) = (self.now, self.now);
        for (n, (step, moment)) in steps.iter().zip(moments).enumerate() {
            // What is due at one moment comes in any order: no two are.
            complete = moment.max(complete + 1);
            let lag = match step {
                Step::Outputs => (0, 0),
                Step::Make(place, it) | Step::Remove(place, it) => changes
                    .get(place)
                    .map_or((0, 0), |change| lag(&it.kind, *change)),
            };
            let at = complete + within(lag, mix(seed, mix(n as u64, 1)));
            // A filter policy holds later than its subscription is there.
            let holds = match step {
                Step::Make(_, it) if it.kind == SUBSCRIPTION => at + FILTER_LAG.1,
                _ => at,
            };
            settled = settled.max(holds);
            self.at(at, Action::Switch(update, n..n + 1));
        }
        (complete, settled)
    }
}

/// The steps of an update, in the order in which they are taken.
fn steps(
    before: &Definitions,
    target: &Definitions,
    changes: &BTreeMap<String, Change>,
    seed: u64,
) -> Result<Vec<Step>, DefinitionError> {
    let order = in_order(&target.declared, seed)?;
    let made = order
        .into_iter()
        .filter(|place| changes.contains_key(*place));
    let mut steps: Vec<Step> = made
        .map(|place| Step::Make(place.to_owned(), target.declared[place].clone()))
        .collect();
    if before.outputs != target.outputs {
        steps.push(Step::Outputs);
    }
    // What was made last goes first.
    let mut order = in_order(&before.declared, seed)?;
    order.reverse();
    let removed = order
        .into_iter()
        .filter(|place| changes.get(*place) == Some(&Change::Remove));
    steps.extend(
        removed.map(|place| Step::Remove(place.to_owned(), before.declared[place].clone())),
    );
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::bundled;

    #[test]
    fn what_needs_something_is_deleted_before_it() {
        let given = BTreeMap::from([("WithChoreography".to_owned(), "false".to_owned())]);
        let before = Definitions::read(bundled(), "duet", &BTreeMap::new());
        let before = before.expect("the bundled definitions");
        let target = before.with(&given).expect("they take the parameter");
        let changes = differences(&before.declared, &target.declared);
        for seed in 0..10 {
            let steps = steps(&before, &target, &changes, seed).expect("an order");
            let outputs = steps.iter().position(|step| matches!(step, Step::Outputs));
            let removed: Vec<&str> = steps[outputs.expect("outputs change")..]
                .iter()
                .filter_map(|step| match step {
                    Step::Remove(place, _) => Some(place.as_str()),
                    _ => None,
                })
                .collect();
            let all = changes.values().filter(|it| **it == Change::Remove).count();
            assert!(all > 30 && removed.len() == all, "{removed:?}");
            let at = |place: &str| removed.iter().position(|one| *one == place);
            for (first, then) in [
                ("OrderConsumer/Mapping", "OrderConsumer/Queue"),
                ("OrderConsumer/Queue", "OrderConsumer/DeadLetters"),
                ("OrderConsumer/QueuePolicy", "OrderConsumer/Queue"),
                ("PaymentConsumer/Mapping", "PaymentConsumer/Queue"),
                // What refers to a nested stack, before all that is in it.
                ("PaymentDeclinedToOrder", "OrderConsumer/Mapping"),
            ] {
                let place = |of: &str| at(&format!("Choreography/{of}")).expect(of);
                assert!(place(first) < place(then), "{first}, {then}");
            }
        }
    }
}
