//! How many state transitions a second one core makes.
//!
//! Three machines: Pass and Choice on JSONPath without kept history (target
//! 1,000,000/s), the same with it, and JSONata with it (target 200,000/s).

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use duet_asl::{Execution, ExecutionOptions, StateMachine, Status};
use serde_json::{Value, json};
use std::hint::black_box;
use std::sync::Arc;

/// A chain of `n` states alternating between the two makers' shapes.
fn chain(
    language: &str,
    n: usize,
    odd: fn(&str) -> Value,
    even: fn(&str) -> Value,
) -> Arc<StateMachine> {
    let mut states = serde_json::Map::new();
    for i in 0..n {
        let next = format!("S{}", i + 1);
        let state = if i % 2 == 0 { odd(&next) } else { even(&next) };
        states.insert(format!("S{i}"), state);
    }
    states.insert(format!("S{n}"), json!({"Type": "Succeed"}));
    let definition = json!({"QueryLanguage": language, "StartAt": "S0", "States": states});
    Arc::new(StateMachine::parse(&definition.to_string()).expect("a valid chain"))
}

fn order() -> Value {
    json!({
        "order": {"id": "o-1", "total": 4200, "currency": "EUR", "lines": [
            {"sku": "mug", "quantity": 2, "price": 1200}, {"sku": "tee", "quantity": 1, "price": 1800}
        ]},
        "customer": {"id": "c-1", "country": "DE"},
        "attempt": 1
    })
}

fn measure(c: &mut Criterion, name: &str, machine: &Arc<StateMachine>, history: bool) {
    let options = ExecutionOptions {
        history,
        ..ExecutionOptions::default()
    };
    let input = order();
    let once = Execution::start(machine, input.clone(), &options, 0);
    assert_eq!(once.status(), Status::Succeeded, "{:?}", once.cause());
    let mut group = c.benchmark_group("transitions");
    group.throughput(Throughput::Elements(once.transitions()));
    group.bench_function(name, |b| {
        b.iter(|| black_box(Execution::start(machine, input.clone(), &options, 0).transitions()));
    });
    group.finish();
}

fn benches(c: &mut Criterion) {
    let path = chain(
        "JSONPath",
        1_000,
        |next| json!({"Type": "Pass", "Next": next}),
        |next| {
            json!({"Type": "Choice", "Default": next, "Choices": [
                {"Variable": "$.customer.country", "StringEquals": "FR", "Next": next},
                {"Variable": "$.order.total", "NumericGreaterThan": 1000, "Next": next}
            ]})
        },
    );
    measure(c, "jsonpath", &path, false);
    measure(c, "jsonpath_history", &path, true);
    let jsonata = chain(
        "JSONata",
        1_000,
        |next| {
            json!({"Type": "Pass", "Next": next,
            "Assign": {"total": "{% $states.input.order.total %}"},
            "Output": {
                "order": "{% $states.input.order %}",
                "customer": "{% $states.input.customer %}",
                "attempt": "{% $states.input.attempt + 1 %}"
            }})
        },
        |next| {
            json!({"Type": "Choice", "Default": next, "Choices": [
                {"Condition": "{% $states.input.customer.country = 'FR' and $total > 10 %}", "Next": next},
                {"Condition": "{% $total > 1000 %}", "Next": next}
            ]})
        },
    );
    measure(c, "jsonata_history", &jsonata, true);
}

criterion_group!(all, benches);
criterion_main!(all);
