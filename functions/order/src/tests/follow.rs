//! What follows a decision, where whoever placed the order said whom to tell.

use duet_core::Reply;

use super::*;
use crate::command::{FollowUpOrder, TakeUpOrder};

const DRIVER: &str = "whoever drives it";

async fn driven() -> World<impl Clock> {
    let world = world();
    let context = Context {
        message: metadata("standard"),
        reply_to: Some(DRIVER.to_owned()),
        clearance: None,
        execution: None,
        last_attempt: false,
        deadline: Timestamp::MAX,
        replay: false,
    };
    let command = place().into();
    let placed = world.service.handle(Request { command, context });
    let _ = placed.await.unwrap();
    world
}

fn follow_up() -> Command {
    FollowUpOrder { order: id() }.into()
}

fn told(handled: &Handled) -> Option<(&str, &Value)> {
    let reply: Option<&Reply> = handled.reply.as_ref();
    reply.map(|reply| (reply.to.as_str(), &reply.value["decision"]))
}

#[tokio::test]
async fn a_confirmation_that_nobody_followed_is_told_again_by_the_orders_own_clock() {
    let world = driven().await;
    assert!(told(&world.tell(confirm()).await).is_none());
    world.turn_to(900);
    let told_of = world.tell(expire()).await;
    assert_eq!(told(&told_of), Some((DRIVER, &json!("Confirmed"))));
    assert_eq!(timers(&told_of), [("FollowUpOrder", at(1_200))]);
    // Again, until somebody says that it is done.
    world.turn_to(1_100);
    let _ = world.tell(undone(&[Part::Shipment, Part::Notice])).await;
    world.turn_to(1_200);
    let quiet = world.tell(follow_up()).await;
    assert!(told(&quiet).is_none() && quiet.timers.is_empty());
}

#[tokio::test]
async fn what_follows_that_never_comes_is_parked() {
    let world = driven().await;
    let _ = world.tell(confirm()).await;
    // As long as a compensation may take.
    world.turn_to(900);
    let parked = world.tell(follow_up()).await;
    assert_eq!(facts(&parked), ["OrderNeedsAttention"]);
    assert!(told(&world.tell(follow_up()).await).is_none());
}

#[tokio::test]
async fn an_order_that_its_own_clock_rejects_is_undone_by_whoever_drives_it() {
    let world = driven().await;
    world.turn_to(900);
    let rejected = world.tell(expire()).await;
    assert_eq!(told(&rejected), Some((DRIVER, &json!("Rejected"))));
    let due: Vec<_> = timers(&rejected)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(due, ["ExpireCompensation", "FollowUpOrder"]);
    // The same again tells the same: a start that was lost is made good.
    assert_eq!(told(&world.tell(expire()).await), told(&rejected));
    world.turn_to(1_200);
    assert_eq!(told(&world.tell(follow_up()).await), told(&rejected));
    let _ = world.tell(undone(&Part::COMPENSATED)).await;
    assert!(told(&world.tell(follow_up()).await).is_none());
}

#[tokio::test]
async fn a_decision_after_a_review_has_a_clock_of_its_own() {
    let world = driven().await;
    world.turn_to(10);
    let _ = world.tell(extend()).await;
    world.turn_to(100);
    let rejected = world.tell(reject(Reason::FraudConfirmed, None)).await;
    assert!(timers(&rejected).contains(&("FollowUpOrder", at(400))));
    assert!(told(&rejected).is_none());
}

#[tokio::test]
async fn nobody_is_told_where_nobody_said_whom() {
    let world = placed().await;
    let _ = world.tell(confirm()).await;
    world.turn_to(900);
    for command in [expire(), follow_up()] {
        let quiet = world.tell(command).await;
        assert!(told(&quiet).is_none() && quiet.timers.is_empty());
    }
}

#[tokio::test]
async fn an_order_is_taken_up_with_all_that_was_announced_and_nothing_is_kept_of_that() {
    let world = driven().await;
    let take_up = || Command::from(TakeUpOrder { order: id() });
    let Answer::Done(told) = world.tell(take_up()).await.answer else {
        panic!("it is there");
    };
    assert_eq!(told["decision"], "Undecided");
    assert!(told["placed"]["payment_token"].is_string() && told["placed"]["ship_to"].is_object());
    let _ = world.tell(confirm()).await;
    let Answer::Done(told) = world.tell(take_up()).await.answer else {
        panic!("it is there");
    };
    assert_eq!(told["decision"], "Confirmed");
    assert!(told["placed"]["payment_token"].is_null());
}

#[tokio::test]
async fn what_is_owed_and_what_is_undone_is_said_at_once() {
    let world = placed().await;
    let _ = world.tell(reject(Reason::DeliveryFailed, None)).await;
    let command = ParkOrder {
        owed: vec![owed(Part::Payment, Some(2_500))],
        undone: vec![Part::Delivery, Part::Stock],
        ..ParkOrder::of(id())
    };
    let parked = world.tell(Command::from(command)).await;
    assert_eq!(facts(&parked), ["OrderNeedsAttention"]);
    let order = world.order().await;
    assert_eq!(order.compensation, Compensation::Failed);
    assert_eq!(Vec::from_iter(order.pending.clone()), [Part::Payment]);
    assert_eq!(order.owed, [owed(Part::Payment, Some(2_500))]);
    let _ = world.tell(undone(&[Part::Payment])).await;
    assert_eq!(world.order().await.compensation, Compensation::Done);

    // Whole, but for a word to the customer.
    let world = placed().await;
    let _ = world.tell(reject(Reason::DeliveryFailed, None)).await;
    let command = ParkOrder {
        owed: vec![owed(Part::Notice, None)],
        undone: Part::COMPENSATED.to_vec(),
        ..ParkOrder::of(id())
    };
    let _ = world.tell(Command::from(command)).await;
    let order = world.order().await;
    assert_eq!(order.compensation, Compensation::Done);
    assert_eq!(order.owed, [owed(Part::Notice, None)]);
}
