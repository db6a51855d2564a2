//! Buses, rules, targets, archives and replays.
//!
//! At least once and in no order. What a target does not take is tried again
//! until the target's retry policy is exhausted, then goes to its dead-letter
//! queue with the reason as attributes, or is lost (EventBridge user guide,
//! eb-rule-retry-policy, eb-rule-dlq). A rule that may not send to its queue
//! fails for good at once.

use std::sync::{Arc, OnceLock};

use duet_asl::Millis;
use duet_core::Timestamp;
use duet_pattern::RuleContext;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::definitions::{Listener, is_like};
use crate::fault::{Aim, Fault};
use crate::host::{Entry, timestamp};
use crate::lab::{Action, Heard, Lab};
use crate::latency::{UNAVAILABLE, UNAVAILABLE_LONG};
use crate::meter::Owner;
use crate::profile::{Hop, WaitsFor};
use crate::random::{digest, mix, uuid};
use crate::sqs::{Attributes, Message, Sending};
use crate::template::{ACCOUNT, REGION};
use crate::wire::text;

/// The first wait before a delivery is tried again, in milliseconds. AWS says
/// exponential backoff with jitter, and no numbers: these are the lab's.
const FIRST_RETRY: Millis = 1_000;
/// The longest such wait.
const LONGEST_RETRY: Millis = 600_000;

/// How long until an event is in an archive (EventBridge user guide,
/// eb-archive: it may take ten minutes).
const ARCHIVE_LAG: Millis = 600_000;

/// An event on a bus.
#[derive(Debug)]
pub(crate) struct BusEvent {
    text: Arc<str>,
    /// The text, read: only where somebody asks for parts of it.
    value: OnceLock<Value>,
    ident: u64,
    owner: Owner,
    received: Millis,
}

impl BusEvent {
    fn value(&self) -> &Value {
        self.value.get_or_init(|| read(&self.text))
    }
}

/// The document that `text` is; whoever sends has written it from one.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// A delivery under way.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) rule: usize,
    pub(crate) ident: u64,
    target: usize,
    event: Arc<BusEvent>,
    attempt: u32,
    /// Until when its target does not take it.
    blocked: Millis,
}

/// The id that a bus gives to the entry `ident`.
pub(crate) fn event_id(ident: u64, happened: u64) -> String {
    uuid(mix(ident, happened))
}

/// An archived event: its text, which is read again if it is ever replayed.
#[derive(Debug, Clone)]
pub(crate) struct Archived {
    text: Arc<str>,
    ident: u64,
    owner: Owner,
    received: Millis,
}

/// Why events are not replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// No archive of that name is deployed.
    #[error("there is no archive {0}")]
    NoArchive(String),
    /// The window ends before it begins.
    #[error("the replay ends before it begins")]
    EmptyWindow,
}

impl Lab {
    /// PutEvents, of entries that were not refused.
    pub(crate) fn put_events(&mut self, bus: &str, entries: Vec<Entry>) {
        let Some(bus) = self.definitions.bus_named(bus) else {
            for entry in entries {
                self.lose(bus, entry.owner, "there is no such bus");
            }
            return;
        };
        for entry in entries {
            self.put_entry(bus, entry, &[]);
        }
    }

    /// One entry of a PutEvents, about `resources`. Gives the id that the bus gave it.
    pub(crate) fn put_entry(&mut self, bus: usize, entry: Entry, resources: &[&str]) -> String {
        {
            let mut inner = self.host.lock();
            let meter = inner.meters.of(entry.owner);
            meter.events += 1;
            meter.event_bytes +=
                (entry.detail.get().len() + entry.detail_type.len() + entry.source.len()) as u64;
        }
        let Entry {
            source,
            detail_type,
            detail,
            ident,
            owner,
            in_order: _,
        } = entry;
        self.note(
            |lab| lab.subject(owner),
            || format!("{source} says {detail_type}"),
        );
        let id = event_id(ident, self.happened());
        let event = self.on_the_wire(id.clone(), &source, &detail_type, resources, &detail);
        self.receive_event(bus, event, ident, owner);
        id
    }

