//! The orders of a part: made, placed, and followed until they are as they
//! should be.

use std::collections::BTreeMap;

use duet_core::store::{Key, Store};
use duet_core::{OrderId, Sku};
use duet_order::command::PlaceOrder;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::de::DeserializeOwned;

use super::Run;
use crate::ops::drill::{AT_ONCE, order};
use crate::ops::{catalog, place};
use crate::shop::goods::Good;
use crate::shop::services::TableOf;
use crate::shop::variant::Variant;
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::tell;
use crate::world::port::operate::Operate;

/// How often progress is told, in seconds.
pub(super) const TELL_EVERY: i64 = 20;

/// Where a service keeps what it knows of an order.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    table: TableOf,
    key: fn(&str) -> Key,
}

pub(super) const ORDERS: Kept = Kept {
    table: TableOf::Order,
    key: |id| duet_order::key(id),
};

pub(super) const RESERVATIONS: Kept = Kept {
    table: TableOf::Inventory,
    key: |id| duet_inventory::reservation_key(id),
};

pub(super) const REVIEWS: Kept = Kept {
    table: TableOf::Fraud,
    key: |id| duet_fraud::review_key(id),
};

/// The orders of one part under one variant.
pub(super) struct Batch {
    pub(super) variant: &'static Variant,
    pub(super) sku: Sku,
    pub(super) orders: Vec<PlaceOrder>,
}

impl Batch {
    pub(super) fn ids(&self) -> impl Iterator<Item = &OrderId> {
        self.orders.iter().map(|order| &order.order)
    }
}

impl<W: Operate> Run<'_, W> {
    /// The orders of a part, under every variant; `change` makes them what the
    /// part needs; they are counted from 1.
    pub(super) fn batches(
        &self,
        name: &str,
        change: impl Fn(usize, &mut PlaceOrder),
    ) -> Outcome<Vec<Batch>> {
        let id = |what: String| format!("{}-{name}-{what}", self.stem);
        let of = |variant: &'static Variant| {
            let sku: Sku = id(variant.name.to_owned())
                .parse()
                .map_err(Problem::environment)?;
            let nth = |n: usize| {
                let this = id(format!("{}-{n}", variant.name));
                let mut order = order(&this, &sku)?;
                change(n, &mut order);
                Ok(order)
            };
            Ok(Batch {
                variant,
                orders: (1..=self.choice.orders).map(nth).collect::<Outcome<_>>()?,
                sku,
            })
        };
        self.choice
            .variants
            .iter()
            .map(|variant| of(variant))
            .collect()
    }

    /// Places every order of a part, all variants at once.
    pub(super) async fn place(&self, name: &str, batches: &[Batch]) -> Outcome<()> {
        self.stock(batches).await?;
        self.submit(name, batches, |_| true).await
    }

    /// Puts what the orders ask for into the catalogue.
    pub(super) async fn stock(&self, batches: &[Batch]) -> Outcome<()> {
        let pieces = |order: &PlaceOrder| -> u32 {
            order.lines.iter().map(|line| line.quantity.get()).sum()
        };
        let goods: Vec<Good> = batches
            .iter()
            .filter_map(|batch| {
                let first = batch.orders.first()?;
                let of_first = pieces(first);
                let mut price = first.total;
                price.amount /= i64::from(of_first);
                Some(Good {
                    sku: batch.sku.clone(),
                    name: None,
                    price,
                    quantity: batch.orders.iter().map(pieces).sum(),
                })
            })
            .collect();
        catalog::seed(self.world, &goods).await.map(drop)
    }

    /// Places those orders of a part, counted from 1, that `are_meant`.
    pub(super) async fn submit(
        &self,
        name: &str,
        batches: &[Batch],
        are_meant: impl Fn(usize) -> bool,
    ) -> Outcome<()> {
        let all = interleaved(batches).into_iter();
        let all: Vec<_> = all.filter(|(n, ..)| are_meant(*n)).collect();
        tell(&format!("{name}: placing {} orders", all.len()));
        stream::iter(all)
            .map(|(_, variant, order)| place::submit(self.world, variant, order))
            .buffered(AT_ONCE)
            .try_for_each(async |_| Ok(()))
            .await
    }

    /// Does something about each order of a part, several at once.
    pub(super) async fn each<T>(
        &self,
        batches: &[Batch],
        act: impl AsyncFn(&'static Variant, &OrderId) -> Outcome<T>,
    ) -> Outcome<()> {
        let act = &act;
        stream::iter(interleaved(batches))
            .map(|(_, variant, order)| async move { act(variant, &order.order).await.map(drop) })
            .buffered(AT_ONCE)
            .try_for_each(async |()| Ok(()))
            .await
    }

    /// Each order's document in one service, by the order's id.
    pub(super) async fn load<T: DeserializeOwned>(
        &self,
        batch: &Batch,
        of: Kept,
    ) -> Outcome<BTreeMap<String, T>> {
        let keys: Vec<Key> = batch.ids().map(|id| (of.key)(id.as_str())).collect();
        let items = self.world.table(of.table).load(&keys).await?;
        let read = items
            .into_iter()
            .flatten()
            .map(|item| Ok((item.key.pk.clone(), item.read()?)));
        read.collect()
    }

    /// How many of a part's orders have a document in one service that `is` so.
    pub(super) async fn count<T: DeserializeOwned>(
        &self,
        batches: &[Batch],
        of: Kept,
        is: impl Fn(&T) -> bool,
    ) -> Outcome<usize> {
        let mut count = 0;
        for batch in batches {
            let documents = self.load::<T>(batch, of).await?;
            count += documents.values().filter(|document| is(document)).count();
        }
        Ok(count)
    }

    /// Asks until `all` orders of a part are so. `false` when their number has
    /// not changed for as long as the choice allows.
    pub(super) async fn until(
        &self,
        name: &str,
        what: &str,
        all: usize,
        (every, patience): (u64, u64),
        mut ask: impl AsyncFnMut() -> Outcome<usize>,
    ) -> Outcome<bool> {
        let patience = patience.max(self.choice.within);
        let (mut most, mut moved, mut told) = (0, self.world.now(), self.world.now());
        loop {
            let count = ask().await?;
            let now = self.world.now();
            if count >= all {
                tell(&format!("{name}: all {all} {what}"));
                return Ok(true);
            }
            if count > most {
                (most, moved) = (count, now);
            }
            if now.duration_since(moved).as_secs() >= patience as i64 {
                tell(&format!(
                    "{name}: only {count} of {all} {what}, and no more for {patience} s"
                ));
                return Ok(false);
            }
            // Nobody waits where time is virtual.
            let due = now.duration_since(told).as_secs() >= TELL_EVERY;
            if due && !self.world.is_virtual() {
                tell(&format!("{name}: {count} of {all} {what}"));
                told = now;
            }
            self.world.pause(every).await;
        }
    }
}

/// How many orders a part has.
pub(super) fn size(batches: &[Batch]) -> usize {
    batches.iter().map(|batch| batch.orders.len()).sum()
}

/// The orders of a part with their numbers, one of each variant in turn.
pub(super) fn interleaved(batches: &[Batch]) -> Vec<(usize, &'static Variant, &PlaceOrder)> {
    let longest = batches.iter().map(|batch| batch.orders.len()).max();
    let nth = |n: usize| {
        let batches = batches.iter();
        batches.filter_map(move |batch| Some((n + 1, batch.variant, batch.orders.get(n)?)))
    };
    (0..longest.unwrap_or(0)).flat_map(nth).collect()
}
