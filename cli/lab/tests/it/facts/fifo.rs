//! FIFO topics and queues: what comes after what, and what is taken once.

use duet_lab::{Definitions, Lab};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{HOUR, letters, with};
use crate::shop::{lab, place, standing};

/// The moments about `order` in which something happened, in order.
fn said(lab: &Lab, order: &str) -> Vec<String> {
    let all = lab.timeline().iter();
    let its = all.filter(|moment| moment.subject == order);
    its.map(|moment| moment.what.clone()).collect()
}

/// Has every mapping of a FIFO queue take batches of `size`.
fn batches(all: &mut Definitions, size: usize) {
    for at in 0..all.mappings.len() {
        if all.queues[all.mappings[at].queue].name.ends_with(".fifo") {
            all.mappings[at].batch = size;
        }
    }
}

#[test]
fn of_one_order_facts_are_handled_in_the_order_in_which_they_were_said() {
    for seed in 0..20 {
        let faults = [
            "drop:0.1",
            "crash-before-commit:0.1",
            "short-poll:0.2",
            "store-fault:0.1",
            "blocked-group:0.2",
            "partial-batch:0.2",
        ];
        let mut lab = lab(seed, &faults);
        for n in 0..4 {
            place(&mut lab, "fifo", &format!("o-{n}"), "tok_visa");
        }
        lab.settle(20 * HOUR);
        assert_eq!(lab.disorder(), [], "seed {seed}");
    }
}

#[test]
fn a_message_that_fails_blocks_its_group_and_no_other() {
    let mut lab = with(&["silent@payment:1"], |_| {});
    place(&mut lab, "fifo", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_secs(10));
    // What came for the same order waits; another order's facts go on.
    lab.stop_faults();
    place(&mut lab, "fifo", "o-2", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_secs(8));
    assert!(standing(&lab, "o-2").contains("Confirmed"));
}

#[test]
fn when_patience_is_spent_the_message_is_a_dead_letter_and_the_group_goes_on() {
    let mut lab = with(&["store-fault@ToPayment:1"], |_| {});
    place(&mut lab, "fifo", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_hours(2));
    let dead = letters(&mut lab, "duet-fifo-payment-dlq.fifo");
    let kinds: Vec<Value> = dead
        .iter()
        .map(|it| serde_json::from_str::<Value>(&it.body).unwrap()["metadata"]["type"].clone())
        .collect();
    // One after the other: each had its own patience.
    assert_eq!(kinds[..2], [json!("NewOrder"), json!("StockReserved")]);
    assert!(
        dead[0].cause.starts_with("patience is spent"),
        "{}",
        dead[0].cause
    );
    // It goes back by another deduplication id: the queue takes it.
    lab.stop_faults();
    for letter in dead {
        assert_eq!(lab.home(&letter), Some("duet-fifo-payment.fifo"));
        assert!(lab.redrive(&letter).is_some());
    }
    lab.settle(HOUR);
    assert!(letters(&mut lab, "duet-fifo-payment-dlq.fifo").is_empty());
}

#[test]
fn what_is_published_twice_within_five_minutes_is_delivered_once() {
    // A service says a fact again when it died before it was done with the message.
    let mut lab = lab(4, &["crash-after-commit:0.3"]);
    for n in 0..6 {
        place(&mut lab, "fifo", &format!("o-{n}"), "tok_visa");
    }
    lab.settle(HOUR);
    let repeats = (0..6).filter(|n| {
        let said = said(&lab, &format!("o-{n}"));
        said.iter().any(|what| what.starts_with("the topic has"))
    });
    assert!(repeats.count() > 0);
}

#[test]
fn behind_one_that_fails_a_batch_comes_back_unread_and_received() {
    let received = |size: usize| {
        let mut lab = with(&["store-fault@ToJournal:1"], |all| batches(all, size));
        place(&mut lab, "fifo", "o-1", "tok_visa");
        lab.advance(lab.now() + SignedDuration::from_secs(40));
        let own = lab.used().into_iter().filter(|it| &*it.subject == "o-1");
        own.map(|it| it.meter.fifo_requests).sum::<u64>()
    };
    assert!(
        received(10) > received(1),
        "{} {}",
        received(10),
        received(1)
    );
}

