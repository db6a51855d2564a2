//! Updating in place: the same templates with other parameters, while
//! everything runs.
//!
//! As CloudFormation does it: each resource that differs switches at a moment of
//! its own, after those it needs; what is deleted goes last, in the clean-up.
//! What is under way crosses it. Slots of [`Definitions`] are never used again:
//! what was deleted keeps its number, so that what is on its way to it finds
//! that it is gone. A function or rule that changes has a new slot, and the old
//! one serves what was under way: its warm instances, its deliveries.

use std::collections::BTreeMap;
use std::sync::Arc;

use duet_asl::Millis;
use duet_core::Timestamp;
use serde::Serialize;

use crate::declared::{Change, Declared, differences, in_order};
use crate::definitions::{
    ARCHIVE, BUS, Definitions, FUNCTION, MACHINE, MAPPING, QUEUE, QUEUE_POLICY, RULE, TABLE, TOPIC,
};
use crate::host::timestamp;
use crate::lab::{Action, Lab};
use crate::lambda::Instances;
use crate::latency::{Span, UPDATE, WARM};
use crate::ports::Table;
use crate::random::{digest, mix};
use crate::services::{self, Handler};
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
    /// When the last of them is in effect: services take up some changes later.
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
    plans: Vec<Arc<Plan>>,
    /// Which update switched a place last.
    latest: BTreeMap<String, usize>,
    complete: Millis,
    /// By function: the one of before its last update, and until when that has
    /// warm instances.
    warm: BTreeMap<usize, (usize, Millis)>,
}

/// An update.
struct Plan {
    target: Definitions,
    /// The code of functions that are made or changed, by ARN.
    handlers: BTreeMap<String, Arc<dyn Handler>>,
    steps: Vec<Step>,
}

