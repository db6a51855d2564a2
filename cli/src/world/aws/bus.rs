//! The bus of a stack that EventBridge's API reaches. It is heard through a
//! tap: a temporary rule and queue, tagged, removed at the end, and swept by
//! the next run should that be cut off.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_eventbridge::types::{PutEventsRequestEntry, Rule as EventRule, Tag, Target};
use aws_sdk_sqs::types::QueueAttributeName;
use duet_core::Timestamp;
use serde_json::{Value, json};

use super::Aws;
use super::error::unreachable;
use crate::terminal;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;
use crate::world::port::bus::{BusTools, Event, Listen, Rule};

fn bus(world: &Aws) -> Outcome<&str> {
    world.bus().ok_or_else(|| {
        Problem::environment("no variant is deployed whose facts travel on a bus")
            .hint("deploy with WithChoreography=true")
    })
}

/// A tap: the rule, the queue, and their common name.
struct Tap {
    name: String,
    queue: String,
}

/// The tag of every tap's queue and rule.
pub(super) const TAG: &str = "duet:tap";

/// The beginning of every tap's name on this bus.
pub(super) fn taps(bus: &str) -> String {
    format!("{}-tap-", bus.strip_suffix("-bus").unwrap_or(bus))
}

impl Tap {
    async fn open(world: &Aws, pattern: &str, until: Timestamp) -> Outcome<Self> {
        let bus = bus(world)?;
        let name = format!(
            "{}{}-{:08x}",
            taps(bus),
            until.as_second(),
            fastrand::u32(..)
        );
        let sqs = |e| unreachable("SQS", &e);
        let made = world.queues.create_queue().queue_name(&name);
        let made = made
            .tags(TAG, until.to_string())
            .send()
            .await
            .map_err(sqs)?;
        let tap = Self {
            queue: made.queue_url.unwrap_or_default(),
            name,
        };
        match tap.connect(world, bus, pattern).await {
            Ok(()) => Ok(tap),
            Err(problem) => {
                tap.close(world).await;
                Err(problem)
            }
        }
    }

    async fn connect(&self, world: &Aws, bus: &str, pattern: &str) -> Outcome<()> {
        let bridge = |text: String| Problem::environment(format!("EventBridge: {text}"));
        let attributes = world
            .queues
            .get_queue_attributes()
            .queue_url(&self.queue)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .map_err(|e| unreachable("SQS", &e))?;
        let arn = attributes
            .attributes()
            .and_then(|all| all.get(&QueueAttributeName::QueueArn))
            .cloned()
            .ok_or_else(|| Problem::environment("the tap's queue has no ARN"))?;
        let tag = Tag::builder()
            .key(TAG)
            .value("true")
            .build()
            .map_err(|e| bridge(e.to_string()))?;
        let rule = world
            .buses
            .put_rule()
            .name(&self.name)
            .event_bus_name(bus)
            .event_pattern(pattern)
            .tags(tag)
            .send()
            .await
            .map_err(|e| unreachable("EventBridge", &e))?;
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage", "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule.rule_arn()}}}]});
        let policy = HashMap::from([(QueueAttributeName::Policy, policy.to_string())]);
        world
            .queues
            .set_queue_attributes()
            .queue_url(&self.queue)
            .set_attributes(Some(policy))
            .send()
            .await
            .map_err(|e| unreachable("SQS", &e))?;
        let target = Target::builder()
            .id("tap")
            .arn(arn)
            .build()
            .map_err(|e| bridge(e.to_string()))?;
        let put = world
            .buses
            .put_targets()
            .rule(&self.name)
            .event_bus_name(bus)
            .targets(target)
            .send()
            .await
            .map_err(|e| unreachable("EventBridge", &e))?;
        match put.failed_entry_count() {
            0 => Ok(()),
            _ => Err(bridge("the tap's target was refused".to_owned())),
        }
    }

    /// Removes rule and queue. What cannot be removed is swept by the next run.
    async fn close(&self, world: &Aws) {
        if let Ok(bus) = bus(world) {
            let targets = world.buses.remove_targets().rule(&self.name);
            drop(targets.event_bus_name(bus).ids("tap").send().await);
            let rule = world.buses.delete_rule().name(&self.name);
            drop(rule.event_bus_name(bus).send().await);
        }
        drop(
            world
                .queues
                .delete_queue()
                .queue_url(&self.queue)
                .send()
                .await,
        );
    }

    /// Whether this queue says that it is a tap's: a name alone is anybody's.
    async fn is_one(world: &Aws, queue: &str) -> bool {
        let tags = world.queues.list_queue_tags().queue_url(queue).send().await;
        tags.is_ok_and(|answer| answer.tags().is_some_and(|tags| tags.contains_key(TAG)))
    }

    /// Removes the taps whose time was over and that are still there.
    async fn sweep(world: &Aws) -> Outcome<()> {
        let prefix = taps(bus(world)?);
        let found = world
            .queues
            .list_queues()
            .queue_name_prefix(&prefix)
            .send()
            .await
            .map_err(|e| unreachable("SQS", &e))?;
        for queue in found.queue_urls() {
            let name = queue.rsplit('/').next().unwrap_or_default();
            let until = name
                .strip_prefix(&prefix)
                .and_then(|rest| rest.split('-').next())
                .and_then(|second| second.parse::<i64>().ok());
            let over = until.is_some_and(|until| until < world.now().as_second());
            if over && Self::is_one(world, queue).await {
                let left = Self {
                    name: name.to_owned(),
                    queue: queue.clone(),
                };
                left.close(world).await;
            }
        }
        Ok(())
    }
}

