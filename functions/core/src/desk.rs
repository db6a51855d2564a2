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

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::message::{fact_of_tree, hex};
use crate::store::{CommitError, Expect, Item, Key, Store, Write};
use crate::time::{after, is_far};
use crate::{
    Answer, CalledOff, Clock, Context, Event, Fact, Failure, Handled, Metadata, Refusal, Reply,
    Timer, Timestamp, Vocabulary,
};

/// How often a decision is taken again because a document changed meanwhile,
/// before the message goes back to its queue.
const ATTEMPTS: usize = 8;

/// For how long a kept outcome is said again, in seconds: for as long as a
/// message can come again by itself, which is the longest a queue keeps one
/// (SQS: 14 days).
pub const SAID_AGAIN_SECONDS: u32 = 14 * 24 * 60 * 60;

/// What a service decided: new state, and what is to be told to whom.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Decision<S> {
    /// The new state; `None` leaves it as it is.
    pub state: Option<S>,
    /// For whoever asked.
    pub answer: Answer,
    /// What happened.
    pub facts: Vec<Fact>,
    /// For the service itself, later.
    pub timers: Vec<Timer>,
    /// Timers that are not needed any more, see [`Decision::call_off`].
    pub called_off: Vec<CalledOff>,
    /// For an earlier asker.
    pub reply: Option<Reply>,
    /// What happened and is kept in the new state, see [`Decision::announce`].
    pub announced: Option<Announced>,
    /// Whether a repeat is to get this very outcome. `false` for a look that
    /// changed nothing and is to be taken afresh next time.
    pub keep: bool,
}

impl<S> Decision<S> {
    /// Done, with a reply for whoever asked.
    pub fn done(reply: impl Serialize) -> Self {
        Self::answer(Answer::Done(
            serde_json::to_value(reply).unwrap_or_default(),
        ))
    }

    /// The business says no.
    pub fn declined(refusal: Refusal) -> Self {
        Self::answer(Answer::Declined(refusal))
    }

    fn answer(answer: Answer) -> Self {
        Self {
            state: None,
            answer,
            facts: Vec::new(),
            timers: Vec::new(),
            called_off: Vec::new(),
            reply: None,
            announced: None,
            keep: true,
        }
    }

    /// … and the state is now `state`.
    pub fn state(self, state: S) -> Self {
        Self {
            state: Some(state),
            ..self
        }
    }

    /// … and `fact` happened.
    pub fn fact(mut self, fact: impl Into<Fact>) -> Self {
        self.facts.push(fact.into());
        self
    }

    /// … and `fact` happened, before all others; it is the answer, too. Its data
    /// is kept by the new state, in its `member`: as the text that is said, or
    /// as it is. The record keeps this decision's own answer, which is what is
    /// told when the state has the member no more.
    ///
    /// For a decision about one document, the first that the desk looks for.
    pub fn announce(self, member: &'static str, fact: impl Into<Fact>) -> Self {
        let fact = fact.into();
        Self {
            announced: Some(Announced { member, fact }),
            ..self
        }
    }

    /// … and `command` is to be handled at `due`.
    pub fn timer(mut self, due: Timestamp, command: &impl Vocabulary) -> Self {
        self.timers.push(Timer {
            due,
            command: command.name().to_owned(),
            data: command.data(),
        });
        self
    }

    /// … and `command`, which was set at `set` for `due`, is not needed any more.
    /// One that was never far off is left to come, and one that is due by `now`
    /// may have come: both do nothing then.
    ///
    /// Not kept: what is not called off, because whoever would died, does
    /// nothing either.
    pub fn call_off(
        mut self,
        set: Timestamp,
        due: Timestamp,
        now: Timestamp,
        command: &impl Vocabulary,
    ) -> Self {
        if is_far(set, due) && due > now {
            self.called_off.push(CalledOff {
                due,
                command: command.name(),
            });
        }
        self
    }

    /// … and an earlier asker, if there was one, gets `value`.
    pub fn reply(self, to: Option<String>, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or_default();
        Self {
            reply: to.map(|to| Reply { to, value }),
            ..self
        }
    }

    /// … and a repeat decides anew.
    pub fn unkept(self) -> Self {
        Self {
            keep: false,
            ..self
        }
    }
}

/// What the keys of idempotency records begin with.
const RECORD: &str = "done#";

/// Whether `key` is that of an idempotency record.
#[must_use]
pub fn is_record(key: &Key) -> bool {
    key.sk.starts_with(RECORD)
}

/// A fact whose data the subject's document keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Announced {
    member: &'static str,
    fact: Fact,
}

/// What a record keeps of an announced fact.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Announcement<'a> {
    /// Its envelope, as it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    envelope: Option<Cow<'a, str>>,
    /// Its envelope, in records from before its words were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Cow<'a, Metadata>>,
    /// The member of the document that has its data.
    member: Cow<'a, str>,
}

/// What a record keeps of a fact: the words in which it was said.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Said<'a> {
    /// Its envelope.
    envelope: Cow<'a, str>,
    /// Its data.
    data: Cow<'a, str>,
}

/// The kept outcome of a command.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record<'a> {
    hash: Cow<'a, str>,
    variant: Cow<'a, str>,
    at: Timestamp,
    /// The id of the message that asked: what a reader of the table follows
    /// from effect to cause. The service itself never reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Cow<'a, str>>,
    answer: Cow<'a, Answer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    announced: Option<Announcement<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    said: Vec<Said<'a>>,
    /// The facts of records from before their words were kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    events: Vec<Event>,
    #[serde(default, skip_serializing_if = "is_empty")]
    timers: Cow<'a, [Timer]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply: Option<Cow<'a, Reply>>,
}

