//! The services' ports: in-memory adapters behind which the world may go wrong.
//!
//! Every call takes time, so that two runs can meet between a load and a
//! commit. What the adapters do in themselves is not decided here: tables are
//! [`Memory`](duet_core::store::Memory), the provider and the carrier are the
//! services' own simulations.

mod table;
mod third_party;

use std::sync::Arc;

use duet_core::sweep::Execution;
use duet_core::{CommandMessage, Event, Failure, Reply, Timestamp};
use duet_edge::carry::{EVENTBRIDGE, Limits, Parcel, SNS, SNS_FIFO, carry};
use duet_edge::door::Door;
use duet_edge::intake::Delivery;
use duet_edge::log::{Log, Step};
use duet_edge::sweep::Engine;
use duet_edge::timers::Schedules;
use duet_edge::wires::{Carrier, Rendering, Renderings, Wires, burial, deduplication, group};
use duet_notification::ports::{Notice, Publisher};
use serde_json::value::to_raw_value;

use crate::fault::Fault;
use crate::fifo::Place;
use crate::host::{Entry, Host, InOrder, Out, timestamp};
use crate::latency::AGAIN;
use crate::plant::Plant;
use crate::profile::{Hop, WaitsFor};
use crate::random::{digest, mix};

pub use table::Table;
pub(crate) use table::TablePort;
pub(crate) use third_party::{CarrierPort, ProviderPort};

/// The workflow engine, as a sweep asks it.
#[derive(Debug, Clone)]
pub(crate) struct EnginePort(pub(crate) Host);

impl Engine for EnginePort {
    async fn running(&self, machine: &str) -> Result<Vec<String>, Failure> {
        self.0.call(Hop::CallEngine).await;
        let of = execution_arn(machine, "");
        let inner = self.0.lock();
        let running = inner.executions.iter().filter(|(_, ended)| ended.is_none());
        let names = running.filter_map(|(arn, _)| arn.strip_prefix(&of));
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        // In an order that every run of the world has.
        names.sort_unstable();
        Ok(names)
    }

    async fn execution(&self, machine: &str, name: &str) -> Result<Option<Execution>, Failure> {
        self.0.call(Hop::CallEngine).await;
        let arn = execution_arn(machine, name);
        let inner = self.0.lock();
        let found = inner.executions.get(arn.as_str());
        Ok(found.map(|ended| Execution {
            name: name.to_owned(),
            ended: ended.map(timestamp),
        }))
    }
}

fn execution_arn(machine: &str, name: &str) -> String {
    let machine = machine.replacen(":stateMachine:", ":execution:", 1);
    format!("{machine}:{name}")
}

/// The topic that notices go to.
#[derive(Debug, Clone)]
pub(crate) struct TopicPort(pub(crate) Host);

impl Publisher for TopicPort {
    async fn publish(&self, _: &Notice) -> Result<(), Failure> {
        self.0.call(Hop::CallTopic).await;
        let mut inner = self.0.lock();
        if inner.strikes(Fault::TopicFault) {
            return Err(Failure::transient("the topic did not answer"));
        }
        inner.meter().notices += 1;
        inner.notices += 1;
        Ok(())
    }
}

/// The wires of a function.
#[derive(Debug, Clone)]
pub(crate) struct WiresPort {
    pub(crate) host: Host,
    pub(crate) carriers: Arc<Renderings>,
    pub(crate) timers: Option<Arc<str>>,
    /// Where its schedules are kept, if it makes any.
    pub(crate) schedules: Option<Arc<Schedules>>,
}

impl WiresPort {
    fn parcel(&self, event: &Event) -> Result<Parcel<Entry>, Failure> {
        let metadata = &event.metadata;
        let mut inner = self.host.lock();
        let said = match &inner.writer {
            None => to_raw_value(event),
            Some(writer) => to_raw_value(&writer.write(event)),
        };
        let entry = Entry {
            detail: said.map_err(Failure::invalid)?,
            detail_type: metadata.kind.clone(),
            ident: mix(digest(&metadata.id), inner.frame.ident),
            owner: inner.meters.owner(&metadata.subject, &metadata.variant),
            source: metadata.source.clone(),
            in_order: None,
        };
        let bytes = entry.source.len() + entry.detail_type.len() + entry.detail.get().len();
        Ok(Parcel { entry, bytes })
    }

