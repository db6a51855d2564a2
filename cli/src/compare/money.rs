//! What an order costs, and what stands when there is none: metered units and
//! dated prices, added up.

use std::collections::{BTreeMap, BTreeSet};

use duet_lab::{Definitions, Meter, bundled, deployed, stacks};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::prices::{self, Price};
use crate::shop::variant::Description;
use crate::terminal::exit::{Outcome, Problem};

const MILLION: f64 = 1e6;
const GIB: f64 = 1_024.0 * 1_024.0 * 1_024.0;
/// Bytes of the lines that Lambda writes by itself for an invocation (START,
/// END, REPORT). An assumption: nobody publishes their mean size.
const PLATFORM_LINES: f64 = 400.0;
/// Requests a month of a mapping that polls an empty queue: five pollers that
/// each wait for 20 seconds, over 730 hours. An assumption: AWS publishes none.
const EMPTY_RECEIVES: f64 = 5.0 * 3.0 * 60.0 * 730.0;
/// The memory of an Express execution: the least that is billed (Step Functions
/// pricing: by 64 MB). An assumption: AWS says how much one takes only in its bill.
const EXPRESS_MEMORY_MIB: f64 = 64.0;
/// Dashboards that cost nothing.
const FREE_DASHBOARDS: usize = 3;

/// What is priced by AWS and not in the list of prices.
const NOT_ESTABLISHED: [&str; 3] = [
    "traces",
    "point-in-time recovery of tables",
    "storage of logs and documents",
];

/// A line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Which sum it belongs to.
    pub group: String,
    /// What is charged for.
    pub what: String,
    /// How many units for one order, or a month.
    pub units: f64,
    /// The price, by name.
    pub price: String,
    /// US dollars for a million orders, or for a month.
    pub usd: f64,
    /// Whether the units rest on an assumption.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
}

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

/// Lines are collected here.
struct Bill {
    lines: Vec<Line>,
    missing: BTreeSet<String>,
}

impl Bill {
    /// Charges `units` of `item` for each of `many`.
    fn charge(&mut self, group: &str, what: &str, units: f64, item: &str, many: f64) {
        match prices::of(item) {
            _ if units == 0.0 => {}
            None => {
                self.missing.insert(what.to_owned());
            }
            Some(price) => self.lines.push(Line {
                group: group.to_owned(),
                what: what.to_owned(),
                units,
                price: item.to_owned(),
                usd: price.of(units * many),
                assumed: false,
            }),
        }
    }

    /// The last line rests on an assumption.
    fn assumed(&mut self) {
        if let Some(line) = self.lines.last_mut() {
            line.assumed = true;
        }
    }

    fn sum(&self, group: &str) -> f64 {
        let of = self.lines.iter().filter(|line| line.group == group);
        of.map(|line| line.usd).sum()
    }
}

