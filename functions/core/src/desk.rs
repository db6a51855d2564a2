//! Idempotency: a command takes effect once, however often it is delivered.
//!
//! Each command has one record per subject, written in the same transaction as
//! the state it guards and holding the whole outcome. A repeat finds the record
//! and gets the same outcome, so what was lost between commit and publication
//! is published again: the unacknowledged message is the retry, and there is no
//! dual write to lose. A repeat with other business data is refused.
//!
//! Records never expire: they guard money, stock and decisions. Locks do (see
//! the services that call third parties). A record keeps facts as they were said,
//! word for word, and a repeat says them in the same words, also where the code
//! has changed in between. What a fact says of a person is kept
//! once, in the subject's document: the record of the command that announced it
//! refers to it ([`Decision::announce`]). Once the document has it no more, or
//! [`SAID_AGAIN_SECONDS`] have passed, a repeat is answered and says nothing. A
//! sweep then removes from the record what it said ([`outlived`]); whether it came
//! by already makes no difference.
//!
//! A read of several documents is no snapshot (BatchGetItem API reference): a
//! record may be missed beside a document that its commit had changed already.
//! What is written is safe, for the record is written on the condition that
//! there is none. What ends without a record is not: so before a refusal as
//! invalid or an unkept answer is believed, the record is read once more.

mod decision;
mod record;

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::{CommitError, Expect, Item, Key, Store, Write};
use crate::{Answer, Clock, Context, Event, Fact, Failure, Handled, Timestamp, Vocabulary};

pub use self::decision::Decision;
pub use self::record::{
    Announced, SAID, envelopes, hash, is_record, kept_hash, outlived, record_key, silenced,
};
use self::record::{Announcement, RECORD, Record, Said};

/// How often a decision is taken again because a document changed meanwhile,
/// before the message goes back to its queue.
const ATTEMPTS: usize = 8;

/// For how long a kept outcome is said again, in seconds: for as long as a
/// message can come again by itself, which is the longest a queue keeps one
/// (SQS: 14 days).
pub const SAID_AGAIN_SECONDS: u32 = 14 * 24 * 60 * 60;

/// A service's desk: its table, its clock and its name.
#[derive(Debug, Clone)]
pub struct Desk<S, C> {
    /// The service's own table.
    pub store: S,
    /// The clock.
    pub clock: C,
    service: &'static str,
}

/// One command on the desk.
#[derive(Debug, Clone)]
pub struct Ticket {
    key: Key,
    hash: String,
}

/// What the desk has for a ticket.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "made once per command and taken apart at once; a box would only add an allocation"
)]
pub enum Found {
    /// The command took effect before: its outcome.
    Repeat(Handled),
    /// It did not: the documents asked for, in the order asked.
    Fresh(Vec<Option<Item>>),
}

impl<S: Store, C: Clock> Desk<S, C> {
    /// The desk of `service` over its table.
    pub fn new(service: &'static str, store: S, clock: C) -> Self {
        Self {
            store,
            clock,
            service,
        }
    }

    /// Draws the ticket of `command` about `subject`. `part` tells apart the
    /// repetitions of one command that are each to take effect, such as the
    /// causes of a rejection; it is empty for most.
    #[must_use]
    pub fn ticket(&self, command: &impl Vocabulary, subject: &str, part: &str) -> Ticket {
        Ticket {
            key: record_key(command.name(), subject, part),
            hash: hash(command),
        }
    }

    /// Looks for an earlier outcome and, in the same read, for the documents
    /// the decision needs.
    ///
    /// # Errors
    /// [`Failure::Invalid`] when the command took effect with other data, or
    /// under another variant: no two variants share an id.
    pub async fn find(
        &self,
        ticket: &Ticket,
        context: &Context,
        keys: &[Key],
    ) -> Result<Found, Failure> {
        let mut wanted = vec![ticket.key.clone()];
        wanted.extend_from_slice(keys);
        let mut items = self.store.load(&wanted).await?;
        match items.remove(0) {
            None => Ok(Found::Fresh(items)),
            Some(record) => {
                let document = items.first().and_then(Option::as_ref);
                self.repeat(ticket, context, &record, document)
                    .map(Found::Repeat)
            }
        }
    }

