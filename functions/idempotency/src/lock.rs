//! Asking a third party: lock, ask, commit.
//!
//! A third party takes no part in a transaction of ours. So a document is
//! locked first, and one message at a time asks; the third party gets a key of
//! ours, under which asking twice is asking once; and its answer is committed
//! together with the document, the record and the facts. Whoever dies in
//! between leaves a lock that expires: the next one asks again by the same key.

use std::future::Future;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::once::{attempts, put};
use crate::store::{Expect, Item, Key, Store};
use crate::{Error, Found, Keeper, Once, Ticket};

/// A delivery of a message, as a lock knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run<'a> {
    /// The message's id: the same at each delivery.
    pub message: &'a str,
    /// When whoever runs it stops it.
    pub until: Timestamp,
    /// Whether whoever delivers it gives it up after this.
    pub last: bool,
}

/// A lock, kept inside the document it guards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The key handed to the third party.
    pub key: String,
    /// The id of the message that took the lock.
    pub by: String,
    /// When the lock expires: the end of the run that took it.
    pub until: Timestamp,
    /// Whether an earlier run of the same message may be asking still.
    #[serde(default)]
    pub shared: bool,
}

impl Lock {
    /// The lock of `run` on a document that `held` is on, to ask by `key`. A message
    /// goes on over its own lock, so that a death costs no waiting; but not at its
    /// last attempt, for whoever gives up must know that nobody is asking any more.
    ///
    /// # Errors
    /// [`Error::Locked`] while `held` keeps the message out.
    pub fn take(
        held: Option<&Self>,
        key: String,
        run: Run<'_>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let held = held.filter(|lock| now < lock.until);
        match held {
            Some(lock) if lock.by != run.message || run.last => Err(Error::Locked),
            _ => Ok(Self {
                shared: held.is_some(),
                ..Self::seize(key, run)
            }),
        }
    }

    /// The lock of `run`, whoever holds the document: for a compensation, which asks
    /// by the key of what it undoes.
    #[must_use]
    pub fn seize(key: String, run: Run<'_>) -> Self {
        Self {
            key,
            by: run.message.to_owned(),
            until: run.until,
            shared: false,
        }
    }

    /// What to leave on the document when the third party did not answer: a
    /// lock that an earlier run may still count on is left to expire.
    #[must_use]
    pub fn release(self) -> Option<Self> {
        self.shared.then_some(self)
    }
}

/// What a document `T` and a command call for: a decision `D`, or a question `Q`.
#[derive(Debug)]
#[must_use]
#[allow(
    clippy::large_enum_variant,
    reason = "made once per command and taken apart at once; a box would only add an allocation"
)]
pub enum Step<D, T, Q> {
    /// Nobody needs to be asked.
    Settle(D),
    /// The third party is to be asked.
    Ask {
        /// The document, with the lock in it.
        locked: T,
        /// What to ask.
        question: Q,
    },
    /// The same, of a document that says that the third party was given up: by
    /// an earlier command, which is to be tried again now, or by this very one,
    /// if its record was missed. So that is looked for once more first.
    AskAgain {
        /// The document, with the lock in it.
        locked: T,
        /// What to ask.
        question: Q,
    },
}

/// What an answer calls for: a decision `D`, or the document `T` and an error `E`.
#[derive(Debug)]
#[must_use]
#[allow(
    clippy::large_enum_variant,
    reason = "made once per answer and taken apart at once; a box would only add an allocation"
)]
pub enum End<D, T, E> {
    /// It decides the command.
    Settle(D),
    /// It does not: the document without the lock, and why to come again.
    Release(T, E),
}

impl<S: Store, K: Keeper> Once<'_, S, K> {
    /// [`Once::run`] for a command that may have to ask a third party: `begin`
    /// decides, or locks the document and says what to ask; `ask` asks; `end`
    /// decides by the answer. When the document changed meanwhile (a lock that
    /// expired was taken over, or a compensation went ahead), the answer is
    /// dropped and all of it is done again.
    ///
    /// # Errors
    /// What `begin` and `end` say; [`Error`] as [`Once::run`].
    pub async fn ask<T, Q, A, F>(
        &self,
        ticket: &Ticket,
        key: &Key,
        begin: impl Fn(Option<T>) -> Result<Step<K::Decision<T>, T, Q>, K::Error> + Send + Sync,
        ask: impl Fn(Q) -> F + Send + Sync,
        end: impl Fn(T, Q, A) -> End<K::Decision<T>, T, K::Error> + Send + Sync,
    ) -> Result<K::Outcome, K::Error>
    where
        T: Serialize + DeserializeOwned + Send + Sync,
        Q: Clone + Send + Sync,
        A: Send,
        F: Future<Output = A> + Send,
    {
        for _ in attempts() {
            let item = match self.find(ticket, std::slice::from_ref(key)).await? {
                Found::Repeat(outcome) => return Ok(outcome),
                Found::Fresh(mut items) => items.pop().flatten(),
            };
            let state = item.as_ref().map(Item::read).transpose();
            let seen = Expect::unchanged(item.as_ref());
            let step = match begin(state.map_err(Error::from)?) {
                Err(error) => return self.refuse(ticket, Some(key), error).await,
                Ok(step) => step,
            };
            if let Step::AskAgain { .. } = step
                && let Some(outcome) = self.recorded(ticket, Some(key)).await?
            {
                return Ok(outcome);
            }
            let (decision, seen) = match step {
                Step::Settle(decision) => (decision, seen),
                Step::Ask { locked, question } | Step::AskAgain { locked, question } => {
                    if !self.commit(vec![put(key, &locked, seen)?]).await? {
                        continue;
                    }
                    let held = Expect::Version(item.map_or(1, |item| item.version + 1));
                    let answer = ask(question.clone()).await;
                    match end(locked, question, answer) {
                        End::Settle(decision) => (decision, held),
                        End::Release(state, error) => {
                            // If this fails the lock expires, or is another's by now.
                            let _ = self.commit(vec![put(key, &state, held)?]).await;
                            return self.refuse(ticket, Some(key), error).await;
                        }
                    }
                }
            };
            let state = K::state(&decision).map(|state| put(key, state, seen));
            let writes = state.transpose()?.into_iter().collect();
            if let Some(outcome) = self.settle(ticket, writes, decision).await? {
                return Ok(outcome);
            }
        }
        Err(Error::Contended.into())
    }
}
