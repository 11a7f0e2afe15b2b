//! Brings a database up to date: migrations in pairs of one name, only forward.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::{Store, StoreError, Tx, on};

/// Number, name, text for SQLite, text for PostgreSQL.
const MIGRATIONS: &[(i64, &str, &str, &str)] = &[
    (
        1,
        "first light",
        include_str!("../../migrations/sqlite/0001_first_light.sql"),
        include_str!("../../migrations/postgres/0001_first_light.sql"),
    ),
    (
        2,
        "planning",
        include_str!("../../migrations/sqlite/0002_planning.sql"),
        include_str!("../../migrations/postgres/0002_planning.sql"),
    ),
    (
        3,
        "told",
        include_str!("../../migrations/sqlite/0003_told.sql"),
        include_str!("../../migrations/postgres/0003_told.sql"),
    ),
    (
        4,
        "staff",
        include_str!("../../migrations/sqlite/0004_staff.sql"),
        include_str!("../../migrations/postgres/0004_staff.sql"),
    ),
    (
        5,
        "campaigns",
        include_str!("../../migrations/sqlite/0005_campaigns.sql"),
        include_str!("../../migrations/postgres/0005_campaigns.sql"),
    ),
    (
        12,
        "retention",
        include_str!("../../migrations/sqlite/0012_retention.sql"),
        include_str!("../../migrations/postgres/0012_retention.sql"),
    ),
];

/// What a database needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The last migration it has; 0 for none.
    pub at: i64,
    /// The last one we know.
    pub newest: i64,
}

/// Applies every migration that is missing.
///
/// # Errors
/// When one fails or was changed after it was applied.
pub async fn run(store: &Store) -> Result<(), StoreError> {
    let done = match store {
        Store::Sqlite { write, .. } => migrator(|m| m.2).run(write).await,
        Store::Postgres { pool } => migrator(|m| m.3).run(pool).await,
    };
    done.map_err(|error| {
        StoreError::Schema(format!(
            "the database cannot be brought up to date: {error}"
        ))
    })
}

fn migrator(
    text: impl Fn(&(i64, &'static str, &'static str, &'static str)) -> &'static str,
) -> Migrator {
    let list: Vec<Migration> = MIGRATIONS
        .iter()
        .map(|m| {
            Migration::new(
                m.0,
                Cow::Borrowed(m.1),
                MigrationType::Simple,
                sqlx::SqlStr::from_static(text(m)),
                false,
            )
        })
        .collect();
    Migrator::with_migrations(list)
}

/// Where the schema stands.
///
/// # Errors
/// When the database cannot be asked.
pub async fn schema(store: &Store) -> Result<Schema, StoreError> {
    const SQLITE: &str = "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
    const POSTGRES: &str = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = '_sqlx_migrations' AND table_schema = current_schema()";
    const LAST: &str = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations WHERE success";
    let newest = MIGRATIONS.last().map_or(0, |m| m.0);
    let mut tx = store.read().await?;
    let known = match &mut tx {
        Tx::Sqlite(_) => SQLITE,
        Tx::Postgres(_) => POSTGRES,
    };
    let tables: i64 = on!(&mut tx, conn => sqlx::query_scalar(known).fetch_one(conn).await)?;
    if tables == 0 {
        return Ok(Schema { at: 0, newest });
    }
    let at: i64 = on!(&mut tx, conn => sqlx::query_scalar(LAST).fetch_one(conn).await)?;
    Ok(Schema { at, newest })
}
