//! Marks, executions and parkings: what holds while definitions and parameters
//! change under orders that are under way.

use duet_core::outcome::OTHER_MARK;

use super::*;

fn ended(execution: &str, seconds: i64) -> Command {
    let ended = at(seconds).as_millisecond();
    let data = json!({ "order": execution, "owed": [], "execution": execution, "ended_at": ended });
    Command::parse("ParkOrder", data).unwrap()
}

fn mended(parts: &[Part], parking: u32) -> Command {
    NoteUndone {
        order: id(),
        parts: parts.to_vec(),
        parking: Some(parking),
    }
    .into()
}

#[tokio::test]
async fn the_mark_is_decided_once_and_said() {
    for (said, awaits, mark) in [
        (None, true, true),
        (None, false, false),
        (Some(false), true, false),
        (Some(true), false, true),
    ] {
        let world = world_that_awaits(awaits);
        let placed = world.by(place(), "standard", None, said).await.unwrap();
        assert_eq!(placed.events[0].fact.data()["clearance"], mark);
        assert_eq!(world.order().await.placed.clearance, Some(mark));
    }
}

#[tokio::test]
async fn an_execution_of_the_other_mark_ends_at_once() {
    let world = world();
    let first = world
        .by(place(), "standard", Some("o-1"), Some(true))
        .await
        .unwrap();
    let same = world
        .by(place(), "standard", Some("o-1__2"), Some(true))
        .await
        .unwrap();
    assert_eq!(same.answer, first.answer);
    let before = world.order().await;
    let other = world
        .by(place(), "standard", Some("o-1"), Some(false))
        .await
        .unwrap();
    assert_eq!(
        other.answer,
        Answer::Declined(Refusal::new(OTHER_MARK, true))
    );
    assert!(other.events.is_empty() && other.timers.is_empty());
    assert_eq!(world.order().await, before);
}

#[tokio::test]
async fn an_execution_named_after_nobody_touches_nothing() {
    let world = world();
    for name in ["o-2", "7c1f2a", "o-1__x", "o-1__"] {
        let refused = world.by(place(), "standard", Some(name), Some(true)).await;
        assert!(matches!(refused, Err(Failure::Invalid(_))), "{name}");
    }
    assert!(world.table.load(&[key("o-1")]).await.unwrap()[0].is_none());
    let further = world.by(place(), "standard", Some("o-1__2"), None).await;
    assert!(further.is_ok());
}

#[tokio::test]
async fn what_fraud_says_of_an_unmarked_order_changes_nothing() {
    let world = world();
    let _ = world.by(place(), "eventbridge", None, Some(false)).await;
    let before = world.order().await;
    for command in [
        reject(Reason::FraudConfirmed, None),
        reject(Reason::ReviewTimedOut, None),
        extend(),
    ] {
        let handled = world.ask(command, "eventbridge").await.unwrap();
        assert!(handled.events.is_empty() && handled.timers.is_empty());
        assert_eq!(world.order().await, before);
    }
    let handled = world
        .ask(reject(Reason::PaymentDeclined, None), "eventbridge")
        .await;
    assert_eq!(facts(&handled.unwrap()), ["OrderRejected"]);
}

#[tokio::test]
async fn a_late_word_about_an_execution_leaves_alone_what_moved_on() {
    let world = placed().await;
    world.turn_to(100);
    let _ = world.tell(confirm()).await;
    let before = world.order().await;
    // The execution had ended before: another one, or a redrive, confirmed it.
    let late = world.tell(ended("o-1", 50)).await;
    assert!(late.events.is_empty());
    assert_eq!(world.order().await, before);
    // One that ends after the last touch leaves the order to nobody.
    let parked = world.tell(ended("o-1", 120)).await;
    assert_eq!(facts(&parked), ["OrderNeedsAttention"]);
}

#[tokio::test]
async fn clocks_that_differ_a_little_do_not_hide_an_abandoned_order() {
    let world = world();
    world.turn_to(100);
    let _ = world.tell(Command::from(place())).await;
    // More than five seconds before it was touched: somebody else has it.
    let late = world.tell(ended("o-1", 94)).await;
    assert_eq!(facts(&late), <[&str; 0]>::default());
    let parked = world.tell(ended("o-1", 95)).await;
    assert_eq!(facts(&parked), ["OrderNeedsAttention"]);
    let Fate::Rejected { reason, .. } = world.order().await.fate else {
        panic!("undecided");
    };
    assert_eq!(reason, Reason::Abandoned);
}

