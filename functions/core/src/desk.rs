//! Idempotency: a command takes effect once, however often it is delivered.
//!
//! The protocol is [`duet_idempotency`]'s: one record per command and subject,
//! written in the same transaction as the state it guards. Here is what the shop
//! keeps in it, which is the whole outcome, so what was lost between commit and
//! publication is published again: the unacknowledged message is the retry, and
//! there is no dual write to lose. A repeat with other business data, or under
//! another variant, is refused: no two variants share an id.
//!
//! Records never expire: they guard money, stock and decisions. Locks do (see
//! [`crate::lock`]). A record keeps facts as they were said,
//! word for word, and a repeat says them in the same words, also where the code
//! has changed in between. What a fact says of a person is kept
//! once, in the subject's document: the record of the command that announced it
//! refers to it ([`Decision::announce`]). Once the document has it no more, or
//! [`SAID_AGAIN_SECONDS`] have passed, a repeat is answered and says nothing. A
//! sweep then removes from the record what it said ([`outlived`]); whether it came
//! by already makes no difference.

mod decision;
mod record;

use std::borrow::Cow;

pub use duet_idempotency::{Error, Found, Ticket, attempts, is_record, record_key};
use duet_idempotency::{Keeper, Kept, Once, Stamp};

use crate::store::{Body, Item, Store};
use crate::{Answer, Clock, Context, Event, Fact, Failure, Handled, Timestamp, Vocabulary};

pub use self::decision::Decision;
pub use self::record::{Announced, SAID, envelopes, hash, kept_hash, outlived, silenced};
use self::record::{Announcement, Record, Said};

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

/// Who keeps what a service decided about one message, and says it again.
#[derive(Debug, Clone, Copy)]
pub struct Clerk<'a, C> {
    service: &'static str,
    clock: &'a C,
    context: &'a Context,
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

    /// Draws the ticket of `command` about `subject`, which came with `context`.
    /// `part` tells apart the repetitions of one command that are each to take
    /// effect, such as the causes of a rejection; it is empty for most.
    #[must_use]
    pub fn ticket(
        &self,
        context: &Context,
        command: &impl Vocabulary,
        subject: &str,
        part: &str,
    ) -> Ticket {
        Ticket::hashed(command.name(), subject, part, hash(command)).scope(&context.message.variant)
    }

    /// The protocol, for the message of `context`.
    pub fn once<'a>(&'a self, context: &'a Context) -> Once<'a, S, Clerk<'a, C>> {
        let clerk = Clerk {
            service: self.service,
            clock: &self.clock,
            context,
        };
        Once::new(&self.store, clerk)
    }
}

impl<C: Clock> Keeper for Clerk<'_, C> {
    type Record = Record<'static>;
    type Decision<T> = Decision<T>;
    type Outcome = Handled;
    type Error = Failure;

    fn stamp<'r>(record: &'r Record<'static>) -> Stamp<'r> {
        record.stamp()
    }

    fn state<T>(decision: &Decision<T>) -> Option<&T> {
        decision.state.as_ref()
    }

    fn keep<T>(&self, ticket: &Ticket, decision: Decision<T>) -> Result<Kept<Handled>, Error> {
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
        let event = |fact| self.event(ticket, fact, now).worded();
        let mut events: Vec<_> = facts.into_iter().map(event).collect();
        let announced = announced.map(|Announced { member, fact }| (member, event(fact)));
        let Stamp { hash, scope } = ticket.stamp();
        let record = keep.then(|| {
            Body::of(&Record {
                hash: hash.into(),
                variant: scope.into(),
                at: now,
                cause: Some((&self.context.message.id).into()),
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
            })
        });
        let answer = match &announced {
            Some((_, event)) => Answer::Done(event.data()),
            None => answer,
        };
        events.splice(0..0, announced.map(|(_, event)| event));
        let outcome = Handled {
            answer,
            events,
            timers,
            called_off,
            reply,
            repeat: false,
        };
        Ok(Kept { record, outcome })
    }

    fn recall(
        &self,
        mut record: Record<'static>,
        document: Option<&Item>,
    ) -> Result<Handled, Failure> {
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

    /// What is tried again anyway looks for the record then.
    fn is_final(failure: &Failure) -> bool {
        matches!(failure, Failure::Invalid(_))
    }
}

impl<C> Clerk<'_, C> {
    fn event(&self, ticket: &Ticket, fact: Fact, now: Timestamp) -> Event {
        let (service, subject) = (self.service, &ticket.key().pk);
        let id = format!("{service}/{subject}/{}/{}", ticket.command(), fact.name());
        let source = format!("duet.{service}");
        let message = &self.context.message;
        let metadata = message.answer(id, source, fact.name(), fact.subject(), now);
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

#[cfg(test)]
mod tests;
