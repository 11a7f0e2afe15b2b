//! Fresh databases for scenarios, of every kind at hand, gone when they are done.

use std::path::{Path, PathBuf};

use carebell::store::Store;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, Executor as _, PgConnection};

/// A database that nobody else uses.
pub(crate) struct Database {
    /// What the config calls it.
    pub(crate) url: String,
    /// A folder for what belongs to the same scenario.
    pub(crate) folder: PathBuf,
    /// For people who read that a scenario broke.
    pub(crate) kind: &'static str,
    server: Option<String>,
}

/// One of each kind: SQLite always, PostgreSQL where `CAREBELL_TEST_POSTGRES` names a server.
pub(crate) async fn fresh() -> Vec<Database> {
    let mut all = vec![sqlite()];
    if let Ok(server) = std::env::var("CAREBELL_TEST_POSTGRES") {
        all.push(postgres(&server).await);
    }
    all
}

/// A file of its own.
pub(crate) fn sqlite() -> Database {
    let folder = folder();
    Database {
        url: format!("sqlite://{}", folder.join("carebell.db").display()),
        folder,
        kind: "SQLite",
        server: None,
    }
}

async fn postgres(server: &str) -> Database {
    let server = server.trim_end_matches('/').to_owned();
    let name = format!("scenario_{}", uuid::Uuid::now_v7().simple());
    run(&server, format!("CREATE DATABASE {name}")).await;
    Database {
        url: format!("{server}/{name}"),
        folder: folder(),
        kind: "PostgreSQL",
        server: Some(server),
    }
}

async fn run(server: &str, sql: String) {
    let mut connection = PgConnection::connect(&format!("{server}/postgres"))
        .await
        .unwrap();
    // The names in it are made of hexadecimal digits.
    connection
        .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)))
        .await
        .unwrap();
    connection.close().await.unwrap();
}

fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!(
        "carebell-scenario-{}",
        uuid::Uuid::now_v7().simple()
    ));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl Database {
    /// Opens it beside whoever else works on it.
    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url, &self.folder).await.unwrap()
    }

    /// Takes it away with its folder.
    pub(crate) async fn remove(&mut self) {
        if let Some(server) = self.server.take() {
            let name = self.url.rsplit('/').next().unwrap_or_default();
            run(&server, format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // What cannot be removed is left to the temporary folder's own fate.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The rows of a question.
pub(crate) async fn rows<T>(store: &Store, sql: &'static str) -> Vec<T>
where
    T: for<'r> sqlx::FromRow<'r, SqliteRow> + for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin,
{
    match store {
        Store::Sqlite { read, .. } => sqlx::query_as(sql).fetch_all(read).await.unwrap(),
        Store::Postgres { pool } => sqlx::query_as(sql).fetch_all(pool).await.unwrap(),
    }
}

/// Changes rows.
pub(crate) async fn execute(store: &Store, sql: &'static str) {
    match store {
        Store::Sqlite { write, .. } => _ = sqlx::query(sql).execute(write).await.unwrap(),
        Store::Postgres { pool } => _ = sqlx::query(sql).execute(pool).await.unwrap(),
    }
}

/// Where `words` stand: the files of an SQLite database in `folder`, the tables of a PostgreSQL one.
pub(crate) async fn holding(store: &Store, folder: &Path, words: &str) -> Vec<String> {
    match store {
        Store::Sqlite { .. } => {
            let files = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path());
            let own = files.filter(|file| {
                file.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("carebell.db"))
            });
            let kept = own.filter(|file| contains(&std::fs::read(file).unwrap(), words));
            kept.map(|file| file.display().to_string()).collect()
        }
        Store::Postgres { pool } => {
            const TABLES: &str = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
            let tables: Vec<(String,)> = sqlx::query_as(TABLES).fetch_all(pool).await.unwrap();
            let mut holding = Vec::new();
            for (table,) in tables {
                let sql = format!(
                    "SELECT COUNT(*) FROM {table} AS t WHERE CAST(t AS TEXT) LIKE '%' || $1 || '%'"
                );
                let (found,): (i64,) = sqlx::query_as(sqlx::AssertSqlSafe(sql))
                    .bind(words)
                    .fetch_one(pool)
                    .await
                    .unwrap();
                if found > 0 {
                    holding.push(table);
                }
            }
            holding
        }
    }
}

/// Whether `words` stand anywhere in `bytes`.
fn contains(bytes: &[u8], words: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(words)
}
