//! The wires on AWS: EventBridge, SQS, and Step Functions' task tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_eventbridge::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sfn::operation::send_task_success::SendTaskSuccessError;
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName};
use duet_core::{CommandMessage, Event, Failure, Reply};

use crate::sdk::told;
use crate::wires::{Carrier, Carriers, QUEUE, REASON, Wires};

/// The configuration of every client. In a function, credentials and region
/// come from the environment and nowhere else, so the provider chain that a
/// tool needs is left out: it costs start-up time and size.
pub(super) fn config(region: &str, endpoint: Option<String>) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(6))
        .build();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(
            EnvironmentVariableCredentialsProvider::new(),
        ))
        .timeout_config(timeouts);
    config.set_endpoint_url(endpoint);
    config.build()
}

/// The clients.
#[derive(Debug, Clone)]
pub(super) struct Aws {
    carriers: Arc<Carriers>,
    bus: aws_sdk_eventbridge::Client,
    queues: aws_sdk_sqs::Client,
    workflows: aws_sdk_sfn::Client,
    /// Queue URLs by ARN: asked for once.
    urls: Arc<Mutex<HashMap<String, String>>>,
    /// The ARNs of queues' dead-letter queues by the queue's: asked for once.
    graves: Arc<Mutex<HashMap<String, String>>>,
}

/// The most characters of a failure's text that travel with a dead letter.
const MAX_REASON: usize = 1_000;

impl Aws {
    /// The clients of a function, and how the facts of each variant travel.
    pub(super) fn new(config: &SdkConfig, carriers: Carriers) -> Self {
        Self {
            carriers: Arc::new(carriers),
            bus: aws_sdk_eventbridge::Client::new(config),
            queues: aws_sdk_sqs::Client::new(config),
            workflows: aws_sdk_sfn::Client::new(config),
            urls: Arc::default(),
            graves: Arc::default(),
        }
    }

    async fn url(&self, queue: &str) -> Result<String, Failure> {
        let known = self
            .urls
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get(queue)
            .cloned();
        if let Some(url) = known {
            return Ok(url);
        }
        let name = queue.rsplit(':').next().unwrap_or(queue);
        let answer = self
            .queues
            .get_queue_url()
            .queue_name(name)
            .send()
            .await
            .map_err(|error| failed("the queue", &error))?;
        let url = answer
            .queue_url
            .ok_or_else(|| Failure::transient("a queue without a URL"))?;
        self.urls
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(queue.to_owned(), url.clone());
        Ok(url)
    }

    /// The URL of the queue that takes the dead letters of `queue`: the one that
    /// SQS itself moves them to.
    async fn dead_letters(&self, queue: &str) -> Result<String, Failure> {
        let known = self.graves().get(queue).cloned();
        if let Some(dead) = known {
            return self.url(&dead).await;
        }
        let answer = self
            .queues
            .get_queue_attributes()
            .queue_url(self.url(queue).await?)
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .send()
            .await
            .map_err(|error| failed("the queue", &error))?;
        let policy = answer
            .attributes
            .as_ref()
            .and_then(|all| all.get(&QueueAttributeName::RedrivePolicy))
            .and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        let dead = policy
            .as_ref()
            .and_then(|policy| policy["deadLetterTargetArn"].as_str())
            .ok_or_else(|| Failure::transient("a queue without a dead-letter queue"))?;
        self.graves().insert(queue.to_owned(), dead.to_owned());
        self.url(dead).await
    }

    fn graves(&self) -> MutexGuard<'_, HashMap<String, String>> {
        let graves = self.graves.lock();
        graves.unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Hides a failed message for `wait`. If that fails, it returns when the
    /// queue's own visibility timeout has passed: later, but it returns.
    pub(super) async fn hide(&self, queue: &str, receipt: &str, wait: Duration) {
        if let Ok(url) = self.url(queue).await {
            let seconds = i32::try_from(wait.as_secs()).unwrap_or(i32::MAX);
            let hidden = self
                .queues
                .change_message_visibility()
                .queue_url(url)
                .receipt_handle(receipt)
                .visibility_timeout(seconds)
                .send()
                .await;
            drop(hidden);
        }
    }
}

impl Wires for Aws {
    fn carrier(&self, variant: &str) -> Option<&Carrier> {
        self.carriers.get(variant)
    }

    async fn publish(&self, carrier: &Carrier, events: &[Event]) -> Result<(), Failure> {
        let Carrier::Eventbridge { bus, .. } = carrier else {
            return Ok(());
        };
        let entry = |event: &Event| {
            let detail = serde_json::to_string(event).map_err(Failure::invalid)?;
            let entry = PutEventsRequestEntry::builder()
                .event_bus_name(bus)
                .source(&event.metadata.source)
                .detail_type(&event.metadata.kind)
                .detail(detail);
            Ok(entry.build())
        };
        let entries: Result<_, Failure> = events.iter().map(entry).collect();
        let answer = self
            .bus
            .put_events()
            .set_entries(Some(entries?))
            .send()
            .await
            .map_err(|error| failed("the bus", &error))?;
        // The call succeeds even when entries fail: every one has its own result.
        let refused = answer.entries().iter().find_map(|entry| entry.error_code());
        match refused {
            None if answer.failed_entry_count() == 0 && answer.entries().len() == events.len() => {
                Ok(())
            }
            code => Err(Failure::transient(format!(
                "the bus refused an entry: {}",
                code.unwrap_or("unknown")
            ))),
        }
    }

    async fn send_later(
        &self,
        queue: &str,
        message: &CommandMessage,
        seconds: u32,
    ) -> Result<(), Failure> {
        let body = serde_json::to_string(message).map_err(Failure::invalid)?;
        let sent = self
            .queues
            .send_message()
            .queue_url(self.url(queue).await?)
            .delay_seconds(i32::try_from(seconds).unwrap_or(i32::MAX))
            .message_body(body)
            .send()
            .await;
        sent.map(drop).map_err(|error| failed("the queue", &error))
    }

    async fn bury(&self, queue: &str, body: &str, why: &str) -> Result<(), Failure> {
        let attribute = |text: &str| {
            let value = MessageAttributeValue::builder().data_type("String");
            value.string_value(text).build().map_err(Failure::invalid)
        };
        // An attribute says something, and nothing that SQS does not take.
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let why: String = why.chars().map(plain).take(MAX_REASON).collect();
        let why = if why.trim().is_empty() {
            "invalid"
        } else {
            &why
        };
        let sent = self
            .queues
            .send_message()
            .queue_url(self.dead_letters(queue).await?)
            .message_body(body)
            .message_attributes(REASON, attribute(why)?)
            .message_attributes(QUEUE, attribute(queue)?)
            .send()
            .await;
        sent.map(drop)
            .map_err(|error| failed("the dead-letter queue", &error))
    }

    async fn answer(&self, reply: &Reply) -> Result<(), Failure> {
        let sent = self
            .workflows
            .send_task_success()
            .task_token(&reply.to)
            .output(reply.value.to_string())
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            // Answered before, or nobody waits any more: done all the same.
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(
                        SendTaskSuccessError::TaskTimedOut(_)
                            | SendTaskSuccessError::TaskDoesNotExist(_)
                    )
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(failed("the workflow", &error)),
        }
    }
}

/// A failed call of `service` as a transient failure.
fn failed<E: ProvideErrorMetadata>(service: &str, error: &SdkError<E>) -> Failure {
    Failure::transient(format!("{service} {}", told(error)))
}
