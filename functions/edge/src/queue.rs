//! The queue entry: a fact, or a direct command, that came to a service.
//!
//! It knows the wire form alone: a fact is `{metadata, data}`, and what has a
//! `command` is one. What a transport puts around that, the [`intake`](crate::intake)
//! has taken off.
//!
//! | the service says | what happens to the message |
//! |---|---|
//! | done, or declined | facts published, timers sent, acknowledged |
//! | transient | back on the queue after a jittered backoff |
//! | transient, patience spent | the same; before, the service was told that it is its last try, and what it left undone is announced |
//! | transient, patience spent, of a queue that keeps its groups in order | put on the dead-letter queue, acknowledged: the group goes on |
//! | invalid | put on the dead-letter queue with the reason, acknowledged |
//! | nothing: it does not know the fact, or the fact calls for nothing | acknowledged |
//! | nothing: it does not listen to the fact | invalid, but on a carrier whose filters take their time to hold |
//!
//! A message is acknowledged last. Whatever fails before leaves it on the
//! queue, and its next delivery finds the kept outcome and publishes again.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use duet_core::patience::{greatest_wait, is_spent};
use duet_core::service::Reaction;
use duet_core::{
    Answer, Clock, CommandMessage, Context, Event, Failure, Handled, Metadata, ParseError,
    Received, Request, Service, Timestamp, Vocabulary,
};
use futures_util::future::{Either, select};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::intake::{Attempt, Body, Delivery, Fact, Wire};
use crate::log::{Ended, Log};
use crate::panics::caught;
use crate::reading::{self, Reading, Span, Went, tell};
use crate::timers::{call_off, send_timer, send_timers};
use crate::wires::{Carrier, Wires};

/// The `maxReceiveCount` of every queue: after so many receives the queue itself
/// puts a message away. It ends what cannot answer at all; who can gives up
/// long before, by the clock.
pub const MAX_RECEIVES: u32 = 31;

impl Delivery {
    /// Whether a try that begins `now` is the last one under a patience of
    /// `seconds`.
    fn is_last(&self, seconds: u32, now: Timestamp) -> bool {
        match (self.first_received, self.attempt) {
            (Some(since), Attempt::Known(tries)) => is_spent(seconds, since, now, tries),
            _ => false,
        }
    }
}

/// How long to wait before message `id` is delivered again, having failed at
/// receive `receives` ([`Attempt::number`]): evenly drawn between none and
/// [`greatest_wait`], in whole seconds, as the retriers of a workflow do. Drawn
/// from the id, so that messages that failed together do not return together.
#[must_use]
pub fn backoff(id: &str, receives: u32) -> Duration {
    let digest = Sha256::digest(format!("{id}/{receives}"));
    let drawn = digest
        .iter()
        .take(6)
        .fold(0_u64, |n, &byte| n << 8 | u64::from(byte));
    let share = drawn as f64 / (1_u64 << 48) as f64;
    Duration::from_secs((f64::from(greatest_wait(receives)) * share).round() as u64)
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
#[allow(
    clippy::large_enum_variant,
    reason = "made once per message and taken apart at once; a box would only add an allocation"
)]
enum Incoming<C> {
    /// A fact, or a command whose time has come.
    Now(Request<C>),
    /// A timer that came early: the message to send again.
    Early(Box<CommandMessage>),
    /// A fact that this service does not know: whoever says it is newer.
    Unknown,
    /// A fact that calls for nothing.
    Nothing,
    /// A fact that the service does not listen to: its variant, and why that is
    /// wrong where the carrier brings what was asked for and nothing else.
    Unasked(String, Failure),
}

/// Handles one delivery, until `over` at the latest: when the time for the
/// delivery is over ([`Delivery::deadline`]), it has failed.
pub async fn receive<S: Service>(
    service: &S,
    wires: &impl Wires,
    clock: &impl Clock,
    log: &impl Log,
    mut delivery: Delivery,
    over: impl Future<Output = ()>,
) -> Verdict {
    let began = clock.now();
    let mut seen = Seen::default();
    let body = std::mem::take(&mut delivery.body);
    let outcome = {
        let work = pin!(attempt(service, wires, clock, &delivery, body, &mut seen));
        match select(work, pin!(over)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err(Failure::transient("the time for it was over")),
        }
    };
    let went = match &outcome {
        Ok(Done::Later) => Went::well("later"),
        Ok(Done::Unknown) => Went::well("unknown"),
        Ok(Done::Nothing) => Went::well("nothing"),
        Ok(Done::Handled {
            declined: Some(name),
            ..
        }) => Went::declined(name),
        Ok(Done::Handled { repeat: true, .. }) => Went::well("repeat"),
        Ok(Done::Handled { .. }) => Went::well("done"),
        Ok(Done::Buried(failure)) | Err(failure) => Went::badly(failure),
    };
    let span = Span {
        began,
        ended: clock.now(),
        attempt: delivery.attempt.number(),
    };
    tell::<S>(log, "queue", &seen.reading, went, span, seen.ended);
    match outcome {
        Ok(_) => Verdict::Acknowledge,
        Err(_) => Verdict::Again(backoff(&delivery.id, delivery.attempt.number())),
    }
}

