//! The tree of an order that services drive by themselves: facts lead to
//! steps, steps lead to facts. From the journal and the services' records;
//! where one lacks something, the other tells.

use std::collections::{BTreeMap, BTreeSet};

use duet_core::{Event, Fact, Metadata, Timestamp, Vocabulary};
use duet_edge::timers::timer_id;
use duet_fraud::review::Status as Review;
use duet_journal::Entry;
use duet_order::domain::Fate;

use super::{Dead, Kind, Node, Sources, first_time, of_step};
use crate::ops::view::Step;
use crate::shop::contracts;
use crate::world::port::operate::{home_of, last_part};

/// The tree of what `sources` tell.
pub(super) fn tree(sources: &Sources) -> Vec<Node> {
    let mut grower = Grower::new(sources);
    let mut roots: BTreeMap<String, Vec<&Step>> = BTreeMap::new();
    let mut nodes = Vec::new();
    for step in &sources.view.steps {
        match &step.cause {
            Some(cause)
                if grower.known.contains_key(cause) || grower.timers.contains_key(cause) => {}
            Some(cause) => roots.entry(cause.clone()).or_default().push(step),
            None => {
                let mut node = grower.step(step, None);
                node.notes
                    .push("its record does not tell its cause".to_owned());
                nodes.push(node);
            }
        }
    }
    for (cause, steps) in roots {
        let mut node = message(&cause);
        // When it was sent nobody wrote down; what it led to came after.
        node.children = steps.iter().map(|step| grower.step(step, None)).collect();
        grower.dead_of(&cause, &mut node);
        nodes.push(node);
    }
    // Facts of which no step here is the cause.
    let lone: Vec<Metadata> = grower
        .known
        .values()
        .map(|fact| fact.metadata.clone())
        .collect();
    for metadata in lone {
        if grower.seen.contains(&metadata.id) || grower.said.contains(&metadata.id) {
            continue;
        }
        let mut node = grower.fact(&metadata);
        node.notes.push(match &metadata.causationid {
            Some(cause) => format!("no record tells what led to it; its cause is {cause}"),
            None => "it names no cause".to_owned(),
        });
        nodes.push(node);
    }
    // Steps of a timer that no record set.
    for step in &sources.view.steps {
        if !grower.steps.contains(&std::ptr::from_ref(step)) {
            let mut node = grower.step(step, None);
            let cause = step.cause.clone().unwrap_or_default();
            node.notes
                .push(format!("its cause {cause} is not in the journal"));
            nodes.push(node);
        }
    }
    nodes.sort_by_key(first_time);
    nodes
}

/// A message that nothing here explains, or that came from outside.
fn message(id: &str) -> Node {
    let mut node = Node {
        kind: Kind::Message,
        name: id.rsplit('/').next().unwrap_or(id).to_owned(),
        id: Some(id.to_owned()),
        attempts: 1,
        ..Node::default()
    };
    // Facts and timers are named after their service.
    let service = id.split('/').next().unwrap_or_default();
    if crate::shop::services::SERVICES.contains(&service) {
        node.notes.push("it is not in the journal".to_owned());
    }
    node
}

/// A fact that is known, from the journal or from the record of who said it.
struct Known<'a> {
    metadata: &'a Metadata,
    entry: Option<&'a Entry>,
}

struct Grower<'a> {
    sources: &'a Sources,
    known: BTreeMap<String, Known<'a>>,
    /// The timers that were set, by the id their message has.
    timers: BTreeMap<String, (&'a str, Timestamp)>,
    /// The facts that some record says.
    said: BTreeSet<String>,
    /// The facts and timers that are in the tree.
    seen: BTreeSet<String>,
    /// The steps that are in the tree.
    steps: BTreeSet<*const Step>,
}

