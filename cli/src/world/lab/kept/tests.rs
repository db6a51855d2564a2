use super::*;
use crate::dlq::{self, Filter};
use crate::scenario::{self, Person};
use crate::variant::{self, Variant};
use crate::world::Fraud;
use crate::world::TableOf;
use crate::world::bus::{BusTools, Event, Listen};
use crate::world::operate::Operate;
use crate::{demo, place, repair, review};
use duet_core::OrderId;
use duet_fraud::command::Verdict;

fn shelf() -> (tempfile::TempDir, Shelf) {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::new(dir.path(), "duet").unwrap();
    (dir, shelf)
}

fn wall(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-03-01T09:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(seconds)
}

fn named(name: &str) -> &'static Variant {
    variant::named(name).unwrap()
}

/// Places the orders of a scenario and gives the id of the last.
async fn submit(kept: &Kept, of: &str, under: &str) -> OrderId {
    let world = &kept.world;
    let scenario = scenario::named(of).unwrap();
    let stem = format!("{of}-{under}");
    let plan = scenario.plan(&stem, 1, world.deployment().patience_seconds);
    catalog::seed(world, &plan.goods).await.unwrap();
    let order = &plan.waves[0][0];
    place::submit(world, named(under), order).await.unwrap();
    order.order.clone()
}

async fn outcome(kept: &Kept, order: &OrderId) -> String {
    let order = place::find(&kept.world, order.as_str()).await.unwrap();
    order.map_or("unknown".to_owned(), |order| place::word(&order.standing()))
}

#[tokio::test]
async fn what_one_command_did_the_next_one_finds() {
    let (_dir, shelf) = shelf();
    for under in variant::ALL {
        let kept = shelf.open(wall(0)).await.unwrap();
        let order = submit(&kept, "review-approve", under.name).await;
        kept.close().unwrap();
        // The clock of the next command is the wall's.
        let kept = shelf.open(wall(60)).await.unwrap();
        assert!(kept.world.now() >= wall(60));
        let waiting = review::list(&kept.world, false).await.unwrap().reviews;
        assert_eq!(waiting.len(), 1, "{}", under.name);
        review::decide(&kept.world, &order, Verdict::Approve, None, 60)
            .await
            .unwrap();
        let decided = kept.world.now();
        kept.close().unwrap();
        // … or the one before it left it later.
        let kept = shelf.open(wall(0)).await.unwrap();
        assert!(kept.world.now() > decided);
        assert_eq!(outcome(&kept, &order).await, "Confirmed");
        kept.close().unwrap();
    }
}

#[tokio::test]
async fn a_review_nobody_decided_is_over_tomorrow() {
    let (_dir, shelf) = shelf();
    let kept = shelf.open(wall(0)).await.unwrap();
    let order = submit(&kept, "review-timeout", "eventbridge").await;
    kept.close().unwrap();
    let kept = shelf.open(wall(3_600)).await.unwrap();
    assert_eq!(outcome(&kept, &order).await, "Undecided");
    kept.close().unwrap();
    let kept = shelf.open(wall(25 * 3_600)).await.unwrap();
    assert_eq!(outcome(&kept, &order).await, "Rejected(ReviewTimedOut)");
}

