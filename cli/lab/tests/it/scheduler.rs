//! Timers that are far off: one schedule each, whatever happens around it.

use std::collections::BTreeMap;

use duet_core::Timestamp;
use duet_core::store::Store;
use duet_fraud::review::{Review, Status};
use duet_lab::{Config, FaultRule, Lab};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::shop::{VARIANTS, definitions, message, now, order, place, standing, stocked};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn lab(seed: u64, faults: &[&str]) -> Lab {
    let faults = faults.iter().map(|text| text.parse::<FaultRule>().unwrap());
    let config = Config {
        seed,
        faults: faults.collect(),
        timeline: true,
        keep_succeeded: true,
        ..Config::default()
    };
    stocked(Lab::new(definitions(), config).unwrap())
}

/// Places an order that a person has to look at.
fn doubtful(lab: &mut Lab, variant: &str, id: &str) {
    let mut data = order(id, "tok_visa");
    data["lines"][0]["quantity"] = json!(50);
    data["total"]["amount"] = json!(50 * 4_990);
    let message = message(lab, variant, "PlaceOrder", id, data);
    match variant {
        "standard" => {
            let input = json!({ "metadata": message.metadata, "data": message.data });
            lab.start_execution("duet-order", id, &input).unwrap();
        }
        _ => lab.send_command("duet-order-commands", &message).unwrap(),
    }
}

/// The queue that fraud hears itself on.
const DOOR: &str = "duet-fraud-commands";

fn decide(lab: &mut Lab, variant: &str, id: &str, verdict: &str) {
    let data = json!({ "order": id, "verdict": verdict });
    let message = message(lab, variant, "DecideReview", id, data);
    lab.send_command(DOOR, &message).unwrap();
}

fn review(lab: &Lab, id: &str) -> Review {
    let table = lab.table("duet-fraud").unwrap();
    let found = now(table.load(&[duet_fraud::review_key(id)])).unwrap();
    found[0].as_ref().unwrap().read().unwrap()
}

/// The purposes of the schedules there are: `fraud.CloseReview`.
fn purposes(lab: &Lab) -> Vec<String> {
    let all = lab.schedules();
    let purpose = |name: &str| name.split('.').take(2).collect::<Vec<_>>().join(".");
    all.iter().map(|schedule| purpose(&schedule.name)).collect()
}

fn used(lab: &Lab, what: impl Fn(&duet_lab::Meter) -> u64) -> u64 {
    lab.used().iter().map(|used| what(&used.meter)).sum()
}

#[test]
fn a_review_of_a_day_is_one_schedule_and_no_message() {
    for variant in VARIANTS {
        let mut lab = lab(1, &[]);
        doubtful(&mut lab, variant, "o-1");
        // The order's first deadline, a quarter of an hour off, travels on the queue.
        lab.advance(lab.now() + minutes(30));
        assert_eq!(review(&lab, "o-1").status, Status::Open, "{variant}");
        let expected: &[&str] = match variant {
            "standard" => &["fraud.CloseReview"],
            _ => &["fraud.CloseReview", "order.ExpireOrder"],
        };
        assert_eq!(purposes(&lab), expected, "{variant}");
        let before = used(&lab, |meter| meter.queue_requests);
        assert_eq!(
            (lab.waiting_messages(), used(&lab, |m| m.schedules)),
            (0, 0)
        );

        // Nothing travels while a person may decide.
        lab.advance(lab.now() + minutes(23 * 60));
        assert_eq!(
            used(&lab, |meter| meter.queue_requests),
            before,
            "{variant}"
        );

        assert!(lab.settle(30 * DAY));
        let review = review(&lab, "o-1");
        assert_eq!(review.status, Status::TimedOut);
        // Not before its time, and not a minute late.
        let (due, closed) = (review.due.unwrap(), review.closed_at.unwrap());
        let late = closed.duration_since(due).as_secs();
        assert!((0..=61).contains(&late), "{variant}: {late} s");
        assert!(
            standing(&lab, "o-1").contains("ReviewTimedOut"),
            "{variant}"
        );
        // The order's own was called off, for it was decided by then.
        assert_eq!(used(&lab, |meter| meter.schedules), 1, "{variant}");
        assert!(lab.schedules().is_empty() && lab.dead_letters().is_empty());
    }
}

