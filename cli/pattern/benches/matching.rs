//! Events per second against 1, 35 and 300 rules, with the event parsed beforehand and parsed anew each time.
//!
//! The rules are of the kinds the order system has: a detail type, often a source, some with a test inside `detail`. The
//! 300 rules of the largest set are a bus at its quota, shared by teams with their own detail types.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use duet_pattern::{Matcher, Pattern};
use serde_json::{Value, json};

const FACTS: [&str; 12] = [
    "NewOrder",
    "OrderConfirmed",
    "OrderRejected",
    "NoFraudDetected",
    "PossibleFraud",
    "StockReserved",
    "StockUnavailable",
    "PaymentCaptured",
    "PaymentDeclined",
    "PaymentRefunded",
    "DeliveryScheduled",
    "DeliveryFailed",
];

fn rules(count: usize) -> Matcher<usize> {
    let mut matcher = Matcher::new();
    for i in 0..count {
        let fact = FACTS[i % FACTS.len()];
        let team = i / 36;
        let name = if team == 0 {
            fact.to_owned()
        } else {
            format!("{fact}{team}")
        };
        let pattern = match i % 5 {
            0 => json!({"detail-type": [name]}),
            1 => json!({"source": [{"prefix": "duet."}], "detail-type": [name]}),
            2 => json!({"detail-type": [name], "detail": {"data": {"kind": ["order"]}}}),
            3 => {
                json!({"detail-type": [name], "detail": {"data": {"total": {"amount": [{"numeric": [">", 0]}]}},
                                                          "metadata": {"variant": [{"anything-but": ["sns", "fifo"]}]}}})
            }
            _ => {
                json!({"source": ["duet.order"], "detail-type": [name], "replay-name": [{"exists": false}]})
            }
        };
        matcher.add(i, &Pattern::from_value(&pattern).expect("a valid pattern"));
    }
    matcher
}

fn events() -> Vec<String> {
    FACTS
        .iter()
        .map(|fact| {
            json!({
                "version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602", "detail-type": fact, "source": "duet.order",
                "account": "123456789012", "time": "2025-11-11T21:29:54Z", "region": "eu-west-1", "resources": [],
                "detail": {
                    "metadata": {"id": "order-000017/NewOrder", "source": "duet.order", "type": fact,
                                 "subject": "order-000017", "time": "2025-11-11T21:29:54.123Z", "schemaversion": 1,
                                 "correlationid": "order-000017", "causationid": "order-000017/PlaceOrder",
                                 "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                                 "variant": "eventbridge"},
                    "data": {"kind": "order", "customer": "customer-42", "total": {"amount": 4200, "currency": "EUR"},
                             "lines": [{"sku": "SKU-1", "quantity": 2, "price": 1500},
                                       {"sku": "SKU-2", "quantity": 1, "price": 1200}],
                             "ship_to": {"country": "DE", "postcode": "10115"}, "token": "tok_visa"}
                }
            })
            .to_string()
        })
        .collect()
}

fn matching(criterion: &mut Criterion) {
    let texts = events();
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