/// What is known of a message, for the log, however far its handling came.
#[derive(Default)]
struct Seen {
    reading: Reading,
    ended: Option<Ended>,
    /// Whether it was its last try.
    last: bool,
}

/// How a message went that is done with.
enum Done {
    /// A timer, sent again for later.
    Later,
    /// A fact that the service does not know.
    Unknown,
    /// A fact that calls for nothing.
    Nothing,
    /// The service handled it.
    Handled {
        declined: Option<String>,
        repeat: bool,
    },
    /// Nobody will ever handle it: it lies in the dead-letter queue.
    Buried(Failure),
}

async fn attempt<S: Service>(
    service: &S,
    wires: &impl Wires,
    clock: &impl Clock,
    delivery: &Delivery,
    body: Body,
    seen: &mut Seen,
) -> Result<Done, Failure> {
    let done = match parse::<S>(&mut seen.reading, delivery, body, clock.now()) {
        Ok(incoming) => handle(service, wires, clock, delivery, incoming, seen).await,
        Err(invalid) => Err(invalid),
    };
    match done {
        // No receives are spent on what is hopeless. Should it not arrive, the
        // message is still here.
        Err(Failure::Invalid(why)) => {
            let buried = wires.bury(delivery, &why).await;
            buried_or(buried, Failure::Invalid(why))
        }
        // Whoever comes behind it in its group has waited for as long as patience lasts.
        Err(failure) if seen.last && delivery.is_in_order() => {
            let why = format!("patience is spent: {failure}");
            buried_or(wires.bury(delivery, &why).await, failure)
        }
        other => other,
    }
}

/// What became of a message that failed with `failure`, once it was to be `buried`.
fn buried_or(buried: Result<(), Failure>, failure: Failure) -> Result<Done, Failure> {
    match buried {
        Ok(()) => Ok(Done::Buried(failure)),
        Err(_) => Err(failure),
    }
}

async fn handle<S: Service>(
    service: &S,
    wires: &impl Wires,
    clock: &impl Clock,
    delivery: &Delivery,
    incoming: Incoming<S::Command>,
    seen: &mut Seen,
) -> Result<Done, Failure> {
    let now = clock.now();
    let mut request = match incoming {
        Incoming::Now(request) => request,
        Incoming::Early(early) => {
            send_timer(wires, &early, S::NAME, now).await?;
            return Ok(Done::Later);
        }
        Incoming::Unknown => return Ok(Done::Unknown),
        Incoming::Nothing => return Ok(Done::Nothing),
        Incoming::Unasked(variant, why) => {
            let carrier = wires.rendering(&variant).map(|it| &it.facts);
            return match carrier.is_some_and(Carrier::filters_late) {
                true => Ok(Done::Nothing),
                false => Err(why),
            };
        }
    };
    let (cause, replay) = (request.context.message.clone(), request.context.replay);
    let Some(rendering) = wires.rendering(&cause.variant) else {
        return Err(Failure::invalid("the message's variant is not deployed"));
    };
    let (carrier, patience) = (&rendering.facts, rendering.patience);
    // What begins here would be told to nobody.
    if matches!(carrier, Carrier::None {}) && S::BEGINS.contains(&request.command.name()) {
        return Err(Failure::invalid(
            "the message's variant begins with its workflow, not on this queue",
        ));
    }
    let is_last = delivery.is_last(patience, now);
    seen.last = is_last;
    request.context.last_attempt = is_last;
    let overdue = is_last.then(|| overdue::<S>(&request, now)).flatten();
    // Whoever dies of it cannot say so afterwards.
    if delivery.attempt.number() >= MAX_RECEIVES
        && let Some(event) = &overdue
    {
        wires.publish(carrier, std::slice::from_ref(event)).await?;
    }
    let handled = match caught(service.handle(request)).await {
        Err(failure @ (Failure::Transient(_) | Failure::Misconfigured(_))) => {
            if let Some(event) = &overdue {
                wires.publish(carrier, std::slice::from_ref(event)).await?;
            }
            return Err(failure);
        }
        other => other?,
    };
    // Told now or never: if publishing fails, the next delivery is a repeat.
    seen.ended = reading::ended::<S>(&handled);
    let Handled {
        answer,
        mut events,
        timers,
        called_off,
        reply,
        repeat,
    } = handled;
    // A replayed message that changed nothing has nothing to tell either; one
    // that was lost the first time is handled as if new.
    if !(repeat && replay) {
        let late = is_late(patience, &cause, now);
        if late {
            events.iter_mut().for_each(Event::mark_late);
        }
        if !events.is_empty() {
            wires.publish(carrier, &events).await?;
        }
        let sets_timers = rendering.sets_timers::<S>();
        if sets_timers {
            // By the clock as it is now: the service has set them since.
            send_timers(wires, timers, &cause, S::NAME, clock.now()).await?;
        }
        if let Some(reply) = &reply {
            wires.answer(reply).await?;
        }
        if sets_timers {
            call_off(wires, &called_off, &cause, S::NAME).await;
        }
    }
    let declined = match answer {
        Answer::Done(_) => None,
        Answer::Declined(no) => Some(no.name),
    };
    Ok(Done::Handled { declined, repeat })
}

