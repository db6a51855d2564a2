//! The task entry: a workflow asks for one step.
//!
//! Done is the task's output. A refusal is an error with the vocabulary's name,
//! a failure one called `Transient` or `InvalidCommand`; the workflow's Retry
//! and Catch name them. Facts and timers are dropped: here the workflow tells
//! everyone what is next, and has the clock.
//!
//! It serves the variants that a workflow drives, and no others: whoever listens
//! to facts would hear nothing of what is done here.

use duet_core::outcome::INVALID_COMMAND;
use duet_core::{Answer, Clock, Context, Failure, Handled, Refusal, Request, Service, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::log::{Ended, Log};
use crate::panics::caught;
use crate::reading::{self, Reading, Span, Went, tell};
use crate::wires::{Carrier, Wires};

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
/// stops listening. What the workflow says beside the message: [`Beside`].
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
    let (reading, attempt, request) = parse::<S>(wires, input, deadline);
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

/// What a workflow says of its call beside the message: its own to know, and no
/// part of what is asked. Each is absent where nobody says it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Beside {
    /// Which attempt it is, from 1.
    attempt: Option<u64>,
    /// The mark of the orders, or customers, that the definition is for.
    clearance: Option<bool>,
    /// The name of the execution.
    execution: Option<String>,
}

impl Beside {
    /// Takes the members out of `input`.
    fn take(input: &mut Value) -> Result<Self, Failure> {
        let Some(all) = input.as_object_mut() else {
            return Ok(Self::default());
        };
        let members = ["attempt", "clearance", "execution"];
        let beside = members
            .into_iter()
            .filter_map(|name| all.remove(name).map(|value| (name.to_owned(), value)));
        let beside = Value::Object(beside.collect());
        serde_json::from_value(beside).map_err(|error| {
            let error = duet_core::ParseError::data("what comes beside a command", &error);
            Failure::invalid(format!("{INVALID_COMMAND}: {error}"))
        })
    }
}

fn parse<S: Service>(
    wires: &impl Wires,
    mut input: Value,
    deadline: Timestamp,
) -> Parsed<S::Command> {
    let beside = Beside::take(&mut input);
    let reading = Reading::of_command::<S>(&input);
    let attempt = beside.as_ref().ok().and_then(|beside| beside.attempt);
    let attempt = attempt.map_or(1, |n| u32::try_from(n).unwrap_or(u32::MAX).max(1));
    let request = beside.and_then(|beside| request::<S>(wires, &reading, beside, input, deadline));
    (reading, attempt, request)
}

fn request<S: Service>(
    wires: &impl Wires,
    reading: &Reading,
    beside: Beside,
    input: Value,
    deadline: Timestamp,
) -> Result<Request<S::Command>, Failure> {
    let (message, command) = reading::command::<S>(input)?;
    match wires.carrier(&message.metadata.variant) {
        Some(Carrier::None {}) => {}
        Some(Carrier::Eventbridge { .. }) => {
            return Err(Failure::invalid(
                "the message's variant is not driven by a workflow",
            ));
        }
        None => return Err(Failure::invalid("the message's variant is not deployed")),
    }
    let mut context = Context {
        message: message.metadata,
        reply_to: message.reply_to,
        clearance: beside.clearance,
        execution: beside.execution,
        last_attempt: false,
        deadline,
        replay: false,
    };
    reading.continue_trace(S::NAME, &mut context);
    Ok(Request { command, context })
}
