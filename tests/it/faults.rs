//! What may go wrong between a message and its acknowledgement: processes die,
//! and messages come twice. Neither changes how anything ends.

#[cfg(target_os = "linux")]
mod deaths;

use std::collections::{BTreeMap, BTreeSet};

use duet_cli::shop::message;
use duet_cli::shop::services::TableOf;
use duet_cli::world::World;
use duet_core::fact::NewOrder;
use duet_core::store::{Browse, Item, Key, Store};
use duet_core::{CommandMessage, Event, Fact, Metadata, Timer};
use duet_order::command::PlaceOrder;
use duet_order::domain::Fate;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::shop::{Listener, Shop, eventbridge, holds, place_message, punctual, standard};

/// Every document that has to do with an order: the partitions of all services,
/// and what the third parties have.
async fn everything(shop: &Shop, order: &PlaceOrder) -> BTreeMap<(TableOf, Key), Item> {
    let mut subjects = vec![order.order.to_string(), order.customer.to_string()];
    subjects.extend(
        order
            .lines
            .iter()
            .map(|line| duet_inventory::stock_key(&line.sku).pk),
    );
    let mut all = BTreeMap::new();
    for of in TableOf::SERVICES {
        for subject in &subjects {
            let items = shop.world.table(of).partition(subject).await.unwrap();
            all.extend(items.into_iter().map(|item| ((of, item.key.clone()), item)));
        }
    }
    let charge =
        duet_payment::adapters::charge_key(duet_payment::domain::provider_key(&order.order));
    let booking =
        duet_delivery::adapters::booking_key(duet_delivery::domain::carrier_key(&order.order));
    for (of, key) in [(TableOf::Provider, charge), (TableOf::Carrier, booking)] {
        let items = shop.world.table(of).load(&[key]).await.unwrap();
        all.extend(
            items
                .into_iter()
                .flatten()
                .map(|item| ((of, item.key.clone()), item)),
        );
    }
    all
}

/// What is read of an idempotency record.
#[derive(Deserialize)]
struct Record {
    /// Of the fact that the subject's document has.
    #[serde(default)]
    announced: Option<Announced>,
    #[serde(default)]
    said: Vec<Said>,
    #[serde(default)]
    timers: Vec<Timer>,
}

#[derive(Deserialize)]
struct Announced {
    envelope: String,
}

/// A fact in the words it was said in.
#[derive(Deserialize)]
struct Said {
    envelope: String,
    data: String,
}

impl Said {
    fn event(&self) -> Event {
        let (envelope, data) = (&self.envelope, &self.data);
        serde_json::from_str(&format!("{{\"metadata\":{envelope},\"data\":{data}}}")).unwrap()
    }
}

/// The kept outcomes among `items`, with the service that keeps each.
fn records(items: &BTreeMap<(TableOf, Key), Item>) -> Vec<(TableOf, Record)> {
    let kept = items
        .iter()
        .filter(|((_, key), _)| key.sk.starts_with("done#"));
    kept.map(|((of, _), item)| (*of, item.read().unwrap()))
        .collect()
}

/// What an order's document says, but for what is noted there when a fact is
/// said again late: that it shipped, in case somebody says that it is overdue.
fn standing(order: &Item) -> Value {
    let mut fields = order.body.value();
    for noted in ["shipped", "touched_at"] {
        fields.as_object_mut().unwrap().remove(noted);
    }
    fields
}

/// Nothing is lost, nothing is changed, and whatever is new says nothing.
fn unchanged(before: &BTreeMap<(TableOf, Key), Item>, after: &BTreeMap<(TableOf, Key), Item>) {
    for (at, item) in before {
        let now = after.get(at);
        if at.1 == duet_order::key(&at.1.pk) {
            assert_eq!(now.map(standing), Some(standing(item)));
        } else {
            assert_eq!(now, Some(item));
        }
    }
    // A command that had failed for good the first time may leave its record
    // now: it came late, and did nothing.
    for (at, item) in after.iter().filter(|(at, _)| !before.contains_key(at)) {
        assert!(at.1.sk.starts_with("done#"), "new: {at:?}");
        let record: Record = item.read().unwrap();
        assert!(
            record.said.is_empty() && record.announced.is_none(),
            "{at:?}"
        );
    }
}

