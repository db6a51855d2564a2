//! Processes that die in the middle of their work, found where Linux lists them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use duet_cli::ops::place;
use duet_cli::ops::view::View;
use duet_cli::shop::services::TableOf;
use duet_cli::shop::variant::{self, Variant};
use duet_cli::world::World;
use duet_core::store::Store;
use duet_inventory::domain::Stock;
use duet_order::command::PlaceOrder;
use duet_order::domain::Fate;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{CROWD, local};
use crate::shop::{Shop, holds};

/// A stack of its own, so that nobody else's functions die; their short timeout
/// makes a message that was lost with its process return soon.
const MORTAL: &str = "duet-it-faults";

/// How long such a message stays away: six times the timeout.
const VISIBILITY_SECONDS: i64 = 18;

/// How many orders run while processes die, per variant.
const ORDERS: usize = 20;

/// How many processes of one function may die: fewer than the attempts that one
/// message has, so that even the unluckiest gets through.
const DEATHS: u32 = 3;

/// The emulator's process, if it is the tests' own.
fn emulator() -> Option<i32> {
    let record = std::fs::read_to_string(local().state().join("emulator.json")).ok()?;
    let record: Value = serde_json::from_str(&record).ok()?;
    let ours = local().endpoint.ends_with(&format!(":{}", record["port"]));
    record["pid"].as_i64().filter(|_| ours)?.try_into().ok()
}

/// Every function's process: its id, and the function's name.
fn processes() -> Vec<(i32, String)> {
    let read = |pid: i32, what: &str| {
        std::fs::read(Path::new("/proc").join(pid.to_string()).join(what)).ok()
    };
    let Some(emulator) = emulator() else {
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
                Some(above) if above == emulator => return true,
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
fn kill(stop: &AtomicBool) -> BTreeMap<String, u32> {
    let mut random = fastrand::Rng::with_seed(2);
    let mut deaths = BTreeMap::<String, u32>::new();
    while !stop.load(Ordering::Relaxed) {
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

#[tokio::test]
async fn orders_outlive_the_processes_that_work_on_them() {
    let _alone = CROWD.lock().await;
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
    // Somebody else's emulator runs its functions where they cannot be killed from here.
    if emulator().is_some() {
        assert!(died >= 10, "{died} died: {deaths:?}");
        // They died at work: a message that was in hand returns when its queue gives
        // up on the process, while any other order is done in a moment.
        let took = |view: &View| {
            let (first, last) = (view.steps.first()?, view.steps.last()?);
            Some(last.at.duration_since(first.at).as_secs())
        };
        let longest = views.iter().filter_map(took).max();
        assert!(
            longest >= Some(VISIBILITY_SECONDS - 3),
            "nobody was at work: {deaths:?}"
        );
    }

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
