//! What the service does, case by case.

use duet_core::money::MAX_AMOUNT;
use duet_core::service::{Reaction, reaction};

use super::*;
use crate::command::{MAX_LINES, MAX_SKUS};

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
    world.refuses(other, "standard").await;
    world.refuses(place(), "eventbridge").await;
    world.refuses(confirm(), "eventbridge").await;
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
    // Its execution is redriven, places it, and dies again.
    let _ = world.tell(Command::from(place())).await;
    let parked = world.tell(park(&[])).await;
    assert_eq!(facts(&parked), ["OrderNeedsAttention"]);
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
        ("/total/currency", json!("XQQ"), "total.currency"),
        ("/order", json!("x".repeat(61)), "order"),
        ("/order", json!("o__1"), "order"),
        ("/customer", json!("c_"), "customer"),
        ("/payment_token", json!(""), "payment_token"),
        ("/payment_token", json!("x".repeat(129)), "payment_token"),
        ("/ship_to/name", json!(" "), "ship_to.name"),
        ("/ship_to/street", json!(""), "ship_to.street"),
        ("/ship_to/city", json!("x".repeat(201)), "ship_to.city"),
        ("/ship_to/postcode", json!(""), "ship_to.postcode"),
        ("/ship_to/country", json!("se"), "ship_to.country"),
    ];
    assert_eq!(place().check(), Ok(()));
    let mut most = Command::from(place()).data();
    for amount in [MAX_AMOUNT + 1, i64::MAX, -1] {
        most["total"]["amount"] = json!(amount);
        assert!(serde_json::from_value::<PlaceOrder>(most.clone()).is_err());
    }
    most["total"]["amount"] = json!(MAX_AMOUNT);
    // Two of the lines are of a SKU that is there already.
    let line = |n| json!({ "sku": format!("sku-{}", n % MAX_SKUS), "quantity": 1 });
    most["lines"] = (0..MAX_LINES).map(line).collect();
    most["payment_token"] = json!("x".repeat(128));
    for (name, length) in [
        ("name", 200),
        ("street", 200),
        ("city", 200),
        ("postcode", 16),
    ] {
        most["ship_to"][name] = json!("é".repeat(length));
    }
    let most: PlaceOrder = serde_json::from_value(most).unwrap();
    assert_eq!(most.check(), Ok(()));
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
async fn a_decision_says_when_and_how_the_order_ended() {
    let park = ParkOrder::of(id());
    for (command, ended) in [
        (confirm(), vec![("Confirmed", None)]),
        (
            reject(Reason::TimedOut, None),
            vec![("Rejected", Some("TimedOut"))],
        ),
        (park.into(), vec![("NeedsAttention", None)]),
    ] {
        let world = placed().await;
        world.turn_to(60);
        let handled = world.tell(command).await;
        assert_eq!(world.order().await.decided_at, Some(at(60)));
        let endings: Vec<_> = handled.events.iter().filter_map(ending).collect();
        let words: Vec<_> = endings
            .iter()
            .map(|ending| (ending.outcome, ending.reason.as_deref()))
            .collect();
        for (word, ending) in words.iter().zip(&endings) {
            assert_eq!(ending.began.is_some(), word.0 != "NeedsAttention");
        }
        assert_eq!(words, ended);
    }
}

/// What the service says to whoever counts.
fn ending(event: &Event) -> Option<duet_core::Ending> {
    <Orders<Memory, Arc<fn() -> Timestamp>> as Service>::ending(event)
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
    assert_eq!(
        second.events[0].fact.data()["detail"],
        "NoFraudDetected, DeliveryScheduled"
    );
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
    // Somebody who knows more says how much; what they do not name is owed on.
    let _ = world.tell(park(&[owed(Part::Payment, Some(2_500))])).await;
    let both = [owed(Part::Payment, Some(2_500)), owed(Part::Delivery, None)];
    assert_eq!(world.order().await.owed, both);
    let _ = world.tell(undone(&[Part::Payment, Part::Delivery])).await;
    assert_eq!(world.order().await.compensation, Compensation::Done);
    // An execution that died of something else may have told nobody.
    let _ = world.tell(park(&[])).await;
    let order = world.order().await;
    assert_eq!(
        (order.compensation, order.owed),
        (Compensation::Done, vec![owed(Part::Notice, None)])
    );
}

#[tokio::test]
async fn a_notice_of_rejection_can_be_owed_though_the_order_is_whole() {
    for undone_first in [false, true] {
        let world = placed().await;
        let _ = world.tell(reject(Reason::PaymentDeclined, None)).await;
        let parts: &[Command] = if undone_first {
            &[
                undone(&Part::COMPENSATED),
                park(&[owed(Part::Notice, None)]),
            ]
        } else {
            &[
                park(&[owed(Part::Notice, None)]),
                undone(&Part::COMPENSATED),
            ]
        };
        for command in parts {
            let _ = world.tell(command.clone()).await;
        }
        let order = world.order().await;
        assert_eq!(
            (order.compensation, order.owed),
            (Compensation::Done, vec![owed(Part::Notice, None)])
        );
        // The end of its execution is announced after that: nothing new.
        assert!(world.tell(park(&[])).await.events.is_empty());
        let _ = world.tell(undone(&[Part::Notice])).await;
        let order = world.order().await;
        assert_eq!(
            (order.compensation, order.owed),
            (Compensation::Done, vec![])
        );
    }
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

#[test]
#[expect(clippy::too_many_lines, reason = "a table: one row a fact")]
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
    let notified = |kind| {
        let subject = "o-1".to_owned();
        Fact::from(CustomerNotified { subject, kind })
    };
    let shipped = StockShipped {
        order: id(),
        lines: vec![],
    };
    let cases: [(Fact, Option<Command>); 19] = [
        (
            ShipmentOverdue { order: id() }.into(),
            Some(park(&[owed(Part::Shipment, None)])),
        ),
        (
            NoticeOverdue { order: id() }.into(),
            Some(park(&[owed(Part::Notice, None)])),
        ),
        (shipped.clone().into(), Some(undone(&[Part::Shipment]))),
        (
            notified(Notice::OrderConfirmed),
            Some(undone(&[Part::Notice])),
        ),
        (notified(Notice::CustomerBlocked), None),
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
    let policy = reaction::<Orders<Memory, Arc<fn() -> Timestamp>>>;
    let event = |fact, late| {
        let metadata = Metadata {
            late,
            ..metadata("eventbridge")
        };
        Event::new(metadata, fact)
    };
    for (fact, expected) in cases {
        assert_eq!(policy(&event(fact, true)), expected);
    }
    // In time, both are for nothing; that is no mistake of whoever sent them.
    let heard = [
        shipped.into(),
        notified(Notice::OrderConfirmed),
        notified(Notice::CustomerActivated),
    ];
    for fact in heard {
        let reaction = crate::policy::reaction(&fact, false);
        assert_eq!(reaction, Reaction::Nothing, "{}", fact.name());
    }
    let cleared = NoFraudDetected { of: order() }.into();
    assert_eq!(crate::policy::reaction(&cleared, true), Reaction::NoPolicy);
}
