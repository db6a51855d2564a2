//! The port to a table: versioned documents, written together or not at all. An
//! in-memory adapter ships here ([`Memory`]).

mod body;
mod memory;

use std::collections::BTreeMap;
use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use body::{Body, mismatch};
pub use memory::Memory;

use crate::Error;
use crate::once::attempts;

/// A document's key: a partition, and a place in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition: an order, a customer, a SKU.
    pub pk: String,
    /// The place in the partition.
    pub sk: String,
}

impl Key {
    /// The document `sk` of `pk`.
    pub fn new(pk: impl ToString, sk: impl ToString) -> Self {
        Self {
            pk: pk.to_string(),
            sk: sk.to_string(),
        }
    }
}

/// A stored document.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Where it is.
    pub key: Key,
    /// 1 when first written, one more with every write.
    pub version: u64,
    /// What it says.
    pub body: Body,
}

impl Item {
    /// The document as a `T`.
    ///
    /// # Errors
    /// [`StoreFault::Invalid`] when it is none: the table holds something this
    /// version of the code did not write. The text does not quote it.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, StoreFault> {
        self.body.read().map_err(|e| {
            StoreFault::invalid(format!(
                "stored document {} is unreadable: data does not fit the kept document: {}",
                self.key.sk,
                mismatch(&e)
            ))
        })
    }
}

/// What a document must be for a [`Write::Put`] to go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Not there.
    Absent,
    /// There, at this version.
    Version(u64),
    /// Anything: the write is unconditional.
    Anything,
}

impl Expect {
    /// What a just-loaded document, or its absence, has to be still.
    #[must_use]
    pub fn unchanged(item: Option<&Item>) -> Self {
        item.map_or(Self::Absent, |item| Self::Version(item.version))
    }
}

/// One write of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// The whole document.
    Put {
        /// Where.
        key: Key,
        /// What it is to say.
        body: Body,
        /// On what condition.
        expect: Expect,
    },
    /// Add to whole-number fields of a document that exists. None may fall
    /// below zero. For counters many orders touch at once: no version is
    /// compared, so only a real shortage conflicts.
    Add {
        /// Where.
        key: Key,
        /// How much to add to which field.
        deltas: BTreeMap<&'static str, i64>,
    },
}

impl Write {
    /// `body` at `key`, provided the document is still as it was loaded.
    pub fn put(key: Key, body: &impl Serialize, expect: Expect) -> Self {
        Self::Put {
            key,
            body: Body::of(body),
            expect,
        }
    }

    /// Where the write goes.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Add { key, .. } => key,
        }
    }
}

/// Why nothing of a commit was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A condition did not hold: load again and decide again.
    #[error("a document changed meanwhile")]
    Conflict,
    /// The store did not answer, or refused for a reason of its own.
    #[error(transparent)]
    Fault(#[from] StoreFault),
}

/// The store did not do what it was asked. Its kind says whether asking again is
/// worth it: a document that is too large, for one, never will be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    /// The store did not answer, or not now: worth asking again.
    #[error("{0}")]
    Transient(String),
    /// A permission or a table is missing: worth asking again once somebody has
    /// mended it.
    #[error("{0}")]
    Misconfigured(String),
    /// Never worth asking again: what was asked, or what is kept there, is not as it
    /// has to be.
    #[error("{0}")]
    Invalid(String),
}

impl StoreFault {
    /// A fault worth asking again after.
    pub fn transient(why: impl ToString) -> Self {
        Self::Transient(why.to_string())
    }

    /// A fault that somebody has to mend.
    pub fn misconfigured(why: impl ToString) -> Self {
        Self::Misconfigured(why.to_string())
    }

    /// A fault that asking again does not mend.
    pub fn invalid(why: impl ToString) -> Self {
        Self::Invalid(why.to_string())
    }

    /// Whether the same may be done if it is asked again, maybe once somebody has
    /// mended something.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Invalid(_))
    }
}

/// A table.
pub trait Store: Clone + Send + Sync + 'static {
    /// The documents at `keys`, in that order, each as last written.
    ///
    /// # Errors
    /// [`StoreFault`] when the store did not answer.
    fn load(
        &self,
        keys: &[Key],
    ) -> impl Future<Output = Result<Vec<Option<Item>>, StoreFault>> + Send;

    /// Writes all of `writes`, or nothing. No two may share a key, and there
    /// are at most [`MAX_WRITES`].
    ///
    /// # Errors
    /// [`CommitError::Conflict`] when a condition did not hold;
    /// [`CommitError::Fault`] when the store did not take them for another reason.
    fn commit(&self, writes: Vec<Write>) -> impl Future<Output = Result<(), CommitError>> + Send;
}

/// The most writes one transaction takes (DynamoDB TransactWriteItems: 100).
pub const MAX_WRITES: usize = 100;

/// The largest document a store takes, in bytes (DynamoDB quotas: 400 KB).
pub const MAX_ITEM_BYTES: usize = 409_600;

/// Reading a sparse index of a table: for sweeps, which look by the clock for what
/// nobody drives any more.
pub trait Listing: Store {
    /// The keys of the documents that are in `index`. A document that was written
    /// just now may be missing, and one that left just now may be there still.
    ///
    /// # Errors
    /// [`StoreFault`] when the store did not answer.
    fn listed(
        &self,
        index: &'static str,
    ) -> impl Future<Output = Result<Vec<Key>, StoreFault>> + Send;
}

/// A part of a table, as [`Pages::page`] reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Its documents.
    pub items: Vec<Item>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Key>,
}

/// Reading a whole table, part by part: for sweeps, never for services.
pub trait Pages: Store {
    /// The part of the table that begins after `after`, or at its beginning: the
    /// documents in it that have a member of one of the names `having`, in no
    /// particular order. What was written just now may be missing.
    ///
    /// # Errors
    /// [`StoreFault`] when the store did not answer.
    fn page(
        &self,
        having: &'static [&'static str],
        after: Option<Key>,
    ) -> impl Future<Output = Result<Page, StoreFault>> + Send;
}

/// Looking around in a table: for tools, never for services.
pub trait Browse {
    /// Every document of the partition, in the order of `sk`.
    ///
    /// # Errors
    /// [`StoreFault`] when the store did not answer.
    fn partition(&self, pk: &str) -> impl Future<Output = Result<Vec<Item>, StoreFault>> + Send;

    /// Every document of the table, in no particular order.
    ///
    /// # Errors
    /// [`StoreFault`] when the store did not answer.
    fn everything(&self) -> impl Future<Output = Result<Vec<Item>, StoreFault>> + Send;
}

/// Changes one document (`new` when there is none yet) under its version, again
/// when it changed meanwhile. What `change` answers counts once it is written.
///
/// # Errors
/// [`StoreFault`] when the store did not answer, the document is no `T`, or it
/// kept changing.
pub async fn revise<T, A>(
    store: &impl Store,
    key: &Key,
    new: T,
    change: impl Fn(&mut T) -> A + Send + Sync,
) -> Result<A, StoreFault>
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync,
    A: Send,
{
    for _ in attempts() {
        let item = store.load(std::slice::from_ref(key)).await?.pop().flatten();
        let there = item.as_ref().map(Item::read).transpose()?;
        let mut document = there.unwrap_or_else(|| new.clone());
        let answer = change(&mut document);
        let write = Write::put(key.clone(), &document, Expect::unchanged(item.as_ref()));
        match store.commit(vec![write]).await {
            Ok(()) => return Ok(answer),
            Err(CommitError::Conflict) => {}
            Err(CommitError::Fault(fault)) => return Err(fault),
        }
    }
    Err(StoreFault::transient(Error::Contended))
}
