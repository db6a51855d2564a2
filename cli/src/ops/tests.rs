//! The operator's commands where things break on purpose: in the lab.

mod redriven;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use duet_core::OrderId;
use duet_core::order::Part;
use duet_fraud::command::Verdict;
use duet_fraud::review::Status as ReviewStatus;
use duet_inventory::domain::Status as ReservationStatus;
use duet_lab::Config;
use duet_order::command::PlaceOrder;
use duet_order::domain::{Compensation, Fate};

use crate::ops::actions::Signed;
use crate::ops::dlq::{self, Filter};
use crate::ops::drill::outage::TASK_TIMEOUT;
use crate::ops::redrive::{self, Which};
use crate::ops::view::View;
use crate::ops::{catalog, place, repair, review};
use crate::shop::parameters::LITTLE_PATIENCE;
use crate::shop::scenario;
use crate::shop::services::TableOf;
use crate::shop::variant::{self, Style, Variant};
use crate::world::World;
use crate::world::lab::{Lab, definitions};
use crate::world::port::operate::Operate;

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// A lab with quick retries in which `faults` strike.
fn lab(faults: &[&str]) -> Lab {
    let parameters = [LITTLE_PATIENCE, TASK_TIMEOUT, ("ReviewSeconds", "3600")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config {
        seed: 5,
        faults: faults.iter().map(|text| text.parse().unwrap()).collect(),
        keep_succeeded: true,
        ..Config::default()
    };
    Lab::new(&definitions(&BTreeMap::from(parameters)).unwrap(), config).unwrap()
}

/// The variants of one style.
fn of(style: Style) -> impl Iterator<Item = &'static Variant> {
    variant::ALL.iter().filter(move |one| one.style == style)
}

/// The variants whose engine keeps executions, which can be redriven.
fn engines() -> impl Iterator<Item = &'static Variant> {
    variant::ALL.iter().filter(|one| one.keeps_executions)
}

/// Places `copies` orders of a scenario.
async fn placed(
    world: &Lab,
    variant: &'static Variant,
    name: &str,
    copies: usize,
) -> Vec<PlaceOrder> {
    let stem = format!("{name}-{}-{copies}", variant.name);
    let patience = world.deployment().patience_seconds;
    let mut plan = scenario::named(name).unwrap().plan(&stem, copies, patience);
    catalog::seed(world, &plan.goods).await.unwrap();
    let orders = plan.waves.remove(0);
    for order in &orders {
        place::submit(world, variant, order).await.unwrap();
    }
    orders
}

async fn view(world: &Lab, order: &OrderId) -> View {
    View::load(world, order.as_str()).await.unwrap()
}

async fn word(world: &Lab, order: &OrderId) -> String {
    let order = place::find(world, order.as_str()).await.unwrap();
    order.map_or("unknown".to_owned(), |order| place::word(&order.standing()))
}

async fn letters(world: &Lab, filter: Filter) -> Vec<dlq::Letter> {
    dlq::list(world, &filter).await.unwrap().letters
}

#[tokio::test]
async fn letters_are_chosen_by_cause_age_and_the_beginning_of_an_id() {
    let world = lab(&[]);
    let variant = of(Style::Choreography).next().unwrap();
    world.outage(TableOf::Inventory, true).await.unwrap();
    let orders = placed(&world, variant, "happy", 3).await;
    world.pause(10 * MINUTE).await;
    world.submit_poison(variant, "unreadable").await.unwrap();
    world.pause(MINUTE).await;
    let count = async |filter| letters(&world, filter).await.len();
    let all = count(Filter::default()).await;
    let of_cause = async |cause: &str| {
        let cause = Some(cause.to_owned());
        count(Filter {
            cause,
            ..Filter::default()
        })
        .await
    };
    assert_eq!(of_cause("No JSON").await, 1);
    assert_eq!(of_cause("receives").await, all - 1);
    assert_eq!(of_cause("rain").await, 0);
    let older = async |seconds: i64| {
        let older_than = Some(seconds);
        count(Filter {
            older_than,
            ..Filter::default()
        })
        .await
    };
    assert_eq!(older(0).await, all);
    assert_eq!(older(9 * 60).await, all - 1, "the poison is young");
    assert_eq!(older(60 * 60).await, 0);
    let about = async |order: &str| {
        let order = Some(order.to_owned());
        count(Filter {
            order,
            ..Filter::default()
        })
        .await
    };
    let id = orders[0].order.as_str();
    assert_eq!(about(id).await, 1);
    assert_eq!(about(&format!("{}*", &id[..id.len() - 1])).await, 3);
    assert_eq!(about(&id[..id.len() - 1]).await, 0);
}

