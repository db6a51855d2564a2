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

/// The variants of which whoever places an order is told what became of it.
fn answering() -> impl Iterator<Item = &'static Variant> {
    variant::ALL.iter().filter(|variant| variant.answers)
}

/// What is said of the order of `scenario` that is placed, and not waited for.
async fn told(world: &Lab, variant: &'static Variant, scenario: &str) -> Outcome<Orders> {
    let stem = format!("{scenario}-{}", variant.name);
    let plan = scenario::named(scenario).unwrap().plan(&stem, 1, 1);
    crate::ops::catalog::seed(world, &plan.goods).await?;
    all(world, vec![(variant, plan.waves[0][0].clone())], false, 60).await
}

#[tokio::test]
async fn where_the_entry_answers_the_answer_is_what_became_of_the_order() {
    let definitions = definitions(&BTreeMap::new()).unwrap();
    let config = Config {
        keep_succeeded: true,
        ..Config::default()
    };
    let world = Lab::new(&definitions, config).unwrap();
    assert_eq!(answering().count(), 1);
    for variant in answering() {
        for (scenario, answer, exit) in [
            ("happy", "Confirmed", Exit::Done),
            ("card-declined", "Rejected", Exit::Failed),
            ("review-approve", "UnderReview", Exit::Done),
        ] {
            let placed = told(&world, variant, scenario).await.unwrap();
            assert_eq!(placed.orders[0].answer.as_deref(), Some(answer));
            assert!(placed.orders[0].standing.is_none());
            assert_eq!(placed.exit(), exit, "{scenario}");
            assert!(placed.text().contains(answer), "{}", placed.text());
        }
        // Nobody waits for it any more: it is over by what the order itself says.
        let again = told(&world, variant, "happy").await.unwrap();
        assert!(again.orders[0].repeat && again.orders[0].answer.is_none());
    }
}

/// Whoever gives up and asks again has two executions run side by side.
#[tokio::test]
async fn asked_twice_at_once_both_are_told_of_one_order() {
    let config = Config {
        keep_succeeded: true,
        ..Config::default()
    };
    let world = Lab::new(&definitions(&BTreeMap::new()).unwrap(), config).unwrap();
    for variant in answering() {
        let plan = scenario::named("happy").unwrap().plan(variant.name, 1, 1);
        crate::ops::catalog::seed(&world, &plan.goods)
            .await
            .unwrap();
        let order = &plan.waves[0][0];
        let both = all(
            &world,
            vec![(variant, order.clone()), (variant, order.clone())],
            false,
            60,
        );
        let both = both.await.unwrap();
        for placed in &both.orders {
            let said = placed.standing.as_ref().map(word);
            assert_eq!(said.or(placed.answer.clone()).as_deref(), Some("Confirmed"));
        }
        let key = duet_inventory::stock_key(&order.lines[0].sku);
        world.pause(60_000).await;
        let stock = world.table(TableOf::Inventory).load(&[key]).await.unwrap();
        let stock: Stock = stock[0].as_ref().unwrap().read().unwrap();
        let ordered: u32 = order.lines.iter().map(|line| line.quantity.get()).sum();
        assert_eq!(stock.shipped, i64::from(ordered));
    }
}

#[tokio::test]
async fn an_answer_that_nothing_was_placed_ends_with_1_and_says_why() {
    let config = Config {
        keep_succeeded: true,
        faults: vec!["store-fault@PlaceOrder:1".parse().unwrap()],
        ..Config::default()
    };
    let world = Lab::new(&definitions(&BTreeMap::new()).unwrap(), config).unwrap();
    for variant in answering() {
        let refused = told(&world, variant, "happy").await.unwrap_err();
        assert_eq!(refused.exit, Exit::Failed);
        let text = refused.to_string();
        assert!(text.contains("was not placed"), "{text}");
        assert!(text.contains("PatienceSpent"), "{text}");
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
