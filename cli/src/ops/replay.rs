//! Saying again what was said: through the archive of a bus or a FIFO topic, or in order
//! of time through the journal. Consumers recognise a replay by its name: what they did
//! before they do not do again, and they tell nobody.
//!
//! The archive knows times and rules only, so an order, a kind of event or a
//! rate needs the journal; and so does a target without an archive.

mod report;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

use duet_core::fact::personal;
use duet_core::store::{Browse, Item};
use duet_core::{Fact, Timestamp, Vocabulary};
use duet_journal::Entry;
use serde::Serialize;
use serde_json::{Value, json};

use crate::ops::{customer, place};
use crate::shop::services::TableOf;
use crate::terminal;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::port::replay::{BusRule, Replayable, queues_of};

/// How long an event may take to be in an archive (EventBridge user guide,
/// eb-archive: ten minutes).
pub const LAG_SECONDS: i64 = 600;

/// How often a replay is looked at, in milliseconds.
const LOOK_EVERY: u64 = 1_000;

/// How often in a row the consumers have to have nothing to do: an event may be
/// between the bus and a queue.
const QUIET_LOOKS: u32 = 3;

/// What to replay.
#[derive(Debug, Clone)]
pub struct Request {
    /// From this time of the events.
    pub from: Timestamp,
    /// To this time; not later than now.
    pub to: Timestamp,
    /// Past these rules only, by name; past all when empty.
    pub rules: Vec<String>,
    /// About these orders or customers only; about all when empty.
    pub about: Vec<String>,
    /// Events of these types only; all when empty.
    pub types: Vec<String>,
    /// At most so many events a second.
    pub rate: Option<u32>,
    /// Whether to count only.
    pub dry_run: bool,
    /// How long the replay, and the consumers after it, may take, in seconds.
    pub within: u64,
}

/// The way a replay takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// The archive of the bus or topic.
    Archive,
    /// The journal, straight to the targets.
    Journal,
}

/// What a replay did.
#[derive(Debug, Serialize)]
pub struct Replay {
    /// Its name; events carry it as `replay-name`.
    pub name: String,
    /// The way it took.
    pub via: Via,
    /// Whether nothing was sent, only counted.
    pub dry_run: bool,
    /// From this time of the events.
    pub from: Timestamp,
    /// To this time.
    pub to: Timestamp,
    /// The rules it went past.
    pub rules: Vec<String>,
    /// How many events there are of each type, by the journal.
    pub counts: BTreeMap<String, u64>,
    /// How many events that is.
    pub events: u64,
    /// How many messages that makes, one for each event and rule it matches.
    pub messages: u64,
    /// How many events are left out, because what they say of a person is kept
    /// neither by the journal nor, any more, by their service.
    pub left_out: u64,
    /// How many were sent; through an archive, events, where the target tells.
    pub sent: Option<u64>,
    /// What a queue did not take.
    pub refused: Vec<Refused>,
    /// Whether the replay came to its end.
    pub completed: bool,
    /// Whether the consumers had nothing more to do after it.
    pub quiet: bool,
    /// What to mind.
    pub warnings: Vec<String>,
    /// How long it took, in seconds.
    pub elapsed_s: f64,
    /// The orders and customers that its events are about.
    #[serde(skip)]
    pub about: BTreeSet<String>,
}

/// A fact to say again, and the places of the rules that it matches.
type Planned = (Entry, Vec<usize>);

impl Replay {
    /// What `request` asks for, past `rules`; nothing of it is done.
    fn of(request: &Request, rules: &[BusRule], via: Via, began: Timestamp) -> Self {
        Self {
            name: format!(
                "duet-{}-{:06x}",
                began.as_millisecond(),
                fastrand::u32(..1 << 24)
            ),
            via,
            dry_run: request.dry_run,
            from: request.from,
            to: request.to,
            rules: rules.iter().map(|rule| rule.name.clone()).collect(),
            counts: BTreeMap::new(),
            events: 0,
            messages: 0,
            left_out: 0,
            sent: None,
            refused: Vec::new(),
            completed: false,
            quiet: false,
            warnings: Vec::new(),
            elapsed_s: 0.0,
            about: BTreeSet::new(),
        }
    }

    /// Says what to mind of it, once it is planned.
    fn warn(&mut self, began: Timestamp) {
        let by_archive = self.via == Via::Archive;
        if by_archive && began.duration_since(self.to).as_secs() < LAG_SECONDS {
            self.warnings.push(
                "an event may take ten minutes to be in the archive: the latest may be left out"
                    .to_owned(),
            );
        }
        if by_archive && self.events > 0 {
            let warning = "the counts are the journal's; the archive goes by the time of the bus";
            self.warnings.push(warning.to_owned());
        }
        if self.left_out > 0 {
            self.warnings.push(format!(
                "{} events are left out: the journal keeps nothing that they say of a person, and neither does their service any more; an archive has them",
                self.left_out
            ));
        }
        for warning in &self.warnings {
            terminal::tell(&format!("warning: {warning}"));
        }
    }