#[tokio::test]
async fn every_kind_of_input_comes_again() {
    let (_dir, shelf) = shelf();
    let kept = shelf.open(wall(0)).await.unwrap();
    let mut orders = Vec::new();
    for under in variant::ALL {
        orders.push(submit(&kept, "refund-fails", under.name).await);
        kept.world.submit_poison(under, "bad").await.unwrap();
    }
    for marker in ["worse", "worst"] {
        let queue = named("eventbridge");
        kept.world.submit_poison(queue, marker).await.unwrap();
    }
    kept.close().unwrap();
    let kept = shelf.open(wall(7_200)).await.unwrap();
    for order in &orders {
        repair::repair(&kept.world, order, 600).await.unwrap();
    }
    kept.close().unwrap();
    let kept = shelf.open(wall(7_300)).await.unwrap();
    let letters = dlq::list(&kept.world, &Filter::default()).await.unwrap();
    let poison = letters.letters.iter().find(|one| one.home.is_some());
    dlq::discard(&kept.world, &poison.unwrap().id)
        .await
        .unwrap();
    dlq::redrive(&kept.world, &Filter::default(), false, 10)
        .await
        .unwrap();
    for failed in kept.world.failed_executions().await.unwrap() {
        kept.world.redrive(&failed.arn).await.unwrap();
        kept.world.start_again(&failed).await.ok();
    }
    let event = Event {
        source: "duet.test".to_owned(),
        kind: "Ping".to_owned(),
        detail: serde_json::json!({}),
    };
    kept.world.put_event(&event).await.unwrap();
    kept.world.outage(TableOf::Payment, true).await.unwrap();
    kept.close().unwrap();
    // The digest at the end of each command is compared while it opens.
    let kept = shelf.open(wall(20_000)).await.unwrap();
    let listen = |within| Listen {
        pattern: r#"{"detail-type":["Ping"]}"#,
        within,
        first: false,
    };
    let mut count = 0;
    let mut heard = |_: &serde_json::Value| {
        count += 1;
        Ok(())
    };
    assert!(kept.world.listen(listen(86_400), &mut heard).await.unwrap());
    assert!(!kept.world.listen(listen(60), &mut heard).await.unwrap());
    assert_eq!(count, 1);
    for order in &orders {
        // An execution that was started anew and failed in the outage is another
        // word about the order, which cannot know whether anybody was told.
        let outcome = outcome(&kept, order).await;
        let whole = "Rejected(DeliveryFailed, NotServed)";
        assert!(
            [whole.to_owned(), format!("{whole}, owes notice")].contains(&outcome),
            "{outcome}"
        );
    }
    let kinds = std::fs::read_to_string(shelf.file()).unwrap();
    for kind in [
        "start_execution",
        "send_command",
        "send_text",
        "invoke",
        "write",
        "forward",
        "discard",
        "put_event",
        "redrive_execution",
        "set_down",
        "end",
    ] {
        assert!(kinds.contains(&format!("\"kind\":\"{kind}\"")), "{kind}");
    }
}

#[tokio::test]
async fn every_scenario_comes_again() {
    let (_dir, shelf) = shelf();
    let kept = shelf.open(wall(0)).await.unwrap();
    let scenarios = scenario::ALL.iter().filter(|scenario| {
        let plan = scenario.plan("fit", 1, kept.world.deployment().patience_seconds);
        plan.person != Some(Person::IsSilent)
    });
    let choice = demo::Choice {
        scenarios: scenarios.collect(),
        variants: variant::ALL.iter().collect(),
        copies: 1,
        within: 600,
        faults: false,
    };
    let report = demo::run(&kept.world, &choice).await.unwrap();
    assert!(report.rows.iter().all(|row| row.ok));
    kept.close().unwrap();
    let kept = shelf.open(wall(0)).await.unwrap();
    for row in &report.rows {
        for order in &row.orders {
            assert!(place::find(&kept.world, order).await.unwrap().is_some());
        }
    }
}

#[tokio::test]
async fn a_command_that_only_looks_writes_nothing() {
    let (_dir, shelf) = shelf();
    shelf.open(wall(0)).await.unwrap().close().unwrap();
    let before = std::fs::read(shelf.file()).unwrap();
    let kept = shelf.open(wall(100)).await.unwrap();
    dlq::list(&kept.world, &Filter::default()).await.unwrap();
    kept.close().unwrap();
    assert_eq!(std::fs::read(shelf.file()).unwrap(), before);
}

#[tokio::test]
async fn a_line_cut_off_is_left_out_and_written_over() {
    let (_dir, shelf) = shelf();
    shelf.open(wall(0)).await.unwrap().close().unwrap();
    let mut bytes = std::fs::read(shelf.file()).unwrap();
    bytes.extend(b"{\"at\":\"2026-03-01T09:00");
    std::fs::write(shelf.file(), bytes).unwrap();
    let kept = shelf.open(wall(10)).await.unwrap();
    let order = submit(&kept, "happy", "standard").await;
    kept.close().unwrap();
    let kept = shelf.open(wall(20)).await.unwrap();
    assert_eq!(outcome(&kept, &order).await, "Confirmed");
}

