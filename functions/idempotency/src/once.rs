//! The protocol: look for the record, decide, write state and record together.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::{Body, CommitError, Expect, Item, Key, Store, Write};
use crate::{Error, Stamp, Ticket};

/// How often a decision is taken again because a document changed meanwhile,
/// before the message goes back to its queue.
const ATTEMPTS: usize = 8;

/// How often to take a decision again before [`Error::Contended`].
#[must_use]
pub fn attempts() -> std::ops::Range<usize> {
    0..ATTEMPTS
}

/// How an outcome is kept, and how it is had again: the half of the protocol that
/// knows what a command comes to. [`Plain`](crate::Plain) is for whoever only wants
/// a value back; one of your own says what else is kept, and where.
pub trait Keeper: Send + Sync {
    /// What is stored of a command.
    type Record: DeserializeOwned + Send;
    /// What is decided about a document that is a `T`.
    type Decision<T>;
    /// What is told, the first time and at every repeat.
    type Outcome: Send;
    /// Why a command takes no effect: what a decision says, or an [`Error`].
    type Error: From<Error> + Send;

    /// The stamp in `record`, as the [ticket](Ticket::stamp) had it.
    fn stamp(record: &Self::Record) -> Stamp<'_>;

    /// The new state, if `decision` has one.
    fn state<T>(decision: &Self::Decision<T>) -> Option<&T>;

    /// What to write of `decision`, and what to tell.
    ///
    /// # Errors
    /// [`Error::Unwritable`] when there is no text for the record.
    fn keep<T>(
        &self,
        ticket: &Ticket,
        decision: Self::Decision<T>,
    ) -> Result<Kept<Self::Outcome>, Error>;

    /// What to tell a repeat. `beside` is the first of the documents that the
    /// command is decided by, if it is there: a record may refer to it.
    ///
    /// # Errors
    /// When the record, or what it refers to, cannot be told any more.
    fn recall(
        &self,
        record: Self::Record,
        beside: Option<&Item>,
    ) -> Result<Self::Outcome, Self::Error>;

    /// Whether `error`, with which a decision ended, is the last word on the
    /// command. Then the record is read once more before it is believed. What is
    /// tried again anyway needs no such look.
    fn is_final(error: &Self::Error) -> bool {
        let _ = error;
        true
    }
}

/// A decision, taken apart.
#[derive(Debug)]
pub struct Kept<O> {
    /// The command's record, with the [stamp](Ticket::stamp) of its ticket; `None`
    /// when a repeat is to decide anew.
    pub record: Option<Body>,
    /// What is told once all is written.
    pub outcome: O,
}

/// What there is for a ticket.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "made once per command and taken apart at once; a box would only add an allocation"
)]
pub enum Found<O> {
    /// The command took effect before: its outcome.
    Repeat(O),
    /// It did not: the documents asked for, in the order asked.
    Fresh(Vec<Option<Item>>),
}

/// The protocol over a table: made where a command is handled, for it holds nothing.
#[derive(Debug, Clone, Copy)]
pub struct Once<'a, S, K> {
    store: &'a S,
    keeper: K,
}

impl<'a, S: Store, K: Keeper> Once<'a, S, K> {
    /// Commands over `store`, whose outcomes `keeper` keeps.
    pub fn new(store: &'a S, keeper: K) -> Self {
        Self { store, keeper }
    }

    /// Handles a command about one document: loads it, decides, saves; again when
    /// it changed meanwhile. A repeat gets the outcome that was kept.
    ///
    /// # Errors
    /// What `decide` says; [`Error`] when the ticket is that of another command's
    /// record, the store did not answer or the document kept changing.
    pub async fn run<T: Serialize + DeserializeOwned>(
        &self,
        ticket: &Ticket,
        key: &Key,
        decide: impl Fn(Option<T>) -> Result<K::Decision<T>, K::Error> + Send + Sync,
    ) -> Result<K::Outcome, K::Error> {
        self.over(ticket, std::slice::from_ref(key), |found| {
            let item = found.first().and_then(Option::as_ref);
            let state = item.map(Item::read).transpose().map_err(Error::from)?;
            let decision = decide(state)?;
            let write = K::state(&decision).map(|state| put(key, state, Expect::unchanged(item)));
            Ok((write.transpose()?.into_iter().collect(), decision))
        })
        .await
    }

