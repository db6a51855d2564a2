//! EventBridge and SNS: what a rule delivers, tries again, drops and replays.

use std::collections::BTreeMap;

use duet_lab::Lab;
use jiff::SignedDuration;

use super::{HOUR, MINUTE, letters, with};
use crate::shop::{lab, place, standing};

#[test]
fn a_rule_retries_until_its_policy_is_exhausted() {
    let mut lab = with(&["target-unavailable@duet-inventory-NewOrder:1"], |all| {
        for target in all.rules.iter_mut().flat_map(|rule| &mut rule.targets) {
            target.max_attempts = 2;
        }
    });
    let mut dead = Vec::new();
    for n in 0..20 {
        place(&mut lab, "eventbridge", &format!("o-{n}"), "tok_visa");
    }
    lab.advance(lab.now() + SignedDuration::from_mins(30));
    dead.extend(letters(&mut lab, "duet-undelivered"));
    assert!(!dead.is_empty());
    let about: BTreeMap<_, _> = lab.attributes(&dead[0]).into_iter().collect();
    assert_eq!(about["EXHAUSTED_RETRY_CONDITION"], "MaximumRetryAttempts");
    assert_eq!(about["RETRY_ATTEMPTS"], "2");
    assert!(about["RULE_ARN"].ends_with("rule/duet-bus/duet-inventory-NewOrder"));
    assert!(about["TARGET_ARN"].ends_with(":duet-inventory"));
    lab.stop_faults();
    assert!(lab.redrive(&dead[0]).is_some(), "back to that target");
    lab.settle(HOUR);
    assert_eq!(letters(&mut lab, "duet-undelivered").len(), dead.len() - 1);
}

#[test]
fn an_event_that_grew_too_old_is_given_up() {
    let mut lab = with(&["target-unavailable@duet-inventory-NewOrder:1"], |all| {
        for target in all.rules.iter_mut().flat_map(|rule| &mut rule.targets) {
            target.max_age = 20_000;
        }
    });
    for n in 0..20 {
        place(&mut lab, "eventbridge", &format!("o-{n}"), "tok_visa");
    }
    lab.advance(lab.now() + SignedDuration::from_mins(30));
    let dead = letters(&mut lab, "duet-undelivered").remove(0);
    let about: BTreeMap<_, _> = lab.attributes(&dead).into_iter().collect();
    assert_eq!(
        about["EXHAUSTED_RETRY_CONDITION"],
        "MaximumEventAgeInSeconds"
    );
}

#[test]
fn a_rule_without_a_dead_letter_queue_drops_what_it_cannot_deliver() {
    let mut lab = with(&[], |all| {
        let queue = all.queue_named("duet-inventory").unwrap();
        all.queues[queue].sources.clear();
        all.rules
            .iter_mut()
            .flat_map(|rule| &mut rule.targets)
            .for_each(|target| target.dead_letters = None);
    });
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_secs(60));
    assert!(!lab.lost().is_empty() && lab.dead_letters().is_empty());
}

#[test]
fn a_rule_that_may_not_send_fails_at_once() {
    let mut lab = with(&[], |all| {
        let queue = all.queue_named("duet-inventory").unwrap();
        all.queues[queue].sources.clear();
    });
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_secs(5));
    let dead = letters(&mut lab, "duet-undelivered").remove(0);
    let about: BTreeMap<_, _> = lab.attributes(&dead).into_iter().collect();
    assert_eq!(
        (
            about["ERROR_CODE"].as_str(),
            about["RETRY_ATTEMPTS"].as_str()
        ),
        ("NO_PERMISSIONS", "0")
    );
    assert!(!about.contains_key("EXHAUSTED_RETRY_CONDITION"));
}

#[test]
fn a_refused_entry_is_published_again() {
    let mut lab = with(&["put-events@PlaceOrder:1"], |_| {});
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_secs(10));
    assert!(
        !lab.timeline()
            .iter()
            .any(|moment| moment.what.contains("NewOrder"))
    );
    lab.stop_faults();
    lab.settle(HOUR);
    assert!(standing(&lab, "o-1").contains("Confirmed"));
}

