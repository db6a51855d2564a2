//! Failed compensation is an outcome, and one command makes it good.

use duet_cli::ops::view::View;
use duet_cli::ops::{place, repair};
use duet_cli::shop::services::Subject;
use duet_cli::shop::variant;
use duet_cli::world::World;
use duet_core::order::Part;
use duet_order::domain::Compensation;

use crate::harness::{json, local, run};
use crate::shop::{LIMIT, Shop, holds, standard, until};

#[tokio::test]
async fn repair_retries_what_is_missing_and_nothing_else() {
    let shop = Shop::open().await;
    for variant in variant::ALL.iter() {
        let order = shop.order(variant, "refund-fails").await;
        place::submit(&shop.world, variant, &order).await.unwrap();
        let id = order.order.as_str();
        let parked = until("the order is parked", LIMIT, async || {
            let order = place::find(&shop.world, id).await.unwrap()?;
            let parked = order.compensation == Compensation::Failed;
            (parked && order.pending.len() == 1).then_some(order)
        })
        .await;
        assert_eq!(parked.owed.len(), 1);
        assert_eq!(parked.owed[0].part, Part::Payment);
        assert_eq!(parked.owed[0].amount, Some(order.total));

        let listed = json(&mut local().duet(&["orders", "--attention", "--output", "json"]));
        let rows = listed["orders"].as_array().unwrap();
        let mine = rows.iter().find(|row| row["order"] == id).unwrap();
        assert!(
            mine["waits_for"]
                .as_str()
                .unwrap()
                .starts_with("repair of Payment")
        );

        let repaired = json(&mut local().duet(&["repair", id, "--output", "json"]));
        assert_eq!(repaired["repaired"], serde_json::json!(["payment"]));
        assert_eq!(repaired["outcome"], "Rejected(DeliveryFailed, NotServed)");
        let view = shop.settled(variant, id).await;
        let charge = view.charge.as_ref().unwrap();
        assert_eq!((view.net(), charge.refunded), (0, order.total.amount));
        let voids = charge.void_attempts;

        // Once more: nothing is missing, and nobody is asked again.
        let again = repair::repair(&shop.world, &order.order, 30).await.unwrap();
        assert!(again.repaired.is_empty() && again.missing.is_empty());
        let view = shop.settled(variant, id).await;
        assert_eq!(view.charge.unwrap().void_attempts, voids);
        let order = view.order.unwrap();
        assert!(order.owed.is_empty());
        assert_eq!(order.compensation, Compensation::Done);
    }
}

#[tokio::test]
async fn what_is_under_way_or_unknown_is_not_repaired() {
    let shop = Shop::open().await;
    let variant = &variant::ALL[0];
    let order = shop.order(variant, "happy").await;
    let unknown = repair::repair(&shop.world, &order.order, 5).await;
    assert!(unknown.unwrap_err().to_string().contains("knows no order"));
    shop.placed(variant, &order).await;
    let whole = repair::repair(&shop.world, &order.order, 5).await.unwrap();
    assert!(whole.repaired.is_empty());
    assert_eq!(whole.outcome, "Confirmed");
}

#[tokio::test]
async fn the_order_of_an_aborted_execution_is_made_whole() {
    let shop = Shop::open().await;
    let order = shop.order(standard(), "payment-down").await;
    let id = order.order.as_str();
    place::submit(&shop.world, standard(), &order)
        .await
        .unwrap();
    // In mid-flight: stock is set aside, and the provider was asked.
    until("the provider is asked", LIMIT, async || {
        View::load(&shop.world, id).await.unwrap().charge
    })
    .await;
    let execution = shop.world.execution(standard(), Subject::Order, id);
    let arn = execution.await.unwrap().unwrap().arn;
    let stop = shop.workflows.stop_execution().execution_arn(arn);
    stop.send().await.unwrap();
    until("the order is parked", LIMIT, async || {
        let order = place::find(&shop.world, id).await.unwrap()?;
        (order.compensation == Compensation::Failed).then_some(())
    })
    .await;
    // Not taken up again where it stopped: the order is rejected by now.
    let refused = run(&mut local().duet(&["redrive", id, "--output", "json"]));
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(said.contains("duet repair"), "{said}");

    let repaired = repair::repair(&shop.world, &order.order, 60).await.unwrap();
    let [delivery, payment, stock] = Part::COMPENSATED;
    assert_eq!(repaired.repaired, [delivery, payment, stock, Part::Notice]);
    assert_eq!(repaired.outcome, "Rejected(Abandoned)");
    let view = shop.settled(standard(), id).await;
    assert_eq!(view.net(), 0);
    holds(id, &view);
}
