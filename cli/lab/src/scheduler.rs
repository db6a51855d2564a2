//! EventBridge Scheduler: one-time schedules that put a message on a queue.
//!
//! A schedule has a name of its own in its group; a second one of that name is
//! a conflict. It is invoked within 60 seconds of its time (EventBridge
//! Scheduler user guide, "Schedule types") and at least once: what is sent may
//! be doubled like every message ([`sqs`](crate::sqs)). What a queue does not
//! take is tried again until the retry policy is exhausted, then goes to the
//! dead-letter queue with the reason as attributes (user guide, "Configuring a
//! schedule's dead-letter queue"); its text is the target's input. A schedule is
//! deleted shortly after it was done with (user guide, "Deleting a schedule").

use std::collections::BTreeMap;
use std::sync::Arc;

use duet_asl::Millis;
use duet_core::{CommandMessage, Failure, Timestamp};
use duet_edge::timers::{MAX_AGE_SECONDS, MAX_ATTEMPTS, Schedules, scheduled};
use rustc_hash::FxHashSet;

use crate::fault::{Aim, Fault};
use crate::host::{Inner, Out, timestamp};
use crate::lab::{Action, Lab};
use crate::latency::{SCHEDULE_DELETED, SCHEDULE_DUE, UNAVAILABLE, UNAVAILABLE_LONG};
use crate::meter::Owner;
use crate::ports::WiresPort;
use crate::profile::Hop;
use crate::random::{digest, mix, uuid};
use crate::sqs::{Attributes, Message, Sending};
use crate::template::{ACCOUNT, REGION};

/// The step that a timer's message is known by.
pub(crate) const TIMER: &str = "timer";

/// The first wait before an invocation is tried again, and the longest. AWS says
/// exponential backoff, and no numbers: these are the lab's.
const RETRIES: (Millis, Millis) = (1_000, 600_000);

/// A schedule.
#[derive(Debug, Clone)]
struct Schedule {
    /// The target's ARN.
    queue: String,
    /// The target's input.
    body: Arc<str>,
    dead_letters: String,
    due: Millis,
    /// Tells it from other schedules, in every replay.
    ident: u64,
    owner: Owner,
    attempt: u32,
    /// Until when its queue takes nothing.
    blocked: Millis,
    /// Whether it is done with, and about to be deleted.
    done: bool,
}

/// The group and the name of a schedule.
pub(crate) type Name = (String, String);

/// All schedules.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    groups: FxHashSet<String>,
    schedules: BTreeMap<Name, Schedule>,
}

impl Kept {
    /// CreateScheduleGroup.
    pub(crate) fn make_group(&mut self, group: &str) {
        self.groups.insert(group.to_owned());
    }

    /// DeleteScheduleGroup: its schedules go with it.
    pub(crate) fn delete_group(&mut self, group: &str) {
        self.groups.remove(group);
        self.schedules.retain(|(of, _), _| of != group);
    }
}

/// A schedule, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// Its name.
    pub name: String,
    /// The name of its group.
    pub group: String,
    /// When it is due.
    pub due: Timestamp,
    /// The ARN of the queue it puts a message on.
    pub queue: String,
    /// About which order or customer.
    pub subject: String,
}

/// How a call of the scheduler fails that it does not answer.
fn silence() -> Failure {
    Failure::transient("the scheduler did not answer")
}

