//! The decisions, one by one.

use duet_core::testing::context;

use super::*;
use crate::command::{CapturePayment, NoteOrder, NoteReservation};

fn euros(amount: i64) -> Money {
    serde_json::from_value(serde_json::json!({"amount": amount, "currency": "EUR"})).unwrap()
}

fn order() -> OrderId {
    "o-1".parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn by(message: &str) -> Context {
    context(message, at(0), false)
}

fn last() -> Context {
    context("last", at(0), true)
}

fn note_order(amount: i64) -> Command {
    NoteOrder {
        order: order(),
        total: euros(amount),
        payment_token: "tok_ok".into(),
    }
    .into()
}

fn note_reservation() -> Command {
    NoteReservation { order: order() }.into()
}

fn refund_all() -> RefundPayment {
    RefundPayment {
        order: order(),
        total: euros(500),
        attempt: 0,
    }
}

fn state<Q: std::fmt::Debug>(step: Begun<Q>) -> Payment {
    match step.unwrap() {
        Step::Settle(decision) => decision.state.unwrap(),
        Step::Ask { locked, .. } | Step::AskAgain { locked, .. } => locked,
    }
}

fn waiting() -> Payment {
    state(capture(None, &note_order(500), &by("a"), at(0)))
}

fn asking() -> Payment {
    state(capture(
        Some(waiting()),
        &note_reservation(),
        &by("b"),
        at(0),
    ))
}

#[test]
fn the_note_that_completes_the_set_asks() {
    for (first, second) in [
        (note_order(500), note_reservation()),
        (note_reservation(), note_order(500)),
    ] {
        let half = capture(None, &first, &by("a"), at(0));
        assert!(matches!(half, Ok(Step::Settle(_))));
        let Ok(Step::Ask { locked, question }) =
            capture(Some(state(half)), &second, &by("b"), at(0))
        else {
            panic!("the set is complete");
        };
        assert_eq!(
            (question.key.as_str(), question.due.total),
            ("payment-o-1", euros(500))
        );
        assert_eq!(
            (locked.asked, locked.lock),
            (
                true,
                Some(Lock::seize(provider_key(&order()), by("b").run()))
            )
        );
    }
}

#[test]
fn a_charge_at_once_needs_no_notes() {
    let command = CapturePayment {
        order: order(),
        amount: euros(500),
        payment_token: "tok_ok".into(),
    }
    .into();
    assert!(matches!(
        capture(None, &command, &by("a"), at(0)),
        Ok(Step::Ask { .. })
    ));
}

#[test]
fn an_order_is_noted_with_one_total() {
    let other = capture(Some(waiting()), &note_order(501), &by("b"), at(0));
    assert!(matches!(other, Err(Failure::Invalid(_))));
}

#[test]
fn a_lock_keeps_others_out_until_it_expires() {
    let again = |by: Context, now| capture(Some(asking()), &note_reservation(), &by, at(now));
    assert!(matches!(again(by("c"), 9), Err(Failure::Transient(_))));
    assert!(matches!(again(by("c"), 10), Ok(Step::Ask { .. })));
    assert!(
        matches!(again(by("b"), 9), Ok(Step::Ask { .. })),
        "its own message goes on"
    );
    let last = Context {
        clearance: None,
        execution: None,
        last_attempt: true,
        ..by("b")
    };
    assert!(
        matches!(again(last, 9), Err(Failure::Transient(_))),
        "but does not give up while it may be under way"
    );
}

#[test]
fn a_lock_that_another_delivery_counts_on_is_left_to_expire() {
    let again = capture(Some(asking()), &note_reservation(), &by("b"), at(9));
    let silence = Err(CaptureError::Unavailable(Unavailable("x".into())));
    let end = captured(state(again), &order(), euros(500), silence, &by("b"));
    let End::Release(payment, _) = end else {
        panic!("silence is transient");
    };
    assert!(payment.lock.is_some());
}

#[test]
fn silence_releases_the_lock_and_keeps_the_notes() {
    let silence = || Err(CaptureError::Unavailable(Unavailable("x".into())));
    let End::Release(payment, Failure::Transient(_)) =
        captured(asking(), &order(), euros(500), silence(), &by("x"))
    else {
        panic!("silence is transient");
    };
    assert_eq!(
        (payment.lock, payment.due.is_some(), payment.reserved),
        (None, true, true)
    );
    let End::Settle(given_up) = captured(asking(), &order(), euros(500), silence(), &last()) else {
        panic!("the last attempt gives up");
    };
    assert_eq!(given_up.state, Some(settled(Status::Unavailable, true)));
    assert_eq!(
        given_up.facts,
        [PaymentUnavailable { order: order() }.into()]
    );
}

#[test]
fn a_rejection_that_comes_first_leaves_a_tombstone() {
    let Ok(Step::Settle(decision)) = refund(None, &refund_all(), &by("r"), at(0)) else {
        panic!("nobody needs to be asked");
    };
    assert_eq!(
        decision.facts,
        [PaymentRefunded {
            order: order(),
            amount: euros(0)
        }
        .into()]
    );
    let late = capture(decision.state, &note_order(500), &by("a"), at(0));
    let Ok(Step::Settle(late)) = late else {
        panic!("a late note does nothing")
    };
    assert_eq!(
        (late.state, late.facts),
        (None, vec![]),
        "and its token is not kept"
    );
}

#[test]
fn a_rejection_asks_the_provider_once_anybody_did() {
    let unavailable = settled(Status::Unavailable, true);
    let released = Payment {
        lock: None,
        ..asking()
    };
    let charged = settled(Status::Captured { amount: euros(500) }, true);
    for there in [asking(), released, unavailable, charged] {
        let step = refund(Some(there), &refund_all(), &by("r"), at(0));
        assert!(matches!(step, Ok(Step::Ask { .. })));
        let payment = state(step);
        assert!(payment.asked, "and that somebody asked stays known");
        assert_eq!(payment.due, None, "the token is not kept");
        let other = refund(Some(payment), &refund_all(), &by("s"), at(0));
        assert!(
            matches!(other, Err(Failure::Transient(_))),
            "one refund at a time"
        );
    }
    let declined = Some(settled(Status::Declined, true));
    assert!(matches!(
        refund(declined, &refund_all(), &by("r"), at(0)),
        Ok(Step::Settle(_))
    ));
}

#[test]
fn what_the_provider_gave_back_counts() {
    let there = settled(Status::Refunding { charged: None }, true);
    for (given_back, amount) in [(None, 0), (Some(euros(500)), 500)] {
        let End::Settle(decision) =
            refunded(there.clone(), &refund_all(), Ok(given_back), &by("x"))
        else {
            panic!("an answer settles it");
        };
        assert_eq!(
            decision.facts,
            [PaymentRefunded {
                order: order(),
                amount: euros(amount)
            }
            .into()]
        );
    }
}

#[test]
fn giving_up_names_what_is_owed() {
    let silence = || Err(Unavailable("x".into()));
    for (charged, owed) in [(Some(euros(300)), 300), (None, 500)] {
        let there = settled(Status::Refunding { charged }, true);
        let End::Settle(decision) = refunded(there, &refund_all(), silence(), &last()) else {
            panic!("the last attempt gives up");
        };
        assert_eq!(
            decision.facts,
            [RefundFailed {
                order: order(),
                amount: euros(owed)
            }
            .into()]
        );
        let again = state(refund(decision.state, &refund_all(), &by("r"), at(0)));
        assert_eq!(
            again.status,
            Status::Refunding {
                charged: Some(euros(owed))
            }
        );
    }
}

#[test]
fn documents_survive_the_table() {
    for payment in [
        waiting(),
        asking(),
        settled(
            Status::Refunding {
                charged: Some(euros(5)),
            },
            true,
        ),
    ] {
        let text = serde_json::to_string(&payment).unwrap();
        assert_eq!(serde_json::from_str::<Payment>(&text).unwrap(), payment);
    }
    let standing = Standing {
        order: order(),
        status: Status::Refunded { amount: euros(0) },
    };
    assert_eq!(
        serde_json::to_value(standing).unwrap(),
        serde_json::json!({"order": "o-1", "status": "Refunded", "amount": {"amount": 0, "currency": "EUR"}}),
    );
}

#[test]
fn each_refund_by_hand_takes_effect_of_its_own() {
    let part = |attempt| {
        Command::from(RefundPayment {
            attempt,
            ..refund_all()
        })
        .part()
    };
    // The first goes by the name that it had when there was no other.
    assert_eq!([0, 1, 2].map(part), ["", "1", "2"]);
}

type Whole = crate::Payments<
    duet_core::store::Memory,
    duet_core::testing::HandClock,
    crate::SimulatedProvider<duet_core::store::Memory, duet_core::testing::HandClock>,
>;

#[test]
fn these_facts_and_no_others_call_for_a_command() {
    assert_eq!(
        duet_core::testing::reactions::<Whole>(),
        [
            ("NewOrder", "order", "NoteOrder"),
            ("OrderRejected", "order", "RefundPayment"),
            ("StockReserved", "order", "NoteReservation"),
        ]
    );
}
