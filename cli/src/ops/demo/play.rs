//! One scenario under one variant, from its first submission to its end.

use duet_core::OrderId;
use duet_core::store::Store;
use duet_fraud::command::Verdict;
use duet_inventory::domain::{Reservation, Stock};
use duet_order::command::PlaceOrder;
use duet_order::domain::Compensation;
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{AT_ONCE, Footprint, Row};
use crate::ops::actions::Signed;
use crate::ops::invariants::Findings;
use crate::ops::view::{Print, View};
use crate::ops::wait::until;
use crate::ops::{customer, place, repair, review};
use crate::shop::scenario::{Expected, Person, Plan, Scenario};
use crate::shop::services::TableOf;
use crate::shop::variant::Variant;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::world::World;

/// Plays `plan`, which is of `scenario`, and judges what it left.
pub(super) async fn one<W: World>(
    world: &W,
    scenario: &'static Scenario,
    variant: &'static Variant,
    plan: Plan,
    within: u64,
) -> Outcome<(Row, Findings)> {
    let began = world.now();
    let mut play = Play {
        world,
        variant,
        plan: &plan,
        within,
        words: Words::default(),
        findings: Findings::default(),
        footprint: Footprint::default(),
        reservations: Vec::new(),
    };
    play.customers().await?;
    if let Some(hopeless) = &plan.hopeless {
        place::submit_hopeless(world, variant, hopeless).await?;
    }
    for (n, wave) in plan.waves.iter().enumerate() {
        play.wave(wave, n + 1 == plan.waves.len()).await?;
    }
    if let Some(order) = plan.waves.last().and_then(|wave| wave.first()) {
        play.refusals(order).await?;
    }
    if let Some(marker) = plan.dies() {
        play.dead_letter(marker).await?;
    }
    play.stock().await?;
    let Play {
        words,
        findings,
        footprint,
        ..
    } = play;
    let (outcome, expected) = (words.to_string(), expected(scenario, &plan));
    let row = Row {
        scenario: scenario.name,
        variant: variant.name,
        ok: outcome == expected,
        outcome,
        expected,
        elapsed_ms: world.now().duration_since(began).as_millis() as i64,
        orders: plan.orders(),
        usage: None,
        races: Vec::new(),
        footprint,
        of: (scenario, variant, plan),
    };
    Ok((row, findings))
}

/// A plan that is played, and what was seen of it.
struct Play<'a, W> {
    world: &'a W,
    variant: &'static Variant,
    plan: &'a Plan,
    /// How long each wait may take, in seconds.
    within: u64,
    words: Words,
    findings: Findings,
    footprint: Footprint,
    reservations: Vec<Reservation>,
}

