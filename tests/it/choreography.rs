//! The bus: what facts, rules, queues and services do together, on the emulator.

use std::collections::{BTreeMap, BTreeSet};

use duet_cli::ops::view::View;
use duet_cli::world::World;
use duet_core::{Event, Metadata};
use duet_order::domain::{Compensation, Fate};
use serde_json::{Value, json};

use crate::harness::fresh;
use crate::runtime::Rie;
use crate::shop::{LIMIT, Listener, Shop, eventbridge, holds, place_message, punctual, until};

/// The facts of a happy order.
const HAPPY: [&str; 8] = [
    "CustomerNotified",
    "DeliveryScheduled",
    "NewOrder",
    "NoFraudDetected",
    "OrderConfirmed",
    "PaymentCaptured",
    "StockReserved",
    "StockShipped",
];

fn names(events: &[Event]) -> Vec<&str> {
    let mut names: Vec<_> = events
        .iter()
        .map(|event| event.metadata.kind.as_str())
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_message_nobody_expects_dies_alone() {
    let shop = Shop::open().await;
    let order = shop.order(eventbridge(), "happy").await;
    let marker = fresh("stranger");
    let metadata =
        duet_cli::shop::message::metadata("StockShipped", &marker, "eventbridge", shop.world.now());
    let event = |kind: &str, data: Value| json!({ "detail-type": kind, "source": "duet.inventory", "detail": { "metadata": metadata, "data": data } });
    let strangers = [
        // A fact, but none that payment has a policy for.
        event("StockShipped", json!({ "order": marker, "lines": [] })).to_string(),
        json!({ "command": "EatStock", "metadata": metadata, "data": {} }).to_string(),
        format!("{{\"marker\": \"{marker}\""),
    ];
    for stranger in &strangers {
        shop.send(shop.queue_of("payment"), stranger).await;
    }
    // What comes right behind them on the same queue is not held up.
    let view = shop.placed(eventbridge(), &order).await;
    assert_eq!(view.order.as_ref().unwrap().fate, Fate::Confirmed);
    let took = view
        .order
        .as_ref()
        .and_then(|order| Some(order.decided_at?.duration_since(order.placed.placed_at)));
    assert!(took.unwrap().as_secs() < 30, "{took:?}");

    let letters = until("the strangers are dead", LIMIT, async || {
        let letters = shop
            .world
            .dead_letters(eventbridge(), &marker)
            .await
            .unwrap();
        (letters.len() >= strangers.len()).then_some(letters)
    })
    .await;
    let dead: BTreeSet<_> = letters.iter().map(|letter| letter.body.as_str()).collect();
    assert_eq!(dead, strangers.iter().map(String::as_str).collect());
    for letter in &letters {
        assert!(letter.place.ends_with("-payment-dlq"), "{}", letter.place);
    }
    assert!(View::load(&shop.world, &marker).await.unwrap().is_empty());
}

#[tokio::test]
async fn every_step_says_its_fact_once_and_names_its_cause() {
    let shop = Shop::open().await;
    let order = shop.order(eventbridge(), "happy").await;
    let id = order.order.as_str();
    let listener = Listener::attach(&shop, &[id]).await;
    let view = shop.placed(eventbridge(), &order).await;
    let said = listener.hear(HAPPY.len()).await;
    listener.detach().await;
    assert_eq!(names(&said), HAPPY);
    holds(id, &view);

    let command = place_message(&shop, eventbridge(), &order).metadata.id;
    let by_id: BTreeMap<&str, &Metadata> = said
        .iter()
        .map(|event| (event.metadata.id.as_str(), &event.metadata))
        .collect();
    assert_eq!(by_id.len(), said.len(), "ids tell facts apart");
    let trace = |metadata: &Metadata| metadata.traceparent.as_deref().unwrap()[..35].to_owned();
    for event in &said {
        let metadata = &event.metadata;
        assert_eq!(
            (metadata.variant.as_str(), metadata.correlationid.as_str()),
            ("eventbridge", id)
        );
        assert_eq!(metadata.subject, id);
        assert!(metadata.source.starts_with("duet."), "{}", metadata.source);
        assert_eq!(trace(metadata), trace(&said[0].metadata), "one trace");
        // From cause to cause, it began with the command.
        let mut cause = metadata.causationid.as_deref().expect("a fact has a cause");
        for _ in 0..said.len() {
            if cause == command {
                break;
            }
            cause = by_id[cause]
                .causationid
                .as_deref()
                .expect("a fact has a cause");
        }
        assert_eq!(cause, command, "{}", metadata.kind);
    }
}

#[tokio::test]
async fn a_duplicate_of_every_fact_changes_nothing() {
    let shop = Shop::open().await;
    let order = shop.order(eventbridge(), "happy").await;
    let id = order.order.as_str();
    let listener = Listener::attach(&shop, &[id]).await;
    let before = shop.placed(eventbridge(), &order).await;
    let said = listener.hear(HAPPY.len()).await;
    shop.publish(&said).await;
    // The duplicates, and what each consumer says again about them.
    let again = listener.hear(2 * HAPPY.len() - 1).await;
    shop.quiet().await;
    let again: Vec<Event> = again.into_iter().chain(listener.heard().await).collect();
    listener.detach().await;
    // On a slow machine a duplicate is said again so late that its order notes, once,
    // that it shipped: that step says nothing, and nothing else may change.
    let is_late = again
        .iter()
        .any(|event| event.metadata.late && event.metadata.subject == id);
    for event in again.into_iter().map(punctual) {
        // Not the name only: the same words, the same id, the same time.
        assert!(said.contains(&event), "{event:?}");
    }
    let after = View::load(&shop.world, id).await.unwrap();
    let json = |view: &View| {
        let mut view = serde_json::to_value(view).unwrap();
        if is_late {
            for noted in ["shipped", "touched_at"] {
                view["order"].as_object_mut().unwrap().remove(noted);
            }
            let steps = view["steps"].as_array_mut().unwrap();
            steps.retain(|step| step["facts"] != json!([]));
        }
        view
    };
    assert_eq!(json(&after), json(&before));
}

#[tokio::test]
async fn an_order_past_its_deadline_is_rejected_and_undone() {
    let shop = Shop::open().await;
    // A carrier that does not answer: the order is paid, and waits.
    let mut order = shop.order(eventbridge(), "happy").await;
    order.ship_to.postcode = "99999".to_owned();
    let id = order.order.as_str();
    // Taken on by an order service that gives it one second. All else is deployed.
    let mut variables = Rie::variables(&shop, "order", "Queue").await;
    variables.insert("DUET_ORDER_DEADLINE_SECONDS".to_owned(), "1".to_owned());
    let impatient = Rie::start("order", &variables);
    let queue = shop.queue_of("order");
    let name = aws_sdk_sqs::types::QueueAttributeName::QueueArn;
    let arn = shop
        .queues
        .get_queue_attributes()
        .queue_url(queue)
        .attribute_names(name.clone())
        .send()
        .await;
    let batch = json!({ "Records": [{
        "messageId": fresh("message"), "receiptHandle": "-", "attributes": { "ApproximateReceiveCount": "1" },
        "body": serde_json::to_string(&place_message(&shop, eventbridge(), &order)).unwrap(),
        "eventSource": "aws:sqs", "eventSourceARN": arn.unwrap().attributes().unwrap()[&name],
    }] });
    assert_eq!(impatient.ask(&batch), json!({ "batchItemFailures": [] }));

    let view = shop.settled(eventbridge(), id).await;
    let order = view.order.as_ref().unwrap();
    assert_eq!(
        duet_cli::ops::place::word(&order.standing()),
        "Rejected(TimedOut, DeliveryScheduled)"
    );
    assert!(order.decided_at.unwrap() >= order.deadline);
    assert_eq!(order.compensation, Compensation::Done);
    assert!(
        view.steps
            .iter()
            .any(|step| step.command == "ExpireOrder" && step.facts == ["OrderRejected"])
    );
    assert_eq!(view.net(), 0);
    assert!(!view.is_booked());
    holds(id, &view);
}
