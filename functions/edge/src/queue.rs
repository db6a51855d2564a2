//! The queue entry: a fact of the bus, or a direct command, on a service's own
//! queue.
//!
//! | the service says | what happens to the message |
//! |---|---|
//! | done, or declined | facts published, timers sent, acknowledged |
//! | transient | back on the queue after a jittered backoff |
//! | invalid | back at once, so that it soon lies in the dead-letter queue |
//!
//! A message is acknowledged last. Whatever fails before leaves it on the
//! queue, and its next delivery finds the kept outcome and publishes again.

use std::time::Duration;

use duet_core::{
    Answer, Clock, CommandMessage, Context, Event, Fact, Failure, Handled, Metadata, ParseError,
    Request, Service, Timer, Timestamp, Vocabulary,
};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::log::{Ended, Log};
use crate::panics::caught;
use crate::reading::{self, Reading, Span, Went, tell};
use crate::wires::Wires;

/// The longest delay of a queued message (SQS `DelaySeconds`). A timer further
/// off is sent again when this has passed.
pub const MAX_DELAY_SECONDS: u32 = 900;

/// The longest backoff of a message that failed.
const MAX_BACKOFF_SECONDS: u32 = 300;

/// One delivery of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The message's id on the queue.
    pub id: String,
    /// The queue's ARN.
    pub queue: String,
    /// The text.
    pub body: String,
    /// How often the message was received, this time included.
    pub receives: u32,
    /// When the receiver is stopped.
    pub deadline: Timestamp,
}

/// How patient the entry is with a failing message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Receives before the service is told to give up. The queue's
    /// `maxReceiveCount` is two more, for what a crash or a throttle costs.
    pub budget: u32,
    /// The first backoff; each further one doubles.
    pub backoff_seconds: u32,
}

impl Retries {
    /// How long to wait before message `id` is delivered again, having failed
    /// at receive `receives`: between a half and the whole of
    /// `backoff x 2^(receives - 1)`, in whole seconds, drawn from the id so that
    /// messages that failed together do not return together.
    #[must_use]
    pub fn backoff(self, id: &str, receives: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(receives.saturating_sub(1));
        let most = self
            .backoff_seconds
            .saturating_mul(doubled)
            .min(MAX_BACKOFF_SECONDS);
        let digest = Sha256::digest(format!("{id}/{receives}"));
        let share = 0.5 + f64::from(digest[0]) / 512.0;
        Duration::from_secs((f64::from(most) * share).ceil() as u64)
    }
}

/// What is to become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a verdict that is dropped acknowledges the message"]
pub enum Verdict {
    /// It is done with.
    Acknowledge,
    /// It failed: again after this long.
    Again(Duration),
}

/// A message once read.
struct Incoming<C> {
    request: Request<C>,
    /// A timer that came early: the message to send again.
    early: Option<CommandMessage>,
}

/// Handles one delivery.
pub async fn receive<S: Service>(
    service: &S,
    wires: &impl Wires,
    clock: &impl Clock,
    log: &impl Log,
    retries: Retries,
    delivery: &Delivery,
) -> Verdict {
    let began = clock.now();
    let mut reading = Reading::default();
    let incoming = parse::<S>(&mut reading, delivery, began, retries);
    let mut ended = None;
    let outcome = match incoming {
        Ok(incoming) => handle(service, wires, began, delivery, incoming, &mut ended).await,
        Err(invalid) => Err(invalid),
    };
    let went = match &outcome {
        Ok(Done::Later) => Went::well("later"),
        Ok(Done::Handled {
            declined: Some(name),
            ..
        }) => Went::declined(name),
        Ok(Done::Handled { repeat: true, .. }) => Went::well("repeat"),
        Ok(Done::Handled { .. }) => Went::well("done"),
        Err(failure) => Went::badly(failure),
    };
    let span = Span {
        began,
        ended: clock.now(),
        attempt: delivery.receives,
    };
    tell::<S>(log, "queue", &reading, went, span, ended);
    match outcome {
        Ok(_) => Verdict::Acknowledge,
        Err(Failure::Transient(_) | Failure::Misconfigured(_)) => {
            Verdict::Again(retries.backoff(&delivery.id, delivery.receives))
        }
        Err(Failure::Invalid(_)) => Verdict::Again(Duration::ZERO),
    }
}

/// How a message went that is done with.
enum Done {
    /// A timer, sent again for later.
    Later,
    /// The service handled it.
    Handled {
        declined: Option<String>,
        repeat: bool,
    },
}

