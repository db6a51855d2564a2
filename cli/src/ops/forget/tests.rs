//! Forgetting in the lab, under every variant; and that nothing of a person is
//! anywhere but where it is needed.

use std::collections::BTreeMap;

use duet_lab::Config;

use super::*;
use crate::ops::invariants::Findings;
use crate::ops::{catalog, customer, demo, repair};
use crate::shop::scenario::{self, Plan};
use crate::shop::variant::{self, Variant};
use crate::terminal::exit::Exit;
use crate::world::lab::{Lab, definitions};

/// What gives an address or a token away.
const CANARIES: [&str; 2] = ["canary", "tok_"];

fn lab() -> Lab {
    let config = Config {
        seed: 7,
        ..Config::default()
    };
    Lab::new(&definitions(&BTreeMap::new()).unwrap(), config).unwrap()
}

fn plan(name: &str, variant: &Variant) -> Plan {
    let stem = format!("{name}-{}", variant.name);
    let mut plan = scenario::named(name).unwrap().plan(&stem, 1, 5);
    for order in plan.waves.iter_mut().flatten() {
        let to = &mut order.ship_to;
        for text in [&mut to.name, &mut to.street, &mut to.city] {
            *text = format!("canary {text}");
        }
    }
    plan
}

/// The places of every table that have a canary in them.
async fn kept(world: &Lab) -> Vec<String> {
    let mut places = Vec::new();
    for of in TableOf::ALL {
        for item in world.table(of).everything().await.unwrap() {
            let text = item.body.text().to_lowercase();
            if CANARIES.iter().any(|canary| text.contains(canary)) {
                places.push(format!("{} {} {}", of.name(), item.key.pk, item.key.sk));
            }
        }
    }
    places
}

async fn holds(world: &Lab, id: &OrderId) {
    let view = View::load(world, id.as_str()).await.unwrap();
    let mut findings = Findings::default();
    findings.order(id.as_str(), &view, true);
    for invariant in findings.invariants() {
        assert!(invariant.holds, "{id}: {:?}", invariant.violations);
    }
}

/// Plays a scenario to the end of its last order.
async fn played(world: &Lab, variant: &'static Variant, name: &str) -> Vec<OrderId> {
    let plan = plan(name, variant);
    catalog::seed(world, &plan.goods).await.unwrap();
    for registration in &plan.customers {
        customer::register(world, variant, registration, Some(60))
            .await
            .unwrap();
    }
    let mut ids = Vec::new();
    for order in plan.waves.iter().flatten() {
        place::submit(world, variant, order).await.unwrap();
        let _ = demo::settled(world, order.order.as_str(), 3_600)
            .await
            .unwrap();
        if plan.repair {
            repair::repair(world, &order.order, 600).await.unwrap();
            let _ = demo::settled(world, order.order.as_str(), 3_600)
                .await
                .unwrap();
        }
        ids.push(order.order.clone());
    }
    ids
}

const PLAYED: [&str; 6] = [
    "happy",
    "card-declined",
    "fraud-block",
    "undeliverable",
    "refund-fails",
    "blocked-customer",
];

#[tokio::test]
async fn while_an_order_is_open_only_those_who_need_it_keep_its_address_and_token() {
    for variant in variant::ALL.iter() {
        let world = lab();
        let plan = plan("review-timeout", variant);
        catalog::seed(&world, &plan.goods).await.unwrap();
        for registration in &plan.customers {
            customer::register(&world, variant, registration, Some(60))
                .await
                .unwrap();
        }
        let order = &plan.waves[0][0];
        place::submit(&world, variant, order).await.unwrap();
        world.pause(60_000).await;
        let id = &order.order;
        let mut allowed = vec![
            format!("order {id} order"),
            // Its join waits for the fraud service.
            format!("delivery {id} delivery"),
        ];
        let places = kept(&world).await;
        assert!(places.contains(&allowed[0]), "{}: {places:?}", variant.name);
        allowed.retain(|place| places.contains(place));
        assert_eq!(places, allowed, "{}", variant.name);
        let early = forget(&world, id, 60).await.unwrap_err();
        assert!(
            early.exit == Exit::Failed && early.to_string().contains("has not ended"),
            "{early}"
        );
    }
}

#[tokio::test]
async fn what_has_ended_is_forgotten_and_every_invariant_still_holds() {
    for variant in variant::ALL.iter() {
        let world = lab();
        let mut ids = Vec::new();
        for name in PLAYED {
            ids.extend(played(&world, variant, name).await);
        }
        world.pause(3_600_000).await;
        let confirmed: Vec<_> = ids
            .iter()
            .filter(|id| id.as_str().starts_with("happy"))
            .collect();
        let addresses: Vec<_> = confirmed
            .iter()
            .map(|id| format!("order {id} order"))
            .collect();
        assert_eq!(kept(&world).await, addresses, "{}", variant.name);
        for id in &ids {
            holds(&world, id).await;
            let first = forget(&world, id, 600).await.unwrap();
            world.pause(1_000).await;
            let again = forget(&world, id, 600).await.unwrap();
            assert_eq!(first.forgotten_at, again.forgotten_at, "{id}");
            let places: Vec<_> = first.unreachable.iter().map(|there| there.place).collect();
            assert_eq!(
                places.iter().any(|place| place.contains("executions")),
                variant.keeps_executions,
                "{places:?}"
            );
            // A topic keeps nothing, but for a FIFO topic.
            assert_eq!(
                places.iter().any(|place| place.contains("archive")),
                variant.has_rules || variant.keeps_order,
                "{places:?}"
            );
            holds(&world, id).await;
        }
        assert_eq!(kept(&world).await, Vec::<String>::new(), "{}", variant.name);
        // The same order again is the same order, and another is another.
        let plan = plan("happy", variant);
        let order = &plan.waves[0][0];
        let again = place::submit(&world, variant, order).await.unwrap();
        assert_eq!(again, crate::world::Submitted::Already);
        let mut forged = order.clone();
        forged.payment_token = "tok_forged".to_owned();
        assert!(place::submit(&world, variant, &forged).await.is_err());
    }
}

#[tokio::test]
async fn an_order_nobody_knows_is_not_forgotten() {
    let refused = forget(&lab(), &"o-none".parse().unwrap(), 1)
        .await
        .unwrap_err();
    assert_eq!(refused.exit, Exit::Failed);
}
