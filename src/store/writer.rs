//! The writer: every write of the hot path goes through it.

use super::messages::{self, Desk, NewMessage, Offered};
use super::{Store, StoreError};
use crate::clock::Clock;

/// A handle on the writer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    store: Store,
    desk: Desk,
    clock: Clock,
}

impl Writer {
    /// A writer into `store`.
    pub fn new(store: Store, desk: Desk, clock: Clock) -> Self {
        Self { store, desk, clock }
    }

    /// Stores `message` and returns once it is committed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn accept(&self, message: NewMessage) -> Result<Offered, StoreError> {
        let mut tx = self.store.write().await?;
        let offered = messages::insert(&mut tx, &[message], &self.desk, self.clock.now()).await?;
        tx.commit().await?;
        offered.into_iter().next().ok_or(StoreError::Closed)
    }
}
