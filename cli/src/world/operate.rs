//! What an operator needs of a target beyond what the flows need: dead letters
//! to take in hand, executions to take up again.

use std::collections::BTreeMap;
use std::future::Future;

use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use aws_sdk_sfn::types::ExecutionStatus;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use duet_core::Timestamp;

use super::aws::{Aws, unreachable};
use super::{Subject, World};
use crate::exit::{Outcome, Problem};
use crate::variant;

/// A message of a dead-letter queue, held: nobody else sees it for a while.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its id.
    pub id: String,
    /// The dead-letter queue's URL.
    pub queue: String,
    /// Its text. May be personal data.
    pub body: String,
    /// When it was first sent.
    pub sent_at: Option<Timestamp>,
    /// What a bus says about a message it could not deliver: `ERROR_CODE`,
    /// `ERROR_MESSAGE`, `RULE_ARN`, `TARGET_ARN`, … (EventBridge user guide,
    /// "Using dead-letter queues"). Empty for one that was not processed.
    pub attributes: BTreeMap<String, String>,
    /// What the target takes it by.
    pub(super) receipt: String,
}

/// An execution that did not succeed.
#[derive(Debug, Clone)]
pub struct FailedExecution {
    /// Its ARN.
    pub arn: String,
    /// Its name: the order's or customer's id.
    pub name: String,
    /// The machine's name.
    pub machine: String,
    /// The variant.
    pub variant: &'static str,
    /// `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
    /// The error it failed with.
    pub error: Option<String>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// What became of taking an execution up again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redriven {
    /// It runs again.
    Yes,
    /// The target cannot do that at all.
    Unsupported,
    /// The target will not, and says why.
    Refused(String),
}

/// A target an operator can work on.
pub trait Operate: World {
    /// The URLs of every dead-letter queue.
    fn dead_letter_queues(&self) -> Vec<String>;

    /// Everything in the dead-letter queue `queue`, held for `seconds`.
    fn hold(&self, queue: &str, seconds: i32) -> impl Future<Output = Outcome<Vec<Held>>> + Send;

    /// Lets go of a held message.
    fn release(&self, held: &Held) -> impl Future<Output = Outcome<()>> + Send;

    /// Sends a held message to the queue called `home`, and removes it from the
    /// dead-letter queue once it is there.
    fn forward(&self, held: &Held, home: &str) -> impl Future<Output = Outcome<()>> + Send;

    /// Removes a held message for good.
    fn discard(&self, held: &Held) -> impl Future<Output = Outcome<()>> + Send;

    /// Every execution that did not succeed.
    fn failed_executions(&self) -> impl Future<Output = Outcome<Vec<FailedExecution>>> + Send;

    /// Takes an execution up again where it failed.
    fn redrive(&self, arn: &str) -> impl Future<Output = Outcome<Redriven>> + Send;
}

impl Operate for Aws {
    fn dead_letter_queues(&self) -> Vec<String> {
        let lists = [
            "OrchestrationDeadLetterQueues",
            "ChoreographyDeadLetterQueues",
        ];
        lists
            .iter()
            .filter_map(|list| self.output(list).ok())
            .flat_map(|urls| urls.split(','))
            .filter(|url| !url.is_empty())
            .map(str::to_owned)
            .collect()
    }

    async fn hold(&self, queue: &str, seconds: i32) -> Outcome<Vec<Held>> {
        let mut held: BTreeMap<String, Held> = BTreeMap::new();
        loop {
            let answer = self
                .queues
                .receive_message()
                .queue_url(queue)
                .max_number_of_messages(10)
                .visibility_timeout(seconds)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .message_attribute_names("All")
                .send()
                .await
                .map_err(|error| unreachable("SQS", &error))?;
            let known = held.len();
            for message in answer.messages() {
                let one = of_message(queue, message);
                held.insert(one.id.clone(), one);
            }
            // An empty answer, or only what is held already: that was all.
            if held.len() == known {
                return Ok(held.into_values().collect());
            }
        }
    }

