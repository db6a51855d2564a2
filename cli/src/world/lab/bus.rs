//! The bus and the topics of a lab. What travelled is kept, so it can be heard
//! afterwards.

use duet_pattern::Pattern;
use jiff::SignedDuration;
use serde_json::Value;

use super::Lab;
use super::inputs::Input;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;
use crate::world::port::bus::{BusTools, Event, Listen, Rule, as_event, no_carrier};
use crate::world::port::replay::topic_pattern;

/// How often the bus is looked at while time passes, in milliseconds.
const LOOK_EVERY: u64 = 250;

impl Lab {
    /// The name of the shop's bus.
    fn own_bus(&self) -> Outcome<String> {
        self.bus().map(str::to_owned).ok_or_else(|| {
            Problem::usage("the stack has no bus").hint(
                "it has no choreography: `duet up --parameter WithChoreography=true` makes one that has",
            )
        })
    }
}

impl BusTools for Lab {
    async fn rules(&self) -> Outcome<Vec<Rule>> {
        let (bus, topics) = (self.bus(), self.topics());
        if bus.is_none() && topics.is_empty() {
            return Err(no_carrier());
        }
        self.with(|lab| {
            let definitions = lab.definitions();
            let name = |rule: &duet_lab::Rule| definitions.buses[rule.bus].name.as_str();
            let of_bus = |rule: &&duet_lab::Rule| Some(name(rule)) == bus;
            let subscriptions = definitions.subscriptions();
            let of_topics = subscriptions.filter(|it| topics.contains(&it.topic.as_str()));
            let rules = definitions.rules().filter(of_bus).map(told);
            Ok(rules.chain(of_topics.map(subscribed)).collect())
        })
    }

    async fn all_rules(&self) -> Outcome<Vec<Rule>> {
        self.with(|lab| {
            let definitions = lab.definitions();
            let rules = definitions.rules().map(told);
            Ok(rules
                .chain(definitions.subscriptions().map(subscribed))
                .collect())
        })
    }

    async fn put_event(&self, event: &Event) -> Outcome<String> {
        let bus = self.own_bus()?;
        let Event {
            source,
            kind,
            detail,
        } = event;
        let state = &mut *self.state();
        let now = state.lab.now();
        let id = state
            .lab
            .put_event(&bus, source, kind, detail)
            .map_err(|why| Problem::failed(format!("the bus refused the event: {why}")))?;
        state.record(now, || Input::PutEvent {
            bus,
            source: source.clone(),
            detail_type: kind.clone(),
            detail: detail.clone(),
        });
        Ok(id)
    }

    async fn listen(
        &self,
        listen: Listen<'_>,
        heard: &mut (impl FnMut(&Value) -> Outcome<()> + Send),
    ) -> Outcome<bool> {
        let pattern = Pattern::parse(listen.pattern).map_err(Problem::usage)?;
        let (bus, topics) = (self.bus(), self.topics());
        if bus.is_none() && topics.is_empty() {
            return Err(no_carrier());
        }
        let on_topic = |name: &str| topics.iter().any(|arn| arn.ends_with(name));
        let span = SignedDuration::from_secs(listen.within);
        let (from, until) = (self.now() - span, self.now() + span);
        let (mut seen, mut came) = (0, false);
        loop {
            let events: Vec<Value> = {
                let state = &*self.state();
                let new = &state.lab.heard()[seen..];
                seen += new.len();
                let lately = new.iter().filter(|one| one.at >= from);
                let all = lately.filter_map(|one| match &*one.bus {
                    name if Some(name) == bus => Some(one.event.clone()),
                    name if on_topic(name) => Some(as_event(&one.event)),
                    _ => None,
                });
                all.filter(|event| pattern.matches(event)).collect()
            };
            for event in &events {
                heard(event)?;
                came = true;
                if listen.first {
                    return Ok(true);
                }
            }
            if !listen.first || self.now() >= until {
                return Ok(came);
            }
            self.pause(LOOK_EVERY).await;
        }
    }
}

/// A deployed subscription, as the rule that would do the same.
fn subscribed(it: &duet_lab::Subscription) -> Rule {
    Rule {
        name: it.name.to_string(),
        state: "ENABLED".to_owned(),
        pattern: topic_pattern(&it.topic, &it.written),
        targets: it.endpoint.rsplit(':').take(1).map(str::to_owned).collect(),
        transformed: Vec::new(),
    }
}

/// A deployed rule, as an operator sees it.
fn told(rule: &duet_lab::Rule) -> Rule {
    Rule {
        name: rule.name.clone(),
        // The lab knows no disabled rules.
        state: "ENABLED".to_owned(),
        pattern: rule.written.clone(),
        targets: rule
            .targets
            .iter()
            .map(|target| target.arn.rsplit([':', '/']).next().unwrap_or_default())
            .map(str::to_owned)
            .collect(),
        transformed: rule
            .targets
            .iter()
            .flat_map(|target| target.paths.clone())
            .collect(),
    }
}
