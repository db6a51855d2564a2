//! Canaries: words that are in every input field and may come out nowhere.

use duet_cli::ops::actions::Signed;
use duet_cli::ops::{catalog, customer, place, repair, review};
use duet_cli::shop::message;
use duet_cli::shop::scenario::{Person, Plan, Scenario};
use duet_cli::shop::services::{Subject, TableOf};
use duet_cli::shop::variant::Variant;
use duet_cli::world::World;
use duet_core::{CommandMessage, Timestamp};
use duet_customer::command::RegisterCustomer;
use duet_order::command::PlaceOrder;
use serde_json::{Value, json};

use crate::harness::fresh;

/// What gives a leak away. Every payment token begins with the second one.
pub(super) const WORDS: [&str; 2] = ["Canary", "tok_"];

/// Something the system told.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// Where.
    pub(super) place: &'static str,
    /// What.
    pub(super) text: String,
}

impl Told {
    pub(super) fn new(place: &'static str, text: String) -> Self {
        Self { place, text }
    }
}

/// What of it has a canary in it.
pub(super) fn leaks(told: &[Told]) -> Vec<Told> {
    let leaky = |one: &&Told| {
        let text = one.text.to_lowercase();
        WORDS.iter().any(|word| text.contains(&word.to_lowercase()))
    };
    told.iter().filter(leaky).cloned().collect()
}

fn disguise(plan: &mut Plan) {
    for RegisterCustomer { name, email, .. } in &mut plan.customers {
        *name = "Canary Name".to_owned();
        *email = format!("canary.{email}");
    }
    for order in plan.waves.iter_mut().flatten() {
        let to = &mut order.ship_to;
        to.name = "Canary Name".to_owned();
        to.street = "Canary Lane 1".to_owned();
        to.city = "Canary City".to_owned();
        // The postcode that is not served stays what it is.
        if to.postcode != "00000" {
            to.postcode = "CANARY 1".to_owned();
        }
        assert!(order.payment_token.starts_with("tok_"));
    }
}

/// Plays `scenario` under `variant` with canaries in it. Gives the orders' ids.
pub(super) async fn play<W: World>(
    world: &W,
    variant: &'static Variant,
    scenario: &Scenario,
    within: u64,
) -> Vec<String> {
    let mut plan = scenario.plan(
        &fresh(scenario.name),
        1,
        world.deployment().patience_seconds,
    );
    disguise(&mut plan);
    catalog::seed(world, &plan.goods).await.unwrap();
    for registration in &plan.customers {
        customer::register(world, variant, registration, Some(within))
            .await
            .unwrap();
    }
    let mut ids = Vec::new();
    for order in plan.waves.iter().flatten() {
        for _ in 0..plan.times {
            place::submit(world, variant, order).await.unwrap();
        }
        if let Some(Person::Says(verdict)) = plan.person {
            waits_for_a_person(world, order).await;
            let signed = Signed {
                by: "Canary Reviewer".to_owned(),
                note: Some("Canary Note".to_owned()),
            };
            review::decide(world, &order.order, verdict, Some(&signed), within)
                .await
                .unwrap();
        }
        ends(world, order.order.as_str()).await;
        if plan.repair {
            repair::repair(world, &order.order, within).await.unwrap();
        }
        ids.push(order.order.to_string());
    }
    if plan.forge {
        for order in plan.waves.iter().flatten() {
            let mut forged = order.clone();
            forged.ship_to.street = "Canary Lane 2".to_owned();
            assert!(place::submit(world, variant, &forged).await.is_err());
        }
    }
    ids
}

async fn waits_for_a_person<W: World>(world: &W, order: &PlaceOrder) {
    for _ in 0..400 {
        let found = review::find(world, order.order.as_str()).await.unwrap();
        if found.is_some_and(|review| review.opened_at.is_some()) {
            return;
        }
        world.pause(250).await;
    }
    panic!("{} is not under review", order.order);
}

async fn ends<W: World>(world: &W, id: &str) {
    for _ in 0..1_000 {
        let order = place::find(world, id).await.unwrap();
        let ended = order.is_some_and(|order| {
            order.fate != duet_order::domain::Fate::Undecided
                && order.compensation != duet_order::domain::Compensation::Pending
        });
        if ended {
            return;
        }
        world.pause(250).await;
    }
    panic!("{id} does not end");
}

/// A command that is none, about `subject`.
pub(super) fn message_about(subject: &str, variant: &Variant, now: Timestamp) -> CommandMessage {
    CommandMessage {
        command: "DecideReview".to_owned(),
        metadata: message::metadata("DecideReview", subject, variant.name, now),
        data: json!({ "order": subject, "verdict": "Canary Verdict", "note": { "Canary": "Canary Note" } }),
        reply_to: None,
        due: None,
    }
}

/// Submits orders, registrations and decisions in which one field is not what
/// it should be, and all others are canaries.
pub(super) async fn misshapen<W: World>(world: &W, variant: &'static Variant) {
    let order = json!({
        "order": "", "customer": "c-1", "lines": [{ "sku": "kettle", "quantity": 1 }],
        "total": { "amount": 4990, "currency": "EUR" }, "payment_token": "tok_canary",
        "ship_to": { "name": "Canary Name", "street": "Canary Lane 1", "city": "Canary City", "postcode": "CANARY 1", "country": "SE" },
    });
    let registration = json!({ "customer": "", "name": "Canary Name", "email": "canary@example.org", "country": "SE" });
    let wrong = [
        json!("Canary, expected Canary"),
        json!({ "Canary": "Canary" }),
        json!(["Canary"]),
    ];
    let of_orders = [
        "/customer",
        "/lines",
        "/lines/0/sku",
        "/lines/0/quantity",
        "/total",
        "/total/amount",
        "/total/currency",
        "/payment_token",
        "/ship_to",
        "/ship_to/name",
        "/ship_to/postcode",
        "/ship_to/country",
        "/nowhere",
    ];
    let of_registrations = ["/name", "/email", "/country", "/nowhere"];
    for (subject, command, name, whole, pointers) in [
        (
            Subject::Order,
            "PlaceOrder",
            "order",
            &order,
            of_orders.as_slice(),
        ),
        (
            Subject::Customer,
            "RegisterCustomer",
            "customer",
            &registration,
            of_registrations.as_slice(),
        ),
    ] {
        for (n, pointer) in pointers.iter().enumerate() {
            let id = fresh(name);
            let mut data = whole.clone();
            data[name] = json!(id);
            let value = wrong[n % wrong.len()].clone();
            match data.pointer_mut(pointer) {
                Some(field) => *field = value,
                None => data["Canary Field"] = value,
            }
            send(world, variant, subject, command, &id, data).await;
        }
        send(
            world,
            variant,
            subject,
            command,
            &fresh(name),
            json!("Canary"),
        )
        .await;
    }
    let decision = message_about(&fresh("order"), variant, world.now());
    world
        .command(variant, TableOf::Fraud, &decision)
        .await
        .unwrap();
}

async fn send<W: World>(
    world: &W,
    variant: &'static Variant,
    subject: Subject,
    command: &str,
    id: &str,
    data: Value,
) {
    let message = CommandMessage {
        command: command.to_owned(),
        metadata: message::metadata(command, id, variant.name, world.now()),
        data,
        reply_to: None,
        due: None,
    };
    world.submit(variant, subject, &message).await.unwrap();
}
