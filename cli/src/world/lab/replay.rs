//! Replaying in the lab: its archive, and its queues.

use duet_core::Timestamp;
use duet_pattern::Pattern;
use serde_json::Value;

use super::Lab;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;
use crate::world::port::replay::{
    BusRule, BusTarget, Ear, Replayable, Replaying, bare_input, no_bus, topic_pattern,
};

/// What the lab knows an archive by: a bus's by its name, a topic's by the topic's ARN.
fn known_as(archive: &str) -> &str {
    archive.rsplit('/').next().unwrap_or(archive)
}

/// A subscription as the rule that would do the same.
fn subscribed(variant: &'static str, it: &duet_lab::Subscription) -> Outcome<BusRule> {
    let pattern = topic_pattern(&it.topic, &it.written);
    let target = BusTarget {
        arn: it.endpoint.clone(),
        input: bare_input()?,
    };
    Ok(BusRule {
        name: it.name.to_string(),
        arn: it.place.clone(),
        variant,
        bare: true,
        pattern: Pattern::from_value(&pattern).map_err(Problem::environment)?,
        targets: vec![target],
    })
}

impl Replayable for Lab {
    async fn bus_rules(&self) -> Outcome<Vec<BusRule>> {
        let described = self.described().into_iter();
        let carried: Vec<_> = described
            .filter_map(|one| Some((one.variant.name, one.facts()?)))
            .collect();
        if carried.is_empty() {
            return Err(no_bus());
        }
        self.with(|lab| {
            let definitions = lab.definitions();
            let on_bus = |variant, name: &str| {
                let bus = definitions.bus_named(name);
                let rules = definitions
                    .rules()
                    .filter(move |rule| Some(rule.bus) == bus);
                rules.map(move |rule| BusRule {
                    name: rule.name.clone(),
                    arn: rule.arn.clone(),
                    variant,
                    bare: false,
                    pattern: rule.pattern.clone(),
                    targets: rule
                        .targets
                        .iter()
                        .map(|target| BusTarget {
                            arn: target.arn.clone(),
                            input: target.input.clone(),
                        })
                        .collect(),
                })
            };
            let mut rules = Vec::new();
            for (variant, facts) in carried {
                if let Some(bus) = &facts.bus {
                    rules.extend(on_bus(variant, bus));
                }
                let subscriptions = definitions.subscriptions();
                let subscriptions = subscriptions.filter(|it| facts.topics.contains(&it.topic));
                for subscription in subscriptions {
                    rules.push(subscribed(variant, subscription)?);
                }
            }
            rules.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(rules)
        })
    }

    async fn archive_days(&self, archive: &str) -> Outcome<Option<i64>> {
        const DAY: i64 = 24 * 3_600 * 1_000;
        let kept = self.with(|lab| lab.definitions().kept_by(known_as(archive)));
        Ok(kept.map(|kept| kept / DAY))
    }

    async fn start_replay(
        &self,
        archive: &str,
        name: &str,
        window: (Timestamp, Timestamp),
        rules: &[String],
    ) -> Outcome<Replaying> {
        let archive = known_as(archive);
        let events = self.state().replay_archive(archive, name, window, rules)?;
        // The lab replays a minute of event time in a second.
        let minutes = window.1.duration_since(window.0).as_secs() / 60;
        let wait = jiff::SignedDuration::from_secs(minutes + 2);
        Ok(Replaying {
            name: name.to_owned(),
            subscriptions: Vec::new(),
            events: Some(events as u64),
            until: Some(self.now().saturating_add(wait).unwrap_or(Timestamp::MAX)),
        })
    }

    async fn is_replayed(&self, replay: &Replaying) -> Outcome<bool> {
        Ok(replay.until.is_none_or(|until| self.now() >= until))
    }

    async fn deliver(&self, queue: &str, bodies: &[String]) -> Outcome<Vec<(usize, String)>> {
        let mut refused = Vec::new();
        for (at, body) in bodies.iter().enumerate() {
            let event: Value = serde_json::from_str(body).unwrap_or_default();
            let subject = event.pointer("/detail/metadata/subject");
            let subject = subject.or_else(|| event.pointer("/metadata/subject"));
            let subject = subject.and_then(Value::as_str).unwrap_or_default();
            let sent = self.state().send_text(queue, body.clone(), subject);
            refused.extend(sent.err().map(|error| (at, error.to_string())));
        }
        Ok(refused)
    }

    async fn busy(&self, _: &[String]) -> Outcome<u64> {
        Ok(self.with(|lab| lab.waiting_messages()) as u64)
    }

    async fn listen(&self) -> Outcome<Ear> {
        Ok(Ear {
            tap: None,
            heard: self.with(|lab| lab.notices()),
        })
    }

    async fn heard(&self, ear: &mut Ear, _: &str) -> Outcome<u64> {
        Ok(self.with(|lab| lab.notices()).saturating_sub(ear.heard))
    }

    async fn leave(&self, _: Ear) -> Outcome<()> {
        Ok(())
    }
}