/// The timers of the order `id` that `kept` has, as they come when they are due, each with its
/// service.
fn timers(
    shop: &Shop,
    id: &str,
    kept: &BTreeMap<(TableOf, Key), Item>,
) -> Vec<(&'static str, CommandMessage)> {
    let mut timers = Vec::new();
    for (of, record) in records(kept) {
        for Timer { command, data, .. } in record.timers {
            let metadata = message::metadata(&command, id, eventbridge().name, shop.world.now());
            let timer = CommandMessage {
                command,
                metadata,
                data,
                reply_to: None,
                due: None,
            };
            timers.push((of.name(), timer));
        }
    }
    assert!(
        timers
            .iter()
            .any(|(_, timer)| timer.command == "ExpireOrder")
    );
    timers
}

/// Sends every message of an order on the bus again: each fact to the bus, each
/// command and timer to its service's queue.
async fn again_on_the_bus(scenario: &str) {
    let shop = Shop::open().await;
    let plan = shop.prepare(eventbridge(), scenario, 1).await;
    let (order, customer) = (&plan.waves[0][0], &plan.customers[0]);
    let (id, buyer) = (order.order.as_str(), customer.customer.as_str());
    let view = shop.placed(eventbridge(), order).await;
    holds(id, &view);
    shop.quiet().await;
    let before = everything(&shop, order).await;
    let registered = duet_cli::ops::customer::find(&shop.world, buyer)
        .await
        .unwrap();
    let registered = (*registered.unwrap().registered).clone();
    let placed = NewOrder {
        order: order.order.clone(),
        customer: order.customer.clone(),
        lines: order.lines.clone(),
        total: order.total,
        payment_token: order.payment_token.clone(),
        ship_to: order.ship_to.clone(),
        placed_at: view.order.as_ref().unwrap().placed.placed_at,
        clearance: view.order.as_ref().unwrap().placed.clearance,
    };
    // What the tables have no more, the order having ended, the test has.
    let whole = |Announced { envelope }| {
        let metadata: Metadata = serde_json::from_str(&envelope).unwrap();
        let fact: Fact = match &*metadata.kind {
            "NewOrder" => placed.clone().into(),
            _ => registered.clone().into(),
        };
        Event::new(metadata, fact)
    };
    let mut said: Vec<Event> = Vec::new();
    for (_, record) in records(&before) {
        said.extend(record.announced.map(whole));
        said.extend(record.said.iter().map(Said::event));
    }
    assert!(said.len() > 6, "{said:?}");

    let listener = Listener::attach(&shop, &[id, buyer]).await;
    shop.publish(&said).await;
    let register = duet_customer::Command::from(customer.clone());
    let register = message::command(&register, buyer, eventbridge().name, shop.world.now());
    let mut messages = vec![
        ("customer", register),
        ("order", place_message(&shop, eventbridge(), order)),
    ];
    messages.extend(timers(&shop, id, &before));
    for (service, message) in &messages {
        shop.send(
            shop.queue_of(service),
            serde_json::to_string(message).unwrap(),
        )
        .await;
    }

    // Each fact is heard as it is sent, and again from whoever said it first; but
    // for NewOrder, which nobody says any more once its order has ended.
    let mut heard = listener.hear(2 * said.len() - 1).await;
    shop.quiet().await;
    heard.extend(listener.heard().await);
    listener.detach().await;
    let late: BTreeSet<_> = heard
        .iter()
        .filter(|event| event.metadata.late && event.metadata.subject == id)
        .map(|event| event.metadata.kind.clone())
        .collect();
    for event in heard.into_iter().map(punctual) {
        assert!(said.contains(&event), "new: {event:?}");
    }
    let after = everything(&shop, order).await;
    unchanged(&before, &after);
    only_notes(id, &before, &after, &late);
    let dead = shop.world.dead_letters(eventbridge(), id).await.unwrap();
    assert_eq!(dead, []);
}