#[tokio::test]
async fn poison_is_exported_as_it_is_for_its_owner_only_and_never_over_a_file() {
    let world = lab(&[]);
    let variant = of(Style::Choreography).next().unwrap();
    world.submit_poison(variant, "unreadable").await.unwrap();
    world.pause(MINUTE).await;
    let id = letters(&world, Filter::default()).await.remove(0).id;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("poison");
    let shown = dlq::export(&world, &id, false, &file).await.unwrap();
    assert!(shown.body.is_none());
    assert_eq!(shown.exported.as_deref(), Some(file.as_path()));
    let text = std::fs::read_to_string(&file).unwrap();
    let whole = dlq::show(&world, &id, true).await.unwrap().body.unwrap();
    assert_eq!(text, whole);
    assert!(text.contains("unreadable"));
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = dlq::export(&world, &id, false, &file).await;
    assert!(again.unwrap_err().to_string().contains("cannot be written"));
    assert_eq!(letters(&world, Filter::default()).await.len(), 1);
}

#[tokio::test]
async fn a_redrive_into_an_outage_stops_when_the_first_come_back() {
    // Slow to die: every try is backed off from.
    let world = lab(&["store-fault@inventory:1"]);
    let variant = of(Style::Choreography).next().unwrap();
    let orders = placed(&world, variant, "happy", 240).await;
    world.pause(10 * MINUTE).await;
    let filter = || Filter {
        queue: Some("inventory".to_owned()),
        ..Filter::default()
    };
    assert_eq!(letters(&world, filter()).await.len(), orders.len());
    let moved = dlq::redrive(&world, &filter(), false, 1).await.unwrap();
    assert_eq!(moved.redriven.len() + moved.kept.len(), orders.len());
    let alike = |kept: &&dlq::Kept| kept.why.starts_with("one that died alike came back");
    let spared = moved.kept.iter().filter(alike).count();
    assert!(spared > orders.len() / 4, "{spared} were not sent in vain");
    // Not one is lost. (By now the orders' deadlines left letters of their own.)
    world.pause(10 * MINUTE).await;
    let mut left = letters(&world, filter()).await;
    left.retain(|letter| letter.kind.as_deref() == Some("NewOrder"));
    assert_eq!(left.len(), orders.len());
}

/// An order whose execution failed before it was placed.
async fn never_placed(world: &Lab, variant: &'static Variant) -> OrderId {
    world.outage(TableOf::Order, true).await.unwrap();
    let order = placed(world, variant, "happy", 1).await.remove(0).order;
    world.pause(10 * MINUTE).await;
    world.outage(TableOf::Order, false).await.unwrap();
    assert_eq!(word(world, &order).await, "unknown");
    order
}

