//! The wires on AWS: EventBridge, SNS, SQS, and Step Functions' task tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sns::types::PublishBatchRequestEntry;
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName};
use duet_core::{CommandMessage, Event, Failure, Reply, Timestamp};

use super::engine::Workflows;
use super::schedules::Scheduler;
use crate::carry::{EVENTBRIDGE, Parcel, SNS, SNS_FIFO, carry};
use crate::intake::Delivery;
use crate::sdk::{self, Deadline};
use crate::wires::{
    Carrier, QUEUE, REASON, Rendering, Renderings, Wires, attributes, burial, deduplication, group,
};

/// The longest wait before what a bus refused is sent again; each further one doubles.
const AGAIN: Duration = Duration::from_millis(50);

/// The URL of a service in a region, if there is one: each client has a
/// resolver of its own, all alike.
macro_rules! host {
    ($service:ident, $region:expr) => {{
        use $service::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
        let params = Params::builder().region($region.to_string()).build();
        match &params {
            Ok(params) => DefaultResolver::new()
                .resolve_endpoint(params)
                .await
                .ok()
                .map(|endpoint| endpoint.url().to_owned()),
            Err(_) => None,
        }
    }};
}

/// The most characters of a failure's text that travel with a dead letter.
const MAX_REASON: usize = 1_000;

/// The clients; clones share them. Each is built when it is first used: few
/// functions use all.
#[derive(Debug, Clone)]
pub(super) struct Aws(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: SdkConfig,
    deadline: Deadline,
    carriers: Arc<Renderings>,
    timers: Option<String>,
    scheduler: Option<Arc<dyn Scheduler>>,
    workflows: Option<Arc<dyn Workflows>>,
    bus: OnceLock<aws_sdk_eventbridge::Client>,
    topics: OnceLock<aws_sdk_sns::Client>,
    queues: OnceLock<aws_sdk_sqs::Client>,
    /// Queue URLs by ARN: asked for once.
    urls: Mutex<HashMap<String, String>>,
    /// By a queue's ARN, that of its dead-letter queue: asked for once.
    graves: Mutex<HashMap<String, String>>,
}

impl Aws {
    /// The wires of a function whose invocations `deadline` bounds.
    pub(super) fn new(
        config: SdkConfig,
        deadline: Deadline,
        carriers: Arc<Renderings>,
        timers: Option<String>,
        scheduler: Option<Arc<dyn Scheduler>>,
        workflows: Option<Arc<dyn Workflows>>,
    ) -> Self {
        Self(Arc::new(Shared {
            config,
            deadline,
            carriers,
            timers,
            scheduler,
            workflows,
            bus: OnceLock::new(),
            topics: OnceLock::new(),
            queues: OnceLock::new(),
            urls: Mutex::default(),
            graves: Mutex::default(),
        }))
    }

    fn bus(&self) -> &aws_sdk_eventbridge::Client {
        self.0.bus.get_or_init(|| {
            let config = aws_sdk_eventbridge::config::Builder::from(&self.0.config);
            let config = config.interceptor(self.0.deadline.clone());
            aws_sdk_eventbridge::Client::from_conf(config.build())
        })
    }

    fn topics(&self) -> &aws_sdk_sns::Client {
        self.0.topics.get_or_init(|| {
            let config = aws_sdk_sns::config::Builder::from(&self.0.config);
            let config = config.interceptor(self.0.deadline.clone());
            aws_sdk_sns::Client::from_conf(config.build())
        })
    }

    fn queues(&self) -> &aws_sdk_sqs::Client {
        self.0.queues.get_or_init(|| {
            let config = aws_sdk_sqs::config::Builder::from(&self.0.config);
            let config = config.interceptor(self.0.deadline.clone());
            aws_sdk_sqs::Client::from_conf(config.build())
        })
    }

    /// The hosts that a queue entry calls for certain, as URLs, and their clients
    /// made ready; none where one endpoint is all of AWS.
    pub(super) async fn hosts(&self) -> Vec<String> {
        let config = &self.0.config;
        let (None, Some(region)) = (config.endpoint_url(), config.region()) else {
            return Vec::new();
        };
        let _ = self.queues();
        let mut hosts = vec![host!(aws_sdk_sqs, region)];
        let carriers = self.0.carriers.values().map(|it| &it.facts);
        let (mut on_bus, mut on_topics) = (false, false);
        for carrier in carriers {
            match carrier {
                Carrier::None {} => {}
                Carrier::Eventbridge { .. } => on_bus = true,
                Carrier::Sns { .. } | Carrier::SnsFifo { .. } => on_topics = true,
            }
        }
        if on_bus {
            let _ = self.bus();
            hosts.push(host!(aws_sdk_eventbridge, region));
        }
        if on_topics {
            let _ = self.topics();
            hosts.push(host!(aws_sdk_sns, region));
        }
        hosts.into_iter().flatten().collect()
    }

