//! Patience by the clock: what is out for less than it costs nobody an order, in
//! any variant; what stays out for longer ends alike in all of them.

use duet_core::store::Store;
use duet_lab::{Config, Definitions, Lab, bundled};
use duet_order::domain::{Compensation, Fate, Order};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::shop::{VARIANTS, lab, message, now, order, place, standing, stocked};

const HOUR: i64 = 3_600_000;

/// The patience of the template's defaults, in seconds.
const PATIENCE: i64 = 60;

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

/// A lab with `parameters` in place of defaults.
fn with_parameters(parameters: &[(&str, &str)]) -> Lab {
    let all = parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let all = Definitions::read(bundled(), "duet", &all.collect()).unwrap();
    let config = Config {
        seed: 5,
        timeline: true,
        keep_succeeded: true,
        ..Config::default()
    };
    stocked(Lab::new(all.into(), config).unwrap())
}

/// Places an order with something of its own, such as `ship_to/postcode`.
fn place_with(lab: &mut Lab, variant: &str, id: &str, changes: &[(&str, &str)]) {
    let mut data = order(id, "tok_visa");
    for (path, value) in changes {
        *data.pointer_mut(&format!("/{path}")).unwrap() = json!(value);
    }
    let message = message(lab, variant, "PlaceOrder", id, data);
    match variant {
        "standard" => {
            let input = json!({ "metadata": message.metadata, "data": message.data });
            lab.start_execution("duet-order", id, &input).unwrap();
        }
        _ => lab.send_command("duet-order-commands", &message).unwrap(),
    }
}

fn the_order(lab: &Lab, id: &str) -> Order {
    let table = lab.table("duet-order").unwrap();
    let found = now(table.load(&[duet_order::key(id)])).unwrap();
    found[0].as_ref().unwrap().read().unwrap()
}

/// Registers a customer of `variant`.
fn register(lab: &mut Lab, variant: &str, id: &str) {
    let data = json!({ "customer": id, "name": "Ada", "email": format!("{id}@example.org"), "country": "SE" });
    let message = message(lab, variant, "RegisterCustomer", id, data);
    match variant {
        "standard" => {
            let input = json!({ "metadata": message.metadata, "data": message.data });
            lab.start_execution("duet-customer", id, &input).unwrap();
        }
        _ => lab
            .send_command("duet-customer-commands", &message)
            .unwrap(),
    }
}

fn customer(lab: &Lab, id: &str) -> Value {
    let table = lab.table("duet-customer").unwrap();
    let found = now(table.load(&[duet_customer::key(id)])).unwrap();
    let found = found[0].as_ref();
    found.map_or(Value::Null, |item| item.body.value()["status"].clone())
}

/// How a service is out.
#[derive(Debug, Clone, Copy)]
enum Out {
    /// Every invocation of its functions dies.
    Dies,
    /// Its table does not answer: every answer is a transient fault.
    Fails,
}

/// How many of `orders` good orders, and as many customers, are lost when
/// `service` is out for `length` seconds from its first try.
fn lost(service: &str, out: Out, length: i64, variant: &str, orders: usize, seed: u64) -> usize {
    let rule = format!("store-fault@{service}:1");
    let mut lab = match out {
        Out::Dies => lab(seed, &[]),
        Out::Fails => lab(seed, &[&rule]),
    };
    if matches!(out, Out::Dies) {
        lab.set_down(service, true).unwrap();
    }
    for n in 0..orders {
        place(&mut lab, variant, &format!("o-{n}"), "tok_visa");
        register(&mut lab, variant, &format!("c-{n}"));
    }
    let hit = |lab: &Lab| match out {
        Out::Dies => lab.timeline().iter().any(|it| it.what.contains("dies")),
        Out::Fails => !lab.struck().is_empty(),
    };
    while !hit(&lab) {
        assert!(lab.step(), "{service} was never tried");
    }
    lab.advance(lab.now() + seconds(length));
    match out {
        Out::Dies => lab.set_down(service, false).unwrap(),
        Out::Fails => lab.stop_faults(),
    }
    lab.settle(20 * HOUR);
    assert!(lab.dead_letters().is_empty(), "{service} {out:?} {length}");
    let good = |n: &usize| {
        let order = format!("o-{n}");
        let whole =
            standing(&lab, &order).contains("Confirmed") && the_order(&lab, &order).owed.is_empty();
        whole && customer(&lab, &format!("c-{n}")) == "Active"
    };
    orders - (0..orders).filter(good).count()
}