    /// Looks for an earlier outcome alone: a read of one document is exact.
    pub(crate) async fn recorded(
        &self,
        ticket: &Ticket,
        context: &Context,
    ) -> Result<Option<Handled>, Failure> {
        self.recorded_beside(ticket, context, None).await
    }

    /// The same, and then the document that the record refers to, alone too.
    async fn recorded_beside(
        &self,
        ticket: &Ticket,
        context: &Context,
        document: Option<&Key>,
    ) -> Result<Option<Handled>, Failure> {
        let alone = async |key: &Key| {
            let there = self.store.load(std::slice::from_ref(key)).await;
            there.map(|mut items| items.pop().flatten())
        };
        let Some(record) = alone(&ticket.key).await? else {
            return Ok(None);
        };
        let document = match document {
            Some(key) => alone(key).await?,
            None => None,
        };
        self.repeat(ticket, context, &record, document.as_ref())
            .map(Some)
    }

    /// Ends a command that cannot be decided by the documents that were
    /// [found](Self::find): with `failure`, unless the command took effect
    /// before and only its record had been missed.
    ///
    /// # Errors
    /// `failure`; [`Failure::Transient`] when the store did not answer.
    pub async fn refuse(
        &self,
        ticket: &Ticket,
        context: &Context,
        failure: Failure,
    ) -> Result<Handled, Failure> {
        if let Failure::Invalid(_) = failure
            && let Some(handled) = self.recorded(ticket, context).await?
        {
            return Ok(handled);
        }
        Err(failure)
    }

    /// The outcome that `record` holds, as a repeat; `document` has what it
    /// refers to.
    fn repeat(
        &self,
        ticket: &Ticket,
        context: &Context,
        record: &Item,
        document: Option<&Item>,
    ) -> Result<Handled, Failure> {
        let mut record: Record<'_> = record.read()?;
        if record.hash != ticket.hash {
            return Err(Failure::invalid(
                "the same command was handled before with other data",
            ));
        }
        if record.variant != context.message.variant {
            return Err(Failure::invalid(
                "the same command was handled before under another variant",
            ));
        }
        if record.is_outlived(self.clock.now()) {
            record = record.silent();
        }
        let Record {
            answer,
            announced,
            said,
            mut events,
            timers,
            reply,
            ..
        } = record;
        for Said { envelope, data } in said {
            let event = Event::said(envelope.into_owned(), data.into_owned());
            events.push(event.map_err(Failure::invalid)?);
        }
        let mut handled = Handled {
            answer: answer.into_owned(),
            events,
            timers: timers.into_owned(),
            called_off: Vec::new(),
            reply: reply.map(Cow::into_owned),
            repeat: true,
        };
        if let Some(announced) = announced {
            // A document is never deleted: unseen beside its record, it was
            // looked for a moment too early.
            let document =
                document.ok_or_else(|| Failure::transient("the document is not seen yet"))?;
            match announced.event(document)? {
                Some(event) => {
                    handled.answer = Answer::Done(event.data());
                    handled.events.insert(0, event);
                }
                None => handled.silence(),
            }
        }
        Ok(handled)
    }