#[tokio::test]
async fn a_file_of_other_definitions_or_of_other_deeds_is_refused_with_a_remedy() {
    let (_dir, shelf) = shelf();
    let kept = shelf.open(wall(0)).await.unwrap();
    submit(&kept, "happy", "standard").await;
    kept.close().unwrap();
    let good = std::fs::read_to_string(shelf.file()).unwrap();
    let refused = async |text: String, part: &str| {
        std::fs::write(shelf.file(), text).unwrap();
        let said = shelf.open(wall(9)).await.unwrap_err().to_string();
        assert!(said.contains(part) && said.contains("--delete"), "{said}");
    };
    let other = good.replacen(&digest(), "0000", 1);
    refused(other, "with other definitions").await;
    let other = good.replacen("\"format\":1", "\"format\":2", 1);
    refused(other, "with other definitions").await;
    let other = good.replacen("\"seed\":1", "\"seed\":2", 1);
    refused(other, "with other definitions").await;
    let trace = good.rfind("\"trace\":\"").unwrap() + 9;
    let mut other = good.clone();
    other.replace_range(trace..trace + 4, "zzzz");
    refused(other, "does not do as the one that wrote").await;
    refused(
        good.replacen("\"kind\":\"write\"", "\"kind\":\"writ\"", 1),
        "line 2",
    )
    .await;
    // Nothing is lost: it is set aside, and the next command begins anew.
    let aside = shelf.set_aside(wall(10)).unwrap().unwrap();
    assert!(std::fs::read_to_string(aside).unwrap().contains("\"writ\""));
    assert!(shelf.open(wall(11)).await.is_ok());
}

fn given(parameters: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    parameters.iter().map(owned).collect()
}

#[tokio::test]
async fn up_updates_a_lab_in_place_and_orders_in_flight_end_well() {
    let (_dir, shelf) = shelf();
    let slow = given(&[("TaskTimeoutSeconds", "20"), ("ReviewSeconds", "7200")]);
    let (kept, brought) = shelf.up(slow.clone(), wall(0), false).await.unwrap();
    assert_eq!(brought, Brought::Begun(None));
    let mut orders = Vec::new();
    for under in variant::ALL {
        orders.push(submit(&kept, "happy", under.name).await);
        orders.push(submit(&kept, "review-approve", under.name).await);
    }
    kept.close().unwrap();
    let (kept, brought) = shelf.up(slow, wall(5), false).await.unwrap();
    assert_eq!(brought, Brought::AsItWas);
    kept.close().unwrap();
    // Wrong parameters leave all as it is.
    let before = std::fs::read(shelf.file()).unwrap();
    let wrong = shelf
        .up(given(&[("TaskTimeout", "3")]), wall(6), false)
        .await;
    assert!(wrong.unwrap_err().to_string().contains("TaskTimeout"));
    assert_eq!(std::fs::read(shelf.file()).unwrap(), before);

    let quick = given(&[("TaskTimeoutSeconds", "3"), ("OrderDeadlineSeconds", "800")]);
    let (kept, brought) = shelf.up(quick.clone(), wall(7), false).await.unwrap();
    let Brought::Updated(updates) = brought else {
        panic!("{brought:?}");
    };
    let [update] = updates.as_slice() else {
        panic!("{updates:?}");
    };
    assert!(update.added.is_empty() && update.removed.is_empty());
    for place in ["OrderQueue", "Choreography/OrderQueue"] {
        assert!(update.changed.iter().any(|one| one == place), "{update:?}");
    }
    assert!(kept.world.now() >= update.complete && update.complete > wall(8));
    assert_eq!(kept.facts().parameters, quick);
    kept.close().unwrap();

    // It is an input, done again by the next command, which compares the trace.
    let kinds = std::fs::read_to_string(shelf.file()).unwrap();
    assert!(kinds.contains("\"kind\":\"update\""), "{kinds}");
    let kept = shelf.open(wall(8)).await.unwrap();
    assert!(kept.facts().parameters == quick && !kept.facts().updating);
    for under in variant::ALL {
        let stem = format!("review-approve-{}", under.name);
        let mut orders = orders.iter();
        let order = orders.find(|one| one.as_str().starts_with(&stem)).unwrap();
        review::decide(&kept.world, order, Verdict::Approve, None, 60)
            .await
            .unwrap();
    }
    // A decision is sent; what it leads to takes its time.
    kept.world.pause(60_000).await;
    for order in &orders {
        assert_eq!(outcome(&kept, order).await, "Confirmed", "{order}");
    }
    kept.close().unwrap();
    // … and back to the defaults, as every deployment that names none.
    let (kept, brought) = shelf.up(BTreeMap::new(), wall(9), false).await.unwrap();
    assert!(matches!(brought, Brought::Updated(_)) && kept.facts().parameters.is_empty());
    kept.close().unwrap();
    assert!(shelf.open(wall(10)).await.is_ok());
}

