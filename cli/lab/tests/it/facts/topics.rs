//! SNS: what a subscription takes, tries again, and cannot deliver.

use std::collections::BTreeMap;
use std::sync::Arc;

use duet_lab::{Config, Definitions, Lab};
use duet_pattern::Pattern;
use jiff::SignedDuration;
use serde_json::Value;

use super::{HOUR, letters, with};
use crate::shop::{definitions, lab, place, standing, stocked};

/// How often the timeline says that `what`.
fn times(lab: &Lab, what: &str) -> usize {
    let all = lab.timeline().iter();
    all.filter(|moment| moment.what.contains(what)).count()
}

/// Has the subscription `name` take what `policy` lets through.
fn filter(all: &mut Definitions, name: &str, policy: &str) {
    let found = all.subscriptions.iter_mut().find(|it| &*it.name == name);
    found.unwrap().filter = Some(Pattern::parse(policy).unwrap());
}

#[test]
fn a_filter_sees_attributes_only() {
    // What a message says is no attribute, and so nothing fits.
    for (policy, heard) in [
        (r#"{"detail-type": ["NewOrder"]}"#, true),
        (r#"{"detail-type": ["NewOrder"], "variant": ["sns"]}"#, true),
        (r#"{"detail-type": [{"prefix": "New"}]}"#, true),
        (r#"{"metadata": {"type": ["NewOrder"]}}"#, false),
        (
            r#"{"detail-type": ["NewOrder"], "variant": ["standard"]}"#,
            false,
        ),
    ] {
        let mut lab = with(&[], |all| filter(all, "OrderToInventory", policy));
        place(&mut lab, "sns", "o-1", "tok_visa");
        lab.advance(lab.now() + SignedDuration::from_secs(30));
        assert_eq!(times(&lab, "StockReserved") > 0, heard, "{policy}");
    }
}

#[test]
fn what_may_not_be_sent_is_a_dead_letter_at_once() {
    let mut lab = with(&[], |all| {
        let queue = all.queue_named("duet-sns-inventory").unwrap();
        all.queues[queue].sources.clear();
    });
    place(&mut lab, "sns", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_secs(5));
    let dead = letters(&mut lab, "duet-sns-inventory-dlq").remove(0);
    let said: Value = serde_json::from_str(&dead.body).unwrap();
    assert_eq!(said["metadata"]["type"], "NewOrder");
    assert!(lab.attributes(&dead).is_empty(), "nothing says why");
    assert_eq!(lab.home(&dead), Some("duet-sns-inventory"));
}

#[test]
fn a_subscription_without_a_dead_letter_queue_drops_what_it_cannot_deliver() {
    let mut lab = with(&["subscription@OrderToInventory:1"], |all| {
        let subscriptions = all.subscriptions.iter_mut();
        subscriptions.for_each(|it| it.dead_letters = None);
    });
    place(&mut lab, "sns", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_secs(60));
    assert!(!lab.lost().is_empty());
    let dead = lab.dead_letters();
    assert!(dead.is_empty(), "{dead:?}");
}

#[test]
fn a_dead_letter_of_a_subscription_goes_to_the_queue_that_it_is_of() {
    let mut lab = lab(3, &["subscription@OrderToInventory:1"]);
    place(&mut lab, "sns", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_secs(10));
    let dead = letters(&mut lab, "duet-sns-inventory-dlq").remove(0);
    lab.stop_faults();
    assert!(lab.redrive(&dead).is_some());
    lab.settle(HOUR);
    assert!(standing(&lab, "o-1").contains("Confirmed"));
}

#[test]
fn what_a_queue_does_not_take_for_the_moment_is_tried_again() {
    let mut confirmed = 0;
    for order in (0..8).map(|n| format!("o-{n}")) {
        let mut lab = lab(3, &["target-unavailable@OrderToInventory:1"]);
        place(&mut lab, "sns", &order, "tok_visa");
        lab.settle(2 * HOUR);
        assert!(times(&lab, "OrderToInventory is not taken") > 3, "{order}");
        // What was away for longer than the order's deadline comes too late for it.
        confirmed += u32::from(standing(&lab, &order).contains("Confirmed"));
        assert!(lab.dead_letters().is_empty(), "{:?}", lab.dead_letters());
    }
    assert!(confirmed >= 4, "{confirmed}");
}

#[test]
fn without_raw_delivery_the_fact_comes_in_an_envelope() {
    let mut lab = with(&[], |all| {
        let subscriptions = all.subscriptions.iter_mut();
        let its = subscriptions.filter(|it| &*it.name == "OrderToInventory");
        its.for_each(|it| it.raw = false);
    });
    place(&mut lab, "sns", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_mins(5));
    let dead = letters(&mut lab, "duet-sns-inventory-dlq").remove(0);
    let envelope: Value = serde_json::from_str(&dead.body).unwrap();
    assert_eq!(envelope["Type"], "Notification");
    assert!(envelope["TopicArn"].as_str().unwrap().ends_with("-order"));
    let said: Value = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
    assert_eq!(said["metadata"]["type"], "NewOrder");
}

#[test]
fn a_refused_message_is_published_again() {
    let mut lab = with(&["put-events@PlaceOrder:1"], |_| {});
    place(&mut lab, "sns", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_secs(10));
    assert_eq!(times(&lab, "says NewOrder"), 0);
    lab.stop_faults();
    lab.settle(HOUR);
    assert!(standing(&lab, "o-1").contains("Confirmed"));
}

#[test]
fn a_filter_holds_up_to_a_quarter_of_an_hour_later() {
    let off = BTreeMap::from([("Fraud".to_owned(), "off".to_owned())]);
    let before = definitions().with(&off).unwrap();
    let (mut early, mut late) = (0, 0);
    for seed in 0..10 {
        let config = Config {
            seed,
            ..Config::default()
        };
        let mut lab = stocked(Lab::new(Arc::new(before.clone()), config).unwrap());
        let listening = BTreeMap::from([("Fraud".to_owned(), "listening".to_owned())]);
        let update = lab.update(&listening).unwrap();
        lab.advance(update.complete);
        let of_fraud = |lab: &Lab| {
            let all = lab.definitions().subscriptions().cloned();
            let its = all.filter(|it| &*it.name == "OrderToFraud");
            its.collect::<Vec<_>>().pop().unwrap()
        };
        let it = of_fraud(&lab);
        let made = update.complete.as_millisecond();
        assert!(it.holds_from <= made + 900_000 && it.before.is_none());
        assert!(update.settled.as_millisecond() >= it.holds_from);
        match it.holds_from > made {
            true => late += 1,
            false => early += 1,
        }
    }
    assert!(late > 0, "{late} late, {early} early");
}
