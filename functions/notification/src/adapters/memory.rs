//! The in-memory adapter: for tests and the lab.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use duet_core::Failure;

use crate::ports::{Notice, Publisher};

/// A topic in memory; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    published: Arc<Mutex<Vec<Notice>>>,
}

impl Memory {
    /// Every publication so far, in order; a notice published twice is there twice.
    #[must_use]
    pub fn published(&self) -> Vec<Notice> {
        self.lock().clone()
    }

    /// How many publications there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Notice>> {
        // Nothing is done under the lock that could leave half a list behind.
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Publisher for Memory {
    async fn publish(&self, notice: &Notice) -> Result<(), Failure> {
        self.lock().push(notice.clone());
        Ok(())
    }
}