#[test]
fn a_replay_carries_its_name_and_is_not_archived_again() {
    let mut lab = lab(1, &[]);
    let began = lab.now();
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_mins(9));
    let window = (began, lab.now());
    assert_eq!(
        lab.replay("duet-facts", "early", window, &[]),
        Ok(0),
        "not in the archive yet"
    );
    lab.advance(lab.now() + SignedDuration::from_mins(30));
    let said = lab.timeline().len();
    let first = lab
        .replay("duet-facts", "one", (began, lab.now()), &[])
        .unwrap();
    assert!(first >= 6);
    lab.settle(20 * MINUTE);
    // Repeats of a replay are acknowledged without a word.
    let words = lab.timeline()[said..]
        .iter()
        .filter(|moment| moment.what.contains("says"))
        .count();
    assert_eq!(words, 0);
    lab.advance(lab.now() + SignedDuration::from_mins(30));
    assert_eq!(
        lab.replay("duet-facts", "two", (began, lab.now()), &[]),
        Ok(first)
    );
    assert!(lab.replay("no-such", "x", (began, lab.now()), &[]).is_err());
    assert!(
        lab.replay("duet-facts", "x", (lab.now(), began), &[])
            .is_err()
    );
}

#[test]
fn a_replay_past_chosen_rules_reaches_only_them() {
    let mut lab = lab(1, &[]);
    let began = lab.now();
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_mins(30));
    let deliveries = |lab: &Lab| {
        lab.used()
            .iter()
            .map(|used| used.meter.deliveries)
            .sum::<u64>()
    };
    let before = deliveries(&lab);
    let rule =
        "arn:aws:events:us-east-1:123456789012:rule/duet-bus/duet-payment-NewOrder".to_owned();
    lab.replay("duet-facts", "one", (began, lab.now()), &[rule])
        .unwrap();
    lab.settle(MINUTE);
    assert_eq!(deliveries(&lab) - before, 1);
}

#[test]
fn a_rule_waits_longer_before_each_attempt_and_not_exactly() {
    let mut lab = with(&["target-unavailable@duet-inventory-NewOrder:1"], |_| {});
    for n in 0..20 {
        place(&mut lab, "eventbridge", &format!("o-{n}"), "tok_visa");
    }
    lab.advance(lab.now() + SignedDuration::from_mins(30));
    let attempt = |n: usize| format!("duet-inventory-NewOrder is not taken, attempt {n}");
    let at = |subject: &str, n: usize| {
        let mut moments = lab.timeline().iter();
        let moment = moments.find(|it| it.subject == subject && it.what == attempt(n));
        moment.map(|moment| moment.at)
    };
    let mut waits = Vec::new();
    for order in (0..20).map(|n| format!("o-{n}")) {
        for n in 1..8 {
            if let (Some(one), Some(next)) = (at(&order, n), at(&order, n + 1)) {
                let wait = next.duration_since(one).as_millis();
                let most = 1_000 << (n - 1);
                assert!((most / 2..=most).contains(&wait), "attempt {n}: {wait} ms");
                waits.push(wait);
            }
        }
    }
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 20, "{waits:?}");
}

#[test]
fn a_target_that_does_not_exist_fails_at_once() {
    let mut lab = with(&[], |all| {
        for rule in all
            .rules
            .iter_mut()
            .filter(|rule| rule.name.ends_with("inventory-NewOrder"))
        {
            rule.targets
                .iter_mut()
                .for_each(|target| target.queue = None);
        }
    });
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_secs(5));
    let dead = letters(&mut lab, "duet-undelivered").remove(0);
    let about: BTreeMap<_, _> = lab.attributes(&dead).into_iter().collect();
    assert_eq!(about["ERROR_CODE"], "RESOURCE_NOT_FOUND");
    // The letter is the event itself, whatever the target would have got.
    let event: serde_json::Value = serde_json::from_str(&dead.body).unwrap();
    assert_eq!(event["detail-type"], "NewOrder");
}

#[test]
fn a_topic_that_does_not_answer_is_asked_again() {
    let mut lab = with(&["topic:1"], |_| {});
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_secs(10));
    assert_eq!(lab.notices(), 0);
    lab.stop_faults();
    lab.settle(HOUR);
    assert_eq!(lab.notices(), 1);
}
