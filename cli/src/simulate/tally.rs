//! What many worlds come to, added up world by world.

use std::collections::BTreeMap;

use duet_lab::{Fault, Moment};

use super::{End, LostOrder, Options, Raced, SimulationReport};
use super::{ending, parity, seed_of, variant_of};

/// The least share of what it can touch that a fault at its usual rate is to touch,
/// where there are [`MANY`] chances; of a rarer one, half of its rate.
const LEAST_SHARE: f64 = 0.02;
/// So many chances that a share is no accident.
const MANY: u64 = 1_000;
/// The most lost orders that a report names.
const SHOWN: usize = 20;

/// The report so far, and what it will be made of.
pub(super) struct Tally<'a> {
    pub(super) report: SimulationReport,
    options: &'a Options,
    twins: parity::Twins,
    trace: u64,
    chances: BTreeMap<Fault, u64>,
    touched: BTreeMap<Fault, u64>,
}

impl<'a> Tally<'a> {
    /// Nothing yet of what `options` ask for.
    pub(super) fn new(options: &'a Options) -> Self {
        let races = options.variants.iter().flat_map(|variant| {
            ending::races(variant).map(move |name| Raced {
                name,
                variant: variant.name,
                count: 0,
                example: None,
            })
        });
        Self {
            report: SimulationReport {
                seeds: 0,
                orders: 0,
                outcomes: BTreeMap::new(),
                violations: Vec::new(),
                trace_hash: String::new(),
                faults_injected: BTreeMap::new(),
                faults_share: BTreeMap::new(),
                faults_thin: Vec::new(),
                usage: BTreeMap::new(),
                orders_by_variant: BTreeMap::new(),
                races: races.collect(),
                lost: BTreeMap::new(),
                lost_orders: Vec::new(),
                elapsed_s: 0.0,
            },
            options,
            twins: parity::Twins::default(),
            trace: 0,
            chances: BTreeMap::new(),
            touched: BTreeMap::new(),
        }
    }

    /// Adds what `world` did.
    pub(super) fn count(&mut self, world: u64, end: &mut End) {
        let report = &mut self.report;
        let variant = variant_of(self.options, world);
        let seed = seed_of(self.options, world);
        report.seeds = world / self.options.variants.len().max(1) as u64 + 1;
        report.orders += end.outcomes.len() as u64;
        *report.orders_by_variant.entry(variant.name).or_default() += end.outcomes.len() as u64;
        for outcome in std::mem::take(&mut end.outcomes) {
            *report.outcomes.entry(outcome).or_default() += 1;
        }
        self.trace = self
            .trace
            .rotate_left(7)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ end.trace;
        for (kind, _) in &end.struck {
            *report.faults_injected.entry(kind.name()).or_default() += 1;
        }
        for (kind, times) in &end.chances {
            *self.chances.entry(*kind).or_default() += times;
        }
        for (kind, times) in &end.touched {
            *self.touched.entry(*kind).or_default() += times;
        }
        *report.usage.entry(variant.name).or_default() += end.used;
        for raced in report
            .races
            .iter_mut()
            .filter(|row| row.variant == variant.name)
        {
            raced.count += end.races.get(raced.name).copied().unwrap_or(0);
            if raced.example.is_none() {
                let example = end.examples.get(raced.name);
                raced.example = example.map(|example| format!("seed {seed}: {example}"));
            }
        }
        let losses = report.lost.entry(variant.name).or_default();
        losses.orders += end.good;
        losses.lost += end.lost.len() as u64;
        let room = SHOWN.saturating_sub(report.lost_orders.len());
        let told = end.lost.iter().take(room);
        report.lost_orders.extend(told.map(|(id, why)| LostOrder {
            what: format!("seed {seed}, {}: {why}", variant.name),
            timeline: about(&end.timeline, id),
        }));
    }

    /// Holds what `world`, in which nothing is wrong, left behind against the same seed's
    /// worlds of other variants.
    pub(super) fn compare(&mut self, world: u64, end: End) {
        let (seed, variant) = (
            seed_of(self.options, world),
            variant_of(self.options, world),
        );
        let unequal = self.twins.unequal(seed, variant, end.traces, &end.struck);
        self.report.violations.extend(unequal);
    }

    /// The report, with its shares and averages.
    pub(super) fn summed_up(self) -> SimulationReport {
        let mut report = self.report;
        for losses in report.lost.values_mut() {
            losses.share = losses.lost as f64 / losses.orders.max(1) as f64;
        }
        for (variant, meter) in &mut report.usage {
            let orders = report.orders_by_variant.get(variant).copied().unwrap_or(1);
            *meter = meter.per(orders);
        }
        for (kind, times) in self.chances {
            let share = self.touched.get(&kind).copied().unwrap_or(0) as f64 / times.max(1) as f64;
            report.faults_share.insert(kind.name(), share);
            let usual = self.options.faults.contains(&kind.into());
            if usual && times >= MANY && share < LEAST_SHARE.min(kind.rate() / 2.0) {
                report.faults_thin.push(kind.name());
            }
        }
        report.trace_hash = format!("{:016x}", self.trace);
        report
    }
}

/// What happened to `subject`.
fn about(timeline: &[Moment], subject: &str) -> Vec<Moment> {
    let its = timeline.iter().filter(|moment| moment.subject == subject);
    its.cloned().collect()
}
