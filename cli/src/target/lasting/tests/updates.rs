//! A lab that is brought to other parameters.

use duet_fraud::command::Verdict;

use super::{labs, outcome, submit, wall};
use crate::ops::review;
use crate::shop::parameters::Fraud;
use crate::shop::variant;
use crate::target::lasting::file::digest;
use crate::target::lasting::*;
use crate::world::port::bus::BusTools;

fn given(parameters: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    parameters.iter().map(owned).collect()
}

#[tokio::test]
async fn up_updates_a_lab_in_place_and_orders_in_flight_end_well() {
    let (_dir, labs) = labs();
    let slow = given(&[("TaskTimeoutSeconds", "20"), ("ReviewSeconds", "7200")]);
    let (lasting, brought) = labs.up(slow.clone(), wall(0), false).await.unwrap();
    assert_eq!(brought, Brought::Begun(None));
    let mut orders = Vec::new();
    for under in variant::ALL.iter() {
        orders.push(submit(&lasting, "happy", under.name).await);
        orders.push(submit(&lasting, "review-approve", under.name).await);
    }
    lasting.close().unwrap();
    let (lasting, brought) = labs.up(slow, wall(5), false).await.unwrap();
    assert_eq!(brought, Brought::AsItWas);
    lasting.close().unwrap();
    // Wrong parameters leave all as it is.
    let before = std::fs::read(labs.file()).unwrap();
    let wrong = labs
        .up(given(&[("TaskTimeout", "3")]), wall(6), false)
        .await;
    assert!(wrong.unwrap_err().to_string().contains("TaskTimeout"));
    assert_eq!(std::fs::read(labs.file()).unwrap(), before);

    let quick = given(&[("TaskTimeoutSeconds", "3"), ("OrderDeadlineSeconds", "800")]);
    let (lasting, brought) = labs.up(quick.clone(), wall(7), false).await.unwrap();
    let Brought::Updated(updates) = brought else {
        panic!("{brought:?}");
    };
    let [update] = updates.as_slice() else {
        panic!("{updates:?}");
    };
    assert!(update.added.is_empty() && update.removed.is_empty());
    for place in ["OrderQueue", "Choreography/OrderConsumer/Queue"] {
        assert!(update.changed.iter().any(|one| one == place), "{update:?}");
    }
    assert!(lasting.world.now() >= update.complete && update.complete > wall(8));
    assert_eq!(lasting.facts().parameters, quick);
    lasting.close().unwrap();

    // It is an input, done again by the next command, which compares the trace.
    let kinds = std::fs::read_to_string(labs.file()).unwrap();
    assert!(kinds.contains("\"kind\":\"update\""), "{kinds}");
    let lasting = labs.open(wall(8)).await.unwrap();
    assert!(lasting.facts().parameters == quick && !lasting.facts().updating);
    for under in variant::ALL.iter() {
        let stem = format!("review-approve-{}", under.name);
        let mut orders = orders.iter();
        let order = orders.find(|one| one.as_str().starts_with(&stem)).unwrap();
        review::decide(&lasting.world, order, Verdict::Approve, None, 60)
            .await
            .unwrap();
    }
    // A decision is sent; what it leads to takes its time.
    lasting.world.pause(60_000).await;
    for order in &orders {
        assert_eq!(outcome(&lasting, order).await, "Confirmed", "{order}");
    }
    lasting.close().unwrap();
    // … and back to the defaults, as every deployment that names none.
    let (lasting, brought) = labs.up(BTreeMap::new(), wall(9), false).await.unwrap();
    assert!(matches!(brought, Brought::Updated(_)) && lasting.facts().parameters.is_empty());
    lasting.close().unwrap();
    assert!(labs.open(wall(10)).await.is_ok());
}

#[tokio::test]
async fn up_makes_both_steps_and_keeps_the_first_when_the_second_is_refused() {
    let (_dir, labs) = labs();
    let (lasting, _) = labs.up(BTreeMap::new(), wall(0), false).await.unwrap();
    let order = submit(&lasting, "review-approve", "eventbridge").await;
    lasting.close().unwrap();
    let off = given(&[("Fraud", "off")]);
    let refused = labs.up(off.clone(), wall(60), false).await.unwrap_err();
    assert!(refused.to_string().contains(order.as_str()), "{refused}");
    let lasting = labs.open(wall(61)).await.unwrap();
    assert_eq!(lasting.world.deployment().fraud, Fraud::Listening);
    review::decide(&lasting.world, &order, Verdict::Approve, None, 60)
        .await
        .unwrap();
    lasting.close().unwrap();
    let (lasting, brought) = labs.up(off.clone(), wall(7_200), false).await.unwrap();
    assert!(matches!(brought, Brought::Updated(steps) if steps.len() == 1));
    lasting.close().unwrap();
    let on = given(&[("Fraud", "on")]);
    let (lasting, brought) = labs.up(on, wall(7_300), false).await.unwrap();
    assert!(matches!(brought, Brought::Updated(steps) if steps.len() == 2));
    assert_eq!(outcome(&lasting, &order).await, "Confirmed");
    lasting.close().unwrap();
    assert!(labs.open(wall(7_301)).await.is_ok());
}

#[tokio::test]
async fn what_a_lab_offers_changes_with_its_parameters() {
    let (_dir, labs) = labs();
    let (lasting, _) = labs.up(BTreeMap::new(), wall(0), false).await.unwrap();
    let all = lasting.world.deployment().variants;
    lasting.close().unwrap();
    let without = given(&[
        ("WithChoreography", "false"),
        ("WithTopics", "false"),
        ("WithFifo", "false"),
    ]);
    let (lasting, _) = labs.up(without, wall(1), false).await.unwrap();
    let left = lasting.world.deployment().variants;
    assert!(left.len() < all.len() && lasting.world.rules().await.is_err());
    lasting.close().unwrap();
    let (lasting, _) = labs.up(BTreeMap::new(), wall(2), false).await.unwrap();
    assert_eq!(lasting.world.deployment().variants, all);
    let settled = wall(3_600);
    lasting.close().unwrap();
    let lasting = labs.open(settled).await.unwrap();
    for under in variant::ALL.iter() {
        let order = submit(&lasting, "happy", under.name).await;
        lasting.world.pause(60_000).await;
        assert_eq!(
            outcome(&lasting, &order).await,
            "Confirmed",
            "{}",
            under.name
        );
    }
}

#[tokio::test]
async fn up_sets_a_lab_of_another_duet_aside() {
    let (_dir, labs) = labs();
    labs.open(wall(0)).await.unwrap().close().unwrap();
    let good = std::fs::read_to_string(labs.file()).unwrap();
    std::fs::write(labs.file(), good.replacen(&digest(), "0000", 1)).unwrap();
    let (_, brought) = labs.up(BTreeMap::new(), wall(1), false).await.unwrap();
    assert!(matches!(brought, Brought::Begun(Some(aside)) if aside.is_file()));
}

#[test]
fn a_stack_is_no_path() {
    for name in ["..", "a/b", "", "1a"] {
        assert!(LabDir::new(Path::new("/tmp"), name).is_err(), "{name}");
    }
}
