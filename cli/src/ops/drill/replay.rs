//! The replay drill: orders of every scenario come to their end; then all that
//! was ever said about them is said again. No state may change, no notice go
//! out, nothing new be said.

use std::collections::{BTreeMap, BTreeSet};

use duet_core::store::{Body, Browse, Item, Key};
use duet_journal::Entry;
use serde::Serialize;

use crate::ops::demo::{self, Choice};
use crate::ops::faulty::Faulty;
use crate::ops::replay::{self, LAG_SECONDS, Request, Via};
use crate::shop::services::TableOf;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::world::port::replay::{BusRule, Ear, Replayable, queues_of};

/// How long a replay, and the consumers after it, may take, in seconds.
const WITHIN: u64 = 600;

/// Where waiting costs nothing: long enough that every clock an order set has
/// run out, and the archive has everything.
const REST_SECONDS: u64 = 3 * 3_600;

/// How long the consumers may take to come to rest before the drill, in looks
/// of a second each.
const LOOKS: u32 = 300;

/// What one replay did.
#[derive(Debug, Serialize)]
pub struct Part {
    /// The way it took.
    pub via: Via,
    /// How many events it was about.
    pub events: u64,
    /// How many messages, or through an archive events, were sent.
    pub sent: Option<u64>,
    /// How many tellings the journal counted as replays.
    pub recognised: u64,
    /// The documents that changed, as `table: partition place`.
    pub changed: Vec<String>,
    /// How many notices were published.
    pub notices: u64,
    /// How many facts were said, new ones or old ones again.
    pub published: u64,
    /// How many messages died.
    pub dead_letters: u64,
    /// Whether it was replayed to its end, recognised, and did nothing.
    pub ok: bool,
}

/// What the drill found.
#[derive(Debug, Serialize)]
pub struct ReplayDrill {
    /// Under which variants orders were placed.
    pub variants: Vec<&'static str>,
    /// How many orders and registrations.
    pub subjects: u64,
    /// Whether each had ended as it should before anything was replayed.
    pub finished: bool,
    /// How many documents were compared.
    pub documents: u64,
    /// How many notices were heard of while the orders ran: the count works.
    pub notices_before: u64,
    /// One for each way to replay.
    pub parts: Vec<Part>,
    /// Whether everything held.
    pub ok: bool,
}

/// Runs the drill with what `choice` says, under those of its variants whose
/// facts travel on a bus.
///
/// # Errors
/// [`Problem`] when there is no such variant, or the target does not answer.
/// What should not have happened is no error but reported.
pub async fn run<W: Replayable + Faulty>(world: &W, choice: &Choice) -> Outcome<ReplayDrill> {
    let mut choice = choice.clone();
    choice.variants.retain(|variant| variant.has_facts);
    if choice.variants.is_empty() {
        return Err(Problem::usage(
            "a replay is about facts on a bus, and no variant chosen here has one",
        )
        .hint("deploy with WithChoreography=true, or choose another --variant"));
    }
    let mut ear = world.listen().await?;
    let drill = drill(world, &choice, &mut ear).await;
    world.leave(ear).await?;
    drill
}

