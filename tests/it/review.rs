//! People in the loop: the same commands, whichever style the order runs under.

use duet_cli::ops::{place, review};
use duet_cli::shop::variant;
use duet_cli::world::World;
use duet_fraud::command::Verdict;
use duet_fraud::review::Status;
use serde_json::Value;

use crate::harness::{json, local, run};
use crate::shop::{LIMIT, Shop, until};

#[tokio::test]
async fn a_review_is_listed_decided_once_and_a_second_word_is_refused() {
    let shop = Shop::open().await;
    for variant in variant::ALL.iter() {
        let order = shop.order(variant, "review-approve").await;
        place::submit(&shop.world, variant, &order).await.unwrap();
        let id = order.order.as_str();
        until("the review opens", LIMIT, async || {
            let review = review::find(&shop.world, id).await.unwrap()?;
            (review.status == Status::Open).then_some(())
        })
        .await;
        let listed = json(&mut local().duet(&["review", "list", "--output", "json"]));
        let reviews = listed["reviews"].as_array().unwrap();
        let mine = reviews.iter().find(|row| row["order"] == id).unwrap();
        assert_eq!(mine["variant"], variant.name);
        assert!(mine["seconds_left"].as_i64().unwrap() > 0);
        // Neither the address nor the token at which the verdict is awaited.
        assert!(!listed.to_string().contains("Storgatan"));
        assert_eq!(mine["reply_to"], Value::Null);

        let note = ["--note", "known customer"];
        let args = [&["review", "approve", id, "--output", "json"], &note[..]].concat();
        let decided = json(&mut local().duet(&args));
        assert_eq!(decided["status"], "Approved");
        assert_eq!(decided["note"], "known customer");

        for word in ["approve", "reject"] {
            let again = run(&mut local().duet(&["review", word, id]));
            assert_eq!(again.status.code(), Some(1));
            let why = String::from_utf8_lossy(&again.stderr).into_owned();
            assert!(why.contains("was decided before"), "{why}");
        }
        let view = shop.settled(variant, id).await;
        assert_eq!(
            place::word(&view.order.as_ref().unwrap().standing()),
            "Confirmed"
        );
    }
}

#[tokio::test]
async fn what_nobody_has_to_look_at_cannot_be_decided() {
    let shop = Shop::open().await;
    for variant in variant::ALL.iter() {
        let order = shop.order(variant, "happy").await;
        let view = shop.placed(variant, &order).await;
        assert!(view.review.is_some());
        let refused = review::decide(&shop.world, &order.order, Verdict::Reject, None, 5).await;
        let why = refused.unwrap_err().to_string();
        assert!(why.contains("needs no review"), "{why}");
    }
    let unknown = "nobody-knows-this".parse().unwrap();
    let refused = review::decide(&shop.world, &unknown, Verdict::Approve, None, 5).await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("was not screened")
    );
    assert!(shop.world.review_seconds().is_some());
}
