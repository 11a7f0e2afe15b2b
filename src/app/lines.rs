//! Providers and their pipelines: opened at start, rebound one by one when their settings change, closed at the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures::future::{join, join_all};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use super::House;
use crate::channels::sms::smpp::provider as smpp;
use crate::channels::{Incoming, Provider, Sink};
use crate::clock::Clock;
use crate::config;
use crate::delivery::breaker::Breakers;
use crate::delivery::{self, Pipeline};
use crate::model::private::Private;
use crate::stage::{Bell, Stop, Stopper};
use crate::store::writer::Writer;

/// How long what is left may take to be settled once answers are waited for no longer.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);

/// What every line works with.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) writer: Writer,
    pub(super) clock: Clock,
    /// This process.
    pub(super) owner: String,
    /// Where what providers hear goes.
    pub(super) events: mpsc::Sender<Incoming>,
    /// Who refuses our account.
    pub(super) breakers: Breakers,
    pub(super) stop: Stop,
}

/// All of them. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lines {
    ground: Ground,
    all: Arc<Mutex<BTreeMap<String, Line>>>,
    /// Rebinds under way.
    moves: Arc<Mutex<Vec<JoinHandle<()>>>>,
    changes: watch::Sender<u64>,
}

/// A provider and the pipeline that feeds it.
struct Line {
    settings: Known,
    provider: Arc<dyn Provider>,
    bell: Bell,
    stopper: Stopper,
    task: JoinHandle<()>,
}

/// What a provider was opened with: when it differs, the provider is bound anew.
#[derive(Clone)]
struct Known {
    settings: config::Provider,
    password: Private<String>,
    timeout: Duration,
}

impl Known {
    fn of(house: &House, name: &str) -> anyhow::Result<Self> {
        let settings = house.config.smpp(name)?;
        let in_its_place = || format!("provider {name}");
        smpp::check(&settings).with_context(in_its_place)?;
        let given = house.config.providers.get(name);
        Ok(Self {
            settings: given.context("there is no such provider")?.clone(),
            password: settings.password().with_context(in_its_place)?,
            timeout: Duration::try_from(house.config.delivery.response_timeout)
                .context("delivery.response_timeout must be positive")?,
        })
    }

    fn is(&self, other: &Self) -> bool {
        self.settings == other.settings
            && self.password.reveal() == other.password.reveal()
            && self.timeout == other.timeout
    }
}

impl Lines {
    /// Opens every provider of the house.
    ///
    /// # Errors
    /// When the settings of one cannot work.
    pub(super) fn open(house: &House, ground: Ground) -> anyhow::Result<Self> {
        let lines = Self {
            ground,
            all: Arc::default(),
            moves: Arc::default(),
            changes: watch::Sender::new(0),
        };
        for name in house.config.providers.keys() {
            let line = lines.ground.open(house, name)?;
            lines.lock().insert(name.clone(), line);
        }
        if lines.lock().is_empty() {
            warn!("No provider is configured: messages wait for a route that is not there");
        }
        Ok(lines)
    }

    /// What every line works with.
    pub(super) const fn ground(&self) -> &Ground {
        &self.ground
    }

    /// The providers that are there now.
    pub(super) fn providers(&self) -> Arc<[Arc<dyn Provider>]> {
        let all = self.lock();
        all.values()
            .map(|line| Arc::clone(&line.provider))
            .collect()
    }

    /// Told at each change of the providers.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Rings all of them.
    pub(super) fn ring(&self) {
        self.lock().values().for_each(|line| line.bell.ring());
    }

    /// Whether every provider of `house` can work, before anything is changed.
    ///
    /// # Errors
    /// When the settings of one cannot.
    pub(super) fn check(house: &House) -> anyhow::Result<()> {
        for name in house.config.providers.keys() {
            Known::of(house, name)?;
        }
        Ok(())
    }

