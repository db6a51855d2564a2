//! The decisions, one by one.

use duet_core::Vocabulary;
use duet_core::service::Reaction;
use duet_core::testing::context;

use super::*;
use crate::command::{NoteClearance, NoteOrder, NotePayment, ScheduleDelivery};

fn order() -> OrderId {
    "o-1".parse().unwrap()
}

fn address(street: &str) -> Address {
    let text = |text: &str| text.to_owned();
    Address {
        name: text("N"),
        street: text(street),
        city: text("C"),
        postcode: text("11122"),
        country: text("SE"),
    }
}

fn notes() -> [Command; 3] {
    [
        NoteOrder {
            order: order(),
            ship_to: address("S 1"),
        }
        .into(),
        NotePayment { order: order() }.into(),
        NoteClearance { order: order() }.into(),
    ]
}

fn by(message: &str) -> Context {
    context(message, Timestamp::UNIX_EPOCH, false)
}

fn tell(state: Option<Delivery>, command: &Command, awaits: bool) -> Step<Delivery, Book> {
    book(state, command, awaits, &by("a"), Timestamp::UNIX_EPOCH).unwrap()
}

fn stop(state: Option<Delivery>, message: &str) -> Begun<String> {
    cancel(state, &order(), &by(message), Timestamp::UNIX_EPOCH)
}

fn state<Q>(step: Step<Delivery, Q>) -> Delivery {
    match step {
        Step::Settle(decision) => decision.state.unwrap(),
        Step::Ask { locked, .. } | Step::AskAgain { locked, .. } => locked,
    }
}

fn asking() -> Delivery {
    let command = ScheduleDelivery {
        order: order(),
        ship_to: address("S 1"),
    }
    .into();
    state(tell(None, &command, true))
}

#[test]
fn the_note_that_completes_the_set_asks() {
    for turn in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let mut there = None;
        for (n, note) in turn.into_iter().enumerate() {
            let step = tell(there, &notes()[note], true);
            assert_eq!(matches!(step, Step::Ask { .. }), n == 2, "{turn:?}");
            there = Some(state(step));
        }
    }
}

#[test]
fn a_shop_without_fraud_detection_does_not_wait_for_it() {
    let there = state(tell(None, &notes()[0], false));
    assert!(matches!(
        tell(Some(there), &notes()[1], false),
        Step::Ask { .. }
    ));
}

#[test]
fn an_order_is_noted_with_one_address() {
    let there = state(tell(None, &notes()[0], true));
    let other = NoteOrder {
        order: order(),
        ship_to: address("S 2"),
    }
    .into();
    let step = book(Some(there), &other, true, &by("a"), Timestamp::UNIX_EPOCH);
    assert!(matches!(step, Err(Failure::Invalid(_))));
}

#[test]
fn refusals_have_their_reasons() {
    let silence = || BookError::Unavailable(Unavailable("x".into()));
    let last = context("a", Timestamp::UNIX_EPOCH, true);
    for (error, reason) in [
        (BookError::NotServed, DeliveryRefusal::NotServed),
        (silence(), DeliveryRefusal::CarrierUnavailable),
    ] {
        let End::Settle(decision) = booked(asking(), &order(), Err(error), &last) else {
            panic!("the last attempt settles it");
        };
        assert_eq!(
            decision.facts,
            [DeliveryFailed {
                order: order(),
                reason
            }
            .into()]
        );
        assert_eq!(
            decision.state.unwrap().ship_to,
            None,
            "the address is not kept"
        );
    }
    let End::Release(there, Failure::Transient(_)) =
        booked(asking(), &order(), Err(silence()), &by("a"))
    else {
        panic!("silence is transient");
    };
    assert_eq!((there.lock, there.ship_to), (None, Some(address("S 1"))));
}

#[test]
fn a_rejection_that_comes_first_leaves_a_tombstone() {
    let there = state(stop(None, "r").unwrap());
    for note in notes() {
        let Step::Settle(late) = tell(Some(there.clone()), &note, true) else {
            panic!("a late note does nothing");
        };
        assert_eq!((late.state, late.facts), (None, vec![]));
    }
}