#[tokio::test]
async fn where_going_on_is_too_late_a_new_execution_is_offered_and_started_once() {
    for variant in engines() {
        let world = lab(&[]);
        let order = never_placed(&world, variant).await;
        let which = Which::Named(order.to_string());
        world.pause(15 * DAY).await;
        let refused = redrive::run(&world, &which, false).await.unwrap();
        let why = refused.executions[0].instead.as_deref().unwrap();
        assert!(why.contains("14 days") && why.contains("--new"), "{why}");

        let dry = redrive::start_again(&world, &which, true).await.unwrap();
        assert!(!dry.executions[0].redriven && dry.executions[0].instead.is_none());
        let started = redrive::start_again(&world, &which, false).await.unwrap();
        let name = format!("{order}__2");
        assert_eq!(started.executions[0].started.as_deref(), Some(&*name));
        // At once again: the first one is under way.
        let twice = redrive::start_again(&world, &which, false).await.unwrap();
        let why = twice.executions[0].instead.as_deref().unwrap();
        assert!(why.contains(&name) && why.contains("runs"), "{why}");
        world.pause(MINUTE).await;
        assert_eq!(word(&world, &order).await, "Confirmed");
        let done = view(&world, &order).await;
        assert_eq!(done.net(), done.order.unwrap().placed.total.amount);
        // And then there is nothing left to do, and nothing left to see.
        let late = redrive::start_again(&world, &which, false).await.unwrap();
        assert!(late.executions.iter().all(|row| row.started.is_none()));
        assert!(letters(&world, Filter::default()).await.is_empty());
    }
}

#[tokio::test]
async fn what_was_compensated_is_never_started_again() {
    for variant in of(Style::Orchestration) {
        let world = lab(&[]);
        let order = placed(&world, variant, "refund-fails", 1).await.remove(0);
        world.pause(10 * MINUTE).await;
        let which = Which::Named(order.order.to_string());
        for again in [
            redrive::run(&world, &which, false).await.unwrap(),
            redrive::start_again(&world, &which, false).await.unwrap(),
        ] {
            let row = &again.executions[0];
            let why = row.instead.as_deref().unwrap();
            assert!(!row.redriven && row.started.is_none());
            assert!(why.contains("compensation already ran"), "{why}");
            assert!(why.contains("duet repair") && !why.contains("--new"));
        }
        repair::repair(&world, &order.order, 60).await.unwrap();
        let whole = redrive::start_again(&world, &which, false).await.unwrap();
        let why = whole.executions[0].instead.as_deref().unwrap();
        assert!(why.contains("nothing is left to do"), "{why}");
    }
}

/// An order that waits for a review, its goods set aside.
async fn under_review(world: &Lab, variant: &'static Variant) -> OrderId {
    let order = placed(world, variant, "review-approve", 1)
        .await
        .remove(0)
        .order;
    world.pause(MINUTE).await;
    let there = view(world, &order).await;
    assert_eq!(there.review.unwrap().status, ReviewStatus::Open);
    assert_eq!(
        there.reservation.unwrap().status,
        ReservationStatus::Reserved
    );
    order
}

#[tokio::test]
async fn a_shipment_owed_after_the_pivot_is_made_good_by_repair_or_by_its_letter() {
    for variant in variant::ALL.iter() {
        let world = lab(&[]);
        let order = under_review(&world, variant).await;
        world.outage(TableOf::Inventory, true).await.unwrap();
        review::decide(&world, &order, Verdict::Approve, None, 60)
            .await
            .unwrap();
        world.pause(10 * MINUTE).await;
        let parked = view(&world, &order).await;
        let there = parked.order.unwrap();
        assert_eq!(
            (&there.fate, there.compensation),
            (&Fate::Confirmed, Compensation::None)
        );
        assert_eq!(
            parked.reservation.unwrap().status,
            ReservationStatus::Reserved
        );
        world.outage(TableOf::Inventory, false).await.unwrap();
        match variant.style {
            Style::Orchestration => {
                let owed: Vec<_> = there.owed.iter().map(|owed| owed.part).collect();
                assert_eq!(owed, [Part::Shipment]);
                let which = Which::Named(order.to_string());
                let refused = redrive::run(&world, &which, false);
                let why = refused.await.unwrap().executions.remove(0).instead.unwrap();
                assert!(why.contains("confirmed and parked"), "{why}");
                let done = repair::repair(&world, &order, 60).await.unwrap();
                assert_eq!(done.repaired, [Part::Shipment]);
                assert_eq!(done.outcome, "Confirmed");
                let again = repair::repair(&world, &order, 60).await.unwrap();
                assert!(again.repaired.is_empty() && again.missing.is_empty());
            }
            Style::Choreography => {
                let sent = dlq::redrive(&world, &Filter::default(), false, 10)
                    .await
                    .unwrap();
                assert_eq!((sent.redriven.len(), sent.kept.len()), (1, 0));
                assert_eq!(sent.redriven[0].kind.as_deref(), Some("OrderConfirmed"));
            }
        }
        world.pause(MINUTE).await;
        let whole = view(&world, &order).await;
        assert_eq!(
            whole.reservation.as_ref().unwrap().status,
            ReservationStatus::Shipped
        );
        assert_eq!(whole.noticed(), ["OrderConfirmed"]);
        assert!(whole.order.unwrap().owed.is_empty());
        assert!(letters(&world, Filter::default()).await.is_empty());
    }
}

