//! What an order costs, counted where it happens. Prices are no matter of this
//! module.

use std::ops::AddAssign;
use std::sync::Arc;

use duet_core::store::{Body, Item, MAX_ITEM_BYTES, Write};
use rustc_hash::FxHashMap;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Countable use of the cloud.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Meter {
    /// State transitions of Standard workflows, retries included.
    pub transitions: u64,
    /// Starts of Express executions.
    pub express_starts: u64,
    /// Milliseconds that Express executions ran, each rounded up to 100.
    pub express_ms: u64,
    /// Bytes of their log records.
    pub express_log_bytes: u64,
    /// Invocations of functions.
    pub invocations: u64,
    /// Invocations that had to wait for a new instance.
    pub cold_starts: u64,
    /// Milliseconds that functions ran.
    pub function_ms: u64,
    /// Milliseconds that new instances took to start, which are billed as well.
    pub init_ms: u64,
    /// Milliseconds, of those that functions ran, in calls of tables.
    pub store_ms: u64,
    /// … and in calls of third parties.
    pub third_party_ms: u64,
    /// Lines that functions logged; only where log lines are kept.
    pub log_lines: u64,
    /// Bytes of those lines.
    pub log_bytes: u64,
    /// Bytes that workflows sent to functions and got back.
    pub task_bytes: u64,
    /// Steps and messages that were tried again.
    pub retries: u64,
    /// Entries put on a bus.
    pub events: u64,
    /// Bytes of those entries.
    pub event_bytes: u64,
    /// Messages published to the services' topics.
    pub published: u64,
    /// Deliveries of rules and subscriptions, further attempts included.
    pub deliveries: u64,
    /// Requests to queues: sends, receives, deletes, changes of visibility.
    pub queue_requests: u64,
    /// Messages published to a FIFO topic.
    pub fifo_published: u64,
    /// Bytes of those.
    pub fifo_bytes: u64,
    /// Deliveries of its subscriptions, further attempts included.
    pub fifo_deliveries: u64,
    /// Bytes of those that arrived.
    pub fifo_delivered_bytes: u64,
    /// Requests to FIFO queues, of the same kinds.
    pub fifo_requests: u64,
    /// Bytes of messages sent to queues.
    pub message_bytes: u64,
    /// Invocations of schedules, without further attempts.
    pub schedules: u64,
    /// Notices published to a topic.
    pub notices: u64,
    /// DynamoDB read request units (strongly consistent: one per 4 KiB).
    pub read_units: u64,
    /// DynamoDB write request units (one per KiB; in a transaction two).
    pub write_units: u64,
}

impl AddAssign for Meter {
    fn add_assign(&mut self, more: Self) {
        self.transitions += more.transitions;
        self.express_starts += more.express_starts;
        self.express_ms += more.express_ms;
        self.express_log_bytes += more.express_log_bytes;
        self.invocations += more.invocations;
        self.cold_starts += more.cold_starts;
        self.function_ms += more.function_ms;
        self.init_ms += more.init_ms;
        self.store_ms += more.store_ms;
        self.third_party_ms += more.third_party_ms;
        self.log_lines += more.log_lines;
        self.log_bytes += more.log_bytes;
        self.task_bytes += more.task_bytes;
        self.retries += more.retries;
        self.events += more.events;
        self.event_bytes += more.event_bytes;
        self.published += more.published;
        self.deliveries += more.deliveries;
        self.queue_requests += more.queue_requests;
        self.fifo_published += more.fifo_published;
        self.fifo_bytes += more.fifo_bytes;
        self.fifo_deliveries += more.fifo_deliveries;
        self.fifo_delivered_bytes += more.fifo_delivered_bytes;
        self.fifo_requests += more.fifo_requests;
        self.message_bytes += more.message_bytes;
        self.schedules += more.schedules;
        self.notices += more.notices;
        self.read_units += more.read_units;
        self.write_units += more.write_units;
    }
}

impl Meter {
    /// A request to a queue, which is FIFO or not.
    pub(crate) fn request(&mut self, fifo: bool) {
        match fifo {
            true => self.fifo_requests += 1,
            false => self.queue_requests += 1,
        }
    }

