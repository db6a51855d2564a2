//! SQS: what a queue keeps, hides, gives up and hands out again.

use std::collections::BTreeMap;

use duet_lab::Lab;
use jiff::SignedDuration;

use super::{HOUR, letters, used, with};
use crate::shop::{lab, place, standing};

#[test]
fn a_message_received_too_often_goes_to_the_dead_letter_queue() {
    let mut lab = lab(1, &[]);
    lab.set_down("order", true).unwrap();
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.settle(HOUR);
    let dead = letters(&mut lab, "duet-order-commands-dlq");
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].cause, "MaxReceiveCount");
    // As often as the template's maxReceiveCount says; once more moved it.
    let dies = lab.timeline().iter().filter(|it| it.what.contains("dies"));
    assert_eq!(dies.count(), 31);
}

#[test]
fn what_nobody_can_read_is_put_away_at_once_with_the_reason() {
    let mut lab = lab(1, &[]);
    lab.send_text("duet-order-commands", "{\"poison\"", "x")
        .unwrap();
    lab.advance(lab.now() + SignedDuration::from_secs(1));
    let dead = letters(&mut lab, "duet-order-commands-dlq").remove(0);
    assert_eq!(dead.cause, "no JSON from line 1 column 9");
    let about: BTreeMap<_, _> = lab.attributes(&dead).into_iter().collect();
    assert!(
        about["duet.queue"].ends_with(":duet-order-commands"),
        "{about:?}"
    );
    assert_eq!(lab.home(&dead), Some("duet-order-commands"));
    assert_eq!(lab.waiting_messages(), 0);
}

#[test]
fn a_redriven_letter_goes_to_the_queue_it_died_on() {
    let mut lab = lab(1, &[]);
    lab.send_text("duet-order-commands", "{\"poison\"", "x")
        .unwrap();
    lab.settle(HOUR);
    let letter = letters(&mut lab, "duet-order-commands-dlq").remove(0);
    assert!(lab.redrive(&letter).is_some());
    assert!(lab.dead_letters().is_empty());
    lab.settle(HOUR);
    assert_eq!(letters(&mut lab, "duet-order-commands-dlq").len(), 1);
    assert!(lab.redrive(&letter).is_none(), "it is a new message now");
}

#[test]
fn a_dead_letter_is_kept_as_long_as_the_first_sending_allows() {
    let mut lab = lab(1, &[]);
    lab.send_text("duet-order-commands", "{\"poison\"", "x")
        .unwrap();
    lab.advance(lab.now() + SignedDuration::from_hours(13 * 24));
    assert_eq!(lab.dead_letters().len(), 1);
    lab.advance(lab.now() + SignedDuration::from_hours(2 * 24));
    assert!(lab.dead_letters().is_empty());
    assert_eq!(lab.lost().len(), 1);
}

#[test]
fn a_dropped_message_comes_back_after_the_visibility_timeout() {
    let mut lab = with(&["drop@PlaceOrder:1"], |_| {});
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.settle(HOUR);
    // Received by pollers only, until it was received too often.
    assert_eq!(standing(&lab, "o-1"), "unknown");
    assert_eq!(letters(&mut lab, "duet-order-commands-dlq").len(), 1);
}

#[test]
fn a_timer_past_fifteen_minutes_travels_in_hops() {
    let mut lab = lab(1, &[]);
    place(&mut lab, "eventbridge", "o-1", "tok_declined");
    lab.advance(lab.now() + SignedDuration::from_secs(120));
    let sent = |lab: &Lab| {
        lab.used()
            .iter()
            .map(|used| used.meter.queue_requests)
            .sum::<u64>()
    };
    let before = sent(&lab);
    // The compensation's deadline is an hour off: four hops, and the order's own.
    lab.settle(2 * HOUR);
    assert!(sent(&lab) - before >= 4 * 3 && lab.is_at_rest());
}

#[test]
fn a_message_may_come_twice() {
    let mut lab = with(&["duplicate:1"], |_| {});
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.settle(20 * HOUR);
    assert!(standing(&lab, "o-1").contains("Confirmed"));
    assert!(lab.struck().len() > 10 && lab.dead_letters().is_empty());
    assert_eq!(lab.table("duet-notification").map(notices), Some(1));
}

#[test]
fn a_receive_may_overlook_a_message() {
    let mut lab = with(&["short-poll:1"], |_| {});
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.settle(20 * HOUR);
    assert!(standing(&lab, "o-1").contains("Confirmed"));
    // It is as if nobody had looked: nothing is received, so nothing is tried again.
    assert!(lab.struck().len() > 10 && used(&lab, |meter| meter.retries) == 0);
}

/// How many records of notices a table has.
fn notices(table: &duet_lab::Table) -> usize {
    use duet_core::store::Browse;
    let items = crate::shop::now(table.everything()).unwrap();
    items
        .iter()
        .filter(|item| item.key.sk.starts_with("notice#"))
        .count()
}

#[test]
fn a_queue_holds_back_what_has_no_delay_of_its_own() {
    let mut lab = with(&[], |all| {
        let queue = all.queue_named("duet-order-commands").unwrap();
        all.queues[queue].delay = 5_000;
    });
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_millis(4_990));
    assert_eq!(standing(&lab, "o-1"), "unknown");
    lab.advance(lab.now() + SignedDuration::from_secs(2));
    assert_ne!(standing(&lab, "o-1"), "unknown");
}
