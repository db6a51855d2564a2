mod updates;

use super::file::digest;
use super::*;
use crate::ops::dlq::{self, Filter};
use crate::ops::{demo, place, repair, review};
use crate::shop::scenario::{self, Person};
use crate::shop::services::TableOf;
use crate::shop::variant::{self, Variant};
use crate::world::port::bus::{BusTools, Event, Listen};
use crate::world::port::operate::Operate;
use duet_core::OrderId;
use duet_fraud::command::Verdict;

fn labs() -> (tempfile::TempDir, LabDir) {
    let dir = tempfile::tempdir().unwrap();
    let labs = LabDir::new(dir.path(), "duet").unwrap();
    (dir, labs)
}

fn wall(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-03-01T09:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(seconds)
}

fn named(name: &str) -> &'static Variant {
    variant::named(name).unwrap()
}

/// Places the orders of a scenario and gives the id of the last.
async fn submit(lasting: &Lasting, of: &str, under: &str) -> OrderId {
    let world = &lasting.world;
    let scenario = scenario::named(of).unwrap();
    let stem = format!("{of}-{under}");
    let plan = scenario.plan(&stem, 1, world.deployment().patience_seconds);
    catalog::seed(world, &plan.goods).await.unwrap();
    let order = &plan.waves[0][0];
    place::submit(world, named(under), order).await.unwrap();
    order.order.clone()
}

async fn outcome(lasting: &Lasting, order: &OrderId) -> String {
    let order = place::find(&lasting.world, order.as_str()).await.unwrap();
    order.map_or("unknown".to_owned(), |order| place::word(&order.standing()))
}

#[tokio::test]
async fn what_one_command_did_the_next_one_finds() {
    let (_dir, labs) = labs();
    for under in variant::ALL.iter() {
        let lasting = labs.open(wall(0)).await.unwrap();
        let order = submit(&lasting, "review-approve", under.name).await;
        lasting.close().unwrap();
        // The clock of the next command is the wall's.
        let lasting = labs.open(wall(60)).await.unwrap();
        assert!(lasting.world.now() >= wall(60));
        let waiting = review::list(&lasting.world, false).await.unwrap().reviews;
        assert_eq!(waiting.len(), 1, "{}", under.name);
        review::decide(&lasting.world, &order, Verdict::Approve, None, 60)
            .await
            .unwrap();
        let decided = lasting.world.now();
        lasting.close().unwrap();
        // … or the one before it left it later.
        let lasting = labs.open(wall(0)).await.unwrap();
        assert!(lasting.world.now() > decided);
        assert_eq!(outcome(&lasting, &order).await, "Confirmed");
        lasting.close().unwrap();
    }
}

