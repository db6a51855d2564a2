//! The services' ports: in-memory adapters behind which the world may go wrong.
//!
//! Every call takes time, so that two runs can meet between a load and a
//! commit. What the adapters do in themselves is not decided here: tables are
//! [`Memory`], the provider and the carrier are the services' own simulations.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use duet_core::desk::is_record;
use duet_core::order::Address;
use duet_core::store::{
    Body, Browse, CommitError, Expect, Item, Key, Listing, Memory, Page, Pages, Store, StoreFault,
    Write,
};
use duet_core::sweep::Execution;
use duet_core::{CommandMessage, Event, Failure, Money, Reply, Timestamp};
use duet_delivery::ports as delivery;
use duet_edge::carry::{EVENTBRIDGE, Parcel, carry};
use duet_edge::log::{Log, Step};
use duet_edge::sweep::Engine;
use duet_edge::timers::Schedules;
use duet_edge::wires::{Carrier, Carriers, Wires};
use duet_notification::ports::{Notice, Publisher};
use duet_payment::ports as payment;
use serde_json::Value;

use crate::definitions::Index;
use crate::fault::Fault;
use crate::host::{Entry, Host, Out, timestamp};
use crate::indexes::Indexes;
use crate::latency::{AGAIN, CALL, SLUGGISH, STORE, TEAR, THIRD_PARTY};
use crate::meter::{read_units, scan_units, too_large, write_units};
use crate::plant::Plant;
use crate::random::{digest, mix};

/// How long a read may lag behind a write, in milliseconds.
const LAG: i64 = 1_000;

/// How a call failed that the store did not answer.
const SILENCE: &str = "the table did not answer";

/// A document as it was, and when that ended.
type Past = (i64, Key, Option<Item>);

/// A table, as the world outside the services sees it: no call takes time.
#[derive(Debug, Clone, Default)]
pub struct Table {
    memory: Memory,
    /// What recent writes replaced; kept only where reads may lag.
    past: Option<Arc<Mutex<VecDeque<Past>>>>,
    indexes: Indexes,
}

impl Table {
    /// An empty table; its reads may lag if it `lags`.
    pub(crate) fn new<'a>(lags: bool, indexes: impl Iterator<Item = &'a Index>) -> Self {
        Self {
            memory: Memory::default(),
            past: lags.then(Arc::default),
            indexes: Indexes::new(indexes),
        }
    }

    #[cfg(test)]
    pub(crate) fn indexes(&self) -> &Indexes {
        &self.indexes
    }

    /// Whether one of its indexes lists anything.
    pub(crate) fn lists_anything(&self) -> bool {
        !self.indexes.are_empty()
    }

    async fn remember(&self, now: i64, writes: &[Write]) {
        let Some(past) = &self.past else { return };
        let keys: Vec<Key> = writes.iter().map(|write| write.key().clone()).collect();
        let items = self.memory.load(&keys).await.unwrap_or_default();
        let mut past = past.lock().unwrap_or_else(PoisonError::into_inner);
        past.extend(
            keys.into_iter()
                .zip(items)
                .map(|(key, item)| (now, key, item)),
        );
        while past.front().is_some_and(|(at, ..)| *at < now - LAG) {
            past.pop_front();
        }
    }

    /// What `key` was before its last update, if that was just now. The first
    /// write of a document is not hidden, but for records: those are looked for
    /// and missed by every first delivery.
    fn was(&self, now: i64, key: &Key) -> Option<Option<Item>> {
        let past = self
            .past
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (_, _, was) = past
            .iter()
            .rev()
            .find(|(at, of, _)| of == key && *at >= now - LAG)?;
        (was.is_some() || is_record(key)).then(|| was.clone())
    }
}

impl Store for Table {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreFault> {
        self.memory.load(keys).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let changes = self.indexes.changes(&writes);
        self.memory.commit(writes).await?;
        self.indexes.apply(changes);
        Ok(())
    }
}

impl Browse for Table {
    async fn partition(&self, pk: &str) -> Result<Vec<Item>, StoreFault> {
        self.memory.partition(pk).await
    }

    async fn everything(&self) -> Result<Vec<Item>, StoreFault> {
        self.memory.everything().await
    }
}

