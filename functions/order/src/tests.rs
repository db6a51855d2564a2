//! The order service over a table in memory: its decisions, its timers, and
//! that no interleaving of messages gives it two minds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use duet_core::fact::{
    DeliveryCancelled, DeliveryFailed, DeliveryRefusal, DeliveryScheduled, Fact, FraudConfirmed,
    NoFraudDetected, PaymentDeclined, PaymentRefunded, PaymentUnavailable, PossibleFraud,
    RefundFailed, ReviewTimedOut, Screened, StockRefusal, StockReleased, StockUnavailable,
};
use duet_core::order::{Owed, Part, Reason};
use duet_core::store::{Memory, Store};
use duet_core::{
    Answer, Clock, Context, Event, Failure, Handled, Metadata, Money, OrderId, Refusal, Request,
    Service, Timestamp, Vocabulary,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use serde_json::{Value, json};

use crate::command::{
    ConfirmOrder, ExpireCompensation, ExpireOrder, ExtendDeadline, NoteUndone, ParkOrder,
    PlaceOrder, RejectOrder,
};
use crate::domain::{Compensation, Fate, Order};
use crate::{Command, Orders, Patience, key};

const PATIENCE: Patience = Patience {
    order: 900,
    review: 600,
    compensation: 300,
};

/// Seconds after the start of the test's world.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

fn money(amount: i64) -> Money {
    serde_json::from_value(json!({"amount": amount, "currency": "EUR"})).unwrap()
}

fn id() -> OrderId {
    "o-1".parse().unwrap()
}

/// The order service with a clock to turn.
struct World<C> {
    service: Orders<Memory, C>,
    table: Memory,
    clock: Arc<AtomicI64>,
}

fn world() -> World<impl Clock> {
    let (table, clock) = (Memory::default(), Arc::new(AtomicI64::new(0)));
    let hands = clock.clone();
    let now = Arc::new(move || at(hands.load(Ordering::Relaxed)));
    World {
        service: Orders::new(table.clone(), now, PATIENCE),
        table,
        clock,
    }
}

async fn placed() -> World<impl Clock> {
    let world = world();
    let _ = world.tell(place()).await;
    world
}

impl<C: Clock> World<C> {
    async fn ask(&self, command: impl Into<Command>, variant: &str) -> Result<Handled, Failure> {
        let context = Context {
            message: metadata(variant),
            reply_to: None,
            last_attempt: false,
            deadline: Timestamp::MAX,
            replay: false,
        };
        self.service
            .handle(Request {
                command: command.into(),
                context,
            })
            .await
    }

    async fn tell(&self, command: impl Into<Command>) -> Handled {
        self.ask(command, "standard").await.unwrap()
    }

    fn turn_to(&self, seconds: i64) {
        self.clock.store(seconds, Ordering::Relaxed);
    }

    async fn order(&self) -> Order {
        self.table
            .load(&[key("o-1")])
            .await
            .unwrap()
            .remove(0)
            .unwrap()
            .read()
            .unwrap()
    }
}

fn metadata(variant: &str) -> Metadata {
    Metadata {
        id: "m-1".into(),
        source: "duet.test".into(),
        kind: "test".into(),
        subject: "o-1".into(),
        time: at(0),
        schemaversion: "1.0".into(),
        correlationid: "o-1".into(),
        causationid: None,
        traceparent: None,
        variant: variant.into(),
    }
}

fn place() -> PlaceOrder {
    serde_json::from_value(json!({
        "order": "o-1",
        "customer": "c-1",
        "lines": [{"sku": "sku-1", "quantity": 2}],
        "total": {"amount": 2_500, "currency": "EUR"},
        "payment_token": "tok_ok",
        "ship_to": {
            "name": "Ada", "street": "1 Road", "city": "Lund", "postcode": "22100", "country": "SE",
        },
    }))
    .unwrap()
}

fn confirm() -> Command {
    ConfirmOrder { order: id() }.into()
}

fn reject(reason: Reason, detail: Option<&str>) -> Command {
    RejectOrder {
        order: id(),
        reason,
        detail: detail.map(ToOwned::to_owned),
    }
    .into()
}

fn undone(parts: &[Part]) -> Command {
    NoteUndone {
        order: id(),
        parts: parts.to_vec(),
    }
    .into()
}

fn owed(part: Part, amount: Option<i64>) -> Owed {
    Owed {
        part,
        amount: amount.map(money),
    }
}

fn park(owed: &[Owed]) -> Command {
    ParkOrder {
        order: id(),
        owed: owed.to_vec(),
    }
    .into()
}

fn expire() -> Command {
    ExpireOrder { order: id() }.into()
}

fn expire_compensation() -> Command {
    ExpireCompensation { order: id() }.into()
}

fn extend() -> Command {
    ExtendDeadline { order: id() }.into()
}

fn facts(handled: &Handled) -> Vec<&'static str> {
    handled
        .events
        .iter()
        .map(|event| event.fact.name())
        .collect()
}

