//! The two databases behind one face: pools, transactions, and what each needs at opening.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Postgres, Sqlite, Transaction};

use super::StoreError;
use super::checkpoint::Log;

/// An open database. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Store {
    /// One file, one writer, many readers.
    Sqlite {
        /// Readers.
        read: SqlitePool,
        /// The one writing connection; waiting for it is fair.
        write: SqlitePool,
        /// Where the file lies.
        file: PathBuf,
        /// What was written and is not in the file yet.
        log: Log,
    },
    /// A server that several processes share.
    Postgres {
        /// Readers and writers.
        pool: PgPool,
    },
}

/// A transaction. Dropped without `commit` it is rolled back.
#[derive(Debug)]
pub enum Tx {
    /// Of the file.
    Sqlite(Transaction<'static, Sqlite>),
    /// Of the server.
    Postgres(Transaction<'static, Postgres>),
}

impl Store {
    /// Opens what `url` names: `sqlite://FILE` (made if missing, relative to `base`) or `postgres://…`.
    ///
    /// # Errors
    /// When the URL is wrong or the database cannot be reached.
    pub async fn open(url: &str, base: &Path) -> Result<Self, StoreError> {
        if let Some(file) = url.strip_prefix("sqlite://") {
            Self::open_sqlite(&base.join(file)).await
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::open_postgres(url).await
        } else {
            // What stands before the first colon holds no password.
            Err(StoreError::BadUrl(
                url.split(':').next().unwrap_or_default().to_owned(),
            ))
        }
    }

    async fn open_sqlite(file: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // The thread that reads and the task that waits for it change places less often.
            .row_buffer_size(512)
            // FULL survives a power cut; with group commit it costs next to nothing (ARCHITECTURE.md, "Tables and claims").
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true)
            // Deleted rows are overwritten: a purge must leave nothing on freed pages.
            .pragma("secure_delete", "ON")
            .pragma("cache_size", "-8000")
            .pragma("journal_size_limit", "67108864")
            // In pages. By then somebody has long looked after the log beside: a commit does it where that fell behind.
            .pragma("wal_autocheckpoint", "8000")
            .disable_statement_logging();
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None);
        let write = write
            .acquire_timeout(Duration::from_secs(60))
            .connect_with(options.clone())
            .await?;
        let read = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(30));
        let read = read.connect_with(options.create_if_missing(false)).await?;
        let log = Log::keep(read.clone());
        Ok(Self::Sqlite {
            log,
            read,
            write,
            file: file.to_owned(),
        })
    }

    async fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| StoreError::BadUrl("postgres".to_owned()))?;
        let options = options
            .application_name("carebell")
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(12)
            .acquire_timeout(Duration::from_secs(30));
        Ok(Self::Postgres {
            pool: pool.connect_with(options).await?,
        })
    }

    /// A transaction to read in: one snapshot on SQLite, read committed on PostgreSQL.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        match self {
            Self::Sqlite { read, .. } => Ok(Tx::Sqlite(read.begin().await?)),
            Self::Postgres { pool } => Ok(Tx::Postgres(pool.begin().await?)),
        }
    }

    /// A transaction to write in. On SQLite it is the only one, taken in turn: keep it short.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn write(&self) -> Result<Tx, StoreError> {
        match self {
            // A deferred BEGIN that reads first fails with SQLITE_BUSY_SNAPSHOT without waiting.
            Self::Sqlite { write, log, .. } => {
                log.grows();
                Ok(Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?))
            }
            Self::Postgres { pool } => Ok(Tx::Postgres(pool.begin().await?)),
        }
    }

    /// Makes the one writing connection of SQLite ready for thousands of rows in each transaction: a larger cache, and no
    /// checkpoint within a commit. [`Store::checkpoint`] has to be called now and then.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn begin_bulk(&self) -> Result<(), StoreError> {
        self.leave_log_alone(true);
        self.tune("PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 0")
            .await
    }

    /// Makes the writing connection what it was before [`Store::begin_bulk`].
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn end_bulk(&self) -> Result<(), StoreError> {
        self.leave_log_alone(false);
        self.tune("PRAGMA cache_size = -8000; PRAGMA wal_autocheckpoint = 8000; PRAGMA wal_checkpoint(PASSIVE)")
            .await
    }

    /// Brings what is in the log of SQLite into its file. Others may write meanwhile.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn checkpoint(&self) -> Result<(), StoreError> {
        self.tune("PRAGMA wal_checkpoint(PASSIVE)").await
    }

    /// Empties the log of SQLite, where old pages would stay until it is written over.
    ///
    /// # Errors
    /// When the database refuses.
    pub(super) async fn empty_log(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { write, log, .. } => log.empty(write).await,
            Self::Postgres { .. } => Ok(()),
        }
    }

    fn leave_log_alone(&self, is_bulk: bool) {
        match self {
            Self::Sqlite { log, .. } => log.leave_alone(is_bulk),
            Self::Postgres { .. } => {}
        }
    }

    async fn tune(&self, pragmas: &'static str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { write, .. } => {
                for pragma in pragmas.split(';') {
                    sqlx::query(pragma.trim()).execute(write).await?;
                }
                Ok(())
            }
            Self::Postgres { .. } => Ok(()),
        }
    }

    /// Whether several processes may work on it side by side.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres { .. })
    }

    /// Closes every connection.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { read, write, .. } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres { pool } => pool.close().await,
        }
    }
}

impl Tx {
    /// Makes it last.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => Ok(tx.commit().await?),
            Self::Postgres(tx) => Ok(tx.commit().await?),
        }
    }

    /// Takes it back.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => Ok(tx.rollback().await?),
            Self::Postgres(tx) => Ok(tx.rollback().await?),
        }
    }

    /// Runs one statement that brings nothing back, with no parameters.
    ///
    /// # Errors
    /// When the database refuses it.
    pub async fn run(&mut self, sql: &'static str) -> Result<(), StoreError> {
        super::on!(self, conn => sqlx::query(sql).execute(conn).await.map(|_| ()))
    }
}
