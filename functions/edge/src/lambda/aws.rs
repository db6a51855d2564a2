//! The wires on AWS: EventBridge, SQS, and Step Functions' task tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName};
use duet_core::{CommandMessage, Event, Failure, Reply, Timestamp};

use super::engine::Workflows;
use super::schedules::Scheduler;
use crate::carry::{EVENTBRIDGE, Parcel, carry};
use crate::sdk::{self, Deadline};
use crate::wires::{Carrier, QUEUE, REASON, Rendering, Renderings, Wires};

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
        let on_bus = |rendering: &Rendering| match rendering.facts {
            Carrier::None {} => false,
            Carrier::Eventbridge { .. } => true,
        };
        if self.0.carriers.values().any(on_bus) {
            let _ = self.bus();
            hosts.push(host!(aws_sdk_eventbridge, region));
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
            .queues()
            .send_message()
            .queue_url(self.dead_letters(queue).await?)
            .message_body(body)
            .message_attributes(REASON, attribute(why)?)
            .message_attributes(QUEUE, attribute(queue)?)
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
