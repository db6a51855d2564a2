//! Replays behind AWS's APIs.

use std::collections::HashMap;

use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::ReplayDestination;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use duet_core::Timestamp;
use duet_edge::wires::deduplication;
use duet_pattern::{Pattern, TargetInput};
use serde_json::{Value, json};

use super::Aws;
use super::bus::{TAG, taps};
use super::error::unreachable;
use crate::terminal::exit::{Outcome, Problem};
use crate::world::World as _;
use crate::world::port::operate::is_in_order;
use crate::world::port::replay::{
    BusRule, BusTarget, Ear, Replayable, Replaying, bare_input, no_bus,
};

/// Most messages of one call, and most bytes we put in one (SQS quotas: ten,
/// and 1 MiB).
const BATCH: usize = 10;
const BATCH_BYTES: usize = 512 * 1024;

/// What a queue has to hand out.
pub(super) const VISIBLE: [QueueAttributeName; 1] =
    [QueueAttributeName::ApproximateNumberOfMessages];

/// … and what is in somebody's hands, too.
pub(super) const ALL: [QueueAttributeName; 2] = [
    QueueAttributeName::ApproximateNumberOfMessages,
    QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
];

impl Aws {
    /// The URL of the queue with this ARN; `None` when there is no such queue,
    /// or it is no queue's.
    async fn queue_url(&self, arn: &str) -> Outcome<Option<String>> {
        let mut parts = arn.split(':').skip(2);
        let (service, name) = (parts.next(), parts.nth(2).unwrap_or_default());
        match service {
            Some("sqs") => self.queue_named(name).await,
            _ => Ok(None),
        }
    }

    /// The URL of the queue with this name; `None` when there is no such queue.
    pub(super) async fn queue_named(&self, name: &str) -> Outcome<Option<String>> {
        match self.queues.get_queue_url().queue_name(name).send().await {
            Ok(found) => Ok(found.queue_url),
            Err(error) => match error.as_service_error() {
                Some(refused) if refused.is_queue_does_not_exist() => Ok(None),
                _ => Err(unreachable("SQS", &error)),
            },
        }
    }

    /// How many messages the queue with this URL has, about: those that `names`
    /// count.
    pub(super) async fn count(&self, url: &str, names: &[QueueAttributeName]) -> Outcome<u64> {
        let counts = self.queues.get_queue_attributes().queue_url(url);
        let counts = counts.set_attribute_names(Some(names.to_vec()));
        let counts = counts.send().await;
        let counts = counts.map_err(|error| unreachable("SQS", &error))?;
        let counts = counts.attributes.unwrap_or_default();
        let each = names
            .iter()
            .filter_map(|name| counts.get(name)?.parse::<u64>().ok());
        Ok(each.sum())
    }
}

impl Aws {
    /// The enabled rules of `bus`, which carries the facts of `variant`.
    async fn rules_of(&self, variant: &'static str, bus: &str) -> Outcome<Vec<BusRule>> {
        let mut rules = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let page = self.buses.list_rules().event_bus_name(bus);
            let page = page.set_next_token(next).send().await;
            let page = page.map_err(|error| unreachable("EventBridge", &error))?;
            for rule in page.rules() {
                let name = rule.name().unwrap_or_default();
                let Some(pattern) = rule.event_pattern() else {
                    continue;
                };
                // Somebody who looks on is no consumer, and soon gone.
                if taps(self).is_some_and(|taps| name.starts_with(&taps)) {
                    continue;
                }
                if rule
                    .state()
                    .is_some_and(|state| state.as_str() != "ENABLED")
                {
                    continue;
                }
                let wrong = |why: &dyn std::fmt::Display| {
                    Problem::environment(format!("rule {name} is not understood: {why}"))
                };
                let pattern = Pattern::parse(pattern).map_err(|e| wrong(&e))?;
                let told = self.buses.list_targets_by_rule().event_bus_name(bus);
                let told = told.rule(name).send().await;
                let told = told.map_err(|error| unreachable("EventBridge", &error))?;
                let targets = told.targets().iter().map(|target| {
                    let transformer = target.input_transformer().map(|it| {
                        json!({ "InputPathsMap": it.input_paths_map(), "InputTemplate": it.input_template() })
                    });
                    let written = json!({
                        "Id": target.id(), "Input": target.input(), "InputPath": target.input_path(),
                        "InputTransformer": transformer,
                    });
                    let input = TargetInput::from_target(&written).map_err(|e| wrong(&e))?;
                    let arn = target.arn().to_owned();
                    Ok(BusTarget { arn, input })
                });
                rules.push(BusRule {
                    variant,
                    bare: false,
                    name: name.to_owned(),
                    arn: rule.arn().unwrap_or_default().to_owned(),
                    pattern,
                    targets: targets.collect::<Outcome<_>>()?,
                });
            }
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                return Ok(rules);
            }
        }
    }

    /// The subscriptions of queues to `topic`, which carries facts of `variant`,
    /// without those of taps.
    async fn subscriptions_of(&self, variant: &'static str, topic: &str) -> Outcome<Vec<BusRule>> {
        let all = self.subscribed(topic).await?;
        let subscriptions = all.into_iter().map(|(arn, queue, rule)| {
            Ok(BusRule {
                name: rule.name,
                arn,
                variant,
                bare: true,
                pattern: Pattern::from_value(&rule.pattern).map_err(Problem::environment)?,
                targets: vec![BusTarget {
                    arn: queue,
                    input: bare_input()?,
                }],
            })
        });
        subscriptions.collect()
    }
}

