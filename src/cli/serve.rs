//! `carebell serve` and `carebell migrate`.

use std::io::Write as _;

use anyhow::Context as _;
use tracing::info;

use crate::app::{App, House, Start};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Store, migrate as migrations};

/// Runs the daemon until it is asked to stop.
///
/// # Errors
/// When it cannot start.
pub async fn serve(config: Config) -> anyhow::Result<u8> {
    let house = House::open(config).await?;
    let app = App::start(
        house,
        Start {
            clock: Clock::System,
            pages: None,
            open_console: false,
        },
    )
    .await?;
    asked_to_stop().await?;
    info!("Asked to stop");
    app.stop().await;
    Ok(0)
}

/// Waits for SIGTERM or Ctrl-C.
///
/// # Errors
/// When the system gives no signals.
pub async fn asked_to_stop() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("no signals")?;
    tokio::select! {
        _ = terminate.recv() => {}
        done = tokio::signal::ctrl_c() => done.context("no signals")?,
    }
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
