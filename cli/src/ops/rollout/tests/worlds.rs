//! Fraud detection is turned on and off under a shop that runs: nothing that is
//! in flight is lost, parked or timed out, under any variant.

use std::collections::BTreeMap;

use duet_core::{OrderId, Timestamp};
use duet_customer::command::RegisterCustomer;
use duet_customer::domain::Status;
use duet_fraud::command::Verdict;
use duet_lab::{Config, Rollout};
use duet_order::domain::{Compensation, Fate};

use crate::ops::{catalog, customer, place, review};
use crate::shop::parameters::Fraud;
use crate::shop::scenario;
use crate::shop::variant::{self, Variant};
use crate::world::World;
use crate::world::lab::{Lab, definitions};

/// How often orders are placed and customers register while the stack changes,
/// in milliseconds.
const EVERY: u64 = 40_000;

/// Longer than the lab lets a warm instance keep its old environment, and a filter
/// its old policy, in milliseconds.
const SETTLED: u64 = 16 * 60_000;

fn parameters(fraud: Fraud) -> BTreeMap<String, String> {
    BTreeMap::from([("Fraud".to_owned(), fraud.to_string())])
}

/// A shop, and what came to it.
struct Shop {
    world: Lab,
    orders: Vec<OrderId>,
    reviewed: Vec<OrderId>,
    customers: Vec<String>,
}

impl Shop {
    fn new(seed: u64, rollout: Rollout) -> Self {
        Self::at(Fraud::Off, seed, rollout)
    }

    fn at(fraud: Fraud, seed: u64, rollout: Rollout) -> Self {
        let config = Config {
            seed,
            rollout,
            ..Config::default()
        };
        let definitions = definitions(&parameters(fraud)).unwrap();
        Self {
            world: Lab::new(&definitions, config).unwrap(),
            orders: Vec::new(),
            reviewed: Vec::new(),
            customers: Vec::new(),
        }
    }

    /// Places an order as `of` says, under `variant`.
    async fn order(&mut self, of: &str, variant: &'static Variant) -> OrderId {
        let n = self.orders.len() + self.reviewed.len();
        let stem = format!("{of}-{}-{n}", variant.name);
        let patience = self.world.deployment().patience_seconds;
        let plan = scenario::named(of).unwrap().plan(&stem, 1, patience);
        catalog::seed(&self.world, &plan.goods).await.unwrap();
        let order = &plan.waves[0][0];
        place::submit(&self.world, variant, order).await.unwrap();
        order.order.clone()
    }

    /// One order and one registration under each variant.
    async fn visit(&mut self) {
        for variant in variant::ALL.iter() {
            let order = self.order("happy", variant).await;
            self.orders.push(order);
            self.register(variant).await;
        }
    }

    async fn register(&mut self, variant: &'static Variant) {
        let id = format!("c-{}-{}", variant.name, self.customers.len());
        let command = RegisterCustomer {
            customer: id.parse().unwrap(),
            name: "Ada Example".to_owned(),
            email: format!("{id}@example.org"),
            country: "SE".to_owned(),
        };
        customer::register(&self.world, variant, &command, None)
            .await
            .unwrap();
        self.customers.push(id);
    }

    /// Orders that a person has to look at, once nothing of before is left that
    /// would let them pass unmarked or unheard.
    async fn open_reviews(&mut self) {
        self.world.pause(SETTLED).await;
        for variant in variant::ALL.iter() {
            let order = self.order("review-approve", variant).await;
            self.reviewed.push(order);
        }
        self.world.pause(60_000).await;
    }

    async fn approve(&mut self) {
        for order in std::mem::take(&mut self.reviewed) {
            let decided = review::decide(&self.world, &order, Verdict::Approve, None, 60).await;
            decided.unwrap();
            self.orders.push(order);
        }
        self.world.pause(600_000).await;
    }

    /// Turns fraud detection `to` another state while people come in.
    async fn turn(&mut self, to: Fraud) {
        self.visit().await;
        let update = self.world.update(&parameters(to)).unwrap();
        let over = |now: Timestamp| now > update.settled;
        while !over(self.world.now()) {
            self.visit().await;
            self.world.pause(EVERY).await;
        }
        assert_eq!(self.world.deployment().fraud, to);
    }

    /// Orders that are not confirmed, and customers who are not active.
    async fn lost(&self) -> Vec<String> {
        self.world.pause(3_600_000).await;
        let mut lost = Vec::new();
        for id in &self.orders {
            let order = place::find(&self.world, id.as_str()).await.unwrap();
            let standing = order.as_ref().map(|order| order.standing());
            let whole = |order: &duet_order::domain::Order| {
                order.fate == Fate::Confirmed && order.owed.is_empty()
            };
            if !order.as_ref().is_some_and(whole) {
                lost.push(format!("{id}: {:?}", standing.as_ref().map(place::word)));
            }
        }
        for id in &self.customers {
            let there = customer::find(&self.world, id).await.unwrap();
            if there.as_ref().map(|there| there.status) != Some(Status::Active) {
                lost.push(format!("{id}: {:?}", there.map(|there| there.status)));
            }
        }
        lost
    }
}

