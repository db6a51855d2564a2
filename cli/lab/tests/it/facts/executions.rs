//! Step Functions: names, ends, and what is taken up again.

use duet_lab::Started;
use jiff::SignedDuration;
use serde_json::json;

use super::{HOUR, with};
use crate::shop::{lab, message, order, place, standing};

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