    /// A share of it: what each of `many` used on average, rounded.
    #[must_use]
    pub fn per(self, many: u64) -> Self {
        let many = many.max(1);
        let share = |all: u64| (all + many / 2) / many;
        Self {
            transitions: share(self.transitions),
            express_starts: share(self.express_starts),
            express_ms: share(self.express_ms),
            express_log_bytes: share(self.express_log_bytes),
            invocations: share(self.invocations),
            cold_starts: share(self.cold_starts),
            function_ms: share(self.function_ms),
            init_ms: share(self.init_ms),
            store_ms: share(self.store_ms),
            third_party_ms: share(self.third_party_ms),
            log_lines: share(self.log_lines),
            log_bytes: share(self.log_bytes),
            task_bytes: share(self.task_bytes),
            retries: share(self.retries),
            events: share(self.events),
            event_bytes: share(self.event_bytes),
            published: share(self.published),
            deliveries: share(self.deliveries),
            queue_requests: share(self.queue_requests),
            fifo_published: share(self.fifo_published),
            fifo_bytes: share(self.fifo_bytes),
            fifo_deliveries: share(self.fifo_deliveries),
            fifo_delivered_bytes: share(self.fifo_delivered_bytes),
            fifo_requests: share(self.fifo_requests),
            message_bytes: share(self.message_bytes),
            schedules: share(self.schedules),
            notices: share(self.notices),
            read_units: share(self.read_units),
            write_units: share(self.write_units),
        }
    }
}

/// Whose use it is: the number of a subject.
pub(crate) type Owner = u32;

/// A subject, the variant it runs under, and what it used.
#[derive(Debug, Clone)]
pub struct Used {
    /// The order or customer.
    pub subject: Arc<str>,
    /// The variant.
    pub variant: Arc<str>,
    /// What it used.
    pub meter: Meter,
}

/// Everybody's use.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    used: Vec<Used>,
    numbers: FxHashMap<Arc<str>, Owner>,
}

impl Meters {
    /// The number of `subject`.
    pub(crate) fn owner(&mut self, subject: &str, variant: &str) -> Owner {
        if let Some(owner) = self.numbers.get(subject) {
            return *owner;
        }
        let owner = Owner::try_from(self.used.len()).unwrap_or(Owner::MAX);
        let subject: Arc<str> = subject.into();
        self.used.push(Used {
            subject: subject.clone(),
            variant: variant.into(),
            meter: Meter::default(),
        });
        self.numbers.insert(subject, owner);
        owner
    }

    /// The number of `subject`, if it has one.
    pub(crate) fn known(&self, subject: &str) -> Option<Owner> {
        self.numbers.get(subject).copied()
    }

    pub(crate) fn of(&mut self, owner: Owner) -> &mut Meter {
        &mut self.used[owner as usize].meter
    }

    pub(crate) fn subject(&self, owner: Owner) -> &Arc<str> {
        &self.used[owner as usize].subject
    }

    pub(crate) fn variant(&self, owner: Owner) -> &Arc<str> {
        &self.used[owner as usize].variant
    }

    pub(crate) fn used(&self) -> &[Used] {
        &self.used
    }
}

/// The size of a document, given as JSON, as DynamoDB counts it, roughly: names
/// and texts in UTF-8, numbers by their digits, three bytes and one per member
/// for nesting (DynamoDB developer guide, "Item sizes and formats").
pub(crate) fn size(document: &str) -> u64 {
    serde_json::from_str(document).map_or(0, |Size(bytes)| bytes)
}

/// A document of which only the size is read.
struct Size(u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Sizing).map(Self)
    }
}

struct Sizing;

