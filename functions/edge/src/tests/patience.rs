//! Giving up by the clock, and what stands around it: backoff, the time of a
//! delivery, timers of a task.

use std::future::ready;

use jiff::SignedDuration;

use super::*;
use crate::intake;
use crate::queue::MAX_RECEIVES;

/// A delivery of a message that was first received `seconds` ago.
fn after(seconds: i64, body: &Value, receives: u32) -> Delivery {
    Delivery {
        first_received: Some(now() - SignedDuration::from_secs(seconds)),
        ..delivery(body, receives)
    }
}

#[tokio::test]
async fn a_transient_failure_returns_after_a_drawn_backoff() {
    for (receives, most) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (30, 10)] {
        let drawn = (0..400).map(|n| backoff(&format!("m-{n}"), receives).as_secs());
        let drawn: Vec<u64> = drawn.collect();
        assert_eq!(drawn.iter().max(), Some(&most), "receive {receives}");
        assert_eq!(drawn.iter().min(), Some(&0), "receive {receives}");
        let mean = drawn.iter().sum::<u64>() as f64 / 400.0;
        let half = most as f64 / 2.0;
        assert!((mean - half).abs() < half / 4.0, "{receives}: {mean}");
        let (verdict, told, asked) = deliver(&command("transient", "known"), receives).await;
        assert_eq!(verdict, Verdict::Again(backoff("d-1", receives)));
        assert!(told.is_empty());
        assert!(!asked[0].context.last_attempt, "nobody said since when");
    }
}

#[tokio::test]
async fn the_last_try_is_by_the_clock() {
    for (seconds, receives, last) in [
        (59, 12, false),
        (60, 9, false),
        (60, 10, true),
        (600, 2, false),
        (600, 12, true),
    ] {
        let body = command("transient", "known");
        let (verdict, told, asked) = hand_over(after(seconds, &body, receives)).await;
        assert_eq!(asked[0].context.last_attempt, last, "{seconds} s");
        // What has no fact for giving up goes on, and others know.
        assert_eq!(verdict, Verdict::Again(backoff("d-1", receives)));
        let said: &[&str] = if last {
            &["publish test/o-1/Act/StockShipped"]
        } else {
            &[]
        };
        assert_eq!(told, said, "{seconds} s, receive {receives}");
    }
    // Nobody knows how many tries lie behind it: none is the last.
    let uncounted = Delivery {
        attempt: Attempt::Unknown,
        ..after(600, &command("transient", "known"), 12)
    };
    let (verdict, told, asked) = hand_over(uncounted).await;
    assert!(!asked[0].context.last_attempt && told.is_empty());
    assert_eq!(verdict, Verdict::Again(backoff("d-1", 1)));
    // Whoever gives up is done.
    let done = after(60, &command("decline", "known"), 10);
    let (verdict, told, _) = hand_over(done).await;
    assert_eq!(verdict, Verdict::Acknowledge);
    assert_eq!(told, ["publish e-1"]);
}

#[tokio::test]
async fn what_may_kill_its_function_is_announced_before_the_last_receive() {
    let body = command("panic", "known");
    let before = hand_over(after(600, &body, MAX_RECEIVES - 1)).await.1;
    assert!(!before.iter().any(|line| line.contains("StockShipped")));
    let told = hand_over(after(600, &body, MAX_RECEIVES)).await.1;
    assert_eq!(told[0], "publish test/o-1/Act/StockShipped");
}

#[tokio::test]
async fn what_comes_after_half_the_patience_is_marked_late() {
    let mut body = command("done", "known");
    for (time, line) in [
        ("2025-12-31T23:59:31Z", "publish e-1"),
        ("2025-12-31T23:59:30Z", "publish e-1 late"),
    ] {
        body["metadata"]["time"] = json!(time);
        assert_eq!(deliver(&body, 1).await.1, [line]);
    }
}

#[tokio::test]
async fn a_delivery_whose_time_is_over_comes_back_and_says_so() {
    let wires = Notebook {
        hangs: true,
        ..Notebook::default()
    };
    let message = delivery(&command("done", "known"), 3);
    let (service, clock) = (Obedient::default(), Arc::new(now));
    let verdict = receive(&service, &wires, &clock, &Silent, message, ready(())).await;
    assert_eq!(verdict, Verdict::Again(backoff("d-1", 3)));
}

#[test]
fn a_delivery_ends_before_its_receiver_is_stopped() {
    let at = |millis| now() + SignedDuration::from_millis(millis);
    for (time, left) in [(3_000, 2_400), (5_000, 4_000), (60_000, 59_000), (0, 0)] {
        assert_eq!(intake::deadline(now(), at(time)), at(left));
    }
    // Already over.
    assert_eq!(intake::deadline(at(5), now()), now());
}