/// A table, as a service sees it.
#[derive(Debug, Clone)]
pub(crate) struct TablePort {
    pub(crate) host: Host,
    pub(crate) table: Table,
    /// Whether it is a third party's: then its use is not the shop's.
    pub(crate) ledger: bool,
}

impl Store for TablePort {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreFault> {
        self.host.call(STORE).await;
        let (fails, hangs, lags, tears) = {
            let mut inner = self.host.lock();
            (
                inner.strikes(Fault::StoreFault),
                inner.strikes(Fault::Timeout),
                // What is read alone is read as it is.
                !self.ledger && keys.len() > 1 && inner.strikes(Fault::StaleRead),
                !self.ledger && keys.len() > 1 && inner.strikes(Fault::TornRead),
            )
        };
        if hangs {
            self.host.hang().await;
        }
        if fails {
            return Err(StoreFault::transient(SILENCE));
        }
        let altered = self.altered(keys);
        let mut items = self.table.load(altered.as_deref().unwrap_or(keys)).await?;
        if tears {
            // BatchGetItem reads each item for itself (API_BatchGetItem): what
            // is written meanwhile shows in those that are read last.
            self.host.call(TEAR).await;
            let later = self.table.load(keys).await?;
            for ((key, item), later) in keys.iter().zip(&mut items).zip(later) {
                if !is_record(key) {
                    *item = later;
                }
            }
        }
        if !self.ledger && self.host.has(Plant::NoDeduplication) {
            items
                .iter_mut()
                .zip(keys)
                .filter(|(_, key)| is_record(key))
                .for_each(|(item, _)| *item = None);
        }
        if self.host.has(Plant::LockEndsWithRun) {
            self.forget_locks(&mut items);
        }
        let mut inner = self.host.lock();
        if lags {
            let now = inner.now;
            for (key, item) in keys.iter().zip(&mut items) {
                if let Some(was) = self.table.was(now, key) {
                    *item = was;
                }
            }
        }
        if !self.ledger {
            inner.meter().read_units += read_units(&items);
        }
        Ok(items)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        self.host.call(STORE).await;
        let (fails, collides, hangs, dies) = {
            let mut inner = self.host.lock();
            (
                inner.strikes(Fault::StoreFault),
                inner.strikes(Fault::StoreConflict),
                inner.strikes(Fault::Timeout),
                inner.strikes(Fault::CrashBeforeCommit),
            )
        };
        if dies {
            self.host.die().await;
        }
        if hangs {
            self.host.hang().await;
        }
        if fails {
            return Err(StoreFault::transient(SILENCE).into());
        }
        if collides {
            return Err(CommitError::Conflict);
        }
        if writes.iter().any(too_large) {
            let refusal = Failure::invalid("the table answered ValidationException");
            return Err(StoreFault(refusal).into());
        }
        let units = match self.ledger {
            true => 0,
            false => write_units(&writes) + self.table.indexes.write_units(&writes),
        };
        let now = self.host.lock().now;
        self.table.remember(now, &writes).await;
        let plant = self.host.lock().plant.filter(|_| !self.ledger);
        match plant {
            None => self.table.commit(writes).await?,
            Some(plant) => self.commit_badly(plant, writes).await?,
        }
        let dies = {
            let mut inner = self.host.lock();
            inner.meter().write_units += units;
            inner.strikes(Fault::CrashAfterCommit)
        };
        if dies {
            self.host.die().await;
        }
        Ok(())
    }
}

/// `key` of a record, made different for each delivery.
fn per_delivery(key: Key, delivery: u64) -> Key {
    match is_record(&key) {
        true => Key::new(key.pk, format!("{}#{delivery:x}", key.sk)),
        false => key,
    }
}

impl TablePort {
    /// The table is asked for all that it lists, or holds.
    async fn scan(&self) -> Result<(), StoreFault> {
        self.host.call(STORE).await;
        let (fails, hangs) = {
            let mut inner = self.host.lock();
            (
                inner.strikes(Fault::StoreFault),
                inner.strikes(Fault::Timeout),
            )
        };
        if hangs {
            self.host.hang().await;
        }
        if fails {
            return Err(StoreFault::transient(SILENCE));
        }
        Ok(())
    }
}

