//! Timers: what stays on the queue, what has a schedule, and what is called off.

use super::*;
use crate::queue;
use crate::timers::schedule_name;

/// What is told when `how` is handled over `wires`.
async fn told(how: &str, wires: Notebook) -> (Verdict, Vec<String>) {
    tell(&command(how, "known"), wires).await
}

async fn tell(body: &Value, wires: Notebook) -> (Verdict, Vec<String>) {
    let (service, clock) = (Obedient::default(), Arc::new(now));
    let message = delivery(body, 1);
    let verdict = queue::receive(&service, &wires, &clock, &Silent, message, pending()).await;
    let lines = wires.lines.lock().unwrap().clone();
    (verdict, lines)
}

/// Wires whose scheduler fails so.
fn out(failure: Failure) -> Notebook {
    Notebook {
        scheduler_fails: Some(failure),
        ..Notebook::default()
    }
}

fn name(due: &str) -> String {
    schedule_name("test", "o-1", "Act", due.parse().unwrap())
}

#[tokio::test]
async fn what_is_more_than_an_hour_off_has_a_schedule() {
    let due = "2026-01-01T01:00:00.001Z";
    let scheduled = format!("{}: arn:own Act at {due}", name(due));
    for (how, line) in [("later", "arn:own Act in 900"), ("far", &scheduled)] {
        let (verdict, lines) = told(how, Notebook::default()).await;
        assert_eq!(verdict, Verdict::Acknowledge);
        assert_eq!(lines, [line]);
    }
}

#[tokio::test]
async fn without_a_scheduler_every_timer_travels_on_the_queue() {
    let wires = || Notebook {
        schedules: false,
        ..Notebook::default()
    };
    assert_eq!(told("far", wires()).await.1, ["arn:own Act in 900"]);
    assert_eq!(told("decided", wires()).await.1, ["publish e-1"]);
}

#[tokio::test]
async fn while_the_scheduler_does_not_answer_a_timer_travels_on_the_queue() {
    let (verdict, lines) = told("far", out(Failure::transient("not now"))).await;
    assert_eq!(verdict, Verdict::Acknowledge);
    assert_eq!(lines, ["arn:own Act in 900"]);
    // What somebody has to mend is not hidden.
    let (verdict, lines) = told("far", out(Failure::misconfigured("no permission"))).await;
    assert_eq!(verdict, Verdict::Again(backoff("d-1", 1)));
    assert!(lines.is_empty());
}

#[tokio::test]
async fn a_timer_that_comes_early_is_sent_again() {
    let mut timer = command("done", "known");
    let due = "2026-01-02T00:00:00Z";
    let scheduled = format!("{}: arn:own Act at {due}", name(due));
    for (due, line) in [
        ("2026-01-01T00:00:30.5Z", "arn:own Act in 31"),
        ("2026-01-01T00:59:00Z", "arn:own Act in 900"),
        // One that was on its way in hops, from before there was a scheduler.
        (due, &scheduled),
    ] {
        timer["due"] = json!(due);
        let (verdict, lines) = tell(&timer, Notebook::default()).await;
        assert_eq!(
            (verdict, lines.as_slice()),
            (Verdict::Acknowledge, [line.to_owned()].as_slice())
        );
    }
    timer["due"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(tell(&timer, Notebook::default()).await.1, ["publish e-1"]);
}

#[tokio::test]
async fn what_is_called_off_is_taken_back_last_and_only_once() {
    let off = format!("not {}", name("2026-01-02T00:00:00Z"));
    let (verdict, lines) = told("decided", Notebook::default()).await;
    assert_eq!(verdict, Verdict::Acknowledge);
    assert_eq!(lines, ["publish e-1".to_owned(), off]);
    // Should it come all the same, it does nothing.
    let (verdict, lines) = told("decided", out(Failure::transient("not now"))).await;
    assert_eq!(
        (verdict, lines),
        (Verdict::Acknowledge, vec!["publish e-1".to_owned()])
    );
}

#[tokio::test]
async fn a_task_calls_off_what_its_service_set_by_itself() {
    let clock = Arc::new(now);
    let off = format!("not {}", name("2026-01-02T00:00:00Z"));
    for (variant, lines) in [("timed", vec![off]), ("flow", Vec::new())] {
        let (service, wires) = (Obedient::default(), Notebook::default());
        let input = command("decided", variant);
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
        assert!(asked.is_ok());
        assert_eq!(*wires.lines.lock().unwrap(), lines);
    }
}
