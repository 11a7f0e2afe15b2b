//! Keeps databases that are filled and planned from one run to the next, so that a figure costs seconds.
//!
//! In the folder that `CAREBELL_BENCH_KEEP` names for SQLite, beside the others on the server for PostgreSQL.

use std::path::PathBuf;

use carebell::store::testing::TestStore;
use carebell::store::{Store, StoreError, migrate};

/// Where one database is kept.
pub(crate) enum Place {
    /// A file.
    File(PathBuf),
    /// A database of this name on the server at this URL.
    Server(String, String),
}

impl Place {
    /// Where the database of `size` patients is kept; `None` when nobody wants to keep one.
    pub(crate) fn of(test: &TestStore, size: i64) -> Option<Self> {
        let folder = std::env::var_os("CAREBELL_BENCH_KEEP")?;
        Some(match &test.store {
            Store::Sqlite { .. } => Self::File(PathBuf::from(folder).join(format!("{size}.db"))),
            Store::Postgres { .. } => Self::Server(server(test).0, format!("bench_kept_{size}")),
        })
    }

    /// Makes `test` what is kept here; says whether there was anything.
    pub(crate) async fn restore(&self, test: &TestStore) -> Result<bool, StoreError> {
        match self {
            Self::File(kept) if kept.exists() => {
                test.store.close().await;
                std::fs::copy(kept, file(test)).expect("the kept database can be read");
                let copy = std::fs::File::open(file(test)).expect("the copy is there");
                copy.sync_all().expect("the copy reaches the disk");
            }
            Self::Server(server, kept) if is_there(server, kept).await? => {
                test.store.close().await;
                let name = self::server(test).1;
                admin(server, &format!("DROP DATABASE {name}")).await?;
                admin(server, &format!("CREATE DATABASE {name} TEMPLATE {kept}")).await?;
                admin(server, "CHECKPOINT").await?;
            }
            Self::File(_) | Self::Server(..) => return Ok(false),
        }
        let store = Store::open(&test.url, &PathBuf::new()).await?;
        migrate::run(&store).await?;
        store.close().await;
        Ok(true)
    }

    /// Keeps what `test` is now. Nobody may have it open.
    pub(crate) async fn keep(&self, test: &TestStore) -> Result<(), StoreError> {
        test.store.close().await;
        match self {
            Self::File(kept) => {
                let folder = kept.parent().expect("a file lies in a folder");
                std::fs::create_dir_all(folder).expect("the folder to keep databases in");
                std::fs::copy(file(test), kept).expect("room for another database");
            }
            Self::Server(server, kept) => {
                let name = self::server(test).1;
                admin(server, &format!("CREATE DATABASE {kept} TEMPLATE {name}")).await?;
            }
        }
        Ok(())
    }
}

/// Removes the database from its server; a file goes with its folder.
pub(crate) async fn remove(test: &TestStore) -> Result<(), StoreError> {
    test.store.close().await;
    if let Store::Postgres { .. } = test.store {
        let (server, name) = server(test);
        admin(&server, &format!("DROP DATABASE {name}")).await?;
    }
    Ok(())
}

fn file(test: &TestStore) -> PathBuf {
    PathBuf::from(test.url.trim_start_matches("sqlite://"))
}

/// The server's URL and the name of the database on it.
fn server(test: &TestStore) -> (String, String) {
    let (server, name) = test.url.rsplit_once('/').expect("a URL names a database");
    (server.to_owned(), name.to_owned())
}

async fn is_there(server: &str, name: &str) -> Result<bool, StoreError> {
    let store = Store::open(&format!("{server}/postgres"), &PathBuf::new()).await?;
    let mut found = false;
    if let Store::Postgres { pool } = &store {
        let sql = "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)";
        found = sqlx::query_scalar(sql).bind(name).fetch_one(pool).await?;
    }
    store.close().await;
    Ok(found)
}

/// Runs a statement that no transaction may hold.
async fn admin(server: &str, sql: &str) -> Result<(), StoreError> {
    let store = Store::open(&format!("{server}/postgres"), &PathBuf::new()).await?;
    if let Store::Postgres { pool } = &store {
        // Made of names that we gave ourselves.
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::query(sql).execute(pool).await?;
    }
    store.close().await;
    Ok(())
}