impl WiresPort {
    /// CreateSchedule, of a one-time schedule in the group `kept` names.
    pub(crate) async fn create_schedule(
        &self,
        kept: &Schedules,
        name: &str,
        queue: &str,
        message: &CommandMessage,
        due: Timestamp,
    ) -> Result<(), Failure> {
        self.host.call(Hop::CallScheduler).await;
        let body = serde_json::to_string(message).map_err(Failure::invalid)?;
        let (dies, lost) = {
            let mut inner = self.host.lock();
            let silent = inner.strikes(Fault::Scheduler);
            if silent && inner.coin() {
                return Err(silence());
            }
            if !inner.schedules.groups.contains(&kept.group) {
                return Err(Failure::misconfigured(
                    "the scheduler answered ResourceNotFoundException",
                ));
            }
            let name = (kept.group.clone(), name.to_owned());
            // One of that name is this one: the conflict is no failure.
            if !inner.schedules.schedules.contains_key(&name) {
                let metadata = &message.metadata;
                let schedule = Schedule {
                    queue: queue.to_owned(),
                    body: body.into(),
                    dead_letters: kept.dead_letters.clone(),
                    due: scheduled(due).as_millisecond(),
                    ident: mix(digest(&metadata.id), inner.frame.ident),
                    owner: inner.meters.owner(&metadata.subject, &metadata.variant),
                    attempt: 0,
                    blocked: 0,
                    done: false,
                };
                inner.schedules.schedules.insert(name.clone(), schedule);
                inner.out.push(Out::Schedule(name));
            }
            (inner.strikes(Fault::CrashAfterCommit), silent)
        };
        if dies {
            self.host.die().await;
        }
        if lost { Err(silence()) } else { Ok(()) }
    }

    /// DeleteSchedule. One that is not there is deleted.
    pub(crate) async fn delete_schedule(
        &self,
        kept: &Schedules,
        name: &str,
    ) -> Result<(), Failure> {
        self.host.call(Hop::CallScheduler).await;
        let mut inner = self.host.lock();
        let silent = inner.strikes(Fault::Scheduler);
        if silent && inner.coin() {
            return Err(silence());
        }
        let name = (kept.group.clone(), name.to_owned());
        inner.schedules.schedules.remove(&name);
        if silent { Err(silence()) } else { Ok(()) }
    }
}

impl Inner {
    fn schedule(&mut self, name: &Name) -> Option<&mut Schedule> {
        self.schedules.schedules.get_mut(name)
    }
}

impl Lab {
    /// A schedule waits for its time.
    pub(crate) fn await_schedule(&mut self, name: Name) {
        let (due, ident) = {
            let mut inner = self.host.lock();
            let Some(schedule) = inner.schedule(&name) else {
                return;
            };
            (schedule.due, schedule.ident)
        };
        let at = due.max(self.now) + self.draw(SCHEDULE_DUE, ident);
        self.at(at, Action::Invoke(Box::new(name)));
    }

    /// A schedule that is due puts its message on its queue; one that did is
    /// deleted.
    pub(crate) fn invoke_schedule(&mut self, name: Name) {
        let found = self.host.lock().schedule(&name).cloned();
        // Taken back meanwhile, or put in its place.
        let Some(schedule) = found.filter(|schedule| schedule.due <= self.now) else {
            return;
        };
        if schedule.done {
            self.host.lock().schedules.schedules.remove(&name);
            return;
        }
        let queue = self.definitions.queue_named(&schedule.queue);
        let service = queue
            .map(|queue| self.service_of(queue))
            .unwrap_or_default();
        let ident = mix(schedule.ident, schedule.attempt.into());
        let blocked = {
            let aim = Aim {
                service: &service,
                step: TIMER,
                ident,
                about: &[schedule.owner],
            };
            let mut inner = self.host.lock();
            let first = schedule.attempt == 0;
            inner.meters.of(schedule.owner).schedules += u64::from(first);
            let strikes = first && inner.faults.strikes(Fault::Scheduler, aim);
            let quiet = inner.faults.quiet;
            drop(inner);
            // Mostly for a moment; now and then for a part of a day.
            let span = match mix(ident, 4) % 4 {
                0 => UNAVAILABLE_LONG,
                _ => UNAVAILABLE,
            };
            match strikes {
                true => self.now + self.draw(span, mix(ident, 5)),
                false if quiet => 0,
                false => schedule.blocked,
            }
        };
        match queue.filter(|_| self.now >= blocked) {
            Some(queue) => {
                let sending = Sending {
                    body: schedule.body.clone(),
                    ident: schedule.ident,
                    owner: schedule.owner,
                    step: TIMER.into(),
                    delay: None,
                    attributes: Attributes::new(),
                    place: None,
                };
                self.send(queue, sending);
                self.schedule_done(name, ident);
            }
            None => {
                let refusal = match queue {
                    Some(_) => ("THROTTLING", "the queue did not take the message"),
                    None => (
                        "AWS.SimpleQueueService.NonExistentQueue",
                        "the queue does not exist",
                    ),
                };
                self.try_again_later(name, schedule, blocked, refusal);
            }
        }
    }

