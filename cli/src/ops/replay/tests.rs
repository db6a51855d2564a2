//! Replays in the lab: which events, past which rules, and what is refused.

use std::collections::BTreeMap;

use duet_core::store::{Expect, Store, Write};
use duet_lab::Config;

use super::*;
use crate::ops::demo::{self, Choice};
use crate::ops::view::View;
use crate::shop::scenario;
use crate::shop::variant::{self, Variant};
use crate::terminal::exit::Exit;
use crate::terminal::report::Report;
use crate::world::World;
use crate::world::lab::{Lab, definitions};

fn on_a_bus() -> &'static Variant {
    let mut all = variant::ALL.iter();
    all.find(|variant| variant.has_facts).unwrap()
}

/// A lab with one finished order under `variant`, and the order's id.
async fn finished(variant: &'static Variant) -> (Lab, String) {
    let world = Lab::new(&definitions(&BTreeMap::new()).unwrap(), Config::default()).unwrap();
    let choice = Choice {
        scenarios: vec![scenario::named("happy").unwrap()],
        variants: vec![variant],
        copies: 1,
        within: 600,
        faults: false,
    };
    let report = demo::run(&world, &choice).await.unwrap();
    world.pause(10_000).await;
    (world, report.rows[0].orders[0].clone())
}