#[tokio::test]
async fn a_task_gives_up_by_the_clock_and_tells_the_service_nothing_of_it() {
    for (entered, patience, attempt, error) in [
        ("2025-12-31T23:59:00Z", json!(60), 10, "PatienceSpent"),
        ("2025-12-31T23:59:00Z", json!(60), 9, "Transient"),
        ("2025-12-31T23:59:00.001Z", json!(60), 10, "Transient"),
        ("2025-12-31T23:59:52Z", json!(8), 5, "PatienceSpent"),
        ("", json!(8), 31, "Transient"),
        ("2025-12-31T23:59:00Z", json!(null), 31, "Transient"),
    ] {
        let mut input = command("transient", "known");
        input["entered"] = json!(entered);
        input["patience"] = patience;
        input["attempt"] = json!(attempt);
        let (service, wires) = (Obedient::default(), Notebook::default());
        let clock = Arc::new(now);
        let asked = perform(
            &service,
            &wires,
            &clock,
            &Silent,
            Asker::Workflow,
            input,
            now(),
        )
        .await;
        assert_eq!(asked.unwrap_err().name, error, "{entered}, try {attempt}");
        assert!(!service.asked.lock().unwrap()[0].context.last_attempt);
    }
    // The work is done once more: what succeeds is no giving up.
    let mut input = command("done", "known");
    input["entered"] = json!("2025-12-31T00:00:00Z");
    (input["patience"], input["attempt"]) = (json!(60), json!(31));
    let (service, wires, clock) = (Obedient::default(), Notebook::default(), Arc::new(now));
    let asked = perform(
        &service,
        &wires,
        &clock,
        &Silent,
        Asker::Workflow,
        input,
        now(),
    )
    .await;
    assert_eq!(asked, Ok(json!("fine")));
}

/// What the task entry tells when it does `how` for a message of `variant`.
async fn told<S: Service>(service: S, how: &str, variant: &str) -> Vec<String> {
    let (wires, clock) = (Notebook::default(), Arc::new(now));
    let input = command(how, variant);
    let asked = perform(
        &service,
        &wires,
        &clock,
        &Silent,
        Asker::Workflow,
        input,
        now(),
    )
    .await;
    assert!(asked.is_ok(), "{how} under {variant}: {asked:?}");
    wires.lines.lock().unwrap().clone()
}

#[tokio::test]
async fn the_variant_says_whether_a_task_publishes_and_whose_clock_runs() {
    let obedient = Obedient::default;
    let none: [&str; 0] = [];
    assert_eq!(told(obedient(), "later", "flow").await, none);
    assert_eq!(
        told(obedient(), "later", "timed").await,
        ["arn:own Act in 900"]
    );
    assert_eq!(told(obedient(), "done", "flow").await, none);
    assert_eq!(told(obedient(), "done", "both").await, ["publish e-1"]);
    // Of a variant that calls no tasks it does nothing at all.
    let (service, wires, clock) = (obedient(), Notebook::default(), Arc::new(now));
    let input = command("done", "bus");
    let asked = perform(
        &service,
        &wires,
        &clock,
        &Silent,
        Asker::Workflow,
        input,
        now(),
    )
    .await;
    assert_eq!(asked.unwrap_err().name, "InvalidCommand");
    assert!(service.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_timer_without_a_queue_for_it_is_no_silence() {
    let (service, clock) = (Obedient::default(), Arc::new(now));
    let wires = Notebook {
        timers: None,
        ..Notebook::default()
    };
    let input = command("later", "timed");
    let asked = perform(
        &service,
        &wires,
        &clock,
        &Silent,
        Asker::Workflow,
        input,
        now(),
    )
    .await;
    assert!(asked.unwrap_err().text.contains("DUET_TIMERS"));
}

/// A service whose timers are its own.
#[derive(Clone, Default)]
struct Clockmaker(Obedient);

impl Service for Clockmaker {
    const NAME: &'static str = Obedient::NAME;
    const SAYS: &'static [(&'static str, &'static [&'static str])] = Obedient::SAYS;
    const OWNS_CLOCK: bool = true;
    type Command = Command;

    async fn handle(&self, request: Request<Command>) -> Result<Handled, Failure> {
        self.0.handle(request).await
    }

    fn policy(received: &Received<'_>) -> Result<Reaction<Command>, ParseError> {
        Obedient::policy(received)
    }
}

#[tokio::test]
async fn a_service_that_owns_a_clock_gets_its_timers_under_a_workflow_too() {
    let lines = told(Clockmaker::default(), "later", "flow").await;
    assert_eq!(lines, ["arn:own Act in 900"]);
}
