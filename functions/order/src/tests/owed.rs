//! What is owed, and what is overdue.

use super::*;

#[tokio::test]
async fn after_the_pivot_steps_park_and_nothing_is_undone() {
    let world = placed().await;
    let _ = world.tell(confirm()).await;
    let parked = world.tell(park(&[])).await;
    assert_eq!(facts(&parked), ["OrderNeedsAttention"]);
    let order = world.order().await;
    assert_eq!(
        (&order.fate, order.compensation),
        (&Fate::Confirmed, Compensation::None)
    );
    assert_eq!(
        order.owed,
        [owed(Part::Shipment, None), owed(Part::Notice, None)]
    );
    let _ = world.tell(undone(&[Part::Shipment, Part::Notice])).await;
    let order = world.order().await;
    assert_eq!((order.fate, order.owed), (Fate::Confirmed, vec![]));
}

#[tokio::test]
async fn what_is_overdue_is_owed_until_it_is_done_after_all() {
    let world = placed().await;
    let _ = world.tell(confirm()).await;
    for part in [Part::Shipment, Part::Notice] {
        let parked = world.tell(park(&[owed(part, None)])).await;
        assert_eq!(facts(&parked), ["OrderNeedsAttention"]);
    }
    let both = [owed(Part::Notice, None), owed(Part::Shipment, None)];
    assert_eq!(world.order().await.owed, both);
    let _ = world.tell(undone(&[Part::Shipment])).await;
    assert_eq!(world.order().await.owed, [owed(Part::Notice, None)]);
    let _ = world.tell(undone(&[Part::Notice])).await;
    let order = world.order().await;
    assert_eq!((order.fate, order.owed), (Fate::Confirmed, vec![]));
}

#[tokio::test]
async fn a_word_of_an_overdue_shipment_that_comes_after_the_shipment_does_nothing() {
    let world = placed().await;
    let _ = world.tell(confirm()).await;
    let _ = world.tell(undone(&[Part::Shipment])).await;
    let late = world.tell(park(&[owed(Part::Shipment, None)])).await;
    assert!(late.events.is_empty());
    assert!(world.order().await.owed.is_empty());
}

#[tokio::test]
async fn an_overdue_notice_does_not_end_a_compensation() {
    let world = placed().await;
    let _ = world.tell(reject(Reason::PaymentDeclined, None)).await;
    let _ = world.tell(park(&[owed(Part::Notice, None)])).await;
    let order = world.order().await;
    assert_eq!(order.compensation, Compensation::Pending);
    assert_eq!(order.owed, [owed(Part::Notice, None)]);
}
