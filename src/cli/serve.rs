//! `carebell serve` and `carebell migrate`.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::WRONG;
use crate::app::{App, House, Notify, Refused, Start};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Store, StoreError, migrate as migrations, site};

/// Runs the daemon until it is asked to stop. `file` is the config that a reload reads again.
///
/// # Errors
/// When it cannot start.
pub async fn serve(config: Config, file: Option<&Path>) -> anyhow::Result<u8> {
    // Before anything else: a signal that comes early must not end us without a word.
    let mut signals = Signals::open()?;
    let notify = Notify::from_environment();
    let house = House::open(config).await?;
    let start = Start {
        clock: Clock::System,
        pages: None,
        open_console: false,
    };
    let mut app = App::start(house, start).await?;
    notify.ready();
    watch(&mut app, file, &mut signals, &notify).await?;
    info!("Asked to stop; asked again it ends at once");
    notify.stopping(app.stops_within());
    tokio::select! {
        () = app.stop() => Ok(0),
        () = signals.end.said() => {
            warn!("Asked again: it ends at once, and the next start looks at what is open");
            std::process::exit(i32::from(WRONG))
        }
    }
}

/// How often it is looked whether a verb wants a reload.
const LOOK: Duration = Duration::from_secs(1);

/// Returns when it is asked to stop; until then it reloads when asked to and tells systemd that it lives.
async fn watch(
    app: &mut App,
    file: Option<&Path>,
    signals: &mut Signals,
    notify: &Notify,
) -> anyhow::Result<()> {
    let alive_every = notify.alive_every().unwrap_or(Duration::from_secs(3600));
    let mut alive = tokio::time::interval(alive_every.max(Duration::from_millis(100)));
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut asked = reload_asked(&app.house.store).await?;
    loop {
        tokio::select! {
            () = signals.end.said() => return Ok(()),
            _ = signals.reload.recv() => reload(app, file, notify).await,
            _ = look.tick() => {
                // A database that is away is told by those who need it.
                if let Ok(now) = reload_asked(&app.house.store).await && now != asked {
                    asked = now;
                    reload(app, file, notify).await;
                }
            }
            _ = alive.tick() => {
                let stuck = app.stuck();
                if stuck.is_empty() {
                    notify.alive();
                }
                for one in stuck {
                    error!(stage.name = one.name, "Stage {} does not turn", one.name);
                }
            }
        }
    }
}

async fn reload_asked(store: &Store) -> Result<Option<String>, StoreError> {
    let mut tx = store.read().await?;
    site::reload_asked(&mut tx).await
}

async fn reload(app: &mut App, file: Option<&Path>, notify: &Notify) {
    notify.reloading();
    let done = match Config::load(file, std::env::vars()) {
        Ok(config) => app.reload(config).await,
        Err(problem) => Err(Refused(vec![problem.to_string()])),
    };
    if let Err(Refused(reasons)) = done {
        for reason in &reasons {
            error!("The reload is refused: {reason}");
        }
        error!("Nothing was changed: config, rules, templates and reply words stay as they were");
    }
    notify.ready();
}

/// What people and systemd ask for.
struct Signals {
    end: End,
    reload: Signal,
}

/// SIGTERM and Ctrl-C.
struct End {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn open() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("no signals");
        Ok(Self {
            end: End {
                terminate: listen(SignalKind::terminate())?,
                interrupt: listen(SignalKind::interrupt())?,
            },
            reload: listen(SignalKind::hangup())?,
        })
    }
}

impl End {
    async fn said(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits for SIGTERM or Ctrl-C.
///
/// # Errors
/// When the system gives no signals.
pub async fn asked_to_stop() -> anyhow::Result<()> {
    Signals::open()?.end.said().await;
    Ok(())
}

/// Brings the database up to date.
///
/// # Errors
/// When it cannot be opened or a migration fails.
pub async fn migrate(config: Config) -> anyhow::Result<u8> {
    let store = Store::open(&config.database.url, &config.base)
        .await
        .context("the database cannot be opened")?;
    let before = migrations::schema(&store).await?;
    migrations::run(&store).await?;
    let mut out = std::io::stdout();
    match before.newest - before.at {
        0 => writeln!(out, "The database is up to date (schema {}).", before.at)?,
        _ => writeln!(
            out,
            "The database went from schema {} to {}.",
            before.at, before.newest
        )?,
    }
    store.close().await;
    Ok(0)
}
