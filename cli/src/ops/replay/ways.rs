//! The ways that a replay takes: through archives, and straight to the targets.

use std::collections::BTreeMap;

use duet_journal::Entry;
use duet_pattern::RuleContext;

use super::{LOOK_EVERY, Planned, Refused, Replay, event};
use crate::terminal;
use crate::terminal::exit::Outcome;
use crate::world::port::replay::{BusRule, Replayable};

/// Events a second, where nobody says how many.
const RATE: u32 = 100;

/// Events that are sent in one go, at most.
const SLICE: usize = 10;

/// Has the archives say again what they have for `rules`, and waits for that while there is
/// time `left`. What no archive has, the journal has.
pub(super) async fn archives<W: Replayable>(
    world: &W,
    rules: &[BusRule],
    planned: Vec<Planned>,
    replay: &mut Replay,
    left: impl Fn(&W) -> bool,
) -> Outcome<()> {
    let rest = planned.into_iter().map(|(fact, mut matching)| {
        matching.retain(|at| world.archive(rules[*at].variant).is_none());
        (fact, matching)
    });
    let rest: Vec<_> = rest.filter(|(_, matching)| !matching.is_empty()).collect();
    straight(world, rules, rest, None, replay).await?;
    replay.completed = false;
    let mut past: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for rule in rules {
        if let Some(archive) = world.archive(rule.variant) {
            past.entry(archive).or_default().push(rule.arn.clone());
        }
    }
    let mut under_way = Vec::new();
    for (archive, arns) in past {
        let window = (replay.from, replay.to);
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
            return Ok(());
        }
        world.pause(LOOK_EVERY).await;
    }
}

/// Sends `planned` straight to the targets of `rules`, in order of time.
pub(super) async fn straight<W: Replayable>(
    world: &W,
    rules: &[BusRule],
    planned: Vec<Planned>,
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
