//! Fresh databases for tests: SQLite always, PostgreSQL where `CAREBELL_TEST_POSTGRES` names a server.

use std::path::PathBuf;

use super::{Store, StoreError, migrate};

/// A database of its own that goes when it is dropped.
#[derive(Debug)]
pub struct TestStore {
    /// The open database, migrated.
    pub store: Store,
    /// Its URL, to open it again.
    pub url: String,
    dir: PathBuf,
}

impl Drop for TestStore {
    fn drop(&mut self) {
        // What cannot be removed is left to the temporary folder's own fate.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// One fresh database of each kind at hand.
///
/// # Panics
/// When one cannot be made: a test without its database is a failure.
pub async fn stores() -> Vec<TestStore> {
    let mut all = vec![
        sqlite()
            .await
            .expect("an SQLite file can be made in the temporary folder"),
    ];
    if let Ok(server) = std::env::var("CAREBELL_TEST_POSTGRES") {
        all.push(
            postgres(&server)
                .await
                .expect("CAREBELL_TEST_POSTGRES names a server that lets us make databases"),
        );
    }
    all
}

/// A fresh SQLite file.
///
/// # Errors
/// When it cannot be made.
pub async fn sqlite() -> Result<TestStore, StoreError> {
    let dir = folder();
    let url = format!("sqlite://{}", dir.join("carebell.db").display());
    let store = Store::open(&url, &dir).await?;
    migrate::run(&store).await?;
    Ok(TestStore { store, url, dir })
}

/// A fresh database on the PostgreSQL server at `server` (`postgres://user@host:port`).
///
/// # Errors
/// When it cannot be made.
pub async fn postgres(server: &str) -> Result<TestStore, StoreError> {
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    let base = server.trim_end_matches('/');
    let admin = Store::open(&format!("{base}/postgres"), &PathBuf::new()).await?;
    if let Store::Postgres { pool } = &admin {
        // The name is made of hexadecimal digits only.
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(pool)
            .await?;
    }
    admin.close().await;
    let dir = folder();
    let url = format!("{base}/{name}");
    let store = Store::open(&url, &dir).await?;
    migrate::run(&store).await?;
    Ok(TestStore { store, url, dir })
}

fn folder() -> PathBuf {
    let dir = std::env::temp_dir().join(format!("carebell-test-{}", uuid::Uuid::now_v7().simple()));
    std::fs::create_dir_all(&dir).expect("the temporary folder takes a new one");
    dir
}

#[cfg(test)]
mod tests {
    use crate::store::StoreError;
    use crate::store::{migrate, on, rows};

    #[tokio::test]
    async fn one_sql_text_serves_both_databases() -> Result<(), StoreError> {
        #[derive(serde::Serialize)]
        struct Row<'a> {
            id: &'a str,
            n: i64,
            flag: bool,
            note: Option<&'a str>,
        }
        const SQL: &str = "SELECT j.value ->> 'id', CAST(j.value ->> 'n' AS BIGINT), CAST(j.value ->> 'flag' AS BOOLEAN), j.value ->> 'note' FROM json_each($1) AS j ORDER BY 1";
        for test in super::stores().await {
            let mut tx = test.store.read().await?;
            let set = rows(&[
                Row {
                    id: "a",
                    n: 7,
                    flag: true,
                    note: None,
                },
                Row {
                    id: "b",
                    n: -1,
                    flag: false,
                    note: Some("引 ' \""),
                },
            ]);
            let read: Vec<(String, i64, bool, Option<String>)> =
                on!(&mut tx, conn => sqlx::query_as(SQL).bind(&set).fetch_all(conn).await)?;
            assert_eq!(
                read,
                [
                    ("a".to_owned(), 7, true, None),
                    ("b".to_owned(), -1, false, Some("引 ' \"".to_owned()))
                ]
            );
            let schema = migrate::schema(&test.store).await?;
            assert_eq!((schema.at, schema.missing), (schema.newest, Vec::new()));
        }
        Ok(())
    }
}