impl<W: World> Play<'_, W> {
    /// Registers the plan's customers, and waits until they were told so.
    async fn customers(&mut self) -> Outcome<()> {
        let (world, variant, within) = (self.world, self.variant, self.within);
        let registered: Vec<(String, Vec<String>)> = stream::iter(&self.plan.customers)
            .map(|registration| async move {
                let registered =
                    customer::register(world, variant, registration, Some(within)).await?;
                let status = registered
                    .status
                    .map_or(String::new(), |status| format!("{status:?}"));
                Ok::<_, Problem>((
                    status,
                    noticed(world, registration.customer.as_str(), within).await?,
                ))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        if self.plan.waves.is_empty() {
            registered
                .iter()
                .for_each(|(status, _)| self.words.add(status.clone()));
        }
        self.footprint.customers = registered;
        Ok(())
    }

    /// Submits a wave of orders, lets people do their part of the `last` one, and waits until
    /// all have ended.
    async fn wave(&mut self, wave: &[PlaceOrder], last: bool) -> Outcome<()> {
        let (world, variant) = (self.world, self.variant);
        let submitted = wave
            .iter()
            .flat_map(|order| std::iter::repeat_n(order, self.plan.times));
        try_join_all(submitted.map(|order| place::submit(world, variant, order))).await?;
        if let (true, Some(Person::Says(verdict))) = (last, self.plan.person) {
            for order in wave {
                let decided = decided(world, &order.order, verdict, self.within).await;
                self.words.failed(decided)?;
            }
        }
        let repaired = last && self.plan.repair;
        if repaired {
            self.repair(wave).await?;
        }
        let mut prints = Vec::with_capacity(wave.len());
        for order in wave {
            let id = order.order.as_str();
            let view = settled(world, id, self.within).await?;
            self.findings
                .order(id, &view, world.deployment().with_fraud);
            prints.push(view.print());
            self.reservations.extend(view.reservation);
        }
        // Which of a wave's orders ended how may be a race: they are compared
        // without their names.
        prints.sort();
        for Print { standing, .. } in &prints {
            self.words.add(match repaired {
                true => format!("repaired: {standing}"),
                false => standing.clone(),
            });
        }
        self.footprint.orders.extend(prints);
        Ok(())
    }

    /// Waits until the orders of a wave are parked, and repairs them.
    async fn repair(&mut self, wave: &[PlaceOrder]) -> Outcome<()> {
        let with_fraud = self.world.deployment().with_fraud;
        for order in wave {
            let id = order.order.as_str();
            let (standing, parked) = parked(self.world, id, self.within).await?;
            self.findings.named(id, &parked);
            self.findings.order(id, &parked, with_fraud);
            self.words.add(standing);
        }
        for order in wave {
            // Twice, for an operator may: the second finds nothing to do.
            for _ in 0..2 {
                let repaired = repair::repair(self.world, &order.order, self.within).await;
                self.words.failed(repaired)?;
            }
        }
        Ok(())
    }

    /// Asks for what is to be refused, in the name of `order`.
    async fn refusals(&mut self, order: &PlaceOrder) -> Outcome<()> {
        if self.plan.forge && !is_refused(self.world, self.variant, order).await? {
            self.words.add("a forged repeat was taken".to_owned());
        }
        if self.plan.excess
            && let Some(taken) = takes_more(order)
        {
            self.words.add(taken);
        }
        Ok(())
    }

    /// Waits until what has `marker` in it lies dead.
    async fn dead_letter(&mut self, marker: &str) -> Outcome<()> {
        self.footprint.dead = died(self.world, self.variant, marker, self.within).await?;
        if self.footprint.dead {
            self.words.add(Expected::DeadLettered.to_string());
        } else {
            self.findings.broken(
                6,
                format!("{marker}: neither handled nor in a dead-letter queue"),
            );
        }
        Ok(())
    }

    /// Holds the stock of the plan's goods against what was reserved.
    async fn stock(&mut self) -> Outcome<()> {
        let inventory = self.world.table(TableOf::Inventory);
        for entry in &self.plan.goods {
            let key = duet_inventory::stock_key(&entry.sku);
            for item in inventory.load(&[key]).await?.into_iter().flatten() {
                let stock: Stock = item.read()?;
                self.findings.stock(&stock, &self.reservations);
                let counters = (stock.available, stock.reserved, stock.shipped);
                self.footprint.stock.push(counters);
            }
        }
        Ok(())
    }
}

/// What the rows of a scenario should say.
pub(super) fn expected(scenario: &Scenario, plan: &Plan) -> String {
    let mut words = Words::default();
    for (n, wave) in plan.waves.iter().enumerate() {
        let last = n + 1 == plan.waves.len() && scenario.expected != Expected::DeadLettered;
        let ends = if last {
            scenario.expected
        } else {
            Expected::Confirmed
        };
        for end in ends.each(wave.len()) {
            words.add(end.to_string());
        }
    }
    if let (true, Expected::NeedsAttention(reason, detail)) = (plan.repair, scenario.expected) {
        for _ in plan.waves.last().into_iter().flatten() {
            words.add(format!("repaired: {}", Expected::Rejected(reason, detail)));
        }
    }
    if plan.waves.is_empty() || scenario.expected == Expected::DeadLettered {
        words.add(scenario.expected.to_string());
    }
    words.to_string()
}

/// Decides the review of `order` as soon as there is one.
async fn decided<W: World>(
    world: &W,
    order: &OrderId,
    verdict: Verdict,
    within: u64,
) -> Outcome<()> {
    let screened = until(world, within, async || {
        Ok(review::find(world, order.as_str()).await?.ok_or(()))
    });
    let unscreened = || Problem::failed(format!("{order} was not screened"));
    screened.await?.map_err(|()| unscreened())?;
    let signed = Signed::by("duet demo");
    review::decide(world, order, verdict, Some(&signed), within).await?;
    Ok(())
}

/// How the order `id` stands once it is parked, or when `within` seconds are over.
async fn parked<W: World>(world: &W, id: &str, within: u64) -> Outcome<(String, View)> {
    let parked = until(world, within, async || {
        let view = settled(world, id, within).await?;
        // Other compensations may still be under way when the first one fails.
        let parked = view.order.as_ref().is_some_and(|order| {
            order.compensation == Compensation::Failed && order.pending.len() == order.owed.len()
        });
        Ok(if parked { Ok(view) } else { Err(view) })
    });
    let view = parked.await?.unwrap_or_else(|view| view);
    let order = view.order.as_ref();
    let word = order.map_or("Unknown".to_owned(), |order| place::word(&order.standing()));
    Ok((word, view))
}

/// Outcomes in order, repetitions counted: `Confirmed x3, Rejected(…)`.
#[derive(Debug, Default)]
struct Words(Vec<(String, usize)>);

impl Words {
    fn add(&mut self, word: String) {
        match self.0.last_mut() {
            Some((last, times)) if *last == word => *times += 1,
            _ => self.0.push((word, 1)),
        }
    }

    /// Tells what `step` failed with.
    ///
    /// # Errors
    /// [`Problem`] when the target did not answer: that is no end of a scenario.
    fn failed<T>(&mut self, step: Outcome<T>) -> Outcome<()> {
        match step {
            Err(why) if why.exit == Exit::Environment => return Err(why),
            Err(why) => self.add(why.to_string()),
            Ok(_) => {}
        }
        Ok(())
    }
}

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, (word, times)) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            match times {
                1 => write!(f, "{comma}{word}")?,
                _ => write!(f, "{comma}{word} x{times}")?,
            }
        }
        Ok(())
    }
}

