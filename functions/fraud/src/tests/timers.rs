//! A review's clock that is not needed any more is called off.

use super::*;

/// A world in which a person has `seconds` to decide.
fn patient(seconds: u32) -> World<impl Clock> {
    let (table, clock) = (Memory::default(), Arc::new(AtomicI64::new(0)));
    let hands = clock.clone();
    let now = Arc::new(move || at(hands.load(Ordering::Relaxed)));
    World {
        service: Frauds::new(table.clone(), now, seconds, true),
        table,
        clock,
    }
}

fn called_off(handled: &Handled) -> Vec<(&str, Timestamp)> {
    let all = handled.called_off.iter();
    all.map(|off| (off.command, off.due)).collect()
}

#[tokio::test]
async fn whatever_ends_a_review_calls_its_clock_off() {
    let end: [Command; 3] = [
        decide("o-1", Verdict::Approve).into(),
        decide("o-1", Verdict::Reject).into(),
        close("o-1", Cause::OrderRejected).into(),
    ];
    for end in end {
        let world = patient(86_400);
        let opened = world.tell(doubtful("o-1")).await;
        assert_eq!(opened.timers[0].due, at(86_400));
        world.clock.store(86_000, Ordering::Relaxed);
        let ended = world.tell(end.clone()).await;
        assert_eq!(called_off(&ended), [("CloseReview", at(86_400))], "{end:?}");
        // Told once: what is not called off does nothing when it comes.
        assert!(called_off(&world.tell(end).await).is_empty());
        let late = world.tell(close("o-1", Cause::TimedOut)).await;
        assert!(late.events.is_empty() && late.reply.is_none());
    }
}

#[tokio::test]
async fn a_clock_that_is_over_or_was_near_is_not_called_off() {
    let world = patient(86_400);
    let _ = world.tell(doubtful("o-1")).await;
    world.clock.store(86_400, Ordering::Relaxed);
    let over = world.tell(close("o-1", Cause::TimedOut)).await;
    assert_eq!(facts(&over), ["ReviewTimedOut"]);
    assert!(called_off(&over).is_empty());
    let world = patient(600);
    let _ = world.tell(doubtful("o-1")).await;
    let decided = world.tell(decide("o-1", Verdict::Approve)).await;
    assert!(called_off(&decided).is_empty());
}
