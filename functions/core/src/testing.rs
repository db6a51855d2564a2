//! Rehearsals: a service under at-least-once delivery, for tests.
//!
//! A schedule of [`Turn`]s delivers messages at once and more than once, takes
//! them one `await` at a time in any order, and kills them between any two.
//! Then every message that was not acknowledged is delivered until it is, as a
//! queue would. The schedule is data (bytes, for a property test to draw), so a
//! failure is repeated by its schedule.

use std::collections::BTreeSet;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use serde_json::json;

use crate::desk::is_record;
use crate::message::SCHEMA_VERSION;
use crate::service::reaction;
use crate::store::{CommitError, Item, Key, Store, StoreFault, Write};
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

/// A clock moved by hand; clones share it.
#[derive(Debug, Clone, Default)]
pub struct HandClock(Arc<AtomicI64>);

impl HandClock {
    /// Moves the clock on by `seconds`.
    pub fn advance(&self, seconds: u32) {
        self.0.fetch_add(i64::from(seconds), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
    }
}

/// A store that pauses before and after each call, so that others may come in
/// between, or the caller may die with the call made or not made. Documents
/// that are read together are read one after the other, as BatchGetItem does:
/// what is written meanwhile shows in some and not in others.
#[derive(Debug, Clone, Default)]
pub struct Stepwise<S>(pub S);

async fn pause() {
    let mut paused = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl<S: Store> Store for Stepwise<S> {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreFault> {
        pause().await;
        let mut items = Vec::with_capacity(keys.len());
        for key in keys {
            items.extend(self.0.load(std::slice::from_ref(key)).await?);
            pause().await;
        }
        Ok(items)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        pause().await;
        let done = self.0.commit(writes).await;
        pause().await;
        done
    }
}

/// A store whose reads tear: the first read of several documents after a
/// commit misses the idempotency records that it wrote, and shows everything
/// else that it did. A read of one document is exact.
#[derive(Debug, Clone, Default)]
pub struct Torn<S> {
    store: S,
    unseen: Arc<Mutex<BTreeSet<Key>>>,
}

impl<S: Store> Torn<S> {
    /// `store`, with torn reads.
    pub fn new(store: S) -> Self {
        let unseen = Arc::default();
        Self { store, unseen }
    }

    fn unseen(&self) -> MutexGuard<'_, BTreeSet<Key>> {
        self.unseen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store> Store for Torn<S> {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreFault> {
        let mut items = self.store.load(keys).await?;
        if keys.len() > 1 {
            for (key, item) in keys.iter().zip(&mut items) {
                if self.unseen().remove(key) {
                    *item = None;
                }
            }
        }
        Ok(items)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let keys = writes.iter().map(Write::key);
        let records: Vec<_> = keys.filter(|key| is_record(key)).cloned().collect();
        self.store.commit(writes).await?;
        self.unseen().extend(records);
        Ok(())
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
        let mut run = pin!(service.handle(Request { command, context }));
        loop {
            let mut waker = std::task::Context::from_waker(Waker::noop());
            if let Poll::Ready(outcome) = run.as_mut().poll(&mut waker) {
                return outcome;
            }
        }
    };
    commands.into_iter().map(deliver).collect()
}

/// One turn of a schedule. Numbers are taken modulo what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Deliver a message.
    Deliver(usize),
    /// Let a delivery under way go on to its next pause.
    Step(usize),
    /// Kill a delivery under way.
    Kill(usize),
    /// Let seconds pass.
    Wait(u32),
}

impl From<u8> for Turn {
    fn from(byte: u8) -> Self {
        let number = byte >> 3;
        match byte & 7 {
            0 => Self::Deliver(number.into()),
            1..=5 => Self::Step(number.into()),
            6 => Self::Kill(number.into()),
            _ => Self::Wait(u32::from(number) + 1),
        }
    }
}

/// Seconds a delivery has before it is stopped.
const RUN_SECONDS: u32 = 10;
/// Rounds of redelivery after the schedule, before giving a message up.
const ROUNDS: usize = 200;

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

type Run = Pin<Box<dyn Future<Output = Result<Handled, Failure>> + Send>>;

struct Delivery {
    message: usize,
    deadline: Timestamp,
    run: Run,
}

struct Rehearsal<'a, S: Service> {
    service: &'a S,
    clock: &'a HandClock,
    commands: &'a [S::Command],
    budget: u32,
    receives: Vec<u32>,
    acknowledged: Vec<Vec<Handled>>,
    under_way: Vec<Delivery>,
}

/// Runs `service` through `schedule` and on until each of `commands` is
/// acknowledged, then delivers each once more. From its `budget`-th delivery
/// on a message is on its last attempt. Gives every acknowledged outcome, per
/// command, the repeats included.
///
/// # Errors
/// The first [`Failure::Invalid`], or the last failure of a message that was
/// never acknowledged.
pub fn rehearse<S: Service>(
    service: &S,
    clock: &HandClock,
    commands: &[S::Command],
    budget: u32,
    schedule: &[u8],
) -> Result<Vec<Vec<Handled>>, Failure>
where
    S::Command: Clone + 'static,
{
    let mut rehearsal = Rehearsal {
        service,
        clock,
        commands,
        budget,
        receives: vec![0; commands.len()],
        acknowledged: vec![Vec::new(); commands.len()],
        under_way: Vec::new(),
    };
    for &byte in schedule {
        rehearsal.turn(byte.into())?;
    }
    while let Some(at) = rehearsal.under_way.len().checked_sub(1) {
        let _ = rehearsal.step(at)?;
    }
    for message in 0..commands.len() {
        let mut failure = None;
        for _ in 0..ROUNDS {
            if !rehearsal.acknowledged[message].is_empty() {
                break;
            }
            clock.advance(RUN_SECONDS + 1);
            failure = rehearsal.whole(message)?;
        }
        if let (true, Some(failure)) = (rehearsal.acknowledged[message].is_empty(), failure) {
            return Err(failure);
        }
    }
    for message in 0..commands.len() {
        if let Some(failure) = rehearsal.whole(message)? {
            return Err(failure);
        }
    }
    Ok(rehearsal.acknowledged)
}

impl<S: Service> Rehearsal<'_, S>
where
    S::Command: Clone + 'static,
{
    fn turn(&mut self, turn: Turn) -> Result<(), Failure> {
        let running = self.under_way.len();
        match turn {
            Turn::Deliver(number) => self.deliver(number % self.commands.len()),
            Turn::Step(number) if running > 0 => drop(self.step(number % running)?),
            Turn::Kill(number) if running > 0 => drop(self.under_way.remove(number % running)),
            Turn::Step(_) | Turn::Kill(_) => {}
            Turn::Wait(seconds) => {
                self.clock.advance(seconds);
                // Whoever runs a service stops it at its deadline.
                let now = self.clock.now();
                self.under_way.retain(|delivery| now < delivery.deadline);
            }
        }
        Ok(())
    }

    fn deliver(&mut self, message: usize) {
        self.receives[message] += 1;
        let command = self.commands[message].clone();
        // The name tells the messages of one schedule apart as ids do on a wire.
        let id = format!("{}-{message}", command.name());
        let context = context(&id, self.clock.now(), self.receives[message] >= self.budget);
        let service = self.service.clone();
        let deadline = context.deadline;
        let run = Box::pin(async move { service.handle(Request { command, context }).await });
        self.under_way.push(Delivery {
            message,
            deadline,
            run,
        });
    }

    /// Takes one step; gives the failure of a delivery that ended in one.
    fn step(&mut self, at: usize) -> Result<Option<Failure>, Failure> {
        let Delivery { message, run, .. } = &mut self.under_way[at];
        let message = *message;
        let outcome = run
            .as_mut()
            .poll(&mut std::task::Context::from_waker(Waker::noop()));
        let Poll::Ready(outcome) = outcome else {
            return Ok(None);
        };
        drop(self.under_way.remove(at));
        match outcome {
            Ok(handled) => self.acknowledged[message].push(handled),
            Err(failure @ Failure::Invalid(_)) => return Err(failure),
            Err(failure) => return Ok(Some(failure)),
        }
        Ok(None)
    }

    /// Delivers `message` and runs it to its end.
    fn whole(&mut self, message: usize) -> Result<Option<Failure>, Failure> {
        self.deliver(message);
        loop {
            let at = self.under_way.len() - 1;
            let failure = self.step(at)?;
            if self.under_way.len() == at {
                return Ok(failure);
            }
        }
    }
}