#[tokio::test]
async fn a_review_nobody_decided_is_over_tomorrow() {
    let (_dir, labs) = labs();
    let lasting = labs.open(wall(0)).await.unwrap();
    let order = submit(&lasting, "review-timeout", "eventbridge").await;
    lasting.close().unwrap();
    let lasting = labs.open(wall(3_600)).await.unwrap();
    assert_eq!(outcome(&lasting, &order).await, "Undecided");
    lasting.close().unwrap();
    let lasting = labs.open(wall(25 * 3_600)).await.unwrap();
    assert_eq!(outcome(&lasting, &order).await, "Rejected(ReviewTimedOut)");
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story: each input needs those before it"
)]
async fn every_kind_of_input_comes_again() {
    let (_dir, labs) = labs();
    let lasting = labs.open(wall(0)).await.unwrap();
    let mut orders = Vec::new();
    for under in variant::ALL.iter() {
        orders.push(submit(&lasting, "refund-fails", under.name).await);
        lasting.world.submit_poison(under, "bad").await.unwrap();
    }
    for marker in ["worse", "worst"] {
        let queue = named("eventbridge");
        lasting.world.submit_poison(queue, marker).await.unwrap();
    }
    lasting.close().unwrap();
    let lasting = labs.open(wall(7_200)).await.unwrap();
    for order in &orders {
        repair::repair(&lasting.world, order, 600).await.unwrap();
    }
    lasting.close().unwrap();
    let lasting = labs.open(wall(7_300)).await.unwrap();
    let letters = dlq::list(&lasting.world, &Filter::default()).await.unwrap();
    let poison = letters.letters.iter().find(|one| one.home.is_some());
    dlq::discard(&lasting.world, &poison.unwrap().id)
        .await
        .unwrap();
    dlq::redrive(&lasting.world, &Filter::default(), false, 10)
        .await
        .unwrap();
    for failed in lasting.world.failed_executions().await.unwrap() {
        lasting.world.redrive(&failed.arn).await.unwrap();
        lasting.world.start_again(&failed).await.ok();
    }
    let event = Event {
        source: "duet.test".to_owned(),
        kind: "Ping".to_owned(),
        detail: serde_json::json!({}),
    };
    lasting.world.put_event(&event).await.unwrap();
    lasting.world.outage(TableOf::Payment, true).await.unwrap();
    lasting.close().unwrap();
    // The digest at the end of each command is compared while it opens.
    let lasting = labs.open(wall(20_000)).await.unwrap();
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
    assert!(
        lasting
            .world
            .listen(listen(86_400), &mut heard)
            .await
            .unwrap()
    );
    assert!(!lasting.world.listen(listen(60), &mut heard).await.unwrap());
    assert_eq!(count, 1);
    for order in &orders {
        // An execution that was started anew and failed in the outage is another
        // word about the order, which cannot know whether anybody was told.
        let outcome = outcome(&lasting, order).await;
        let whole = "Rejected(DeliveryFailed, NotServed)";
        assert!(
            [whole.to_owned(), format!("{whole}, owes notice")].contains(&outcome),
            "{outcome}"
        );
    }
    let kinds = std::fs::read_to_string(labs.file()).unwrap();
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
    let (_dir, labs) = labs();
    let lasting = labs.open(wall(0)).await.unwrap();
    let scenarios = scenario::ALL.iter().filter(|scenario| {
        let plan = scenario.plan("fit", 1, lasting.world.deployment().patience_seconds);
        plan.person != Some(Person::IsSilent)
    });
    let choice = demo::Choice {
        scenarios: scenarios.collect(),
        variants: variant::ALL.iter().collect(),
        copies: 1,
        within: 600,
        faults: false,
    };
    let report = demo::run(&lasting.world, &choice).await.unwrap();
    assert!(report.rows.iter().all(|row| row.ok));
    lasting.close().unwrap();
    let lasting = labs.open(wall(0)).await.unwrap();
    for row in &report.rows {
        for order in &row.orders {
            assert!(place::find(&lasting.world, order).await.unwrap().is_some());
        }
    }
}

#[tokio::test]
async fn a_command_that_only_looks_writes_nothing() {
    let (_dir, labs) = labs();
    labs.open(wall(0)).await.unwrap().close().unwrap();
    let before = std::fs::read(labs.file()).unwrap();
    let lasting = labs.open(wall(100)).await.unwrap();
    dlq::list(&lasting.world, &Filter::default()).await.unwrap();
    lasting.close().unwrap();
    assert_eq!(std::fs::read(labs.file()).unwrap(), before);
}

#[tokio::test]
async fn a_line_cut_off_is_left_out_and_written_over() {
    let (_dir, labs) = labs();
    labs.open(wall(0)).await.unwrap().close().unwrap();
    let mut bytes = std::fs::read(labs.file()).unwrap();
    bytes.extend(b"{\"at\":\"2026-03-01T09:00");
    std::fs::write(labs.file(), bytes).unwrap();
    let lasting = labs.open(wall(10)).await.unwrap();
    let order = submit(&lasting, "happy", "standard").await;
    lasting.close().unwrap();
    let lasting = labs.open(wall(20)).await.unwrap();
    assert_eq!(outcome(&lasting, &order).await, "Confirmed");
}

/// `text` without the digests of its lines.
fn without_digests(text: &str) -> String {
    let mut kept = text.to_owned();
    while let Some(from) = kept.find(",\"lines\":\"") {
        let length = kept[from..].find('}').unwrap();
        kept.replace_range(from..from + length, "");
    }
    kept
}

#[tokio::test]
async fn a_command_that_was_cut_short_is_left_out_as_a_whole() {
    let (_dir, labs) = labs();
    let lasting = labs.open(wall(0)).await.unwrap();
    let first = submit(&lasting, "happy", "standard").await;
    lasting.close().unwrap();
    let whole = std::fs::read_to_string(labs.file()).unwrap();
    let lasting = labs.open(wall(10)).await.unwrap();
    let second = submit(&lasting, "happy", "eventbridge").await;
    lasting.close().unwrap();
    let both = std::fs::read_to_string(labs.file()).unwrap();
    // Cut after each line of the second command but its end.
    let lines = both[whole.len()..].lines().count();
    assert!(lines > 2, "{lines}");
    for kept in 0..lines {
        let more: String = both[whole.len()..]
            .split_inclusive('\n')
            .take(kept)
            .collect();
        std::fs::write(labs.file(), format!("{whole}{more}")).unwrap();
        let lasting = labs.open(wall(20)).await.unwrap();
        assert_eq!(outcome(&lasting, &first).await, "Confirmed");
        assert_eq!(outcome(&lasting, &second).await, "unknown", "{kept}");
    }
    std::fs::write(labs.file(), &both).unwrap();
    let lasting = labs.open(wall(20)).await.unwrap();
    assert_eq!(outcome(&lasting, &second).await, "Confirmed");
}

