//! Dead letters: seen, kept until they have arrived, and dropped by id only.

use duet_cli::ops::dlq::{self, Filter, Layer};
use duet_cli::ops::place;
use duet_cli::world::World;
use duet_order::domain::Fate;

use crate::harness::{fresh, json, local};
use crate::shop::{LIMIT, Shop, eventbridge, place_message, until};

#[tokio::test]
async fn poison_comes_back_stays_and_goes_only_when_it_is_dropped() {
    let shop = Shop::open().await;
    let marker = fresh("dlq");
    shop.world
        .submit_poison(eventbridge(), &marker)
        .await
        .unwrap();
    let id = until("the poison dies", LIMIT, async || {
        let letters = shop
            .world
            .dead_letters(eventbridge(), &marker)
            .await
            .unwrap();
        letters.first().map(|letter| letter.id.clone())
    })
    .await;
    // Another test that looks has it in hand for a moment.
    let all = until("the poison is listed", LIMIT, async || {
        let all = dlq::list(&shop.world, &Filter::default()).await.unwrap();
        let mine = all.letters.iter().any(|letter| letter.id == id);
        mine.then_some(all)
    })
    .await;
    let mine = all.letters.iter().find(|letter| letter.id == id).unwrap();
    assert_eq!(mine.layer, Layer::Unprocessed);
    assert_eq!(
        (mine.consumer.as_str(), mine.home.as_deref()),
        (
            "order",
            shop.commands_of("order").unwrap().rsplit('/').next()
        )
    );
    assert!(
        mine.cause.starts_with("no JSON from line 1"),
        "{}",
        mine.cause
    );
    let listing = serde_json::to_string(&all).unwrap();
    assert!(!listing.contains(&marker), "a listing shows no bodies");

    let shown = json(&mut local().duet(&["dlq", "show", &id, "--output", "json"]));
    assert!(shown.get("body").is_none());
    let shown = json(&mut local().duet(&["dlq", "show", &id, "--body", "--output", "json"]));
    assert!(shown["body"].as_str().unwrap().contains(&marker));

    let dropped = json(&mut local().duet(&["dlq", "drop", &id, "--output", "json"]));
    assert_eq!(dropped["dropped"]["id"], id.as_str());
    assert!(dlq::show(&shop.world, &id, false).await.is_err());
}

#[tokio::test]
async fn a_letter_goes_back_to_its_own_queue_and_is_processed_there() {
    let shop = Shop::open().await;
    let order = shop.order(eventbridge(), "happy").await;
    let id = order.order.to_string();
    // As if the order service had been out for longer than its receives.
    let message = place_message(&shop, eventbridge(), &order);
    let dead = format!("{}-dlq", shop.commands_of("order").unwrap());
    shop.send(&dead, serde_json::to_string(&message).unwrap())
        .await;
    let filter = Filter {
        order: Some(id.clone()),
        ..Filter::default()
    };
    let dry = dlq::redrive(&shop.world, &filter, true, 10).await.unwrap();
    assert_eq!(dry.redriven.len(), 1);
    assert!(place::find(&shop.world, &id).await.unwrap().is_none());

    let moved = dlq::redrive(&shop.world, &filter, false, 10).await.unwrap();
    assert_eq!((moved.redriven.len(), moved.kept.len()), (1, 0));
    let view = shop.settled(eventbridge(), &id).await;
    assert_eq!(view.order.unwrap().fate, Fate::Confirmed);
    let left = dlq::list(&shop.world, &filter).await.unwrap();
    assert!(left.letters.is_empty());
}

#[tokio::test]
async fn a_redrive_stops_when_the_same_cause_repeats() {
    let shop = Shop::open().await;
    let marker = fresh("hopeless");
    let queue = shop.queue_of("notification");
    for n in 0..3 {
        shop.send(queue, format!("{{\"{marker}\": {n}")).await;
    }
    let filter = Filter {
        queue: Some("notification".to_owned()),
        ..Filter::default()
    };
    until("all three die", LIMIT, async || {
        let letters = dlq::list(&shop.world, &filter).await.unwrap().letters;
        (letters.len() >= 3).then_some(())
    })
    .await;
    let moved = dlq::redrive(&shop.world, &filter, false, 10).await.unwrap();
    assert!(moved.redriven.is_empty());
    let whys: Vec<_> = moved.kept.iter().map(|kept| kept.why.as_str()).collect();
    let begins = [
        "it came back: no JSON from line",
        "one that died alike came back: no JSON from line",
        "one that died alike came back: no JSON from line",
    ];
    assert_eq!(whys.len(), begins.len());
    for (why, begin) in whys.iter().zip(begins) {
        assert!(why.starts_with(begin), "{why}");
    }
    // Not one was lost; each goes only by its own id.
    let left = dlq::list(&shop.world, &filter).await.unwrap().letters;
    assert_eq!(left.len(), 3);
    for letter in left {
        dlq::discard(&shop.world, &letter.id).await.unwrap();
    }
}
