//! Lambda: batches, time limits, errors, and how many run at once.

use duet_lab::Lab;
use jiff::SignedDuration;

use super::{HOUR, letters, used, with};
use crate::shop::{lab, place, standing};

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
    assert_eq!(letters(&mut lab, "duet-order-commands-dlq").len(), 1);
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
