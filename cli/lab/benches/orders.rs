//! Whole happy orders by variant, from the submission to the notice: events
//! serialised and parsed as on the wire, histories recorded.
//!
//! `duet bench lab` measures the same and more, for people and scripts.

#![allow(clippy::unwrap_used, reason = "what cannot go on cannot be measured")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use duet_lab::{Config, Lab};
use jiff::SignedDuration;

#[path = "../tests/it/shop.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod shop;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Orders of one measurement, and of one wave.
const ORDERS: u32 = 500;
const WAVE: u32 = 20;

fn play(lab: &mut Lab, variant: &str) {
    for n in 0..ORDERS {
        shop::place(lab, variant, &format!("o-{n}"), "tok_visa");
        if n % WAVE == WAVE - 1 {
            lab.advance(lab.now() + SignedDuration::from_millis(400));
        }
    }
    lab.settle(10_000);
    let last = shop::standing(lab, &format!("o-{}", ORDERS - 1));
    assert!(last.contains("Confirmed"), "{last}");
}

fn orders(criterion: &mut Criterion) {
    let definitions = shop::definitions();
    let mut group = criterion.benchmark_group("happy orders");
    group.throughput(Throughput::Elements(ORDERS.into()));
    group.sample_size(10);
    for variant in shop::VARIANTS {
        let fresh = || {
            let config = Config {
                seed: 1,
                ..Config::default()
            };
            shop::stocked(Lab::new(definitions.clone(), config).unwrap())
        };
        group.bench_function(variant, |bencher| {
            bencher.iter_batched_ref(fresh, |lab| play(lab, variant), BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, orders);
criterion_main!(benches);
