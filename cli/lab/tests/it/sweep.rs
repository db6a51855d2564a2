//! The hourly sweep: what nobody drives any more is found, and nothing else is
//! touched.

use std::sync::Arc;

use duet_core::desk::{SAID, is_record};
use duet_core::store::{Browse, Store};
use duet_lab::{Config, Definitions, FaultRule, Lab, word};
use duet_order::domain::Order;
use jiff::SignedDuration;
use serde_json::Value;

use crate::shop::{VARIANTS, definitions, lab, message, now, order, place, standing, stocked};

const HOUR: i64 = 3_600_000;

fn seconds(lab: &mut Lab, seconds: i64) {
    lab.advance(lab.now() + SignedDuration::from_secs(seconds));
}

/// How often the sweep has run.
fn sweeps(lab: &Lab) -> usize {
    let due = |what: &str| what == "duet-order-sweep is due";
    lab.timeline().iter().filter(|it| due(&it.what)).count()
}

fn kept(lab: &Lab, id: &str) -> Order {
    let table = lab.table("duet-order").unwrap();
    let items = now(table.load(&[duet_order::key(id)])).unwrap();
    items[0].as_ref().unwrap().read().unwrap()
}

/// A shop in which nobody is told that an execution ended.
fn deaf() -> Lab {
    let mut all = Definitions::clone(&definitions());
    all.rules
        .retain(|rule| !rule.name.ends_with("ExecutionEnded"));
    let config = Config {
        seed: 1,
        timeline: true,
        keep_succeeded: true,
        ..Config::default()
    };
    stocked(Lab::new(Arc::new(all), config).unwrap())
}

/// Places an order whose workflow then finds no order service any more, until
/// its execution has failed.
fn abandon(lab: &mut Lab, id: &str) {
    place(lab, "standard", id, "tok_visa");
    while standing(lab, id) == "unknown" {
        assert!(lab.step());
    }
    lab.set_down("order", true).unwrap();
    while word(lab.execution_standing("duet-order", id).unwrap().status) == "RUNNING" {
        assert!(lab.step());
    }
    lab.set_down("order", false).unwrap();
}

#[test]
fn an_order_whose_execution_ended_unheard_is_parked() {
    let mut lab = deaf();
    abandon(&mut lab, "o-1");
    let ended = lab.execution_standing("duet-order", "o-1").unwrap();
    let left = standing(&lab, "o-1");
    assert!(left.contains("Undecided"), "{left}");
    assert!(!lab.is_at_rest(), "somebody will look");
    assert!(lab.settle(3 * HOUR));
    let parked = standing(&lab, "o-1");
    assert!(
        parked.contains("Abandoned") && parked.contains("Failed"),
        "{parked}"
    );
    let order = kept(&lab, "o-1");
    assert_eq!((order.parkings, order.undecided_since), (1, None));
    // By the execution and its end, as the word that did not come would have.
    let items = now(lab
        .table("duet-order")
        .unwrap()
        .load(&[duet_core::desk::record_key(
            "ParkOrder",
            "o-1",
            &format!("#o-1#{}", ended.ended.unwrap().as_millisecond()),
        )]));
    assert!(items.unwrap()[0].is_some());
    assert_eq!(sweeps(&lab), 1);
    // Nothing is open any more: nothing ticks.
    seconds(&mut lab, 10 * 3_600);
    assert_eq!(sweeps(&lab), 1);
}

#[test]
fn an_order_that_was_only_just_placed_is_left_alone() {
    let mut lab = deaf();
    let began = lab.now();
    abandon(&mut lab, "o-1");
    let takes = lab.now().duration_since(began).as_secs();
    // The same once more, to be over half a minute before the hour.
    let mut lab = deaf();
    seconds(&mut lab, 3_600 - takes - 30);
    abandon(&mut lab, "o-1");
    let to_the_hour = HOUR - lab.now().as_millisecond() % HOUR;
    assert!(to_the_hour < 50_000, "{to_the_hour}");
    seconds(&mut lab, 120);
    assert_eq!(sweeps(&lab), 1);
    assert!(standing(&lab, "o-1").contains("Undecided"));
    assert!(lab.settle(2 * HOUR));
    assert!(standing(&lab, "o-1").contains("Abandoned"));
}

