//! AWS's behaviour, fact by fact. `facts.md` of this crate names each
//! test beside the fact it shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use duet_lab::{Config, Definitions, FaultRule, Lab, Started, bundled};
use jiff::SignedDuration;
use serde_json::json;

use crate::shop::{definitions, lab, message, order, place, standing, stocked};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn with(faults: &[&str], change: impl FnOnce(&mut Definitions)) -> Lab {
    let mut all = Definitions::clone(&definitions());
    change(&mut all);
    let faults = faults
        .iter()
        .map(|text| text.parse::<FaultRule>().unwrap())
        .collect();
    let config = Config {
        seed: 3,
        faults,
        timeline: true,
        keep_succeeded: true,
        ..Config::default()
    };
    stocked(Lab::new(Arc::new(all), config).unwrap())
}

fn letters(lab: &mut Lab, queue: &str) -> Vec<duet_lab::DeadLetter> {
    lab.dead_letters()
        .into_iter()
        .filter(|letter| letter.queue == queue)
        .collect()
}

#[test]
fn a_message_received_too_often_goes_to_the_dead_letter_queue() {
    let mut lab = lab(1, &[]);
    lab.send_text("duet-order", "{\"poison\"", "x").unwrap();
    lab.settle(HOUR);
    let dead = letters(&mut lab, "duet-order-dlq");
    assert_eq!(dead.len(), 1);
    // Six receives, as the template's maxReceiveCount says, and one more that moved it.
    let failed = lab
        .timeline()
        .iter()
        .filter(|moment| moment.what.contains("fails"))
        .count();
    assert_eq!(failed, 6);
}

#[test]
fn a_redriven_letter_goes_to_the_queue_it_died_on() {
    let mut lab = lab(1, &[]);
    lab.send_text("duet-order", "{\"poison\"", "x").unwrap();
    lab.settle(HOUR);
    let letter = letters(&mut lab, "duet-order-dlq").remove(0);
    assert!(lab.redrive(&letter));
    assert!(lab.dead_letters().is_empty());
    lab.settle(HOUR);
    assert_eq!(letters(&mut lab, "duet-order-dlq").len(), 1);
    assert!(!lab.redrive(&letter), "it is a new message now");
}

#[test]
fn a_dead_letter_is_kept_as_long_as_the_first_sending_allows() {
    let mut lab = lab(1, &[]);
    lab.send_text("duet-order", "{\"poison\"", "x").unwrap();
    lab.advance(lab.now() + SignedDuration::from_hours(13 * 24));
    assert_eq!(lab.dead_letters().len(), 1);
    lab.advance(lab.now() + SignedDuration::from_hours(2 * 24));
    assert!(lab.dead_letters().is_empty());
    assert_eq!(lab.lost().len(), 1);
}

#[test]
fn a_killed_batch_comes_back_after_the_visibility_timeout() {
    let mut lab = with(&["crash-before-commit@PlaceOrder:1"], |_| {});
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_secs(59));
    let dies = |lab: &Lab| {
        lab.timeline()
            .iter()
            .filter(|moment| moment.what.contains("dies"))
            .count()
    };
    assert_eq!(dies(&lab), 1);
    lab.advance(lab.now() + SignedDuration::from_secs(3));
    assert_eq!(dies(&lab), 2);
}

#[test]
fn a_dropped_message_comes_back_after_the_visibility_timeout() {
    let mut lab = with(&["drop@PlaceOrder:1"], |_| {});
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.settle(HOUR);
    // Received by pollers only, until it was received too often.
    assert_eq!(standing(&lab, "o-1"), "unknown");
    assert_eq!(letters(&mut lab, "duet-order-dlq").len(), 1);
}

#[test]
fn only_the_named_messages_of_a_batch_return() {
    let batch = |partial| {
        let mut lab = with(&[], |all| {
            all.mappings.iter_mut().for_each(|it| it.partial = partial)
        });
        lab.send_text("duet-order", "{\"poison\"", "x").unwrap();
        place(&mut lab, "eventbridge", "o-1", "tok_visa");
        lab.settle(HOUR);
        assert!(standing(&lab, "o-1").contains("Confirmed"));
        letters(&mut lab, "duet-order-dlq").len()
    };
    assert_eq!(batch(true), 1);
    // Without ReportBatchItemFailures a function that returns has handled all.
    assert_eq!(batch(false), 0);
}

#[test]
fn a_throttled_batch_waits_for_its_visibility_timeout() {
    let mut lab = with(&["throttle@PlaceOrder:1"], |_| {});
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.settle(HOUR);
    assert_eq!(letters(&mut lab, "duet-order-dlq").len(), 1);
}

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
    assert!(lab.redrive(&dead[0]), "back to that target");
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
fn a_started_name_is_taken() {
    let mut lab = lab(1, &[]);
    let input = |token| {
        let message = message(&lab, "standard", "PlaceOrder", "o-1", order("o-1", token));
        json!({ "metadata": message.metadata, "data": message.data })
    };
    let (one, other) = (input("tok_visa"), input("tok_other"));
    assert_eq!(
        lab.start_execution("duet-order", "o-1", &one),
        Ok(Started::New)
    );
    assert_eq!(
        lab.start_execution("duet-order", "o-1", &one),
        Ok(Started::Already)
    );
    assert_eq!(
        lab.start_execution("duet-order", "o-1", &other),
        Ok(Started::Clashes)
    );
    assert!(lab.start_execution("no-such", "o-1", &one).is_err());
}