/// Whether the archive with this ARN is a topic's.
fn is_topic(archive: &str) -> bool {
    archive.split(':').nth(2) == Some("sns")
}

/// The archives of FIFO topics (SNS developer guide, "Message archiving and replay for FIFO
/// topics").
impl Aws {
    async fn topic_archive_days(&self, topic: &str) -> Outcome<Option<i64>> {
        let asked = self.topics.get_topic_attributes().topic_arn(topic);
        let asked = asked.send().await;
        let known = asked
            .map_err(|error| unreachable("SNS", &error))?
            .attributes;
        let policy = known.and_then(|mut known| known.remove("ArchivePolicy"));
        let policy: Option<Value> = policy.and_then(|text| serde_json::from_str(&text).ok());
        let days = policy.as_ref().map(|it| &it["MessageRetentionPeriod"]);
        Ok(days.and_then(|days| days.as_i64().or_else(|| days.as_str()?.parse().ok())))
    }

    /// Has each of `subscriptions` say again what its topic's archive has.
    async fn replay_topic(
        &self,
        name: &str,
        (from, to): (Timestamp, Timestamp),
        subscriptions: &[String],
    ) -> Outcome<Replaying> {
        let policy = json!({ "PointType": "Timestamp", "StartingPoint": from, "EndingPoint": to });
        for subscription in subscriptions {
            self.set_replay(subscription, &policy.to_string()).await?;
        }
        Ok(Replaying {
            name: name.to_owned(),
            subscriptions: subscriptions.to_vec(),
            events: None,
            until: None,
        })
    }

    async fn set_replay(&self, subscription: &str, policy: &str) -> Outcome<()> {
        let set = self.topics.set_subscription_attributes();
        let set = set.subscription_arn(subscription);
        let set = set.attribute_name("ReplayPolicy").attribute_value(policy);
        let set = set.send().await;
        set.map(drop).map_err(|error| unreachable("SNS", &error))
    }

    /// Whether every subscription of `replay` is through. The policies are then taken off
    /// again: each names a time that is past.
    async fn is_topic_replayed(&self, replay: &Replaying) -> Outcome<bool> {
        for subscription in &replay.subscriptions {
            let asked = self.topics.get_subscription_attributes();
            let asked = asked.subscription_arn(subscription).send().await;
            let known = asked
                .map_err(|error| unreachable("SNS", &error))?
                .attributes;
            let status = known.and_then(|mut known| known.remove("ReplayStatus"));
            match status.as_deref() {
                Some("Completed") => {}
                Some("Failed") => {
                    return Err(Problem::failed(format!(
                        "replay {} is over before its end: {subscription} failed",
                        replay.name
                    )));
                }
                _ => return Ok(false),
            }
        }
        for subscription in &replay.subscriptions {
            self.set_replay(subscription, "{}").await?;
        }
        Ok(true)
    }
}

impl Replayable for Aws {
    async fn bus_rules(&self) -> Outcome<Vec<BusRule>> {
        let described = self.described().into_iter();
        let carried: Vec<_> = described
            .filter_map(|one| Some((one.variant.name, one.facts()?)))
            .collect();
        if carried.is_empty() {
            return Err(no_bus());
        }
        let mut rules = Vec::new();
        for (variant, facts) in carried {
            if let Some(bus) = &facts.bus {
                rules.extend(self.rules_of(variant, bus).await?);
            }
            for topic in &facts.topics {
                rules.extend(self.subscriptions_of(variant, topic).await?);
            }
        }
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(rules)
    }

