//! Clocks that are far off and not needed any more are called off.

use super::*;

/// A day for a person, and two hours to undo an order.
const LONG: Patience = Patience {
    order: 900,
    review: 86_400,
    compensation: 7_200,
};

fn patient() -> World<impl Clock> {
    patient_for(LONG)
}

fn patient_for(patience: Patience) -> World<impl Clock> {
    let (table, clock) = (Memory::default(), Arc::new(AtomicI64::new(0)));
    let hands = clock.clone();
    let now = Arc::new(move || at(hands.load(Ordering::Relaxed)));
    World {
        service: Orders::new(table.clone(), now, patience, true),
        table,
        clock,
    }
}

fn called_off(handled: &Handled) -> Vec<(&str, Timestamp)> {
    let all = handled.called_off.iter();
    all.map(|off| (off.command, off.due)).collect()
}

#[tokio::test]
async fn a_decision_calls_off_the_deadline_that_a_person_was_given() {
    let given = 100 + 86_400 + 900;
    for decision in [confirm(), reject(Reason::FraudConfirmed, None), park(&[])] {
        let world = patient();
        let placed = world.tell(place()).await;
        assert!(called_off(&placed).is_empty());
        world.turn_to(100);
        // The first deadline is near: it comes, and does nothing.
        let extended = world.tell(extend()).await;
        assert_eq!(timers(&extended), [("ExpireOrder", at(given))]);
        assert!(called_off(&extended).is_empty());
        world.turn_to(4_000);
        let decided = world.tell(decision.clone()).await;
        assert_eq!(
            called_off(&decided),
            [("ExpireOrder", at(given))],
            "{decision:?}"
        );
        // Told once: what is not called off does nothing when it comes.
        assert!(called_off(&world.tell(decision).await).is_empty());
        world.turn_to(given);
        let late = world.tell(expire()).await;
        assert!(late.events.is_empty() && late.timers.is_empty());
    }
}

#[tokio::test]
async fn a_deadline_that_is_over_or_was_near_is_not_called_off() {
    let world = patient();
    let _ = world.tell(place()).await;
    assert!(called_off(&world.tell(confirm()).await).is_empty());
    let world = patient();
    let _ = world.tell(place()).await;
    let _ = world.tell(extend()).await;
    world.turn_to(86_400 + 900);
    let expired = world.tell(expire()).await;
    assert_eq!(facts(&expired), ["OrderRejected"]);
    assert!(called_off(&expired).is_empty());
}

#[tokio::test]
async fn a_deadline_that_is_put_off_calls_the_earlier_one_off() {
    let slow = Patience {
        order: 7_200,
        ..LONG
    };
    let world = patient_for(slow);
    let placed = world.tell(place()).await;
    assert_eq!(timers(&placed), [("ExpireOrder", at(7_200))]);
    let extended = world.tell(extend()).await;
    assert_eq!(timers(&extended), [("ExpireOrder", at(86_400 + 7_200))]);
    assert_eq!(called_off(&extended), [("ExpireOrder", at(7_200))]);
}

#[tokio::test]
async fn what_is_undone_in_time_needs_no_clock() {
    let world = patient();
    let _ = world.tell(place()).await;
    let rejected = world.tell(reject(Reason::PaymentDeclined, None)).await;
    assert_eq!(timers(&rejected), [("ExpireCompensation", at(7_200))]);
    world.turn_to(60);
    let [first, rest @ ..] = Part::COMPENSATED.as_slice() else {
        panic!("nothing is compensated")
    };
    assert!(called_off(&world.tell(undone(&[*first])).await).is_empty());
    let whole = world.tell(undone(rest)).await;
    assert_eq!(called_off(&whole), [("ExpireCompensation", at(7_200))]);
}
