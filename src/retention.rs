//! The stage that forgets: texts, addresses and journals are blanked or deleted once they are past their keep date.
//!
//! It works in small bites and rests between them, so that whoever sends never waits for it. What is open stays.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tokio::time::{Instant, sleep};
use tracing::info;

use crate::clock::Clock;
use crate::store::retention::{self, Kind};
use crate::store::{Store, StoreError};
use crate::telemetry::metrics;

/// How long one bite may keep the writer.
const BITE: Duration = Duration::from_millis(20);
/// Rows of the first bite, and the most and fewest of any.
const FIRST: u32 = 100;
const MOST: u32 = 2000;
const FEWEST: u32 = 10;
/// It rests so many times as long as it wrote.
const REST_TIMES: u32 = 4;

/// `[retention]` of the config.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Texts and addresses of messages, replies and tasks after their end.
    pub texts: Keep,
    /// Attempts and receipts.
    pub attempts: Keep,
    /// Events, once everybody was told.
    pub events: Keep,
    /// Who did what.
    pub audit: Keep,
    /// Idempotency keys of other systems.
    pub idempotency_keys: Keep,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            texts: Keep::days(90),
            attempts: Keep::days(400),
            events: Keep::days(90),
            audit: Keep::days(2190),
            idempotency_keys: Keep::days(30),
        }
    }
}

impl Settings {
    /// Every kind of rows, and how long it is kept.
    pub fn all(&self) -> [(&'static Kind, Keep); 9] {
        [
            (&retention::MESSAGES, self.texts),
            (&retention::REPLIES, self.texts),
            (&retention::INBOX, self.texts),
            (&retention::TASKS, self.texts),
            (&retention::CHANGE_REQUESTS, self.texts),
            (&retention::IDEMPOTENCY_KEYS, self.idempotency_keys),
            (&retention::ATTEMPTS, self.attempts),
            (&retention::EVENTS, self.events),
            (&retention::AUDIT, self.audit),
        ]
    }
}

/// How long something is kept: `90d`, or `always`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep(Option<u32>);

impl Keep {
    /// So many days.
    pub const fn days(days: u32) -> Self {
        Self(Some(days))
    }

    /// How long; `None`: always.
    pub fn time(self) -> Option<SignedDuration> {
        self.0
            .map(|days| SignedDuration::from_hours(i64::from(days) * 24))
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(days) => f.pad(&format!("{days}d")),
            None => f.pad("always"),
        }
    }
}

impl Serialize for Keep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "always" {
            return Ok(Self(None));
        }
        let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
        let days = days.filter(|days| (1..=36_500).contains(days));
        days.map(Self::days).ok_or_else(|| {
            de::Error::custom("expected a number of days such as \"90d\", or \"always\"")
        })
    }
}

/// The stage.
#[derive(Clone, Debug)]
pub struct Retention {
    /// The database.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// How long what is kept.
    pub settings: Settings,
    /// What it knows from pass to pass.
    pub memory: Memory,
}

/// What the stage knows from pass to pass. Cheap to clone; all clones know the same.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Known>);

#[derive(Debug)]
struct Known {
    /// How many rows a bite takes.
    bite: AtomicU32,
    /// Whether something was forgotten since the files were last cleaned.
    is_dirty: AtomicBool,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Known {
            bite: AtomicU32::new(FIRST),
            is_dirty: AtomicBool::new(false),
        }))
    }
}

impl Retention {
    /// One pass: a bite of each kind. Says how many rows it looked at.
    ///
    /// # Errors
    /// When the database fails; nothing of the bite is done then.
    pub async fn pass(&self) -> Result<usize, StoreError> {
        let mut done = 0;
        for (kind, keep) in self.settings.all() {
            if let Some(keep) = keep.time() {
                done += self.bite(kind, keep).await?;
            }
        }
        if done == 0 && self.memory.0.is_dirty.load(Ordering::Relaxed) {
            let is_clean = retention::scrub(&self.store).await?;
            self.memory.0.is_dirty.store(!is_clean, Ordering::Relaxed);
            if is_clean {
                info!("What is past its keep date is forgotten");
            }
        }
        Ok(done)
    }

    async fn bite(&self, kind: &Kind, keep: SignedDuration) -> Result<usize, StoreError> {
        let rows = self.memory.0.bite.load(Ordering::Relaxed);
        let mut tx = self.store.read().await?;
        let looked =
            retention::look(&mut tx, kind, keep, i64::from(rows), self.clock.now()).await?;
        drop(tx);
        if looked.is_empty() {
            return Ok(0);
        }
        let mut tx = self.store.write().await?;
        let began = Instant::now();
        retention::settle(&mut tx, kind, &looked).await?;
        tx.commit().await?;
        let took = began.elapsed();
        if looked.over() > 0 {
            self.memory.0.is_dirty.store(true, Ordering::Relaxed);
            let over = u64::try_from(looked.over()).unwrap_or_default();
            metrics::RETENTION.add(&[kind.what], over);
        }
        self.memory
            .0
            .bite
            .store(next(rows, took), Ordering::Relaxed);
        sleep(took * REST_TIMES).await;
        Ok(looked.len())
    }
}

/// How many rows the next bite takes after one of `rows` took so long.
fn next(rows: u32, took: Duration) -> u32 {
    let rows = if took > BITE {
        rows / 2
    } else if took < BITE / 3 {
        rows + rows / 2
    } else {
        rows
    };
    rows.clamp(FEWEST, MOST)
}

#[cfg(test)]
mod tests;
