//! Brings a database up to date: migrations in pairs of one name, only forward.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::{Store, StoreError, Tx, on};

/// Number, name, text for SQLite, text for PostgreSQL.
const MIGRATIONS: &[(i64, &str, &str, &str)] = &[
    (
        1,
        "first_light",
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
        6,
        "planning_speed",
        include_str!("../../migrations/sqlite/0006_planning_speed.sql"),
        include_str!("../../migrations/postgres/0006_planning_speed.sql"),
    ),
    (
        7,
        "own_leads",
        include_str!("../../migrations/sqlite/0007_own_leads.sql"),
        include_str!("../../migrations/postgres/0007_own_leads.sql"),
    ),
    (
        10,
        "amqp",
        include_str!("../../migrations/sqlite/0010_amqp.sql"),
        include_str!("../../migrations/postgres/0010_amqp.sql"),
    ),
    (
        13,
        "routing",
        include_str!("../../migrations/sqlite/0013_routing.sql"),
        include_str!("../../migrations/postgres/0013_routing.sql"),
    ),
];

/// Which migrations a database has, beside those that we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The last migration it has; 0 for none.
    pub at: i64,
    /// The last one we know.
    pub newest: i64,
    /// Those we know that it lacks, also between others.
    pub missing: Vec<i64>,
    /// Those it has that we do not know: it was made by a later program.
    pub unknown: Vec<i64>,
}

impl Schema {
    fn of(done: &[i64], known: &[i64]) -> Self {
        let without = |all: &[i64], those: &[i64]| {
            let rest = all.iter().filter(|one| !those.contains(one));
            rest.copied().collect()
        };
        Self {
            at: done.iter().copied().max().unwrap_or(0),
            newest: known.iter().copied().max().unwrap_or(0),
            missing: without(known, done),
            unknown: without(done, known),
        }
    }
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
    const DONE: &str = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";
    let known: Vec<i64> = MIGRATIONS.iter().map(|m| m.0).collect();
    let mut tx = store.read().await?;
    let has_table = match &mut tx {
        Tx::Sqlite(_) => SQLITE,
        Tx::Postgres(_) => POSTGRES,
    };
    let tables: i64 = on!(&mut tx, conn => sqlx::query_scalar(has_table).fetch_one(conn).await)?;
    let mut done = Vec::new();
    if tables > 0 {
        done = on!(&mut tx, conn => sqlx::query_scalar(DONE).fetch_all(conn).await)?;
    }
    Ok(Schema::of(&done, &known))
}

#[cfg(test)]
mod tests {
    use super::{Schema, run, schema};
    use crate::store::{StoreError, execute, testing};

    #[test]
    fn a_migration_that_is_missing_between_others_is_told() {
        let schema = Schema::of(&[1, 2, 4], &[1, 2, 3, 4]);
        assert_eq!((schema.at, schema.newest), (4, 4));
        assert_eq!((schema.missing, schema.unknown), (vec![3], vec![]));
    }

    #[test]
    fn a_migration_that_we_do_not_know_is_told_though_we_know_a_later_one() {
        let schema = Schema::of(&[1, 2, 3, 4], &[1, 2, 4]);
        assert_eq!((schema.missing, schema.unknown), (vec![], vec![3]));
    }

    #[tokio::test]
    async fn what_is_missing_between_others_is_applied() -> Result<(), StoreError> {
        for test in testing::stores().await {
            let mut tx = test.store.write().await?;
            // As if the third had come from another branch: what it makes is gone with its row.
            execute!(&mut tx, sqlx::query("DROP TABLE question_reach"))?;
            execute!(&mut tx, sqlx::query("DROP TABLE occasion_date"))?;
            execute!(
                &mut tx,
                sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 3")
            )?;
            tx.commit().await?;
            assert_eq!(schema(&test.store).await?.missing, [3]);
            run(&test.store).await?;
            let now = schema(&test.store).await?;
            assert!(now.missing.is_empty() && now.unknown.is_empty());
        }
        Ok(())
    }
}
