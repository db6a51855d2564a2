//! Orders of the lab beside each other.

use std::collections::BTreeMap;

use duet_lab::Config;

use super::*;
use crate::ops::demo::tests::played;
use crate::shop::variant;
use crate::world::lab::{Lab, definitions};

fn lab() -> Lab {
    let config = Config {
        seed: 3,
        keep_succeeded: true,
        ..Config::default()
    };
    Lab::new(&definitions(&BTreeMap::new()).unwrap(), config).unwrap()
}

/// The first order of each scenario under each variant.
async fn ran(world: &Lab, scenarios: &[&str]) -> BTreeMap<(usize, String), String> {
    let rows = played(world, scenarios, false).await;
    let at = |name: &str| variant::ALL.iter().position(|it| it.name == name).unwrap();
    let rows = rows.into_iter();
    rows.map(|row| {
        (
            (at(row.variant), row.scenario.to_owned()),
            row.orders[0].clone(),
        )
    })
    .collect()
}

fn only(against: &Against, side: usize) -> Vec<&str> {
    let lacks = against.steps.iter().filter(|it| it.did[1 - side].is_none());
    lacks.map(|it| &*it.step).collect()
}

#[tokio::test]
async fn two_orders_of_one_variant_that_went_the_same_way_differ_in_nothing() {
    let world = lab();
    let orders = ran(&world, &["happy", "payment-flaky"]).await;
    for at in 0..variant::ALL.len() {
        let (one, other) = (
            &orders[&(at, "happy".into())],
            &orders[&(at, "payment-flaky".into())],
        );
        let against = read(&world, one, other).await.unwrap();
        assert!(against.steps.len() >= 8);
        for pair in &against.steps {
            assert!(pair.did.iter().all(Option::is_some), "{pair:?}");
            assert!(pair.differs.is_empty(), "{pair:?}");
        }
        let itself = read(&world, one, one).await.unwrap();
        assert!(itself.steps.iter().all(|it| it.did[0] == it.did[1]));
    }
}

#[tokio::test]
async fn what_only_one_did_and_what_came_out_differently_is_told() {
    let world = lab();
    let orders = ran(&world, &["happy", "undeliverable"]).await;
    for at in 0..variant::ALL.len() {
        let (one, other) = (
            &orders[&(at, "happy".into())],
            &orders[&(at, "undeliverable".into())],
        );
        let against = read(&world, one, other).await.unwrap();
        let text = against.text();
        assert!(only(&against, 0).contains(&"ConfirmOrder"), "{text}");
        assert!(only(&against, 1).contains(&"RefundPayment"), "{text}");
        let differ = against.steps.iter().filter(|it| it.came_out_differently());
        let services: Vec<_> = differ.map(|it| it.service).collect();
        // Where facts are heard, the charge is of whichever word came last.
        let others: Vec<_> = services.iter().filter(|it| **it != "payment").collect();
        assert_eq!(others, [&"delivery"], "{text}");
        let many = format!("of which {} came out differently", services.len());
        assert!(text.contains(&many), "{text}");
        // The other way round it is the same, the other way round.
        let back = read(&world, other, one).await.unwrap();
        assert_eq!(only(&back, 1), only(&against, 0), "{text}");
        let turned = back.steps.iter().map(|it| [&it.did[1], &it.did[0]]);
        let mut turned: Vec<_> = turned.map(|did| format!("{did:?}")).collect();
        let here = against.steps.iter().map(|it| [&it.did[0], &it.did[1]]);
        let mut here: Vec<_> = here.map(|did| format!("{did:?}")).collect();
        turned.sort();
        here.sort();
        assert_eq!(turned, here);
    }
}

/// Under any two variants the same scenario says the same facts, whatever asked for it.
#[tokio::test]
async fn variants_are_matched_by_what_the_services_say() {
    let world = lab();
    let orders = ran(&world, &["payment-flaky"]).await;
    let orders: Vec<_> = orders.into_values().collect();
    for (at, one) in orders.iter().enumerate() {
        for other in &orders[at + 1..] {
            let against = read(&world, one, other).await.unwrap();
            let text = against.text();
            let [a, b] = &against.orders;
            assert_ne!(a.variant, b.variant);
            let captures = |it: &&Pair| {
                let mut facts = it.did.iter().flatten().flat_map(|did| &did.facts);
                facts.any(|fact| fact == "PaymentCaptured")
            };
            let captured = against.steps.iter().find(captures).expect(&text);
            // A workflow asks for it in words of its own.
            let style = |of: &str| variant::named(of).unwrap().style;
            if style(a.variant.unwrap()) != style(b.variant.unwrap()) {
                assert_eq!(captured.step, "PaymentCaptured", "{text}");
                assert_eq!(captured.differs, [Differs::Command], "{text}");
            }
            assert!(captured.did.iter().all(Option::is_some), "{text}");
            // All that says something has its like; what only notes may be one's alone.
            for pair in &against.steps {
                let says = pair.did.iter().flatten().any(|did| !did.facts.is_empty());
                assert!(!says || pair.did.iter().all(Option::is_some), "{text}");
                assert!(!pair.came_out_differently(), "{text}");
            }
            // Of an Express execution the log has failures only, and no count of tries.
            let of = variant::named(a.variant.unwrap()).unwrap();
            let told = of.keeps_executions || of.has_facts;
            assert_eq!(a.retries, if told { 2 } else { 0 }, "{text}");
        }
    }
}

#[tokio::test]
async fn an_order_that_nobody_knows_is_refused() {
    let world = lab();
    let orders = ran(&world, &["happy"]).await;
    let known = orders.into_values().next().unwrap();
    for (one, other) in [(&*known, "nobody"), ("nobody", &*known)] {
        let refused = read(&world, one, other).await.unwrap_err();
        assert!(
            refused
                .message()
                .contains("no service knows an order nobody")
        );
    }
}
