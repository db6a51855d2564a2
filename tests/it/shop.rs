//! A deployed shop as the tests reach it: orders to place, wires to send on,
//! and a listener on its bus.

mod listener;
mod workflow;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sqs::types::QueueAttributeName;
use duet_cli::ops::invariants::Findings;
use duet_cli::ops::view::View;
use duet_cli::ops::{catalog, customer, place};
use duet_cli::shop::message;
use duet_cli::shop::scenario::{self, Plan};
use duet_cli::shop::services::Subject;
use duet_cli::shop::variant::{self, Description, Variant};
use duet_cli::world::World;
use duet_cli::world::aws::{self, Aws};
use duet_core::{CommandMessage, Event};
use duet_order::Command;
use duet_order::command::PlaceOrder;
use serde_json::Value;

use crate::harness::{STACK, fresh, local};

pub(crate) use listener::Listener;

/// How long anything may take, in seconds: far longer than it does, on a machine
/// that stands still for minutes too.
pub(crate) const LIMIT: u64 = 600;

/// Asks until there is an answer, for at most `seconds`.
pub(crate) async fn until<T>(
    what: &str,
    seconds: u64,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            began.elapsed() < Duration::from_secs(seconds),
            "{what}: not within {seconds} s"
        );
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// The variant whose tests are in `orchestration`.
pub(crate) fn standard() -> &'static Variant {
    variant::named("standard").unwrap()
}

/// The variant whose tests are in `choreography`.
pub(crate) fn eventbridge() -> &'static Variant {
    variant::named("eventbridge").unwrap()
}

/// `event` without the mark that it came late: that is told beside a fact which
/// is said again, for by then somebody may have heard that it is overdue, and is
/// no part of what is kept of it.
pub(crate) fn punctual(mut event: Event) -> Event {
    event.metadata.late = false;
    event
}

/// A deployed stack.
pub(crate) struct Shop {
    /// The stack as the command reaches it.
    pub(crate) world: Aws,
    /// Its queues.
    pub(crate) queues: aws_sdk_sqs::Client,
    /// Its bus.
    pub(crate) bus: aws_sdk_eventbridge::Client,
    /// Its functions.
    pub(crate) functions: aws_sdk_lambda::Client,
    /// Its workflows.
    pub(crate) workflows: aws_sdk_sfn::Client,
    outputs: BTreeMap<String, String>,
}

/// An error as a workflow sees it: its name and its text.
pub(crate) type Named = (String, String);

impl Shop {
    /// The whole shop.
    pub(crate) async fn open() -> Self {
        Self::of(STACK).await
    }

    /// The shop in `stack`.
    pub(crate) async fn of(stack: &str) -> Self {
        let config = aws::emulated(&local().endpoint);
        Self {
            world: Aws::open(&config, stack).await.unwrap(),
            queues: aws_sdk_sqs::Client::new(&config),
            bus: aws_sdk_eventbridge::Client::new(&config),
            functions: aws_sdk_lambda::Client::new(&config),
            workflows: aws_sdk_sfn::Client::new(&config),
            outputs: aws::outputs(&config, stack)
                .await
                .unwrap()
                .expect("the stack is deployed"),
        }
    }

    /// What the stack says of itself under `name`.
    pub(crate) fn output(&self, name: &str) -> &str {
        self.outputs
            .get(name)
            .unwrap_or_else(|| panic!("the stack has no output {name}"))
    }