#[test]
fn an_order_that_an_execution_drives_is_left_alone() {
    let mut lab = lab(1, &[]);
    // A person has a day to look at it.
    let mut data = order("o-1", "tok_visa");
    data["total"]["amount"] = (300 * 4_990).into();
    data["lines"][0]["quantity"] = 300.into();
    let placed = message(&lab, "standard", "PlaceOrder", "o-1", data);
    let input = serde_json::json!({ "metadata": placed.metadata, "data": placed.data });
    lab.start_execution("duet-order", "o-1", &input).unwrap();
    seconds(&mut lab, 5 * 3_600);
    assert_eq!(sweeps(&lab), 5, "{}", standing(&lab, "o-1"));
    assert!(standing(&lab, "o-1").contains("Undecided"));
    assert!(lab.settle(30 * 24 * HOUR));
    let end = standing(&lab, "o-1");
    assert!(end.contains("ReviewTimedOut"), "{end}");
    assert_eq!(kept(&lab, "o-1").parkings, 0);
}

#[test]
fn an_order_whose_timer_was_lost_is_ended() {
    let rule: FaultRule = "drop@timer:1".parse().unwrap();
    let config = Config {
        seed: 1,
        faults: vec![rule],
        timeline: true,
        ..Config::default()
    };
    let mut lab = stocked(Lab::new(definitions(), config).unwrap());
    lab.set_down("payment", true).unwrap();
    place(&mut lab, "eventbridge", "o-1", "tok_visa");
    seconds(&mut lab, 3_500);
    let dead = lab.dead_letters();
    let lost = |body: &str| body.contains("ExpireOrder");
    assert!(dead.iter().any(|letter| lost(&letter.body)), "{dead:?}");
    assert!(standing(&lab, "o-1").contains("Undecided"));
    lab.stop_faults();
    lab.set_down("payment", false).unwrap();
    seconds(&mut lab, 200);
    let order = kept(&lab, "o-1");
    let fate = serde_json::to_value(&order.fate).unwrap();
    assert_eq!(
        (&fate["decision"], &fate["reason"]),
        (&Value::from("Rejected"), &Value::from("TimedOut"))
    );
    // Nobody has to mend it: those who hear of the rejection undo it.
    assert_eq!(order.parkings, 0);
}

#[test]
fn where_nothing_is_undecided_nobody_looks() {
    let mut lab = lab(1, &[]);
    for variant in crate::shop::VARIANTS {
        place(&mut lab, variant, &format!("{variant}-1"), "tok_visa");
    }
    assert!(lab.settle(30 * 24 * HOUR));
    for variant in crate::shop::VARIANTS {
        assert_eq!(kept(&lab, &format!("{variant}-1")).undecided_since, None);
    }
    assert_eq!(sweeps(&lab), 0);
}

/// How many records of `table` hold one of the members that go in time.
fn telling(lab: &Lab, table: &str) -> usize {
    let items = now(lab.table(table).unwrap().everything()).unwrap();
    let records = items.iter().filter(|item| is_record(&item.key));
    let bodies = records.map(|record| record.body.value());
    let tells = |body: &Value| SAID.iter().any(|member| body.get(member).is_some());
    bodies.filter(tells).count()
}

#[test]
fn what_records_said_goes_after_fourteen_days_and_what_they_guard_stays() {
    const TABLES: [&str; 7] = [
        "duet-customer",
        "duet-order",
        "duet-fraud",
        "duet-inventory",
        "duet-payment",
        "duet-delivery",
        "duet-notification",
    ];
    for variant in VARIANTS {
        let mut lab = lab(1, &[]);
        place(&mut lab, variant, "o-1", "tok_visa");
        assert!(lab.settle(HOUR));
        let records = |lab: &Lab| {
            let of = |table| now(lab.table(table).unwrap().everything()).unwrap();
            let all = TABLES.iter().flat_map(|table| of(table));
            all.filter(|item| is_record(&item.key)).count()
        };
        let there = records(&lab);
        let told: usize = TABLES.iter().map(|table| telling(&lab, table)).sum();
        // At least one for each step of a happy order.
        assert!(told >= 8 && there >= told, "{variant}: {told} of {there}");
        // A day before it is time, a sweep finds nothing to remove.
        seconds(&mut lab, 13 * 24 * 3_600);
        let left: usize = TABLES.iter().map(|table| telling(&lab, table)).sum();
        assert_eq!(left, told, "{variant}");
        seconds(&mut lab, 2 * 24 * 3_600);
        for table in TABLES {
            assert_eq!(telling(&lab, table), 0, "{variant}: {table}");
        }
        assert_eq!(records(&lab), there, "{variant}");
        assert!(standing(&lab, "o-1").contains("Confirmed"));
        // One write a record, of a unit each, and none for those that said nothing.
        let used = lab.used();
        let sweep = used.iter().find(|it| &*it.subject == "duet-records");
        assert_eq!(sweep.unwrap().meter.write_units, told as u64, "{variant}");
        // The order is not placed a second time.
        place(&mut lab, variant, "o-1", "tok_visa");
        assert!(lab.settle(HOUR));
        assert_eq!(records(&lab), there, "{variant}");
    }
}