fn everything(world: &Lab) -> Request {
    Request {
        from: Timestamp::UNIX_EPOCH,
        to: world.now(),
        rules: Vec::new(),
        about: Vec::new(),
        types: Vec::new(),
        rate: None,
        dry_run: false,
        within: 3_600,
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_nothing_is_sent() {
    let (world, order) = finished(on_a_bus()).await;
    let all = everything(&world);
    let backwards = Request {
        from: all.to,
        to: all.from,
        ..all.clone()
    };
    let no_rule = Request {
        rules: vec!["no-such-rule".to_owned()],
        ..all.clone()
    };
    let no_type = Request {
        types: vec!["OrderEaten".to_owned()],
        ..all.clone()
    };
    let tomorrow = Request {
        from: all.to + jiff::SignedDuration::from_hours(24),
        to: all.to + jiff::SignedDuration::from_hours(48),
        ..all.clone()
    };
    for wrong in [backwards, no_rule, no_type, tomorrow] {
        let refused = run(&world, &wrong).await.unwrap_err();
        assert_eq!(refused.exit, Exit::Usage, "{refused}");
    }
    let dry = Request {
        dry_run: true,
        ..all
    };
    let counted = run(&world, &dry).await.unwrap();
    assert!(counted.sent.is_none() && counted.counts["NewOrder"] == 1);
    let items = world
        .table(TableOf::Journal)
        .partition(&order)
        .await
        .unwrap();
    let replays: u32 = items
        .iter()
        .map(|item| item.read::<Entry>().unwrap().replays)
        .sum();
    assert_eq!(replays, 0);
}

#[tokio::test]
async fn an_order_of_a_workflow_is_not_replayed_on_the_bus() {
    let mut all = variant::ALL.iter();
    let workflow = all.find(|variant| !variant.has_facts);
    let (world, order) = finished(workflow.unwrap()).await;
    let request = Request {
        about: vec![order],
        ..everything(&world)
    };
    let refused = run(&world, &request).await.unwrap_err();
    assert!(refused.exit == Exit::Usage && refused.to_string().contains("a workflow drives it"));
}

#[tokio::test]
async fn only_the_chosen_rules_types_and_orders_are_replayed() {
    let (world, order) = finished(on_a_bus()).await;
    let all = everything(&world);
    let chosen = [
        // (rules, types, orders, messages, events left out)
        (vec!["payment-NewOrder"], vec![], vec![], 0, 1),
        (
            vec!["duet-payment-StockReserved", "journal-facts"],
            vec![],
            vec![],
            1 + 11,
            1,
        ),
        (
            vec!["payment-StockReserved"],
            vec![],
            vec!["somebody-else"],
            0,
            0,
        ),
        (vec![], vec!["NewOrder"], vec![], 0, 1),
        (
            vec!["payment-StockReserved"],
            vec!["NewOrder"],
            vec![],
            0,
            0,
        ),
        (
            vec![],
            vec!["OrderConfirmed"],
            vec![order.as_str()],
            2 + 1,
            0,
        ),
    ];
    let strings = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
    for (rules, types, about, messages, left_out) in chosen {
        let request = Request {
            rules: strings(&rules),
            types: strings(&types),
            about: strings(&about),
            rate: Some(1_000),
            ..all.clone()
        };
        let replayed = run(&world, &request).await.unwrap();
        assert_eq!(replayed.via, Via::Journal);
        assert_eq!(
            (replayed.messages, replayed.sent, replayed.left_out),
            (messages, Some(messages), left_out),
            "{request:?}"
        );
        assert_eq!(replayed.exit(), Exit::Done, "{}", replayed.text());
    }
}

#[tokio::test]
async fn a_rate_is_kept() {
    let (world, _) = finished(on_a_bus()).await;
    let request = Request {
        rate: Some(1),
        ..everything(&world)
    };
    let replayed = run(&world, &request).await.unwrap();
    assert_eq!(replayed.events, 11);
    assert!(replayed.elapsed_s >= 10.0, "{}", replayed.elapsed_s);
}

/// The journal keeps nothing that a fact says of a person: of an order that has
/// not ended, the order service has it.
#[tokio::test]
async fn an_open_order_is_replayed_whole() {
    let world = Lab::new(&definitions(&BTreeMap::new()).unwrap(), Config::default()).unwrap();
    let plan = scenario::named("review-timeout")
        .unwrap()
        .plan("open", 1, 5);
    crate::ops::catalog::seed(&world, &plan.goods)
        .await
        .unwrap();
    let order = &plan.waves[0][0];
    place::submit(&world, on_a_bus(), order).await.unwrap();
    world.pause(30_000).await;
    let request = Request {
        about: vec![order.order.to_string()],
        types: vec!["NewOrder".to_owned()],
        ..everything(&world)
    };
    let replayed = run(&world, &request).await.unwrap();
    assert_eq!((replayed.sent, replayed.left_out), (Some(4 + 1), 0));
    world.pause(60_000).await;
    let dead = world.dead_letters(on_a_bus(), "").await.unwrap();
    assert!(dead.is_empty(), "{dead:?}");
    let partition = world
        .table(TableOf::Journal)
        .partition(order.order.as_str());
    let told = partition.await.unwrap().into_iter();
    let told: Vec<Entry> = told.map(|item| item.read().unwrap()).collect();
    let placed = told
        .iter()
        .find(|entry| entry.metadata.kind == "NewOrder")
        .unwrap();
    assert_eq!((placed.deliveries, placed.replays), (2, 1));
    assert!(placed.data.get("ship_to").is_none());
}

/// What a replay is for: a consumer that lost its memory catches up, and what
/// it says then is news.
#[tokio::test]
async fn a_consumer_that_missed_a_fact_catches_up() {
    let (world, order) = finished(on_a_bus()).await;
    // As if the notice had never been asked for.
    let table = world.table(TableOf::Notification);
    let before = View::load(&world, &order).await.unwrap();
    let lost = Lab::new(&definitions(&BTreeMap::new()).unwrap(), Config::default()).unwrap();
    for of in TableOf::ALL
        .into_iter()
        .filter(|of| *of != TableOf::Notification)
    {
        for item in world.table(of).everything().await.unwrap() {
            let write = Write::put(item.key, &item.body.value(), Expect::Anything);
            lost.table(of).commit(vec![write]).await.unwrap();
        }
    }
    assert_eq!(table.partition(&order).await.unwrap().len(), 2);
    lost.pause(
        world.now().as_millisecond().unsigned_abs() - lost.now().as_millisecond().unsigned_abs(),
    )
    .await;
    let request = Request {
        about: vec![order.clone()],
        rules: vec!["notification-OrderConfirmed".to_owned()],
        ..everything(&world)
    };
    let replayed = run(&lost, &request).await.unwrap();
    assert_eq!(replayed.sent, Some(1));
    lost.pause(5_000).await;
    let after = View::load(&lost, &order).await.unwrap();
    assert_eq!(after.noticed(), before.noticed());
    let journal = lost
        .table(TableOf::Journal)
        .partition(&order)
        .await
        .unwrap();
    let told: Vec<Entry> = journal.iter().map(|item| item.read().unwrap()).collect();
    let said = told
        .iter()
        .filter(|entry| entry.metadata.kind == "CustomerNotified");
    let said: Vec<_> = said
        .map(|entry| (entry.deliveries, entry.replays))
        .collect();
    // Once in its first life, once now: news both times, and no replay.
    assert_eq!(said, [(1, 0), (1, 0)]);
}