    /// How the stack describes `variant`.
    pub(crate) fn description(&self, variant: &Variant) -> &'static Description {
        self.world.description(variant).unwrap()
    }

    /// The machine that new orders start.
    pub(crate) fn order_machine(&self) -> &'static str {
        let entry = self.description(standard()).entry(Subject::Order);
        entry
            .machine()
            .unwrap_or_else(|| panic!("no machine: {entry:?}"))
    }

    /// The bus.
    pub(crate) fn bus_name(&self) -> &'static str {
        let facts = self.description(eventbridge()).facts().unwrap();
        facts.bus.as_deref().unwrap()
    }

    /// The URL of the queue on which `service` hears facts: it is called as its
    /// dead letters are.
    pub(crate) fn queue_of(&self, service: &str) -> &'static str {
        let end = format!("-{service}-dlq");
        let letters = self.description(eventbridge()).dead_letters();
        let dead = letters.iter().find(|url| url.ends_with(&end)).unwrap();
        dead.strip_suffix("-dlq").unwrap()
    }

    /// The URL of the own queue of `service`, for commands; a listener has none.
    pub(crate) fn commands_of(&self, service: &str) -> Option<&str> {
        let end = format!("-{service}-commands-dlq");
        let mut letters = self.output("DeadLetterQueues").split(',');
        let dead = letters.find(|url| url.ends_with(&end));
        dead.and_then(|dead| dead.strip_suffix("-dlq"))
    }

    /// A service's output: `Task` or `Queue` function.
    pub(crate) fn of_service(&self, service: &str, what: &str) -> &str {
        let (first, rest) = service.split_at(1);
        self.output(&format!("{}{rest}{what}", first.to_uppercase()))
    }

    /// The plan of a scenario under ids of its own, its goods seeded and its
    /// customers registered.
    pub(crate) async fn prepare(
        &self,
        variant: &'static Variant,
        name: &str,
        copies: usize,
    ) -> Plan {
        let plan = scenario::named(name).unwrap().plan(
            &fresh(name),
            copies,
            self.world.deployment().patience_seconds,
        );
        catalog::seed(&self.world, &plan.goods).await.unwrap();
        for registration in &plan.customers {
            customer::register(&self.world, variant, registration, Some(LIMIT))
                .await
                .unwrap();
        }
        plan
    }

    /// The one order of a scenario, ready to be placed.
    pub(crate) async fn order(&self, variant: &'static Variant, name: &str) -> PlaceOrder {
        self.prepare(variant, name, 1)
            .await
            .waves
            .remove(0)
            .remove(0)
    }

    /// Places `order` and waits until nothing about it moves any more.
    pub(crate) async fn placed(&self, variant: &'static Variant, order: &PlaceOrder) -> View {
        place::submit(&self.world, variant, order).await.unwrap();
        self.settled(variant, order.order.as_str()).await
    }

    /// The order `id` once everything it leads to has happened.
    pub(crate) async fn settled(&self, variant: &'static Variant, id: &str) -> View {
        until(&format!("{id} settles"), LIMIT, async || {
            let view = View::load(&self.world, id).await.unwrap();
            if !view.is_settled() {
                return None;
            }
            let execution = self
                .world
                .execution(variant, Subject::Order, id)
                .await
                .unwrap();
            execution
                .is_none_or(|execution| execution.status != "RUNNING")
                .then_some(view)
        })
        .await
    }

    /// Sends `body` to the queue behind `url`.
    pub(crate) async fn send(&self, url: &str, body: impl Into<String>) {
        self.queues
            .send_message()
            .queue_url(url)
            .message_body(body)
            .send()
            .await
            .unwrap();
    }

    /// Puts events on the bus as the services do.
    pub(crate) async fn publish(&self, events: &[Event]) {
        for some in events.chunks(10) {
            let entries = some.iter().map(|event| {
                PutEventsRequestEntry::builder()
                    .event_bus_name(self.bus_name())
                    .source(&event.metadata.source)
                    .detail_type(&event.metadata.kind)
                    .detail(serde_json::to_string(event).unwrap())
                    .build()
            });
            let answer = self
                .bus
                .put_events()
                .set_entries(Some(entries.collect()))
                .send()
                .await
                .unwrap();
            assert_eq!(answer.failed_entry_count(), 0);
        }
    }

    /// Invokes a function as a workflow does.
    pub(crate) async fn invoke(&self, function: &str, message: &Value) -> Result<Value, Named> {
        let call = self.functions.invoke().function_name(function);
        let answer = call
            .payload(message.to_string().into_bytes().into())
            .send()
            .await
            .unwrap();
        let body: Value = serde_json::from_slice(answer.payload().unwrap().as_ref()).unwrap();
        match answer.function_error() {
            None => Ok(body),
            Some(_) => Err((string(&body["errorType"]), string(&body["errorMessage"]))),
        }
    }

    /// Waits until no service's queue has a message to handle or in hand
    /// (timers may lie there for later).
    pub(crate) async fn quiet(&self) {
        let mut looks = 0;
        until("the queues are empty", LIMIT, async || {
            let mut there = 0;
            for service in duet_cli::shop::services::SERVICES {
                let facts = Some(self.queue_of(service));
                for url in facts.into_iter().chain(self.commands_of(service)) {
                    for name in [
                        QueueAttributeName::ApproximateNumberOfMessages,
                        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
                    ] {
                        there += self.count(url, name).await;
                    }
                }
            }
            // An event may be between two queues: twice in a row counts.
            looks = if there == 0 { looks + 1 } else { 0 };
            (looks > 2).then_some(())
        })
        .await;
    }

    /// One of a queue's counts.
    pub(crate) async fn count(&self, url: &str, name: QueueAttributeName) -> u32 {
        let answer = self
            .queues
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(name.clone());
        let answer = answer.send().await.unwrap();
        let counts = answer.attributes().expect("a queue has counts");
        counts[&name].parse().unwrap()
    }

    /// Makes a queue of the test's own; gives its URL and its ARN.
    pub(crate) async fn own_queue(&self, name: &str) -> (String, String) {
        let made = self
            .queues
            .create_queue()
            .queue_name(name)
            .send()
            .await
            .unwrap();
        let url = made.queue_url().unwrap().to_owned();
        let name = QueueAttributeName::QueueArn;
        let answer = self
            .queues
            .get_queue_attributes()
            .queue_url(&url)
            .attribute_names(name.clone());
        let arn = answer.send().await.unwrap().attributes().unwrap()[&name].clone();
        (url, arn)
    }
}

/// A JSON string's text.
pub(crate) fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// `order` as the message that places it under `variant`.
pub(crate) fn place_message(shop: &Shop, variant: &Variant, order: &PlaceOrder) -> CommandMessage {
    let command = Command::from(order.clone());
    message::command(
        &command,
        order.order.as_str(),
        variant.name,
        shop.world.now(),
    )
}

/// No invariant is broken by the order in `view`.
pub(crate) fn holds(id: &str, view: &View) {
    let mut findings = Findings::default();
    findings.order(id, view, true);
    for invariant in findings.invariants() {
        assert!(invariant.holds, "{invariant:?}");
    }
}
