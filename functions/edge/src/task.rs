//! The task entry: a workflow asks for one step.
//!
//! Done is the task's output. A refusal is an error with the vocabulary's name,
//! a failure one called `Transient`, `PatienceSpent` or `InvalidCommand`; the
//! workflow's Retry and Catch name them. Facts are dropped, for here the workflow
//! tells everyone what is next. So are timers, for it has the clock, unless the
//! service owns one all the same.

use duet_core::outcome::{INVALID_COMMAND, PATIENCE_SPENT};
use duet_core::patience::is_spent;
use duet_core::{
    Answer, Clock, CommandMessage, Context, Failure, Handled, Refusal, Request, Service, Timestamp,
    Vocabulary,
};
use serde_json::Value;

use crate::log::{Ended, Log};
use crate::panics::caught;
use crate::queue::send_timers;
use crate::reading::{self, Reading, Span, Went, tell};
use crate::wires::Wires;

/// The error of a task: a name for the workflow to match, and a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskError {
    /// What `ErrorEquals` matches.
    pub name: String,
    /// A word more, such as `OutOfStock`; never business data.
    pub text: String,
}

impl From<Failure> for TaskError {
    fn from(failure: Failure) -> Self {
        let (Failure::Transient(text) | Failure::Invalid(text)) = &failure;
        Self {
            name: failure.name().to_owned(),
            text: text.clone(),
        }
    }
}

impl From<Refusal> for TaskError {
    fn from(refusal: Refusal) -> Self {
        Self {
            name: refusal.name,
            text: refusal.detail,
        }
    }
}

/// What a workflow says of a task beside the message: for the entry to know, and
/// no part of what is asked.
struct Beside {
    /// Which try it is, from 1.
    attempt: u32,
    /// Since when the step is tried: when it was entered or, if that is later,
    /// its execution was redriven.
    entered: Option<Timestamp>,
    /// Seconds of patience.
    patience: Option<u32>,
}

impl Beside {
    fn take(input: &mut Value) -> Self {
        let mut take = |name| input.as_object_mut().and_then(|all| all.remove(name));
        let number = |value: Value| Some(u32::try_from(value.as_u64()?).unwrap_or(u32::MAX));
        Self {
            attempt: take("attempt").and_then(number).unwrap_or(1).max(1),
            entered: take("entered").and_then(|at| at.as_str()?.parse().ok()),
            patience: take("patience").and_then(number),
        }
    }

    /// Whether a try that begins `now` is the last one. Somebody who does not
    /// say, such as a person calling the function, is never told so.
    fn is_last(&self, now: Timestamp) -> bool {
        let known = self.patience.zip(self.entered);
        known.is_some_and(|(seconds, since)| is_spent(seconds, since, now, self.attempt))
    }
}

/// Does the command message `input` on `service`; `deadline` is when the caller
/// stops listening. The input may say, beside the message, which `attempt` it
/// is, since when the step is tried (`entered`) and with how much `patience`.
/// What the service wants to be reminded of goes to the queue `timers`, an ARN.
///
/// # Errors
/// [`TaskError`]: the business declined, or nothing happened.
pub async fn perform<S: Service>(
    service: &S,
    wires: &impl Wires,
    clock: &impl Clock,
    log: &impl Log,
    timers: Option<&str>,
    mut input: Value,
    deadline: Timestamp,
) -> Result<Value, TaskError> {
    let began = clock.now();
    let beside = Beside::take(&mut input);
    let reading = Reading::of_command::<S>(&input);
    let (ended, outcome) = match request::<S>(&reading, input, deadline) {
        Ok(request) => handle(service, wires, timers, began, request).await,
        Err(invalid) => (None, Err(invalid)),
    };
    // The service is not told that it is its last try: nothing is final here
    // until the workflow has said what follows.
    let gives_up = matches!(outcome, Err(Failure::Transient(_))) && beside.is_last(began);
    let went = match &outcome {
        Ok(Handled {
            answer: Answer::Declined(no),
            ..
        }) => Went::declined(&no.name),
        Ok(Handled { repeat: true, .. }) => Went::well("repeat"),
        Ok(_) => Went::well("done"),
        Err(failure) if gives_up => Went::for_good(failure),
        Err(failure) => Went::badly(failure),
    };
    let span = Span {
        began,
        ended: clock.now(),
        attempt: beside.attempt,
    };
    tell::<S>(log, "task", &reading, went, span, ended);
    match outcome {
        Ok(handled) => match handled.answer {
            Answer::Done(reply) => Ok(reply),
            Answer::Declined(refusal) => Err(refusal.into()),
        },
        Err(failure) if gives_up => Err(TaskError {
            name: PATIENCE_SPENT.to_owned(),
            ..failure.into()
        }),
        Err(failure) => Err(failure.into()),
    }
}

/// How an order ended by it, for the log, is known even if the answer to
/// somebody who waits cannot be sent.
async fn handle<S: Service>(
    service: &S,
    wires: &impl Wires,
    timers: Option<&str>,
    now: Timestamp,
    request: Request<S::Command>,
) -> (Option<Ended>, Result<Handled, Failure>) {
    let cause = request.context.message.clone();
    let mut handled = match caught(service.handle(request)).await {
        Ok(handled) => handled,
        Err(failure) => return (None, Err(failure)),
    };
    let ended = reading::ended::<S>(&handled);
    let set = std::mem::take(&mut handled.timers);
    if let Some(queue) = timers
        && let Err(failure) = send_timers(wires, queue, set, &cause, S::NAME, now).await
    {
        return (ended, Err(failure));
    }
    if let Some(reply) = &handled.reply
        && let Err(failure) = wires.answer(reply).await
    {
        return (ended, Err(failure));
    }
    (ended, Ok(handled))
}

fn request<S: Service>(
    reading: &Reading,
    input: Value,
    deadline: Timestamp,
) -> Result<Request<S::Command>, Failure> {
    let message: CommandMessage = serde_json::from_value(input).map_err(|error| {
        let error = duet_core::ParseError::data("a command message", &error);
        Failure::invalid(format!("{INVALID_COMMAND}: {error}"))
    })?;
    let command = S::Command::parse(&message.command, message.data).map_err(Failure::invalid)?;
    let mut context = Context {
        message: message.metadata,
        reply_to: message.reply_to,
        last_attempt: false,
        deadline,
        replay: false,
    };
    reading.continue_trace(S::NAME, &mut context);
    Ok(Request { command, context })
}