fn is_empty<T>(items: &[T]) -> bool {
    items.is_empty()
}

/// The members of a record that hold what it said, or refer to it.
pub const SAID: &[&str] = &["announced", "said", "events", "timers", "reply"];

impl Record<'_> {
    /// Whether what it said is not said again any more.
    fn is_outlived(&self, now: Timestamp) -> bool {
        now >= after(self.at, SAID_AGAIN_SECONDS)
    }

    /// Whether it holds nothing of what it said.
    fn is_silent(&self) -> bool {
        self.announced.is_none()
            && self.said.is_empty()
            && self.events.is_empty()
            && self.timers.is_empty()
            && self.reply.is_none()
    }

    /// The record without what it said.
    fn silent(self) -> Self {
        Self {
            announced: None,
            said: Vec::new(),
            events: Vec::new(),
            timers: Cow::Borrowed(&[]),
            reply: None,
            ..self
        }
    }
}

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

impl Announcement<'_> {
    /// The event, if `document` still keeps its data.
    fn event(self, document: &Item) -> Result<Option<Event>, Failure> {
        let data = document.body.value()[&*self.member].take();
        let event = match (self.envelope, self.metadata, data) {
            (_, _, Value::Null) => return Ok(None),
            (Some(envelope), _, Value::String(data)) => Event::said(envelope.into_owned(), data),
            // From before envelope, or data, was kept word for word.
            (envelope, metadata, data) => {
                let read = |envelope: Cow<'_, str>| serde_json::from_str(&envelope).ok();
                let metadata = metadata.map(Cow::into_owned);
                let metadata = metadata.or_else(|| envelope.and_then(read));
                let Some::<Metadata>(metadata) = metadata else {
                    return Err(Failure::invalid("a kept announcement has no envelope"));
                };
                let data = match data {
                    Value::String(text) => serde_json::from_str(&text).unwrap_or_default(),
                    data => data,
                };
                fact_of_tree(&metadata.kind, &data).map(|fact| Event::new(metadata, fact))
            }
        };
        event.map(Some).map_err(Failure::invalid)
    }
}

/// Where the record of the command called `name` about `subject` is kept; see
/// [`Desk::ticket`] for `part`.
#[must_use]
pub fn record_key(name: &str, subject: &str, part: &str) -> Key {
    let sk = if part.is_empty() {
        format!("{RECORD}{name}")
    } else {
        format!("{RECORD}{name}#{part}")
    };
    Key::new(subject, sk)
}

/// What a record keeps of its command, to tell it from another under the same
/// name: SHA-256 of its data, in hexadecimal.
#[must_use]
pub fn hash(command: &impl Vocabulary) -> String {
    // Commands are structs, so their data has one order: equal data, equal text.
    let text = serde_json::to_string(command).unwrap_or_default();
    hex(&Sha256::digest(text.as_bytes()))
}

/// The [`hash`] that `record` keeps.
///
/// # Errors
/// [`Failure::Invalid`] when it is no record.
pub fn kept_hash(record: &Item) -> Result<String, Failure> {
    let record: Record<'_> = record.read()?;
    Ok(record.hash.into_owned())
}

/// The envelopes of the facts that `record` keeps, in the order they were said.
///
/// # Errors
/// [`Failure::Invalid`] when it is no record.
pub fn envelopes(record: &Item) -> Result<Vec<Metadata>, Failure> {
    let record: Record<'_> = record.read()?;
    let read = |text: Cow<'_, str>| {
        serde_json::from_str(&text)
            .map_err(|e| Failure::invalid(crate::ParseError::data("a kept envelope", &e)))
    };
    let mut all = Vec::new();
    if let Some(Announcement {
        envelope, metadata, ..
    }) = record.announced
    {
        all.extend(metadata.map(Cow::into_owned));
        all.extend(envelope.map(read).transpose()?);
    }
    all.extend(record.events.into_iter().map(|event| event.metadata));
    for said in record.said {
        all.push(read(said.envelope)?);
    }
    Ok(all)
}

/// `record` with nothing in it but its hash, its ids and `answer`: a repeat of
/// its command is acknowledged and says nothing.
///
/// # Errors
/// [`Failure::Invalid`] when it is no record.
pub fn silenced(record: &Item, answer: impl Serialize) -> Result<Write, Failure> {
    let answer = Answer::Done(serde_json::to_value(answer).unwrap_or_default());
    let silent = Record {
        answer: Cow::Owned(answer),
        ..record.read::<Record<'_>>()?.silent()
    };
    Ok(in_place_of(record, &silent))
}

/// `record` without what it said, if that is not said again any more
/// ([`SAID_AGAIN_SECONDS`]): hash, ids and answer stay. `None` where it is said
/// again `now`, and where nothing of it is left.
///
/// # Errors
/// [`Failure::Invalid`] when it is no record.
pub fn outlived(record: &Item, now: Timestamp) -> Result<Option<Write>, Failure> {
    let kept: Record<'_> = record.read()?;
    if !kept.is_outlived(now) || kept.is_silent() {
        return Ok(None);
    }
    Ok(Some(in_place_of(record, &kept.silent())))
}

/// `silent` where `record` is, if that is as it was read.
fn in_place_of(record: &Item, silent: &Record<'_>) -> Write {
    let seen = Expect::unchanged(Some(record));
    Write::put(record.key.clone(), silent, seen)
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