#[test]
fn a_queue_without_its_end_is_no_fifo_queue() {
    let mut files = duet_lab::bundled();
    let text = files.get_mut("infra/fifo/template.yaml").unwrap();
    *text = text.replace(
        "${Prefix}-facts.fifo\n      FifoTopic",
        "${Prefix}-facts\n      FifoTopic",
    );
    let refused = Definitions::read(files, "duet", &[].into()).unwrap_err();
    assert!(refused.to_string().contains("ends with .fifo"), "{refused}");
}

#[test]
fn a_topics_archive_says_again_in_order_and_marks_what_it_says() {
    const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:duet-facts.fifo";
    let mut lab = lab(1, &[]);
    let began = lab.now();
    place(&mut lab, "fifo", "o-1", "tok_visa");
    lab.settle(HOUR);
    let received = |lab: &Lab| -> u64 {
        let own = lab.used().into_iter().filter(|it| &*it.subject == "o-1");
        own.map(|it| it.meter.fifo_deliveries).sum()
    };
    let (said, before) = (lab.timeline().len(), received(&lab));
    let again = lab.replay(TOPIC, "one", (began, lab.now()), &[]).unwrap();
    assert!(again >= 6, "{again}");
    lab.settle(HOUR);
    assert_eq!(received(&lab), 2 * before);
    // Repeats of a replay are acknowledged without a word, and are not archived again.
    let words = lab.timeline()[said..].iter();
    assert_eq!(words.filter(|it| it.what.contains(" says ")).count(), 0);
    assert_eq!(lab.replay(TOPIC, "two", (began, lab.now()), &[]), Ok(again));
    lab.settle(HOUR);
    // One subscription alone, and a time in which nothing was said.
    let before = received(&lab);
    let all = lab.definitions().subscriptions();
    let one = all.filter(|it| &*it.name == "ToPayment" && it.topic == TOPIC);
    let one: Vec<String> = one.map(|it| it.place.clone()).collect();
    assert_eq!(one.len(), 1);
    lab.replay(TOPIC, "three", (began, lab.now()), &one)
        .unwrap();
    lab.settle(HOUR);
    assert!((1..=4).contains(&(received(&lab) - before)));
    let quiet = (lab.now(), lab.now());
    assert_eq!(lab.replay(TOPIC, "four", quiet, &[]), Ok(0));
    // After its days it has nothing.
    lab.advance(lab.now() + SignedDuration::from_hours(15 * 24));
    assert_eq!(lab.replay(TOPIC, "five", (began, lab.now()), &[]), Ok(0));
}

#[test]
fn what_a_queue_has_seen_within_five_minutes_a_replay_does_not_bring_again() {
    const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:duet-facts.fifo";
    let mut lab = lab(1, &[]);
    let began = lab.now();
    place(&mut lab, "fifo", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_secs(60));
    let requests = |lab: &Lab| -> u64 {
        let own = lab.used().into_iter().filter(|it| &*it.subject == "o-1");
        own.map(|it| it.meter.fifo_requests).sum()
    };
    let before = requests(&lab);
    lab.replay(TOPIC, "soon", (began, lab.now()), &[]).unwrap();
    lab.advance(lab.now() + SignedDuration::from_secs(60));
    let soon = requests(&lab) - before;
    lab.settle(HOUR);
    let before = requests(&lab);
    lab.replay(TOPIC, "later", (began, lab.now()), &[]).unwrap();
    lab.settle(HOUR);
    let later = requests(&lab) - before;
    // Of each repeat the sending is asked for, and it is neither received nor deleted.
    assert!(soon > 0 && later == 3 * soon, "{soon} {later}");
}