    /// An event as targets get it, whose `detail` is what was sent, in its words.
    fn on_the_wire(
        &self,
        id: String,
        source: &str,
        detail_type: &str,
        resources: &[&str],
        detail: &RawValue,
    ) -> Arc<str> {
        /// The envelope (EventBridge event structure reference).
        #[derive(Serialize)]
        #[serde(rename_all = "kebab-case")]
        struct Envelope<'a> {
            version: &'a str,
            id: String,
            detail_type: &'a str,
            source: &'a str,
            account: &'a str,
            time: String,
            region: &'a str,
            resources: &'a [&'a str],
            detail: &'a RawValue,
        }
        let envelope = Envelope {
            version: "0",
            id,
            detail_type,
            source,
            account: ACCOUNT,
            time: timestamp(self.now / 1_000 * 1_000).to_string(),
            region: REGION,
            resources,
            detail,
        };
        serde_json::to_string(&envelope).unwrap_or_default().into()
    }

    fn receive_event(&mut self, bus: usize, text: Arc<str>, ident: u64, owner: Owner) {
        let listeners = self.listeners(bus, &text);
        let definitions = self.definitions.clone();
        if self.config.events {
            self.heard.push(Heard {
                at: self.now(),
                bus: definitions.buses[bus].name.clone(),
                event: read(&text),
            });
        }
        if listeners.is_empty() {
            return;
        }
        let event = Arc::new(BusEvent {
            text,
            value: OnceLock::new(),
            ident,
            owner,
            received: self.now,
        });
        for listener in listeners {
            match listener {
                Listener::Rule(rule) => self.route(rule, &event),
                Listener::Archive(at) => self.archives[at].push(Archived {
                    text: event.text.clone(),
                    ident,
                    owner,
                    received: event.received,
                }),
            }
        }
    }

    /// The rules and archives of `bus` that the event `text` goes to.
    fn listeners(&self, bus: usize, text: &str) -> Vec<Listener> {
        let matching = self.matchers[bus].matches_text(text).unwrap_or_default();
        let archives = self.definitions.archives.iter().enumerate();
        let whole = archives.filter(|(_, it)| it.bus == bus && it.pattern.is_none() && !it.gone);
        matching
            .into_iter()
            .copied()
            .chain(whole.map(|(at, _)| Listener::Archive(at)))
            .collect()
    }

    fn route(&mut self, rule: usize, event: &Arc<BusEvent>) {
        for target in 0..self.definitions.rules[rule].targets.len() {
            let ident = mix(event.ident, mix(rule as u64, target as u64));
            let delivery = Delivery {
                rule,
                ident,
                target,
                event: event.clone(),
                attempt: 0,
                blocked: 0,
            };
            let wait = self.time(Hop::BusToQueue, 0, ident);
            let until = self.now + wait;
            self.host
                .lock()
                .waits(event.owner, WaitsFor::Bus, self.now, until);
            self.after(wait, Action::Deliver(Box::new(delivery)));
        }
    }

    /// A rule tries to deliver.
    pub(crate) fn deliver(&mut self, mut delivery: Delivery) {
        let definitions = self.definitions.clone();
        let rule = &definitions.rules[delivery.rule];
        let target = &rule.targets[delivery.target];
        let owner = delivery.event.owner;
        self.host.lock().meters.of(owner).deliveries += 1;
        let queue = target.queue.filter(|at| !definitions.queues[*at].gone);
        let Some(queue) = queue else {
            return self.give_up(
                &delivery,
                "RESOURCE_NOT_FOUND",
                "the target does not exist",
                None,
            );
        };
        let may = definitions.queues[queue]
            .sources
            .iter()
            .any(|source| is_like(source, &rule.arn));
        if !may {
            return self.give_up(
                &delivery,
                "NO_PERMISSIONS",
                "the queue's policy does not let the rule send",
                None,
            );
        }
        if delivery.attempt == 0 {
            self.block(&mut delivery, queue);
        }
        if self.now < delivery.blocked && !self.host.lock().faults.quiet {
            return self.deliver_again(delivery);
        }
        let body = match &target.input {
            duet_pattern::TargetInput::Event => Some(delivery.event.text.clone()),
            other => {
                let time = timestamp(self.now).to_string();
                let context = RuleContext {
                    rule_arn: &rule.arn,
                    rule_name: &rule.name,
                    ingestion_time: &time,
                };
                other
                    .render(delivery.event.value(), context)
                    .map(Into::into)
            }
        };
        if let Some(body) = body {
            self.send(
                queue,
                Sending {
                    body,
                    ident: delivery.ident,
                    owner,
                    step: self.steps[delivery.rule].clone(),
                    delay: None,
                    attributes: Attributes::new(),
                    place: None,
                },
            );
        }
    }

    /// Decides whether and until when `queue` does not take the delivery.
    fn block(&mut self, delivery: &mut Delivery, queue: usize) {
        let ident = mix(delivery.ident, delivery.attempt.into());
        let aim = Aim {
            service: &self.service_of(queue),
            step: &self.steps[delivery.rule],
            ident,
            about: &[delivery.event.owner],
        };
        let mut inner = self.host.lock();
        if !inner.faults.strikes(Fault::TargetUnavailable, aim) {
            return;
        }
        // Mostly for a moment; now and then for longer than a rule tries.
        let span = match mix(ident, 4) % 4 {
            0 => UNAVAILABLE_LONG,
            _ => UNAVAILABLE,
        };
        delivery.blocked = self.now + self.draw(span, mix(ident, 5));
        let until = delivery.blocked;
        inner.faults.lasts(Fault::TargetUnavailable, until);
    }

    /// What its queue does not take is tried again, until the retry policy is exhausted.
    fn deliver_again(&mut self, mut delivery: Delivery) {
        let definitions = self.definitions.clone();
        let rule = &definitions.rules[delivery.rule];
        let target = &rule.targets[delivery.target];
        let exhausted = if delivery.attempt >= target.max_attempts {
            Some("MaximumRetryAttempts")
        } else if self.now - delivery.event.received >= target.max_age {
            Some("MaximumEventAgeInSeconds")
        } else {
            None
        };
        if exhausted.is_some() {
            let why = "the queue did not take the event";
            return self.give_up(&delivery, "THROTTLING", why, exhausted);
        }
        let most = FIRST_RETRY
            .saturating_mul(1 << delivery.attempt.min(20))
            .min(LONGEST_RETRY);
        let ident = mix(delivery.ident, delivery.attempt.into());
        delivery.attempt += 1;
        let (owner, attempt) = (delivery.event.owner, delivery.attempt);
        self.host.lock().meters.of(owner).retries += 1;
        let wait = self.draw((most / 2, most), ident);
        self.note(
            |lab| lab.subject(owner),
            || format!("{} is not taken, attempt {attempt}", rule.name),
        );
        self.after(wait, Action::Deliver(Box::new(delivery)));
    }

    /// What a rule cannot deliver goes to the target's dead-letter queue.
    fn give_up(&mut self, delivery: &Delivery, code: &str, why: &str, exhausted: Option<&str>) {
        let definitions = self.definitions.clone();
        let rule = &definitions.rules[delivery.rule];
        let target = &rule.targets[delivery.target];
        let owner = delivery.event.owner;
        let dead = target.dead_letters;
        let Some(dead) = dead.filter(|at| !definitions.queues[*at].gone) else {
            return self.lose(&rule.name, owner, why);
        };
        // The attributes that eb-rule-dlq of the user guide lists.
        let mut attributes = Attributes::from([
            ("RULE_ARN".into(), rule.arn.clone()),
            ("TARGET_ARN".into(), target.arn.clone()),
            ("ERROR_CODE".into(), code.to_owned()),
            ("ERROR_MESSAGE".into(), why.to_owned()),
            ("RETRY_ATTEMPTS".into(), delivery.attempt.to_string()),
        ]);
        attributes.extend(
            exhausted.map(|condition| ("EXHAUSTED_RETRY_CONDITION".into(), condition.to_owned())),
        );
        let message = Message {
            attributes,
            ..Message::new(
                // The event as it was, whatever the target would have received.
                delivery.event.text.clone(),
                mix(delivery.ident, 0xdead),
                owner,
                self.steps[delivery.rule].clone(),
                self.now,
            )
        };
        self.bury(dead, message);
    }

    /// StartReplay: what the archive has of `from` to `to` (event time) goes to
    /// the bus it came from, past the rules in `rules` (ARNs; all when empty).
    /// Events go window by window, each a minute of event time, and in no order
    /// within it. They carry the replay's name and are not archived again.
    ///
    /// A topic's archive goes by the topic's ARN, and `rules` are places of its
    /// subscriptions: what it has goes to them in order, at once.
    ///
    /// # Errors
    /// [`ReplayError`]
    pub fn replay(
        &mut self,
        archive: &str,
        name: &str,
        (from, to): (Timestamp, Timestamp),
        rules: &[String],
    ) -> Result<usize, ReplayError> {
        let definitions = self.definitions.clone();
        let (from, to) = (from.as_millisecond(), to.as_millisecond());
        if to < from {
            return Err(ReplayError::EmptyWindow);
        }
        if definitions.topic_archives.contains_key(archive) {
            return Ok(self.replay_topic(archive, name, (from, to), rules));
        }
        let at = definitions.archive_named(archive);
        let at = at.ok_or_else(|| ReplayError::NoArchive(archive.to_owned()))?;
        let it = &definitions.archives[at];
        let kept = |event: &Archived| {
            let age = self.now - event.received;
            age >= ARCHIVE_LAG && it.retention.is_none_or(|most| age <= most)
        };
        let events: Vec<_> = self.archives[at]
            .iter()
            .filter(|event| (from..=to).contains(&event.received) && kept(event))
            .cloned()
            .collect();
        let count = events.len();
        for event in events {
            let mut value = read(&event.text);
            value["replay-name"] = name.into();
            let ident = mix(event.ident, digest(name));
            let window = (event.received - from) / 60_000;
            let replayed = Arc::new(BusEvent {
                text: text(&value).into(),
                value: value.into(),
                ident,
                owner: event.owner,
                received: self.now,
            });
            for listener in self.listeners(it.bus, &replayed.text) {
                let Listener::Rule(rule) = listener else {
                    continue;
                };
                if !rules.is_empty() && !rules.contains(&definitions.rules[rule].arn) {
                    continue;
                }
                for target in 0..definitions.rules[rule].targets.len() {
                    let ident = mix(ident, mix(rule as u64, target as u64));
                    let delivery = Delivery {
                        rule,
                        ident,
                        target,
                        event: replayed.clone(),
                        attempt: 0,
                        blocked: 0,
                    };
                    let wait = window * 1_000 + self.draw((0, 999), ident);
                    self.after(wait, Action::Deliver(Box::new(delivery)));
                }
            }
        }
        Ok(count)
    }

    /// An event that AWS itself puts on the default bus: `word` is what it says of
    /// `resource`, in a word.
    pub(crate) fn announce(
        &mut self,
        source: &str,
        detail_type: &str,
        (resource, word): (&str, &str),
        detail: &RawValue,
        owner: Owner,
    ) {
        if self.matchers[0].is_empty() {
            return;
        }
        let ident = mix(digest(resource), digest(&format!("{word:?}")));
        let id = uuid(mix(ident, self.happened()));
        let event = self.on_the_wire(id, source, detail_type, &[resource], detail);
        self.receive_event(0, event, ident, owner);
    }
}
