//! Saying again what was said: through the archive of a bus or a FIFO topic, or in order
//! of time through the journal. Consumers recognise a replay by its name: what they did
//! before they do not do again, and they tell nobody.
//!
//! The archive knows times and rules only, so an order, a kind of event or a
//! rate needs the journal; and so does a target without an archive.

mod report;

use std::collections::{BTreeMap, BTreeSet};

use duet_core::fact::personal;
use duet_core::store::{Browse, Item};
use duet_core::{Fact, Timestamp, Vocabulary};
use duet_journal::Entry;
use duet_pattern::RuleContext;
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

/// Events a second, where nobody says how many.
const RATE: u32 = 100;

/// Events that are sent in one go, at most.
const SLICE: usize = 10;

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

impl Replay {
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
    let facts = facts(world, request).await?;
    let filtered = !request.about.is_empty() || !request.types.is_empty() || request.rate.is_some();
    let archive = |rule: &BusRule| world.archive(rule.variant);
    let via = match !filtered && rules.iter().any(|rule| archive(rule).is_some()) {
        true => Via::Archive,
        false => Via::Journal,
    };
    let name = format!(
        "duet-{}-{:06x}",
        began.as_millisecond(),
        fastrand::u32(..1 << 24)
    );
    let mut replay = Replay {
        via,
        dry_run: request.dry_run,
        from: request.from,
        to,
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
        name,
    };
    // The rules that each fact matches, as the bus would find them.
    let mut planned: Vec<(Entry, Vec<usize>)> = Vec::new();
    for mut fact in facts {
        let matching = rules.iter().enumerate();
        let matching = matching.filter(|(_, rule)| {
            rule.variant == fact.metadata.variant
                && rule.pattern.matches(&event(&fact, rule, &replay.name))
        });
        let matching: Vec<usize> = matching.map(|(at, _)| at).collect();
        if !matching.is_empty() {
            let by_journal =
                via == Via::Journal || matching.iter().any(|at| archive(&rules[*at]).is_none());
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
    }
    if via == Via::Archive && began.duration_since(to).as_secs() < LAG_SECONDS {
        replay.warnings.push(
            "an event may take ten minutes to be in the archive: the latest may be left out"
                .to_owned(),
        );
    }
    if via == Via::Archive && replay.events > 0 {
        let warning = "the counts are the journal's; the archive goes by the time of the bus";
        replay.warnings.push(warning.to_owned());
    }
    if replay.left_out > 0 {
        replay.warnings.push(format!(
            "{} events are left out: the journal keeps nothing that they say of a person, and neither does their service any more; an archive has them",
            replay.left_out
        ));
    }
    for warning in &replay.warnings {
        terminal::tell(&format!("warning: {warning}"));
    }
    if request.dry_run {
        return Ok(replay);
    }
    let limit = i64::try_from(request.within).unwrap_or(i64::MAX);
    let left = |world: &W| world.now().duration_since(began).as_secs() < limit;
    match via {
        Via::Archive => {
            // What no archive has, the journal has.
            let rest = planned.into_iter().map(|(fact, mut matching)| {
                matching.retain(|at| archive(&rules[*at]).is_none());
                (fact, matching)
            });
            let rest: Vec<_> = rest.filter(|(_, matching)| !matching.is_empty()).collect();
            send(world, &rules, rest, None, &mut replay).await?;
            replay.completed = false;
            let mut past: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for rule in &rules {
                if let Some(archive) = archive(rule) {
                    past.entry(archive).or_default().push(rule.arn.clone());
                }
            }
            let mut under_way = Vec::new();
            for (archive, arns) in past {
                let window = (request.from, to);
                let started = world
                    .start_replay(archive, &replay.name, window, &arns)
                    .await?;
                let sent = replay.sent.zip(started.events);
                replay.sent = sent.map(|(before, more)| before + more);
                under_way.push(started);
            }
            terminal::tell(&format!("replay {} is under way", replay.name));
            loop {
                let mut still = Vec::new();
                for started in under_way {
                    if !world.is_replayed(&started).await? {
                        still.push(started);
                    }
                }
                under_way = still;
                replay.completed = under_way.is_empty();
                if replay.completed || !left(world) {
                    break;
                }
                world.pause(LOOK_EVERY).await;
            }
        }
        Via::Journal => send(world, &rules, planned, request.rate, &mut replay).await?,
    }
    // What is on its way is looked for even when the time is over.
    let queues = queues_of(&rules);
    let mut looks = 0;
    while looks < QUIET_LOOKS && (looks > 0 || left(world)) {
        world.pause(LOOK_EVERY).await;
        looks = match world.busy(&queues).await? {
            0 => looks + 1,
            _ => 0,
        };
    }
    replay.quiet = looks == QUIET_LOOKS;
    replay.elapsed_s = world.now().duration_since(began).as_secs_f64();
    Ok(replay)
}

/// Sends `planned` straight to the targets of `rules`, in order of time.
async fn send<W: Replayable>(
    world: &W,
    rules: &[BusRule],
    planned: Vec<(Entry, Vec<usize>)>,
    rate: Option<u32>,
    replay: &mut Replay,
) -> Outcome<()> {
    let rate = rate.unwrap_or(RATE).max(1);
    let slice = SLICE.min(rate as usize);
    let (began, total) = (world.now(), planned.len());
    let (mut sent, mut done, mut told) = (0, 0_usize, 0);
    for some in planned.chunks(slice) {
        // One call for each queue: within a slice a queue keeps the order.
        let mut letters: BTreeMap<&str, Vec<(&Entry, &BusRule, String)>> = BTreeMap::new();
        for (fact, matching) in some {
            for rule in matching.iter().map(|at| &rules[*at]) {
                let event = event(fact, rule, &replay.name);
                let now = world.now().to_string();
                let context = RuleContext {
                    rule_arn: &rule.arn,
                    rule_name: &rule.name,
                    ingestion_time: &now,
                };
                for target in &rule.targets {
                    // As the rule would: a target may want a part of the event only.
                    if let Some(body) = target.input.render(&event, context) {
                        let letter = (fact, rule, body);
                        letters.entry(&target.arn).or_default().push(letter);
                    }
                }
            }
        }
        for (queue, letters) in letters {
            let bodies: Vec<String> = letters.iter().map(|(.., body)| body.clone()).collect();
            let refused = world.deliver(queue, &bodies).await?;
            sent += (bodies.len() - refused.len().min(bodies.len())) as u64;
            for (at, why) in refused {
                if let Some((fact, rule, _)) = letters.get(at) {
                    replay.refused.push(Refused {
                        event: fact.metadata.id.clone(),
                        rule: rule.name.clone(),
                        why,
                    });
                }
            }
        }
        done += some.len();
        let second = world.now().duration_since(began).as_secs();
        if second > told {
            told = second + 1;
            terminal::tell(&format!("{done} of {total} events sent"));
        }
        let due = done as u64 * 1_000 / u64::from(rate);
        let passed = world.now().duration_since(began).as_millis() as u64;
        if done < total && due > passed {
            world.pause(due - passed).await;
        }
    }
    replay.sent = Some(sent);
    replay.completed = true;
    Ok(())
}

#[cfg(test)]
mod tests;