    /// An invocation that failed is tried again, or given up.
    fn try_again_later(
        &mut self,
        name: Name,
        schedule: Schedule,
        blocked: Millis,
        (code, why): (&str, &str),
    ) {
        let ident = mix(schedule.ident, schedule.attempt.into());
        let age = self.now - schedule.due;
        let exhausted = if schedule.attempt >= MAX_ATTEMPTS {
            Some("MaximumRetryAttempts")
        } else if age >= Millis::from(MAX_AGE_SECONDS) * 1_000 {
            Some("MaximumEventAgeInSeconds")
        } else {
            None
        };
        if let Some(condition) = exhausted {
            self.give_schedule_up(&name, &schedule, (code, why), condition);
            return self.schedule_done(name, ident);
        }
        let attempt = schedule.attempt + 1;
        {
            let mut inner = self.host.lock();
            inner.meters.of(schedule.owner).retries += 1;
            if let Some(kept) = inner.schedule(&name) {
                (kept.attempt, kept.blocked) = (attempt, blocked);
            }
        }
        self.note(
            |lab| lab.subject(schedule.owner),
            || format!("schedule {} is not taken, attempt {attempt}", name.1),
        );
        let (least, longest) = RETRIES;
        let most = least
            .saturating_mul(1 << schedule.attempt.min(20))
            .min(longest);
        let wait = self.draw((most / 2, most), ident);
        self.after(wait, Action::Invoke(Box::new(name)));
    }

    /// A schedule is done with: it is deleted, not at once.
    fn schedule_done(&mut self, name: Name, ident: u64) {
        if let Some(schedule) = self.host.lock().schedule(&name) {
            schedule.done = true;
        }
        let lag = self.draw(SCHEDULE_DELETED, mix(ident, 6));
        self.after(lag, Action::Invoke(Box::new(name)));
    }

    /// What could not be sent goes to the schedule's dead-letter queue.
    fn give_schedule_up(
        &mut self,
        (group, name): &Name,
        schedule: &Schedule,
        (code, why): (&str, &str),
        condition: &str,
    ) {
        let dead = self.definitions.queue_named(&schedule.dead_letters);
        let Some(dead) = dead else {
            return self.lose(&format!("schedule {name}"), schedule.owner, why);
        };
        // The attributes that the user guide shows.
        let attributes = Attributes::from([
            (
                "SCHEDULE_ARN".into(),
                format!("arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/{group}/{name}"),
            ),
            ("TARGET_ARN".into(), schedule.queue.clone()),
            ("SCHEDULED_TIME".into(), timestamp(schedule.due).to_string()),
            ("EXECUTION_ID".into(), uuid(schedule.ident)),
            ("ERROR_CODE".into(), code.to_owned()),
            ("ERROR_MESSAGE".into(), why.to_owned()),
            ("RETRY_ATTEMPTS".into(), schedule.attempt.to_string()),
            ("EXHAUSTED_RETRY_CONDITION".into(), condition.to_owned()),
            ("IS_PAYLOAD_TRUNCATED".into(), "false".to_owned()),
        ]);
        let message = Message {
            attributes,
            ..Message::new(
                schedule.body.clone(),
                mix(schedule.ident, 0xdead),
                schedule.owner,
                TIMER.into(),
                self.now,
            )
        };
        self.bury(dead, message);
    }

    /// The schedules that wait for their time, or are about to be deleted.
    #[must_use]
    pub fn schedules(&self) -> Vec<Scheduled> {
        let inner = self.host.lock();
        let all = inner.schedules.schedules.iter();
        all.map(|((group, name), schedule)| Scheduled {
            name: name.clone(),
            group: group.clone(),
            due: timestamp(schedule.due),
            queue: schedule.queue.clone(),
            subject: inner.meters.subject(schedule.owner).to_string(),
        })
        .collect()
    }
}
