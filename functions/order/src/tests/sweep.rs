//! The sweep's rule: who is left to nobody, and what is said of them.

use duet_core::SystemClock;
use duet_core::sweep::{Execution, Sweep};

use super::*;
use crate::domain::UNDECIDED;
use crate::sweep::{LET_ALONE_SECONDS, Left, left};

fn run(name: &str, ended: Option<i64>) -> Execution {
    Execution {
        name: name.to_owned(),
        ended: ended.map(at),
    }
}

fn by(execution: Option<&str>, seconds: i64) -> Option<Left> {
    Some(Left::ByWorkflow {
        execution: execution.map(str::to_owned),
        at: at(seconds),
    })
}

#[tokio::test]
async fn an_order_is_in_the_index_until_it_is_decided() {
    for (command, inside) in [
        (extend(), true),
        (confirm(), false),
        (reject(Reason::PaymentDeclined, None), false),
        (park(&[]), false),
    ] {
        let world = placed().await;
        assert_eq!(world.order().await.undecided_since, Some(at(0)));
        let _ = world.tell(command.clone()).await;
        let listed = world.order().await.undecided_since.is_some();
        assert_eq!(listed, inside, "{command:?}");
    }
    assert_eq!(<Orders<Memory, SystemClock> as Sweep>::INDEX, UNDECIDED);
}

#[tokio::test]
async fn an_order_is_in_the_index_of_parked_ones_while_something_is_owed() {
    let world = placed().await;
    assert_eq!(world.order().await.parked_since, None);
    let _ = world.tell(park(&[owed(Part::Payment, None)])).await;
    let parked = world.order().await;
    assert!(parked.is_parked() && parked.parked_since.is_some());
}

#[tokio::test]
async fn an_order_is_at_rest_once_nothing_is_under_way_and_parked_while_it_owes() {
    let whole = undone(&Part::COMPENSATED);
    let rejected = || reject(Reason::DeliveryFailed, None);
    for (commands, at_rest, parked) in [
        (vec![], false, false),
        (vec![confirm()], true, false),
        (
            vec![confirm(), park(&[owed(Part::Shipment, None)])],
            true,
            true,
        ),
        (vec![rejected()], false, false),
        (vec![rejected(), park(&[])], true, true),
        (vec![rejected(), whole], true, false),
    ] {
        let world = placed().await;
        for command in &commands {
            let _ = world.tell(command.clone()).await;
        }
        let order = world.order().await;
        let stands = (order.is_at_rest(), order.is_parked());
        assert_eq!(stands, (at_rest, parked), "{commands:?}");
    }
}

#[tokio::test]
async fn what_was_not_touched_for_a_while_is_worth_asking_about() {
    let world = placed().await;
    let item = world
        .table
        .load(&[key("o-1")])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    let let_alone = i64::from(LET_ALONE_SECONDS);
    for (seconds, asked) in [(let_alone - 1, false), (let_alone, true)] {
        let waits = <Orders<Memory, SystemClock> as Sweep>::waits(&item, at(seconds)).unwrap();
        let about = waits.map(|it| (it.subject, it.variant));
        let order = ("o-1".to_owned(), "standard".to_owned());
        assert_eq!(about, asked.then_some(order), "after {seconds} s");
    }
}

#[tokio::test]
async fn what_an_execution_drives_is_let_alone() {
    let order = placed().await.order().await;
    let late = at(100_000);
    for (executions, who) in [
        (vec![run("o-1", None)], None),
        (vec![run("o-1", Some(10)), run("o-1__2", None)], None),
        (vec![run("o-1", Some(10))], by(Some("o-1"), 10)),
        // Whichever machine they ran on: the last to end left it.
        (
            vec![run("o-1__2", Some(90)), run("o-1", Some(10))],
            by(Some("o-1__2"), 90),
        ),
        // What was touched after the end is known by its last touch.
        (vec![run("o-1", Some(-10))], by(Some("o-1"), 0)),
        (vec![], by(None, 0)),
    ] {
        assert_eq!(left(&order, Some(&executions), late), who, "{executions:?}");
    }
}

#[tokio::test]
async fn nothing_is_said_before_what_comes_by_itself_has_come() {
    let order = placed().await.order().await;
    let alone = i64::from(LET_ALONE_SECONDS);
    let none: &[Execution] = &[];
    let ended = [run("o-1", Some(300))];
    let deadline = i64::from(PATIENCE.order);
    for (executions, from) in [(Some(none), 0), (Some(&ended[..]), 300), (None, deadline)] {
        let is_left = |now| left(&order, executions, at(now)).is_some();
        assert!(!is_left(from + alone - 1), "{executions:?}");
        assert!(is_left(from + alone), "{executions:?}");
    }
}

#[tokio::test]
async fn what_the_sweep_says_ends_the_order_once() {
    for (executions, late, name, reason) in [
        (
            Some(vec![run("o-1__2", Some(20))]),
            120,
            "ParkOrder",
            Reason::Abandoned,
        ),
        (Some(vec![]), 120, "ParkOrder", Reason::Abandoned),
        (None, 1_000, "ExpireOrder", Reason::TimedOut),
    ] {
        let world = placed().await;
        world.turn_to(late);
        let item = world.table.load(&[key("o-1")]).await.unwrap().remove(0);
        let item = item.unwrap();
        type Swept = Orders<Memory, duet_core::SystemClock>;
        let said = Swept::left(&item, executions.as_deref(), at(late)).unwrap();
        let said = said.unwrap();
        assert_eq!(said.name(), name);
        let first = world.tell(said.clone()).await;
        assert!(!first.events.is_empty(), "{name}");
        let order = world.order().await;
        assert!(
            matches!(&order.fate, Fate::Rejected { reason: why, .. } if *why == reason),
            "{:?}",
            order.fate
        );
        // Said again, or found again in an index that lags: nothing more.
        assert!(world.tell(said).await.repeat);
        assert_eq!(world.order().await, order);
        let item = world.table.load(&[key("o-1")]).await.unwrap().remove(0);
        let waits = Swept::waits(&item.unwrap(), at(9_000)).unwrap();
        assert_eq!(waits, None);
    }
}

/// The word of an execution's end and the sweep's are one command.
#[tokio::test]
async fn the_word_that_comes_after_all_is_the_same_word() {
    let world = placed().await;
    world.turn_to(200);
    let order = world.order().await;
    let parking = left(&order, Some(&[run("o-1", Some(100))]), at(200));
    let parking = parking.unwrap().parking(&order);
    let _ = world.tell(Command::from(parking)).await;
    let word = json!({
        "order": "o-1", "owed": [], "execution": "o-1", "ended_at": at(100).as_millisecond(),
    });
    let word = Command::parse("ParkOrder", word).unwrap();
    assert!(world.tell(word).await.repeat);
    assert_eq!(world.order().await.parkings, 1);
}
