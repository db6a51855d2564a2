//! What may go wrong between a message and its acknowledgement: processes die,
//! and messages come twice. Neither changes how anything ends.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use duet_cli::variant::Variant;
use duet_cli::world::{TableOf, World};
use duet_cli::{message, place, variant};
use duet_core::store::{Browse, Item, Key, Store};
use duet_core::{CommandMessage, Event, Timer};
use duet_inventory::domain::Stock;
use duet_order::command::PlaceOrder;
use duet_order::domain::Fate;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::local;
use crate::shop::{Listener, Shop, eventbridge, holds, place_message, standard};

// ---- messages that come twice ------------------------------------------------

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
    #[serde(default)]
    events: Vec<Event>,
    #[serde(default)]
    timers: Vec<Timer>,
}

/// The kept outcomes among `items`, with the service that keeps each.
fn records(items: &BTreeMap<(TableOf, Key), Item>) -> Vec<(TableOf, Record)> {
    let kept = items
        .iter()
        .filter(|((_, key), _)| key.sk.starts_with("done#"));
    kept.map(|((of, _), item)| (*of, item.read().unwrap()))
        .collect()
}

/// Nothing is lost, nothing is changed, and whatever is new says nothing.
fn unchanged(before: &BTreeMap<(TableOf, Key), Item>, after: &BTreeMap<(TableOf, Key), Item>) {
    for (at, item) in before {
        assert_eq!(after.get(at), Some(item));
    }
    // A command that had failed for good the first time may leave its record
    // now: it came late, and did nothing.
    for (at, item) in after.iter().filter(|(at, _)| !before.contains_key(at)) {
        assert!(at.1.sk.starts_with("done#"), "new: {at:?}");
        assert_eq!(item.read::<Record>().unwrap().events, [], "{at:?}");
    }
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
    let said: Vec<Event> = records(&before)
        .into_iter()
        .flat_map(|(_, record)| record.events)
        .collect();
    assert!(said.len() > 5, "{said:?}");

    let listener = Listener::attach(&shop, &[id, buyer]).await;
    shop.publish(&said).await;
    let register = duet_customer::Command::from(customer.clone());
    let register = message::command(&register, buyer, eventbridge().name, shop.world.now());
    let mut messages = vec![
        ("customer", register),
        ("order", place_message(&shop, eventbridge(), order)),
    ];
    for (of, record) in records(&before) {
        for Timer { command, data, .. } in record.timers {
            let metadata = message::metadata(&command, id, eventbridge().name, shop.world.now());
            // As it comes when it is due.
            messages.push((
                of.name(),
                CommandMessage {
                    command,
                    metadata,
                    data,
                    reply_to: None,
                    due: None,
                },
            ));
        }
    }
    assert!(
        messages
            .iter()
            .any(|(_, message)| message.command == "ExpireOrder")
    );
    for (service, message) in &messages {
        shop.send(
            shop.of_service(service, "QueueUrl"),
            serde_json::to_string(message).unwrap(),
        )
        .await;
    }

    // Each fact is heard as it is sent, and again from whoever said it first.
    let mut heard = listener.hear(2 * said.len()).await;
    shop.quiet().await;
    heard.extend(listener.heard().await);
    listener.detach().await;
    for event in &heard {
        assert!(said.contains(event), "new: {event:?}");
    }
    let after = everything(&shop, order).await;
    unchanged(&before, &after);
    assert_eq!(after.len(), before.len());
    assert_eq!(
        shop.world.dead_letters(eventbridge(), id).await.unwrap(),
        []
    );
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
    assert!(
        driven.calls.len()
            >= before
                .keys()
                .filter(|(_, key)| key.pk == id && key.sk.starts_with("done#"))
                .count()
                - 1
    );
    for (function, message) in driven.calls.iter().rev() {
        // The refusals of the first time are refused again: what changes, counts.
        let _: Result<Value, _> = shop.invoke(function, message).await;
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

// ---- processes that die --------------------------------------------------------

/// A stack of its own, so that nobody else's functions die; their short timeout
/// makes a message that was lost with its process return soon.
const MORTAL: &str = "duet-it-faults";

/// How many orders run while processes die, per variant.
const ORDERS: usize = 20;

/// How many processes of one function may die: fewer than the attempts that one
/// message has, so that even the unluckiest gets through.
const DEATHS: u32 = 3;

/// A function's process: its id, and the function's name.
#[cfg(target_os = "linux")]
fn processes() -> Vec<(i32, String)> {
    let read = |pid: i32, what: &str| {
        std::fs::read(Path::new("/proc").join(pid.to_string()).join(what)).ok()
    };
    let record = std::fs::read_to_string(local().state().join("emulator.json")).unwrap_or_default();
    let record: Value = serde_json::from_str(&record).unwrap_or_default();
    let Some(emulator) = record["pid"].as_i64() else {
        return Vec::new();
    };
    // Field 4 of stat, counted after the name, which is in parentheses.
    let parent = |pid: i32| {
        let stat = String::from_utf8(read(pid, "stat")?).ok()?;
        stat.rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(1)?
            .parse::<i32>()
            .ok()
    };
    let is_below = |mut pid: i32| {
        for _ in 0..4 {
            match parent(pid) {
                Some(above) if i64::from(above) == emulator => return true,
                Some(above) if above > 1 => pid = above,
                _ => return false,
            }
        }
        false
    };
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| {
        let executable =
            std::fs::read_link(Path::new("/proc").join(pid.to_string()).join("exe")).ok()?;
        if executable.file_name()? != "bootstrap" || !is_below(pid) {
            return None;
        }
        let environment = String::from_utf8(read(pid, "environ")?).ok()?;
        let name = environment
            .split('\0')
            .find_map(|pair| pair.strip_prefix("AWS_LAMBDA_FUNCTION_NAME="))?;
        Some((pid, name.to_owned()))
    })
    .collect()
}

/// Kills processes of the functions of [`MORTAL`], at most [`DEATHS`] of each,
/// until `stop`; gives how many died of each. An emulator starts a process to
/// serve a call, so one that has just appeared is in the middle of it.
#[cfg(target_os = "linux")]
fn kill(stop: &std::sync::atomic::AtomicBool) -> BTreeMap<String, u32> {
    use rustix::process::{Pid, Signal, kill_process};
    let mut random = fastrand::Rng::with_seed(2);
    let mut deaths = BTreeMap::<String, u32>::new();
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        let mine = processes()
            .into_iter()
            .filter(|(_, name)| name.starts_with(&format!("{MORTAL}-")));
        let mut mine: Vec<_> = mine
            .filter(|(_, name)| deaths.get(name).is_none_or(|died| *died < DEATHS))
            .collect();
        random.shuffle(&mut mine);
        if let Some((pid, name)) = mine.pop() {
            std::thread::sleep(Duration::from_millis(random.u64(0..30)));
            if kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).is_ok() {
                *deaths.entry(name).or_default() += 1;
            }
        }
        std::thread::sleep(Duration::from_millis(random.u64(0..60)));
    }
    deaths
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn orders_outlive_the_processes_that_work_on_them() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    local().deploy(MORTAL, &["TaskTimeoutSeconds=3"]);
    let shop = Shop::of(MORTAL).await;
    let prepared = variant::ALL
        .iter()
        .map(async |variant| (variant, shop.prepare(variant, "happy", ORDERS).await));
    let prepared = futures_util::future::join_all(prepared).await;
    let orders: Vec<(&'static Variant, &PlaceOrder)> = prepared
        .iter()
        .flat_map(|(variant, plan)| plan.waves[0].iter().map(|order| (*variant, order)))
        .collect();
    assert_eq!(orders.len(), ORDERS * variant::ALL.len());

    let stop = Arc::new(AtomicBool::new(false));
    let killer = std::thread::spawn({
        let stop = stop.clone();
        move || kill(&stop)
    });
    let place = orders
        .iter()
        .map(|(variant, order)| place::submit(&shop.world, variant, order));
    for submitted in futures_util::future::join_all(place).await {
        submitted.unwrap();
    }
    let mut views = Vec::new();
    for (variant, order) in &orders {
        views.push(shop.settled(variant, order.order.as_str()).await);
    }
    stop.store(true, Ordering::Relaxed);
    let deaths = killer.join().unwrap();
    let died: u32 = deaths.values().sum();
    eprintln!("DEBUG deaths {deaths:?}");
    for (v, o) in &orders {
        if v.name == "standard" {
            let e = shop
                .world
                .execution(v, duet_cli::world::Subject::Order, o.order.as_str())
                .await
                .unwrap()
                .unwrap();
            let h = shop
                .workflows
                .get_execution_history()
                .execution_arn(e.arn)
                .send()
                .await
                .unwrap();
            let k: Vec<_> = h
                .events()
                .iter()
                .filter(|e| {
                    e.r#type().as_str().contains("Fail") || e.r#type().as_str().contains("Retr")
                })
                .map(|e| {
                    (
                        e.r#type().as_str().to_owned(),
                        e.task_failed_event_details()
                            .and_then(|d| d.error().map(str::to_owned)),
                    )
                })
                .collect();
            if !k.is_empty() {
                eprintln!("DEBUG {} {k:?}", o.order);
            }
        } else {
            let view = duet_cli::view::View::load(&shop.world, o.order.as_str())
                .await
                .unwrap();
            let first = view.steps.first().unwrap().at;
            let last = view.steps.last().unwrap().at;
            eprintln!(
                "DEBUG eb {} took {:?}",
                o.order,
                last.duration_since(first).as_secs_f64()
            );
        }
    }
    // Somebody else's emulator runs its functions where they cannot be killed from here.
    let ours = local().state().join("emulator.json").is_file();
    assert!(!ours || died >= 10, "{died} died: {deaths:?}");

    for ((_, order), view) in orders.iter().zip(&views) {
        let id = order.order.as_str();
        assert_eq!(view.order.as_ref().unwrap().fate, Fate::Confirmed, "{id}");
        assert_eq!(
            view.charge.as_ref().unwrap().captured,
            order.total.amount,
            "{id}"
        );
        assert_eq!(view.noticed(), ["OrderConfirmed"], "{id}");
        holds(id, view);
    }
    for (_, plan) in &prepared {
        let key = duet_inventory::stock_key(&plan.goods[0].sku);
        let stock: Stock = shop
            .world
            .table(TableOf::Inventory)
            .load(&[key])
            .await
            .unwrap()[0]
            .as_ref()
            .unwrap()
            .read()
            .unwrap();
        assert_eq!((stock.reserved, stock.shipped), (0, ORDERS as i64));
        assert_eq!(stock.available + stock.shipped, stock.initial);
    }
}
