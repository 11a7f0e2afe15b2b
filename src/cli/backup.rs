//! `carebell backup FILE`: a copy of the database while the daemon works on it.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use super::WRONG;
use crate::config::Config;
use crate::store::backup::{self, BackupError};
use crate::store::{Store, migrate};

/// Where to.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The new file; one that is there is never written over.
    file: PathBuf,
}

/// Copies an SQLite database; of a PostgreSQL one it says how, and exits 1.
///
/// # Errors
/// When it cannot be read or the file cannot be written.
pub async fn run(
    args: &BackupArgs,
    config: &Config,
    now: Timestamp,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let to = &args.file;
    if let Some(file) = config.database.url.strip_prefix("sqlite://") {
        let file = config.base.join(file);
        anyhow::ensure!(
            file.exists(),
            "{} is not there: nothing to back up",
            file.display()
        );
    } else {
        let command = pg_dump(&config.database.url, to);
        match json {
            true => writeln!(out, "{}", json!({"backed_up": false, "command": command}))?,
            false => writeln!(
                out,
                "A PostgreSQL database is backed up by its own tools, while all goes on:\n  {command}"
            )?,
        }
        return Ok(WRONG);
    }
    let began = Instant::now();
    let store = Store::open(&config.database.url, &config.base)
        .await
        .context("the database cannot be opened")?;
    let schema = migrate::schema(&store).await?.at;
    let copied = backup::copy(&store, to, now).await;
    store.close().await;
    let copied = match copied {
        Err(exists @ BackupError::Exists(_)) => {
            writeln!(std::io::stderr(), "carebell: {exists}")?;
            return Ok(WRONG);
        }
        other => other?,
    };
    let seconds = began.elapsed().as_secs_f64();
    if json {
        let line = json!({"backed_up": true, "file": to, "bytes": copied.bytes, "messages": copied.messages, "schema": schema, "seconds": seconds});
        writeln!(out, "{line}")?;
    } else {
        writeln!(
            out,
            "{}: {} bytes, schema {schema}, {} messages, checked and on the disk, in {seconds:.1} s.",
            to.display(),
            copied.bytes,
            copied.messages
        )?;
    }
    Ok(0)
}

/// The command that does it; a password is left to ~/.pgpass or PGPASSWORD.
fn pg_dump(url: &str, to: &Path) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let rest = match rest.split_once('@') {
        Some((who, place)) => {
            let name = who.split(':').next().unwrap_or_default();
            format!("{name}@{place}")
        }
        None => rest.to_owned(),
    };
    format!(
        "pg_dump --format=custom --file='{}' '{scheme}://{rest}'",
        to.display()
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::pg_dump;

    #[test]
    fn the_command_for_a_server_shows_no_password() {
        let command = pg_dump("postgres://care:hunter2@db:5432/care", Path::new("a.dump"));
        assert_eq!(
            command,
            "pg_dump --format=custom --file='a.dump' 'postgres://care@db:5432/care'"
        );
    }
}
