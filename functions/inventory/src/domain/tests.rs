//! The decisions, one by one.

use duet_core::Vocabulary;

use super::*;
use crate::command::{ReleaseStock, ShipStock};

fn euros(amount: i64) -> Money {
    let currency = "EUR".to_owned().try_into().unwrap();
    Money { amount, currency }
}

fn order() -> OrderId {
    "o-1".parse().unwrap()
}

fn shelf() -> BTreeMap<Sku, Stock> {
    [("tea", 300, 5), ("cup", 1000, 1)]
        .map(|(sku, price, n)| {
            let sku: Sku = sku.parse().unwrap();
            let price = euros(price);
            (
                sku.clone(),
                Stock {
                    sku,
                    price,
                    initial: n,
                    available: n,
                    reserved: 0,
                    shipped: 0,
                },
            )
        })
        .into()
}

fn reserve(lines: &[(&str, u32)], total: Money) -> Command {
    let lines = lines.iter().map(|&(sku, n)| Line {
        sku: sku.parse().unwrap(),
        quantity: n.try_into().unwrap(),
    });
    ReserveStock {
        order: order(),
        lines: lines.collect(),
        total,
    }
    .into()
}

fn change(there: Option<Reservation>, command: &Command) -> Change {
    decide(there, &shelf(), command).unwrap().state.unwrap()
}

fn release() -> Command {
    ReleaseStock { order: order() }.into()
}

fn ship() -> Command {
    ShipStock { order: order() }.into()
}