fn timers(handled: &Handled) -> Vec<(&str, Timestamp)> {
    handled
        .timers
        .iter()
        .map(|timer| (timer.command.as_str(), timer.due))
        .collect()
}

#[tokio::test]
async fn an_order_is_taken_on_once() {
    let world = world();
    let first = world.tell(place()).await;
    assert_eq!(facts(&first), ["NewOrder"]);
    assert_eq!(first.answer, Answer::Done(first.events[0].fact.data()));
    assert_eq!(timers(&first), [("ExpireOrder", at(900))]);
    world.turn_to(10);
    let again = world.tell(place()).await;
    assert!(again.repeat);
    assert_eq!((again.events, again.answer), (first.events, first.answer));
    let other = PlaceOrder {
        total: money(1),
        ..place()
    };
    assert!(matches!(
        world.ask(other, "standard").await,
        Err(Failure::Invalid(_))
    ));
    assert!(matches!(
        world.ask(place(), "eventbridge").await,
        Err(Failure::Invalid(_))
    ));
    assert!(matches!(
        world.ask(confirm(), "eventbridge").await,
        Err(Failure::Invalid(_))
    ));
}

#[tokio::test]
async fn an_unknown_order_is_invalid_but_may_be_parked() {
    let world = world();
    let refused = world.ask(confirm(), "standard").await;
    assert_eq!(refused, Err(Failure::invalid("no such order")));
    let parked = world.tell(park(&[])).await;
    assert_eq!(
        (parked.answer, parked.events),
        (Answer::Done(json!("no such order")), vec![])
    );
}

#[test]
fn an_order_is_checked_by_field() {
    let line = json!({"sku": "sku-1", "quantity": 1});
    let many: Vec<Value> = (0..99)
        .map(|n| json!({"sku": format!("sku-{n}"), "quantity": 1}))
        .collect();
    let cases = [
        ("/lines", json!([]), "lines"),
        ("/lines", Value::from(vec![line; 101]), "lines"),
        ("/lines", Value::from(many), "lines"),
        ("/total/amount", json!(0), "total.amount"),
        ("/payment_token", json!(""), "payment_token"),
        ("/payment_token", json!("x".repeat(129)), "payment_token"),
        ("/ship_to/name", json!(" "), "ship_to.name"),
        ("/ship_to/street", json!(""), "ship_to.street"),
        ("/ship_to/city", json!("x".repeat(201)), "ship_to.city"),
        ("/ship_to/postcode", json!(""), "ship_to.postcode"),
        ("/ship_to/country", json!("se"), "ship_to.country"),
    ];
    assert_eq!(place().check(), Ok(()));
    for (pointer, value, path) in cases {
        let mut data = Command::from(place()).data();
        *data.pointer_mut(pointer).unwrap() = value;
        let command: PlaceOrder = serde_json::from_value(data).unwrap();
        assert_eq!(command.check().unwrap_err().path, path);
    }
}

#[tokio::test]
async fn confirming_is_the_pivot() {
    let world = placed().await;
    let confirmed = world.tell(confirm()).await;
    assert_eq!(facts(&confirmed), ["OrderConfirmed"]);
    let late = world.tell(reject(Reason::TimedOut, None)).await;
    assert_eq!(
        late.answer,
        Answer::Declined(Refusal::new("OrderConfirmed", ""))
    );
    assert!(late.events.is_empty());
    world.turn_to(900);
    let expired = world.tell(expire()).await;
    assert!(expired.events.is_empty() && expired.timers.is_empty());
    assert_eq!(world.order().await.fate, Fate::Confirmed);
}