async fn drill<W: Replayable + Faulty>(
    world: &W,
    choice: &Choice,
    ear: &mut Ear,
) -> Outcome<ReplayDrill> {
    let from = world.now();
    let ran = demo::run(world, choice).await?;
    let stem = format!("{}-", ran.run);
    let mut rules = world.bus_rules().await?;
    // Whoever listens on this bus besides is no part of the drill.
    let stack = |rule: &BusRule| {
        let bus = rule.arn.rsplit('/').nth(1).unwrap_or_default();
        format!("{}-", bus.strip_suffix("-bus").unwrap_or(bus))
    };
    rules.retain(|rule| rule.name.starts_with(&stack(rule)));
    let queues = queues_of(&rules);
    for _ in 0..LOOKS {
        world.pause(1_000).await;
        if world.busy(&queues).await? == 0 {
            break;
        }
    }
    let said_until = world.now();
    let mut ways = vec![Via::Journal];
    if world.is_virtual() {
        world.pause(REST_SECONDS * 1_000).await;
        if rules
            .iter()
            .any(|rule| world.archive(rule.variant).is_some())
        {
            ways.insert(0, Via::Archive);
        }
    }
    let mut subjects: BTreeSet<String> = BTreeSet::new();
    for item in journal(world, &stem).await? {
        subjects.insert(item.key.pk);
    }
    let mut report = ReplayDrill {
        variants: choice.variants.iter().map(|variant| variant.name).collect(),
        subjects: subjects.len() as u64,
        finished: ran.rows.iter().all(|row| row.ok),
        documents: documents(world, &stem).await?.len() as u64,
        notices_before: world.heard(ear, &stem).await?,
        parts: Vec::new(),
        ok: false,
    };
    for via in ways {
        let request = Request {
            from,
            to: said_until,
            rules: rules.iter().map(|rule| rule.name.clone()).collect(),
            // Whoever else is on this target is left alone; an archive has no choice.
            about: match via {
                Via::Archive => Vec::new(),
                Via::Journal => subjects.iter().cloned().collect(),
            },
            types: Vec::new(),
            rate: None,
            dry_run: false,
            within: WITHIN,
        };
        report.parts.push(part(world, &request, &stem, ear).await?);
    }
    report.ok = report.finished
        && report.documents > 0
        && report.notices_before > 0
        && report.parts.iter().all(|part| part.ok);
    Ok(report)
}

/// Replays once, and tells what differs after it.
async fn part<W: Replayable + Faulty>(
    world: &W,
    request: &Request,
    stem: &str,
    ear: &mut Ear,
) -> Outcome<Part> {
    let before = documents(world, stem).await?;
    let (told, replays) = tellings(world, stem).await?;
    let notices = world.heard(ear, stem).await?;
    let dead = dead(world, stem).await?;
    let replayed = replay::run(world, request).await?;
    if world.is_virtual() {
        world.pause(LAG_SECONDS.unsigned_abs() * 1_000).await;
    }
    let after = documents(world, stem).await?;
    let (told_after, replays_after) = tellings(world, stem).await?;
    let mut part = Part {
        via: replayed.via,
        events: replayed.events,
        sent: replayed.sent,
        recognised: replays_after.saturating_sub(replays),
        changed: differences(&before, &after),
        notices: world.heard(ear, stem).await?.saturating_sub(notices),
        published: told_after.saturating_sub(told),
        dead_letters: self::dead(world, stem).await?.saturating_sub(dead),
        ok: false,
    };
    part.ok = replayed.exit() == Exit::Done
        && part.via == if request.about.is_empty() { Via::Archive } else { Via::Journal }
        && part.events > 0
        // Every fact reached the journal again, and was known to be a replay.
        && part.recognised >= part.events
        && part.changed.is_empty()
        && (part.notices, part.published, part.dead_letters) == (0, 0, 0);
    Ok(part)
}

/// The journal's entries about anything whose name begins with `stem`.
async fn journal<W: Replayable>(world: &W, stem: &str) -> Outcome<Vec<Item>> {
    let mut items = world.table(TableOf::Journal).everything().await?;
    items.retain(|item| item.key.pk.contains(stem));
    Ok(items)
}

/// How often facts were told, replays apart, and how often they were replayed.
async fn tellings<W: Replayable>(world: &W, stem: &str) -> Outcome<(u64, u64)> {
    let (mut told, mut replays) = (0, 0);
    for item in journal(world, stem).await? {
        let entry: Entry = item.read()?;
        told += u64::from(entry.deliveries.saturating_sub(entry.replays));
        replays += u64::from(entry.replays);
    }
    Ok((told, replays))
}

type Documents = BTreeMap<(TableOf, Key), (u64, Body)>;

