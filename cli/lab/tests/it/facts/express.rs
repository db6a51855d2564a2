//! Express executions: they run at least once, nobody can ask after them, and what they
//! leave is ended by the order's own clock.

use std::collections::BTreeMap;

use duet_asl::Status;
use duet_core::store::Store;
use duet_lab::{Answer, Config, Definitions, Lab, Started, WorkflowError, bundled};
use jiff::SignedDuration;
use serde_json::json;

use super::{HOUR, used, with};
use crate::shop::{message, now, order, place, standing, stocked};

const MACHINE: &str = "duet-express-order";

/// A lab whose Express machines log every event.
fn watched(faults: &[&str]) -> Lab {
    let level = BTreeMap::from([("ExpressLogLevel".to_owned(), "ALL".to_owned())]);
    let all = Definitions::read(bundled(), "duet", &level).unwrap();
    let config = Config {
        seed: 3,
        faults: faults.iter().map(|text| text.parse().unwrap()).collect(),
        keep_succeeded: true,
        ..Config::default()
    };
    stocked(Lab::new(all.into(), config).unwrap())
}

/// The types of the events that the log group has of the executions called `name`.
fn logged(lab: &Lab, name: &str) -> Vec<String> {
    let all = lab.log_records().iter().filter(|it| it.name() == name);
    all.map(|it| it.kind.clone()).collect()
}

/// How many pieces were shipped.
fn shipped(lab: &Lab) -> u32 {
    let key = duet_inventory::stock_key(&"kettle".parse().unwrap());
    let found = now(lab.table("duet-inventory").unwrap().load(&[key])).unwrap();
    let stock: duet_inventory::domain::Stock = found[0].as_ref().unwrap().read().unwrap();
    u32::try_from(stock.shipped).unwrap()
}

fn count(all: &[String], kind: &str) -> usize {
    all.iter().filter(|it| *it == kind).count()
}

#[test]
fn the_name_of_an_express_execution_is_shared() {
    let mut lab = watched(&[]);
    let message = message(
        &lab,
        "express",
        "PlaceOrder",
        "o-1",
        order("o-1", "tok_visa"),
    );
    let input = json!({ "metadata": message.metadata, "data": message.data });
    for _ in 0..2 {
        let started = lab.start_execution(MACHINE, "o-1", &input);
        assert_eq!(started, Ok(Started::New));
    }
    lab.settle(HOUR);
    assert_eq!(count(&logged(&lab, "o-1"), "ExecutionStarted"), 2);
    assert!(standing(&lab, "o-1").contains("Confirmed"));
    assert_eq!(shipped(&lab), 1);
}

#[test]
fn an_express_execution_may_run_twice_at_the_same_time() {
    let mut lab = watched(&["express-twice:1"]);
    place(&mut lab, "express", "o-1", "tok_visa");
    lab.settle(HOUR);
    let of = |name: &str| {
        let all = lab.log_records().iter();
        let began = all.filter(|it| it.name() == name && it.kind == "ExecutionStarted");
        began.map(|it| (it.arn.clone(), it.at)).collect::<Vec<_>>()
    };
    let both = of("o-1");
    assert_eq!((both.len(), &both[0]), (2, &both[1]));
    // Each of the two starts what follows, which is run twice as well.
    assert!(of("o-1__2").len() >= 2);
    assert!(standing(&lab, "o-1").contains("Confirmed"));
    assert_eq!(shipped(&lab), 1);
}

/// What the caller of a synchronous execution is told of an order of kettles.
fn told(lab: &mut Lab, id: &str, token: &str) -> Answer {
    let message = message(lab, "express-sync", "PlaceOrder", id, order(id, token));
    let input = json!({ "metadata": message.metadata, "data": message.data });
    let waiting = lab.start_sync_execution("duet-express-sync-order", id, &input);
    let waiting = waiting.unwrap();
    assert_eq!(lab.answer(waiting), None);
    lab.settle(HOUR);
    lab.answer(waiting).unwrap()
}

#[test]
fn a_synchronous_execution_runs_once_and_its_caller_is_told_its_end() {
    let mut lab = watched(&["express-twice:1"]);
    for (token, decision) in [("tok_visa", "Confirmed"), ("tok_declined", "Rejected")] {
        let answer = told(&mut lab, token, token);
        let expected = json!({ "order": token, "decision": decision });
        assert_eq!(answer.status, Status::Succeeded);
        assert_eq!(answer.output, Some(expected));
        // What follows nobody waits for, and so it runs twice.
        assert_eq!(count(&logged(&lab, token), "ExecutionStarted"), 1);
        let after = logged(&lab, &format!("{token}__2"));
        assert_eq!(count(&after, "ExecutionStarted"), 2);
    }
    let mut lab = watched(&["store-fault@PlaceOrder:1"]);
    let answer = told(&mut lab, "o-1", "tok_visa");
    assert_eq!((answer.status, answer.output), (Status::Failed, None));
    assert!(answer.error.is_some());
}

#[test]
fn a_synchronous_execution_shares_its_name_too() {
    let mut lab = watched(&[]);
    for _ in 0..2 {
        place(&mut lab, "express-sync", "o-1", "tok_visa");
    }
    lab.settle(HOUR);
    assert_eq!(count(&logged(&lab, "o-1"), "ExecutionStarted"), 2);
    assert!(standing(&lab, "o-1").contains("Confirmed"));
    assert_eq!(shipped(&lab), 1);
}

