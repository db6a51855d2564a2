//! Asking a third party: lock, ask, commit.
//!
//! A third party takes no part in a transaction of ours. So a document is
//! locked first, and one message at a time asks; the third party gets a key of
//! ours, under which asking twice is asking once; and its answer is committed
//! together with the document, the record and the facts. Whoever dies in
//! between leaves a lock that expires: the next one asks again by the same key.

use std::future::Future;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::desk::{Found, Ticket, attempts, contended};
use crate::store::{CommitError, Expect, Item, Key, Store, Write};
use crate::{Clock, Context, Decision, Desk, Failure, Handled, Timestamp};

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
    /// The lock of the message of `context` on a document that `held` is on, to
    /// ask by `key`. A message goes on over its own lock, so that a death costs
    /// no waiting; but not at its last attempt, for whoever gives up must know
    /// that nobody is asking any more.
    ///
    /// # Errors
    /// [`Failure::Transient`] while `held` keeps the message out.
    pub fn take(
        held: Option<&Self>,
        key: String,
        context: &Context,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let held = held.filter(|lock| now < lock.until);
        match held {
            Some(lock) if lock.by != context.message.id || context.last_attempt => Err(
                Failure::transient("another delivery is asking the third party"),
            ),
            _ => Ok(Self {
                shared: held.is_some(),
                ..Self::seize(key, context)
            }),
        }
    }

    /// The lock of the message of `context`, whoever holds the document: for a
    /// compensation, which asks by the key of what it undoes.
    #[must_use]
    pub fn seize(key: String, context: &Context) -> Self {
        Self {
            key,
            by: context.message.id.clone(),
            until: context.deadline,
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

/// What a document and a command call for.
#[derive(Debug)]
#[must_use]
#[allow(
    clippy::large_enum_variant,
    reason = "made once per command and taken apart at once; a box would only add an allocation"
)]
pub enum Step<T, Q> {
    /// Nobody needs to be asked.
    Settle(Decision<T>),
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

/// What an answer calls for.
#[derive(Debug)]
#[must_use]
#[allow(
    clippy::large_enum_variant,
    reason = "made once per answer and taken apart at once; a box would only add an allocation"
)]
pub enum End<T> {
    /// It decides the command.
    Settle(Decision<T>),
    /// It does not: the document without the lock, and why to come again.
    Release(T, Failure),
}

impl<S: Store, C: Clock> Desk<S, C> {
    /// [`Desk::once`] for a command that may have to ask a third party: `begin`
    /// decides, or locks the document and says what to ask; `ask` asks; `end`
    /// decides by the answer. When the document changed meanwhile (a lock that
    /// expired was taken over, or a compensation went ahead), the answer is
    /// dropped and all of it is done again.
    ///
    /// # Errors
    /// What `begin` and `end` say; [`Failure::Transient`] when the store did
    /// not answer or the document kept changing.
    pub async fn ask<T, Q, A, F>(
        &self,
        ticket: &Ticket,
        context: &Context,
        key: &Key,
        begin: impl Fn(Option<T>, Timestamp) -> Result<Step<T, Q>, Failure> + Send + Sync,
        ask: impl Fn(Q) -> F + Send + Sync,
        end: impl Fn(T, Q, A) -> End<T> + Send + Sync,
    ) -> Result<Handled, Failure>
    where
        T: Serialize + DeserializeOwned + Send + Sync,
        Q: Clone + Send + Sync,
        A: Send,
        F: Future<Output = A> + Send,
    {
        for _ in attempts() {
            let item = match self
                .find(ticket, context, std::slice::from_ref(key))
                .await?
            {
                Found::Repeat(handled) => return Ok(handled),
                Found::Fresh(mut items) => items.pop().flatten(),
            };
            let state = item.as_ref().map(Item::read).transpose()?;
            let seen = Expect::unchanged(item.as_ref());
            let step = match begin(state, self.clock.now()) {
                Err(failure) => return self.refuse(ticket, context, failure).await,
                Ok(step) => step,
            };
            if let Step::AskAgain { .. } = step
                && let Some(handled) = self.recorded(ticket, context).await?
            {
                return Ok(handled);
            }
            let (decision, seen) = match step {
                Step::Settle(decision) => (decision, seen),
                Step::Ask { locked, question } | Step::AskAgain { locked, question } => {
                    let lock = Write::put(key.clone(), &locked, seen);
                    match self.store.commit(vec![lock]).await {
                        Ok(()) => {}
                        Err(CommitError::Conflict) => continue,
                        Err(CommitError::Fault(fault)) => return Err(fault.into()),
                    }
                    let held = Expect::Version(item.map_or(1, |item| item.version + 1));
                    let answer = ask(question.clone()).await;
                    match end(locked, question, answer) {
                        End::Settle(decision) => (decision, held),
                        End::Release(state, failure) => {
                            // If this fails the lock expires, or is another's by now.
                            let release = Write::put(key.clone(), &state, held);
                            let _ = self.store.commit(vec![release]).await;
                            return self.refuse(ticket, context, failure).await;
                        }
                    }
                }
            };
            let writes = decision
                .state
                .iter()
                .map(|state| Write::put(key.clone(), state, seen))
                .collect();
            if let Some(handled) = self.settle(ticket, context, writes, decision).await? {
                return Ok(handled);
            }
        }
        Err(contended())
    }
}