impl BusTools for Aws {
    async fn rules(&self) -> Outcome<Vec<Rule>> {
        rules(self, bus(self)?, None).await
    }

    async fn all_rules(&self) -> Outcome<Vec<Rule>> {
        let mut all = match self.bus() {
            Some(bus) => rules(self, bus, None).await?,
            None => Vec::new(),
        };
        if let Some(prefix) = self.prefix() {
            all.extend(rules(self, DEFAULT_BUS, Some(prefix)).await?);
        }
        Ok(all)
    }

    async fn put_event(&self, event: &Event) -> Outcome<String> {
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(bus(self)?)
            .source(&event.source)
            .detail_type(&event.kind)
            .detail(event.detail.to_string())
            .build();
        let answer = self
            .buses
            .put_events()
            .entries(entry)
            .send()
            .await
            .map_err(|error| unreachable("EventBridge", &error))?;
        let entry = answer.entries().first();
        // The call succeeds even when the entry does not.
        match entry.and_then(|entry| entry.event_id()) {
            Some(id) if answer.failed_entry_count() == 0 => Ok(id.to_owned()),
            _ => Err(Problem::failed(format!(
                "the bus refused the event: {}",
                entry
                    .and_then(|entry| entry.error_message())
                    .unwrap_or("no reason given")
            ))),
        }
    }

    async fn listen(
        &self,
        listen: Listen<'_>,
        heard: &mut (impl FnMut(&Value) -> Outcome<()> + Send),
    ) -> Outcome<bool> {
        Tap::sweep(self).await?;
        // A little longer than it is meant to be open, so that nobody sweeps it early.
        let until = self.now() + jiff::SignedDuration::from_secs(listen.within + 60);
        let tap = Tap::open(self, listen.pattern, until).await?;
        terminal::tell(&format!("listening for {} s", listen.within));
        terminal::interrupt::cleans_up();
        let came = tokio::select! {
            came = hear(self, &tap, listen.within, listen.first, heard) => came,
            _ = tokio::signal::ctrl_c() => Ok(false),
        };
        tap.close(self).await;
        came
    }
}

/// The bus that every account has: AWS's own services speak on it.
const DEFAULT_BUS: &str = "default";

/// Reads the rules of `bus` whose names begin with `prefix`.
async fn rules(world: &Aws, bus: &str, prefix: Option<String>) -> Outcome<Vec<Rule>> {
    let mut rules = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let answer = world
            .buses
            .list_rules()
            .event_bus_name(bus)
            .set_name_prefix(prefix.clone())
            .set_next_token(next)
            .send()
            .await
            .map_err(|error| unreachable("EventBridge", &error))?;
        // One that runs by the clock listens to nothing.
        let listens = |rule: &&EventRule| rule.event_pattern().is_some();
        for rule in answer.rules().iter().filter(listens) {
            let name = rule.name().unwrap_or_default().to_owned();
            let targets = world
                .buses
                .list_targets_by_rule()
                .event_bus_name(bus)
                .rule(&name)
                .send()
                .await
                .map_err(|error| unreachable("EventBridge", &error))?;
            let paths = targets.targets().iter().flat_map(|target| {
                let map = target.input_transformer().and_then(|t| t.input_paths_map());
                let whole = target.input_path().map(str::to_owned);
                map.into_iter()
                    .flat_map(|map| map.values().cloned())
                    .chain(whole)
            });
            rules.push(Rule {
                state: rule
                    .state()
                    .map_or("ENABLED", |state| state.as_str())
                    .to_owned(),
                pattern: rule
                    .event_pattern()
                    .and_then(|text| serde_json::from_str(text).ok())
                    .unwrap_or(Value::Null),
                transformed: paths.collect(),
                targets: targets
                    .targets()
                    .iter()
                    .map(|t| {
                        t.arn()
                            .rsplit([':', '/'])
                            .next()
                            .unwrap_or_default()
                            .to_owned()
                    })
                    .collect(),
                name,
            });
        }
        next = answer.next_token().map(str::to_owned);
        if next.is_none() {
            return Ok(rules);
        }
    }
}

/// Passes on what comes; whether anything did.
async fn hear(
    world: &Aws,
    tap: &Tap,
    within: i64,
    first: bool,
    heard: &mut (impl FnMut(&Value) -> Outcome<()> + Send),
) -> Outcome<bool> {
    let began = Instant::now();
    let limit = Duration::from_secs(within.unsigned_abs());
    let mut came = false;
    while began.elapsed() < limit {
        let left = (limit - began.elapsed()).as_secs().min(5);
        let answer = world
            .queues
            .receive_message()
            .queue_url(&tap.queue)
            .max_number_of_messages(10)
            .wait_time_seconds(i32::try_from(left).unwrap_or(5))
            .send()
            .await
            .map_err(|e| unreachable("SQS", &e))?;
        for message in answer.messages() {
            let event: Value =
                serde_json::from_str(message.body().unwrap_or_default()).unwrap_or_default();
            heard(&event)?;
            came = true;
            if first {
                return Ok(true);
            }
            let gone = world.queues.delete_message().queue_url(&tap.queue);
            drop(
                gone.receipt_handle(message.receipt_handle().unwrap_or_default())
                    .send()
                    .await,
            );
        }
    }
    Ok(came)
}