impl<'a> Grower<'a> {
    fn new(sources: &'a Sources) -> Self {
        let mut known: BTreeMap<String, Known<'a>> = BTreeMap::new();
        let mut timers = BTreeMap::new();
        let mut said = BTreeSet::new();
        for step in &sources.view.steps {
            for metadata in &step.said {
                said.insert(metadata.id.clone());
                let fact = Known {
                    metadata,
                    entry: None,
                };
                known.insert(metadata.id.clone(), fact);
            }
            let order = sources.view.order.as_ref();
            let subject = order.map(|order| order.placed.order.as_str());
            for (command, due) in &step.timers {
                let id = timer_id(step.service, subject.unwrap_or_default(), command, *due);
                timers.insert(id, (command.as_str(), *due));
            }
        }
        for entry in &sources.facts {
            let fact = Known {
                metadata: &entry.metadata,
                entry: Some(entry),
            };
            known.insert(entry.metadata.id.clone(), fact);
        }
        Self {
            sources,
            known,
            timers,
            said,
            seen: BTreeSet::new(),
            steps: BTreeSet::new(),
        }
    }

    /// What `step` did, and what came of it; `cause` is when its cause was said.
    fn step(&mut self, step: &'a Step, cause: Option<Timestamp>) -> Node {
        self.steps.insert(std::ptr::from_ref(step));
        let mut node = of_step(step);
        node.took_ms = cause.map(|cause| step.at.duration_since(cause).as_millis() as i64);
        node.attempts = self.attempts(step);
        for metadata in &step.said {
            if self.seen.contains(&metadata.id) {
                node.notes.push(format!("says {} as before", metadata.kind));
            } else {
                let fact = self.fact(metadata);
                node.children.push(fact);
            }
        }
        for (command, due) in &step.timers {
            let order = self.sources.view.order.as_ref();
            let subject = order.map_or("", |order| order.placed.order.as_str());
            let id = timer_id(step.service, subject, command, *due);
            let effects = self.effects(&id, Some(*due));
            let waits = order.is_some_and(|order| order.fate == Fate::Undecided);
            // A clock that nobody needed any more is no news.
            if !self.seen.insert(id.clone()) || (effects.is_empty() && !waits) {
                continue;
            }
            node.children.push(Node {
                kind: Kind::Timer,
                name: command.clone(),
                service: Some(step.service),
                id: Some(id),
                at: Some(*due),
                attempts: 1,
                children: effects,
                ..Node::default()
            });
        }
        node
    }

    /// How often a third party was asked, where the step asked one. Its ledger
    /// counts all askings together: where several steps asked, the first gets
    /// what the others do not need.
    fn attempts(&self, step: &Step) -> u32 {
        let view = &self.sources.view;
        let (charge, booking) = (view.charge.as_ref(), view.booking.as_ref());
        let asked: [(&[&str], Option<u32>); 4] = [
            (
                &["PaymentCaptured", "PaymentDeclined", "PaymentUnavailable"],
                charge.map(|charge| charge.capture_attempts),
            ),
            (
                &["PaymentRefunded", "RefundFailed"],
                charge.map(|charge| charge.void_attempts),
            ),
            (
                &["DeliveryScheduled", "DeliveryFailed"],
                booking.map(|booking| booking.book_attempts),
            ),
            (
                &["DeliveryCancelled"],
                booking.map(|booking| booking.cancel_attempts),
            ),
        ];
        for (facts, attempts) in asked {
            let asks = |step: &&Step| {
                let mut said = step.facts.iter();
                said.any(|fact| facts.contains(&fact.as_str()))
            };
            if !asks(&step) {
                continue;
            }
            let mut askers = view.steps.iter().filter(asks);
            let first = askers.next().is_some_and(|first| std::ptr::eq(first, step));
            let others = u32::try_from(askers.count()).unwrap_or(u32::MAX);
            let own = attempts.unwrap_or(1).saturating_sub(others).max(1);
            return if first { own } else { 1 };
        }
        1
    }

