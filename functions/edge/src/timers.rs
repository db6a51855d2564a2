//! Timers: commands of a service to itself, for later.
//!
//! | due | it travels |
//! |---|---|
//! | within an hour | as a delayed message on the queue, sent on until its time has come |
//! | later | as a schedule of EventBridge Scheduler, which puts the same message on the queue |
//!
//! A schedule is called after its timer, so that one that is set twice is one,
//! and so that it can be called off. Where a function has no scheduler, or it
//! does not answer, timers that are far off travel on the queue, too.

use duet_core::time::is_far;
use duet_core::{CalledOff, CommandMessage, Failure, Metadata, Timer, Timestamp};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::wires::Wires;

/// The longest delay of a queued message (SQS `DelaySeconds`). A timer further
/// off is sent again when this has passed.
pub const MAX_DELAY_SECONDS: u32 = 900;

/// How old an invocation of a schedule may get before it is given up, in
/// seconds: the most there is, and the default (EventBridge Scheduler API
/// reference, RetryPolicy). A timer that is a day late is better than none.
pub const MAX_AGE_SECONDS: u32 = 86_400;

/// How often an invocation of a schedule is tried again: the most there is, and
/// the default (EventBridge Scheduler API reference, RetryPolicy).
pub const MAX_ATTEMPTS: u32 = 185;

/// The most characters of a schedule's name, out of A-Z, a-z, 0-9, `-`, `_` and
/// `.` (EventBridge Scheduler API reference, CreateSchedule).
const MAX_NAME: usize = 64;

/// How many hexadecimal digits of a digest a schedule's name ends with.
const DIGITS: usize = 20;

/// Where the schedules of a function are kept: the environment variable
/// `DUET_SCHEDULES`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedules {
    /// The name of their group.
    pub group: String,
    /// The ARN of the role that sends their messages.
    pub role: String,
    /// The ARN of the queue for what could not be sent.
    pub dead_letters: String,
}

/// The id of the message of a timer that `service` set about `subject`.
#[must_use]
pub fn timer_id(service: &str, subject: &str, command: &str, due: Timestamp) -> String {
    format!("{service}/{subject}/timer/{command}/{due}")
}

/// The name of the schedule of a timer: as much of its service, its command and
/// its subject as there is room for, and a digest of its id.
///
/// The time is in it, too: a timer that is put off is another one. Otherwise
/// the later one would be taken for the earlier one, which is there already, and
/// be lost.
#[must_use]
pub fn schedule_name(service: &str, subject: &str, command: &str, due: Timestamp) -> String {
    let digest = Sha256::digest(timer_id(service, subject, command, due));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let allowed = |c: char| match c {
        c if c.is_ascii_alphanumeric() || "-_.".contains(c) => c,
        _ => '_',
    };
    let plain = format!("{service}.{command}.{subject}");
    let plain = plain.chars().map(allowed);
    let plain: String = plain.take(MAX_NAME - DIGITS - 1).collect();
    format!("{plain}.{}", &digest[..DIGITS])
}

/// The moment at which the schedule of a timer that is `due` begins to be due,
/// a whole second: no message comes early.
#[must_use]
pub fn scheduled(due: Timestamp) -> Timestamp {
    let begun = due.subsec_nanosecond() > 0;
    let second = due.as_second().saturating_add(i64::from(begun));
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

/// The message of a timer: a command of the service to itself.
fn timer_message(timer: Timer, cause: &Metadata, service: &str) -> CommandMessage {
    let Timer { due, command, data } = timer;
    let id = timer_id(service, &cause.subject, &command, due);
    let metadata = cause.answer(id, format!("duet.{service}"), &command, &cause.subject, due);
    CommandMessage {
        command,
        metadata,
        data,
        reply_to: None,
        due: Some(due),
    }
}

/// Sends every timer that `service` set on the message of `cause`.
pub(crate) async fn send_timers(
    wires: &impl Wires,
    timers: Vec<Timer>,
    cause: &Metadata,
    service: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    for timer in timers {
        let message = timer_message(timer, cause, service);
        send_timer(wires, &message, service, now).await?;
    }
    Ok(())
}

/// Sends one timer to the service's own queue: one that was set, or one that came
/// early. While the scheduler
/// does not answer, what is far off travels on the queue; at its next hop it is
/// tried again, so it gets its schedule as soon as there is one to get.
pub(crate) async fn send_timer(
    wires: &impl Wires,
    message: &CommandMessage,
    service: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let no_queue =
        || Failure::misconfigured("a timer, and no queue for it: DUET_TIMERS is missing");
    let queue = wires.timers().ok_or_else(no_queue)?;
    let due = message.due.unwrap_or(now);
    if is_far(now, due) && wires.has_scheduler() {
        let name = schedule_name(service, &message.metadata.subject, &message.command, due);
        match wires.schedule(&name, queue, message, due).await {
            Err(Failure::Transient(_)) => {}
            answer => return answer,
        }
    }
    let left = due.duration_since(now).as_secs_f64().ceil();
    let seconds = left.clamp(0.0, f64::from(MAX_DELAY_SECONDS)) as u32;
    wires.send_later(queue, message, seconds).await
}

/// Takes back the schedules of timers that `service` does not need any more.
pub(crate) async fn call_off(
    wires: &impl Wires,
    called_off: &[CalledOff],
    cause: &Metadata,
    service: &str,
) {
    if !wires.has_scheduler() {
        return;
    }
    for CalledOff { due, command } in called_off {
        let name = schedule_name(service, &cause.subject, command, *due);
        // Should it come all the same, it does nothing: no reason to do again
        // what is done and told.
        drop(wires.call_off(&name).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_schedule_is_called_after_its_timer() {
        let due = at("2026-01-02T00:00:00.123456789Z");
        let name = schedule_name("fraud", "o-1", "CloseReview", due);
        assert_eq!(name, "fraud.CloseReview.o-1.1b3504265f571bc1369a");
        // The same timer has the same name, and no other has.
        let names = [
            schedule_name("fraud", "o-1", "CloseReview", due),
            schedule_name("order", "o-1", "CloseReview", due),
            schedule_name("fraud", "o-2", "CloseReview", due),
            schedule_name("fraud", "o-1", "ExpireOrder", due),
            schedule_name("fraud", "o-1", "CloseReview", at("2026-01-02T00:00:01Z")),
        ];
        let all: std::collections::BTreeSet<_> = names.iter().collect();
        assert!(all.len() == names.len() && all.contains(&name), "{names:?}");
    }

    #[test]
    fn a_schedules_name_fits_whatever_its_subject() {
        let due = at("2026-01-02T00:00:00Z");
        let long = "o".repeat(64);
        for subject in [&long, &format!("{long}2"), "a/b c#ü", ""] {
            let name = schedule_name("order", subject, "ExpireCompensation", due);
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            assert!(name.len() <= MAX_NAME && name.chars().all(fits), "{name}");
            assert!(name.starts_with("order.ExpireCompensation."), "{name}");
        }
        let [one, other] =
            ["", "2"].map(|end| schedule_name("order", &format!("{long}{end}"), "E", due));
        assert_ne!(one, other, "what is cut off still counts");
    }

    #[test]
    fn a_schedule_is_not_due_before_its_timer() {
        for (due, second) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("2026-01-01T00:00:00.000000001Z", "2026-01-01T00:00:01Z"),
            ("2026-01-01T00:00:59.999Z", "2026-01-01T00:01:00Z"),
        ] {
            assert_eq!(scheduled(at(due)), at(second), "{due}");
        }
    }
}