    async fn release(&self, held: &Held) -> Outcome<()> {
        let shown = self
            .queues
            .change_message_visibility()
            .queue_url(&held.queue)
            .receipt_handle(&held.receipt)
            .visibility_timeout(0);
        shown
            .send()
            .await
            .map(drop)
            .map_err(|error| unreachable("SQS", &error))
    }

    async fn forward(&self, held: &Held, home: &str) -> Outcome<()> {
        let found = self.queues.get_queue_url().queue_name(home).send().await;
        let url = found
            .map_err(|error| unreachable("SQS", &error))?
            .queue_url
            .ok_or_else(|| Problem::environment(format!("queue {home} has no URL")))?;
        let sent = self
            .queues
            .send_message()
            .queue_url(url)
            .message_body(&held.body)
            .send()
            .await;
        sent.map_err(|error| unreachable("SQS", &error))?;
        self.discard(held).await
    }

    async fn discard(&self, held: &Held) -> Outcome<()> {
        let deleted = self
            .queues
            .delete_message()
            .queue_url(&held.queue)
            .receipt_handle(&held.receipt);
        deleted
            .send()
            .await
            .map(drop)
            .map_err(|error| unreachable("SQS", &error))
    }

    async fn failed_executions(&self) -> Outcome<Vec<FailedExecution>> {
        let mut all = Vec::new();
        let there = &self.deployment().variants;
        for variant in variant::ALL.iter().filter(|v| there.contains(&v.name)) {
            for subject in [Subject::Order, Subject::Customer] {
                let Some(machine) = self.machine(variant, subject)? else {
                    continue;
                };
                for status in [
                    ExecutionStatus::Failed,
                    ExecutionStatus::TimedOut,
                    ExecutionStatus::Aborted,
                ] {
                    let mut pages = self
                        .workflows
                        .list_executions()
                        .state_machine_arn(machine)
                        .status_filter(status)
                        .into_paginator()
                        .items()
                        .send();
                    while let Some(found) = pages.next().await {
                        let found = found.map_err(|error| unreachable("Step Functions", &error))?;
                        let described = self
                            .workflows
                            .describe_execution()
                            .execution_arn(found.execution_arn())
                            .send()
                            .await
                            .map_err(|error| unreachable("Step Functions", &error))?;
                        all.push(FailedExecution {
                            arn: found.execution_arn().to_owned(),
                            name: found.name().to_owned(),
                            machine: machine.rsplit(':').next().unwrap_or(machine).to_owned(),
                            variant: variant.name,
                            status: found.status().as_str().to_owned(),
                            error: described.error().map(str::to_owned),
                            started_at: instant(Some(found.start_date())),
                            ended_at: instant(found.stop_date()),
                        });
                    }
                }
            }
        }
        Ok(all)
    }

    async fn redrive(&self, arn: &str) -> Outcome<Redriven> {
        let sent = self
            .workflows
            .redrive_execution()
            .execution_arn(arn)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Redriven::Yes),
            Err(error) => match error.code() {
                Some("InvalidAction" | "UnknownOperationException") => Ok(Redriven::Unsupported),
                Some("ExecutionNotRedrivable" | "ExecutionLimitExceeded") => Ok(Redriven::Refused(
                    error.message().unwrap_or_default().to_owned(),
                )),
                _ => Err(unreachable("Step Functions", &error)),
            },
        }
    }
}

fn of_message(queue: &str, message: &Message) -> Held {
    let sent = message
        .attributes()
        .and_then(|attributes| attributes.get(&MessageSystemAttributeName::SentTimestamp))
        .and_then(|millis| millis.parse().ok())
        .and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let attributes = message.message_attributes().into_iter().flatten();
    Held {
        id: message.message_id().unwrap_or_default().to_owned(),
        queue: queue.to_owned(),
        body: message.body().unwrap_or_default().to_owned(),
        sent_at: sent,
        attributes: attributes
            .filter_map(|(name, value)| Some((name.clone(), value.string_value()?.to_owned())))
            .collect(),
        receipt: message.receipt_handle().unwrap_or_default().to_owned(),
    }
}

fn instant(at: Option<&aws_sdk_sfn::primitives::DateTime>) -> Option<Timestamp> {
    let millis = at?.to_millis().ok()?;
    Timestamp::from_millisecond(millis).ok()
}