    /// Whom it was about, and what was done, for the order's timeline.
    #[must_use]
    pub fn noted(&self) -> Vec<(String, String)> {
        let about = self.about.iter().filter(|_| !self.dry_run);
        let what = format!("its facts said again, as {}", self.name);
        about.map(|id| (id.clone(), what.clone())).collect()
    }
}

/// A message that a queue did not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The event's id.
    pub event: String,
    /// The rule.
    pub rule: String,
    /// Why.
    pub why: String,
}

/// The rules of `all` that are called so, with or without what every name on
/// the bus begins with.
fn chosen(all: Vec<BusRule>, names: &[String]) -> Outcome<Vec<BusRule>> {
    if names.is_empty() {
        return Ok(all);
    }
    let is = |rule: &BusRule, name: &str| {
        let short = rule.name.strip_suffix(name);
        // The bus's own name is the stack's with `-bus`; so a rule's is the stack's with a dash.
        let bus = rule.arn.rsplit('/').nth(1).unwrap_or_default();
        let stack = bus.strip_suffix("-bus").unwrap_or(bus);
        short.is_some_and(|rest| rest.is_empty() || rest.strip_suffix('-') == Some(stack))
    };
    for name in names {
        if !all.iter().any(|rule| is(rule, name)) {
            let known: Vec<_> = all.iter().map(|rule| rule.name.as_str()).collect();
            return Err(
                Problem::usage(format!("the bus has no enabled rule {name}"))
                    .hint(format!("there are {}", known.join(", "))),
            );
        }
    }
    let wanted = |rule: &BusRule| names.iter().any(|name| is(rule, name));
    Ok(all.into_iter().filter(wanted).collect())
}

/// Refuses what makes no sense before anybody is asked.
fn check(request: &Request) -> Outcome<()> {
    if request.from > request.to {
        return Err(Problem::usage(format!(
            "the replay would begin at {} and end before that, at {}",
            request.from, request.to
        )));
    }
    let unknown = |kind: &&String| !Fact::NAMES.contains(&kind.as_str());
    match request.types.iter().find(unknown) {
        None => Ok(()),
        Some(kind) => Err(Problem::usage(format!("there is no event type {kind}"))
            .hint(format!("there are {}", Fact::NAMES.join(", ")))),
    }
}

/// The facts in the journal that `request` is about, in order of time.
async fn facts<W: Replayable>(world: &W, request: &Request) -> Outcome<Vec<Entry>> {
    let journal = world.table(TableOf::Journal);
    let mut items: Vec<Item> = Vec::new();
    if request.about.is_empty() {
        items = journal.everything().await?;
    } else {
        for about in &request.about {
            items.extend(journal.partition(about).await?);
        }
    }
    let facts = items.iter().map(Item::read::<Entry>);
    let mut facts: Vec<Entry> = facts.collect::<Result<_, _>>()?;
    facts.retain(|fact| {
        let types = &request.types;
        (request.from..=request.to).contains(&fact.metadata.time)
            && (types.is_empty() || types.contains(&fact.metadata.kind))
    });
    facts.sort_by(|a, b| {
        let key = |fact: &Entry| (fact.metadata.time, fact.metadata.id.clone());
        key(a).cmp(&key(b))
    });
    Ok(facts)
}

/// An order whose facts never were on a bus cannot be said again there.
async fn on_the_bus<W: Replayable>(world: &W, about: &[String]) -> Outcome<()> {
    for id in about {
        let Some(order) = place::find(world, id).await? else {
            continue;
        };
        let variant = world.variant(&order.variant)?;
        if !variant.has_facts {
            return Err(Problem::usage(format!(
                "order {id} runs under {}: a workflow drives it, and none of its facts was ever on the bus",
                variant.name
            ))
            .hint(format!("`duet show {id} --timeline` shows its execution; `duet redrive {id}` takes a failed one up again")));
        }
    }
    Ok(())
}

/// `fact` as the bus delivered it for `rule`, marked as a replay called `name`. Where
/// a target gets the fact alone, the mark stands beside what it says.
fn event(fact: &Entry, rule: &BusRule, name: &str) -> Value {
    let mut detail = json!({ "metadata": fact.metadata, "data": fact.data });
    if rule.bare {
        detail["replay-name"] = name.into();
    }
    let mut parts = rule.arn.split(':').skip(3);
    let (region, account) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let second = fact.metadata.time.as_second();
    let time = Timestamp::from_second(second).unwrap_or(fact.metadata.time);
    json!({
        "version": "0",
        "id": fact.metadata.id,
        "detail-type": fact.metadata.kind,
        "source": fact.metadata.source,
        "account": account,
        "time": time.to_string(),
        "region": region,
        "resources": [],
        "detail": detail,
        "replay-name": name,
    })
}