    fn urls(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.urls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn url(&self, queue: &str) -> Result<String, Failure> {
        let known = self.urls().get(queue).cloned();
        if let Some(url) = known {
            return Ok(url);
        }
        let name = queue.rsplit(':').next().unwrap_or(queue);
        let answer = self
            .queues()
            .get_queue_url()
            .queue_name(name)
            .send()
            .await
            .map_err(|error| sdk::failure("the queue", &error))?;
        let url = answer
            .queue_url
            .ok_or_else(|| Failure::transient("a queue without a URL"))?;
        self.urls().insert(queue.to_owned(), url.clone());
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
            .queues()
            .get_queue_attributes()
            .queue_url(self.url(queue).await?)
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .send()
            .await
            .map_err(|error| sdk::failure("the queue", &error))?;
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
        let graves = self.0.graves.lock();
        graves.unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `entries` on a bus, in one call: the result of each.
    async fn put(
        &self,
        entries: Vec<PutEventsRequestEntry>,
    ) -> Result<Vec<Result<(), Failure>>, Failure> {
        let sent = self.bus().put_events().set_entries(Some(entries)).send();
        let answer = sent
            .await
            .map_err(|error| sdk::failure("the bus", &error))?;
        // The call succeeds even when entries fail: every one has its own result.
        let results = answer
            .entries()
            .iter()
            .map(|entry| match entry.error_code() {
                None => Ok(()),
                Some(code) => Err(sdk::judged(
                    code,
                    format!("the bus refused an entry: {code}"),
                )),
            });
        Ok(results.collect())
    }

    /// Publishes `entries` to the topic `arn`, in one call: the result of each.
    async fn publish_batch(
        &self,
        arn: &str,
        entries: Vec<Message>,
    ) -> Result<Vec<Result<(), Failure>>, Failure> {
        // An entry is known by its place in the call.
        let count = entries.len();
        let entries = entries.into_iter().enumerate().map(|(place, entry)| {
            let attributes = entry.attributes.into_iter();
            attributes
                .fold(
                    PublishBatchRequestEntry::builder().id(place.to_string()),
                    |entry, (name, value)| entry.message_attributes(name, value),
                )
                .set_message_group_id(entry.group)
                .set_message_deduplication_id(entry.deduplication)
                .message(entry.body)
                .build()
                .map_err(Failure::invalid)
        });
        let entries: Vec<_> = entries.collect::<Result<_, _>>()?;
        let answer = self
            .topics()
            .publish_batch()
            .topic_arn(arn)
            .set_publish_batch_request_entries(Some(entries))
            .send()
            .await
            .map_err(|error| sdk::failure("the topic", &error))?;
        // Whom the answer does not name was not taken.
        let missing = || Err(Failure::transient("the topic gave no result for an entry"));
        let mut results: Vec<_> = (0..count).map(|_| missing()).collect();
        let place = |id: Option<&str>| id.and_then(|id| id.parse::<usize>().ok());
        for taken in answer.successful() {
            if let Some(result) = place(taken.id()).and_then(|at| results.get_mut(at)) {
                *result = Ok(());
            }
        }
        for refused in answer.failed() {
            if let Some(result) = place(Some(refused.id())).and_then(|at| results.get_mut(at)) {
                let code = refused.code();
                *result = Err(sdk::judged(
                    code,
                    format!("the topic refused an entry: {code}"),
                ));
            }
        }
        Ok(results)
    }

    /// Hides a failed message for `wait`. If that fails, it returns when the
    /// queue's own visibility timeout has passed: later, but it returns.
    pub(super) async fn hide(&self, queue: &str, receipt: &str, wait: Duration) {
        if let Ok(url) = self.url(queue).await {
            let seconds = i32::try_from(wait.as_secs()).unwrap_or(i32::MAX);
            let hidden = self
                .queues()
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

/// A message for a topic.
#[derive(Clone)]
struct Message {
    body: String,
    attributes: Vec<(&'static str, aws_sdk_sns::types::MessageAttributeValue)>,
    /// Of a FIFO topic alone.
    group: Option<String>,
    deduplication: Option<String>,
}

impl Message {
    fn of(event: &Event, in_order: bool) -> Result<Parcel<Self>, Failure> {
        const TYPE: &str = "String";
        let body = serde_json::to_string(event).map_err(Failure::invalid)?;
        let mut bytes = body.len();
        let mut all = Vec::new();
        for (name, value) in attributes(event) {
            bytes += name.len() + value.len() + TYPE.len();
            let attribute = aws_sdk_sns::types::MessageAttributeValue::builder();
            let attribute = attribute.data_type(TYPE).string_value(value).build();
            all.push((name, attribute.map_err(Failure::invalid)?));
        }
        let entry = Self {
            body,
            attributes: all,
            group: in_order.then(|| group(event).to_owned()),
            deduplication: in_order.then(|| deduplication(&event.metadata.id)),
        };
        Ok(Parcel { entry, bytes })
    }
}

impl Wires for Aws {
    fn rendering(&self, variant: &str) -> Option<&Rendering> {
        self.0.carriers.get(variant)
    }

    fn timers(&self) -> Option<&str> {
        self.0.timers.as_deref()
    }

    async fn publish(&self, carrier: &Carrier, events: &[Event]) -> Result<(), Failure> {
        match carrier {
            Carrier::None {} => Ok(()),
            Carrier::Eventbridge { bus } => {
                let parcel = |event: &Event| {
                    let detail = serde_json::to_string(event).map_err(Failure::invalid)?;
                    let (source, kind) = (&event.metadata.source, &event.metadata.kind);
                    let bytes = source.len() + kind.len() + detail.len();
                    let entry = PutEventsRequestEntry::builder()
                        .event_bus_name(bus)
                        .source(source)
                        .detail_type(kind)
                        .detail(detail)
                        .build();
                    Ok(Parcel { entry, bytes })
                };
                let parcels: Result<_, Failure> = events.iter().map(parcel).collect();
                carry(
                    EVENTBRIDGE,
                    parcels?,
                    |entries| self.put(entries),
                    |round| self.0.deadline.pause(AGAIN * (1 << round)),
                )
                .await
            }
            Carrier::Sns { .. } | Carrier::SnsFifo { .. } => {
                // A service says everything in its own name.
                let said_by = events.first().map(|first| &*first.metadata.source);
                let Some(arn) = said_by.and_then(|source| carrier.topic(source)) else {
                    return Ok(());
                };
                let limits = match carrier {
                    Carrier::SnsFifo { .. } => SNS_FIFO,
                    _ => SNS,
                };
                let parcel = |event| Message::of(event, limits.in_order);
                let parcels: Result<_, Failure> = events.iter().map(parcel).collect();
                carry(
                    limits,
                    parcels?,
                    |entries| self.publish_batch(&arn, entries),
                    |round| self.0.deadline.pause(AGAIN * (1 << round)),
                )
                .await
            }
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
            .queues()
            .send_message()
            .queue_url(self.url(queue).await?)
            .delay_seconds(i32::try_from(seconds).unwrap_or(i32::MAX))
            .message_body(body)
            .send()
            .await;
        sent.map(drop)
            .map_err(|error| sdk::failure("the queue", &error))
    }

    fn has_scheduler(&self) -> bool {
        self.0.scheduler.is_some()
    }

    async fn schedule(
        &self,
        name: &str,
        queue: &str,
        message: &CommandMessage,
        due: Timestamp,
    ) -> Result<(), Failure> {
        let body = serde_json::to_string(message).map_err(Failure::invalid)?;
        match &self.0.scheduler {
            Some(scheduler) => scheduler.create(name, queue, body, due).await,
            None => Err(Failure::misconfigured("there is no scheduler")),
        }
    }

    async fn call_off(&self, name: &str) -> Result<(), Failure> {
        match &self.0.scheduler {
            Some(scheduler) => scheduler.delete(name).await,
            None => Ok(()),
        }
    }

    async fn bury(&self, delivery: &Delivery, why: &str) -> Result<(), Failure> {
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
        let in_order = delivery.is_in_order();
        let sent = self
            .queues()
            .send_message()
            .queue_url(self.dead_letters(&delivery.source).await?)
            .message_body(&*delivery.text)
            .set_message_group_id(in_order.then(|| delivery.group.clone()).flatten())
            .set_message_deduplication_id(in_order.then(|| burial(delivery)))
            .message_attributes(REASON, attribute(why)?)
            .message_attributes(QUEUE, attribute(&delivery.source)?)
            .send()
            .await;
        sent.map(drop)
            .map_err(|error| sdk::failure("the dead-letter queue", &error))
    }

    async fn answer(&self, reply: &Reply) -> Result<(), Failure> {
        match &self.0.workflows {
            Some(workflows) => workflows.answer(reply).await,
            None => Err(Failure::misconfigured("there is no workflow to answer")),
        }
    }
}