    /// The steps that the message `id` led to.
    fn effects(&mut self, id: &str, at: Option<Timestamp>) -> Vec<Node> {
        let sources = self.sources;
        let steps = sources.view.steps.iter();
        let steps: Vec<_> = steps
            .filter(|step| step.cause.as_deref() == Some(id))
            .filter(|step| !self.steps.contains(&std::ptr::from_ref(*step)))
            .collect();
        steps.into_iter().map(|step| self.step(step, at)).collect()
    }

    /// A fact, and what came of it.
    fn fact(&mut self, metadata: &Metadata) -> Node {
        let entry = self.known.get(&metadata.id).and_then(|known| known.entry);
        self.seen.insert(metadata.id.clone());
        let service = metadata.source.strip_prefix("duet.").unwrap_or_default();
        let services = crate::shop::services::SERVICES.into_iter();
        let mut node = Node {
            kind: Kind::Fact,
            name: metadata.kind.clone(),
            service: services.into_iter().find(|known| *known == service),
            id: Some(metadata.id.clone()),
            at: Some(metadata.time),
            attempts: 1,
            duplicates: entry.map_or(0, Entry::duplicates),
            replays: entry.map_or(0, |entry| entry.replays),
            ..Node::default()
        };
        if entry.is_none() {
            node.notes.push("not in the journal".to_owned());
        }
        node.children = self.effects(&metadata.id, Some(metadata.time));
        self.expected(entry, &mut node);
        self.dead_of(&metadata.id, &mut node);
        node.children.sort_by_key(first_time);
        node
    }

    /// Adds what should have come of a fact and has not.
    fn expected(&self, entry: Option<&Entry>, node: &mut Node) {
        let Some(entry) = entry else { return };
        let data = contracts::completed(&entry.metadata.kind, entry.data.clone());
        let Ok(fact) = Fact::parse(&entry.metadata.kind, data) else {
            let note = "this version does not know it";
            return node.notes.push(note.to_owned());
        };
        let event = Event::new(entry.metadata.clone(), fact);
        for (service, command) in contracts::reactions(&event) {
            // What a listener did is not looked at.
            let looked_at = !crate::shop::services::LISTENERS.contains(&service);
            let part_of_it = looked_at && (self.sources.with_fraud || service != "fraud");
            let mut steps = self.sources.view.steps.iter();
            let did = steps.any(|step| {
                let known = step.cause.as_deref();
                step.service == service
                    && step.command.split(' ').next() == Some(command)
                    // Records of before may not tell; then any of the kind will do.
                    && known.is_none_or(|cause| cause == entry.metadata.id)
            });
            if !part_of_it || did || self.leaves_nothing(service, command) {
                continue;
            }
            node.children.push(Node {
                kind: Kind::Missing,
                name: command.to_owned(),
                service: Some(service),
                attempts: 1,
                ..Node::default()
            });
        }
    }

    /// Whether a step keeps no record when there is nothing for it to do.
    fn leaves_nothing(&self, service: &str, command: &str) -> bool {
        let review = self.sources.view.review.as_ref();
        let open = review.is_some_and(|review| review.status == Review::Open);
        (service, command) == ("fraud", "CloseReview") && review.is_some() && !open
    }

    /// Adds the deaths of the message `id`.
    fn dead_of(&self, id: &str, node: &mut Node) {
        let dead = self.sources.dead.iter();
        let dead = dead.filter(|dead| dead.message.as_deref() == Some(id));
        for Dead { place, cause, .. } in dead {
            let why = cause
                .as_ref()
                .map_or(String::new(), |why| format!(": {why}"));
            let home = home_of(place);
            let consumer = last_part(home.as_deref().unwrap_or(place));
            let note = format!("dead letter in {place}{why}");
            let mut below = node.children.iter_mut();
            let missing =
                below.find(|below| below.kind == Kind::Missing && below.service == Some(consumer));
            match missing {
                Some(missing) => missing.notes.push(note),
                None => node.notes.push(note),
            }
        }
    }
}