    async fn archive_days(&self, archive: &str) -> Outcome<Option<i64>> {
        if is_topic(archive) {
            return self.topic_archive_days(archive).await;
        }
        let name = archive.rsplit('/').next().unwrap_or(archive);
        let described = self.buses.describe_archive().archive_name(name);
        let described = described.send().await;
        let described = described.map_err(|error| unreachable("EventBridge", &error))?;
        let days = described.retention_days().map(i64::from);
        Ok(days.filter(|days| *days > 0))
    }

    async fn start_replay(
        &self,
        archive: &str,
        name: &str,
        (from, to): (Timestamp, Timestamp),
        rules: &[String],
    ) -> Outcome<Replaying> {
        if is_topic(archive) {
            return self.replay_topic(name, (from, to), rules).await;
        }
        // StartReplay wants the bus's ARN: the one that the archive was made from.
        let its_name = archive.rsplit('/').next().unwrap_or(archive);
        let described = self.buses.describe_archive().archive_name(its_name);
        let described = described.send().await;
        let described = described.map_err(|error| unreachable("EventBridge", &error))?;
        let destination = ReplayDestination::builder()
            .arn(described.event_source_arn().unwrap_or_default())
            .set_filter_arns(Some(rules.to_vec()))
            .build()
            .map_err(Problem::environment)?;
        let started = self
            .buses
            .start_replay()
            .replay_name(name)
            .event_source_arn(archive)
            .event_start_time(DateTime::from_millis(from.as_millisecond()))
            .event_end_time(DateTime::from_millis(to.as_millisecond()))
            .destination(destination)
            .send()
            .await;
        started.map_err(|error| unreachable("EventBridge", &error))?;
        Ok(Replaying {
            name: name.to_owned(),
            subscriptions: Vec::new(),
            events: None,
            until: None,
        })
    }

    async fn is_replayed(&self, replay: &Replaying) -> Outcome<bool> {
        if !replay.subscriptions.is_empty() {
            return self.is_topic_replayed(replay).await;
        }
        let described = self.buses.describe_replay().replay_name(&replay.name);
        let described = described.send().await;
        let described = described.map_err(|error| unreachable("EventBridge", &error))?;
        match described.state().map_or("", |state| state.as_str()) {
            "COMPLETED" => Ok(true),
            "FAILED" | "CANCELLED" | "CANCELLING" => Err(Problem::failed(format!(
                "replay {} is over before its end: {}",
                replay.name,
                described.state_reason().unwrap_or("no reason given")
            ))),
            _ => Ok(false),
        }
    }

    async fn deliver(&self, queue: &str, bodies: &[String]) -> Outcome<Vec<(usize, String)>> {
        let mut refused = Vec::new();
        let Some(url) = self.queue_url(queue).await? else {
            let why = || format!("{queue} is no queue that is there");
            refused.extend((0..bodies.len()).map(|at| (at, why())));
            return Ok(refused);
        };
        let turn = is_in_order(&url).then(|| fastrand::u32(..));
        let mut at = 0;
        while at < bodies.len() {
            let mut bytes = 0;
            let fits = bodies[at..].iter().take(BATCH).take_while(|body| {
                bytes += body.len();
                bytes <= BATCH_BYTES
            });
            let end = at + fits.count().max(1);
            let entries = (at..end).map(|n| {
                let entry = SendMessageBatchRequestEntry::builder();
                let entry = entry.id(n.to_string()).message_body(&bodies[n]);
                match turn.and_then(|turn| placed(&bodies[n], turn)) {
                    Some((group, new)) => {
                        entry.message_group_id(group).message_deduplication_id(new)
                    }
                    None => entry,
                }
                .build()
            });
            let entries = entries
                .collect::<Result<Vec<_>, _>>()
                .map_err(Problem::environment)?;
            let sent = self.queues.send_message_batch().queue_url(&url);
            let sent = sent.set_entries(Some(entries)).send().await;
            let sent = sent.map_err(|error| unreachable("SQS", &error))?;
            // The call succeeds even when a message does not.
            refused.extend(sent.failed().iter().map(|failed| {
                let why = failed.message().unwrap_or_else(|| failed.code());
                (failed.id().parse().unwrap_or(at), why.to_owned())
            }));
            at = end;
        }
        Ok(refused)
    }

