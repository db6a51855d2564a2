//! The task entry: a workflow asks for one step.
//!
//! Done is the task's output. A refusal is an error with the vocabulary's name,
//! a failure one called `Transient`, `PatienceSpent` or `InvalidCommand`; the
//! workflow's Retry and Catch name them. Whether facts are published and timers
//! set is the variant's to say ([`Rendering`]): where a
//! workflow tells everyone what is next and has the clock, neither is.
//!
//! It serves the variants whose workflow calls tasks, and no others.
//!
//! A person's decision is the same step, asked for by a person ([`Asker::Person`]):
//! under every variant, and nothing but a verdict ([`Service::VERDICTS`]).

use duet_core::outcome::PATIENCE_SPENT;
use duet_core::patience::is_spent;
use duet_core::{
    Answer, Clock, Context, Failure, Handled, Metadata, Refusal, Request, Service, Timestamp,
};
use serde_json::Value;

use crate::log::{Ended, Log};
use crate::panics::caught;
use crate::reading::{self, Reading, Span, Went, tell};
use crate::timers::{call_off, send_timers};
use crate::wires::{Rendering, Wires};

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

/// Who asks for a step and waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A workflow of a variant that calls tasks: `DUET_ENTRY=task`.
    Workflow,
    /// A person who decides: `DUET_ENTRY=verdict`.
    Person,
}

impl Asker {
    /// The asker whom the entry of this name is for.
    #[must_use]
    pub fn of(entry: &str) -> Option<Self> {
        [Self::Workflow, Self::Person]
            .into_iter()
            .find(|one| one.entry() == entry)
    }

    /// The entry's name, as `DUET_ENTRY` and the log have it.
    #[must_use]
    pub fn entry(self) -> &'static str {
        match self {
            Self::Workflow => "task",
            Self::Person => "verdict",
        }
    }
}

/// What a workflow says of a task beside the message: for the entry to know, and
/// no part of what is asked. A person says nothing beside it.
struct Beside {
    /// Which try it is, from 1.
    attempt: u32,
    /// Since when the step is tried: when it was entered or, if that is later,
    /// its execution was redriven.
    entered: Option<Timestamp>,
    /// Seconds of patience.
    patience: Option<u32>,
    /// The mark of the orders, or customers, that the definition is for.
    clearance: Option<bool>,
    /// The name of the execution.
    execution: Option<String>,
}

impl Beside {
    fn take(asker: Asker, input: &mut Value) -> Self {
        let mut said = input.as_object_mut().filter(|_| asker == Asker::Workflow);
        let mut take = |name| said.as_mut().and_then(|all| all.remove(name));
        let number = |value: Value| Some(u32::try_from(value.as_u64()?).unwrap_or(u32::MAX));
        Self {
            attempt: take("attempt").and_then(number).unwrap_or(1).max(1),
            entered: take("entered").and_then(|at| at.as_str()?.parse().ok()),
            patience: take("patience").and_then(number),
            clearance: take("clearance").and_then(|mark| mark.as_bool()),
            execution: take("execution").and_then(|name| Some(name.as_str()?.to_owned())),
        }
    }

    /// Whether a try that begins `now` is the last one. Somebody who does not
    /// say, such as a person calling the function, is never told so.
    fn is_last(&self, now: Timestamp) -> bool {
        let known = self.patience.zip(self.entered);
        known.is_some_and(|(seconds, since)| is_spent(seconds, since, now, self.attempt))
    }
}

/// Does the command message `input` on `service` for `asker`; `deadline` is when
/// they stop listening. A workflow's input may say, beside the message, which `attempt` it
/// is, since when the step is tried (`entered`) and with how much `patience`.
///
/// # Errors
/// [`TaskError`]: the business declined, or nothing happened.
pub async fn perform<S: Service>(
    service: &S,
    wires: &impl Wires,
    clock: &impl Clock,
    log: &impl Log,
    asker: Asker,
    mut input: Value,
    deadline: Timestamp,
) -> Result<Value, TaskError> {
    let began = clock.now();
    let mut beside = Beside::take(asker, &mut input);
    let reading = Reading::of_command::<S>(&input);
    let asked = request::<S>(wires, &reading, asker, &mut beside, input, deadline);
    let (ended, outcome) = match asked {
        Ok((request, rendering)) => handle(service, wires, clock, rendering, request).await,
        Err(invalid) => (None, Err(invalid)),
    };
    // The service is not told that it is its last try: nothing is final here
    // until the workflow has said what follows.
    let tried_again = matches!(
        outcome,
        Err(Failure::Transient(_) | Failure::Misconfigured(_))
    );
    let gives_up = tried_again && beside.is_last(began);
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
    tell::<S>(log, asker.entry(), &reading, went, span, ended);
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
    clock: &impl Clock,
    rendering: &Rendering,
    request: Request<S::Command>,
) -> (Option<Ended>, Result<Handled, Failure>) {
    let cause = request.context.message.clone();
    let mut handled = match caught(service.handle(request)).await {
        Ok(handled) => handled,
        Err(failure) => return (None, Err(failure)),
    };
    let ended = reading::ended::<S>(&handled);
    let told = tell_all::<S>(wires, clock, rendering, &cause, &mut handled).await;
    (ended, told.map(|()| handled))
}

/// Publishes, sets and answers what the variant has the entry do of what was
/// `handled`.
async fn tell_all<S: Service>(
    wires: &impl Wires,
    clock: &impl Clock,
    rendering: &Rendering,
    cause: &Metadata,
    handled: &mut Handled,
) -> Result<(), Failure> {
    if !handled.events.is_empty() {
        wires.publish(&rendering.facts, &handled.events).await?;
    }
    let sets_timers = rendering.sets_timers::<S>();
    if sets_timers {
        let timers = std::mem::take(&mut handled.timers);
        send_timers(wires, timers, cause, S::NAME, clock.now()).await?;
    }
    if let Some(reply) = &handled.reply {
        wires.answer(reply).await?;
    }
    if sets_timers {
        call_off(wires, &handled.called_off, cause, S::NAME).await;
    }
    Ok(())
}

fn request<'a, S: Service>(
    wires: &'a impl Wires,
    reading: &Reading,
    asker: Asker,
    beside: &mut Beside,
    input: Value,
    deadline: Timestamp,
) -> Result<(Request<S::Command>, &'a Rendering), Failure> {
    let (message, command) = reading::command::<S>(input)?;
    let Some(rendering) = wires.rendering(&message.metadata.variant) else {
        return Err(Failure::invalid("the message's variant is not deployed"));
    };
    match asker {
        Asker::Workflow if !rendering.tasks => {
            return Err(Failure::invalid(
                "the message's variant is not driven by a workflow",
            ));
        }
        Asker::Person if !S::VERDICTS.contains(&message.command.as_str()) => {
            return Err(Failure::invalid("this function takes verdicts only"));
        }
        Asker::Workflow | Asker::Person => {}
    }
    let mut context = Context {
        message: message.metadata,
        reply_to: message.reply_to,
        clearance: beside.clearance,
        execution: beside.execution.take(),
        last_attempt: false,
        deadline,
        replay: false,
    };
    reading.continue_trace(S::NAME, &mut context);
    Ok((Request { command, context }, rendering))
}
