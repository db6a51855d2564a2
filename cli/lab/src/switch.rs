//! What a switch of a resource does to what runs; when it comes is the business
//! of [`update`](crate::update).
//!
//! Slots of [`Definitions`] are never used again: what was deleted keeps its
//! number, so that what is on its way to it finds that it is gone. A function or
//! rule that changes has a new slot, and the old one serves what was under way:
//! its warm instances, its deliveries.

use std::ops::Range;
use std::sync::Arc;

use duet_asl::Releases;

use crate::declared::Declared;
use crate::definitions::{
    ARCHIVE, BUS, Definitions, FUNCTION, MACHINE, MAPPING, Mapping, QUEUE, QUEUE_POLICY, RULE,
    SCHEDULE_GROUP, SUBSCRIPTION, Subscription, TABLE, TOPIC,
};
use crate::lab::{Lab, Poller};
use crate::lambda::Instances;
use crate::latency::WARM;
use crate::random::{digest, mix};
use crate::sns::FILTER_LAG;
use crate::sqs::QueueState;
use crate::update::{Plan, Rollout, Step};

impl Lab {
    /// Resources switch.
    pub(crate) fn switch(&mut self, update: usize, steps: Range<usize>) {
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
            SUBSCRIPTION => self.make_subscription(target, id),
            MACHINE => self.make_machine(target, id),
            BUS => {
                let live = Arc::make_mut(&mut self.definitions);
                if let (None, Some(new)) = (live.bus_named(id), target.bus_named(id)) {
                    live.buses.push(target.buses[new].clone());
                    self.matchers = self.definitions.matchers();
                }
            }
            ARCHIVE => self.make_archive(target, id),
            TABLE | TOPIC | SCHEDULE_GROUP => {
                let live = Arc::make_mut(&mut self.definitions);
                let names = match it.kind.as_str() {
                    TABLE => &mut live.tables,
                    TOPIC => &mut live.topics,
                    _ => {
                        self.host.lock().schedules.make_group(id);
                        &mut live.schedule_groups
                    }
                };
                if !names.iter().any(|name| name == id) {
                    names.push(id.to_owned());
                }
                match target.topic_archives.get(id) {
                    Some(kept) => live.topic_archives.insert(id.to_owned(), *kept),
                    None => live.topic_archives.remove(id),
                };
                if it.kind == TABLE {
                    live.indexes.retain(|index| index.table != id);
                    live.indexes.extend(target.indexes_of(id).cloned());
                }
            }
            _ => {}
        }
    }

    fn make_machine(&mut self, target: &Definitions, id: &str) {
        let live = Arc::make_mut(&mut self.definitions);
        let new = target.machine_named(id).map(|at| &target.machines[at]);
        match (live.machine_named(id), new) {
            // Executions keep the definition they began with.
            (Some(at), Some(new)) => {
                live.machines[at] = new.clone();
                self.releases[at].update(new.machine.clone());
            }
            (None, Some(new)) => {
                live.machines.push(new.clone());
                self.releases.push(Releases::of(new.machine.clone()));
            }
            (_, None) => {}
        }
        self.surround();
    }

    fn make_archive(&mut self, target: &Definitions, id: &str) {
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
        self.matchers = live.matchers();
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

    fn make_subscription(&mut self, target: &Definitions, place: &str) {
        let seed = mix(digest(place), self.now as u64);
        let holds_from = self.now + self.draw(FILTER_LAG, seed);
        let live = Arc::make_mut(&mut self.definitions);
        let found = target.subscriptions().find(|it| it.place == place);
        let Some(new) = found else { return };
        let dead = new.dead_letters;
        let mut new = Subscription {
            queue: live.queue_named(&new.endpoint),
            dead_letters: dead.and_then(|dead| live.queue_named(&target.queues[dead].arn)),
            holds_from,
            ..new.clone()
        };
        let mut known = live.subscriptions.iter_mut();
        match known.find(|it| it.place == place && !it.gone) {
            Some(old) if old.topic == new.topic && old.endpoint == new.endpoint => {
                new.before = old.filter.take();
                *old = new;
            }
            // CloudFormation makes another one, for topic and endpoint cannot change.
            other => {
                if let Some(old) = other {
                    old.gone = true;
                }
                live.subscriptions.push(new);
            }
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
                self.queues.push(QueueState::default());
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
        let new = Mapping {
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
                self.pollers.push(Poller::default());
                self.pollers.len() - 1
            }
        };
        self.feeds[queue] = Some(slot);
        self.call_poller(queue);
    }

    fn make_rule(&mut self, target: &Definitions, id: &str) {
        let live = Arc::make_mut(&mut self.definitions);
        live.schedules.retain(|schedule| schedule.arn != id);
        let schedules = target.schedules.iter().filter(|it| it.arn == id);
        live.schedules.extend(schedules.cloned());
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
                live.schedules.retain(|schedule| schedule.arn != id);
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
                    self.surround();
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
                    self.matchers = live.matchers();
                }
            }
            TOPIC => {
                live.topics.retain(|topic| topic != id);
                live.topic_archives.remove(id);
            }
            SUBSCRIPTION => {
                let subscriptions = live.subscriptions.iter_mut();
                subscriptions
                    .filter(|it| it.place == id)
                    .for_each(|it| it.gone = true);
            }
            SCHEDULE_GROUP => {
                live.schedule_groups.retain(|group| group != id);
                self.host.lock().schedules.delete_group(id);
            }
            _ => {}
        }
    }
}

/// The queues of a policy.
fn urls(policy: &Declared) -> impl Iterator<Item = &str> {
    let queues = policy.property("Queues").as_array();
    queues.into_iter().flatten().filter_map(|url| url.as_str())
}