/// What the variant of `description` costs, of which `orders` orders used `meter`
/// and wrote `metrics` custom metrics.
///
/// # Errors
/// [`Problem`] when the templates cannot be read.
pub fn of(
    definitions: &Definitions,
    description: &Description,
    (meter, orders): (&Meter, u64),
    metrics: usize,
) -> Outcome<Money> {
    let units = units(meter, orders);
    let unit = |name: &str| units[name];
    let mut bill = Bill {
        lines: Vec::new(),
        missing: NOT_ESTABLISHED.map(str::to_owned).into(),
    };
    let group = "coordination";
    for (what, item, name) in [
        (
            "state transitions",
            "step-functions-transition",
            "transitions",
        ),
        (
            "starts of Express executions",
            "step-functions-express-request",
            "express_starts",
        ),
        ("events", "eventbridge-event", "events"),
        // Each message as a request: small ones of one batch may be billed as one.
        ("publications to topics", "sns-publish", "published"),
        (
            "publications to a FIFO topic",
            "sns-fifo-publish",
            "fifo_published",
        ),
        (
            "deliveries of a FIFO topic",
            "sns-fifo-delivery",
            "fifo_deliveries",
        ),
        ("queue requests", "sqs-request", "queue_requests"),
        (
            "requests to FIFO queues",
            "sqs-fifo-request",
            "fifo_requests",
        ),
        ("schedules", "scheduler-invocation", "schedules"),
    ] {
        bill.charge(group, what, unit(name), item, MILLION);
    }
    let seconds = unit("express_ms") / 1_000.0 * EXPRESS_MEMORY_MIB / 1_024.0;
    let item = "step-functions-express-gb-second";
    bill.charge(group, "Express executions", seconds, item, MILLION);
    if seconds > 0.0 {
        bill.assumed();
    }
    for (what, item, name) in [
        ("bytes to a FIFO topic", "sns-fifo-publish-gb", "fifo_bytes"),
        (
            "bytes from a FIFO topic",
            "sns-fifo-delivery-gb",
            "fifo_delivered_bytes",
        ),
    ] {
        bill.charge(group, what, unit(name) / GIB, item, MILLION);
    }
    let archived = description
        .facts()
        .is_some_and(|facts| facts.archive.is_some());
    if archived {
        let gb = unit("event_bytes") / GIB;
        bill.charge(group, "archive", gb, "eventbridge-archive-gb", MILLION);
    }
    let group = "functions";
    let memory = memory(definitions)?;
    let architecture = definitions.values.get("Architecture");
    let architecture = architecture.map_or("x86_64", String::as_str);
    let seconds = format!("lambda-gb-second-{architecture}");
    bill.charge(
        group,
        "invocations",
        unit("invocations"),
        "lambda-request",
        MILLION,
    );
    let gib = memory as f64 / 1_024.0;
    let (store, waits) = (unit("store_ms"), unit("third_party_ms"));
    let own = (unit("function_ms") - store - waits).max(0.0);
    for (what, ms, assumed) in [
        ("waiting for a third party", waits, true),
        ("waiting for tables", store, false),
        ("their own work and other calls", own, true),
        ("starting", unit("init_ms"), true),
    ] {
        bill.charge(group, what, ms / 1_000.0 * gib, &seconds, MILLION);
        if assumed && ms > 0.0 {
            bill.assumed();
        }
    }
    let third_party_usd = bill
        .lines
        .iter()
        .find(|line| line.what == "waiting for a third party");
    let third_party_usd = third_party_usd.map_or(0.0, |line| line.usd);
    let group = "storage";
    bill.charge(
        group,
        "writes of tables",
        unit("write_units"),
        "dynamodb-write",
        MILLION,
    );
    bill.charge(
        group,
        "reads of tables",
        unit("read_units"),
        "dynamodb-read",
        MILLION,
    );
    let group = "logs";
    bill.charge(
        group,
        "the functions' lines",
        unit("log_bytes") / GIB,
        "logs-gb",
        MILLION,
    );
    let records = unit("express_log_bytes") / GIB;
    bill.charge(group, "records of executions", records, "logs-gb", MILLION);
    if records > 0.0 {
        bill.assumed();
    }
    let lines = unit("invocations") * PLATFORM_LINES / GIB;
    bill.charge(group, "Lambda's own lines", lines, "logs-gb", MILLION);
    bill.assumed();
    bill.charge(
        "notices",
        "publications",
        unit("notices"),
        "sns-publish",
        MILLION,
    );
    standing(&mut bill, definitions, description, metrics)?;
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

const STANDING: &str = "standing";

/// The memory of every function, in MiB.
fn memory(definitions: &Definitions) -> Outcome<u64> {
    let sizes: BTreeSet<u64> = definitions.functions.iter().map(|it| it.memory).collect();
    match sizes.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => Ok(*one),
        several => Err(Problem::environment(format!(
            "functions have {several:?} MiB; the time of functions is priced for one size"
        ))),
    }
}

/// What costs money when nothing happens: what is the variant's, and what all share.
fn standing(
    bill: &mut Bill,
    definitions: &Definitions,
    description: &Description,
    metrics: usize,
) -> Outcome<()> {
    let (files, parameters) = (bundled(), &definitions.parameters);
    let all = stacks(&files, &definitions.stack, parameters).map_err(Problem::environment)?;
    // A stack that describes a variant is that variant's, with all that is in it.
    let others: Vec<&str> = all
        .iter()
        .filter(|stack| {
            let said = stack.outputs.get("Variant");
            said.is_some_and(|said| !description.is_said_by(said))
        })
        .map(|stack| stack.place.as_str())
        .collect();
    let kinds = [
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::Lambda::EventSourceMapping",
    ];
    let found = deployed(&files, &definitions.stack, parameters, &kinds);
    let found = found.map_err(Problem::environment)?;
    let mine = |kind: &'static str| {
        let found = found.iter().filter(move |it| it.kind == kind);
        found.filter(|it| !others.iter().any(|other| it.place.starts_with(other)))
    };
    let watched = mine(kinds[0]).map(|alarm| {
        let sum = alarm.properties["Metrics"].as_array();
        let of = |list: &Vec<serde_json::Value>| {
            list.iter().filter(|it| !it["MetricStat"].is_null()).count()
        };
        sum.map_or(1, of)
    });
    let alarms = watched.sum::<usize>() as f64;
    let dashboards = mine(kinds[1]).count().saturating_sub(FREE_DASHBOARDS) as f64;
    let polled = mine(kinds[2]).count() as f64;
    bill.charge(STANDING, "metrics of alarms", alarms, "alarm-month", 1.0);
    bill.charge(STANDING, "dashboards", dashboards, "dashboard-month", 1.0);
    bill.charge(
        STANDING,
        "custom metrics",
        metrics as f64,
        "metric-month",
        1.0,
    );
    let empty = polled * EMPTY_RECEIVES;
    bill.charge(
        STANDING,
        "receives of empty queues",
        empty,
        "sqs-request",
        1.0,
    );
    bill.assumed();
    Ok(())
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

    #[test]
    fn a_bill_leaves_out_what_has_no_price_and_says_so() {
        let mut bill = Bill {
            lines: Vec::new(),
            missing: BTreeSet::new(),
        };
        bill.charge("g", "doves", 3.0, "dove", MILLION);
        bill.charge(
            "g",
            "transitions",
            10.0,
            "step-functions-transition",
            MILLION,
        );
        assert!(bill.missing.contains("doves") && bill.lines.len() == 1);
        assert!((bill.sum("g") - 250.0).abs() < 1e-9);
    }
}