#[tokio::test]
async fn a_shop_that_runs_loses_nothing_when_fraud_detection_is_turned() {
    for seed in 0..8 {
        let mut shop = Shop::new(seed, Rollout::InOrder);
        shop.turn(Fraud::Listening).await;
        shop.turn(Fraud::On).await;
        shop.open_reviews().await;
        shop.turn(Fraud::Listening).await;
        shop.approve().await;
        shop.turn(Fraud::Off).await;
        assert!(shop.orders.len() > 40 && shop.customers.len() > 40);
        let lost = shop.lost().await;
        assert!(lost.is_empty(), "seed {seed}: {lost:#?}");
    }
}

#[tokio::test]
async fn a_jump_over_listening_is_refused_and_changes_nothing() {
    let mut shop = Shop::new(1, Rollout::InOrder);
    let refused = shop.world.update(&parameters(Fraud::On)).unwrap_err();
    assert!(refused.to_string().contains("one step"), "{refused}");
    assert_eq!(shop.world.deployment().fraud, Fraud::Off);
    shop.visit().await;
    assert!(shop.lost().await.is_empty());
}

#[tokio::test]
async fn an_order_submitted_again_across_a_step_is_still_one_order() {
    let mut shop = Shop::new(2, Rollout::InOrder);
    shop.turn(Fraud::Listening).await;
    let mut again = Vec::new();
    for variant in variant::ALL.iter() {
        let stem = format!("twice-{}", variant.name);
        let patience = shop.world.deployment().patience_seconds;
        let plan = scenario::named("happy").unwrap().plan(&stem, 1, patience);
        catalog::seed(&shop.world, &plan.goods).await.unwrap();
        let order = plan.waves[0][0].clone();
        place::submit(&shop.world, variant, &order).await.unwrap();
        shop.orders.push(order.order.clone());
        again.push((variant, order));
    }
    shop.turn(Fraud::On).await;
    for (variant, order) in &again {
        let message = crate::shop::message::command(
            &duet_order::Command::from(order.clone()),
            order.order.as_str(),
            variant.name,
            shop.world.now(),
        );
        let subject = crate::shop::services::Subject::Order;
        shop.world.submit(variant, subject, &message).await.unwrap();
    }
    assert!(shop.lost().await.is_empty());
    for (variant, order) in &again {
        let subject = crate::shop::services::Subject::Order;
        let id = order.order.as_str();
        let executions = shop.world.executions(variant, subject, id).await.unwrap();
        assert!(executions.iter().all(|one| one.status == "SUCCEEDED"));
        let found = place::find(&shop.world, id).await.unwrap().unwrap();
        assert_eq!(found.parkings, 0);
    }
}

/// What is left of a shop in which fraud detection was turned from `on` to `off`
/// by one deploy, past the tool's two steps, under `variant`: a row of the table in
/// docs/aws.md.
async fn left(shop: &Shop, variant: &Variant) -> String {
    // A number comes after the variant's name, which may begin another's.
    let named = format!("-{}-", variant.name);
    let mine = |id: &str| {
        let rest = id.split_once(&named).map(|(_, rest)| rest);
        rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    let (mut all, mut confirmed, mut rejected, mut parked, mut open) = (0, 0, 0, 0, 0);
    let orders = shop.orders.iter().chain(&shop.reviewed);
    for id in orders.filter(|id| mine(id.as_str())) {
        all += 1;
        let order = place::find(&shop.world, id.as_str()).await.unwrap();
        let count = match order {
            Some(order) if order.compensation == Compensation::Failed => &mut parked,
            Some(order) if !order.owed.is_empty() => &mut parked,
            Some(order) if order.fate == Fate::Confirmed => &mut confirmed,
            Some(order) if order.fate != Fate::Undecided => &mut rejected,
            _ => &mut open,
        };
        *count += 1;
    }
    let (mut registered, mut pending) = (0, 0);
    for id in shop.customers.iter().filter(|id| mine(id)) {
        registered += 1;
        let there = customer::find(&shop.world, id).await.unwrap();
        pending += u32::from(there.is_none_or(|there| there.status == Status::Pending));
    }
    format!(
        "| `{}` | {all} | {confirmed} | {rejected} | {parked} | {open} | {registered} | {pending} |",
        variant.name
    )
}

#[tokio::test]
async fn one_deploy_by_hand_from_on_to_off_costs_what_the_documents_say() {
    let mut shop = Shop::at(Fraud::On, 1, Rollout::InOrder);
    // Twenty orders wait for a person under each variant when it begins.
    for variant in variant::ALL.iter() {
        for _ in 0..20 {
            let order = shop.order("review-approve", variant).await;
            shop.reviewed.push(order);
        }
    }
    shop.world.pause(60_000).await;
    shop.world
        .with(|lab| lab.update(&parameters(Fraud::Off)))
        .unwrap();
    // An order every three seconds, for ten minutes; a registration with each tenth.
    for n in 0..200 {
        for variant in variant::ALL.iter() {
            let order = shop.order("happy", variant).await;
            shop.orders.push(order);
            if n % 10 == 0 {
                shop.register(variant).await;
            }
        }
        shop.world.pause(3_000).await;
    }
    assert_eq!(shop.world.deployment().fraud, Fraud::Off);
    shop.world.pause(3 * 86_400_000).await;
    let written = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/aws.md");
    let written = std::fs::read_to_string(written).unwrap();
    let mut missing = Vec::new();
    for variant in variant::ALL.iter() {
        let row = left(&shop, variant).await;
        missing.extend((!written.contains(&row)).then_some(row));
    }
    assert!(missing.is_empty(), "docs/aws.md lacks: {missing:#?}");
}