    /// Goes by `house` from now on: whose settings changed is bound anew once what it has under way is settled,
    /// who is gone takes leave, who is new is opened, and of the others only the policies follow.
    pub(super) fn follow(&self, house: &House) {
        let mut old = std::mem::take(&mut *self.lock());
        let mut moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
        moves.retain(|one| !one.is_finished());
        for name in house.config.providers.keys() {
            let known = match Known::of(house, name) {
                Ok(known) => known,
                Err(problem) => {
                    error!(provider.name = %name, "Provider {name} cannot be opened: {problem:#}");
                    continue;
                }
            };
            match old.remove(name) {
                Some(line) if line.settings.is(&known) => {
                    let line = self.ground.replaced(house, line);
                    self.lock().insert(name.clone(), line);
                }
                former => moves.push(tokio::spawn(self.clone().move_to(
                    house.clone(),
                    name.clone(),
                    former,
                ))),
            }
        }
        for (name, line) in old {
            info!(provider.name = %name, "Provider {name} is in the config no more and takes leave");
            moves.push(tokio::spawn(line.close(Duration::from_secs(60))));
        }
        drop(moves);
        self.changes.send_modify(|n| *n += 1);
    }

    async fn move_to(self, house: House, name: String, former: Option<Line>) {
        if let Some(line) = former {
            info!(provider.name = %name, "Provider {name} has other settings and is bound anew");
            let within = line.settings.timeout;
            line.close(within).await;
        }
        if self.ground.stop.is_said() {
            return;
        }
        // Other settings may be what our account needed.
        self.ground.breakers.well(&name);
        match self.ground.open(&house, &name) {
            Ok(line) => drop(self.lock().insert(name, line)),
            Err(problem) => {
                error!(provider.name = %name, "Provider {name} cannot be opened: {problem:#}");
            }
        }
        self.changes.send_modify(|n| *n += 1);
    }

    /// Waits at most `within` for what is on its way, then leaves the rest in doubt, and takes leave of the networks.
    pub(super) async fn close(&self, within: Duration) {
        let moves = std::mem::take(&mut *self.moves.lock().unwrap_or_else(PoisonError::into_inner));
        let all = std::mem::take(&mut *self.lock());
        let lines = all.into_values().map(|line| line.close(within));
        let moves = tokio::time::timeout(within, join_all(moves));
        // What could not be moved in time is left to the next start.
        let _ = join(join_all(lines), moves).await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Line>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    async fn close(mut self, within: Duration) {
        self.stopper.stop();
        let in_time = tokio::time::timeout(within, &mut self.task).await.is_ok();
        let name = self.provider.name();
        if !in_time {
            warn!(
                provider.name = name,
                "{name} has not answered in time: what is open stays in doubt"
            );
        }
        // Closing without patience ends what waits for an answer: it is then written down as in doubt.
        let patience = if in_time {
            SETTLE_WITHIN
        } else {
            Duration::ZERO
        };
        self.provider.close(patience).await;
        if !in_time
            && tokio::time::timeout(SETTLE_WITHIN, &mut self.task)
                .await
                .is_err()
        {
            self.task.abort();
        }
    }
}

impl Ground {
    fn open(&self, house: &House, name: &str) -> anyhow::Result<Line> {
        let settings = Known::of(house, name)?;
        let sink = Sink::new(name, self.events.clone());
        let provider = smpp::open(house.config.smpp(name)?, name, sink, settings.timeout)
            .with_context(|| format!("provider {name}"))?;
        let provider: Arc<dyn Provider> = Arc::new(provider);
        let (bell, (stopper, stop)) = (Bell::default(), self.stop.some());
        let pipeline = self.pipeline(house, &provider, &bell);
        let task = tokio::spawn(delivery::run(pipeline, stop));
        Ok(Line {
            settings,
            provider,
            bell,
            stopper,
            task,
        })
    }

    /// The same provider, its bind untouched, with another pipeline: it begins where the former one ends.
    fn replaced(&self, house: &House, line: Line) -> Line {
        let (bell, (stopper, stop)) = (Bell::default(), self.stop.some());
        let pipeline = self.pipeline(house, &line.provider, &bell);
        line.stopper.stop();
        let task = tokio::spawn(async move {
            if line.task.await.is_ok() && !stop.is_said() {
                delivery::run(pipeline, stop).await;
            }
        });
        Line {
            settings: line.settings,
            provider: line.provider,
            bell,
            stopper,
            task,
        }
    }

    fn pipeline(&self, house: &House, provider: &Arc<dyn Provider>, bell: &Bell) -> Pipeline {
        Pipeline {
            provider: Arc::clone(provider),
            writer: self.writer.clone(),
            clock: self.clock.clone(),
            settings: Arc::new(house.config.delivery.clone()),
            desk: Arc::clone(&house.desk),
            bell: bell.clone(),
            breakers: self.breakers.clone(),
            owner: self.owner.clone(),
        }
    }
}