/// Whether the id of `order` with other content is refused.
///
/// # Errors
/// [`Problem`] when the target does not answer.
async fn is_refused<W: World>(
    world: &W,
    variant: &'static Variant,
    order: &PlaceOrder,
) -> Outcome<bool> {
    let forged = PlaceOrder {
        payment_token: "tok_forged".to_owned(),
        ..order.clone()
    };
    match place::submit(world, variant, &forged).await {
        Ok(_) => Ok(false),
        Err(problem) if problem.exit == Exit::Failed => Ok(true),
        Err(problem) => Err(problem),
    }
}

/// What is wrong if an order that costs one minor unit more than `order` is not
/// refused by its total.
fn takes_more(order: &PlaceOrder) -> Option<String> {
    let mut dearer = order.clone();
    dearer.total.amount += 1;
    let refused = place::check(&dearer).err().map(|why| why.to_string());
    match refused {
        Some(why) if why.contains("total.amount: ") => None,
        Some(why) => Some(format!("refused, but not for its total: {why}")),
        None => Some("an order past the largest total was taken".to_owned()),
    }
}

/// The order `id` once nothing about it moves any more, or as it stands when
/// `within` seconds are over.
pub(crate) async fn settled<W: World>(world: &W, id: &str, within: u64) -> Outcome<View> {
    let settled = until(world, within, async || {
        let view = View::load(world, id).await?;
        Ok(if view.is_settled() {
            Ok(view)
        } else {
            Err(view)
        })
    });
    Ok(settled.await?.unwrap_or_else(|view| view))
}

/// The notices sent to customer `id`, once there is one.
async fn noticed<W: World>(world: &W, id: &str, within: u64) -> Outcome<Vec<String>> {
    let noticed = until(world, within, async || {
        let noticed = View::load(world, id).await?.noticed();
        Ok(if noticed.is_empty() {
            Err(())
        } else {
            Ok(noticed)
        })
    });
    Ok(noticed.await?.unwrap_or_default())
}

/// Whether something with `marker` in it lies dead.
async fn died<W: World>(
    world: &W,
    variant: &'static Variant,
    marker: &str,
    within: u64,
) -> Outcome<bool> {
    let died = until(world, within, async || {
        let dead = world.dead_letters(variant, marker).await?;
        Ok(if dead.is_empty() { Err(()) } else { Ok(()) })
    });
    Ok(died.await?.is_ok())
}
