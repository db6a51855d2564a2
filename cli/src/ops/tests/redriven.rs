//! An execution that is taken up again before the word of its end has come.

use super::*;

/// How late the word of an end may be.
const LATEST: u64 = 60 * MINUTE;

/// A world in which `cut` ends every execution, and the word of that comes late.
fn cutting(cut: &str, seed: u64) -> Lab {
    let faults = [format!("{cut}:1"), "end-late:1".to_owned()];
    let config = Config {
        seed,
        faults: faults.iter().map(|text| text.parse().unwrap()).collect(),
        keep_succeeded: true,
        timeline: true,
        ..Config::default()
    };
    Lab::new(&definitions(&BTreeMap::new()).unwrap(), config).unwrap()
}

/// Places an order of a scenario and takes its execution up again, seconds after it
/// was cut: more than the clocks of engine and services may differ, which no person
/// is faster than. `None` where the order is decided by then, so that it must not be
/// taken up again.
async fn redriven(world: &Lab, variant: &'static Variant, scenario: &str) -> Option<OrderId> {
    let order = placed(world, variant, scenario, 1).await.remove(0).order;
    // Every execution is cut within two minutes, if it runs for so long.
    for _ in 0..125 {
        world.pause(1_000).await;
        if !world.failed_executions().await.unwrap().is_empty() {
            break;
        }
    }
    world.pause(10_000).await;
    let which = Which::Named(order.to_string());
    let done = redrive::run(world, &which, false).await.ok()?;
    done.executions[0].redriven.then_some(order)
}

/// Nothing of the order is missing, owed or done twice, and nobody had to look.
async fn is_confirmed_and_never_parked(world: &Lab, order: &OrderId) {
    let whole = view(world, order).await;
    let kept = whole.order.as_ref().unwrap();
    let moments = world.with(|lab| lab.timeline().to_vec());
    assert_eq!(kept.fate, Fate::Confirmed, "{moments:#?}");
    assert_eq!((kept.parkings, kept.owed.len()), (0, 0), "{moments:#?}");
    assert_eq!(whole.net(), kept.placed.total.amount);
    assert_eq!(whole.noticed(), ["OrderConfirmed"]);
    assert!(letters(world, Filter::default()).await.is_empty());
    assert!(world.failed_executions().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_late_word_of_an_end_does_nothing_to_an_order_that_was_taken_up_again_and_is_done() {
    for variant in engines() {
        let mut tried = 0;
        for seed in 0..12 {
            for cut in ["abort", "execution-timeout"] {
                let world = cutting(cut, seed);
                let Some(order) = redriven(&world, variant, "happy").await else {
                    continue;
                };
                tried += 1;
                world.pause(MINUTE).await;
                is_confirmed_and_never_parked(&world, &order).await;
                world.pause(2 * LATEST).await;
                is_confirmed_and_never_parked(&world, &order).await;
            }
        }
        assert!(tried > 4, "{tried}");
    }
}

#[tokio::test]
async fn the_late_word_of_an_end_does_nothing_to_an_order_that_was_taken_up_again_and_is_under_way()
{
    for variant in engines() {
        let mut tried = 0;
        for seed in 0..12 {
            let world = cutting("abort", seed);
            let Some(order) = redriven(&world, variant, "review-approve").await else {
                continue;
            };
            tried += 1;
            // The word comes while a person has yet to look at it.
            world.pause(2 * LATEST).await;
            let waits = view(&world, &order).await;
            assert_eq!(waits.review.as_ref().unwrap().status, ReviewStatus::Open);
            let order_then = waits.order.unwrap();
            assert_eq!((order_then.fate, order_then.parkings), (Fate::Undecided, 0));
            review::decide(&world, &order, Verdict::Approve, None, 60)
                .await
                .unwrap();
            world.pause(MINUTE).await;
            is_confirmed_and_never_parked(&world, &order).await;
        }
        assert!(tried > 4, "{tried}");
    }
}