impl Pages for TablePort {
    async fn page(
        &self,
        having: &'static [&'static str],
        after: Option<Key>,
    ) -> Result<Page, StoreFault> {
        self.scan().await?;
        let everything = self.table.everything().await?;
        self.host.lock().meter().read_units += scan_units(&everything);
        self.table.memory.page(having, after).await
    }
}

impl Listing for TablePort {
    async fn listed(&self, index: &'static str) -> Result<Vec<Key>, StoreFault> {
        self.scan().await?;
        let Some((keys, units)) = self.table.indexes.listed(index) else {
            let why = format!("the table has no index {index}");
            return Err(StoreFault(Failure::misconfigured(why)));
        };
        self.host.lock().meter().read_units += units;
        Ok(keys)
    }
}

/// The workflow engine, as a sweep asks it.
#[derive(Debug, Clone)]
pub(crate) struct EnginePort(pub(crate) Host);

impl Engine for EnginePort {
    async fn running(&self, machine: &str) -> Result<Vec<String>, Failure> {
        self.0.call(CALL).await;
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
        self.0.call(CALL).await;
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

impl TablePort {
    /// `keys` as somebody would look for them whose records are found by what
    /// changes with each delivery; `None` where all is well.
    fn altered(&self, keys: &[Key]) -> Option<Vec<Key>> {
        let inner = self.host.lock();
        (inner.plant == Some(Plant::KeyPerDelivery) && !self.ledger).then(|| {
            let keys = keys.iter().cloned();
            keys.map(|key| per_delivery(key, inner.frame.ident))
                .collect()
        })
    }

    /// Takes away the locks of other runs than this one, and that they asked.
    fn forget_locks(&self, items: &mut [Option<Item>]) {
        let own = format!("{:016x}", self.host.lock().frame.ident);
        for item in items.iter_mut().flatten() {
            let mut fields = item.body.value();
            if fields["lock"].is_object() && fields["lock"]["of"] != own.as_str() {
                fields["lock"] = Value::Null;
                fields["asked"] = false.into();
                item.body = Body::of(&fields);
            }
        }
    }

    /// Commits as somebody would who makes the mistake `plant`.
    async fn commit_badly(&self, plant: Plant, mut writes: Vec<Write>) -> Result<(), CommitError> {
        let ident = {
            let inner = self.host.lock();
            mix(inner.frame.ident, inner.frame.calls)
        };
        match plant {
            Plant::NoDeduplication | Plant::LostUpdate => {
                for write in &mut writes {
                    if let Write::Put { key, expect, .. } = write
                        && is_record(key) == (plant == Plant::NoDeduplication)
                        && *expect != Expect::Anything
                    {
                        *expect = Expect::Anything;
                    }
                }
            }
            Plant::BlindStock => {
                let mut blind = Vec::with_capacity(writes.len());
                for write in writes {
                    blind.push(match write {
                        Write::Add { key, deltas } => {
                            let mut item = self
                                .table
                                .load(std::slice::from_ref(&key))
                                .await
                                .unwrap_or_default();
                            let mut body = item
                                .pop()
                                .flatten()
                                .map(|item| item.body.value())
                                .unwrap_or_default();
                            for (field, delta) in deltas {
                                body[field] = (body[field].as_i64().unwrap_or(0) + delta).into();
                            }
                            Write::put(key, &body, Expect::Anything)
                        }
                        put => put,
                    });
                }
                writes = blind;
            }
            Plant::DoubleCount => {
                for write in &mut writes {
                    if let Write::Add { deltas, .. } = write {
                        deltas.values_mut().for_each(|delta| *delta *= 2);
                    }
                }
            }
            Plant::RecordLater => {
                let (records, states): (Vec<_>, Vec<_>) =
                    writes.into_iter().partition(|write| is_record(write.key()));
                if !states.is_empty() {
                    self.table.commit(states).await?;
                }
                self.host.call(STORE).await;
                let dies = self.host.lock().strikes(Fault::CrashBeforeCommit);
                if dies {
                    self.host.die().await;
                }
                return match records.is_empty() {
                    true => Ok(()),
                    false => self.table.commit(records).await,
                };
            }
            Plant::ConflictIsDone => {
                return match self.table.commit(writes).await {
                    Err(CommitError::Conflict) => Ok(()),
                    other => other,
                };
            }
            Plant::CommitLies if ident % 40 == 0 => return Ok(()),
            Plant::NoTombstone => {
                const UNDONE: [&str; 3] = ["Refunded", "Released", "Cancelled"];
                writes.retain(|write| match write {
                    Write::Put {
                        body,
                        expect: Expect::Absent,
                        key,
                    } if !is_record(key) => {
                        let status = &body.value()["status"];
                        !UNDONE.iter().any(|word| status == *word)
                    }
                    _ => true,
                });
                if writes.is_empty() {
                    return Ok(());
                }
            }
            Plant::JoinForgets => {
                for write in &mut writes {
                    let Write::Put { body, .. } = write else {
                        continue;
                    };
                    let mut fields = body.value();
                    if fields["reserved"] == true && fields["due"].is_null() {
                        fields["reserved"] = false.into();
                        *body = Body::of(&fields);
                    }
                }
            }
            Plant::KeyPerDelivery => {
                for write in &mut writes {
                    if let Write::Put { key, .. } = write {
                        *key = per_delivery(key.clone(), self.host.lock().frame.ident);
                    }
                }
            }
            Plant::LockEndsWithRun => {
                let own = format!("{:016x}", self.host.lock().frame.ident);
                for write in &mut writes {
                    let Write::Put { body, .. } = write else {
                        continue;
                    };
                    let mut fields = body.value();
                    if fields["lock"].is_object() {
                        fields["lock"]["of"] = own.as_str().into();
                        *body = Body::of(&fields);
                    }
                }
            }
            Plant::NoticePerDelivery => {
                for write in &mut writes {
                    if let Write::Put { key, expect, .. } = write {
                        if key.sk.starts_with("notice#") {
                            key.sk = format!("{}#{ident:x}", key.sk);
                            *expect = Expect::Anything;
                        } else if key.sk.starts_with("done#NotifyCustomer") {
                            key.sk = format!("{}#{ident:x}", key.sk);
                        }
                    }
                }
            }
            _ => {}
        }
        self.table.commit(writes).await
    }
}

/// The payment provider, as the payment service sees it.
#[derive(Debug, Clone)]
pub(crate) struct ProviderPort<P> {
    pub(crate) host: Host,
    pub(crate) provider: P,
    pub(crate) ledger: Table,
}

/// How a third party takes a call.
enum Manner {
    Answers,
    /// It does not answer, and does nothing.
    Ignores,
    /// It does what was asked, and its answer is lost.
    Mute,
}

impl Host {
    async fn third_party(&self, undoes: bool) -> Manner {
        self.call(THIRD_PARTY).await;
        let slow = self.lock().strikes(Fault::Slow);
        if slow {
            self.call(SLUGGISH).await;
        }
        let mut inner = self.lock();
        if undoes && inner.strikes(Fault::Compensation) {
            return Manner::Ignores;
        }
        match inner.strikes(Fault::Silent) {
            true if inner.coin() => Manner::Mute,
            true => Manner::Ignores,
            false => Manner::Answers,
        }
    }
}

fn no_charge() -> payment::Unavailable {
    payment::Unavailable("no answer".to_owned())
}

impl<P: payment::Provider> payment::Provider for ProviderPort<P> {
    async fn capture(
        &self,
        key: &str,
        token: &str,
        amount: Money,
    ) -> Result<(), payment::CaptureError> {
        let own = format!("{key}#{:x}", self.host.lock().frame.ident);
        let key = if self.host.has(Plant::KeyPerAttempt) {
            own.as_str()
        } else {
            key
        };
        match self.host.third_party(false).await {
            Manner::Ignores => Err(no_charge().into()),
            Manner::Mute => {
                let _ = self.provider.capture(key, token, amount).await;
                Err(no_charge().into())
            }
            Manner::Answers => self.provider.capture(key, token, amount).await,
        }
    }

    async fn void(&self, key: &str) -> Result<Option<Money>, payment::Unavailable> {
        if self.host.has(Plant::VoidSkipped) {
            return Ok(None);
        }
        let again = self.host.has(Plant::RefundAgain) && self.is_voided(key).await;
        let answer = self.ask_to_void(key).await;
        if again {
            self.pay_again(key).await;
        }
        answer
    }
}

impl<P: payment::Provider> ProviderPort<P> {
    async fn ask_to_void(&self, key: &str) -> Result<Option<Money>, payment::Unavailable> {
        match self.host.third_party(true).await {
            Manner::Ignores => Err(no_charge()),
            Manner::Mute => {
                let _ = self.provider.void(key).await;
                Err(no_charge())
            }
            Manner::Answers => self.provider.void(key).await,
        }
    }
}

impl<P> ProviderPort<P> {
    async fn charge(&self, key: &str) -> Option<Item> {
        let key = duet_payment::adapters::charge_key(key);
        let items = self.ledger.load(std::slice::from_ref(&key)).await;
        items.ok()?.pop().flatten()
    }

    async fn is_voided(&self, key: &str) -> bool {
        let charge = self.charge(key).await;
        charge.is_some_and(|charge| charge.body.value()["voided"] == true)
    }

    /// A refund by a provider that is asked without a key.
    async fn pay_again(&self, key: &str) {
        if let Some(Item { key, body, .. }) = self.charge(key).await {
            let mut body = body.value();
            let sum = |field: &str| body[field].as_i64().unwrap_or(0);
            body["refunded"] = (sum("refunded") + sum("captured")).into();
            let write = Write::put(key, &body, Expect::Anything);
            // It is a mistake; whether it works out is not this port's worry.
            let _ = self.ledger.commit(vec![write]).await;
        }
    }
}

/// The carrier, as the delivery service sees it.
#[derive(Debug, Clone)]
pub(crate) struct CarrierPort<P> {
    pub(crate) host: Host,
    pub(crate) carrier: P,
}

fn no_booking() -> delivery::Unavailable {
    delivery::Unavailable("no answer".to_owned())
}

impl<P: delivery::Carrier> delivery::Carrier for CarrierPort<P> {
    async fn book(&self, key: &str, ship_to: &Address) -> Result<String, delivery::BookError> {
        match self.host.third_party(false).await {
            Manner::Ignores => Err(no_booking().into()),
            Manner::Mute => {
                let _ = self.carrier.book(key, ship_to).await;
                Err(no_booking().into())
            }
            Manner::Answers => self.carrier.book(key, ship_to).await,
        }
    }

    async fn cancel(&self, key: &str) -> Result<(), delivery::Unavailable> {
        if self.host.has(Plant::CancelSkipped) {
            return Ok(());
        }
        match self.host.third_party(true).await {
            Manner::Ignores => Err(no_booking()),
            Manner::Mute => {
                let _ = self.carrier.cancel(key).await;
                Err(no_booking())
            }
            Manner::Answers => self.carrier.cancel(key).await,
        }
    }
}

/// The topic that notices go to.
#[derive(Debug, Clone)]
pub(crate) struct TopicPort(pub(crate) Host);

impl Publisher for TopicPort {
    async fn publish(&self, _: &Notice) -> Result<(), Failure> {
        self.0.call(CALL).await;
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
    pub(crate) carriers: Arc<Carriers>,
    /// Where its schedules are kept, if it makes any.
    pub(crate) schedules: Option<Arc<Schedules>>,
}

impl WiresPort {
    fn parcel(&self, event: &Event) -> Result<Parcel<Entry>, Failure> {
        let metadata = &event.metadata;
        let mut inner = self.host.lock();
        let entry = Entry {
            detail: serde_json::to_string(event).map_err(Failure::invalid)?,
            detail_type: metadata.kind.clone(),
            ident: mix(digest(&metadata.id), inner.frame.ident),
            owner: inner.meters.owner(&metadata.subject, &metadata.variant),
            source: metadata.source.clone(),
        };
        let bytes = entry.source.len() + entry.detail_type.len() + entry.detail.len();
        Ok(Parcel { entry, bytes })
    }

    /// PutEvents: each entry has a result of its own, and those that are taken
    /// go their way.
    async fn put(
        &self,
        bus: &str,
        entries: Vec<Entry>,
    ) -> Result<Vec<Result<(), Failure>>, Failure> {
        self.host.call(CALL).await;
        let mut results = Vec::with_capacity(entries.len());
        let ignores = self.host.has(Plant::IgnoredEntries);
        let dies = {
            let mut inner = self.host.lock();
            let mut taken = Vec::with_capacity(entries.len());
            for entry in entries {
                let refused = inner.strikes(Fault::PutEvents);
                results.push(match refused && !ignores {
                    true => Err(Failure::transient(
                        "the bus refused an entry: ThrottlingException",
                    )),
                    false => Ok(()),
                });
                if !refused {
                    taken.push(entry);
                }
            }
            inner.out.push(Out::Publish {
                bus: bus.to_owned(),
                entries: taken,
            });
            inner.strikes(Fault::CrashAfterCommit)
        };
        if dies {
            self.host.die().await;
        }
        Ok(results)
    }

    /// Waits before what was refused is sent again.
    async fn pause(&self) -> bool {
        self.host.call(AGAIN).await;
        true
    }
}

impl Wires for WiresPort {
    fn carrier(&self, variant: &str) -> Option<&Carrier> {
        self.carriers.get(variant)
    }

    async fn publish(&self, carrier: &Carrier, events: &[Event]) -> Result<(), Failure> {
        match carrier {
            Carrier::None { .. } => Ok(()),
            Carrier::Eventbridge { bus, .. } => {
                let parcels: Result<_, Failure> =
                    events.iter().map(|event| self.parcel(event)).collect();
                carry(
                    EVENTBRIDGE,
                    parcels?,
                    |entries| self.put(bus, entries),
                    |_| self.pause(),
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
        self.host.call(CALL).await;
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

    async fn bury(&self, queue: &str, body: &str, why: &str) -> Result<(), Failure> {
        self.host.call(CALL).await;
        let mut inner = self.host.lock();
        let (frame, out) = (inner.frame.clone(), &mut inner.out);
        out.push(Out::Bury {
            queue: queue.to_owned(),
            body: body.to_owned(),
            why: why.to_owned(),
            ident: mix(frame.ident, 0xdead),
            owner: frame.owner,
            step: frame.step,
        });
        Ok(())
    }

    async fn answer(&self, reply: &Reply) -> Result<(), Failure> {
        self.host.call(CALL).await;
        let mut inner = self.host.lock();
        if !inner.strikes(Fault::LostCallback) {
            inner.out.push(Out::Answer {
                token: reply.to.clone(),
                value: reply.value.clone(),
            });
        }
        Ok(())
    }
}

/// Where a function's log lines go: kept if somebody asked for them.
#[derive(Debug, Clone)]
pub(crate) struct LogPort {
    pub(crate) host: Host,
    pub(crate) namespace: Arc<str>,
    pub(crate) deployed: Arc<Carriers>,
}

impl Log for LogPort {
    fn step<'a>(&self, step: impl FnOnce() -> Step<'a>) {
        let mut inner = self.host.lock();
        if let Some(lines) = &mut inner.lines {
            lines.push(step().line(&self.namespace, &self.deployed));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use serde_json::json;

    use super::*;
    use crate::fault::Faults;

    #[test]
    fn a_read_of_several_documents_may_be_torn() {
        let (record, document) = (Key::new("o-1", "done#PlaceOrder"), Key::new("o-1", "order"));
        let read = |fault: &str| {
            let host = Host::default();
            let rules = [fault.parse().unwrap()];
            {
                let mut inner = host.lock();
                inner.faults = Faults::new(1, &rules, None);
                inner.frame.owner = inner.meters.owner("o-1", "");
            }
            let table = Table::default();
            let port = TablePort {
                host: host.clone(),
                table: table.clone(),
                ledger: false,
            };
            let keys = [record.clone(), document.clone()];
            let mut load = std::pin::pin!(port.load(&keys));
            let mut context = Context::from_waker(Waker::noop());
            // Somebody writes both together, after the first of the two was read.
            for step in 0.. {
                if let Poll::Ready(items) = load.as_mut().poll(&mut context) {
                    let there = items.unwrap();
                    return (there[0].is_some(), there[1].is_some());
                }
                if step == 1 {
                    let write = |key: &Key| Write::put(key.clone(), &json!({}), Expect::Absent);
                    let mut commit =
                        std::pin::pin!(table.commit(vec![write(&record), write(&document)]));
                    assert!(commit.as_mut().poll(&mut context).is_ready());
                }
                let mut inner = host.lock();
                inner.now = inner.pause.take().unwrap_or(inner.now);
            }
            unreachable!()
        };
        assert_eq!(read("torn-read:1"), (false, true));
        assert_eq!(read("torn-read:0"), (false, false));
    }
}
