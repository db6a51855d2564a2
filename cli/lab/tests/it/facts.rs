//! AWS's behaviour, fact by fact. `docs/lab.md` names each test beside the fact
//! it shows.

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
    lab.set_down("order", true).unwrap();
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.settle(HOUR);
    let dead = letters(&mut lab, "duet-order-dlq");
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].cause, "MaxReceiveCount");
    // As often as the template's maxReceiveCount says; once more moved it.
    let dies = lab.timeline().iter().filter(|it| it.what.contains("dies"));
    assert_eq!(dies.count(), 31);
}

#[test]
fn what_nobody_can_read_is_put_away_at_once_with_the_reason() {
    let mut lab = lab(1, &[]);
    lab.send_text("duet-order", "{\"poison\"", "x").unwrap();
    lab.advance(lab.now() + SignedDuration::from_secs(1));
    let dead = letters(&mut lab, "duet-order-dlq").remove(0);
    assert_eq!(dead.cause, "no JSON from line 1 column 9");
    let about: BTreeMap<_, _> = lab.attributes(&dead).into_iter().collect();
    assert!(about["duet.queue"].ends_with(":duet-order"), "{about:?}");
    assert_eq!(lab.home(&dead), Some("duet-order"));
    assert_eq!(lab.waiting_messages(), 0);
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
        let mut lab = with(&["topic:1"], |all| {
            all.mappings.iter_mut().for_each(|it| it.partial = partial)
        });
        place(&mut lab, "eventbridge", "o-1", "tok_visa");
        lab.settle(HOUR);
        assert!(standing(&lab, "o-1").contains("Confirmed"));
        letters(&mut lab, "duet-notification-dlq").len()
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
fn the_end_of_an_execution_may_be_told_twice_late_or_never() {
    let world = |fault: &str| {
        let mut lab = with(&["store-fault@RejectOrder:1", fault], |_| {});
        place(&mut lab, "standard", "o-1", "tok_declined");
        let at = lab.now();
        while lab.failed_executions().is_empty() && lab.step() {}
        assert_eq!(lab.failed_executions().len(), 1, "{fault}");
        let failed = lab.now();
        lab.advance(failed + SignedDuration::from_secs(60));
        let soon = standing(&lab, "o-1").contains("Abandoned");
        lab.advance(failed + SignedDuration::from_hours(2));
        assert!(failed > at);
        (soon, standing(&lab, "o-1").contains("Abandoned"))
    };
    assert_eq!(world("end-twice:1"), (true, true));
    assert_eq!(world("end-late:1"), (false, true));
    // Whoever else finds such an order has to look for it.
    assert!(!world("end-never:1").0);
}

#[test]
fn an_execution_may_be_cut_short() {
    for (fault, status) in [("abort:1", "ABORTED"), ("execution-timeout:1", "TIMED_OUT")] {
        let mut lab = with(&[fault, "cold-start:1"], |_| {});
        (0..4).for_each(|n| place(&mut lab, "standard", &format!("o-{n}"), "tok_visa"));
        lab.settle(HOUR);
        let failed = lab.failed_executions();
        assert!(!failed.is_empty(), "{fault}");
        for run in failed {
            assert_eq!(duet_lab::word(run.status), status);
            let blows = lab.blows(&run.name);
            let cut = |blow: &&duet_lab::Blow| fault.starts_with(blow.kind.name());
            assert_eq!(blows.iter().filter(cut).count(), 1);
        }
    }
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
        refused.contains("Colour") && refused.contains("PatienceSeconds"),
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

fn used(lab: &Lab, what: impl Fn(&duet_lab::Meter) -> u64) -> u64 {
    lab.used().iter().map(|used| what(&used.meter)).sum()
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
        let queue = all.queue_named("duet-order").unwrap();
        all.queues[queue].delay = 5_000;
    });
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    lab.advance(lab.now() + SignedDuration::from_millis(4_990));
    assert_eq!(standing(&lab, "o-1"), "unknown");
    lab.advance(lab.now() + SignedDuration::from_secs(2));
    assert_ne!(standing(&lab, "o-1"), "unknown");
}

#[test]
fn a_batch_is_one_invocation_of_at_most_so_many_messages() {
    let invocations = |batch| {
        let mut lab = with(&[], |all| {
            for mapping in &mut all.mappings {
                (mapping.concurrency, mapping.batch) = (2, batch);
            }
        });
        for n in 0..40 {
            place(&mut lab, "eventbridge", &format!("o-{n}"), "tok_visa");
        }
        while standing(&lab, "o-39") == "unknown" {
            assert!(lab.step());
        }
        used(&lab, |meter| meter.invocations)
    };
    assert!(invocations(1) >= 40);
    assert!(invocations(10) < 40);
}

#[test]
fn a_new_instance_starts_cold_and_is_used_again() {
    let mut lab = lab(1, &[]);
    place(&mut lab, "standard", "o-1", "tok_visa");
    lab.settle(HOUR);
    let cold = used(&lab, |meter| meter.cold_starts);
    assert!(cold >= 6, "one for each function: {cold}");
    place(&mut lab, "standard", "o-2", "tok_visa");
    lab.settle(HOUR);
    assert_eq!(used(&lab, |meter| meter.cold_starts), cold);
}

#[test]
fn more_invocations_than_the_account_allows_are_throttled() {
    let mut lab = lab(1, &[]);
    for n in 0..1_100 {
        place(&mut lab, "standard", &format!("o-{n}"), "tok_visa");
    }
    lab.advance(lab.now() + SignedDuration::from_secs(1));
    let refused = lab
        .timeline()
        .iter()
        .filter(|moment| moment.what.contains("Lambda.TooManyRequestsException"))
        .count();
    assert!(refused >= 100, "{refused}");
    lab.settle(HOUR);
    assert!(standing(&lab, "o-1099").contains("Confirmed"));
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

/// The names of the tests in the Rust files under `folder`.
fn tests_under(folder: &std::path::Path, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_under(&path, names);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut marked = false;
            for line in text.lines().map(str::trim) {
                match line
                    .strip_prefix("fn ")
                    .and_then(|rest| rest.split_once('('))
                {
                    Some((name, _)) if marked => names.push(name.to_owned()),
                    _ => {}
                }
                // Other attributes may stand between the mark and the function.
                marked = line == "#[test]" || marked && line.starts_with("#[");
            }
        }
    }
}

#[test]
fn every_fact_has_its_test() {
    let lab = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let cli = lab.parent().unwrap();
    let mut names = Vec::new();
    for part in [
        "lab/src",
        "lab/tests",
        "asl/src",
        "asl/tests",
        "pattern/src",
        "pattern/tests",
    ] {
        tests_under(&cli.join(part), &mut names);
    }
    let page = std::fs::read_to_string(cli.parent().unwrap().join("docs/lab.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .skip_while(|line| !line.starts_with("| fact"))
        .skip(2)
        .take_while(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    for row in &rows {
        assert_eq!(row.len(), 3, "a fact, its source, its test: {row:?}");
        let test = row[2].trim_matches('`');
        assert!(!row[1].is_empty(), "no source: {}", row[0]);
        assert!(names.iter().any(|name| name == test), "no test {test}");
    }
    assert!(rows.len() >= 40, "{}", rows.len());
}
