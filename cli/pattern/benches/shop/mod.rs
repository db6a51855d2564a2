//! Rules and events as the order system has them, and rules that are harder to find.

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

const COUNTRIES: [&str; 4] = ["DE", "FR", "NL", "SE"];

/// Rules for detail types, some with a test more: a bus at its quota, shared by teams with their own detail types.
pub(crate) fn rules(count: usize) -> Vec<Value> {
    (0..count)
        .map(|i| {
            let fact = FACTS[i % FACTS.len()];
            let name = match i / 36 {
                0 => fact.to_owned(),
                team => format!("{fact}{team}"),
            };
            match i % 5 {
                0 => json!({"detail-type": [name]}),
                1 => json!({"source": [{"prefix": "duet."}], "detail-type": [name]}),
                2 => json!({"detail-type": [name], "detail": {"data": {"kind": ["order"]}}}),
                3 => {
                    json!({"detail-type": [name], "detail": {"data": {"total": {"amount": [{"numeric": [">", 0]}]}},
                                                              "metadata": {"variant": [{"anything-but": ["sns", "fifo"]}]}}})
                }
                _ => json!({"source": ["duet.order"], "detail-type": [name], "replay-name": [{"exists": false}]}),
            }
        })
        .collect()
}

/// Rules of one to three fields with exact values only, drawn from a seed.
pub(crate) fn exact(count: usize) -> Vec<Value> {
    let mut random = fastrand::Rng::with_seed(35);
    (0..count)
        .map(|_| {
            let mut fields = [0, 1, 2, 3, 4, 5];
            random.shuffle(&mut fields);
            let mut rule = json!({});
            for field in &fields[..random.usize(1..=3)] {
                let mut values = |draw: &mut dyn FnMut(&mut fastrand::Rng) -> Value| -> Value {
                    (0..random.usize(1..=3))
                        .map(|_| draw(&mut random))
                        .collect()
                };
                match field {
                    0 => {
                        rule["detail-type"] = values(&mut |r| json!(FACTS[r.usize(..FACTS.len())]))
                    }
                    1 => {
                        rule["detail"]["metadata"]["subject"] =
                            values(&mut |r| json!(format!("order-{:06}", r.u32(..120))));
                    }
                    2 => {
                        rule["detail"]["data"]["customer"] =
                            values(&mut |r| json!(format!("customer-{}", r.u32(..50))));
                    }
                    3 => {
                        rule["detail"]["data"]["ship_to"]["country"] =
                            values(&mut |r| json!(COUNTRIES[r.usize(..COUNTRIES.len())]));
                    }
                    4 => {
                        rule["detail"]["data"]["total"]["amount"] =
                            values(&mut |r| json!(4_000 + 10 * r.u32(..120)));
                    }
                    _ => {
                        rule["detail"]["data"]["lines"]["sku"] =
                            values(&mut |r| json!(format!("SKU-{}", r.u32(..100))));
                    }
                }
            }
            rule
        })
        .collect()
}

/// Rules of one field each, and none with an exact value.
pub(crate) fn not_exact(count: usize) -> Vec<Value> {
    (0..count)
        .map(|i| match i % 5 {
            0 => json!({"detail": {"data": {"ship_to": {"postcode": [{"prefix": format!("1{:02}", i % 100)}]}}}}),
            1 => json!({"detail": {"metadata": {"subject": [{"suffix": format!("{i:03}")}]}}}),
            2 => json!({"detail": {"data": {"total": {"amount": [{"numeric": [">", 4_000 + 2 * i, "<", 4_050 + 2 * i]}]}}}}),
            3 => json!({"detail": {"metadata": {"id": [{"wildcard": format!("order-*{:02}/New*", i % 100)}]}}}),
            _ => json!({"detail": {"data": {"lines": {"sku": [{"equals-ignore-case": format!("sku-{}", i % 100)}]}}}}),
        })
        .collect()
}

/// Rules whose fields lie in an array, and in an array within it.
pub(crate) fn arrays(count: usize) -> Vec<Value> {
    (0..count)
        .map(|i| {
            json!({"detail": {"data": {"lines": {"sku": [format!("SKU-{i}")],
                "attrs": {"color": ["red"], "size": [{"numeric": [">", 3]}]}}}}})
        })
        .collect()
}

/// Events of about 1 kB, as text.
pub(crate) fn events(count: usize) -> Vec<String> {
    let line = |i: usize| {
        json!({"sku": format!("SKU-{}", i % 100), "quantity": 1 + i % 3, "price": 1_200,
            "attrs": [{"color": "red", "size": i % 7}, {"color": "blue", "size": 4}]})
    };
    (0..count)
        .map(|i| {
            let fact = FACTS[i % FACTS.len()];
            let order = format!("order-{i:06}");
            json!({
                "version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602", "detail-type": fact, "source": "duet.order",
                "account": "123456789012", "time": "2025-11-11T21:29:54Z", "region": "eu-west-1", "resources": [],
                "detail": {
                    "metadata": {"id": format!("{order}/{fact}"), "source": "duet.order", "type": fact,
                                 "subject": order, "time": "2025-11-11T21:29:54.123Z", "schemaversion": 1,
                                 "correlationid": order, "causationid": format!("{order}/PlaceOrder"),
                                 "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                                 "variant": "eventbridge"},
                    "data": {"kind": "order", "customer": format!("customer-{}", i % 50),
                             "total": {"amount": 4_000 + 10 * i, "currency": "EUR"},
                             "lines": [line(i), line(7 * i + 3)],
                             "ship_to": {"country": COUNTRIES[i % COUNTRIES.len()], "postcode": format!("1{:02}15", i % 100)},
                             "token": "tok_visa"}
                }
            })
            .to_string()
        })
        .collect()
}
