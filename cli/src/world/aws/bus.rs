//! The bus of a stack that EventBridge's API reaches. It is heard through a
//! tap: a temporary rule and queue, tagged, removed at the end, and swept by
//! the next run should that be cut off.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_eventbridge::types::{PutEventsRequestEntry, Rule as EventRule, Tag, Target};
use aws_sdk_sns::types::Subscription;
use aws_sdk_sqs::types::QueueAttributeName;
use duet_core::Timestamp;
use duet_pattern::Pattern;
use serde_json::{Value, json};

use super::Aws;
use super::error::unreachable;
use crate::terminal;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World;
use crate::world::port::bus::{BusTools, Event, Listen, Rule, as_event, no_carrier};

fn bus(world: &Aws) -> Outcome<&str> {
    world.bus().ok_or_else(|| {
        Problem::usage("the stack has no bus to put an event on").hint(
            "deploy with WithChoreography=true; a fact on a topic comes from its service alone",
        )
    })
}

/// A tap: a queue, with a rule on the bus and subscriptions to the topics, and the
/// name of all of them.
struct Tap {
    name: String,
    queue: String,
}

/// The tag of every tap's queue and rule.
pub(super) const TAG: &str = "duet:tap";

/// The beginning of the names of all taps of this stack, by its bus or its topics;
/// `None` where it has neither.
pub(super) fn taps(world: &Aws) -> Option<String> {
    let of_bus = world
        .bus()
        .map(|bus| bus.strip_suffix("-bus").unwrap_or(bus));
    let of_topics = world.topics().into_iter().next().and_then(|topic| {
        let name = topic.rsplit(':').next()?;
        Some(name.split_once("-facts-")?.0)
    });
    let stack = of_bus.or(of_topics)?;
    Some(format!("{stack}-tap-"))
}

impl Tap {
    async fn open(world: &Aws, pattern: &str, until: Timestamp) -> Outcome<Self> {
        let taps = taps(world).ok_or_else(no_carrier)?;
        let name = format!("{taps}{}-{:08x}", until.as_second(), fastrand::u32(..));
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
        match tap.connect(world, pattern).await {
            Ok(()) => Ok(tap),
            Err(problem) => {
                tap.close(world).await;
                Err(problem)
            }
        }
    }

    async fn connect(&self, world: &Aws, pattern: &str) -> Outcome<()> {
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
        let (bus, arns) = (world.bus(), world.topics());
        let may = |service: &str, sources: Value| {
            json!({
                "Effect": "Allow", "Principal": { "Service": service },
                "Action": "sqs:SendMessage", "Resource": arn,
                "Condition": { "ArnEquals": { "aws:SourceArn": sources } },
            })
        };
        let mut statements = Vec::new();
        if let Some(bus) = bus {
            let rule = self.rule(world, bus, pattern).await?;
            statements.push(may("events.amazonaws.com", rule.into()));
        }
        if !arns.is_empty() {
            statements.push(may("sns.amazonaws.com", json!(arns)));
        }
        let policy = json!({ "Version": "2012-10-17", "Statement": statements });
        let policy = HashMap::from([(QueueAttributeName::Policy, policy.to_string())]);
        world
            .queues
            .set_queue_attributes()
            .queue_url(&self.queue)
            .set_attributes(Some(policy))
            .send()
            .await
            .map_err(|e| unreachable("SQS", &e))?;
        if let Some(bus) = bus {
            self.target(world, bus, &arn).await?;
        }
        for topic in arns {
            let subscribe = world.topics.subscribe().topic_arn(topic).protocol("sqs");
            let subscribe = subscribe.endpoint(&arn);
            let made = subscribe.attributes("RawMessageDelivery", "true").send();
            made.await.map_err(|e| unreachable("SNS", &e))?;
        }
        Ok(())
    }

    /// Makes the rule on `bus`. Gives its ARN.
    async fn rule(&self, world: &Aws, bus: &str, pattern: &str) -> Outcome<String> {
        let tag = Tag::builder().key(TAG).value("true").build();
        let tag = tag.map_err(|e| Problem::environment(format!("EventBridge: {e}")))?;
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
        Ok(rule.rule_arn().unwrap_or_default().to_owned())
    }

    /// Has the rule deliver to the queue `arn`.
    async fn target(&self, world: &Aws, bus: &str, arn: &str) -> Outcome<()> {
        let bridge = |text: String| Problem::environment(format!("EventBridge: {text}"));
        let target = Target::builder().id("tap").arn(arn).build();
        let target = target.map_err(|e| bridge(e.to_string()))?;
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

    /// Removes rule, subscriptions and queue. What cannot be removed is swept by the
    /// next run.
    async fn close(&self, world: &Aws) {
        if let Some(bus) = world.bus() {
            let targets = world.buses.remove_targets().rule(&self.name);
            drop(targets.event_bus_name(bus).ids("tap").send().await);
            let rule = world.buses.delete_rule().name(&self.name);
            drop(rule.event_bus_name(bus).send().await);
        }
        for topic in world.topics() {
            let all = world.subscriptions(topic).await.unwrap_or_default();
            let own = |it: &&Subscription| {
                let queue = it.endpoint().and_then(|arn| arn.rsplit(':').next());
                queue == Some(self.name.as_str())
            };
            for subscription in all.iter().filter(own) {
                let arn = subscription.subscription_arn().unwrap_or_default();
                let gone = world.topics.unsubscribe().subscription_arn(arn);
                drop(gone.send().await);
            }
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
        let prefix = taps(world).ok_or_else(no_carrier)?;
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
        let (bus, arns) = (self.bus(), self.topics());
        if bus.is_none() && arns.is_empty() {
            return Err(no_carrier());
        }
        let mut all = match bus {
            Some(bus) => rules(self, bus, None).await?,
            None => Vec::new(),
        };
        for topic in arns {
            let subscribed = self.subscribed(topic).await?;
            all.extend(subscribed.into_iter().map(|(.., rule)| rule));
        }
        Ok(all)
    }

    async fn all_rules(&self) -> Outcome<Vec<Rule>> {
        let mut all = match self.bus().is_none() && self.topics().is_empty() {
            true => Vec::new(),
            false => self.rules().await?,
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
            came = hear(self, &tap, listen, heard) => came,
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
    listen: Listen<'_>,
    heard: &mut (impl FnMut(&Value) -> Outcome<()> + Send),
) -> Outcome<bool> {
    let began = Instant::now();
    let limit = Duration::from_secs(listen.within.unsigned_abs());
    // A rule lets through what matches; a topic's subscription, everything.
    let pattern = Pattern::parse(listen.pattern).map_err(Problem::usage)?;
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
            let body: Value =
                serde_json::from_str(message.body().unwrap_or_default()).unwrap_or_default();
            let event = match body.get("detail-type") {
                Some(_) => body,
                None => as_event(&body),
            };
            if pattern.matches(&event) {
                heard(&event)?;
                came = true;
                if listen.first {
                    return Ok(true);
                }
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