#[tokio::test]
async fn a_rejection_is_final_and_starts_the_compensation() {
    let world = placed().await;
    let rejected = world
        .tell(reject(Reason::StockUnavailable, Some("OutOfStock")))
        .await;
    assert_eq!(facts(&rejected), ["OrderRejected"]);
    assert_eq!(rejected.events[0].fact.data()["detail"], "OutOfStock");
    assert_eq!(timers(&rejected), [("ExpireCompensation", at(300))]);
    let refusal = Refusal::new("OrderRejected", "StockUnavailable");
    assert_eq!(
        world.tell(confirm()).await.answer,
        Answer::Declined(refusal)
    );
    let second = world.tell(reject(Reason::PaymentDeclined, None)).await;
    assert!(
        second.events.is_empty(),
        "where two failures race, the first is the reason"
    );
    let order = world.order().await;
    assert!(matches!(
        order.fate,
        Fate::Rejected {
            reason: Reason::StockUnavailable,
            ..
        }
    ));
    assert_eq!(order.compensation, Compensation::Pending);
}

#[tokio::test]
async fn a_deadline_names_the_fact_waited_for() {
    let world = placed().await;
    world.turn_to(899);
    let early = world.tell(expire()).await;
    assert_eq!(
        (facts(&early).len(), timers(&early)),
        (0, vec![("ExpireOrder", at(900))])
    );
    world.turn_to(900);
    let rejected = world.tell(expire()).await;
    let data = rejected.events[0].fact.data();
    assert_eq!(
        (&data["reason"], &data["detail"]),
        (&json!("TimedOut"), &json!("DeliveryScheduled"))
    );
    assert!(world.tell(expire()).await.repeat);
}

#[tokio::test]
async fn a_person_gets_time_to_look() {
    let world = placed().await;
    world.turn_to(100);
    let extended = world.tell(extend()).await;
    assert_eq!(timers(&extended), [("ExpireOrder", at(100 + 600 + 900))]);
    world.turn_to(900);
    let first = world.tell(expire()).await;
    assert_eq!(
        (facts(&first).len(), timers(&first)),
        (0, vec![("ExpireOrder", at(1_600))])
    );
    world.turn_to(1_600);
    let second = world.tell(expire()).await;
    assert_eq!(second.events[0].fact.data()["detail"], "NoFraudDetected");
}

#[tokio::test]
async fn a_refund_that_fails_parks_and_a_later_one_repairs() {
    let world = placed().await;
    let _ = world
        .tell(reject(Reason::DeliveryFailed, Some("NotServed")))
        .await;
    let _ = world.tell(undone(&[Part::Stock])).await;
    let parked = world.tell(park(&[owed(Part::Payment, Some(2_500))])).await;
    assert_eq!(facts(&parked), ["OrderNeedsAttention"]);
    let _ = world.tell(undone(&[Part::Delivery])).await;
    let order = world.order().await;
    assert_eq!(order.compensation, Compensation::Failed);
    assert_eq!(order.owed, [owed(Part::Payment, Some(2_500))]);
    for _ in 0..2 {
        let _ = world.tell(undone(&[Part::Payment])).await;
        let order = world.order().await;
        assert_eq!(
            (order.compensation, order.owed),
            (Compensation::Done, vec![])
        );
        assert!(matches!(
            order.fate,
            Fate::Rejected {
                reason: Reason::DeliveryFailed,
                ..
            }
        ));
    }
}

#[tokio::test]
async fn a_compensation_past_its_deadline_is_parked_with_what_is_pending() {
    let world = placed().await;
    let _ = world.tell(reject(Reason::PaymentDeclined, None)).await;
    let _ = world.tell(undone(&[Part::Stock])).await;
    world.turn_to(300);
    let parked = world.tell(expire_compensation()).await;
    assert_eq!(facts(&parked), ["OrderNeedsAttention"]);
    let order = world.order().await;
    assert_eq!(order.compensation, Compensation::Failed);
    assert_eq!(
        order.owed,
        [owed(Part::Delivery, None), owed(Part::Payment, None)]
    );
    // Somebody who knows more says how much.
    let _ = world.tell(park(&[owed(Part::Payment, Some(2_500))])).await;
    assert!(
        world
            .order()
            .await
            .owed
            .contains(&owed(Part::Payment, Some(2_500)))
    );
    let _ = world.tell(undone(&[Part::Payment, Part::Delivery])).await;
    assert_eq!(world.order().await.compensation, Compensation::Done);
    assert!(
        world.tell(park(&[])).await.events.is_empty(),
        "whole: nothing to park"
    );
}