#[test]
fn a_failed_execution_is_announced_and_its_order_parked() {
    let mut lab = with(&["store-fault@RejectOrder:1"], |_| {});
    place(&mut lab, "standard", "o-1", "tok_declined");
    lab.settle(HOUR);
    let failed = lab.failed_executions();
    assert_eq!(
        (failed.len(), duet_lab::word(failed[0].status)),
        (1, "FAILED")
    );
    assert!(
        standing(&lab, "o-1").contains("Abandoned"),
        "{}",
        standing(&lab, "o-1")
    );
}

#[test]
fn a_redriven_execution_goes_on_from_the_step_that_failed() {
    let mut lab = with(&["store-fault@NotifyActivated:1"], |_| {});
    let data =
        json!({ "customer": "ada", "name": "Ada", "email": "ada@example.org", "country": "SE" });
    let message = message(&lab, "standard", "RegisterCustomer", "ada", data);
    let input = json!({ "metadata": message.metadata, "data": message.data });
    lab.start_execution("duet-customer", "ada", &input).unwrap();
    lab.settle(HOUR);
    let failed = lab.failed_executions().remove(0);
    lab.stop_faults();
    let said = lab.timeline().len();
    lab.redrive_execution(&failed.arn).unwrap();
    lab.settle(HOUR);
    let steps: Vec<_> = lab.timeline()[said..]
        .iter()
        .filter(|moment| moment.what.contains("is at"))
        .collect();
    assert_eq!(steps.len(), 1, "{steps:#?}");
    assert!(lab.failed_executions().is_empty());
    assert!(lab.redrive_execution(&failed.arn).is_err(), "it succeeded");
}

#[test]
fn a_hanging_function_is_ended_by_its_timeout() {
    let mut lab = with(&["timeout@PlaceOrder:1"], |_| {});
    place(&mut lab, "standard", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_secs(9));
    assert!(
        !lab.timeline()
            .iter()
            .any(|moment| moment.what.contains("its time is over"))
    );
    lab.advance(lab.now() + SignedDuration::from_secs(2));
    assert!(
        lab.timeline()
            .iter()
            .any(|moment| moment.what.contains("its time is over"))
    );
    assert!(
        lab.timeline()
            .iter()
            .any(|moment| moment.what.contains("Sandbox.Timedout"))
    );
}

#[test]
fn a_lambda_error_keeps_its_type_for_the_workflow() {
    let mut lab = lab(1, &[]);
    place(&mut lab, "standard", "o-1", "tok_declined");
    lab.settle(HOUR);
    assert!(
        lab.timeline()
            .iter()
            .any(|moment| moment.what.ends_with("PaymentDeclined"))
    );
    assert!(standing(&lab, "o-1").contains("PaymentDeclined"));
}

#[test]
fn a_throttled_task_is_retried_as_too_many_requests() {
    let mut lab = with(&["throttle@PlaceOrder:1"], |_| {});
    place(&mut lab, "standard", "o-1", "tok_visa");
    lab.settle(HOUR);
    let failed = lab.failed_executions();
    assert_eq!(
        failed[0].error.as_deref(),
        Some("Lambda.TooManyRequestsException")
    );
}

#[test]
fn concurrency_of_a_mapping_is_bounded() {
    let most = |concurrency| {
        let mut lab = with(&[], |all| {
            for mapping in &mut all.mappings {
                (mapping.concurrency, mapping.batch) = (concurrency, 1);
            }
        });
        let began = lab.now();
        for n in 0..40 {
            place(&mut lab, "eventbridge", &format!("o-{n}"), "tok_visa");
        }
        while standing(&lab, "o-39") == "unknown" {
            assert!(lab.step());
        }
        lab.now().duration_since(began).as_millis()
    };
    assert!(most(1) > 2 * most(20));
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
fn an_unknown_parameter_is_refused() {
    let wrong = BTreeMap::from([("Colour".to_owned(), "red".to_owned())]);
    let refused = Definitions::read(bundled(), "duet", &wrong)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("Colour") && refused.contains("RetryBudget"),
        "{refused}"
    );
}

#[test]
fn nothing_is_left_to_happen_after_all_deadlines() {
    let mut lab = lab(1, &[]);
    for variant in crate::shop::VARIANTS {
        place(&mut lab, variant, &format!("{variant}-1"), "tok_visa");
    }
    assert!(lab.settle(30 * DAY));
    assert_eq!((lab.waiting_messages(), lab.running_executions()), (0, 0));
}

#[test]
fn every_fact_has_its_test() {
    let table = include_str!("../../facts.md");
    let tests = include_str!("facts.rs");
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| fact"));
    let mut shown = 0;
    for row in rows {
        let test = row.trim_end_matches('|').rsplit('|').next().unwrap().trim();
        assert!(tests.contains(&format!("fn {test}()")), "no test {test}");
        shown += 1;
    }
    assert!(shown >= 20, "{shown}");
}
