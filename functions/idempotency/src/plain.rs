//! The plain case: a command gives a value, and a repeat gets that value.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::once::written;
use crate::store::{Item, Store};
use crate::{Error, Keeper, Kept, Once, Stamp, Ticket};

/// Keeps a value `O`. What a decision says no with is an `E`, and is not kept: the
/// command may be delivered again and decided anew.
#[derive(Debug)]
pub struct Plain<O, E = Error>(PhantomData<fn() -> (O, E)>);

/// What is decided about a document that is a `T`: maybe a new one, and what to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Decision<T, O> {
    state: Option<T>,
    outcome: O,
    keep: bool,
}

/// A command took effect: now, or at its first delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Done<O> {
    /// What is told.
    pub outcome: O,
    /// Whether that was kept by an earlier delivery.
    pub repeat: bool,
}

/// What is stored of a command.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record<H, O> {
    hash: H,
    scope: H,
    outcome: O,
}

impl<T, O> Decision<T, O> {
    /// `outcome` is told, and the document stays as it is.
    pub fn new(outcome: O) -> Self {
        Self {
            state: None,
            outcome,
            keep: true,
        }
    }

    /// … and the document is now `state`.
    pub fn state(self, state: T) -> Self {
        Self {
            state: Some(state),
            ..self
        }
    }

    /// … and a repeat decides anew: for a look that changes nothing.
    pub fn unkept(self) -> Self {
        Self {
            keep: false,
            ..self
        }
    }
}

impl<'a, S: Store, O, E> Once<'a, S, Plain<O, E>>
where
    Plain<O, E>: Keeper,
{
    /// Commands over `store` that give a value.
    pub fn plain(store: &'a S) -> Self {
        Self::new(store, Plain(PhantomData))
    }
}

impl<O, E> Keeper for Plain<O, E>
where
    O: Serialize + DeserializeOwned + Send,
    E: From<Error> + Send,
{
    type Record = Record<String, O>;
    type Decision<T> = Decision<T, O>;
    type Outcome = Done<O>;
    type Error = E;

    fn stamp(record: &Self::Record) -> Stamp<'_> {
        Stamp {
            hash: &record.hash,
            scope: &record.scope,
        }
    }

    fn state<T>(decision: &Decision<T, O>) -> Option<&T> {
        decision.state.as_ref()
    }

    fn keep<T>(&self, ticket: &Ticket, decision: Decision<T, O>) -> Result<Kept<Done<O>>, Error> {
        let outcome = decision.outcome;
        let Stamp { hash, scope } = ticket.stamp();
        let record = Record {
            hash,
            scope,
            outcome: &outcome,
        };
        let record = decision.keep.then(|| written("the outcome", &record));
        Ok(Kept {
            record: record.transpose()?,
            outcome: Done {
                outcome,
                repeat: false,
            },
        })
    }

    fn recall(&self, record: Self::Record, _: Option<&Item>) -> Result<Done<O>, E> {
        Ok(Done {
            outcome: record.outcome,
            repeat: true,
        })
    }
}