#[test]
fn refusals_have_their_reasons() {
    let dollars = Money {
        currency: "USD".to_owned().try_into().unwrap(),
        ..euros(300)
    };
    type Lines<'a> = &'a [(&'a str, u32)];
    let cases: [(Lines<'_>, Money, Option<&str>); 9] = [
        (&[("tea", 5), ("cup", 1)], euros(2500), None),
        (&[("tea", 2), ("tea", 3)], euros(1500), None),
        (&[("tea", 3), ("tea", 3)], euros(1800), Some("OutOfStock")),
        (&[("tea", 1), ("cup", 2)], euros(2300), Some("OutOfStock")),
        (&[("tea", 1)], euros(299), Some("PriceChanged")),
        (&[("tea", 9)], euros(299), Some("PriceChanged")),
        (&[("tea", 1)], dollars, Some("PriceChanged")),
        (&[("tea", u32::MAX)], euros(i64::MAX), Some("PriceChanged")),
        (&[("tea", 1), ("jam", 1)], euros(300), Some("UnknownSku")),
    ];
    for (lines, total, reason) in cases {
        let decision = decide(None, &shelf(), &reserve(lines, total)).unwrap();
        let expected = match reason {
            None => {
                duet_core::Answer::Done(serde_json::json!({"order": "o-1", "status": "Reserved"}))
            }
            Some(reason) => duet_core::Answer::Declined(Refusal::new("StockUnavailable", reason)),
        };
        assert_eq!(decision.answer, expected, "{lines:?}");
        assert_eq!(
            decision.state.unwrap().shift,
            reason.is_none().then_some(Shift::Aside)
        );
    }
}

#[test]
fn lines_that_are_no_order_are_invalid() {
    let names: Vec<String> = (0..=MAX_SKUS).map(|n| format!("s-{n}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    for lines in [&[], many.as_slice()] {
        assert!(matches!(
            decide(None, &shelf(), &reserve(lines, euros(1))),
            Err(Failure::Invalid(_))
        ));
    }
    // With the reservation and the record, the most that one transaction takes.
    assert_eq!(MAX_SKUS, 98);
    let most = reserve(&many[..MAX_SKUS], euros(1));
    assert!(decide(None, &shelf(), &most).is_ok());
}

#[test]
fn stock_only_moves() {
    for shift in [Shift::Aside, Shift::Back, Shift::Out] {
        assert_eq!(shift.deltas(3).values().sum::<i64>(), 0);
    }
}

#[test]
fn a_release_puts_back_what_was_set_aside_and_nothing_else() {
    let reserved = change(None, &reserve(&[("tea", 2)], euros(600))).reservation;
    assert_eq!(change(Some(reserved), &release()).shift, Some(Shift::Back));
    let refused = change(None, &reserve(&[("tea", 9)], euros(2700))).reservation;
    for there in [None, Some(refused)] {
        let decision = decide(there, &shelf(), &release()).unwrap();
        assert_eq!(
            decision.facts,
            [StockReleased {
                order: order(),
                lines: vec![]
            }
            .into()]
        );
        let tombstone = decision.state.unwrap();
        assert_eq!(
            (tombstone.shift, tombstone.reservation.status),
            (None, Status::Released)
        );
    }
}

#[test]
fn a_reservation_that_comes_late_does_nothing() {
    let tombstone = change(None, &release()).reservation;
    let late = decide(
        Some(tombstone),
        &shelf(),
        &reserve(&[("tea", 2)], euros(600)),
    )
    .unwrap();
    assert_eq!((late.state, late.facts), (None, vec![]));
}

#[test]
fn only_what_is_set_aside_ships_and_only_what_is_here_goes_back() {
    let reserved = change(None, &reserve(&[("tea", 2)], euros(600))).reservation;
    let shipped = change(Some(reserved), &ship());
    assert_eq!(shipped.shift, Some(Shift::Out));
    let released = change(None, &release()).reservation;
    for there in [None, Some(released)] {
        assert!(matches!(
            decide(there, &shelf(), &ship()),
            Err(Failure::Invalid(_))
        ));
    }
    let back = decide(Some(shipped.reservation), &shelf(), &release());
    assert!(matches!(back, Err(Failure::Invalid(_))));
}

#[test]
fn an_order_is_reserved_released_or_shipped_and_only_a_shipment_is_overdue() {
    use crate::policy;
    use duet_core::Fact;
    use serde_json::json;
    let whole = json!({
        "order": "o-1", "customer": "c-1", "lines": [{ "sku": "tea", "quantity": 1 }],
        "total": euros(300), "amount": euros(300), "payment_token": "tok_visa", "reason": "TimedOut",
        "ship_to": {
            "name": "N", "street": "S 1", "city": "C", "postcode": "11122", "country": "SE",
        },
        "placed_at": "2026-01-01T00:00:00Z",
    });
    let overdue = Fact::parse("ShipmentOverdue", json!({ "order": "o-1" })).unwrap();
    for (name, command, overdue) in [
        ("NewOrder", Some(reserve(&[("tea", 1)], euros(300))), None),
        ("OrderRejected", Some(release()), None),
        ("OrderConfirmed", Some(ship()), Some(overdue)),
        ("PaymentCaptured", None, None),
    ] {
        let fact = Fact::parse(name, &whole).unwrap_or_else(|e| panic!("{name}: {e}"));
        let called_for = policy::reaction(&fact).command();
        assert_eq!(called_for, command, "{name}");
        assert_eq!(called_for.as_ref().and_then(policy::overdue), overdue);
    }
}

type Whole = crate::Inventory<duet_core::store::Memory, duet_core::testing::HandClock>;

#[test]
fn these_facts_and_no_others_call_for_a_command() {
    assert_eq!(
        duet_core::testing::reactions::<Whole>(),
        [
            ("NewOrder", "order", "ReserveStock"),
            ("OrderConfirmed", "order", "ShipStock"),
            ("OrderRejected", "order", "ReleaseStock"),
        ]
    );
}

#[test]
fn only_goods_that_are_paid_for_are_overdue() {
    let order = || "o-1".parse().unwrap();
    let ship = ShipStock { order: order() }.into();
    let said = <Whole as duet_core::Service>::overdue(&ship)
        .map(|fact| (fact.name(), fact.subject().to_owned()));
    assert_eq!(said, Some(("ShipmentOverdue", "o-1".to_owned())));
    assert_eq!(
        <Whole as duet_core::Service>::overdue(&ReleaseStock { order: order() }.into()),
        None
    );
}
