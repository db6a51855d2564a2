//! The journal over a table in memory.

use duet_core::fact::{PaymentDeclined, StockReserved};
use duet_core::service::reaction;
use duet_core::store::{Browse, Memory};
use duet_core::testing::{HandClock, Stepwise, rehearse};
use duet_core::{Context, Event, Fact, Failure, Metadata, Request, Service, Timestamp, Vocabulary};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use serde_json::json;

use crate::domain::Entry;
use crate::{Command, Journal, key};

const DAYS: u32 = 30;

fn metadata(id: &str, about: &str, time: &str) -> Metadata {
    Metadata {
        id: id.into(),
        source: "duet.test".into(),
        kind: "PaymentDeclined".into(),
        subject: about.into(),
        time: time.parse().unwrap(),
        schemaversion: "1.0".into(),
        correlationid: about.into(),
        causationid: Some("cause".into()),
        traceparent: None,
        variant: "any".into(),
        late: false,
    }
}

fn event(id: &str, about: &str, time: &str) -> Event {
    let order = about.parse().unwrap();
    Event::new(metadata(id, about, time), PaymentDeclined { order }.into())
}

fn request(event: &Event, replay: bool) -> Request<Command> {
    let context = Context {
        message: event.metadata.clone(),
        reply_to: None,
        clearance: None,
        execution: None,
        last_attempt: false,
        deadline: Timestamp::MAX,
        replay,
    };
    let command = reaction::<Journal<Memory, HandClock>>(event).unwrap();
    Request { command, context }
}

async fn entries(table: &Memory, about: &str) -> Vec<Entry> {
    let items = table.partition(about).await.unwrap();
    items.iter().map(|item| item.read().unwrap()).collect()
}

#[test]
fn every_fact_is_kept_whole() {
    let facts: [Fact; 2] = [
        PaymentDeclined {
            order: "o-1".parse().unwrap(),
        }
        .into(),
        StockReserved {
            order: "o-1".parse().unwrap(),
        }
        .into(),
    ];
    for fact in facts {
        let metadata = Metadata {
            kind: fact.name().into(),
            ..metadata("e-1", "o-1", "2026-01-01T00:00:00Z")
        };
        let event = Event::new(metadata, fact);
        let Command::RecordFact(kept) = request(&event, false).command;
        assert_eq!(kept.metadata, event.metadata);
        assert_eq!(kept.data, event.fact.data());
    }
}

#[test]
fn what_a_fact_says_of_a_person_is_not_kept() {
    let cases = [
        (
            "NewOrder",
            json!({
                "order": "o-1", "customer": "c-1", "lines": [{ "sku": "kettle", "quantity": 1 }],
                "total": { "amount": 1, "currency": "EUR" }, "payment_token": "tok_canary",
                "ship_to": { "name": "Canary", "street": "s", "city": "c", "postcode": "p", "country": "SE" },
                "placed_at": "2026-01-01T00:00:00Z",
            }),
        ),
        (
            "NewCustomer",
            json!({
                "customer": "c-1", "email": "canary@example.com", "country": "SE",
                "registered_at": "2026-01-01T00:00:00Z",
            }),
        ),
    ];
    for (name, data) in cases {
        let mut metadata = metadata("e-1", "o-1", "2026-01-01T00:00:00Z");
        metadata.kind = name.to_owned();
        let fact = Fact::parse(name, data.clone()).unwrap();
        let Command::RecordFact(kept) = request(&Event::new(metadata, fact), false).command;
        assert!(!kept.data.to_string().contains("anary"), "{}", kept.data);
        for (member, value) in data.as_object().unwrap() {
            let personal = duet_core::fact::personal(name).contains(&member.as_str());
            assert_eq!(
                kept.data.get(member),
                (!personal).then_some(value),
                "{member}"
            );
        }
    }
}