impl<'de> Visitor<'de> for Sizing {
    type Value = u64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(1)
    }

    fn visit_bool<E>(self, _: bool) -> Result<u64, E> {
        Ok(1)
    }

    fn visit_u64<E>(self, n: u64) -> Result<u64, E> {
        // One byte for two digits, and one more.
        Ok(2 + u64::from(n.checked_ilog10().unwrap_or(0)) / 2)
    }

    fn visit_i64<E>(self, _: i64) -> Result<u64, E> {
        Ok(11)
    }

    fn visit_f64<E>(self, _: f64) -> Result<u64, E> {
        Ok(11)
    }

    fn visit_str<E>(self, text: &str) -> Result<u64, E> {
        Ok(text.len() as u64)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<u64, A::Error> {
        let mut sum = 3;
        while let Some(Size(item)) = items.next_element()? {
            sum += item + 1;
        }
        Ok(sum)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<u64, A::Error> {
        let mut sum = 3;
        while let Some((Size(name), Size(member))) = members.next_entry()? {
            sum += name + member + 1;
        }
        Ok(sum)
    }
}

/// How many times `bytes` a document takes up, rounded up. As text it is longer
/// than as DynamoDB counts it: only a long one has to be counted.
fn pages(body: &Body, bytes: u64) -> u64 {
    match body.text().len() as u64 <= bytes {
        true => 1,
        false => size(body.text()).div_ceil(bytes),
    }
}

/// What a strongly consistent read of `items` takes: a unit for each 4 KiB of
/// each, and one for what is not there.
pub(crate) fn read_units(items: &[Option<Item>]) -> u64 {
    let of = |item: &Option<Item>| item.as_ref().map_or(1, |item| pages(&item.body, 4_096));
    items.iter().map(of).sum()
}

/// What an eventually consistent scan over `items` takes: half a unit for each
/// 4 KiB of all together (DynamoDB developer guide, "Scanning tables").
pub(crate) fn scan_units(items: &[Item]) -> u64 {
    let bytes: usize = items.iter().map(|item| item.body.text().len()).sum();
    (bytes as u64).div_ceil(8_192).max(1)
}

/// What a commit takes: a unit for each KiB of each document, and twice that
/// for a transaction, which it is unless it is a single write (DynamoDB
/// developer guide, "Read and write operations").
pub(crate) fn write_units(writes: &[Write]) -> u64 {
    let of = |write: &Write| match write {
        Write::Put { body, .. } => pages(body, 1_024),
        // A counter's document is small.
        Write::Add { .. } => 1,
    };
    let times = if writes.len() > 1 { 2 } else { 1 };
    times * writes.iter().map(of).sum::<u64>()
}

/// Whether `write` is of a document that no table takes. As text it is longer
/// than as DynamoDB counts it.
pub(crate) fn too_large(write: &Write) -> bool {
    let Write::Put { key, body, .. } = write else {
        return false;
    };
    let keys = "pk".len() + key.pk.len() + "sk".len() + key.sk.len();
    let most = MAX_ITEM_BYTES.saturating_sub(keys);
    body.text().len() > most && size(body.text()) > most as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use duet_core::store::{Expect, Key};
    use serde_json::json;

    use super::*;

    fn put(bytes: usize) -> Write {
        let body = json!({ "text": "x".repeat(bytes) });
        Write::put(Key::new("o-1", "order"), &body, Expect::Absent)
    }

    #[test]
    fn a_single_write_takes_half_of_what_it_would_in_a_transaction() {
        let add = || Write::Add {
            key: Key::new("sku", "stock"),
            deltas: BTreeMap::from([("available", 1)]),
        };
        for (writes, units) in [
            (vec![put(100)], 1),
            (vec![put(1_500)], 2),
            (vec![add()], 1),
            (vec![put(100), add()], 4),
            (vec![put(1_500), put(100)], 6),
        ] {
            assert_eq!(write_units(&writes), units);
        }
    }

    #[test]
    fn no_table_takes_more_than_400_kb() {
        assert!(!too_large(&put(409_500)));
        assert!(too_large(&put(409_600)));
    }

    #[test]
    fn a_document_is_as_large_as_its_names_and_values() {
        assert_eq!(size("{}"), 3);
        // Of each member: its name, one byte, its value.
        assert_eq!(size(r#"{"text":"abc"}"#), 3 + 4 + 1 + 3);
        assert_eq!(size(r#"{"n":1234}"#), 3 + 1 + 1 + 3);
        assert_eq!(size(r#"{"list":[true,null]}"#), 3 + 4 + 1 + 3 + 2 + 2);
    }
}
