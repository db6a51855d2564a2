//! The orders of a part: made, placed, and followed until they are as they
//! should be.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use duet_core::money::Currency;
use duet_core::order::Line;
use duet_core::store::{Key, Store};
use duet_core::{Money, OrderId, Sku};
use duet_order::command::PlaceOrder;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::de::DeserializeOwned;

use super::Run;
use crate::exit::{Outcome, Problem};
use crate::scenario::address;
use crate::terminal::tell;
use crate::variant::Variant;
use crate::world::TableOf;
use crate::world::operate::Operate;
use crate::{catalog, place};

/// How many orders are under way to their entry, or in an operator's hands, at once.
pub(super) const AT_ONCE: usize = 16;

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
    /// part needs.
    pub(super) fn batches(
        &self,
        name: &str,
        change: impl Fn(&mut PlaceOrder),
    ) -> Outcome<Vec<Batch>> {
        let id = |what: String| format!("{}-{name}-{what}", self.stem);
        let currency = Currency::try_from("EUR".to_owned()).map_err(Problem::environment)?;
        let of = |variant: &'static Variant| {
            let sku: Sku = id(variant.name.to_owned())
                .parse()
                .map_err(Problem::environment)?;
            let order = |n: usize| {
                let this = id(format!("{}-{n}", variant.name));
                let mut order = PlaceOrder {
                    order: this.parse().map_err(Problem::environment)?,
                    // Everybody's own: many orders of one customer would be fraud.
                    customer: this.parse().map_err(Problem::environment)?,
                    lines: vec![Line {
                        sku: sku.clone(),
                        quantity: NonZeroU32::MIN,
                    }],
                    total: Money {
                        amount: 4_990,
                        currency,
                    },
                    payment_token: "tok_visa".to_owned(),
                    ship_to: address(),
                };
                change(&mut order);
                Ok(order)
            };
            Ok(Batch {
                variant,
                orders: (1..=self.choice.orders)
                    .map(order)
                    .collect::<Outcome<_>>()?,
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
        let goods: Vec<catalog::Entry> = batches
            .iter()
            .filter_map(|batch| {
                Some(catalog::Entry {
                    sku: batch.sku.clone(),
                    name: None,
                    price: batch.orders.first()?.total,
                    quantity: batch.orders.len() as u32,
                })
            })
            .collect();
        catalog::seed(self.world, &goods).await?;
        tell(&format!("{name}: placing {} orders", size(batches)));
        let all = interleaved(batches);
        stream::iter(all)
            .map(|(variant, order)| place::submit(self.world, variant, order))
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
            .map(|(variant, order)| async move { act(variant, &order.order).await.map(drop) })
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

    /// Asks until all of a part's orders are so. `false` when their number has
    /// not changed for as long as the choice allows.
    pub(super) async fn until(
        &self,
        name: &str,
        what: &str,
        batches: &[Batch],
        (every, patience): (u64, u64),
        mut ask: impl AsyncFnMut() -> Outcome<usize>,
    ) -> Outcome<bool> {
        let all = size(batches);
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

/// The orders of a part, one of each variant in turn.
pub(super) fn interleaved(batches: &[Batch]) -> Vec<(&'static Variant, &PlaceOrder)> {
    let longest = batches.iter().map(|batch| batch.orders.len()).max();
    let nth = |n: usize| {
        let batches = batches.iter();
        batches.filter_map(move |batch| Some((batch.variant, batch.orders.get(n)?)))
    };
    (0..longest.unwrap_or(0)).flat_map(nth).collect()
}
