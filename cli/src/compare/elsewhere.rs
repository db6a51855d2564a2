//! What can be measured where the lab is not: on an emulator, or on AWS. Orders
//! are placed and timed; the rest is not known there, and said to be so.

use std::collections::BTreeMap;

use duet_order::domain::Compensation;
use serde::Serialize;

use super::time::Spread;
use super::worlds::is_plain;
use super::{Column, tell};
use crate::ops::{catalog, place};
use crate::shop::scenario::Scenario;
use crate::shop::variant::Variant;
use crate::terminal::exit::Outcome;
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::world::World;

/// How long an order may take, in seconds.
const WITHIN: u64 = 300;

/// What is not known outside the lab, and why.
const NOT_KNOWN: [&str; 5] = [
    "cold and warm apart, and what an order waits for: nobody tells",
    "money: a bill comes later, and has all orders in one",
    "failure: nothing here can be made to fail at a rate (see duet demo --drill outage)",
    "guarantees: the documents say them (see duet compare --on lab)",
    "coupling and change: the same as in the lab, from the same templates",
];

/// How long orders took.
#[derive(Debug, Clone, Serialize)]
pub struct Elsewhere {
    /// From placing to the decision, in milliseconds.
    pub decided_ms: Spread,
    /// From placing until a rejected order was whole again.
    pub whole_ms: Spread,
}

/// What was measured, and what is not known.
#[derive(Debug, Clone, Serialize)]
pub struct Timed {
    /// Where.
    pub on: &'static str,
    /// The scenario.
    pub scenario: &'static str,
    /// Orders of each variant.
    pub orders: u32,
    /// The variants, in the order of the columns.
    pub variants: Vec<Column>,
    /// How long an order takes.
    pub time: BTreeMap<String, Elsewhere>,
    /// Variants whose median times may be the same, for all that was measured.
    pub indistinguishable: Vec<[String; 2]>,
    /// What is not known here.
    pub not_known: [&'static str; 5],
}

/// Places `orders` orders of `scenario` under each of `variants`, one after the
/// other and by turns, and times them.
///
/// # Errors
/// [`crate::terminal::exit::Problem`] when the scenario's orders do not go their
/// way alone, the target does not answer, or an order does not end.
pub async fn run<W: World>(
    world: &W,
    on: &'static str,
    variants: &[&'static Variant],
    scenario: &'static Scenario,
    orders: u32,
) -> Outcome<Timed> {
    if !is_plain(scenario) {
        return Err(super::not_plain(scenario));
    }
    // Ids of their own: others place orders there, too.
    let stem = format!("compare-{}", world.now().as_second());
    let patience = world.deployment().patience_seconds;
    let mut decided: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    let mut whole: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    let mut plans = Vec::new();
    for variant in variants {
        let plan = scenario.plan(
            &format!("{stem}-{}", variant.name),
            orders as usize,
            patience,
        );
        catalog::seed(world, &plan.goods).await?;
        plans.push(plan.waves.into_iter().flatten().collect::<Vec<_>>());
    }
    for n in 0..orders as usize {
        for (variant, plan) in variants.iter().zip(&plans) {
            let Some(order) = plan.get(n) else { continue };
            let began = world.now();
            place::submit(world, variant, order).await?;
            let ended = place::ended(world, order.order.as_str(), WITHIN).await?;
            let since = |at: duet_core::Timestamp| at.as_millisecond() - began.as_millisecond();
            if let Some(at) = ended.decided_at {
                decided.entry(variant.name).or_default().push(since(at));
            }
            let done = ended.compensation == Compensation::Done;
            if let Some(at) = ended.touched_at.filter(|_| done) {
                whole.entry(variant.name).or_default().push(since(at));
            }
        }
    }
    let spread = |of: &BTreeMap<&str, Vec<i64>>, name: &str| {
        Spread::measured(of.get(name).map_or(&[], Vec::as_slice))
    };
    let time = variants.iter().map(|variant| {
        let measured = Elsewhere {
            decided_ms: spread(&decided, variant.name),
            whole_ms: spread(&whole, variant.name),
        };
        (variant.name.to_owned(), measured)
    });
    let time: BTreeMap<String, Elsewhere> = time.collect();
    let names: Vec<String> = variants.iter().map(|it| it.name.to_owned()).collect();
    let alike = |one: &str, other: &str| time[one].decided_ms.overlaps(&time[other].decided_ms);
    Ok(Timed {
        on,
        scenario: scenario.name,
        orders,
        variants: variants.iter().map(|it| Column::of(it)).collect(),
        indistinguishable: super::pairs(&names, alike),
        time,
        not_known: NOT_KNOWN,
    })
}

impl Report for Timed {
    fn text(&self) -> String {
        let names = self.variants.iter().map(|it| it.name.as_str());
        let mut rows = table(std::iter::once("TIME").chain(names).map(table::prose));
        for (at, (quantile, _)) in Spread::default().each().into_iter().enumerate() {
            let cells = self.variants.iter().map(|it| {
                let spread = &self.time[&it.name].decided_ms;
                tell::ranged(spread, quantile, spread.each()[at].1)
            });
            rows.add_row(std::iter::once(format!("decided, {quantile}")).chain(cells));
        }
        let cells = self.variants.iter().map(|it| {
            let spread = &self.time[&it.name].whole_ms;
            tell::ranged(spread, "p50", spread.p50)
        });
        rows.add_row(std::iter::once("rejected and whole, p50".to_owned()).chain(cells));
        let mut lines = vec![
            format!(
                "Scenario {}; {} orders of each variant, one after the other, on {}.\n",
                self.scenario, self.orders, self.on
            ),
            rows.text(),
            "(milliseconds from placing an order, by this machine's clock and the services'; in brackets what the number of orders leaves open)".to_owned(),
        ];
        for [one, other] in &self.indistinguishable {
            lines.push(format!(
                "{one} and {other} cannot be told apart by so many orders."
            ));
        }
        lines.push("\nNot known here:".to_owned());
        lines.extend(self.not_known.iter().map(|what| format!("- {what}")));
        lines.join("\n")
    }
}