macro_rules! parts {
    (parts { $($Part:ident $part:ident $its:ident ($($port:ident),*);)* } listeners { $($rest:tt)* }) => {
        /// The services that take part.
        const PARTS: &[&str] = &[$(stringify!($part)),*];
    };
}
duet_core::services!(parts);

/// At size: `duet bench patience`.
#[test]
fn a_service_that_is_out_for_less_than_the_patience_costs_no_order() {
    for service in PARTS {
        for (length, out) in [(3, Out::Fails), (59, Out::Fails), (59, Out::Dies)] {
            for variant in VARIANTS {
                let lost = lost(service, out, length, variant, 5, 1);
                assert_eq!(lost, 0, "{service} {out:?} for {length} s: {variant}");
            }
        }
    }
}

#[test]
fn a_third_party_that_answers_in_time_loses_nothing_and_one_that_does_not_is_given_up() {
    for variant in VARIANTS {
        for (path, silent, reason) in [
            ("payment_token", "tok_silent_{n}s", "PaymentUnavailable"),
            ("ship_to/postcode", "silent-{n}s", "CarrierUnavailable"),
        ] {
            for (length, good) in [(0, true), (PATIENCE - 1, true), (PATIENCE + 20, false)] {
                let mut lab = lab(7, &[]);
                for n in 0..5 {
                    let value = silent.replace("{n}", &length.to_string());
                    place_with(&mut lab, variant, &format!("o-{n}"), &[(path, &value)]);
                }
                lab.settle(20 * HOUR);
                for n in 0..5 {
                    let standing = standing(&lab, &format!("o-{n}"));
                    let (word, done) = match good {
                        true => ("Confirmed", "None"),
                        false => (reason, "Done"),
                    };
                    assert!(
                        standing.contains(word) && standing.contains(done),
                        "{variant}, {path} silent for {length} s: {standing}"
                    );
                }
            }
        }
    }
}

/// However often the refund gets no answer, it ends the same everywhere.
#[test]
fn a_refund_ends_the_same_in_every_variant() {
    for (token, compensation) in [
        ("tok_refund_fails_1", Compensation::Done),
        ("tok_refund_fails_4", Compensation::Done),
        ("tok_refund_fails_5", Compensation::Done),
        ("tok_refund_fails_9", Compensation::Done),
        ("tok_refund_fails_100", Compensation::Failed),
        ("tok_refund_silent_59s", Compensation::Done),
        ("tok_refund_silent_80s", Compensation::Failed),
    ] {
        for variant in VARIANTS {
            let mut lab = lab(11, &[]);
            let changes = [("payment_token", token), ("ship_to/postcode", "00000")];
            place_with(&mut lab, variant, "o-1", &changes);
            lab.settle(20 * HOUR);
            let order = the_order(&lab, "o-1");
            assert_eq!(order.compensation, compensation, "{variant}, {token}");
            assert_eq!(
                order.owed.len(),
                usize::from(compensation == Compensation::Failed),
                "{variant}, {token}"
            );
        }
    }
}

#[test]
fn a_step_is_given_up_by_the_clock_and_not_by_its_tries() {
    for variant in VARIANTS {
        let mut lab = with_parameters(&[("PatienceSeconds", "20")]);
        let began = lab.now();
        place(&mut lab, variant, "o-1", "tok_silent_3600s");
        lab.settle(20 * HOUR);
        let decided = the_order(&lab, "o-1").decided_at.unwrap();
        let took = decided.duration_since(began);
        assert!(
            took >= seconds(20) && took < seconds(32),
            "{variant}: {took}"
        );
    }
}

