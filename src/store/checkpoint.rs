//! Brings SQLite's log into its file beside the writer, so that no commit has to wait for a thousand pages of others.
//!
//! A commit does it itself only when the log has grown far beyond that: see [`super::database`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqlitePool;
use tokio::sync::{Mutex, mpsc};
use tracing::warn;

use super::StoreError;

/// So many pages of the log are brought into the file together.
const PAGES: i64 = 1000;

/// A busy log is looked at no more often than this.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// The log of one file. Cheap to clone; when the last one goes, nobody looks after it any more.
#[derive(Clone, Debug)]
pub struct Log {
    written: mpsc::Sender<()>,
    turn: Arc<Mutex<()>>,
    is_bulk: Arc<AtomicBool>,
}

impl Log {
    /// Looks after the log of the file that `pool` has open.
    pub(super) fn keep(pool: SqlitePool) -> Self {
        let (written, mut news) = mpsc::channel(1);
        let turn = Arc::new(Mutex::new(()));
        let is_bulk = Arc::new(AtomicBool::new(false));
        let log = Self {
            written,
            turn: Arc::clone(&turn),
            is_bulk: Arc::clone(&is_bulk),
        };
        tokio::spawn(async move {
            while news.recv().await.is_some() {
                tokio::time::sleep(LOOK_EVERY).await;
                if is_bulk.load(Ordering::Relaxed) {
                    continue;
                }
                let _turn = turn.lock().await;
                match bring_in(&pool).await {
                    Ok(()) => {}
                    Err(_) if pool.is_closed() => return,
                    // A commit does it in the end.
                    Err(problem) => warn!("The log of the database stays as it is: {problem}"),
                }
            }
        });
        log
    }

    /// Says that somebody writes.
    pub(super) fn grows(&self) {
        // When it cannot be said now, the last word was not heard yet and stands for this one.
        let _ = self.written.try_send(());
    }

    /// Says whether somebody writes so much that they look after the log themselves.
    pub(super) fn leave_alone(&self, is_bulk: bool) {
        self.is_bulk.store(is_bulk, Ordering::Relaxed);
    }

    /// Empties the log wholly, as soon as nobody reads what was there before.
    pub(super) async fn empty(&self, pool: &SqlitePool) -> Result<(), StoreError> {
        // SQLite refuses a second one at the same time.
        let _turn = self.turn.lock().await;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(pool)
            .await?;
        Ok(())
    }
}

/// Brings what is in the log into the file, if that is much.
async fn bring_in(pool: &SqlitePool) -> Result<(), StoreError> {
    let mut connection = pool.acquire().await?;
    let (_, logged, done): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(NOOP)")
        .fetch_one(&mut *connection)
        .await?;
    if logged - done >= PAGES {
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
