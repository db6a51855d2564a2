//! A shop to test with: goods, orders, and how they ended.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use duet_core::message::SCHEMA_VERSION;
use duet_core::store::Store;
use duet_core::{CommandMessage, Metadata};
use duet_lab::{Config, Definitions, FaultRule, Lab, bundled};
use duet_order::domain::Order;
use serde_json::{Value, json};

/// The variants, and where their orders enter.
pub(crate) const VARIANTS: [&str; 4] = ["standard", "eventbridge", "sns", "fifo"];

pub(crate) fn definitions() -> Arc<Definitions> {
    Arc::new(Definitions::read(bundled(), "duet", &[].into()).unwrap())
}

pub(crate) fn lab(seed: u64, faults: &[&str]) -> Lab {
    let faults = faults
        .iter()
        .map(|text| text.parse::<FaultRule>().unwrap())
        .collect();
    let config = Config {
        seed,
        faults,
        timeline: true,
        keep_succeeded: true,
        ..Config::default()
    };
    stocked(Lab::new(definitions(), config).unwrap())
}

/// `lab` with something to sell.
pub(crate) fn stocked(lab: Lab) -> Lab {
    let goods = duet_inventory::seed("kettle".parse().unwrap(), money(4_990), 1_000_000);
    let table = lab.table("duet-inventory").unwrap();
    now(table.commit(vec![goods])).unwrap();
    lab
}

fn money(amount: i64) -> duet_core::Money {
    serde_json::from_value(json!({ "amount": amount, "currency": "EUR" })).unwrap()
}

/// The result of a call of a table: it never waits.
pub(crate) fn now<T>(call: impl Future<Output = T>) -> T {
    let call = std::pin::pin!(call);
    match call.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("a table waits"),
    }
}

pub(crate) fn order(id: &str, token: &str) -> Value {
    json!({
        "order": id, "customer": format!("ada-{id}"), "lines": [{ "sku": "kettle", "quantity": 1 }],
        "total": { "amount": 4_990, "currency": "EUR" }, "payment_token": token,
        "ship_to": { "name": "Ada", "street": "S 1", "city": "U", "postcode": "75310", "country": "SE" },
    })
}

pub(crate) fn message(
    lab: &Lab,
    variant: &str,
    command: &str,
    subject: &str,
    data: Value,
) -> CommandMessage {
    let metadata = Metadata {
        id: format!("test/{subject}/{command}"),
        source: "duet.test".into(),
        kind: command.into(),
        subject: subject.into(),
        time: lab.now(),
        schemaversion: SCHEMA_VERSION.into(),
        correlationid: subject.into(),
        causationid: None,
        traceparent: None,
        variant: variant.into(),
        late: false,
    };
    CommandMessage {
        command: command.into(),
        metadata,
        data,
        reply_to: None,
        due: None,
    }
}

pub(crate) fn place(lab: &mut Lab, variant: &str, id: &str, token: &str) {
    let message = message(lab, variant, "PlaceOrder", id, order(id, token));
    match variant {
        "standard" | "express" | "express-sync" => {
            let input = json!({ "metadata": message.metadata, "data": message.data });
            let started = match variant {
                "standard" => lab.start_execution("duet-order", id, &input).map(drop),
                "express" => lab
                    .start_execution("duet-express-order", id, &input)
                    .map(drop),
                _ => lab
                    .start_sync_execution("duet-express-sync-order", id, &input)
                    .map(drop),
            };
            started.unwrap();
        }
        _ => lab.send_command("duet-order-commands", &message).unwrap(),
    }
}

pub(crate) fn standing(lab: &Lab, id: &str) -> String {
    let item = now(lab
        .table("duet-order")
        .unwrap()
        .load(&[duet_order::key(id)]))
    .unwrap()
    .pop()
    .flatten();
    item.map_or("unknown".into(), |item| {
        let order: Order = item.read().unwrap();
        serde_json::to_string(&order.standing()).unwrap()
    })
}