#[tokio::test]
async fn what_was_said_of_an_undecided_order_is_believed_for_a_minute() {
    const ENGINE: &str = "aws.states";
    const SWEEP: &str = "duet.order";
    for (source, said, parks) in [
        // The engine says it at the end, whenever the bus brings it.
        (ENGINE, 200, false),
        (ENGINE, 100, false),
        (SWEEP, 141, true),
        (SWEEP, 140, false),
    ] {
        let world = placed().await;
        world.turn_to(200);
        let before = world.order().await;
        let late = world.hears(source, said, ended("o-1", 100)).await;
        assert_eq!(!late.events.is_empty(), parks, "{source} {said}");
        if !parks {
            assert_eq!(world.order().await, before);
            // Nothing was kept of it: the sweep may say the same.
            let swept = world.hears(SWEEP, 199, ended("o-1", 100)).await;
            assert_eq!(facts(&swept), ["OrderNeedsAttention"]);
        }
    }
    let world = placed().await;
    world.turn_to(200);
    let prompt = world.hears(ENGINE, 141, ended("o-1", 141)).await;
    assert_eq!(facts(&prompt), ["OrderNeedsAttention"]);
}

#[tokio::test]
async fn a_decided_order_is_parked_by_a_late_word_too() {
    // Its sweep is nobody's: what is decided is not looked after any more.
    let world = placed().await;
    world.turn_to(100);
    let _ = world.tell(reject(Reason::PaymentDeclined, None)).await;
    world.turn_to(900);
    let late = world.hears("aws.states", 800, ended("o-1", 101)).await;
    assert_eq!(facts(&late), ["OrderNeedsAttention"]);
}

#[tokio::test]
async fn a_further_execution_is_known_by_its_order() {
    let world = placed().await;
    let parked = world.tell(ended("o-1__2", 10)).await;
    assert_eq!(facts(&parked), ["OrderNeedsAttention"]);
    // The same word a second time is the same word.
    let again = world.tell(ended("o-1__2", 10)).await;
    assert!(again.repeat);
    assert_eq!(world.order().await.parkings, 1);
}

#[tokio::test]
async fn an_order_parked_again_for_the_same_parts_can_be_mended_again() {
    let world = placed().await;
    let _ = world.tell(confirm()).await;
    let parts = [Part::Shipment, Part::Notice];
    for (n, execution) in (1..).zip(["o-1", "o-1__2", "o-1__3"]) {
        let parked = world.tell(ended(execution, 10 * i64::from(n))).await;
        assert_eq!(facts(&parked), ["OrderNeedsAttention"], "{execution}");
        let order = world.order().await;
        // What was shipped once is not owed again; a notice may be.
        let owed = if n == 1 { 2 } else { 1 };
        assert_eq!((order.parkings, order.owed.len()), (n, owed));
        let _ = world.tell(mended(&parts, n)).await;
        assert!(world.order().await.owed.is_empty(), "{execution}");
    }
}

/// What yesterday's code would have sent, and the hashes it kept: a field that
/// comes with a default leaves both as they were.
#[tokio::test]
async fn yesterdays_commands_have_the_hashes_they_had() {
    let world = placed().await;
    let kept = |sk: &str| {
        let key = duet_core::store::Key::new("o-1", sk);
        let table = world.table.clone();
        async move {
            let item = table.load(&[key]).await.unwrap().remove(0).unwrap();
            item.read::<Value>().unwrap()["hash"].clone()
        }
    };
    let _ = world.tell(reject(Reason::PaymentDeclined, None)).await;
    let _ = world.tell(undone(&[Part::Stock])).await;
    let _ = world.tell(park(&[owed(Part::Payment, Some(2_500))])).await;
    for (record, hash) in [
        (
            "done#PlaceOrder",
            "a9853a6f13870214b1360d33a969b172e6574b521d72aeb140a1a1d6f0d8820b",
        ),
        (
            "done#RejectOrder#PaymentDeclined",
            "9e2a653997b64876a5f70d25d4600dce295344c5e312c5d171e59a68e77d62f0",
        ),
        (
            "done#NoteUndone#Stock",
            "0fef8606c870f470e4697469f195e4f9b54710c4416ccbb1c910251467e98d24",
        ),
        (
            "done#ParkOrder#Payment",
            "65d98476eefc075f460de2179626c8db6328c4a669bfa08c0aad786b635c22d7",
        ),
    ] {
        assert_eq!(kept(record).await, hash, "{record}");
    }
}

#[tokio::test]
async fn who_parks_an_order_that_is_whole_with_what_was_owed_changes_nothing() {
    let world = placed().await;
    let _ = world.tell(reject(Reason::DeliveryFailed, None)).await;
    let _ = world.tell(undone(&Part::COMPENSATED)).await;
    let late = world.tell(park(&[owed(Part::Payment, Some(2_500))])).await;
    assert_eq!(facts(&late), <[&str; 0]>::default());
    let order = world.order().await;
    assert_eq!(order.owed, []);
    let document = serde_json::to_value(order).unwrap();
    assert_eq!(
        document.get("parkings"),
        None,
        "never parked: no such member"
    );
}