#[tokio::test]
async fn a_workflow_that_died_leaves_a_rejected_order() {
    let world = placed().await;
    let parked = world.tell(park(&[])).await;
    assert_eq!(facts(&parked), ["OrderNeedsAttention"]);
    let order = world.order().await;
    assert_eq!(
        order.fate,
        Fate::Rejected {
            reason: Reason::Abandoned,
            detail: None
        }
    );
    assert_eq!(
        (order.compensation, order.owed.len()),
        (Compensation::Failed, 3)
    );
    let _ = world.tell(undone(&Part::COMPENSATED)).await;
    assert_eq!(world.order().await.compensation, Compensation::Done);
}

#[tokio::test]
async fn after_the_pivot_steps_park_and_nothing_is_undone() {
    let world = placed().await;
    let _ = world.tell(confirm()).await;
    let parked = world.tell(park(&[])).await;
    assert_eq!(facts(&parked), ["OrderNeedsAttention"]);
    let order = world.order().await;
    assert_eq!(
        (&order.fate, order.compensation),
        (&Fate::Confirmed, Compensation::None)
    );
    assert_eq!(
        order.owed,
        [owed(Part::Shipment, None), owed(Part::Notice, None)]
    );
    let _ = world.tell(undone(&[Part::Shipment, Part::Notice])).await;
    let order = world.order().await;
    assert_eq!((order.fate, order.owed), (Fate::Confirmed, vec![]));
}

#[test]
fn the_policy_turns_facts_into_decisions() {
    let (score, reasons) = (90, Vec::new());
    let customer = Screened::Customer {
        customer: "c-1".parse().unwrap(),
    };
    let order = || Screened::Order { order: id() };
    let stock = StockUnavailable {
        order: id(),
        reason: StockRefusal::PriceChanged,
        sku: None,
    };
    let delivery = DeliveryFailed {
        order: id(),
        reason: DeliveryRefusal::NotServed,
    };
    let scheduled = DeliveryScheduled {
        order: id(),
        tracking: "t-1".into(),
    };
    let fraud = FraudConfirmed {
        order: id(),
        score,
        reasons: reasons.clone(),
    };
    let doubt = |of| {
        Fact::from(PossibleFraud {
            of,
            score,
            reasons: reasons.clone(),
        })
    };
    let failed = RefundFailed {
        order: id(),
        amount: money(2_500),
    };
    let refunded = PaymentRefunded {
        order: id(),
        amount: money(0),
    };
    let cases: [(Fact, Option<Command>); 14] = [
        (scheduled.into(), Some(confirm())),
        (
            stock.into(),
            Some(reject(Reason::StockUnavailable, Some("PriceChanged"))),
        ),
        (
            PaymentDeclined { order: id() }.into(),
            Some(reject(Reason::PaymentDeclined, None)),
        ),
        (
            PaymentUnavailable { order: id() }.into(),
            Some(reject(Reason::PaymentUnavailable, None)),
        ),
        (fraud.into(), Some(reject(Reason::FraudConfirmed, None))),
        (
            ReviewTimedOut { order: id() }.into(),
            Some(reject(Reason::ReviewTimedOut, None)),
        ),
        (
            delivery.into(),
            Some(reject(Reason::DeliveryFailed, Some("NotServed"))),
        ),
        (doubt(order()), Some(extend())),
        (doubt(customer), None),
        (
            StockReleased {
                order: id(),
                lines: vec![],
            }
            .into(),
            Some(undone(&[Part::Stock])),
        ),
        (refunded.into(), Some(undone(&[Part::Payment]))),
        (
            DeliveryCancelled { order: id() }.into(),
            Some(undone(&[Part::Delivery])),
        ),
        (
            failed.into(),
            Some(park(&[owed(Part::Payment, Some(2_500))])),
        ),
        (NoFraudDetected { of: order() }.into(), None),
    ];
    for (fact, expected) in cases {
        let event = Event {
            metadata: metadata("eventbridge"),
            fact,
        };
        assert_eq!(
            Orders::<Memory, Arc<fn() -> Timestamp>>::policy(&event),
            expected
        );
    }
}