#[test]
fn a_standard_machine_answers_nobody_who_waits() {
    let mut lab = watched(&[]);
    let refused = lab.start_sync_execution("duet-order", "o-1", &json!({}));
    assert_eq!(refused, Err(WorkflowError::Standard("duet-order".into())));
    let refused = lab.start_sync_execution("no-such", "o-1", &json!({}));
    assert_eq!(refused, Err(WorkflowError::NoMachine("no-such".into())));
    assert_eq!(lab.running_executions(), 0);
}

#[test]
fn nobody_can_ask_after_an_express_execution() {
    let mut lab = watched(&["store-fault@PlaceOrder:1"]);
    place(&mut lab, "express", "o-1", "tok_visa");
    assert!(lab.running().is_empty() && lab.running_executions() == 1);
    let arn = lab.log_records()[0].arn.to_string();
    assert!(arn.contains(":express:duet-express-order:o-1:"), "{arn}");
    assert!(lab.describe_execution(&arn).is_none());
    assert!(lab.execution_standing(MACHINE, "o-1").is_none());
    let stopped = lab.stop_execution(&arn, None, None);
    assert!(
        matches!(stopped, Err(WorkflowError::Express(_))),
        "{stopped:?}"
    );
    lab.settle(HOUR);
    assert!(lab.failed_executions().is_empty());
    let redriven = lab.redrive_execution(&arn).unwrap_err();
    assert!(redriven.to_string().contains("Express"), "{redriven}");
    assert_eq!(count(&logged(&lab, "o-1"), "ExecutionFailed"), 1);
}

#[test]
fn the_log_group_has_what_its_level_takes() {
    let mut lab = with(&["store-fault@ShipStock:0.7"], |_| {});
    place(&mut lab, "express", "o-1", "tok_visa");
    lab.settle(HOUR);
    let kinds: Vec<String> = ["o-1", "o-1__2"]
        .into_iter()
        .flat_map(|name| logged(&lab, name))
        .collect();
    assert!(kinds.iter().any(|kind| kind == "TaskFailed"), "{kinds:?}");
    let is_failure = |kind: &String| kind.ends_with("Failed") || kind == "FailStateEntered";
    assert!(kinds.iter().all(is_failure), "{kinds:?}");
    let mut lab = watched(&[]);
    place(&mut lab, "express", "o-1", "tok_visa");
    lab.settle(HOUR);
    let kinds = logged(&lab, "o-1");
    assert_eq!(kinds.first().unwrap(), "ExecutionStarted");
    assert_eq!(kinds.last().unwrap(), "ExecutionSucceeded");
    assert!(used(&lab, |meter| meter.express_log_bytes) > 5_000);
}

#[test]
fn a_half_that_was_not_started_is_started_by_the_orders_own_clock() {
    for (token, decision) in [
        ("tok_visa", "Confirmed"),
        ("tok_declined", "PaymentDeclined"),
    ] {
        let mut lab = watched(&["half-not-started@duet-express-order:1"]);
        place(&mut lab, "express", "o-1", token);
        lab.advance(lab.now() + SignedDuration::from_mins(10));
        assert!(standing(&lab, "o-1").contains(decision));
        assert!(logged(&lab, "o-1__2").is_empty());
        lab.stop_faults();
        lab.settle(HOUR);
        let kinds = logged(&lab, "o-1__2");
        assert_eq!(count(&kinds, "ExecutionSucceeded"), 1, "{kinds:?}");
        let standing = standing(&lab, "o-1");
        assert!(
            !standing.contains("Pending") && !standing.contains("owed"),
            "{standing}"
        );
    }
}

#[test]
fn what_five_minutes_cut_off_the_orders_own_clock_ends() {
    let mut lab = watched(&["express-timeout:1", "cold-start:1"]);
    (0..4).for_each(|n| place(&mut lab, "express", &format!("o-{n}"), "tok_visa"));
    lab.advance(lab.now() + SignedDuration::from_mins(10));
    let cut = (0..4).find(|n| {
        let kinds = logged(&lab, &format!("o-{n}"));
        count(&kinds, "ExecutionTimedOut") == 1
            && standing(&lab, &format!("o-{n}")).contains("Undecided")
    });
    let id = format!("o-{}", cut.expect("an order whose execution was cut short"));
    lab.stop_faults();
    lab.settle(HOUR);
    // Nothing told of the end: nobody parked it.
    let standing = standing(&lab, &id);
    assert!(
        standing.contains("TimedOut") && standing.contains("Done"),
        "{standing}"
    );
}

#[test]
fn an_express_execution_is_billed_by_its_start_and_its_time() {
    let mut lab = watched(&[]);
    place(&mut lab, "express", "o-1", "tok_visa");
    lab.settle(HOUR);
    // Two halves; nobody counts the states.
    assert_eq!(used(&lab, |meter| meter.express_starts), 2);
    assert_eq!(used(&lab, |meter| meter.transitions), 0);
    let ms = used(&lab, |meter| meter.express_ms);
    assert!(ms >= 200 && ms % 100 == 0, "{ms}");
}
