//! The drill in the lab, and what it must not take for granted.

use duet_lab::Config;

use super::measure::Seen;
use super::*;
use crate::shop::parameters::LITTLE_PATIENCE;
use crate::shop::variant;
use crate::terminal::exit::Exit;
use crate::terminal::report::Report;
use crate::world::lab::{Lab, definitions};

/// A lab with little patience and `parameters`.
fn lab(parameters: &[(&str, &str)]) -> Lab {
    let quick = [LITTLE_PATIENCE, TASK_TIMEOUT, ("ReviewSeconds", "3600")];
    let all = quick.iter().chain(parameters);
    let all = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config = Config {
        seed: 9,
        keep_succeeded: true,
        ..Config::default()
    };
    Lab::new(&definitions(&all.collect()).unwrap(), config).unwrap()
}

fn choice(orders: usize) -> Choice {
    Choice {
        variants: variant::ALL.iter().collect(),
        orders,
        within: 120,
    }
}

#[tokio::test]
async fn after_an_outage_nobody_is_charged_wrongly_and_nothing_is_owed() {
    let world = lab(&[]);
    // As a drill leaves it that was cut off: the next one begins by mending it.
    world.outage(TableOf::Inventory, true).await.unwrap();
    let report = run(&world, &choice(20)).await.unwrap();
    assert_eq!(report.exit(), Exit::Done, "{}", report.text());
    assert_eq!(report.parts.len(), 5 * variant::ALL.len());
    for part in &report.parts {
        let ended = (part.confirmed, part.rejected, part.attention);
        match part.name {
            "payment-blip" | "order-outage" | "order-outage-redrive" => {
                assert_eq!(ended, (20, 0, 0), "{part:?}");
            }
            _ => assert_eq!(ended, (0, 20, 0)),
        }
        assert_eq!((part.orders, part.double_charges), (20, 0));
        let lying = part.dead_letters + part.failed_executions;
        match part.name {
            "undo-outage" => assert_eq!((part.parked, lying, part.repaired), (20, 20, 20)),
            // Two of the twenty were placed before; of the others' executions the
            // word that they ended may lie dead, too.
            "order-outage" | "order-outage-redrive" => {
                assert!(lying >= 18 && part.redriven >= 18, "{part:?}");
                assert_eq!((part.parked, part.repaired), (0, 0));
                continue;
            }
            _ => assert_eq!((part.parked, lying, part.repaired), (0, 0, 0)),
        }
        // What died as a message went home as one.
        assert_eq!(part.redriven, part.dead_letters);
    }
}

#[tokio::test]
async fn a_drill_in_which_nothing_was_down_or_something_stays_is_not_ok() {
    let world = lab(&[]);
    let run = Run {
        world: &world,
        choice: &choice(2),
        stem: "d".to_owned(),
    };
    let batches = run.batches("undo-outage", |_, _| {}).unwrap();
    run.place("undo-outage", &batches).await.unwrap();
    world.pause(60_000).await;
    let expected = Expected::Rejected(Reason::DeliveryFailed, Some("NotServed"));
    let ids = batches.iter().flat_map(Batch::ids);
    let seen = Seen {
        lies: ids.map(ToString::to_string).collect(),
        parks: true,
        ..Seen::default()
    };
    let parts = run.measure("undo-outage", &batches, expected, &seen).await;
    for part in parts.unwrap() {
        assert!(!part.ok && part.confirmed == 2);
        let wrong = part.wrong.join("; ");
        assert!(wrong.contains("Confirmed, not Rejected(DeliveryFailed, NotServed)"));
        assert!(wrong.contains("0 were parked"), "{wrong}");
    }
}

#[tokio::test]
async fn where_no_order_can_wait_for_a_review_the_drill_is_refused() {
    for (parameter, remedy) in [
        (("Fraud", "off"), "Fraud=on"),
        (("ReviewSeconds", "30"), "ReviewSeconds=3600"),
    ] {
        let refused = run(&lab(&[parameter]), &choice(1)).await.unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert!(refused.to_string().contains(remedy), "{refused}");
    }
}
