//! Reviews: decided, timed out, overtaken.

use super::*;

#[tokio::test]
async fn a_review_is_decided_once() {
    let world = world();
    let _ = world.tell(doubtful("o-1")).await;
    let _ = world.tell(decide("o-1", Verdict::Approve)).await;
    let other = world.tell(decide("o-1", Verdict::Reject)).await;
    assert_eq!(
        (&other.answer, other.events.len()),
        (&review_closed("Approved"), 0)
    );
    let noted = DecideReview {
        note: Some("KIM".into()),
        ..decide("o-1", Verdict::Approve)
    };
    assert_eq!(world.tell(noted).await.answer, review_closed("Approved"));
    let closed = world.tell(close("o-1", Cause::TimedOut)).await;
    assert_eq!(closed.answer, done(json!({"verdict": "Approved"})));
    assert!(closed.events.is_empty());
}

#[tokio::test]
async fn a_review_nobody_decides_times_out() {
    let world = world();
    let _ = world.tell(doubtful("o-1")).await;
    world.clock.store(600, Ordering::Relaxed);
    let closed = world.tell(close("o-1", Cause::TimedOut)).await;
    assert_eq!(closed.answer, done(json!({"verdict": "TimedOut"})));
    assert_eq!(
        (facts(&closed), &closed.reply),
        (vec!["ReviewTimedOut"], &None)
    );
    assert_eq!(
        world.tell(close("o-1", Cause::TimedOut)).await.events,
        closed.events
    );
    let late = world.tell(decide("o-1", Verdict::Approve)).await;
    assert_eq!(late.answer, review_closed("TimedOut"));
}

#[tokio::test]
async fn whoever_waits_is_told_when_the_time_of_a_review_is_over() {
    let world = world();
    let _ = world.tell(doubtful("o-1")).await;
    let wait = world.ask_from(open("o-1"), Some("token-1"), "standard");
    let _ = wait.await.unwrap();
    let closed = world.tell(close("o-1", Cause::TimedOut)).await;
    let reply = closed.reply.unwrap();
    assert_eq!(
        (reply.to.as_str(), reply.value),
        ("token-1", json!({"verdict": "TimedOut"}))
    );
}

#[tokio::test]
async fn a_rejection_closes_a_review_silently_and_frees_who_waits() {
    let world = world();
    let _ = world.tell(doubtful("o-1")).await;
    let _ = world
        .ask_from(open("o-1"), Some("token-1"), "standard")
        .await
        .unwrap();
    let closed = world.tell(close("o-1", Cause::OrderRejected)).await;
    assert_eq!(closed.answer, done(json!({"verdict": "Closed"})));
    assert!(closed.events.is_empty());
    assert_eq!(closed.reply.unwrap().value, json!({"verdict": "Closed"}));
    let late = world.tell(close("o-1", Cause::TimedOut)).await;
    assert_eq!(
        (late.answer, late.events.len()),
        (done(json!({"verdict": "Closed"})), 0)
    );
}

#[tokio::test]
async fn a_rejection_that_overtakes_the_screening_silences_it() {
    let world = world();
    let closed = world.tell(close("o-1", Cause::OrderRejected)).await;
    assert_eq!(closed.answer, done(json!({"verdict": "Closed"})));
    for screened in [
        world.tell(doubtful("o-1")).await,
        world.tell(doubtful("o-1")).await,
    ] {
        assert!(screened.events.is_empty() && screened.timers.is_empty());
        let Answer::Done(finding) = screened.answer else {
            panic!("declined")
        };
        assert_eq!(finding["verdict"], "Closed");
    }
    assert_eq!(world.status("o-1").await, Some(Status::Closed));
    let history: Option<History> = world.read(history_key("c-1")).await;
    assert_eq!(
        history, None,
        "the order was not cleared, and does not count"
    );
    let late = world.tell(decide("o-1", Verdict::Approve)).await;
    assert_eq!(late.answer, review_closed("Closed"));
}