#[test]
fn a_decision_calls_the_clocks_off() {
    for variant in VARIANTS {
        for (verdict, end) in [("Approve", "Confirmed"), ("Reject", "FraudConfirmed")] {
            let mut lab = lab(2, &[]);
            doubtful(&mut lab, variant, "o-1");
            lab.advance(lab.now() + minutes(30));
            assert!(!lab.schedules().is_empty());
            decide(&mut lab, variant, "o-1", verdict);
            lab.advance(lab.now() + minutes(1));
            assert!(standing(&lab, "o-1").contains(end), "{variant}, {verdict}");
            assert!(lab.schedules().is_empty(), "{:?}", lab.schedules());
            assert!(lab.settle(30 * DAY));
            assert_eq!(used(&lab, |meter| meter.schedules), 0);
        }
    }
}

#[test]
fn a_death_before_the_acknowledgement_leaves_one_schedule() {
    // Handled, scheduled, and not acknowledged, every time.
    let mut lab = lab(3, &["partial-batch@fraud:1"]);
    doubtful(&mut lab, "eventbridge", "o-1");
    lab.advance(lab.now() + minutes(60));
    let mine = |lab: &Lab| {
        let mut all = purposes(lab);
        all.retain(|purpose| purpose.starts_with("fraud."));
        all
    };
    assert_eq!(mine(&lab), ["fraud.CloseReview"]);

    for variant in VARIANTS {
        for seed in 0..20 {
            let mut lab = self::lab(seed, &["crash-after-commit@fraud:0.6"]);
            doubtful(&mut lab, variant, "o-1");
            lab.advance(lab.now() + minutes(60));
            assert_eq!(mine(&lab), ["fraud.CloseReview"], "{variant}, seed {seed}");
        }
    }
}

#[test]
fn while_the_scheduler_does_not_answer_a_timer_travels_on_its_queue() {
    for variant in VARIANTS {
        // Not before an hour before its time does it cease to be asked.
        let mut lab = lab(1, &["scheduler@fraud:1"]);
        doubtful(&mut lab, variant, "o-1");
        lab.advance(lab.now() + minutes(60));
        assert_eq!(review(&lab, "o-1").status, Status::Open, "{variant}");
        assert!(lab.settle(30 * DAY));
        assert_eq!(review(&lab, "o-1").status, Status::TimedOut, "{variant}");
        assert!(lab.schedules().is_empty() && lab.dead_letters().is_empty());

        for seed in 0..10 {
            let mut lab = self::lab(seed, &["scheduler@fraud:0.5"]);
            doubtful(&mut lab, variant, "o-1");
            lab.advance(lab.now() + minutes(6 * 60));
            let mut all = purposes(&lab);
            all.retain(|purpose| purpose.starts_with("fraud."));
            assert_eq!(all, ["fraud.CloseReview"], "{variant}, seed {seed}");
            // What is not called off comes, and does nothing.
            decide(&mut lab, variant, "o-1", "Approve");
            assert!(lab.settle(30 * DAY));
            assert_eq!(review(&lab, "o-1").status, Status::Approved);
            assert!(standing(&lab, "o-1").contains("Confirmed"));
            assert!(lab.schedules().is_empty() && lab.dead_letters().is_empty());
        }
    }
}

#[test]
fn what_a_queue_does_not_take_is_sent_again() {
    let mut lab = lab(4, &["scheduler@timer:1"]);
    doubtful(&mut lab, "standard", "o-1");
    lab.advance(lab.now() + minutes(30));
    let due = review(&lab, "o-1").due.unwrap();
    assert!(lab.settle(30 * DAY));
    let tries = lab.timeline().iter();
    let tries = tries.filter(|it| it.what.contains("schedule fraud.CloseReview") && it.at > due);
    assert!(tries.count() > 0);
    assert_eq!(review(&lab, "o-1").status, Status::TimedOut);
    assert!(lab.dead_letters().is_empty());
}