/// Gives `fact` back what it says of a person, which the journal does not keep,
/// from the service that announced it; whether it is whole then.
async fn made_whole<W: Replayable>(world: &W, fact: &mut Entry) -> Outcome<bool> {
    let kind = &*fact.metadata.kind;
    let has = |member: &&str| fact.data.get(*member).is_some();
    if personal(kind).iter().all(has) {
        return Ok(true);
    }
    let subject = &*fact.metadata.subject;
    let kept: Option<Value> = match kind {
        "NewOrder" => {
            let order = place::find(world, subject).await?;
            let said = order.and_then(|order| order.said);
            said.and_then(|said| serde_json::from_str(&said).ok())
        }
        "NewCustomer" => {
            let customer = customer::find(world, subject).await?;
            customer.and_then(|customer| serde_json::to_value(&*customer.registered).ok())
        }
        _ => None,
    };
    // What may be missing is missing there as well.
    let kept = kept.filter(|kept| Fact::parse(kind, kept.clone()).is_ok());
    let found = kept.is_some();
    fact.data = kept.unwrap_or_else(|| fact.data.take());
    Ok(found)
}

/// Replays what `request` says.
///
/// # Errors
/// [`Problem`] when the request makes no sense, there is no bus, or the target
/// does not answer. What a queue refused is no error but reported.
pub async fn run<W: Replayable>(world: &W, request: &Request) -> Outcome<Replay> {
    check(request)?;
    let began = world.now();
    let to = request.to.min(began);
    if request.from > to {
        return Err(Problem::usage(format!(
            "the replay would begin at {}, and nothing was said after now",
            request.from
        )));
    }
    let request = &Request {
        to,
        ..request.clone()
    };
    let rules = chosen(world.bus_rules().await?, &request.rules)?;
    on_the_bus(world, &request.about).await?;
    let filtered = !request.about.is_empty() || !request.types.is_empty() || request.rate.is_some();
    let has_archive = |rule: &BusRule| world.archive(rule.variant).is_some();
    let via = match !filtered && rules.iter().any(has_archive) {
        true => Via::Archive,
        false => Via::Journal,
    };
    let mut replay = Replay::of(request, &rules, via, began);
    let planned = plan(world, &rules, facts(world, request).await?, &mut replay).await?;
    replay.warn(began);
    if request.dry_run {
        return Ok(replay);
    }
    let limit = i64::try_from(request.within).unwrap_or(i64::MAX);
    let left = |world: &W| world.now().duration_since(began).as_secs() < limit;
    match via {
        Via::Archive => ways::archives(world, &rules, planned, &mut replay, left).await?,
        Via::Journal => ways::straight(world, &rules, planned, request.rate, &mut replay).await?,
    }
    replay.quiet = is_quiet(world, &rules, left).await?;
    replay.elapsed_s = world.now().duration_since(began).as_secs_f64();
    Ok(replay)
}

/// The facts to say again, each with the rules that it matches, as the bus would find them;
/// counted in `replay`.
async fn plan<W: Replayable>(
    world: &W,
    rules: &[BusRule],
    facts: Vec<Entry>,
    replay: &mut Replay,
) -> Outcome<Vec<Planned>> {
    let has_archive = |at: &usize| world.archive(rules[*at].variant).is_some();
    let mut planned = Vec::new();
    for mut fact in facts {
        let matching = rules.iter().enumerate();
        let matching = matching.filter(|(_, rule)| {
            rule.variant == fact.metadata.variant
                && rule.pattern.matches(&event(&fact, rule, &replay.name))
        });
        let matching: Vec<usize> = matching.map(|(at, _)| at).collect();
        if matching.is_empty() {
            continue;
        }
        let by_journal = replay.via == Via::Journal || !matching.iter().all(has_archive);
        if by_journal && !made_whole(world, &mut fact).await? {
            replay.left_out += 1;
            continue;
        }
        let kind = fact.metadata.kind.clone();
        *replay.counts.entry(kind).or_default() += 1;
        replay.events += 1;
        replay.about.insert(fact.metadata.subject.clone());
        replay.messages += matching.len() as u64;
        planned.push((fact, matching));
    }
    Ok(planned)
}

/// Whether the consumers come to have nothing to do while there is time `left`. What is on its
/// way is looked for even when the time is over.
async fn is_quiet<W: Replayable>(
    world: &W,
    rules: &[BusRule],
    left: impl Fn(&W) -> bool,
) -> Outcome<bool> {
    let queues = queues_of(rules);
    let mut looks = 0;
    while looks < QUIET_LOOKS && (looks > 0 || left(world)) {
        world.pause(LOOK_EVERY).await;
        looks = match world.busy(&queues).await? {
            0 => looks + 1,
            _ => 0,
        };
    }
    Ok(looks == QUIET_LOOKS)
}

#[cfg(test)]
mod tests;