    async fn busy(&self, queues: &[String]) -> Outcome<u64> {
        let mut busy = 0;
        for queue in queues {
            if let Some(url) = self.queue_url(queue).await? {
                busy += self.count(&url, &ALL).await?;
            }
        }
        Ok(busy)
    }

    async fn listen(&self) -> Outcome<Ear> {
        let topic = self.output("NoticeTopic")?;
        let stem = topic.rsplit(':').next().unwrap_or(topic);
        let name = format!("{stem}-tap-{:08x}", fastrand::u32(..));
        let sqs = |error| unreachable("SQS", &error);
        let made = self.queues.create_queue().queue_name(&name);
        let made = made.tags(TAG, "notices").send().await.map_err(sqs)?;
        let url = made.queue_url.unwrap_or_default();
        let listening = async {
            let asked = self.queues.get_queue_attributes().queue_url(&url);
            let asked = asked.attribute_names(QueueAttributeName::QueueArn).send();
            let known = asked.await.map_err(|error| unreachable("SQS", &error))?;
            let known = known.attributes.unwrap_or_default();
            let arn = known
                .get(&QueueAttributeName::QueueArn)
                .ok_or_else(|| Problem::environment("the tap's queue has no ARN"))?;
            let policy = json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage", "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]});
            let policy = HashMap::from([(QueueAttributeName::Policy, policy.to_string())]);
            let set = self.queues.set_queue_attributes().queue_url(&url);
            let set = set.set_attributes(Some(policy)).send().await;
            set.map_err(|error| unreachable("SQS", &error))?;
            let subscribed = self.topics.subscribe().topic_arn(topic).protocol("sqs");
            let subscribed = subscribed.endpoint(arn).return_subscription_arn(true);
            let subscribed = subscribed.send().await;
            let subscribed = subscribed.map_err(|error| unreachable("SNS", &error))?;
            Ok::<_, Problem>(subscribed.subscription_arn.unwrap_or_default())
        };
        match listening.await {
            Ok(subscription) => Ok(Ear {
                tap: Some((subscription, url)),
                heard: 0,
            }),
            Err(problem) => {
                // Why it does not work matters more than what is left of it.
                drop(self.queues.delete_queue().queue_url(&url).send().await);
                Err(problem)
            }
        }
    }

    async fn heard(&self, ear: &mut Ear, marker: &str) -> Outcome<u64> {
        let Some((_, url)) = &ear.tap else {
            return Ok(ear.heard);
        };
        loop {
            let received = self.queues.receive_message().queue_url(url);
            let received = received.max_number_of_messages(10).wait_time_seconds(1);
            let received = received.send().await;
            let received = received.map_err(|error| unreachable("SQS", &error))?;
            if received.messages().is_empty() {
                return Ok(ear.heard);
            }
            for message in received.messages() {
                ear.heard += u64::from(message.body().unwrap_or_default().contains(marker));
                let gone = self.queues.delete_message().queue_url(url);
                let gone = gone.receipt_handle(message.receipt_handle().unwrap_or_default());
                let gone = gone.send().await;
                gone.map_err(|error| unreachable("SQS", &error))?;
            }
        }
    }

    async fn leave(&self, ear: Ear) -> Outcome<()> {
        let Some((subscription, url)) = ear.tap else {
            return Ok(());
        };
        let ended = self.topics.unsubscribe().subscription_arn(subscription);
        let ended = ended.send().await.map(drop);
        let gone = self.queues.delete_queue().queue_url(url).send().await;
        ended.map_err(|error| unreachable("SNS", &error))?;
        gone.map(drop).map_err(|error| unreachable("SQS", &error))
    }
}

/// The group of the fact `body`, and what a FIFO queue is to know it by in this `turn`:
/// as what it was when it was first said, the queue may drop it.
fn placed(body: &str, turn: u32) -> Option<(String, String)> {
    let fact: Value = serde_json::from_str(body).ok()?;
    let word = |path| fact.pointer(path).and_then(Value::as_str);
    let id = format!("{}/{turn:08x}", word("/metadata/id")?);
    Some((word("/metadata/subject")?.to_owned(), deduplication(&id)))
}
