//! What runs by the clock, on the emulator: invoked by hand, for no test waits
//! an hour or a day.

use duet_cli::ops::place;
use duet_cli::shop::services::TableOf;
use duet_cli::world::World;
use duet_core::desk::{SAID, record_key};
use duet_core::store::{Browse, Expect, Item, Key, Store, Write};
use duet_order::domain::{Compensation, Order};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{fresh, text};
use crate::shop::{LIMIT, Shop, standard, until};

/// Rewrites the document at `key`, as if it had been written so.
async fn rewrite(table: &impl Store, key: &Key, change: impl FnOnce(&mut Value)) -> Item {
    let items = table.load(std::slice::from_ref(key)).await.unwrap();
    let item = items.into_iter().next().flatten().expect("a document");
    let mut body = item.body.value();
    change(&mut body);
    let write = Write::put(key.clone(), &body, Expect::unchanged(Some(&item)));
    table.commit(vec![write]).await.unwrap();
    item
}

#[tokio::test]
async fn an_order_that_nobody_drives_is_swept() {
    let shop = Shop::open().await;
    // Placed by the task alone: there is no execution.
    let id = fresh("swept");
    let mut message: Value = serde_json::from_str(&text("infra/events/order-task.json")).unwrap();
    assert_eq!(message["command"], "PlaceOrder");
    message["metadata"]["subject"] = json!(id);
    message["metadata"]["correlationid"] = json!(id);
    message["data"]["order"] = json!(id);
    message["execution"] = json!(id);
    let placed = shop
        .invoke(shop.output("OrderTaskFunction"), &message)
        .await;
    placed.unwrap();
    let sweep = async || {
        let nothing = json!({});
        let swept = shop.invoke(shop.output("OrderSweepFunction"), &nothing);
        swept.await.unwrap()
    };
    // Only just placed, it is let alone.
    assert!(sweep().await["listed"].as_u64() >= Some(1));
    let kept = async || place::find(&shop.world, &id).await.unwrap().unwrap();
    assert_eq!(kept().await.compensation, Compensation::None);

    let table = shop.world.table(TableOf::Order);
    let earlier = kept().await.placed.placed_at - SignedDuration::from_hours(1);
    rewrite(table, &duet_order::key(&id), |order| {
        order["touched_at"] = json!(earlier);
    })
    .await;
    assert!(sweep().await["said"].as_u64() >= Some(1));
    let parked = until("the order is parked", LIMIT, async || {
        let order: Order = kept().await;
        (order.compensation == Compensation::Failed).then_some(order)
    })
    .await;
    assert_eq!((parked.parkings, parked.undecided_since), (1, None));
}

#[tokio::test]
async fn what_a_record_said_is_removed_when_its_time_is_over() {
    let shop = Shop::open().await;
    let order = shop.order(standard(), "happy").await;
    let id = order.order.as_str();
    shop.placed(standard(), &order).await;
    let table = shop.world.table(TableOf::Payment);
    let records = async || {
        let all = table.partition(id).await.unwrap();
        let records = all
            .into_iter()
            .filter(|it| duet_core::desk::is_record(&it.key));
        records.collect::<Vec<_>>()
    };
    let before = records().await;
    let key = record_key("CapturePayment", id, "");
    let told = |item: &Item| {
        let body = item.body.value();
        SAID.iter().any(|member| body.get(member).is_some())
    };
    assert!(before.iter().any(|it| it.key == key && told(it)));
    let sweep = async || {
        let nothing = json!({});
        let swept = shop.invoke(shop.output("RecordsFunction"), &nothing);
        swept.await.unwrap()
    };
    // Of today, it stays.
    let swept = sweep().await;
    assert!(swept["seen"].as_u64() >= Some(1), "{swept}");
    assert_eq!(records().await, before);

    let was = rewrite(table, &key, |record| {
        let at: duet_core::Timestamp = serde_json::from_value(record["at"].clone()).unwrap();
        record["at"] = json!(at - SignedDuration::from_hours(24 * 14));
    })
    .await;
    let swept = sweep().await;
    assert!(swept["removed"].as_u64() >= Some(1), "{swept}");
    assert_eq!(swept["unreadable"], 0, "{swept}");
    for record in records().await {
        let old = before.iter().find(|it| it.key == record.key).unwrap();
        if record.key != key {
            assert_eq!(&record, old);
            continue;
        }
        assert!(!told(&record));
        let (now, then) = (record.body.value(), was.body.value());
        for member in ["hash", "variant", "cause", "answer"] {
            assert_eq!(now[member], then[member], "{member}");
        }
    }
}
