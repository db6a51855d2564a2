//! Objects in buckets: what a distributed Map reads its items from and writes its
//! results to.
//!
//! Owns the port and an adapter that keeps all in memory. It knows no file system
//! and no network: an adapter for those is the caller's.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

/// Why an object could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// There is no such bucket.
    #[error("the bucket '{0}' does not exist")]
    NoBucket(String),
    /// There is no object of that key.
    #[error("the object '{key}' does not exist in the bucket '{bucket}'")]
    NoObject {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// It is there and cannot be read, or cannot be written.
    #[error("{0}")]
    Failed(String),
}

/// Buckets with objects.
///
/// What it gives must be the same each time while an execution runs, or the
/// execution's outcome is not.
pub trait Objects: Debug + Send + Sync {
    /// Whether a bucket is there.
    ///
    /// # Errors
    /// [`ObjectError`] when it is not, or cannot be looked at.
    fn bucket(&self, bucket: &str) -> Result<(), ObjectError>;

    /// The bytes of an object.
    ///
    /// # Errors
    /// [`ObjectError`] when it is not there, or cannot be read.
    fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, ObjectError>;

    /// The keys that begin with `prefix`, in any order.
    ///
    /// # Errors
    /// [`ObjectError`] when the bucket is not there, or cannot be read.
    fn keys(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, ObjectError>;

    /// Writes an object, over an earlier one.
    ///
    /// # Errors
    /// [`ObjectError`] when the bucket is not there, or cannot be written to.
    fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), ObjectError>;
}

/// Objects by their keys.
type Bucket = BTreeMap<String, Vec<u8>>;

/// Buckets in memory.
#[derive(Debug, Default)]
pub struct MemoryObjects {
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

impl MemoryObjects {
    /// No buckets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with an object more, and its bucket if that is new. An empty key
    /// makes the bucket only.
    #[must_use]
    pub fn with(self, bucket: &str, key: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.change(|buckets| {
            let objects = buckets.entry(bucket.to_owned()).or_default();
            if !key.is_empty() {
                objects.insert(key.to_owned(), bytes.into());
            }
        });
        self
    }

    fn change<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Bucket>) -> T) -> T {
        act(&mut self.buckets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn look<T>(&self, bucket: &str, act: impl FnOnce(&mut Bucket) -> T) -> Result<T, ObjectError> {
        self.change(|buckets| match buckets.get_mut(bucket) {
            Some(objects) => Ok(act(objects)),
            None => Err(ObjectError::NoBucket(bucket.to_owned())),
        })
    }
}

impl Objects for MemoryObjects {
    fn bucket(&self, bucket: &str) -> Result<(), ObjectError> {
        self.look(bucket, |_| ())
    }

    fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, ObjectError> {
        self.look(bucket, |objects| objects.get(key).cloned())?
            .ok_or_else(|| ObjectError::NoObject {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            })
    }

    fn keys(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, ObjectError> {
        self.look(bucket, |objects| {
            let keys = objects.keys().filter(|key| key.starts_with(prefix));
            keys.cloned().collect()
        })
    }

    fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.look(bucket, |objects| {
            objects.insert(key.to_owned(), bytes);
        })
    }
}