/// A timer for `due`, as it is on its queue between two hops.
fn in_flight(lab: &Lab, id: &str, due: Timestamp) -> Value {
    let data = json!({ "order": id, "cause": "TimedOut" });
    let message = message(lab, "eventbridge", "CloseReview", id, data);
    let mut message = serde_json::to_value(message).unwrap();
    message["due"] = json!(due);
    message
}

#[test]
fn a_timer_that_was_on_its_way_in_hops_gets_a_schedule() {
    let mut lab = lab(5, &[]);
    place(&mut lab, "eventbridge", "o-2", "tok_visa");
    lab.settle(HOUR / 2);
    let due = lab.now() + minutes(20 * 60);
    // Twice: a death between sending and acknowledging had doubled its chain.
    for _ in 0..2 {
        let text = in_flight(&lab, "o-2", due).to_string();
        lab.send_text("duet-fraud-commands", &text, "o-2").unwrap();
    }
    lab.advance(lab.now() + minutes(1));
    assert_eq!(purposes(&lab), ["fraud.CloseReview"]);
    assert_eq!(lab.waiting_messages(), 0);
    assert!(lab.settle(30 * DAY));
    assert!(lab.schedules().is_empty() && lab.dead_letters().is_empty());
}

#[test]
fn what_cannot_be_sent_for_a_day_is_a_dead_letter_with_its_reason() {
    let mut lab = lab(6, &[]);
    doubtful(&mut lab, "eventbridge", "o-1");
    lab.advance(lab.now() + minutes(30));
    // Nobody should, with a review open: its queue is gone.
    let off = BTreeMap::from([("Fraud".to_owned(), "off".to_owned())]);
    lab.update(&off).unwrap();
    lab.settle(4 * DAY);
    let dead = lab.dead_letters();
    let letter = dead.iter().find(|it| it.queue == "duet-timers-undelivered");
    let letter = letter.expect("the review's clock").clone();
    assert_eq!(letter.cause, "AWS.SimpleQueueService.NonExistentQueue");
    let about: BTreeMap<_, _> = lab.attributes(&letter).into_iter().collect();
    assert!(
        about["TARGET_ARN"].ends_with(":duet-fraud-commands"),
        "{about:?}"
    );
    assert!(about["SCHEDULE_ARN"].contains(":schedule/duet-timers/fraud.CloseReview.o-1."));
    assert!(about["EXHAUSTED_RETRY_CONDITION"].starts_with("Maximum"));
    assert!(lab.redrive(&letter).is_none(), "its queue is gone");
    // Once the queue is there again, the timer may go to it.
    lab.update(&BTreeMap::new()).unwrap();
    lab.settle(HOUR);
    assert_eq!(lab.home(&letter), Some("duet-fraud-commands"));
    assert!(lab.redrive(&letter).is_some());
    assert!(lab.settle(30 * DAY));
    assert_eq!(review(&lab, "o-1").status, Status::TimedOut);
}

#[test]
fn a_short_review_stays_on_the_queue() {
    let short = BTreeMap::from([("ReviewSeconds".to_owned(), "30".to_owned())]);
    let all = definitions().with(&short).unwrap();
    for variant in VARIANTS {
        let mut lab = stocked(Lab::new(all.clone().into(), Config::default()).unwrap());
        doubtful(&mut lab, variant, "o-1");
        lab.advance(lab.now() + SignedDuration::from_secs(20));
        assert_eq!(review(&lab, "o-1").status, Status::Open);
        assert!(lab.schedules().is_empty());
        assert!(lab.settle(30 * DAY));
        assert_eq!(review(&lab, "o-1").status, Status::TimedOut, "{variant}");
        assert_eq!(used(&lab, |meter| meter.schedules), 0);
    }
}
