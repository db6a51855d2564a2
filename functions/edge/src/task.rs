//! The task entry: a workflow asks for one step.
//!
//! Done is the task's output. A refusal is an error with the vocabulary's name,
//! a failure one called `Transient` or `InvalidCommand`; the workflow's Retry
//! and Catch name them. Facts and timers are dropped: here the workflow tells
//! everyone what is next, and has the clock.

use duet_core::outcome::INVALID_COMMAND;
use duet_core::{
    Answer, Clock, CommandMessage, Context, Failure, Handled, Refusal, Request, Service, Timestamp,
    Vocabulary,
};
use serde_json::Value;

use crate::log::{Ended, Log};
use crate::panics::caught;
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
        Self {
            name: failure.name().to_owned(),
            text: failure.text().to_owned(),
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

/// Does the command message `input` on `service`; `deadline` is when the caller
/// stops listening. The input may say, beside the message, which `attempt` it
/// is.
///
/// # Errors
/// [`TaskError`]: the business declined, or nothing happened.
pub async fn perform<S: Service>(
    service: &S,
    wires: &impl Wires,
    clock: &impl Clock,
    log: &impl Log,
    input: Value,
    deadline: Timestamp,
) -> Result<Value, TaskError> {
    let began = clock.now();
    let (reading, attempt, request) = parse::<S>(input, deadline);
    let outcome = match request {
        Ok(request) => handle(service, wires, request).await,
        Err(invalid) => (None, Err(invalid)),
    };
    let (ended, outcome) = outcome;
    let went = match &outcome {
        Ok(Handled {
            answer: Answer::Declined(no),
            ..
        }) => Went::declined(&no.name),
        Ok(Handled { repeat: true, .. }) => Went::well("repeat"),
        Ok(_) => Went::well("done"),
        Err(failure) => Went::badly(failure),
    };
    let span = Span {
        began,
        ended: clock.now(),
        attempt,
    };
    tell::<S>(log, "task", &reading, went, span, ended);
    match outcome?.answer {
        Answer::Done(reply) => Ok(reply),
        Answer::Declined(refusal) => Err(refusal.into()),
    }
}

/// How an order ended by it, for the log, is known even if the answer to
/// somebody who waits cannot be sent.
async fn handle<S: Service>(
    service: &S,
    wires: &impl Wires,
    request: Request<S::Command>,
) -> (Option<Ended>, Result<Handled, Failure>) {
    let handled = match caught(service.handle(request)).await {
        Ok(handled) => handled,
        Err(failure) => return (None, Err(failure)),
    };
    let ended = reading::ended::<S>(&handled);
    if let Some(reply) = &handled.reply
        && let Err(failure) = wires.answer(reply).await
    {
        return (ended, Err(failure));
    }
    (ended, Ok(handled))
}

type Parsed<C> = (Reading, u32, Result<Request<C>, Failure>);

fn parse<S: Service>(mut input: Value, deadline: Timestamp) -> Parsed<S::Command> {
    // Beside the message, for it is the workflow's to know and no part of what is asked.
    let attempt = input.as_object_mut().and_then(|all| all.remove("attempt"));
    let attempt = attempt.as_ref().and_then(Value::as_u64);
    let attempt = attempt.map_or(1, |n| u32::try_from(n).unwrap_or(u32::MAX).max(1));
    let reading = Reading::of_command::<S>(&input);
    let request = request::<S>(&reading, input, deadline);
    (reading, attempt, request)
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