    /// Writes `writes` and the outcome together; `None` when a document
    /// changed meanwhile and the decision has to be taken again. An unkept
    /// decision gives way to an earlier outcome whose record had been missed.
    ///
    /// # Errors
    /// [`Failure::Transient`] when the store did not answer.
    pub async fn settle<T>(
        &self,
        ticket: &Ticket,
        context: &Context,
        mut writes: Vec<Write>,
        decision: Decision<T>,
    ) -> Result<Option<Handled>, Failure> {
        let now = self.clock.now();
        let Decision {
            answer,
            facts,
            timers,
            called_off,
            reply,
            announced,
            keep,
            ..
        } = decision;
        let event = |fact| self.event(ticket, context, fact, now).worded();
        let mut events: Vec<_> = facts.into_iter().map(event).collect();
        let announced = announced.map(|Announced { member, fact }| (member, event(fact)));
        if keep {
            let record = Record {
                hash: (&ticket.hash).into(),
                variant: (&context.message.variant).into(),
                at: now,
                cause: Some((&context.message.id).into()),
                answer: Cow::Borrowed(&answer),
                announced: announced.as_ref().map(|(member, event)| Announcement {
                    envelope: event.words().map(|(envelope, _)| envelope.into()),
                    metadata: None,
                    member: (*member).into(),
                }),
                said: events
                    .iter()
                    .filter_map(Event::words)
                    .map(|(envelope, data)| Said {
                        envelope: envelope.into(),
                        data: data.into(),
                    })
                    .collect(),
                events: Vec::new(),
                timers: (&timers).into(),
                reply: reply.as_ref().map(Cow::Borrowed),
            };
            writes.push(Write::put(ticket.key.clone(), &record, Expect::Absent));
        } else if let Some(handled) = self.recorded(ticket, context).await? {
            return Ok(Some(handled));
        }
        if !writes.is_empty() {
            match self.store.commit(writes).await {
                Ok(()) => {}
                Err(CommitError::Conflict) => return Ok(None),
                Err(CommitError::Fault(fault)) => return Err(fault.into()),
            }
        }
        let answer = match &announced {
            Some((_, event)) => Answer::Done(event.data()),
            None => answer,
        };
        events.splice(0..0, announced.map(|(_, event)| event));
        Ok(Some(Handled {
            answer,
            events,
            timers,
            called_off,
            reply,
            repeat: false,
        }))
    }

    /// The whole of it for a service with one document per subject: load,
    /// decide, save; again when the document changed meanwhile.
    ///
    /// # Errors
    /// What `decide` says; [`Failure::Transient`] when the store did not answer
    /// or the document kept changing.
    pub async fn once<T: Serialize + DeserializeOwned>(
        &self,
        ticket: &Ticket,
        context: &Context,
        key: &Key,
        decide: impl Fn(Option<T>, Timestamp) -> Result<Decision<T>, Failure> + Send + Sync,
    ) -> Result<Handled, Failure> {
        for _ in 0..ATTEMPTS {
            let item = match self
                .find(ticket, context, std::slice::from_ref(key))
                .await?
            {
                Found::Repeat(handled) => return Ok(handled),
                Found::Fresh(mut items) => items.pop().flatten(),
            };
            let state = item.as_ref().map(Item::read).transpose()?;
            let decision = match decide(state, self.clock.now()) {
                Ok(decision) => decision,
                Err(failure @ Failure::Invalid(_)) => {
                    let found = self.recorded_beside(ticket, context, Some(key)).await?;
                    return found.ok_or(failure);
                }
                Err(failure) => return Err(failure),
            };
            let writes = decision
                .state
                .iter()
                .map(|state| Write::put(key.clone(), state, Expect::unchanged(item.as_ref())))
                .collect();
            if let Some(handled) = self.settle(ticket, context, writes, decision).await? {
                return Ok(handled);
            }
        }
        Err(contended())
    }

    fn event(&self, ticket: &Ticket, context: &Context, fact: Fact, now: Timestamp) -> Event {
        let Key { pk, sk } = &ticket.key;
        let done = sk.strip_prefix(RECORD).unwrap_or(sk);
        let id = format!("{}/{pk}/{done}/{}", self.service, fact.name());
        let source = format!("duet.{}", self.service);
        let metadata = context
            .message
            .answer(id, source, fact.name(), fact.subject(), now);
        Event::new(metadata, fact)
    }
}

impl Handled {
    /// Leaves the answer, for whoever asks, and nothing for anybody else.
    fn silence(&mut self) {
        self.events.clear();
        self.timers.clear();
        self.reply = None;
    }
}

/// The failure of a command whose documents kept changing under it.
#[must_use]
pub fn contended() -> Failure {
    Failure::transient("the document kept changing")
}

/// How often to take a decision again before [`contended`].
#[must_use]
pub fn attempts() -> std::ops::Range<usize> {
    0..ATTEMPTS
}

#[cfg(test)]
mod tests;
