//! A copy of an SQLite file while others work on it, whole and checked; and what a copy knows of itself.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Store, StoreError, Tx, execute, on, site};

/// Kept in a copy alone: when it was made.
const BACKED_UP_AT: &str = "backed_up_at";

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A server has its own way.
    #[error("a PostgreSQL database is backed up by pg_dump")]
    Server,
    /// Nothing is written over.
    #[error("{0} is there already: a backup never writes over a file")]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's word.
        why: std::io::Error,
    },
    /// The copy was made and is not sound.
    #[error("the copy is not sound and was thrown away: {0}")]
    Unsound(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for BackupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its size.
    pub bytes: u64,
    /// Messages in it.
    pub messages: i64,
}

/// Copies the file of `store` to `to` as it is at one moment, whoever writes meanwhile; `to` appears once it is whole,
/// on the disk and checked. Only its owner may read it.
///
/// # Errors
/// When `to` is there already, cannot be written, or the database fails; nothing is left behind then.
pub async fn copy(store: &Store, to: &Path, now: Timestamp) -> Result<Copied, BackupError> {
    let Store::Sqlite { read, .. } = store else {
        return Err(BackupError::Server);
    };
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = to.with_file_name(name);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |why| BackupError::File { path, why }
    };
    // What a former try left is of no use to anybody.
    let _ = fs::remove_file(&part);
    // Made beforehand, so that nobody else can read it at any moment; SQLite takes an empty file.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)
        .map_err(failed(&part))?;
    let copied = async {
        sqlx::query("VACUUM INTO $1")
            .bind(part.to_string_lossy().into_owned())
            .execute(read)
            .await?;
        let messages = finish(&part, now).await?;
        let file = File::open(&part).map_err(failed(&part))?;
        file.sync_all().map_err(failed(&part))?;
        let bytes = file.metadata().map_err(failed(&part))?.len();
        // A hard link fails where a file came to be meanwhile; a rename would write over it.
        fs::hard_link(&part, to).map_err(failed(to))?;
        fs::remove_file(&part).map_err(failed(&part))?;
        let folder = to.parent().filter(|path| !path.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(failed(folder))?;
        Ok(Copied { bytes, messages })
    };
    let copied = copied.await;
    if copied.is_err() {
        let _ = fs::remove_file(&part);
    }
    copied
}

/// Checks the copy and writes down in it that it is one. Says how many messages it holds.
async fn finish(part: &Path, now: Timestamp) -> Result<i64, BackupError> {
    const MARK: &str = "INSERT INTO site (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value";
    let mut copy = SqliteConnectOptions::new()
        .filename(part)
        .journal_mode(SqliteJournalMode::Delete)
        .disable_statement_logging()
        .connect()
        .await?;
    sqlx::query(MARK)
        .bind(BACKED_UP_AT)
        .bind(now.to_string())
        .execute(&mut copy)
        .await?;
    let faults = check(&mut copy).await?;
    if let Some(fault) = faults {
        return Err(BackupError::Unsound(fault));
    }
    let messages = sqlx::query_scalar("SELECT COUNT(*) FROM message")
        .fetch_one(&mut copy)
        .await?;
    copy.close().await?;
    Ok(messages)
}

/// What SQLite finds wrong with a file, if anything.
async fn check(copy: &mut SqliteConnection) -> Result<Option<String>, BackupError> {
    let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_all(&mut *copy)
        .await?;
    let strays: Vec<(String,)> = sqlx::query_as("SELECT \"table\" FROM pragma_foreign_key_check")
        .fetch_all(copy)
        .await?;
    Ok(match (found.first().map(String::as_str), strays.first()) {
        (Some("ok"), None) => None,
        (Some("ok"), Some((table,))) => Some(format!("a row of {table} points nowhere")),
        (fault, _) => Some(fault.unwrap_or("no answer").to_owned()),
    })
}

/// At start: a copy that is put to use says when it was made, once. What waited then and was due since may have gone
/// out by the original: it is flagged, and the mark goes. Gives that moment, and how many messages were flagged.
///
/// # Errors
/// When the database fails.
pub async fn adopt(tx: &mut Tx, now: Timestamp) -> Result<Option<(String, u64)>, StoreError> {
    const FLAG: &str = "UPDATE message SET possible_dup = TRUE WHERE state IN ('scheduled', 'queued', 'sending') AND send_at <= $1 AND possible_dup = FALSE";
    const FORGET: &str = "DELETE FROM site WHERE name = $1";
    let Some(made_at) = site::get(tx, BACKED_UP_AT).await? else {
        return Ok(None);
    };
    let flagged = execute!(&mut *tx, sqlx::query(FLAG).bind(now.as_millisecond()))?;
    on!(tx, conn => sqlx::query(FORGET).bind(BACKED_UP_AT).execute(conn).await.map(|_| ()))?;
    Ok(Some((made_at, flagged)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use jiff::Timestamp;

    use super::{BackupError, adopt, copy};
    use crate::store::{Store, site, testing};

    #[tokio::test]
    async fn a_copy_under_load_holds_all_that_was_committed_before() {
        let test = testing::sqlite().await.unwrap();
        let dir = test.dir().to_owned();
        let busy = tokio::spawn({
            let store = test.store.clone();
            async move {
                for n in 0..300 {
                    let mut tx = store.write().await.unwrap();
                    site::put(&mut tx, &format!("n{n:04}"), "v").await.unwrap();
                    tx.commit().await.unwrap();
                }
            }
        });
        for round in 0..3 {
            let mut tx = test.store.read().await.unwrap();
            let known = site::get(&mut tx, "n0000").await.unwrap();
            drop(tx);
            let to = dir.join(format!("copy-{round}.db"));
            copy(&test.store, &to, Timestamp::UNIX_EPOCH).await.unwrap();
            let mode = std::fs::metadata(&to).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let again = Store::open(&format!("sqlite://{}", to.display()), &dir)
                .await
                .unwrap();
            let mut tx = again.write().await.unwrap();
            assert!(known.is_none() || site::get(&mut tx, "n0000").await.unwrap().is_some());
            let adopted = adopt(&mut tx, Timestamp::UNIX_EPOCH).await.unwrap();
            assert_eq!(adopted, Some(("1970-01-01T00:00:00Z".to_owned(), 0)));
            assert_eq!(adopt(&mut tx, Timestamp::UNIX_EPOCH).await.unwrap(), None);
            tx.commit().await.unwrap();
            again.close().await;
        }
        busy.await.unwrap();
        // The original is no copy, and a copy is never written over.
        let mut tx = test.store.write().await.unwrap();
        assert_eq!(adopt(&mut tx, Timestamp::UNIX_EPOCH).await.unwrap(), None);
        drop(tx);
        let taken = copy(&test.store, &dir.join("copy-0.db"), Timestamp::UNIX_EPOCH).await;
        assert!(matches!(taken, Err(BackupError::Exists(_))));
        let nowhere = copy(&test.store, &dir.join("no/such.db"), Timestamp::UNIX_EPOCH).await;
        assert!(matches!(nowhere, Err(BackupError::File { .. })));
    }
}