#[test]
fn a_shipment_or_notice_that_cannot_be_made_is_owed_in_every_variant_until_it_is() {
    for (fault, letters, part) in [
        ("store-fault@ShipStock:1", "duet-inventory-dlq", "shipment"),
        ("topic:1", "duet-notification-dlq", "notice"),
    ] {
        for variant in VARIANTS {
            // On the bus a step is named after the rule that led to it; on topics
            // after a subscription, which brings more than this fact: there the
            // fault begins when the order is confirmed.
            let on_topics = matches!(variant, "sns" | "fifo");
            let fault = match variant {
                "eventbridge" => fault.replace("ShipStock", "duet-inventory-OrderConfirmed"),
                _ if on_topics => fault.replace("ShipStock", "inventory"),
                _ => fault.to_owned(),
            };
            let faults = [fault.parse().unwrap()];
            let mut lab = lab(13, &[]);
            if !on_topics {
                lab.set_faults(&faults);
            }
            place(&mut lab, variant, "o-1", "tok_visa");
            if on_topics {
                while !standing(&lab, "o-1").contains("Confirmed") {
                    lab.advance(lab.now() + SignedDuration::from_millis(1));
                }
                lab.set_faults(&faults);
            }
            lab.settle(20 * HOUR);
            let order = the_order(&lab, "o-1");
            assert_eq!(order.fate, Fate::Confirmed, "{variant}, {fault}");
            let owed: Vec<String> = order
                .owed
                .iter()
                .map(|owed| json!(owed.part).as_str().unwrap().to_owned())
                .collect();
            assert_eq!(owed, [part], "{variant}, {fault}");
            if variant == "standard" {
                continue;
            }
            // The letter goes home; the work is done, and the order knows.
            lab.stop_faults();
            let dead: Vec<_> = lab.dead_letters();
            assert_eq!(dead.len(), 1, "{fault}");
            let letters = match variant {
                "sns" => letters.replace("duet-", "duet-sns-"),
                "fifo" => letters.replace("duet-", "duet-fifo-") + ".fifo",
                _ => letters.to_owned(),
            };
            assert_eq!(dead[0].queue, letters);
            assert!(lab.redrive(&dead[0]).is_some());
            lab.settle(20 * HOUR);
            assert!(the_order(&lab, "o-1").owed.is_empty(), "{fault}");
            assert!(lab.dead_letters().is_empty());
        }
    }
}

#[test]
fn fraud_ends_a_review_in_every_variant() {
    for variant in VARIANTS {
        let mut lab = with_parameters(&[("ReviewSeconds", "100")]);
        let goods = duet_inventory::seed(
            "piano".parse().unwrap(),
            serde_json::from_value(json!({ "amount": 900_000, "currency": "EUR" })).unwrap(),
            10,
        );
        now(lab.table("duet-inventory").unwrap().commit(vec![goods])).unwrap();
        let began = lab.now();
        let mut data = order("o-1", "tok_visa");
        data["lines"][0]["sku"] = json!("piano");
        data["total"]["amount"] = json!(900_000);
        let message = message(&lab, variant, "PlaceOrder", "o-1", data);
        match variant {
            "standard" => {
                let input = json!({ "metadata": message.metadata, "data": message.data });
                lab.start_execution("duet-order", "o-1", &input).unwrap();
            }
            _ => lab.send_command("duet-order-commands", &message).unwrap(),
        }
        lab.settle(20 * HOUR);
        let order = the_order(&lab, "o-1");
        let standing = standing(&lab, "o-1");
        assert!(standing.contains("ReviewTimedOut"), "{variant}: {standing}");
        let took = order.decided_at.unwrap().duration_since(began);
        assert!(
            took >= seconds(100) && took < seconds(105),
            "{variant}: {took}"
        );
        assert_eq!(lab.running_executions(), 0, "{variant}");
    }
}

/// A message that hangs is received again, and its neighbours are done with.
#[test]
fn a_slow_message_costs_itself_only() {
    let mut lab = lab(17, &["timeout@PlaceOrder:0.3"]);
    for n in 0..20 {
        place(&mut lab, "eventbridge", &format!("o-{n}"), "tok_visa");
    }
    lab.settle(20 * HOUR);
    let struck = lab.struck().len();
    assert!(struck > 5, "{struck}");
    let timeline = lab.timeline();
    let over = timeline
        .iter()
        .filter(|it| it.what.contains("its time is over"));
    assert_eq!(over.count(), 0, "no invocation is stopped");
    let again = timeline
        .iter()
        .filter(|it| it.what.contains("fails, to return"));
    assert!(again.count() >= 5, "those that hung return");
    for n in 0..20 {
        let standing = standing(&lab, &format!("o-{n}"));
        assert!(standing.contains("Confirmed"), "o-{n}: {standing}");
    }
}
