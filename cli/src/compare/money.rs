//! What an order costs, and what stands when there is none: metered units and
//! dated prices, added up.

use std::collections::{BTreeMap, BTreeSet};

use duet_lab::{Definitions, Meter};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::bill::{Bill, Line, MILLION, STANDING};
use super::prices::{self, Price};
use crate::shop::variant::Description;
use crate::terminal::exit::Outcome;

/// What is priced by AWS and not in the list of prices.
const NOT_ESTABLISHED: [&str; 3] = [
    "traces",
    "point-in-time recovery of tables",
    "storage of logs and documents",
];

/// What one variant costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Money {
    /// US dollars for a million orders, by group, and `total`.
    pub per_million_usd: BTreeMap<String, f64>,
    /// The part of `functions` in which they wait for a payment provider or a
    /// carrier: an assumption, as how long these take is.
    pub third_party_usd: f64,
    /// US dollars a month with no order at all, from deploying this variant
    /// alone with what all share.
    pub standing_month_usd: f64,
    /// What one order uses on average, by unit.
    pub units: BTreeMap<String, f64>,
    /// Each line of both sums.
    pub lines: Vec<Line>,
    /// What is charged as well and not in the sums: they are lower bounds.
    pub not_established: Vec<String>,
}

/// When two variants cost the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BreakEven {
    /// The two.
    pub variants: [String; 2],
    /// Orders a month at which they cost the same; below, the one that costs
    /// less to leave standing is cheaper. Absent where one is cheaper always.
    pub orders_a_month: Option<u64>,
    /// The one that is cheaper for an order more.
    pub cheaper_per_order: String,
    /// Whether less than one in a hundred lies between them, for an order and for a month
    /// with none: then neither is said to be cheaper.
    #[serde(default)]
    pub alike: bool,
}

/// What `meter` tells of `orders` orders, for one.
fn units(meter: &Meter, orders: u64) -> BTreeMap<String, f64> {
    let share = |all: u64| all as f64 / orders.max(1) as f64;
    let all = [
        ("transitions", meter.transitions),
        ("express_starts", meter.express_starts),
        ("express_ms", meter.express_ms),
        ("express_log_bytes", meter.express_log_bytes),
        ("invocations", meter.invocations),
        ("cold_starts", meter.cold_starts),
        ("function_ms", meter.function_ms),
        ("init_ms", meter.init_ms),
        ("store_ms", meter.store_ms),
        ("third_party_ms", meter.third_party_ms),
        ("retries", meter.retries),
        ("events", meter.events),
        ("event_bytes", meter.event_bytes),
        ("published", meter.published),
        ("deliveries", meter.deliveries),
        ("fifo_published", meter.fifo_published),
        ("fifo_deliveries", meter.fifo_deliveries),
        ("fifo_bytes", meter.fifo_bytes),
        ("fifo_delivered_bytes", meter.fifo_delivered_bytes),
        ("queue_requests", meter.queue_requests),
        ("fifo_requests", meter.fifo_requests),
        ("schedules", meter.schedules),
        ("notices", meter.notices),
        ("read_units", meter.read_units),
        ("write_units", meter.write_units),
        ("log_lines", meter.log_lines),
        ("log_bytes", meter.log_bytes),
    ];
    let named = all.into_iter();
    named
        .map(|(name, all)| (name.to_owned(), share(all)))
        .collect()
}