#[tokio::test]
async fn what_belongs_together_comes_in_order_of_time() {
    let table = Memory::default();
    let journal = Journal::new(table.clone(), HandClock::default(), DAYS);
    // As text, the first is greater than the second, but for the fixed width.
    let told = [
        ("e-3", "o-1", "2026-01-01T00:00:00.25Z"),
        ("e-2", "o-1", "2026-01-01T00:00:00Z"),
        ("e-9", "o-10", "2026-01-01T00:00:00Z"),
        ("e-1", "o-1", "2025-12-31T23:59:59.999999999Z"),
    ];
    for (id, about, time) in told {
        let request = request(&event(id, about, time), false);
        let handled = journal.handle(request).await.unwrap();
        assert!(!handled.repeat && handled.events.is_empty());
    }
    let kept = entries(&table, "o-1").await;
    let ids: Vec<_> = kept
        .iter()
        .map(|entry| entry.metadata.id.as_str())
        .collect();
    assert_eq!(ids, ["e-1", "e-2", "e-3"]);
}

#[tokio::test]
async fn duplicates_and_replays_are_counted_apart_and_the_first_time_stays() {
    let (table, clock) = (Memory::default(), HandClock::default());
    let journal = Journal::new(table.clone(), clock.clone(), DAYS);
    let event = event("e-1", "o-1", "2026-01-01T00:00:00Z");
    for (n, replay) in [false, false, true, true].into_iter().enumerate() {
        let handled = journal.handle(request(&event, replay)).await.unwrap();
        assert_eq!(handled.repeat, n > 0);
        clock.advance(60);
    }
    let kept = entries(&table, "o-1").await;
    assert_eq!(kept.len(), 1);
    let entry = &kept[0];
    assert_eq!((entry.deliveries, entry.replays), (4, 2));
    assert_eq!(entry.duplicates(), 1);
    assert_eq!(entry.first_seen, Timestamp::UNIX_EPOCH);
    assert_eq!(entry.expires_at, i64::from(DAYS) * 86_400);
}

#[tokio::test]
async fn a_fact_lost_at_first_is_kept_when_it_is_replayed() {
    let table = Memory::default();
    let journal = Journal::new(table.clone(), HandClock::default(), DAYS);
    let event = event("e-1", "o-1", "2026-01-01T00:00:00Z");
    let handled = journal.handle(request(&event, true)).await.unwrap();
    assert!(!handled.repeat);
    let entry = &entries(&table, "o-1").await[0];
    assert_eq!(
        (entry.deliveries, entry.replays, entry.duplicates()),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn a_fact_that_cannot_be_found_again_is_invalid() {
    let journal = Journal::new(Memory::default(), HandClock::default(), DAYS);
    for (id, about) in [("", "o-1"), ("e-1", "")] {
        let mut event = event("e-1", "o-1", "2026-01-01T00:00:00Z");
        event.metadata.id = id.into();
        event.metadata.correlationid = about.into();
        let refused = journal.handle(request(&event, false)).await;
        assert!(matches!(refused, Err(Failure::Invalid(_))), "{refused:?}");
    }
}

proptest! {
    #![proptest_config(Config { cases: 200, rng_seed: RngSeed::Fixed(7), ..Config::default() })]

    /// Deliveries meet, die between any two steps and come again: one entry per
    /// fact, and no acknowledged telling is missing from its count.
    #[test]
    fn one_entry_per_fact_whatever_happens(schedule in prop::collection::vec(any::<u8>(), 0..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (table, clock) = (Memory::default(), HandClock::default());
        let store = Stepwise(table.clone());
        let journal = Journal::new(store, clock.clone(), DAYS);
        let facts: Vec<_> = (0..3)
            .map(|n| event(&format!("e-{n}"), "o-1", "2026-01-01T00:00:00Z"))
            .collect();
        let commands: Vec<_> = facts.iter().map(|fact| request(fact, false).command).collect();
        let acknowledged = rehearse(&journal, &clock, &commands, 4, &schedule).unwrap();
        let kept = runtime.block_on(entries(&table, "o-1"));
        prop_assert_eq!(kept.len(), facts.len());
        for (fact, outcomes) in facts.iter().zip(&acknowledged) {
            let entry = kept.iter().find(|entry| entry.metadata == fact.metadata);
            let entry = entry.expect("an entry");
            prop_assert!(entry.deliveries as usize >= outcomes.len());
            prop_assert_eq!(key(&entry.metadata), key(&fact.metadata));
        }
    }
}