    /// The same for a command about several documents: `decide` sees what is at
    /// `keys`, in that order, and says what to write.
    ///
    /// # Errors
    /// As [`Once::run`].
    pub async fn over<T>(
        &self,
        ticket: &Ticket,
        keys: &[Key],
        decide: impl Fn(&[Option<Item>]) -> Result<(Vec<Write>, K::Decision<T>), K::Error> + Send + Sync,
    ) -> Result<K::Outcome, K::Error> {
        for _ in attempts() {
            let items = match self.find(ticket, keys).await? {
                Found::Repeat(outcome) => return Ok(outcome),
                Found::Fresh(items) => items,
            };
            let (writes, decision) = match decide(&items) {
                Ok(decided) => decided,
                Err(error) => return self.refuse(ticket, keys.first(), error).await,
            };
            if let Some(outcome) = self.settle(ticket, writes, decision).await? {
                return Ok(outcome);
            }
        }
        Err(Error::Contended.into())
    }

    /// Looks for an earlier outcome and, in the same read, for the documents
    /// the decision needs. With [`Once::settle`] and [`Once::refuse`] this is what
    /// the other functions are made of, for whoever needs a step in between.
    ///
    /// # Errors
    /// [`Error::OtherData`] and [`Error::OtherScope`] when the record is another
    /// command's; [`Error::Store`].
    pub async fn find(&self, ticket: &Ticket, keys: &[Key]) -> Result<Found<K::Outcome>, K::Error> {
        let mut wanted = Vec::with_capacity(keys.len() + 1);
        wanted.push(ticket.key().clone());
        wanted.extend_from_slice(keys);
        let mut items = self.store.load(&wanted).await.map_err(Error::from)?;
        match items.remove(0) {
            None => Ok(Found::Fresh(items)),
            Some(record) => {
                let beside = items.first().and_then(Option::as_ref);
                self.repeat(ticket, &record, beside).map(Found::Repeat)
            }
        }
    }

    /// Writes `writes` and the outcome together; `None` when a document
    /// changed meanwhile and the decision has to be taken again. An unkept
    /// decision gives way to an earlier outcome whose record had been missed.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::Unwritable`].
    pub async fn settle<T>(
        &self,
        ticket: &Ticket,
        mut writes: Vec<Write>,
        decision: K::Decision<T>,
    ) -> Result<Option<K::Outcome>, K::Error> {
        let Kept { record, outcome } = self.keeper.keep(ticket, decision)?;
        if let Some(body) = record {
            writes.push(Write::Put {
                key: ticket.key().clone(),
                body,
                expect: Expect::Absent,
            });
        } else if let Some(earlier) = self.recorded(ticket, None).await? {
            return Ok(Some(earlier));
        }
        if writes.is_empty() || self.commit(writes).await? {
            return Ok(Some(outcome));
        }
        Ok(None)
    }

    /// Ends a command that cannot be decided by the documents that were
    /// [found](Self::find): with `error`, unless the command took effect before and
    /// only its record had been missed. `beside` is the first of the documents.
    ///
    /// # Errors
    /// `error`; [`Error::Store`].
    pub async fn refuse(
        &self,
        ticket: &Ticket,
        beside: Option<&Key>,
        error: K::Error,
    ) -> Result<K::Outcome, K::Error> {
        if !K::is_final(&error) {
            return Err(error);
        }
        self.recorded(ticket, beside).await?.ok_or(error)
    }

    /// Looks for an earlier outcome alone, and then for the document that its record
    /// may refer to: a read of one document is exact.
    pub(crate) async fn recorded(
        &self,
        ticket: &Ticket,
        beside: Option<&Key>,
    ) -> Result<Option<K::Outcome>, K::Error> {
        let Some(record) = self.alone(ticket.key()).await? else {
            return Ok(None);
        };
        let beside = match beside {
            Some(key) => self.alone(key).await?,
            None => None,
        };
        self.repeat(ticket, &record, beside.as_ref()).map(Some)
    }

    async fn alone(&self, key: &Key) -> Result<Option<Item>, Error> {
        let mut items = self.store.load(std::slice::from_ref(key)).await?;
        Ok(items.pop().flatten())
    }

    fn repeat(
        &self,
        ticket: &Ticket,
        record: &Item,
        beside: Option<&Item>,
    ) -> Result<K::Outcome, K::Error> {
        let record: K::Record = record.read().map_err(Error::from)?;
        K::stamp(&record).check(ticket)?;
        self.keeper.recall(record, beside)
    }

    /// Whether `writes` went through; `false` upon a conflict.
    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<bool, Error> {
        match self.store.commit(writes).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict) => Ok(false),
            Err(CommitError::Fault(fault)) => Err(fault.into()),
        }
    }
}

/// `state` at `key`.
pub(crate) fn put(key: &Key, state: &impl Serialize, expect: Expect) -> Result<Write, Error> {
    Ok(Write::Put {
        key: key.clone(),
        body: written("the document", state)?,
        expect,
    })
}

/// The text of `what`, which is `document`.
pub(crate) fn written(what: &'static str, document: &impl Serialize) -> Result<Body, Error> {
    Body::new(document).map_err(|e| Error::Unwritable {
        what,
        problem: e.to_string(),
    })
}
