//! One stage: tells other systems what happened, by HTTP, as Standard Webhooks 1.0 has it.
//!
//! What a webhook has still to hear is a cursor into the feed of events. Each has its turns by itself: one that is slow or
//! dead delays no other, and none of them delays the feed.

mod judge;
mod sign;
mod turn;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use tokio::task::{self, JoinError, JoinSet};
use tracing::error;

use crate::clock::Clock;
use crate::model::id::WebhookId;
use crate::outward::{Allowed, Guard, Limits, Outward, OutwardError};
use crate::stage::{Bell, Stop};
use crate::store::webhook_turns::{self, Lease};
use crate::store::{Store, StoreError, webhook_log};
use turn::Taken;

/// `[webhooks]` of the config.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Inner hosts that may be reached: addresses, nets, names.
    pub allow: Vec<String>,
    /// Ports of other hosts that may be reached.
    pub ports: Vec<u16>,
    /// Certificates that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// How long resolving and connecting may take.
    pub connect_timeout: SignedDuration,
    /// How long all of a request may take.
    pub timeout: SignedDuration,
    /// How many webhooks are told at once.
    pub concurrency: usize,
    /// After how long without success a webhook is disabled.
    pub disable_after: SignedDuration,
    /// How long what was tried is kept.
    pub keep_deliveries: SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            ports: vec![443, 8443],
            ca_file: None,
            connect_timeout: SignedDuration::from_secs(5),
            timeout: SignedDuration::from_secs(15),
            concurrency: 32,
            disable_after: SignedDuration::from_hours(72),
            keep_deliveries: SignedDuration::from_hours(168),
        }
    }
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// An entry of `allow` cannot be read.
    #[error("webhooks.allow: {0}")]
    Allow(String),
    /// A duration or a count must be more than nothing.
    #[error("webhooks.{0}: expected more than nothing")]
    NotPositive(&'static str),
    /// The client cannot be made.
    #[error("webhooks.ca_file: {0}")]
    Outward(#[from] OutwardError),
}

impl Settings {
    /// The guard that they describe.
    ///
    /// # Errors
    /// When an entry of `allow` cannot be read.
    pub fn guard(&self) -> Result<Guard, SettingsError> {
        let read = self.allow.iter().map(|one| one.parse::<Allowed>());
        Ok(Guard {
            allowed: read
                .collect::<Result<_, _>>()
                .map_err(SettingsError::Allow)?,
            ports: self.ports.clone(),
        })
    }

    /// Whether they can work.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.guard()?;
        for (name, duration) in [
            ("connect_timeout", self.connect_timeout),
            ("timeout", self.timeout),
            ("disable_after", self.disable_after),
            ("keep_deliveries", self.keep_deliveries),
        ] {
            if !duration.is_positive() {
                return Err(SettingsError::NotPositive(name));
            }
        }
        if self.concurrency == 0 {
            return Err(SettingsError::NotPositive("concurrency"));
        }
        Ok(())
    }

    fn limits(&self) -> Limits {
        let duration = |duration: SignedDuration| {
            Duration::try_from(duration).unwrap_or(Duration::from_secs(15))
        };
        Limits {
            connect: duration(self.connect_timeout),
            whole: duration(self.timeout),
        }
    }
}

/// The stage.
#[derive(Clone, Debug)]
pub struct Webhooks {
    store: Store,
    clock: Clock,
    settings: Arc<Settings>,
    outward: Outward,
    owner: Arc<str>,
    department: Arc<str>,
    stop: Stop,
}

/// How often it looks by itself: retries come due, and other processes and verbs only write rows.
const LOOK: Duration = Duration::from_secs(1);
/// How many looks pass between two rounds of forgetting old tries.
const FORGET_EVERY: u32 = 600;
/// How many old tries one statement deletes.
const FORGET: i64 = 2_000;

impl Webhooks {
    /// The stage over `store`; `owner` names this process, `department` hears of webhooks that were disabled.
    ///
    /// # Errors
    /// When the settings cannot work.
    pub fn open(
        store: Store,
        clock: Clock,
        settings: Settings,
        owner: &str,
        department: &str,
        stop: Stop,
    ) -> Result<Self, SettingsError> {
        settings.check()?;
        let outward = Outward::new(
            settings.guard()?,
            settings.limits(),
            settings.ca_file.as_deref(),
        )?;
        Ok(Self {
            store,
            clock,
            settings: Arc::new(settings),
            outward,
            owner: owner.into(),
            department: department.into(),
            stop,
        })
    }