async fn handle<S: Service>(
    service: &S,
    wires: &impl Wires,
    now: Timestamp,
    delivery: &Delivery,
    incoming: Incoming<S::Command>,
    ended: &mut Option<Ended>,
) -> Result<Done, Failure> {
    let Incoming { request, early } = incoming;
    if let Some(early) = &early {
        send_timer(wires, &delivery.queue, early, now).await?;
        return Ok(Done::Later);
    }
    let (cause, replay) = (request.context.message.clone(), request.context.replay);
    let Some(carrier) = wires.carrier(&cause.variant) else {
        return Err(Failure::invalid("the message's variant is not deployed"));
    };
    let handled = caught(service.handle(request)).await?;
    // Told now or never: if publishing fails, the next delivery is a repeat.
    *ended = reading::ended::<S>(&handled);
    let Handled {
        answer,
        events,
        timers,
        reply,
        repeat,
    } = handled;
    // A replayed message that changed nothing has nothing to tell either; one
    // that was lost the first time is handled as if new.
    if !(repeat && replay) {
        if !events.is_empty() {
            wires.publish(carrier, &events).await?;
        }
        for timer in timers {
            send_timer(
                wires,
                &delivery.queue,
                &timer_message(timer, &cause, S::NAME),
                now,
            )
            .await?;
        }
        if let Some(reply) = &reply {
            wires.answer(reply).await?;
        }
    }
    let declined = match answer {
        Answer::Done(_) => None,
        Answer::Declined(no) => Some(no.name),
    };
    Ok(Done::Handled { declined, repeat })
}

/// The id of the message of a timer that `service` set about `subject`.
#[must_use]
pub fn timer_id(service: &str, subject: &str, command: &str, due: Timestamp) -> String {
    format!("{service}/{subject}/timer/{command}/{due}")
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

async fn send_timer(
    wires: &impl Wires,
    queue: &str,
    message: &CommandMessage,
    now: Timestamp,
) -> Result<(), Failure> {
    let left = message
        .due
        .map_or(0.0, |due| due.duration_since(now).as_secs_f64().ceil());
    let seconds = left.clamp(0.0, f64::from(MAX_DELAY_SECONDS)) as u32;
    wires.send_later(queue, message, seconds).await
}

fn parse<S: Service>(
    reading: &mut Reading,
    delivery: &Delivery,
    now: Timestamp,
    retries: Retries,
) -> Result<Incoming<S::Command>, Failure> {
    let context = |reading: &Reading, message, reply_to, replay| {
        let mut context = Context {
            message,
            reply_to,
            last_attempt: delivery.receives >= retries.budget,
            deadline: delivery.deadline,
            replay,
        };
        reading.continue_trace(S::NAME, &mut context);
        context
    };
    let of_event = |reading: &mut Reading, event: Event, replay| {
        let Some(command) = S::policy(&event) else {
            return Err(Failure::invalid(format!(
                "{} has no policy for {}",
                S::NAME,
                event.fact.name()
            )));
        };
        reading.command = Some(command.name());
        let context = context(reading, event.metadata, None, replay);
        Ok(Incoming {
            request: Request { command, context },
            early: None,
        })
    };
    // Nearly every message is a whole event, read in one go.
    if let Ok(BusEvent {
        detail_type,
        detail: Detail { metadata, data },
        replay_name,
    }) = serde_json::from_str(&delivery.body)
        && let Ok(fact) = Fact::parse(&detail_type, data)
    {
        *reading = Reading::of_metadata(metadata.clone());
        return of_event(reading, Event { metadata, fact }, replay_name.is_some());
    }
    // Of everything else as much is read as there is, to say what does not fit.
    // The text itself may be personal data: say where it broke, not what it was.
    let body: Value = serde_json::from_str(&delivery.body).map_err(|e| {
        Failure::invalid(format!(
            "no JSON from line {} column {}",
            e.line(),
            e.column()
        ))
    })?;
    if body.get("detail-type").is_some() {
        *reading = Reading::of_event(&body["detail"]);
        let BusEvent {
            detail_type,
            detail,
            replay_name,
        } = read("a bus event", body)?;
        let event = Event::parse(&detail_type, detail).map_err(Failure::invalid)?;
        return of_event(reading, event, replay_name.is_some());
    }
    *reading = Reading::of_command::<S>(&body);
    let message: CommandMessage = read("a command message", body)?;
    let command =
        S::Command::parse(&message.command, message.data.clone()).map_err(Failure::invalid)?;
    let early = message
        .due
        .is_some_and(|due| due > now)
        .then(|| message.clone());
    let context = context(reading, message.metadata, message.reply_to, false);
    Ok(Incoming {
        request: Request { command, context },
        early,
    })
}

fn read<T: for<'de> Deserialize<'de>>(what: &'static str, body: Value) -> Result<T, Failure> {
    serde_json::from_value(body).map_err(|e| Failure::invalid(ParseError::data(what, &e)))
}

/// What EventBridge puts on a queue.
#[derive(Deserialize)]
struct BusEvent<D> {
    #[serde(rename = "detail-type")]
    detail_type: String,
    detail: D,
    #[serde(rename = "replay-name")]
    replay_name: Option<String>,
}

/// The `detail` of an [`Event`], its fact unread.
#[derive(Deserialize)]
struct Detail<'a> {
    metadata: Metadata,
    #[serde(borrow)]
    data: &'a RawValue,
}
