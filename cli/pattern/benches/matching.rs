//! Events per second against 1, 35 and 300 rules, with the event parsed beforehand and parsed anew each time.
//!
//! The rules are of the kinds the order system has: a detail type, often a source, some with a test inside `detail`. The
//! 300 rules of the largest set are a bus at its quota, shared by teams with their own detail types.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use duet_pattern::{Matcher, Pattern};
use serde_json::Value;

#[expect(dead_code, reason = "the other benchmark uses the rest")]
mod shop;

fn rules(count: usize) -> Matcher<usize> {
    let parsed = |rule: &Value| Pattern::from_value(rule).expect("a valid pattern");
    shop::rules(count).iter().map(parsed).enumerate().collect()
}

fn matching(criterion: &mut Criterion) {
    let texts = shop::events(12);
    let parsed: Vec<Value> = texts
        .iter()
        .map(|text| serde_json::from_str(text).expect("JSON"))
        .collect();
    let bytes = texts.iter().map(String::len).sum::<usize>() / texts.len();
    let mut group = criterion.benchmark_group(format!("events of {bytes} bytes"));
    group.throughput(Throughput::Elements(texts.len() as u64));
    for count in [1, 35, 300] {
        let matcher = rules(count);
        group.bench_function(BenchmarkId::new("parsed", count), |bencher| {
            bencher.iter(|| {
                parsed
                    .iter()
                    .map(|event| matcher.matches(black_box(event)).len())
                    .sum::<usize>()
            });
        });
        group.bench_function(BenchmarkId::new("from text", count), |bencher| {
            bencher.iter(|| {
                texts
                    .iter()
                    .map(|text| {
                        let event: Value = serde_json::from_str(black_box(text)).expect("JSON");
                        matcher.matches(&event).len()
                    })
                    .sum::<usize>()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, matching);
criterion_main!(benches);
