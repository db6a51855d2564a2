//! The bus, seen live: a tap is a temporary rule and queue, tagged, removed at
//! the end, and swept by the next run should that be cut off.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aws_sdk_eventbridge::types::{PutEventsRequestEntry, Tag, Target};
use aws_sdk_sqs::types::QueueAttributeName;
use clap::Subcommand;
use duet_core::Timestamp;
use duet_pattern::Pattern;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::exit::{Exit, Outcome, Problem};
use crate::input;
use crate::operator::seconds;
use crate::report::{Format, Report, line, print};
use crate::world::World;
use crate::world::aws::{Aws, unreachable};

/// `duet events`.
#[derive(Debug, Subcommand)]
pub enum Events {
    /// Print the events on the shop's bus as they come: one line each, or with --output json whole.
    #[command(
        after_help = "Example: duet events tail --within 30s --pattern '{\"detail-type\":[\"OrderRejected\"]}'"
    )]
    Tail {
        /// Only events that match: JSON, or @FILE [default: all].
        #[arg(long, value_name = "JSON|@FILE")]
        pattern: Option<String>,
        /// Stop after this time, at most 1h.
        #[arg(long, default_value = "10m", value_name = "TIME", value_parser = seconds)]
        within: i64,
    },
    /// Put one event on the shop's bus. Consumers act on it.
    #[command(
        after_help = "Example: echo '{\"source\":\"duet.test\",\"detail-type\":\"Ping\",\"detail\":{}}' | duet events send -"
    )]
    Send {
        /// The event: source, detail-type and detail; `-` is standard input.
        #[arg(value_name = "EVENT")]
        event: PathBuf,
    },
    /// Wait for an event: exit 0 only if it came. Start it before what causes the event.
    #[command(
        after_help = "Example: duet events expect --pattern '{\"source\":[\"duet.order\"]}' --within 10s"
    )]
    Expect {
        /// What it must match: JSON, or @FILE.
        #[arg(long, value_name = "JSON|@FILE")]
        pattern: String,
        /// How long to wait, at most 1h.
        #[arg(long, default_value = "10s", value_name = "TIME", value_parser = seconds)]
        within: i64,
    },
}

/// Every event, as a pattern.
const ALL: &str = r#"{"source":[{"prefix":""}]}"#;

/// The longest a tap is open, in seconds.
const LONGEST: i64 = 3600;

/// Does what was asked.
///
/// # Errors
/// [`Problem`] when there is no bus on this stack, or the target does not answer.
pub async fn run(world: &Aws, command: &Events, format: Format) -> Outcome<Exit> {
    match command {
        Events::Send { event } => print(&send(world, event).await?, format),
        Events::Tail { pattern, within } => {
            let pattern = pattern.as_deref().unwrap_or(ALL);
            listen(world, pattern, *within, false, format).await
        }
        Events::Expect { pattern, within } => listen(world, pattern, *within, true, format).await,
    }
}

/// An event as people write it.
#[derive(Debug, Deserialize)]
struct Entry {
    source: String,
    #[serde(rename = "detail-type")]
    kind: String,
    detail: Value,
}

/// An event was put on the bus.
#[derive(Debug, Serialize)]
pub struct Sent {
    /// The bus's id for it.
    pub id: String,
}

async fn send(world: &Aws, file: &std::path::Path) -> Outcome<Sent> {
    let origin = file.display().to_string();
    let text = input::read(file)?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|e| Problem::usage(format!("{origin} is no JSON: {e}")))?;
    let Entry {
        source,
        kind,
        detail,
    } = input::typed(value, &origin)?;
    let entry = PutEventsRequestEntry::builder()
        .event_bus_name(bus(world)?)
        .source(source)
        .detail_type(kind)
        .detail(detail.to_string())
        .build();
    let answer = world
        .buses
        .put_events()
        .entries(entry)
        .send()
        .await
        .map_err(|error| unreachable("EventBridge", &error))?;
    let entry = answer.entries().first();
    // The call succeeds even when the entry does not.
    match entry.and_then(|entry| entry.event_id()) {
        Some(id) if answer.failed_entry_count() == 0 => Ok(Sent { id: id.to_owned() }),
        _ => Err(Problem::failed(format!(
            "the bus refused the event: {}",
            entry
                .and_then(|entry| entry.error_message())
                .unwrap_or("no reason given")
        ))),
    }
}

fn bus(world: &Aws) -> Outcome<&str> {
    world.output("Bus").map_err(|problem| {
        problem.hint("this stack has no choreography: deploy with WithChoreography=true")
    })
}

/// The beginning of every tap's name on this bus.
pub(crate) fn taps(bus: &str) -> String {
    format!("{}-tap-", bus.strip_suffix("-bus").unwrap_or(bus))
}

/// A tap: the rule, the queue, and their common name.
struct Tap {
    name: String,
    queue: String,
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
            .tags("duet:tap", until.to_string())
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
            .key("duet:tap")
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
            if until.is_some_and(|until| until < world.now().as_second()) {
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

/// Listens for `within` seconds or until it is interrupted; with `first`, until
/// the first event.
async fn listen(
    world: &Aws,
    pattern: &str,
    within: i64,
    first: bool,
    format: Format,
) -> Outcome<Exit> {
    if within > LONGEST {
        return Err(Problem::usage("--within is at most 1h"));
    }
    let pattern = match pattern.strip_prefix('@') {
        Some(file) => input::read(std::path::Path::new(file))?,
        None => pattern.to_owned(),
    };
    Pattern::parse(&pattern).map_err(|e| Problem::usage(format!("--pattern: {e}")))?;
    Tap::sweep(world).await?;
    // A little longer than it is meant to be open, so that nobody sweeps it early.
    let until = world.now() + jiff::SignedDuration::from_secs(within + 60);
    let tap = Tap::open(world, &pattern, until).await?;
    eprintln!("listening for {within} s");
    let heard = tokio::select! {
        heard = hear(world, &tap, within, first, format) => heard,
        _ = tokio::signal::ctrl_c() => Ok(false),
    };
    tap.close(world).await;
    match (heard?, first) {
        (false, true) => Err(Problem::failed(format!(
            "no such event came within {within} s"
        ))),
        _ => Ok(Exit::Done),
    }
}

/// Prints what comes; whether anything did.
async fn hear(world: &Aws, tap: &Tap, within: i64, first: bool, format: Format) -> Outcome<bool> {
    let began = Instant::now();
    let limit = Duration::from_secs(within.unsigned_abs());
    let mut heard = false;
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
            line(&match format {
                Format::Json => event.to_string(),
                Format::Text => summary(&event),
            })?;
            heard = true;
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
    Ok(heard)
}

/// An event in one line, without its data.
fn summary(event: &Value) -> String {
    let word = |path: &str| {
        event
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or("-")
            .to_owned()
    };
    format!(
        "{}  {}  {}  {}",
        word("/time"),
        word("/source"),
        word("/detail-type"),
        word("/detail/metadata/subject")
    )
}

impl Report for Sent {
    fn text(&self) -> String {
        format!("sent {}", self.id)
    }
}