/// What the variant of `description` costs, of which `orders` orders used `meter`
/// and wrote `metrics` custom metrics.
///
/// # Errors
/// [`Problem`](crate::terminal::exit::Problem) when the templates cannot be read.
pub fn of(
    definitions: &Definitions,
    description: &Description,
    (meter, orders): (&Meter, u64),
    metrics: usize,
) -> Outcome<Money> {
    let units = units(meter, orders);
    let mut bill = Bill::without(&NOT_ESTABLISHED);
    let facts = description.facts();
    let archived = facts.is_some_and(|facts| facts.archive.is_some());
    bill.coordination(&units, archived);
    let third_party_usd = bill.functions(&units, definitions)?;
    bill.storage(&units);
    bill.logs(&units);
    bill.notices(&units);
    bill.standing(definitions, description, metrics)?;
    let mut per_million_usd = BTreeMap::new();
    for group in ["coordination", "functions", "storage", "logs", "notices"] {
        per_million_usd.insert(group.to_owned(), bill.sum(group));
    }
    let total = per_million_usd.values().sum();
    per_million_usd.insert("total".to_owned(), total);
    Ok(Money {
        per_million_usd,
        third_party_usd,
        standing_month_usd: bill.sum(STANDING),
        units,
        lines: bill.lines,
        not_established: bill.missing.into_iter().collect(),
    })
}

/// Two variants that cost so nearly the same are not told apart: how long functions run
/// is drawn.
const ALIKE: f64 = 0.01;

/// The orders a month at which each two of `money` cost the same.
#[must_use]
pub fn break_even(order: &[String], money: &BTreeMap<String, Money>) -> Vec<BreakEven> {
    let mut all = Vec::new();
    for (at, one) in order.iter().enumerate() {
        for other in &order[at + 1..] {
            let (Some(a), Some(b)) = (money.get(one), money.get(other)) else {
                continue;
            };
            let per_order = (a.per_million_usd["total"] - b.per_million_usd["total"]) / MILLION;
            let standing = b.standing_month_usd - a.standing_month_usd;
            let orders = standing / per_order;
            let alike = |one: f64, other: f64| (one - other).abs() <= ALIKE * one.max(other);
            all.push(BreakEven {
                alike: alike(a.per_million_usd["total"], b.per_million_usd["total"])
                    && alike(a.standing_month_usd, b.standing_month_usd),
                variants: [one.clone(), other.clone()],
                orders_a_month: (orders.is_finite() && orders > 0.0).then_some(orders as u64),
                cheaper_per_order: if per_order < 0.0 { one } else { other }.clone(),
            });
        }
    }
    all
}

/// The prices that `money` rests on, and whether each is old `today`.
#[must_use]
pub fn used<'a>(money: impl IntoIterator<Item = &'a Money>, today: Date) -> Vec<Dated> {
    let lines = money.into_iter().flat_map(|money| &money.lines);
    let names: BTreeSet<&str> = lines.map(|line| line.price.as_str()).collect();
    let prices = names.into_iter().filter_map(prices::of);
    let dated = prices.map(|price| Dated {
        price: price.clone(),
        stale: price.is_stale(today),
    });
    dated.collect()
}

/// A price, and whether it is older than 180 days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dated {
    /// The price.
    #[serde(flatten)]
    pub price: Price,
    /// Whether it is old.
    pub stale: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(per_million: f64, standing: f64) -> Money {
        Money {
            per_million_usd: BTreeMap::from([("total".to_owned(), per_million)]),
            third_party_usd: 0.0,
            standing_month_usd: standing,
            units: BTreeMap::new(),
            lines: Vec::new(),
            not_established: Vec::new(),
        }
    }

    #[test]
    fn two_variants_break_even_where_the_sums_meet() {
        let names = ["a".to_owned(), "b".to_owned()];
        let both = |a, b| BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        let even = break_even(&names, &both(money(300.0, 5.0), money(100.0, 6.0)));
        assert_eq!(even[0].orders_a_month, Some(5_000));
        assert_eq!(even[0].cheaper_per_order, "b");
        let never = break_even(&names, &both(money(300.0, 6.0), money(100.0, 5.0)));
        assert_eq!(never[0].orders_a_month, None);
        assert!(!even[0].alike && !never[0].alike);
        for (total, standing, alike) in
            [(302.9, 5.0, true), (303.1, 5.0, false), (300.0, 6.0, false)]
        {
            let near = break_even(&names, &both(money(300.0, 5.0), money(total, standing)));
            assert_eq!(near[0].alike, alike, "{total}, {standing}");
        }
    }
}