#[tokio::test]
async fn up_makes_both_steps_and_keeps_the_first_when_the_second_is_refused() {
    let (_dir, shelf) = shelf();
    let (kept, _) = shelf.up(BTreeMap::new(), wall(0), false).await.unwrap();
    let order = submit(&kept, "review-approve", "eventbridge").await;
    kept.close().unwrap();
    let off = given(&[("Fraud", "off")]);
    let refused = shelf.up(off.clone(), wall(60), false).await.unwrap_err();
    assert!(refused.to_string().contains(order.as_str()), "{refused}");
    let kept = shelf.open(wall(61)).await.unwrap();
    assert_eq!(kept.world.deployment().fraud, Fraud::Listening);
    review::decide(&kept.world, &order, Verdict::Approve, None, 60)
        .await
        .unwrap();
    kept.close().unwrap();
    let (kept, brought) = shelf.up(off.clone(), wall(7_200), false).await.unwrap();
    assert!(matches!(brought, Brought::Updated(steps) if steps.len() == 1));
    kept.close().unwrap();
    let on = given(&[("Fraud", "on")]);
    let (kept, brought) = shelf.up(on, wall(7_300), false).await.unwrap();
    assert!(matches!(brought, Brought::Updated(steps) if steps.len() == 2));
    assert_eq!(outcome(&kept, &order).await, "Confirmed");
    kept.close().unwrap();
    assert!(shelf.open(wall(7_301)).await.is_ok());
}

#[tokio::test]
async fn what_a_lab_offers_changes_with_its_parameters() {
    let (_dir, shelf) = shelf();
    let (kept, _) = shelf.up(BTreeMap::new(), wall(0), false).await.unwrap();
    let all = kept.world.deployment().variants;
    kept.close().unwrap();
    let without = given(&[("WithChoreography", "false")]);
    let (kept, _) = shelf.up(without, wall(1), false).await.unwrap();
    let left = kept.world.deployment().variants;
    assert!(left.len() < all.len() && kept.world.rules().await.is_err());
    kept.close().unwrap();
    let (kept, _) = shelf.up(BTreeMap::new(), wall(2), false).await.unwrap();
    assert_eq!(kept.world.deployment().variants, all);
    let settled = wall(3_600);
    kept.close().unwrap();
    let kept = shelf.open(settled).await.unwrap();
    for under in variant::ALL {
        let order = submit(&kept, "happy", under.name).await;
        kept.world.pause(60_000).await;
        assert_eq!(outcome(&kept, &order).await, "Confirmed", "{}", under.name);
    }
}

#[tokio::test]
async fn up_sets_a_lab_of_another_duet_aside() {
    let (_dir, shelf) = shelf();
    shelf.open(wall(0)).await.unwrap().close().unwrap();
    let good = std::fs::read_to_string(shelf.file()).unwrap();
    std::fs::write(shelf.file(), good.replacen(&digest(), "0000", 1)).unwrap();
    let (_, brought) = shelf.up(BTreeMap::new(), wall(1), false).await.unwrap();
    assert!(matches!(brought, Brought::Begun(Some(aside)) if aside.is_file()));
}

#[test]
fn a_stack_is_no_path() {
    for name in ["..", "a/b", "", "1a"] {
        assert!(Shelf::new(Path::new("/tmp"), name).is_err(), "{name}");
    }
}