    /// Runs until told to stop: turns under way are waited for, which each takes a request's time at most.
    pub async fn run(self, bell: Bell) {
        let mut line = Line::default();
        let mut looks = 0_u32;
        while !self.stop.is_said() {
            if let Err(problem) = self.start(&mut line).await {
                error!("Webhooks cannot be looked at and are looked at again: {problem}");
            }
            if looks.is_multiple_of(FORGET_EVERY)
                && let Err(problem) = self.forget().await
            {
                error!("Old tries of webhooks cannot be deleted: {problem}");
            }
            looks = looks.wrapping_add(1);
            tokio::select! {
                () = bell.heard() => {}
                () = tokio::time::sleep(LOOK) => {}
                Some(ended) = line.turns.join_next_with_id() => line.end(ended),
                () = self.stop.said() => {}
            }
        }
        while let Some(ended) = line.turns.join_next_with_id().await {
            line.end(ended);
        }
        if let Err(problem) = self.release().await {
            error!("Webhooks stay leased until that runs out: {problem}");
        }
    }

    /// Starts a turn of each webhook that may have something to hear and has none, as far as there is room.
    async fn start(&self, line: &mut Line) -> Result<(), StoreError> {
        let mut tx = self.store.read().await?;
        let mut waiting = webhook_turns::waiting(&mut tx, self.clock.now()).await?;
        drop(tx);
        // Who had a turn longest ago comes first.
        waiting.sort_by_key(|one| line.marks.get(&one.id).map_or(0, |mark| mark.turn));
        for one in waiting {
            let mark = line.marks.entry(one.id.clone()).or_default();
            // Somebody set it back: what was seen has to be seen again.
            if mark.cursor != one.cursor {
                (mark.cursor, mark.seen) = (one.cursor, one.cursor);
            }
            let has_work = one.asides > 0 || (one.is_due && mark.seen < one.last);
            let rests = mark.rests_until.is_some_and(|until| until > Instant::now());
            if mark.is_busy || rests || !has_work || line.turns.len() >= self.settings.concurrency {
                continue;
            }
            line.count += 1;
            (mark.is_busy, mark.turn) = (true, line.count);
            let (stage, id, seen, lease) = (self.clone(), one.id, mark.seen, mark.lease);
            let turn = line.turns.spawn({
                let id = id.clone();
                async move { stage.turn(&id, seen, lease).await }
            });
            line.names.insert(turn.id(), id);
        }
        Ok(())
    }

    async fn forget(&self) -> Result<(), StoreError> {
        let before = self.clock.now().checked_sub(self.settings.keep_deliveries);
        let Ok(before) = before else { return Ok(()) };
        let mut tx = self.store.write().await?;
        webhook_log::forget(&mut tx, before, FORGET).await?;
        tx.commit().await
    }

    async fn release(&self) -> Result<(), StoreError> {
        let mut tx = self.store.write().await?;
        webhook_turns::release(&mut tx, &self.owner).await?;
        tx.commit().await
    }
}

/// A turn that ended, or the panic that ended it.
type Ended = Result<(task::Id, Result<Taken, StoreError>), JoinError>;

/// Who has a turn, and what is known of all.
#[derive(Default)]
struct Line {
    turns: JoinSet<Result<Taken, StoreError>>,
    names: HashMap<task::Id, WebhookId>,
    marks: HashMap<WebhookId, Mark>,
    count: u64,
}

/// What this process knows of a webhook, to spare questions; forgetting it does no harm.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    is_busy: bool,
    /// Somebody else has it, or it went wrong: no turn before that.
    rests_until: Option<Instant>,
    /// When it had its last turn, counted in turns.
    turn: u64,
    /// Where its cursor stood.
    cursor: i64,
    /// Up to where nothing is for it: the cursor is not written for each event that it does not hear of.
    seen: i64,
    lease: Option<Lease>,
}

impl Line {
    fn end(&mut self, ended: Ended) {
        let (task, taken) = match ended {
            Ok((task, taken)) => (task, taken.map_err(|problem| problem.to_string())),
            Err(panic) => (panic.id(), Err("it panicked".to_owned())),
        };
        let Some(id) = self.names.remove(&task) else {
            return;
        };
        let mark = self.marks.entry(id.clone()).or_default();
        mark.is_busy = false;
        match taken {
            Ok(taken) => {
                (mark.cursor, mark.seen, mark.lease) = (taken.cursor, taken.seen, taken.lease);
                mark.rests_until = taken.is_elsewhere.then(|| Instant::now() + LOOK);
            }
            Err(problem) => {
                (mark.lease, mark.rests_until) = (None, Some(Instant::now() + LOOK));
                error!(webhook.id = %id, "A turn of webhook {id} came to nothing and is done again: {problem}");
            }
        }
    }
}
