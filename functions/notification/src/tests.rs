//! The notification service over a table and a topic in memory.

use std::sync::Arc;

use duet_core::fact::{
    CustomerActivated, CustomerBlocked, Fact, Notice as Kind, OrderConfirmed, OrderRejected,
    PaymentDeclined, PaymentRefunded,
};
use duet_core::order::Reason;
use duet_core::service::{Reaction, reaction};
use duet_core::store::{Browse, Memory, Store};
use duet_core::testing::{HandClock, Stepwise, rehearse};
use duet_core::{
    Answer, Context, Event, Failure, Metadata, Money, Request, Service, Timestamp, Vocabulary,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use serde_json::json;

use crate::adapters;
use crate::command::{Command, NotifyCustomer};
use crate::domain::Recorded;
use crate::ports::{Notice, Publisher};
use crate::{Notifications, key};

type Clock = Arc<fn() -> Timestamp>;

fn service<P: Publisher>(publisher: P) -> (Notifications<Memory, Clock, P>, Memory) {
    let table = Memory::default();
    let clock: Clock = Arc::new(|| Timestamp::UNIX_EPOCH);
    (Notifications::new(table.clone(), clock, publisher), table)
}

fn metadata() -> Metadata {
    Metadata {
        id: "m-1".into(),
        source: "duet.test".into(),
        kind: "test".into(),
        subject: "o-1".into(),
        time: Timestamp::UNIX_EPOCH,
        schemaversion: "1.0".into(),
        correlationid: "o-1".into(),
        causationid: None,
        traceparent: None,
        variant: "eventbridge".into(),
        late: false,
    }
}

fn notify(subject: &str, kind: Kind, replay: bool) -> Request<Command> {
    let context = Context {
        message: metadata(),
        reply_to: None,
        clearance: None,
        execution: None,
        last_attempt: false,
        deadline: Timestamp::MAX,
        replay,
    };
    Request {
        command: NotifyCustomer {
            subject: subject.into(),
            kind,
        }
        .into(),
        context,
    }
}

#[tokio::test]
async fn a_notice_is_recorded_once_and_published_each_time() {
    let topic = adapters::Memory::default();
    let (service, table) = service(topic.clone());
    for repeat in [false, true] {
        let request = notify("o-1", Kind::OrderConfirmed, false);
        let handled = service.handle(request).await.unwrap();
        assert_eq!(handled.repeat, repeat);
        let reply = json!({"subject": "o-1", "kind": "OrderConfirmed"});
        assert_eq!(handled.answer, Answer::Done(reply));
        assert_eq!(handled.events[0].fact.name(), "CustomerNotified");
    }
    let key = key("o-1", Kind::OrderConfirmed);
    let item = table.load(&[key]).await.unwrap().remove(0).unwrap();
    let recorded: Recorded = item.read().unwrap();
    assert_eq!(item.version, 1);
    let notice = Notice {
        id: recorded.id,
        subject: "o-1".into(),
        kind: Kind::OrderConfirmed,
        variant: "eventbridge".into(),
    };
    assert_eq!(topic.published(), [notice.clone(), notice]);
}

#[tokio::test]
async fn a_replay_publishes_only_what_was_lost() {
    let topic = adapters::Memory::default();
    let (service, _) = service(topic.clone());
    for (replay, repeat, published) in [(true, false, 1), (true, true, 1), (false, true, 2)] {
        let notify = notify("o-1", Kind::OrderRejected, replay);
        let handled = service.handle(notify).await.unwrap();
        assert_eq!((handled.repeat, topic.count()), (repeat, published));
    }
}

/// A topic that is down.
#[derive(Clone)]
struct Down;

impl Publisher for Down {
    async fn publish(&self, _: &Notice) -> Result<(), Failure> {
        Err(Failure::transient("down"))
    }
}

#[tokio::test]
async fn a_notice_that_nobody_took_is_tried_again() {
    let (failing, table) = service(Down);
    let failed = failing
        .handle(notify("o-1", Kind::OrderConfirmed, false))
        .await;
    assert_eq!(failed, Err(Failure::transient("down")));
    let topic = adapters::Memory::default();
    let clock: Clock = Arc::new(|| Timestamp::UNIX_EPOCH);
    let again = Notifications::new(table, clock, topic.clone());
    assert!(
        again
            .handle(notify("o-1", Kind::OrderConfirmed, false))
            .await
            .unwrap()
            .repeat
    );
    assert_eq!(topic.count(), 1);
}

#[tokio::test]
async fn a_subject_is_an_id() {
    let topic = adapters::Memory::default();
    let (service, _) = service(topic.clone());
    for (subject, kind) in [("", Kind::OrderConfirmed), ("a b", Kind::CustomerBlocked)] {
        let refused = service.handle(notify(subject, kind, false)).await;
        assert!(matches!(refused, Err(Failure::Invalid(_))), "{refused:?}");
    }
    assert_eq!(topic.count(), 0);
}

#[test]
fn a_notice_about_an_order_can_be_overdue_and_has_one_id() {
    assert_eq!(
        crate::domain::id("o-1", Kind::OrderConfirmed),
        "notice/o-1/OrderConfirmed"
    );
    let overdue = |subject, kind| {
        let command = notify(subject, kind, false).command;
        <Notifications<Memory, Clock, adapters::Memory> as Service>::overdue(&command)
    };
    let fact = overdue("o-1", Kind::OrderConfirmed).unwrap();
    assert_eq!((fact.name(), fact.subject()), ("NoticeOverdue", "o-1"));
    assert_eq!(overdue("c-1", Kind::CustomerBlocked), None);
}

#[test]
fn the_policy_notifies_of_ends_and_of_money() {
    let money = |amount: i64| -> Money {
        serde_json::from_value(json!({"amount": amount, "currency": "EUR"})).unwrap()
    };
    let order = || "o-1".parse().unwrap();
    let customer = || "c-1".parse().unwrap();
    let confirmed = OrderConfirmed {
        order: order(),
        customer: customer(),
        total: money(5),
        placed_at: Timestamp::UNIX_EPOCH,
    };
    let rejected = OrderRejected {
        order: order(),
        customer: customer(),
        total: money(5),
        reason: Reason::TimedOut,
        detail: None,
        placed_at: Timestamp::UNIX_EPOCH,
    };
    let refunded = |amount| PaymentRefunded {
        order: order(),
        amount: money(amount),
    };
    let blocked = CustomerBlocked {
        customer: customer(),
        reasons: Vec::new(),
    };
    let cases: [(Fact, Option<(&str, Kind)>); 7] = [
        (confirmed.into(), Some(("o-1", Kind::OrderConfirmed))),
        (rejected.into(), Some(("o-1", Kind::OrderRejected))),
        (refunded(5).into(), Some(("o-1", Kind::PaymentRefunded))),
        (refunded(0).into(), None),
        (
            CustomerActivated {
                customer: customer(),
            }
            .into(),
            Some(("c-1", Kind::CustomerActivated)),
        ),
        (blocked.into(), Some(("c-1", Kind::CustomerBlocked))),
        (PaymentDeclined { order: order() }.into(), None),
    ];
    for (fact, expected) in cases {
        let event = Event::new(metadata(), fact);
        let expected = expected.map(|(subject, kind)| notify(subject, kind, false).command);
        assert_eq!(
            reaction::<Notifications::<Memory, Clock, Down>>(&event),
            expected
        );
    }
    let of = |fact: Fact| crate::policy::reaction(&fact);
    assert_eq!(of(refunded(0).into()), Reaction::Nothing);
    let declined = PaymentDeclined { order: order() };
    assert_eq!(of(declined.into()), Reaction::NoPolicy);
}

const KINDS: [Kind; 5] = [
    Kind::OrderConfirmed,
    Kind::OrderRejected,
    Kind::PaymentRefunded,
    Kind::CustomerActivated,
    Kind::CustomerBlocked,
];

proptest! {
    #![proptest_config(Config {
        cases: 200, rng_seed: RngSeed::Fixed(3), failure_persistence: None, ..Config::default()
    })]

    /// However often and in whatever order: one record per subject and kind,
    /// and every publication carries the id of its record.
    #[test]
    fn one_record_per_subject_and_kind(
        asked in prop::collection::vec((0_usize..3, 0_usize..5), 1..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let topic = adapters::Memory::default();
            let (service, table) = service(topic.clone());
            for (subject, kind) in &asked {
                let request = notify(&format!("s-{subject}"), KINDS[*kind], false);
                let _ = service.handle(request).await.unwrap();
            }
            let items = table.everything().await.unwrap();
            let records = items.iter().filter(|item| item.key.sk.starts_with("notice#")).count();
            let different: std::collections::BTreeSet<_> = asked.iter().collect();
            assert_eq!(records, different.len());
            assert_eq!(topic.count(), asked.len());
            for notice in topic.published() {
                let key = key(&notice.subject, notice.kind);
                let recorded = table.load(&[key]).await.unwrap().remove(0).unwrap();
                assert_eq!(recorded.read::<Recorded>().unwrap().id, notice.id);
            }
        });
    }

    /// Delivered at once, killed and redelivered at any point: one record, and
    /// no delivery is acknowledged before its notice went out.
    #[test]
    fn nothing_is_acknowledged_unpublished(
        schedule in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let (table, clock) = (Memory::default(), HandClock::default());
        let topic = adapters::Memory::default();
        let service = Notifications::new(Stepwise(table.clone()), clock.clone(), topic.clone());
        let commands = [Kind::OrderRejected, Kind::PaymentRefunded]
            .map(|kind| notify("o-1", kind, false).command);
        let told = rehearse(&service, &clock, &commands, 9, &schedule).unwrap();
        for (outcomes, kind) in told.iter().zip([Kind::OrderRejected, Kind::PaymentRefunded]) {
            let published = topic.published().iter().filter(|n| n.kind == kind).count();
            prop_assert!(published >= outcomes.len());
            prop_assert_eq!(outcomes.iter().filter(|handled| !handled.repeat).count() <= 1, true);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let items = runtime.block_on(table.partition("o-1")).unwrap();
        let records = items.iter().filter(|item| item.key.sk.starts_with("notice#"));
        prop_assert!(records.clone().all(|record| record.version == 1));
        prop_assert_eq!(records.count(), 2);
    }
}