    /// What a FIFO topic is told of `event` besides.
    fn in_order(&self, event: &Event) -> InOrder {
        let id = &event.metadata.id;
        let group = match self.host.has(Plant::ConstantGroup) {
            true => "facts",
            false => group(event),
        };
        let deduplication = match self.host.has(Plant::NoDeduplicationId) {
            true => format!("{id}/{}", self.host.lock().frame.calls),
            false => deduplication(id),
        };
        InOrder {
            fact: id.as_str().into(),
            group: group.into(),
            deduplication: deduplication.into(),
        }
    }

    /// PutEvents or PublishBatch, which takes the time of `call`: each entry has a
    /// result of its own, and those that are taken go their way, as `out` says.
    async fn put(
        &self,
        call: Hop,
        entries: Vec<Entry>,
        out: impl Fn(Vec<Entry>) -> Out,
    ) -> Result<Vec<Result<(), Failure>>, Failure> {
        self.host.call(call).await;
        let mut results = Vec::with_capacity(entries.len());
        let ignores = self.host.has(Plant::IgnoredEntries);
        let dies = {
            let mut inner = self.host.lock();
            let mut taken = Vec::with_capacity(entries.len());
            for entry in entries {
                let refused = inner.strikes(Fault::PutEvents);
                results.push(match refused && !ignores {
                    true => Err(Failure::transient(
                        "an entry was refused: ThrottlingException",
                    )),
                    false => Ok(()),
                });
                if !refused {
                    taken.push(entry);
                }
            }
            inner.out.push(out(taken));
            inner.strikes(Fault::CrashAfterCommit)
        };
        if dies {
            self.host.die().await;
        }
        Ok(results)
    }

    /// Hands `events` to a carrier that takes at most `limits` by `call`.
    async fn publish_by(
        &self,
        limits: Limits,
        call: Hop,
        events: &[Event],
        out: impl Fn(Vec<Entry>) -> Out + Send + Sync,
    ) -> Result<(), Failure> {
        let parcel = |event: &Event| {
            let mut parcel = self.parcel(event)?;
            parcel.entry.in_order = limits.in_order.then(|| self.in_order(event));
            Ok(parcel)
        };
        let parcels: Result<Vec<_>, Failure> = events.iter().map(parcel).collect();
        let put = |entries| self.put(call, entries, &out);
        carry(limits, parcels?, put, |_| self.pause()).await
    }

    /// Waits before what was refused is sent again.
    async fn pause(&self) -> bool {
        self.host.lingers(WaitsFor::Other, AGAIN).await;
        true
    }
}

impl Wires for WiresPort {
    fn rendering(&self, variant: &str) -> Option<&Rendering> {
        self.carriers.get(variant)
    }

    fn timers(&self) -> Option<&str> {
        self.timers.as_deref()
    }

    async fn publish(&self, carrier: &Carrier, events: &[Event]) -> Result<(), Failure> {
        match carrier {
            Carrier::None {} => Ok(()),
            Carrier::Eventbridge { bus } => {
                let out = |entries| Out::Publish {
                    bus: bus.clone(),
                    entries,
                };
                self.publish_by(EVENTBRIDGE, Hop::CallBus, events, out)
                    .await
            }
            Carrier::Sns { .. } | Carrier::SnsFifo { .. } => {
                // A service says everything in its own name.
                let said_by = events.first().map(|first| &*first.metadata.source);
                let Some(topic) = said_by.and_then(|source| carrier.topic(source)) else {
                    return Ok(());
                };
                let limits = match carrier {
                    Carrier::SnsFifo { .. } => SNS_FIFO,
                    _ => SNS,
                };
                let out = |entries| Out::Notify {
                    topic: topic.clone(),
                    entries,
                };
                self.publish_by(limits, Hop::CallTopic, events, out).await
            }
        }
    }