#[test]
fn a_rejection_asks_the_carrier_once_anybody_did() {
    let failed = |reason| settled(asking(), Status::Failed { reason });
    let scheduled = settled(
        asking(),
        Status::Scheduled {
            tracking: "t".into(),
        },
    );
    let released = Delivery {
        lock: None,
        ..asking()
    };
    for there in [
        asking(),
        released,
        scheduled,
        failed(DeliveryRefusal::CarrierUnavailable),
    ] {
        let step = stop(Some(there), "r").unwrap();
        assert!(matches!(step, Step::Ask { .. }));
        let other = stop(Some(state(step)), "s");
        assert!(
            matches!(other, Err(Failure::Transient(_))),
            "one cancellation at a time"
        );
    }
    let not_served = stop(Some(failed(DeliveryRefusal::NotServed)), "r");
    assert!(matches!(not_served, Ok(Step::Settle(_))));
}

#[test]
fn who_asks_the_carrier_holds_the_lock_and_whoever_settles_it_lets_go() {
    let there = asking();
    assert!(there.asked && there.lock.is_some());
    // Another message about it waits.
    let other = ScheduleDelivery {
        order: order(),
        ship_to: address("S 1"),
    };
    let (other, by) = (other.into(), by("b"));
    let step = book(
        Some(there.clone()),
        &other,
        true,
        &by,
        Timestamp::UNIX_EPOCH,
    );
    assert!(matches!(step, Err(Failure::Transient(_))));
    let End::Settle(decision) = booked(there, &order(), Ok("t".into()), &by) else {
        panic!("it is booked");
    };
    let booked = decision.state.unwrap();
    assert_eq!((booked.lock, booked.ship_to), (None, None));
}

#[test]
fn a_rejection_of_what_nobody_asked_for_asks_nobody() {
    let noted = state(tell(None, &notes()[0], true));
    assert!(!noted.asked);
    let step = stop(Some(noted), "r").unwrap();
    assert!(matches!(step, Step::Settle(_)));
    assert_eq!(state(step).status, Status::Cancelled);
}

#[test]
fn each_fact_of_the_join_is_a_note_and_a_rejection_cancels() {
    use crate::command::CancelDelivery;
    use duet_core::Fact;
    use serde_json::json;
    let whole = json!({
        "order": "o-1", "customer": "c-1", "lines": [{ "sku": "kettle", "quantity": 1 }],
        "total": { "amount": 5, "currency": "EUR" }, "amount": { "amount": 5, "currency": "EUR" },
        "payment_token": "tok_visa", "ship_to": address("S 1"), "reason": "TimedOut",
        "placed_at": Timestamp::UNIX_EPOCH,
    });
    let of_customer = json!({ "kind": "customer", "customer": "c-1" });
    let [noted, paid, clear] = notes();
    let cancel = CancelDelivery { order: order() }.into();
    for (name, data, reaction) in [
        ("NewOrder", &whole, Reaction::Command(noted)),
        ("PaymentCaptured", &whole, Reaction::Command(paid)),
        (
            "NoFraudDetected",
            &json!({ "kind": "order", "order": "o-1" }),
            Reaction::Command(clear),
        ),
        ("NoFraudDetected", &of_customer, Reaction::Nothing),
        ("OrderRejected", &whole, Reaction::Command(cancel)),
        ("OrderConfirmed", &whole, Reaction::NoPolicy),
    ] {
        let fact = Fact::parse(name, data).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(crate::policy::reaction(&fact), reaction, "{name}");
    }
}

type Whole = crate::Deliveries<
    duet_core::store::Memory,
    duet_core::testing::HandClock,
    crate::SimulatedCarrier<duet_core::store::Memory, duet_core::testing::HandClock>,
>;

#[test]
fn these_facts_and_no_others_call_for_a_command() {
    assert_eq!(
        duet_core::testing::reactions::<Whole>(),
        [
            ("NewOrder", "order", "NoteOrder"),
            ("OrderRejected", "order", "CancelDelivery"),
            ("NoFraudDetected", "order", "NoteClearance"),
            ("PaymentCaptured", "order", "NotePayment"),
        ]
    );
}
