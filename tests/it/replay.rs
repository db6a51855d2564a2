//! The journal, timelines and replays on the emulator.

use duet_cli::ops::demo::{self, Choice};
use duet_cli::ops::drill;
use duet_cli::ops::timeline::{self, Kind, Node};
use duet_cli::shop::scenario;
use duet_cli::shop::services::TableOf;
use duet_cli::shop::variant;
use duet_cli::world::World;
use duet_core::store::Browse;
use duet_journal::Entry;
use serde_json::Value;

use crate::harness::{json, local, run};
use crate::shop::{LIMIT, Shop, eventbridge, standard, until};

async fn finished(shop: &Shop, variant: &'static variant::Variant, name: &str) -> String {
    let choice = Choice {
        scenarios: vec![scenario::named(name).unwrap()],
        variants: vec![variant],
        copies: 1,
        within: LIMIT,
        faults: false,
    };
    let report = demo::run(&shop.world, &choice).await.unwrap();
    assert!(report.rows[0].ok, "{:?}", report.rows);
    report.rows[0].orders[0].clone()
}

fn any(nodes: &[Node], wanted: &impl Fn(&Node) -> bool) -> bool {
    let mut nodes = nodes.iter();
    nodes.any(|node| wanted(node) || any(&node.children, wanted))
}

async fn journaled(shop: &Shop, id: &str) -> Vec<Entry> {
    let items = shop.world.table(TableOf::Journal).partition(id).await;
    let items = items.unwrap();
    items.iter().map(|item| item.read().unwrap()).collect()
}

#[tokio::test]
async fn an_order_is_one_tree_and_its_replay_is_recognised() {
    let shop = Shop::open().await;
    let id = finished(&shop, eventbridge(), "undeliverable").await;
    until("the journal has the last word", LIMIT, async || {
        let facts = journaled(&shop, &id).await;
        let told = |kind: &str| {
            facts
                .iter()
                .filter(|fact| fact.metadata.kind == kind)
                .count()
        };
        (told("CustomerNotified") == 2 && told("DeliveryCancelled") == 1).then_some(())
    })
    .await;
    let tree = timeline::read(&shop.world, &id).await.unwrap();
    assert_eq!(tree.tree.len(), 1, "{tree:#?}");
    assert!(
        tree.missing.is_empty() && tree.dead_letters.is_empty(),
        "{tree:#?}"
    );
    assert!(
        !any(&tree.tree, &|node| !node.notes.is_empty()),
        "{tree:#?}"
    );

    let of = |more: &[&str]| {
        let args = [&["replay", "--order", &id, "--output", "json"], more].concat();
        json(&mut local().duet(&args))
    };
    let counted = of(&["--dry-run"]);
    assert_eq!(counted["via"], "journal");
    assert_eq!(counted["counts"]["OrderRejected"], 1);
    assert!(counted["sent"].is_null());
    let before = journaled(&shop, &id).await;
    let sent = of(&[
        "--event-type",
        "OrderRejected",
        "--rule",
        "payment-OrderRejected",
    ]);
    assert_eq!(
        (&sent["events"], &sent["sent"]),
        (&Value::from(1), &Value::from(1))
    );
    assert_eq!(journaled(&shop, &id).await, before, "nobody said anything");
    for wrong in [
        &["replay", "--from", "1h", "--to", "2h"][..],
        &["replay", "--from", "1h", "--rule", "no-such-rule"],
        &["replay", "--from", "1h", "--event-type", "OrderEaten"],
        &["replay"],
    ] {
        let refused = run(&mut local().duet(wrong));
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}");
    }
    let drawn = run(&mut local().duet(&["show", &id, "--timeline", "--format", "mermaid"]));
    assert!(String::from_utf8_lossy(&drawn.stdout).starts_with("flowchart TD\n"));
}

#[tokio::test]
async fn an_execution_is_one_tree_with_its_retries() {
    let shop = Shop::open().await;
    let id = finished(&shop, standard(), "payment-flaky").await;
    let tree = timeline::read(&shop.world, &id).await.unwrap();
    assert_eq!(tree.tree.len(), 1, "{tree:#?}");
    let is_capture = |node: &Node| {
        node.kind == Kind::State && node.name == "CapturePayment" && node.service == Some("payment")
    };
    assert!(any(&tree.tree, &is_capture), "{tree:#?}");
    assert_eq!(tree.retries, 2, "{tree:#?}");
    let refused = run(&mut local().duet(&["replay", "--order", &id]));
    assert_eq!(refused.status.code(), Some(2));
}

#[tokio::test]
async fn a_replay_of_finished_orders_changes_nothing() {
    let shop = Shop::open().await;
    let names = [
        "happy",
        "card-declined",
        "undeliverable",
        "twice",
        "new-customer",
    ];
    let choice = Choice {
        scenarios: names
            .iter()
            .map(|name| scenario::named(name).unwrap())
            .collect(),
        variants: vec![eventbridge()],
        copies: 1,
        within: LIMIT,
        faults: false,
    };
    let drill = drill::replay::run(&shop.world, &choice).await.unwrap();
    assert!(
        drill.ok,
        "{}",
        serde_json::to_string_pretty(&drill).unwrap()
    );
}
