//! Rehearsals: a service under at-least-once delivery, for tests.
//!
//! They are [`duet_idempotency::testing`]'s, with the shop's commands and contexts.

pub use duet_idempotency::testing::{HandClock, Stepwise, Torn};
use duet_idempotency::testing::{RUN_SECONDS, finish, schedule};
use serde_json::json;

use crate::message::SCHEMA_VERSION;
use crate::service::reaction;
use crate::time::after;
use crate::{
    Clock, Context, Event, Fact, Failure, Handled, Metadata, Request, Service, Timestamp,
    Vocabulary,
};

/// What the policy of `S` makes of every fact there is: those that call for a command,
/// whether of the order `o-1` or of the customer `c-1`, and the command's name, in the
/// order of the vocabulary.
///
/// # Panics
/// When a fact has a member that this function knows no value for.
#[must_use]
pub fn reactions<S: Service>() -> Vec<(&'static str, &'static str, &'static str)> {
    let subjects = [("order", "o-1"), ("customer", "c-1")];
    let names = Fact::NAMES.iter().copied();
    names
        .flat_map(|name| subjects.map(|(of, id)| (name, of, id)))
        .filter_map(|(name, of, id)| {
            let metadata = context("m-1", Timestamp::UNIX_EPOCH, false).message;
            let event = Event::new(metadata, fact(name, of));
            let command = reaction::<S>(&event).filter(|_| event.fact.subject() == id)?;
            Some((name, of, command.name()))
        })
        .collect()
}

/// The fact called `name`, about the order or the customer. Facts are read tolerantly,
/// so one document has the members of all of them, but for two that mean several things.
fn fact(name: &str, of: &str) -> Fact {
    let money = json!({"amount": 500, "currency": "EUR"});
    let (kind, reason) = match name {
        "CustomerNotified" => ("OrderConfirmed", "OutOfStock"),
        "DeliveryFailed" => (of, "NotServed"),
        "OrderRejected" => (of, "TimedOut"),
        _ => (of, "OutOfStock"),
    };
    let data = json!({
        "order": "o-1", "customer": "c-1", "subject": "o-1", "kind": kind, "reason": reason,
        "total": money, "amount": money, "lines": [], "owed": [], "reasons": [], "score": 0,
        "email": "ada@example.org", "country": "SE", "payment_token": "tok", "tracking": "t-1",
        "placed_at": Timestamp::UNIX_EPOCH, "registered_at": Timestamp::UNIX_EPOCH,
        "ship_to": {
            "name": "Ada", "street": "1 Road", "city": "Lund", "postcode": "22100", "country": "SE",
        },
    });
    Fact::parse(name, data).unwrap_or_else(|why| panic!("{name}: {why}"))
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }
}

/// Delivers `commands` one after another, each in a message of its own, and
/// gives what came of each.
pub fn in_turn<S: Service>(
    service: &S,
    clock: &HandClock,
    commands: impl IntoIterator<Item = S::Command>,
) -> Vec<Result<Handled, Failure>> {
    let deliver = |command: S::Command| {
        let context = context(command.name(), clock.now(), false);
        finish(service.handle(Request { command, context }))
    };
    commands.into_iter().map(deliver).collect()
}

/// The context of a message called `id`, at `now`.
#[must_use]
pub fn context(id: &str, now: Timestamp, last_attempt: bool) -> Context {
    Context {
        message: Metadata {
            id: id.to_owned(),
            source: "duet.rehearsal".to_owned(),
            kind: "Rehearsal".to_owned(),
            subject: "rehearsal".to_owned(),
            time: Timestamp::UNIX_EPOCH,
            schemaversion: SCHEMA_VERSION.to_owned(),
            correlationid: "rehearsal".to_owned(),
            causationid: None,
            traceparent: None,
            variant: "rehearsal".to_owned(),
            late: false,
        },
        reply_to: None,
        clearance: None,
        execution: None,
        last_attempt,
        deadline: after(now, RUN_SECONDS),
        replay: false,
    }
}

/// Runs `service` through [`schedule`] until each of `commands` is acknowledged.
/// From its `budget`-th delivery on a message is on its last attempt. Gives every
/// acknowledged outcome, per command, the repeats included.
///
/// # Errors
/// A [`Failure::Invalid`], or the last failure of a message that was never
/// acknowledged.
pub fn rehearse<S: Service>(
    service: &S,
    clock: &HandClock,
    commands: &[S::Command],
    budget: u32,
    turns: &[u8],
) -> Result<Vec<Vec<Handled>>, Failure>
where
    S::Command: Clone + 'static,
{
    // The name tells the messages of one schedule apart as ids do on a wire.
    let names = commands.iter().enumerate();
    let ids: Vec<_> = names.map(|(n, it)| format!("{}-{n}", it.name())).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let handled = schedule(clock, &ids, budget, turns, |delivery| {
        let service = service.clone();
        let command = commands[delivery.message].clone();
        let context = Context {
            deadline: delivery.until,
            ..context(&delivery.id, clock.now(), delivery.last)
        };
        async move {
            match service.handle(Request { command, context }).await {
                // No delivery mends it.
                Err(failure @ Failure::Invalid(_)) => Ok(Err(failure)),
                Err(failure) => Err(failure),
                Ok(handled) => Ok(Ok(handled)),
            }
        }
    })?;
    let each = handled.into_iter().map(|all| all.into_iter().collect());
    each.collect()
}
