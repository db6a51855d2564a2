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

use crate::log::{Envelope, Log, Step};
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

/// Does the command message `input` on `service`; `deadline` is when the caller
/// stops listening.
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
    let request = parse::<S>(input, deadline);
    let outcome = match request.clone() {
        Ok(request) => handle(service, wires, request).await,
        Err(invalid) => Err(invalid),
    };
    let (level, word, why) = match &outcome {
        Ok(Handled {
            answer: Answer::Declined(no),
            ..
        }) => ("INFO", "declined", Some(no.name.clone())),
        Ok(Handled { repeat: true, .. }) => ("INFO", "repeat", None),
        Ok(_) => ("INFO", "done", None),
        Err(failure @ Failure::Transient(_)) => ("WARN", "transient", Some(failure.to_string())),
        Err(failure @ Failure::Invalid(_)) => ("ERROR", "invalid", Some(failure.to_string())),
    };
    let now = clock.now();
    log.step(&Step {
        time: now,
        level,
        service: S::NAME,
        entry: "task",
        command: request.as_ref().ok().map(|r| r.command.name()),
        message: request.as_ref().ok().map(|r| Envelope::from(&r.context)),
        outcome: word,
        why,
        attempt: 1,
        duration_ms: now.duration_since(began).as_millis() as i64,
    });
    match outcome?.answer {
        Answer::Done(reply) => Ok(reply),
        Answer::Declined(refusal) => Err(refusal.into()),
    }
}

async fn handle<S: Service>(
    service: &S,
    wires: &impl Wires,
    request: Request<S::Command>,
) -> Result<Handled, Failure> {
    let handled = service.handle(request).await?;
    if let Some(reply) = &handled.reply {
        wires.answer(reply).await?;
    }
    Ok(handled)
}

fn parse<S: Service>(input: Value, deadline: Timestamp) -> Result<Request<S::Command>, Failure> {
    let message: CommandMessage = serde_json::from_value(input).map_err(|error| {
        let error = duet_core::ParseError::data("a command message", &error);
        Failure::invalid(format!("{INVALID_COMMAND}: {error}"))
    })?;
    let command = S::Command::parse(&message.command, message.data).map_err(Failure::invalid)?;
    let context = Context {
        message: message.metadata,
        reply_to: message.reply_to,
        last_attempt: false,
        deadline,
        replay: false,
    };
    Ok(Request { command, context })
}
