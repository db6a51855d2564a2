//! What the doors refuse, whoever brings it: in the lab, under every variant.

use std::collections::BTreeMap;

use duet_core::money::MAX_AMOUNT;
use duet_lab::Config;
use serde_json::{Value, json};

use super::*;
use crate::shop::{scenario, variant};
use crate::world::lab::{Lab, definitions};

fn lab() -> Lab {
    Lab::new(&definitions(&BTreeMap::new()).unwrap(), Config::default()).unwrap()
}

/// Submits `data` as the command `name` past the tool's own check, and gives
/// what lies dead of it.
async fn refused(
    world: &Lab,
    variant: &'static Variant,
    subject: Subject,
    (name, id): (&str, &str),
    data: Value,
) -> Vec<String> {
    let mut message = message::command(
        &Command::from(scenario::named("happy").unwrap().plan("x", 1, 1).waves[0][0].clone()),
        id,
        variant.name,
        world.now(),
    );
    name.clone_into(&mut message.command);
    message.data = data;
    assert_eq!(
        world.submit(variant, subject, &message).await.unwrap(),
        Submitted::Accepted
    );
    world.pause(60_000).await;
    let letters = world.dead_letters(variant, id).await.unwrap();
    letters
        .into_iter()
        .map(|letter| letter.cause.unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn past_the_tool_the_doors_refuse_amounts_and_ids_all_the_same() {
    let world = lab();
    for variant in variant::ALL.iter() {
        let plan = scenario::named("happy").unwrap().plan(variant.name, 1, 1);
        let order = Command::from(plan.waves[0][0].clone());
        let long = "x".repeat(61 - variant.name.len());
        let cases = [
            ("huge", "/total/amount", json!(MAX_AMOUNT + 1)),
            ("more", "/total/amount", json!(MAX_AMOUNT + 2)),
            ("most", "/total/amount", json!(i64::MAX)),
            ("a__b", "", Value::Null),
            ("end_", "", Value::Null),
            (&*long, "", Value::Null),
        ];
        for (stem, pointer, value) in cases {
            let id = format!("{}{stem}", variant.name);
            let mut data = duet_core::Vocabulary::data(&order);
            data["order"] = json!(id);
            if let Some(place) = data.pointer_mut(pointer).filter(|_| !pointer.is_empty()) {
                *place = value;
            }
            let what = ("PlaceOrder", &*id);
            let died = refused(&world, variant, Subject::Order, what, data).await;
            assert_eq!(died.len(), 1, "{id}: {died:?}");
            assert_eq!(find(&world, &id).await.unwrap(), None, "{id}");
        }
        let mut data = json!({ "name": "Ada", "email": "ada@example.org", "country": "SE" });
        let id = format!("{}c__1", variant.name);
        data["customer"] = json!(id);
        let what = ("RegisterCustomer", &*id);
        let died = refused(&world, variant, Subject::Customer, what, data).await;
        assert_eq!(died.len(), 1, "{id}: {died:?}");
    }
}

#[test]
fn the_sum_of_lines_is_never_past_the_largest_total() {
    let world = lab();
    let price = |amount| serde_json::from_value(json!({ "amount": amount, "currency": "EUR" }));
    let entry = |sku: &str, amount: i64| crate::shop::goods::Good {
        sku: sku.parse().unwrap(),
        name: None,
        price: price(amount).unwrap(),
        quantity: 9,
    };
    let entries = [entry("half", MAX_AMOUNT / 2), entry("most", MAX_AMOUNT)];
    let lines = |lines: &[(&str, u32)]| -> Vec<(Sku, u32)> {
        let line = |(sku, n): &(&str, u32)| (sku.parse().unwrap(), *n);
        lines.iter().map(line).collect()
    };
    futures_util::future::FutureExt::now_or_never(async {
        crate::ops::catalog::seed(&world, &entries).await.unwrap();
        let whole = total(&world, &lines(&[("half", 2)])).await.unwrap();
        assert_eq!(whole.amount, MAX_AMOUNT - 1);
        for many in [
            [("half", 1), ("half", 2)],
            [("most", 1), ("half", 1)],
            [("most", u32::MAX), ("half", 1)],
        ] {
            let refused = total(&world, &lines(&many)).await.unwrap_err().to_string();
            assert!(refused.contains("too large a sum"), "{refused}");
        }
    })
    .unwrap();
}