/// Every document of the services and of the third parties about anything
/// whose name begins with `stem`.
async fn documents<W: Replayable>(world: &W, stem: &str) -> Outcome<Documents> {
    let mut documents = BTreeMap::new();
    let of_business = TableOf::ALL.into_iter();
    for of in of_business.filter(|of| *of != TableOf::Journal) {
        for item in world.table(of).everything().await? {
            if item.key.pk.contains(stem) || item.key.sk.contains(stem) {
                documents.insert((of, item.key), (item.version, item.body));
            }
        }
    }
    Ok(documents)
}

/// How many dead letters are about anything whose name begins with `stem`.
async fn dead<W: Replayable>(world: &W, stem: &str) -> Outcome<u64> {
    let mut dead = 0;
    for one in world.described() {
        if one.variant.has_facts {
            dead += world.dead_letters(&one.variant, stem).await?.len() as u64;
        }
    }
    Ok(dead)
}

fn differences(before: &Documents, after: &Documents) -> Vec<String> {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed = keys
        .into_iter()
        .filter(|key| before.get(key) != after.get(key));
    changed
        .map(|(of, key)| format!("{}: {} {}", of.name(), key.pk, key.sk))
        .collect()
}

impl Report for ReplayDrill {
    fn text(&self) -> String {
        let mut rows = table([
            table::word("THROUGH"),
            table::number("EVENTS"),
            table::number("RECOGNISED"),
            table::number("CHANGED"),
            table::number("NOTICES"),
            table::number("SAID"),
            table::number("DIED"),
            table::word("").states(),
        ]);
        for part in &self.parts {
            let via = match part.via {
                Via::Archive => "archive",
                Via::Journal => "journal",
            };
            let numbers = [
                part.events,
                part.recognised,
                part.changed.len() as u64,
                part.notices,
                part.published,
                part.dead_letters,
            ];
            let mut row = vec![via.to_owned()];
            row.extend(numbers.map(|number| number.to_string()));
            row.push(if part.ok { "ok" } else { "NOT OK" }.to_owned());
            rows.add_row(row);
        }
        let mut lines = vec![rows.text()];
        let changed = self.parts.iter().flat_map(|part| &part.changed);
        lines.extend(changed.map(|what| format!("changed: {what}")));
        if !self.finished {
            lines.push("not every order had ended as it should before the replay".to_owned());
        }
        lines.push(format!(
            "{} orders and registrations under {}, {} documents compared",
            self.subjects,
            self.variants.join(", "),
            self.documents
        ));
        lines.join("\n")
    }

    fn exit(&self) -> Exit {
        if self.ok { Exit::Done } else { Exit::Failed }
    }
}

#[cfg(test)]
mod tests {
    use duet_lab::Config;

    use super::*;
    use crate::shop::scenario;
    use crate::shop::variant;
    use crate::world::lab::{Lab, definitions};

    #[tokio::test]
    async fn replaying_everything_changes_nothing() {
        let quick = BTreeMap::from([("ReviewSeconds".to_owned(), "30".to_owned())]);
        let world = Lab::new(&definitions(&quick).unwrap(), Config::default()).unwrap();
        let choice = Choice {
            scenarios: scenario::ALL.iter().collect(),
            variants: variant::ALL.iter().collect(),
            copies: 1,
            within: 600,
            faults: false,
        };
        let drill = run(&world, &choice).await.unwrap();
        let ways: Vec<_> = drill.parts.iter().map(|part| part.via).collect();
        assert_eq!(ways, [Via::Archive, Via::Journal]);
        assert!(
            drill.ok,
            "{}",
            serde_json::to_string_pretty(&drill).unwrap()
        );
    }

    #[tokio::test]
    async fn a_drill_without_a_bus_is_refused() {
        let world = Lab::new(&definitions(&BTreeMap::new()).unwrap(), Config::default()).unwrap();
        let mut variants: Vec<_> = variant::ALL.iter().collect();
        variants.retain(|variant| !variant.has_facts);
        let choice = Choice {
            scenarios: Vec::new(),
            variants,
            copies: 1,
            within: 1,
            faults: false,
        };
        assert_eq!(run(&world, &choice).await.unwrap_err().exit, Exit::Usage);
    }
}