#[tokio::test]
async fn a_line_that_was_edited_or_deleted_is_found() {
    let (_dir, labs) = labs();
    for (at, under) in [(0, "standard"), (10, "eventbridge")] {
        let lasting = labs.open(wall(at)).await.unwrap();
        submit(&lasting, "happy", under).await;
        lasting.close().unwrap();
    }
    let good = std::fs::read_to_string(labs.file()).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let ends: Vec<usize> = (0..lines.len())
        .filter(|n| lines[*n].contains("\"kind\":\"end\""))
        .collect();
    assert_eq!(ends.len(), 2);
    // A price that nobody reads, a line of either command, and a whole command.
    let edited = good.replacen("\"initial\":1000,", "\"initial\":1001,", 1);
    let without = |taken: std::ops::Range<usize>| {
        let kept = lines.iter().enumerate();
        let kept = kept.filter(|(n, _)| !taken.contains(n));
        kept.map(|(_, line)| format!("{line}\n"))
            .collect::<String>()
    };
    let seed = good.replacen("\"seed\":1", "\"seed\":2", 1);
    assert_ne!(seed, good);
    for bad in [
        edited,
        seed,
        without(1..2),
        without(ends[0] + 1..ends[0] + 2),
        without(1..ends[0] + 1),
    ] {
        std::fs::write(labs.file(), bad).unwrap();
        let said = labs.open(wall(20)).await.unwrap_err().to_string();
        assert!(said.contains("changed or taken out"), "{said}");
    }
    std::fs::write(labs.file(), good).unwrap();
    assert!(labs.open(wall(20)).await.is_ok());
}

#[tokio::test]
async fn what_was_broken_stays_broken_until_it_is_mended() {
    use crate::ops::trouble::{self, What};
    let (_dir, labs) = labs();
    let payment: What = "payment".parse().unwrap();
    let silent: What = "silent@delivery:1".parse().unwrap();
    assert!("paymnt".parse::<What>().unwrap_err().contains("payment"));
    for (at, under) in [(0, "standard"), (1_000, "eventbridge")] {
        let lasting = labs.open(wall(at)).await.unwrap();
        trouble::cause(&lasting.world, &payment).await.unwrap();
        let both = trouble::cause(&lasting.world, &silent).await.unwrap();
        assert_eq!((both.down.len(), both.faults.len()), (1, 1));
        let order = submit(&lasting, "happy", under).await;
        lasting.close().unwrap();
        let lasting = labs.open(wall(at + 5)).await.unwrap();
        assert_eq!(outcome(&lasting, &order).await, "Undecided", "{under}");
        let one = trouble::mend(&lasting.world, Some(&payment)).await.unwrap();
        assert_eq!((one.mended.down, one.left.faults), (both.down, both.faults));
        let rest = trouble::mend(&lasting.world, None).await.unwrap();
        assert!(rest.left.is_none() && !rest.mended.is_none());
        lasting.close().unwrap();
        let lasting = labs.open(wall(at + 300)).await.unwrap();
        assert_eq!(outcome(&lasting, &order).await, "Confirmed", "{under}");
        lasting.close().unwrap();
    }
}

#[tokio::test]
async fn a_file_of_other_definitions_or_of_other_deeds_is_refused_with_a_remedy() {
    let (_dir, labs) = labs();
    let lasting = labs.open(wall(0)).await.unwrap();
    submit(&lasting, "happy", "standard").await;
    lasting.close().unwrap();
    // As a file without digests of its lines, from before there were any.
    let good = std::fs::read_to_string(labs.file()).unwrap();
    let good = without_digests(&good);
    let refused = async |text: String, part: &str| {
        std::fs::write(labs.file(), text).unwrap();
        let said = labs.open(wall(9)).await.unwrap_err().to_string();
        assert!(said.contains(part) && said.contains("--delete"), "{said}");
    };
    let other = good.replacen(&digest(), "0000", 1);
    refused(other, "with other definitions").await;
    let other = good.replacen("\"format\":1", "\"format\":2", 1);
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
    let aside = labs.set_aside(wall(10)).unwrap().unwrap();
    assert!(std::fs::read_to_string(aside).unwrap().contains("\"writ\""));
    assert!(labs.open(wall(11)).await.is_ok());
}
