//! Subscriptions to the shop's topics, behind SNS's API.

use aws_sdk_sns::types::Subscription;
use serde_json::Value;

use super::Aws;
use super::bus::taps;
use super::error::unreachable;
use crate::terminal::exit::Outcome;
use crate::world::port::bus::Rule;
use crate::world::port::replay::topic_pattern;

/// A queue's subscription: its ARN, the queue's, and the rule that would do the same.
pub(super) type Subscribed = (String, String, Rule);

impl Aws {
    /// All subscriptions to `topic`.
    pub(super) async fn subscriptions(&self, topic: &str) -> Outcome<Vec<Subscription>> {
        let pages = self.topics.list_subscriptions_by_topic().topic_arn(topic);
        let mut pages = pages.into_paginator().items().send();
        let mut all = Vec::new();
        while let Some(one) = pages.next().await {
            all.push(one.map_err(|error| unreachable("SNS", &error))?);
        }
        Ok(all)
    }

    /// The subscriptions of queues to `topic`, without those of taps.
    pub(super) async fn subscribed(&self, topic: &str) -> Outcome<Vec<Subscribed>> {
        let last = |arn: &str| arn.rsplit(':').next().unwrap_or(arn).to_owned();
        let taps = taps(self).unwrap_or_default();
        let mut all = Vec::new();
        for one in self.subscriptions(topic).await? {
            let arn = one.subscription_arn().unwrap_or_default();
            let queue = one.endpoint().unwrap_or_default();
            if one.protocol() != Some("sqs") || last(queue).starts_with(&taps) {
                continue;
            }
            let told = self.topics.get_subscription_attributes();
            let told = told.subscription_arn(arn).send().await;
            let told = told.map_err(|error| unreachable("SNS", &error))?;
            let policy = told.attributes().and_then(|all| all.get("FilterPolicy"));
            let policy: Option<Value> = policy.and_then(|text| serde_json::from_str(text).ok());
            let rule = Rule {
                name: format!("{}-to-{}", last(topic), last(queue)),
                state: "ENABLED".to_owned(),
                pattern: topic_pattern(topic, &policy.unwrap_or_default()),
                targets: vec![last(queue)],
                transformed: Vec::new(),
            };
            all.push((arn.to_owned(), queue.to_owned(), rule));
        }
        Ok(all)
    }
}