#[tokio::test]
async fn a_notice_owed_after_the_pivot_is_sent_once_by_repair() {
    for variant in of(Style::Orchestration) {
        let world = lab(&[]);
        world.outage(TableOf::Notification, true).await.unwrap();
        let order = placed(&world, variant, "happy", 1).await.remove(0).order;
        world.pause(10 * MINUTE).await;
        let there = view(&world, &order).await;
        assert!(there.notices.is_empty());
        let owed: Vec<_> = there
            .order
            .unwrap()
            .owed
            .iter()
            .map(|owed| owed.part)
            .collect();
        assert_eq!(owed, [Part::Notice]);
        world.outage(TableOf::Notification, false).await.unwrap();
        for repaired in [vec![Part::Notice], vec![]] {
            let done = repair::repair(&world, &order, 60).await.unwrap();
            assert_eq!((done.repaired, done.missing.len()), (repaired, 0));
        }
        let whole = view(&world, &order).await;
        assert_eq!(whole.noticed(), ["OrderConfirmed"]);
        assert!(whole.order.unwrap().owed.is_empty());
    }
}

#[tokio::test]
async fn of_two_decisions_at_once_one_wins_and_the_other_hears_of_it() {
    for variant in variant::ALL.iter() {
        let world = lab(&[]);
        let order = under_review(&world, variant).await;
        let (known, stolen) = (Signed::by("kim"), Signed::by("robin"));
        let (yes, no) = tokio::join!(
            review::decide(&world, &order, Verdict::Approve, Some(&known), 60),
            review::decide(&world, &order, Verdict::Reject, Some(&stolen), 60),
        );
        let (word_of, winner, loser) = match (yes, no) {
            (Ok(won), Err(lost)) => ("Confirmed", won, lost),
            (Err(lost), Ok(won)) => ("Rejected(FraudConfirmed)", won, lost),
            both => panic!("not exactly one took effect: {both:?}"),
        };
        let why = loser.to_string();
        let won = winner.review.status.to_string();
        assert!(
            why.contains("was decided before") && why.contains(&won),
            "{why}"
        );
        world.pause(5 * MINUTE).await;
        assert_eq!(word(&world, &order).await, word_of);
    }
}

/// A decision that is kept and not told, because its function died or the bus took
/// nothing, is told when the same person says it again: and the tool does.
#[tokio::test]
async fn a_decision_that_fails_in_passing_is_said_again_until_it_stands() {
    for variant in variant::ALL.iter() {
        for fault in ["crash-after-commit@fraud:0.7", "put-events@fraud:0.7"] {
            let world = lab(&[]);
            let order = under_review(&world, variant).await;
            world.state().set_faults(vec![fault.to_owned()]).unwrap();
            let signed = Signed::by("kim");
            let decided = review::decide(&world, &order, Verdict::Approve, Some(&signed), 600);
            let decided = decided.await.unwrap();
            assert_eq!(decided.review.by.as_deref(), Some("kim"), "{fault}");
            world.state().set_faults(Vec::new()).unwrap();
            world.pause(10 * MINUTE).await;
            assert_eq!(word(&world, &order).await, "Confirmed", "{fault}");
        }
    }
}
