//! The stage that looks after what time and crashes leave: dead leases, deadlines, messages that ran out.

use std::sync::Arc;

use jiff::SignedDuration;

use super::Settings;
use super::pipeline::LEASE_MS;
use crate::clock::Clock;
use crate::stage::Bell;
use crate::store::messages::Desk;
use crate::store::rescue::{self, Dead};
use crate::store::{Store, StoreError, receipts};

/// How long an unmatched receipt is tried again at every pass; later it is found by its id alone.
const RECENT: SignedDuration = SignedDuration::from_mins(15);

/// The stage.
#[derive(Clone, Debug)]
pub struct Rescue {
    /// The database.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// Policies and waits.
    pub settings: Arc<Settings>,
    /// Routes and the address key.
    pub desk: Arc<Desk>,
    /// This process.
    pub owner: String,
    /// Rung when something went back to the queue.
    pub bell: Bell,
}

impl Rescue {
    /// At start: on a file that only we may open every other lease is dead.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn start(&self) -> Result<usize, StoreError> {
        let mut all = 0;
        loop {
            let dead = if self.store.is_shared() {
                Dead::ExpiredBut(&self.owner)
            } else {
                Dead::AllBut(&self.owner)
            };
            let touched = self.free(dead).await?;
            all += touched;
            if touched == 0 {
                return Ok(all);
            }
        }
    }

    /// One pass: our own leases extended, dead ones freed, deadlines and ends applied.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pass(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        rescue::extend(&mut tx, &self.owner, now.as_millisecond() + LEASE_MS).await?;
        let settings = &self.settings;
        let mut done = rescue::deadlines(&mut tx, |class| settings.uncertain(class), now).await?;
        done += rescue::run_out(&mut tx, now).await?;
        done += receipts::retry_waiting(&mut tx, &self.desk, now - RECENT, now).await?;
        tx.commit().await?;
        done += self.free(Dead::ExpiredBut(&self.owner)).await?;
        if done > 0 {
            self.bell.ring();
        }
        Ok(done)
    }

    async fn free(&self, dead: Dead<'_>) -> Result<usize, StoreError> {
        let wait =
            |class| i64::try_from(self.settings.wait(class).as_millis()).unwrap_or(i64::MAX / 4);
        let mut tx = self.store.write().await?;
        let touched = rescue::dead_leases(&mut tx, dead, wait, self.clock.now()).await?;
        tx.commit().await?;
        Ok(touched)
    }
}