/// What is to be said of `request` when this try, its last one, fails.
fn overdue<S: Service>(request: &Request<S::Command>, now: Timestamp) -> Option<Event> {
    let fact = S::overdue(&request.command)?;
    let (service, command, name) = (S::NAME, request.command.name(), fact.name());
    let id = format!("{service}/{}/{command}/{name}", fact.subject());
    let cause = &request.context.message;
    let metadata = cause.answer(id, format!("duet.{service}"), name, fact.subject(), now);
    Some(Event::new(metadata, fact))
}

/// Whether somebody may have been told that what `cause` asked for is overdue.
/// That is said when a patience is over since the message was received; its own
/// time is earlier, by a clock that may be off, hence the half.
fn is_late(patience: u32, cause: &Metadata, now: Timestamp) -> bool {
    let half = SignedDuration::from_secs(i64::from(patience)) / 2;
    now.duration_since(cause.time) >= half
}

fn parse<S: Service>(
    reading: &mut Reading,
    delivery: &Delivery,
    body: Body,
    now: Timestamp,
) -> Result<Incoming<S::Command>, Failure> {
    let request = |reading: &Reading, command, message, reply_to, clearance| {
        let mut context = Context {
            message,
            reply_to,
            clearance,
            execution: None,
            last_attempt: false,
            deadline: delivery.deadline,
            replay: delivery.replay.is_some(),
        };
        reading.continue_trace(S::NAME, &mut context);
        Incoming::Now(Request { command, context })
    };
    let text = match body {
        Body::Fact(Fact { metadata, data }) => {
            *reading = Reading::of_metadata(metadata.clone());
            return Ok(match reaction::<S>(&metadata, &data)? {
                None => Incoming::Unknown,
                Some(Reaction::Command(command)) => {
                    reading.command = Some(command.name());
                    request(reading, command, metadata, None, mark(&data))
                }
                Some(Reaction::Nothing) => Incoming::Nothing,
                Some(Reaction::NoPolicy) => {
                    let (service, fact) = (S::NAME, &metadata.kind);
                    let why = format!("{service} has no policy for {fact}");
                    Incoming::Unasked(metadata.variant, Failure::invalid(why))
                }
            });
        }
        Body::Unfit(unfit) => {
            let body = tree(unfit.get())?;
            *reading = Reading::of_fact(&body);
            return Err(unfit_fact(body));
        }
        Body::Plain => &*delivery.text,
    };
    let body = tree(text)?;
    // Of what is neither, it is said that it is no command.
    if body.get("command").is_none() && body.get("metadata").is_some() {
        *reading = Reading::of_fact(&body);
        return Err(unfit_fact(body));
    }
    *reading = Reading::of_command::<S>(&body);
    let (message, command) = reading::command::<S>(body)?;
    if message.due.is_some_and(|due| due > now) {
        return Ok(Incoming::Early(Box::new(message)));
    }
    let CommandMessage {
        metadata, reply_to, ..
    } = message;
    Ok(request(reading, command, metadata, reply_to, None))
}

/// What the policy of `S` makes of a fact; `None` when `S` does not know it.
fn reaction<S: Service>(
    metadata: &Metadata,
    data: &RawValue,
) -> Result<Option<Reaction<S::Command>>, Failure> {
    metadata.check_version().map_err(Failure::invalid)?;
    match S::policy(&Received { metadata, data }) {
        Ok(reaction) => Ok(Some(reaction)),
        Err(ParseError::UnknownName { .. }) => Ok(None),
        Err(unfit) => Err(Failure::invalid(unfit)),
    }
}

/// Reads as much as there is of what was not read in one go, to say what does
/// not fit. The text itself may be personal data: say where it broke, not what
/// it was.
fn tree(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|e| {
        let (line, column) = (e.line(), e.column());
        Failure::invalid(format!("no JSON from line {line} column {column}"))
    })
}

/// Why `body` is no fact in its wire form.
fn unfit_fact(body: Value) -> Failure {
    match serde_json::from_value::<Wire>(body) {
        Err(error) => Failure::invalid(ParseError::data("a fact", &error)),
        Ok(_) => Failure::invalid("no fact that can be read"),
    }
}

/// The mark that a fact says, if it says one.
fn mark(data: &RawValue) -> Option<bool> {
    #[derive(Deserialize)]
    struct Marked {
        #[serde(default)]
        clearance: Option<bool>,
    }
    // Most facts have none, and need not be read again to know it.
    if !data.get().contains("\"clearance\"") {
        return None;
    }
    serde_json::from_str::<Marked>(data.get()).ok()?.clearance
}
