//! What comes to the shop at one stage: orders, orders that a person has to look
//! at, and customers.

use std::collections::BTreeMap;

use duet_core::store::Store;
use duet_core::{OrderId, Sku};
use duet_customer::command::RegisterCustomer;
use duet_fraud::review::Status as ReviewStatus;
use duet_fraud::rules;
use duet_order::command::PlaceOrder;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Choice, LOTS};
use crate::ops::drill::{AT_ONCE, order};
use crate::ops::wait::until;
use crate::ops::{catalog, customer, place};
use crate::shop::goods::Good;
use crate::shop::services::TableOf;
use crate::shop::variant::Variant;
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::tell;
use crate::world::World;

/// What came under one variant.
pub(super) struct Batch {
    pub(super) variant: &'static Variant,
    pub(super) sku: Sku,
    /// What costs so much that a person has to look.
    dear: Sku,
    pub(super) orders: Vec<OrderId>,
    pub(super) reviewed: Vec<OrderId>,
    pub(super) customers: Vec<String>,
}

/// What came at one stage.
pub(super) struct Stage {
    stem: String,
    name: &'static str,
    pub(super) wanted: usize,
    within: u64,
    pub(super) batches: Vec<Batch>,
}

impl Stage {
    pub(super) async fn new<W: World>(
        world: &W,
        stem: &str,
        name: &'static str,
        choice: &Choice,
    ) -> Outcome<Self> {
        let mut batches = Vec::new();
        let mut goods = Vec::new();
        for variant in world.variants(&choice.variants)? {
            let sku = |what: &str| -> Outcome<Sku> {
                let sku = format!("{stem}-{name}-{}-{what}", variant.name);
                sku.parse().map_err(Problem::environment)
            };
            let batch = Batch {
                variant,
                sku: sku("kettle")?,
                dear: sku("oven")?,
                orders: Vec::new(),
                reviewed: Vec::new(),
                customers: Vec::new(),
            };
            for sku in [&batch.sku, &batch.dear] {
                let mut price = order(sku.as_str(), sku)?.total;
                if *sku == batch.dear {
                    price.amount = rules::LARGE_AMOUNT * 100;
                }
                goods.push(Good {
                    sku: sku.clone(),
                    name: None,
                    price,
                    // More than a stage sells, however long it lasts.
                    quantity: 1_000_000,
                });
            }
            batches.push(batch);
        }
        catalog::seed(world, &goods).await?;
        Ok(Self {
            stem: stem.to_owned(),
            name,
            wanted: choice.orders,
            within: choice.within,
            batches,
        })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// The orders that a person has to look at.
    pub(super) fn reviewed(&self) -> impl Iterator<Item = &OrderId> {
        self.batches.iter().flat_map(|batch| &batch.reviewed)
    }

    /// Places `count` lots of orders under every variant, each with a registration.
    pub(super) async fn lots<W: World>(&mut self, world: &W, count: usize) -> Outcome<()> {
        let size = self.wanted.div_ceil(LOTS);
        for _ in 0..count {
            self.place(world, size).await?;
        }
        Ok(())
    }

    /// Places what is missing to as many orders as are wanted.
    pub(super) async fn rest<W: World>(&mut self, world: &W) -> Outcome<()> {
        let placed = self.batches.iter().map(|batch| batch.orders.len()).min();
        let missing = self.wanted.saturating_sub(placed.unwrap_or(0));
        self.place(world, missing).await
    }

    async fn place<W: World>(&mut self, world: &W, count: usize) -> Outcome<()> {
        let mut placed = Vec::new();
        for batch in &mut self.batches {
            for _ in 0..count {
                let n = batch.orders.len();
                let id = format!("{}-{}-{}-{n}", self.stem, self.name, batch.variant.name);
                let order = order(&id, &batch.sku)?;
                batch.orders.push(order.order.clone());
                placed.push((batch.variant, order));
            }
        }
        submit(world, placed).await?;
        if count == 0 {
            return Ok(());
        }
        for batch in &mut self.batches {
            let n = batch.customers.len();
            let id = format!("{}-{}-{}-c{n}", self.stem, self.name, batch.variant.name);
            let command = RegisterCustomer {
                customer: id.parse().map_err(Problem::environment)?,
                name: "Ada Example".to_owned(),
                email: format!("{id}@example.org"),
                country: "SE".to_owned(),
            };
            customer::register(world, batch.variant, &command, None).await?;
            batch.customers.push(id);
        }
        Ok(())
    }

    /// Places orders that a person has to look at, a tenth of a stage's, and
    /// waits until somebody has to.
    pub(super) async fn open_reviews<W: World>(&mut self, world: &W) -> Outcome<()> {
        let mut placed = Vec::new();
        for batch in &mut self.batches {
            for n in 0..self.wanted.div_ceil(10) {
                let id = format!("{}-{}-{}-r{n}", self.stem, self.name, batch.variant.name);
                let mut order = order(&id, &batch.dear)?;
                order.total.amount = rules::LARGE_AMOUNT * 100;
                batch.reviewed.push(order.order.clone());
                placed.push((batch.variant, order));
            }
        }
        submit(world, placed).await?;
        let all: usize = self.batches.iter().map(|batch| batch.reviewed.len()).sum();
        let waiting = until(world, self.within, async || {
            let open = self.open(world).await?;
            let waiting = open.values().sum::<usize>();
            Ok(if waiting == all { Ok(()) } else { Err(open) })
        });
        waiting.await?.map_err(|open| {
            Problem::failed(format!(
                "{}: of {all} orders that a person has to look at, these wait for a review: {open:?}",
                self.name
            ))
        })?;
        tell(&format!("{}: {all} orders wait for a review", self.name));
        Ok(())
    }

    /// How many reviews are open, by variant.
    async fn open<W: World>(&self, world: &W) -> Outcome<BTreeMap<&'static str, usize>> {
        let mut open = BTreeMap::new();
        for batch in &self.batches {
            let ids = batch.reviewed.iter();
            let keys: Vec<_> = ids.map(|id| duet_fraud::review_key(id.as_str())).collect();
            let items = world.table(TableOf::Fraud).load(&keys).await?;
            let mut count = 0;
            for item in items.into_iter().flatten() {
                let there: duet_fraud::review::Review = item.read()?;
                count += usize::from(there.status == ReviewStatus::Open);
            }
            open.insert(batch.variant.name, count);
        }
        Ok(open)
    }
}

async fn submit<W: World>(world: &W, orders: Vec<(&'static Variant, PlaceOrder)>) -> Outcome<()> {
    stream::iter(&orders)
        .map(|(variant, order)| place::submit(world, variant, order))
        .buffered(AT_ONCE)
        .try_for_each(async |_| Ok(()))
        .await
}