/// A switch.
#[derive(Clone)]
enum Step {
    Make(String, Declared),
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
        (QUEUE, Change::Change | Change::Remove) | (QUEUE_POLICY, Change::Change) => (0, 60_000),
        (MACHINE, Change::Change) => (0, 5_000),
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
            changed: of(Change::Change),
            removed: of(Change::Remove),
            complete: timestamp(complete),
            settled: timestamp(settled),
        };
        self.updates.complete = complete;
        let live = Arc::make_mut(&mut self.definitions);
        live.parameters = target.parameters.clone();
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
                .or_insert_with(|| Table::lagging(lags));
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
            let at = self.now + crate::host::within(UPDATE, seed);
            self.at(at, Action::Switch(update, 0..steps.len()));
            return (at, at);
        }
        let count = 0..steps.len() as u64;
        let mut moments: Vec<Millis> = count
            .map(|n| self.now + crate::host::within(UPDATE, mix(seed, n)))
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
            let at = complete + crate::host::within(lag, mix(seed, mix(n as u64, 1)));
            settled = settled.max(at);
            self.at(at, Action::Switch(update, n..n + 1));
        }
        (complete, settled)
    }

    /// Resources switch.
    pub(crate) fn switch(&mut self, update: usize, steps: std::ops::Range<usize>) {
        let plan = self.updates.plans[update].clone();
        for step in &plan.steps[steps] {
            let (place, it, verb) = match step {
                Step::Outputs => {
                    Arc::make_mut(&mut self.definitions).outputs = plan.target.outputs.clone();
                    continue;
                }
                Step::Make(place, it) => (place, it, "switches"),
                Step::Remove(place, it) => (place, it, "is deleted"),
            };
            // A later update may have come first, where a service is slow.
            let latest = self.updates.latest.get(place);
            if latest.is_some_and(|latest| *latest > update) {
                continue;
            }
            self.updates.latest.insert(place.clone(), update);
            self.note(
                |lab| lab.definitions.stack.clone(),
                || format!("{place} {verb}"),
            );
            match step {
                Step::Remove(..) => self.unmake(it),
                _ => self.make(&plan, it),
            }
        }
    }

    fn make(&mut self, plan: &Plan, it: &Declared) {
        let (target, id) = (&plan.target, it.id.as_str());
        match it.kind.as_str() {
            FUNCTION => self.make_function(plan, id),
            QUEUE => self.make_queue(target, id),
            QUEUE_POLICY => {
                let live = Arc::make_mut(&mut self.definitions);
                for url in urls(it) {
                    if let (Some(at), Some(new)) = (live.queue_named(url), target.queue_named(url))
                    {
                        live.queues[at].sources = target.queues[new].sources.clone();
                    }
                }
            }
            MAPPING => self.make_mapping(target, id),
            RULE => self.make_rule(target, id),
            MACHINE => {
                let live = Arc::make_mut(&mut self.definitions);
                let new = target.machine_named(id).map(|at| &target.machines[at]);
                match (live.machine_named(id), new) {
                    // Executions keep the definition they began with.
                    (Some(at), Some(new)) => live.machines[at] = new.clone(),
                    (None, Some(new)) => live.machines.push(new.clone()),
                    (_, None) => {}
                }
            }
            BUS => {
                let live = Arc::make_mut(&mut self.definitions);
                if let (None, Some(new)) = (live.bus_named(id), target.bus_named(id)) {
                    live.buses.push(target.buses[new].clone());
                    self.matchers = self.definitions.matchers();
                }
            }
            ARCHIVE => {
                let live = Arc::make_mut(&mut self.definitions);
                let Some(new) = target.archive_named(id).map(|at| &target.archives[at]) else {
                    return;
                };
                let mut new = new.clone();
                let Some(bus) = live.bus_named(&target.buses[new.bus].arn) else {
                    return;
                };
                new.bus = bus;
                match live.archive_named(id) {
                    Some(at) => live.archives[at] = new,
                    None => {
                        live.archives.push(new);
                        self.archives.push(Vec::new());
                    }
                }
            }
            TABLE | TOPIC => {
                let live = Arc::make_mut(&mut self.definitions);
                let names = match it.kind == TABLE {
                    true => &mut live.tables,
                    false => &mut live.topics,
                };
                if !names.iter().any(|name| name == id) {
                    names.push(id.to_owned());
                }
            }
            _ => {}
        }
    }

    fn make_function(&mut self, plan: &Plan, id: &str) {
        let target = &plan.target;
        let new = target.function(id).map(|at| &target.functions[at]);
        let (Some(new), Some(handler)) = (new, plan.handlers.get(id)) else {
            return;
        };
        let live = Arc::make_mut(&mut self.definitions);
        let old = live.function(id);
        let slot = live.functions.len();
        if let Some(old) = old {
            let it = &mut live.functions[old];
            let same = (&it.service, it.timeout, it.memory, &it.environment)
                == (&new.service, new.timeout, new.memory, &new.environment);
            if same {
                return;
            }
            it.gone = true;
            let mappings = live.mappings.iter_mut();
            mappings
                .filter(|mapping| mapping.function == old)
                .for_each(|mapping| mapping.function = slot);
        }
        live.functions.push(new.clone());
        self.arns.insert(new.arn.clone(), slot);
        self.arns.insert(new.name.clone(), slot);
        self.handlers.push(handler.clone());
        self.services.push(new.service.as_str().into());
        self.instances.push(Instances::default());
        if let Some(old) = old.filter(|_| self.config.rollout == Rollout::InOrder) {
            let until = self.now + self.draw(WARM, mix(digest(id), self.now as u64));
            self.updates.warm.insert(slot, (old, until));
        }
    }

    /// Whose instance takes an invocation of `function`: its own, or one that is
    /// still warm from before an update. `ident` decides where either could.
    pub(crate) fn instance_of(&self, function: usize, ident: u64) -> usize {
        let Some((old, until)) = self.updates.warm.get(&function) else {
            return function;
        };
        let older = self.instance_of(*old, mix(ident, 1));
        let is_warm = self.now < *until && self.instances[older].idle > 0;
        match is_warm && (self.instances[function].idle == 0 || mix(ident, 0x01d) & 1 == 0) {
            true => older,
            false => function,
        }
    }

    fn make_queue(&mut self, target: &Definitions, id: &str) {
        let live = Arc::make_mut(&mut self.definitions);
        let Some(at) = target.queue_named(id) else {
            return;
        };
        let mut new = target.queues[at].clone();
        new.redrive = new.redrive.and_then(|(dead, receives)| {
            let dead = live.queue_named(&target.queues[dead].arn)?;
            Some((dead, receives))
        });
        match live.queue_named(id) {
            Some(at) => {
                // Its policy is a resource of its own.
                new.sources = std::mem::take(&mut live.queues[at].sources);
                live.queues[at] = new;
            }
            None => {
                new.sources.clear();
                for name in [&new.arn, &new.url, &new.name] {
                    self.host.lock().no_queues.remove(name);
                }
                live.queues.push(new);
                self.queues.push(crate::sqs::QueueState::default());
                self.feeds.push(None);
            }
        }
    }

    fn make_mapping(&mut self, target: &Definitions, place: &str) {
        let live = Arc::make_mut(&mut self.definitions);
        let found = target.mappings.iter().find(|it| it.place == place);
        let Some(new) = found else { return };
        let queue = live.queue_named(&target.queues[new.queue].arn);
        let function = live.function(&target.functions[new.function].arn);
        let (Some(queue), Some(function)) = (queue, function) else {
            return;
        };
        let new = crate::definitions::Mapping {
            queue,
            function,
            ..new.clone()
        };
        let mut known = live.mappings.iter().enumerate();
        let known = known.find(|(_, it)| it.place == place && !it.gone);
        let slot = match known.map(|(at, it)| (at, it.queue == queue)) {
            Some((at, true)) => {
                live.mappings[at] = new;
                at
            }
            // CloudFormation makes another one, for its source cannot change.
            other => {
                if let Some((at, _)) = other {
                    live.mappings[at].gone = true;
                    let before = live.mappings[at].queue;
                    self.feeds[before] = self.feeds[before].filter(|feed| *feed != at);
                }
                live.mappings.push(new);
                self.pollers.push(crate::lab::Poller::default());
                self.pollers.len() - 1
            }
        };
        self.feeds[queue] = Some(slot);
        self.call_poller(queue);
    }

    fn make_rule(&mut self, target: &Definitions, id: &str) {
        let live = Arc::make_mut(&mut self.definitions);
        let Some(new) = target.rules().find(|rule| rule.arn == id) else {
            return;
        };
        let mut new = new.clone();
        let Some(bus) = live.bus_named(&target.buses[new.bus].arn) else {
            return;
        };
        new.bus = bus;
        for it in &mut new.targets {
            it.queue = live.queue_named(&it.arn);
            let dead = it.dead_letters;
            it.dead_letters = dead.and_then(|dead| live.queue_named(&target.queues[dead].arn));
        }
        let old = live
            .rules
            .iter_mut()
            .find(|rule| rule.arn == id && !rule.gone);
        if let Some(old) = old {
            old.gone = true;
        }
        self.steps.push(new.name.as_str().into());
        live.rules.push(new);
        self.matchers = live.matchers();
    }

    fn unmake(&mut self, it: &Declared) {
        let live = Arc::make_mut(&mut self.definitions);
        let id = it.id.as_str();
        match it.kind.as_str() {
            FUNCTION => {
                if let Some(at) = live.function(id) {
                    live.functions[at].gone = true;
                    let name = live.functions[at].name.clone();
                    self.arns.remove(id);
                    self.arns.remove(&name);
                }
            }
            QUEUE => {
                if let Some(at) = live.queue_named(id) {
                    let it = &mut live.queues[at];
                    it.gone = true;
                    let names = [it.arn.clone(), it.url.clone(), it.name.clone()];
                    self.host.lock().no_queues.extend(names);
                    self.feeds[at] = None;
                    self.lose_queue(at);
                }
            }
            QUEUE_POLICY => {
                for url in urls(it) {
                    if let Some(at) = live.queue_named(url) {
                        live.queues[at].sources.clear();
                    }
                }
            }
            MAPPING => {
                let mut known = live.mappings.iter().enumerate();
                let known = known.find(|(_, it)| it.place == id && !it.gone);
                if let Some((at, queue)) = known.map(|(at, it)| (at, it.queue)) {
                    live.mappings[at].gone = true;
                    self.feeds[queue] = self.feeds[queue].filter(|feed| *feed != at);
                }
            }
            RULE => {
                let rules = live.rules.iter_mut();
                rules
                    .filter(|rule| rule.arn == id)
                    .for_each(|rule| rule.gone = true);
                self.matchers = live.matchers();
            }
            MACHINE => {
                if let Some(at) = live.machine_named(id) {
                    live.machines[at].gone = true;
                    self.orphan_executions(at);
                }
            }
            BUS => {
                if let Some(at) = live.bus_named(id) {
                    live.buses[at].gone = true;
                }
            }
            ARCHIVE => {
                if let Some(at) = live.archive_named(id) {
                    live.archives[at].gone = true;
                    self.archives[at].clear();
                }
            }
            TOPIC => live.topics.retain(|topic| topic != id),
            _ => {}
        }
    }
}

/// The queues of a policy.
fn urls(policy: &Declared) -> impl Iterator<Item = &str> {
    let queues = policy.property("Queues").as_array();
    queues.into_iter().flatten().filter_map(|url| url.as_str())
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
                ("Choreography/OrderMapping", "Choreography/OrderQueue"),
                ("Choreography/OrderQueue", "Choreography/OrderDeadLetters"),
                ("Choreography/OrderQueuePolicy", "Choreography/OrderQueue"),
            ] {
                let order = (at(first).expect(first), at(then).expect(then));
                assert!(order.0 < order.1, "{first}, {then}");
            }
        }
    }
}
