//! Reading a message, as far as it can be read: what nobody can act on may
//! still say which order it was about.

use std::cell::OnceCell;

use duet_core::{
    CommandMessage, Context, Event, Failure, Handled, Metadata, ParseError, Service, Timestamp,
    Vocabulary,
};
use serde::Deserialize;
use serde_json::Value;

use crate::log::{Ended, Envelope, Log, MISCONFIGURED, Step};

/// What could be read of a message.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The envelope, as it came.
    pub(crate) metadata: Option<Metadata>,
    /// The command's name, if the service has such a command.
    pub(crate) command: Option<&'static str>,
    /// The trace context of the step, once it was asked for.
    span: OnceCell<Option<String>>,
}

impl Reading {
    /// Reads the envelope and the command's name out of a command message.
    pub(crate) fn of_command<S: Service>(message: &Value) -> Self {
        let names = S::Command::NAMES.iter().copied();
        let asked = message.get("command").and_then(Value::as_str);
        Self {
            metadata: metadata(message),
            command: asked.and_then(|asked| names.into_iter().find(|name| *name == asked)),
            span: OnceCell::new(),
        }
    }

    /// Reads the envelope out of what is no whole fact.
    pub(crate) fn of_fact(fact: &Value) -> Self {
        Self {
            metadata: metadata(fact),
            ..Self::default()
        }
    }

    /// The envelope was read with the rest.
    pub(crate) fn of_metadata(metadata: Metadata) -> Self {
        Self {
            metadata: Some(metadata),
            ..Self::default()
        }
    }

    /// The trace context of the step that this message leads to on `service`.
    /// A workflow tells all its steps with one envelope: service and command
    /// tell them apart.
    fn span(&self, service: &str) -> Option<&str> {
        let draw = || {
            let metadata = self.metadata.as_ref()?;
            let command = self.command.unwrap_or_default();
            Some(duet_core::trace::span(
                metadata.traceparent.as_deref(),
                &metadata.correlationid,
                &format!("{service}/{command}/{}", metadata.id),
            ))
        };
        self.span.get_or_init(draw).as_deref()
    }

    /// Makes the trace context in `context` that of the step.
    pub(crate) fn continue_trace(&self, service: &str, context: &mut Context) {
        context.message.traceparent = self.span(service).map(str::to_owned);
    }
}

/// The members of a command message, besides those that an entry knows by
/// itself: nothing else comes in by a door.
const MEMBERS: [&str; 5] = ["command", "metadata", "data", "reply_to", "due"];

/// Reads a command message whole. What comes from outside is read strictly: a
/// member or field nobody knows is refused. What our own workflows, policies and
/// timers say is read tolerantly, so that whoever speaks may be newer than who
/// listens.
pub(crate) fn command<S: Service>(message: Value) -> Result<(CommandMessage, S::Command), Failure> {
    let invalid = |error: ParseError| Failure::invalid(error);
    let strange = message
        .as_object()
        .is_some_and(|all| all.keys().any(|name| !MEMBERS.contains(&name.as_str())));
    let mut message: CommandMessage = serde_json::from_value(message)
        .map_err(|error| invalid(ParseError::data("a command message", &error)))?;
    message.metadata.check_version().map_err(Failure::invalid)?;
    let name = message.command.as_str();
    let is_door = S::BEGINS.contains(&name) || S::DOORS.contains(&name);
    if is_door && strange {
        return Err(Failure::invalid(
            "data does not fit a command message: unknown field beside data",
        ));
    }
    let data = message.data.take();
    let command = match is_door {
        true => S::Command::parse_strictly(name, &data),
        false => S::Command::parse(name, &data),
    };
    let command = command.map_err(invalid)?;
    message.data = data;
    Ok((message, command))
}

fn metadata(of: &Value) -> Option<Metadata> {
    Metadata::deserialize(of.get("metadata")?).ok()
}

/// How a step went, in the words of the log.
#[derive(Debug)]
pub(crate) struct Went {
    level: &'static str,
    outcome: &'static str,
    why: Option<String>,
}

impl Went {
    /// Nothing to say but the word.
    pub(crate) fn well(outcome: &'static str) -> Self {
        Self {
            level: "INFO",
            outcome,
            why: None,
        }
    }

    /// The business declined, by the vocabulary's `name`.
    pub(crate) fn declined(name: &str) -> Self {
        Self {
            why: Some(name.to_owned()),
            ..Self::well("declined")
        }
    }

    /// Nothing happened.
    pub(crate) fn badly(failure: &Failure) -> Self {
        let (level, outcome) = match failure {
            Failure::Transient(_) => ("WARN", "transient"),
            Failure::Misconfigured(_) => ("ERROR", MISCONFIGURED),
            Failure::Invalid(_) => ("ERROR", "invalid"),
        };
        Self {
            level,
            outcome,
            why: Some(failure.to_string()),
        }
    }

    /// Nothing happened, and it is not tried again, though it could be.
    pub(crate) fn for_good(failure: &Failure) -> Self {
        Self {
            level: "ERROR",
            why: Some(format!("patience spent: {failure}")),
            ..Self::badly(failure)
        }
    }
}

/// When a step began, when it ended, and which attempt it was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) began: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) attempt: u32,
}

/// Tells `log` of a step of the service `S`.
pub(crate) fn tell<S: Service>(
    log: &impl Log,
    entry: &'static str,
    reading: &Reading,
    went: Went,
    span: Span,
    ended: Option<Ended>,
) {
    log.step(|| Step {
        time: span.ended,
        level: went.level,
        service: S::NAME,
        entry,
        command: reading.command,
        message: reading
            .metadata
            .as_ref()
            .zip(reading.span(S::NAME))
            .map(|(metadata, span)| Envelope::new(metadata, span)),
        outcome: went.outcome,
        why: went.why,
        attempt: span.attempt,
        duration_ms: span.ended.duration_since(span.began).as_millis() as i64,
        ended,
    });
}

/// How an order ended by what was `handled`: told the first time, not by a
/// repeat.
pub(crate) fn ended<S: Service>(handled: &Handled) -> Option<Ended> {
    let told = |event: &Event| S::ending(event).map(|ending| Ended::new(event, ending));
    match handled.repeat {
        true => None,
        false => handled.events.iter().find_map(told),
    }
}