/// Of a shipment or a notice that was told `late`, the order notes, once, that it is not
/// owed. Nothing else is new.
fn only_notes(
    id: &str,
    before: &BTreeMap<(TableOf, Key), Item>,
    after: &BTreeMap<(TableOf, Key), Item>,
    late: &BTreeSet<String>,
) {
    let told = [("StockShipped", "Shipment"), ("CustomerNotified", "Notice")];
    let told = told.iter().filter(|(fact, _)| late.contains(*fact));
    let noted = told.map(|(_, part)| {
        let key = Key::new(id, format!("done#NoteUndone#{part}"));
        (TableOf::Order, key)
    });
    let new = after.keys().filter(|at| !before.contains_key(at));
    let expected = noted.filter(|at| !before.contains_key(at));
    assert_eq!(new.cloned().collect::<BTreeSet<_>>(), expected.collect());
}

/// Makes every call of an order's workflow again, in the workflow's order and
/// then backwards.
async fn again_from_the_workflow(scenario: &str) {
    let shop = Shop::open().await;
    let order = shop.order(standard(), scenario).await;
    let id = order.order.as_str();
    let view = shop.placed(standard(), &order).await;
    holds(id, &view);
    let before = everything(&shop, &order).await;
    let placed = place_message(&shop, standard(), &order);
    let driven = shop
        .drive(
            id,
            json!({ "metadata": placed.metadata, "data": placed.data }),
        )
        .await;
    assert_eq!(driven.status, duet_asl::Status::Succeeded);
    let mut calls = driven.calls;
    // An order rejected after all its retries is known as rejected by now, and
    // is not rejected again on this way.
    if let Fate::Rejected { reason, detail } = &view.order.as_ref().unwrap().fate {
        let (function, mut message) = calls[0].clone();
        message["command"] = json!("RejectOrder");
        message["data"] = json!({ "order": id, "reason": reason, "detail": detail });
        calls.push((function, message));
    }
    // An order that has ended says its token and address no more, so the flow
    // stops short of what needs them: these are asked for by hand.
    let (metadata, total) = (calls[0].1["metadata"].clone(), &order.total);
    let placed_at = view.order.as_ref().unwrap().placed.placed_at;
    let by_hand = [
        (
            "FraudTaskFunction",
            "ScreenOrder",
            json!({
                "order": id, "customer": order.customer, "total": total,
                "country": order.ship_to.country, "placed_at": placed_at,
            }),
        ),
        (
            "PaymentTaskFunction",
            "CapturePayment",
            json!({ "order": id, "amount": total, "payment_token": order.payment_token }),
        ),
        (
            "DeliveryTaskFunction",
            "ScheduleDelivery",
            json!({ "order": id, "ship_to": order.ship_to }),
        ),
        ("OrderTaskFunction", "ConfirmOrder", json!({ "order": id })),
    ];
    for (function, command, data) in by_hand {
        let record = format!("done#{command}");
        let was_done = before
            .keys()
            .any(|(_, key)| key.pk == id && key.sk == record);
        let is_called = |(_, message): &(_, Value)| message["command"] == command;
        if was_done && !calls.iter().any(is_called) {
            let message = json!({
                "command": command, "clearance": true, "metadata": metadata, "data": data,
            });
            calls.push((shop.output(function).to_owned(), message));
        }
    }
    for (_, key) in before.keys().filter(|(_, key)| key.pk == id) {
        let Some(done) = key.sk.strip_prefix("done#") else {
            continue;
        };
        let made = |message: &Value| message["command"].as_str() == done.split('#').next();
        assert!(
            calls.iter().any(|(_, message)| made(message)),
            "{done} was not called again"
        );
    }
    for (function, message) in calls.iter().rev() {
        // A reply, or the refusal of the first time: never a failure.
        if let Err((name, text)) = shop.invoke(function, message).await {
            let failed = ["Transient", "InvalidCommand"].contains(&name.as_str());
            assert!(!failed, "{name}: {text}");
        }
    }
    unchanged(&before, &everything(&shop, &order).await);
}

#[tokio::test]
async fn a_confirmed_order_bears_every_message_twice() {
    futures_util::future::join(again_on_the_bus("happy"), again_from_the_workflow("happy")).await;
}

#[tokio::test]
async fn an_undone_order_bears_every_message_twice() {
    futures_util::future::join(
        again_on_the_bus("undeliverable"),
        again_from_the_workflow("undeliverable"),
    )
    .await;
}

#[tokio::test]
async fn an_order_that_was_given_up_bears_every_message_twice() {
    futures_util::future::join(
        again_on_the_bus("payment-down"),
        again_from_the_workflow("payment-down"),
    )
    .await;
}
