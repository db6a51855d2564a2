//! What a simulated world is asked to do: a mix of scenarios, drawn by the seed.

use std::num::NonZeroU32;

use duet_core::Sku;
use duet_core::order::{Line, Reason};

use crate::shop::goods::Good;
use crate::shop::scenario::{self, Expected, Plan, Scenario};

/// One scenario of a world, and how far it is.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// Its place in the world.
    pub(super) number: usize,
    pub(super) name: &'static str,
    pub(super) expected: Expected,
    pub(super) plan: Plan,
    /// When it begins, in milliseconds from the world's beginning.
    pub(super) begins: i64,
}

/// The most lines of an order in a simulated world, but for those of a scenario
/// that is about lines.
const LINES: usize = 5;
/// What an order may cost so that more lines can be added and it stays what it
/// is to the fraud rules, in minor units.
const SMALL: i64 = 100_000;
/// So many numbers of orders, from three on, may want the last piece.
const MORE_RIVALS: u64 = 3;

/// A number below `below` that `seed` and `what` decide.
pub(super) fn draw(seed: u64, what: u64, below: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ what.wrapping_add(1) << 32,
    );
    random.u64(0..below.max(1))
}

/// The scripts of the world of `seed`, with about `orders` orders, rivals not counted.
pub(super) fn scripts(
    seed: u64,
    orders: usize,
    (with_fraud, patience): (bool, u32),
    only: &[&'static Scenario],
) -> Vec<Script> {
    let choice: Vec<&'static Scenario> = match only {
        [] => scenario::ALL.iter().collect(),
        some => some.to_vec(),
    };
    let choice: Vec<_> = choice
        .into_iter()
        .filter(|scenario| with_fraud || !scenario.fraud)
        .collect();
    let mut scripts: Vec<Script> = Vec::new();
    let mut placed = 0;
    while placed < orders && !choice.is_empty() {
        let number = scripts.len();
        let what = number as u64 * 8;
        let begins = draw(seed, what, 4_000) as i64;
        let scenario = choice[draw(seed, what + 1, choice.len() as u64) as usize];
        let copies = match scenario.expected {
            Expected::Contested {
                reason: Reason::StockUnavailable,
                ..
            } => 3 + draw(seed, what + 2, MORE_RIVALS) as usize,
            _ => 1,
        };
        let mut plan = scenario.plan(&format!("n{number}"), copies, patience);
        widen(&mut plan, number, |which, below| {
            draw(seed, what + 3 + which, below)
        });
        // A contest is one thing that happens, however many take part.
        placed += plan.waves.len().max(1);
        scripts.push(Script {
            number,
            begins,
            ..Script::of(scenario, plan)
        });
    }
    scripts
}

/// Adds lines to every order of `plan`, at times: of more SKUs, and of one it has
/// already. `draw` gives a number below its second argument for its first.
fn widen(plan: &mut Plan, number: usize, draw: impl Fn(u64, u64) -> u64) {
    let orders = || plan.waves.iter().flatten();
    let fits = orders().all(|order| order.lines.len() == 1 && order.total.amount < SMALL);
    let Some(price) = plan.goods.first().map(|good| good.price).filter(|_| fits) else {
        return;
    };
    // The same SKU on two lines, where that takes from nobody.
    let again = plan.goods[0].quantity > 100 && draw(0, 3) == 0;
    let more: Vec<Good> = (0..draw(1, LINES as u64 - 1))
        .filter_map(|n| {
            Some(Good {
                sku: format!("n{number}-more-{n}").parse::<Sku>().ok()?,
                name: None,
                price: duet_core::Money {
                    amount: 100 + draw(2, 900) as i64 + n as i64,
                    ..price
                },
                quantity: 1_000,
            })
        })
        .collect();
    for order in plan.waves.iter_mut().flatten() {
        for (good, n) in more.iter().zip(0_u32..) {
            let quantity = NonZeroU32::MIN.saturating_add(n % 2);
            order.total.amount += good.price.amount * i64::from(quantity.get());
            order.lines.push(Line {
                sku: good.sku.clone(),
                quantity,
            });
        }
        if again && order.lines.len() < LINES {
            let sku = order.lines[0].sku.clone();
            order.total.amount += price.amount;
            order.lines.push(Line {
                sku,
                quantity: NonZeroU32::MIN,
            });
        }
    }
    plan.goods.extend(more);
}

impl Script {
    /// `scenario` as `plan` says, alone in a world.
    pub(super) fn of(scenario: &Scenario, plan: Plan) -> Self {
        Self {
            number: 0,
            name: scenario.name,
            expected: scenario.expected,
            plan,
            begins: 0,
        }
    }

    /// How the orders of wave `wave` end where nothing goes wrong; of
    /// [`Expected::Contested`] which ones is a race.
    pub(super) fn twin(&self, wave: usize) -> Expected {
        match self.expected {
            Expected::Rejected(..) | Expected::NeedsAttention(..) | Expected::Contested { .. }
                if wave + 1 == self.plan.waves.len() =>
            {
                self.expected
            }
            _ => Expected::Confirmed,
        }
    }

    /// Whether a third party is silent about its orders for a time, whatever strikes.
    pub(super) fn has_silence(&self) -> bool {
        self.plan.waves.iter().flatten().any(|order| {
            let silent = |word: &str| word.contains("silent");
            silent(&order.payment_token) || silent(&order.ship_to.postcode)
        })
    }

    /// Whether its orders are of one customer, so that the fraud rules see one
    /// in the light of the others.
    pub(super) fn is_of_one_customer(&self) -> bool {
        let mut customers = self
            .plan
            .waves
            .iter()
            .flatten()
            .map(|order| &order.customer);
        let first = customers.next();
        let mut others = customers.peekable();
        others.peek().is_some() && others.all(|other| Some(other) == first)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn is_for_stock(expected: Expected) -> bool {
        matches!(expected, Expected::Contested { reason, .. } if reason == Reason::StockUnavailable)
    }

    #[test]
    fn worlds_have_wide_orders_and_contests() {
        let all: Vec<Script> = (1..=60)
            .flat_map(|seed| scripts(seed, 10, (true, 60), &[]))
            .collect();
        let orders = || {
            all.iter()
                .flat_map(|script| script.plan.waves.iter().flatten())
        };
        let lines: BTreeSet<usize> = orders().map(|order| order.lines.len()).collect();
        assert_eq!(lines, BTreeSet::from([1, 2, 3, 4, 5]));
        let twice = |order: &&duet_order::command::PlaceOrder| {
            let skus: BTreeSet<_> = order.lines.iter().map(|line| &line.sku).collect();
            skus.len() < order.lines.len()
        };
        assert!(orders().filter(twice).count() > 20);
        let rivals: BTreeSet<usize> = all
            .iter()
            .filter(|script| is_for_stock(script.expected))
            .map(|script| script.plan.waves[0].len())
            .collect();
        assert!(
            rivals.len() > 2 && rivals.iter().all(|n| *n >= 3),
            "{rivals:?}"
        );
        assert!(all.iter().any(|script| script.plan.waves.len() > 1));
    }
}