/// Everything that may decide an order, by number.
fn decisive(n: u8) -> Command {
    match n {
        0 => confirm(),
        1 => reject(Reason::StockUnavailable, Some("OutOfStock")),
        2 => reject(Reason::PaymentDeclined, None),
        3 => reject(Reason::ReviewTimedOut, None),
        4 => expire(),
        5 => extend(),
        6 => park(&[]),
        _ => place().into(),
    }
}

/// What may come after a rejection, by number.
fn compensating(n: usize) -> Command {
    match n {
        0 => undone(&[Part::Stock]),
        1 => undone(&[Part::Payment]),
        2 => undone(&[Part::Delivery]),
        3 => park(&[owed(Part::Payment, Some(2_500))]),
        4 => park(&[]),
        5 => expire_compensation(),
        _ => reject(Reason::PaymentDeclined, None),
    }
}

/// Messages after a rejection: each of the three compensations at least once,
/// with repeats and trouble in between, in any order.
fn after_a_rejection() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..7, 0..12)
        .prop_map(|more| [vec![0, 1, 2], more].concat())
        .prop_shuffle()
}

fn config(seed: u64) -> Config {
    Config {
        cases: 300,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(config(4))]

    /// Whatever comes, in any order, at any time and with repeats: the decision
    /// is made once and final, and one fact at most tells it.
    #[test]
    fn the_decision_is_made_once(
        messages in prop::collection::vec((0_u8..8, 0_i64..400), 1..24),
    ) {
        block_on(async {
            let world = placed().await;
            let (mut fate, mut now, mut told) = (Fate::Undecided, 0, BTreeMap::new());
            for (n, pause) in messages {
                now += pause;
                world.turn_to(now);
                let handled = world.tell(decisive(n)).await;
                // Facts have stable ids: a repeat tells the same fact again.
                told.extend(handled.events.iter().map(|e| (e.metadata.id.clone(), e.fact.name())));
                let order = world.order().await;
                if fate == Fate::Undecided {
                    fate = order.fate;
                } else {
                    assert_eq!(order.fate, fate, "the decision is final");
                }
            }
            let decisions: Vec<_> = told
                .into_values()
                .filter(|name| matches!(*name, "OrderConfirmed" | "OrderRejected"))
                .collect();
            let expected: &[&str] = match fate {
                Fate::Confirmed => &["OrderConfirmed"],
                // Nobody is there to compensate: the order is parked at once.
                Fate::Undecided | Fate::Rejected { reason: Reason::Abandoned, .. } => &[],
                Fate::Rejected { .. } => &["OrderRejected"],
            };
            assert_eq!(decisions, expected);
        });
    }

    /// Once every part is undone the order is whole: nothing is owed, whatever
    /// went wrong on the way, and nothing that comes later changes that.
    #[test]
    fn a_compensated_order_is_whole(messages in after_a_rejection()) {
        block_on(async {
            let world = placed().await;
            let _ = world.tell(reject(Reason::DeliveryFailed, None)).await;
            let mut missing = vec![0, 1, 2];
            for n in messages {
                let _ = world.tell(compensating(n)).await;
                missing.retain(|part| *part != n);
                let order = world.order().await;
                let whole = order.compensation == Compensation::Done;
                assert_eq!(whole, missing.is_empty(), "{order:?}");
                assert!(!whole || order.owed.is_empty() && order.pending.is_empty());
                let owed = order.owed.iter().all(|owed| order.pending.contains(&owed.part));
                assert!(owed, "what is undone is not owed");
            }
        });
    }

    /// A refund that failed stays owed, to the cent, until the money went back.
    #[test]
    fn money_is_owed_until_it_went_back(messages in after_a_rejection()) {
        block_on(async {
            let world = placed().await;
            let _ = world.tell(reject(Reason::DeliveryFailed, None)).await;
            let (mut failed, mut refunded) = (false, false);
            for n in messages {
                let _ = world.tell(compensating(n)).await;
                refunded |= n == 1;
                failed |= n == 3 && !refunded;
                let order = world.order().await;
                let debt = owed(Part::Payment, Some(2_500));
                assert_eq!(order.owed.contains(&debt), failed && !refunded, "{order:?}");
            }
        });
    }
}