    async fn send_later(
        &self,
        queue: &str,
        message: &CommandMessage,
        seconds: u32,
    ) -> Result<(), Failure> {
        self.host.call(Hop::CallQueue).await;
        if self.host.has(Plant::NoTimers) {
            return Ok(());
        }
        let body = serde_json::to_string(message).map_err(Failure::invalid)?;
        let mut inner = self.host.lock();
        if inner.no_queues.contains(queue) {
            return Err(Failure::transient(format!(
                "AWS.SimpleQueueService.NonExistentQueue: {queue}"
            )));
        }
        let metadata = &message.metadata;
        let owner = inner.meters.owner(&metadata.subject, &metadata.variant);
        let ident = mix(digest(&metadata.id), inner.frame.ident);
        inner.out.push(Out::Send {
            queue: queue.to_owned(),
            body,
            seconds,
            ident,
            owner,
        });
        Ok(())
    }

    fn has_scheduler(&self) -> bool {
        self.schedules.is_some()
    }

    async fn schedule(
        &self,
        name: &str,
        queue: &str,
        message: &CommandMessage,
        due: Timestamp,
    ) -> Result<(), Failure> {
        match &self.schedules {
            _ if self.host.has(Plant::NoTimers) => Ok(()),
            Some(kept) => self.create_schedule(kept, name, queue, message, due).await,
            None => Err(Failure::misconfigured("there is no scheduler")),
        }
    }

    async fn call_off(&self, name: &str) -> Result<(), Failure> {
        match &self.schedules {
            Some(kept) => self.delete_schedule(kept, name).await,
            None => Ok(()),
        }
    }

    async fn bury(&self, delivery: &Delivery, why: &str) -> Result<(), Failure> {
        self.host.call(Hop::CallQueue).await;
        let mut inner = self.host.lock();
        let (frame, out) = (inner.frame.clone(), &mut inner.out);
        let place = delivery.group.as_ref().map(|group| Place {
            group: group.as_str().into(),
            // Of each death one letter.
            deduplication: burial(delivery).into(),
            number: None,
        });
        out.push(Out::Bury {
            queue: delivery.source.clone(),
            body: delivery.text.to_string(),
            why: why.to_owned(),
            place: place.filter(|_| delivery.is_in_order()),
            ident: mix(frame.ident, 0xdead),
            owner: frame.owner,
            step: frame.step,
        });
        Ok(())
    }

    async fn answer(&self, reply: &Reply) -> Result<(), Failure> {
        self.host.call(Hop::CallEngine).await;
        let mut inner = self.host.lock();
        match Door::of(reply) {
            Door::Machine(start) => {
                let forgets = match inner.plant {
                    Some(Plant::HalfNotFollowed) => start.input["half"] == "after",
                    Some(Plant::VerdictNotStarted) => start.input["half"] == "review",
                    _ => false,
                };
                if !forgets {
                    inner.out.push(Out::Start(start));
                }
            }
            Door::Token(token) if !inner.strikes(Fault::LostCallback) => {
                inner.out.push(Out::Answer {
                    token: token.to_owned(),
                    value: reply.value.clone(),
                });
            }
            Door::Token(_) => {}
        }
        Ok(())
    }
}

/// Where a function's log lines go: kept if somebody asked for them.
#[derive(Debug, Clone)]
pub(crate) struct LogPort {
    pub(crate) host: Host,
    pub(crate) namespace: Arc<str>,
    pub(crate) deployed: Arc<Renderings>,
}

impl Log for LogPort {
    fn step<'a>(&self, step: impl FnOnce() -> Step<'a>) {
        let mut inner = self.host.lock();
        if inner.lines.is_none() {
            return;
        }
        let line = step().line(&self.namespace, &self.deployed);
        let meter = inner.meter();
        meter.log_lines += 1;
        meter.log_bytes += line.len() as u64;
        inner.lines.get_or_insert_default().push(line);
    }
}
