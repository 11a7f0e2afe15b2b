//! Both databases have the same tables: migrations in pairs, and the same columns in the end.

use std::collections::BTreeSet;

use carebell::store::testing::{postgres, sqlite};
use carebell::store::{Store, Tx};

use super::{files, none};

/// Table, column, type, whether it must have a value.
type Column = (String, String, String, bool);

const SQLITE: &str = "SELECT t.name, c.name, LOWER(c.type), c.\"notnull\" OR c.pk > 0 \
    FROM sqlite_master AS t, pragma_table_info(t.name) AS c \
    WHERE t.type = 'table' AND t.name NOT LIKE '\\_sqlx%' ESCAPE '\\'";
const POSTGRES: &str = "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'NO' \
    FROM information_schema.columns \
    WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_sqlx%'";

/// The indexes that we made, not those that a constraint brings.
const SQLITE_INDEXES: &str =
    "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL";
const POSTGRES_INDEXES: &str = "SELECT relname::text FROM pg_class \
    WHERE relkind = 'i' AND relnamespace = current_schema()::regnamespace \
    AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = pg_class.oid)";

/// Every column and index of a database.
async fn shape(store: &Store) -> BTreeSet<String> {
    let (columns, indexes): (Vec<Column>, Vec<String>) = match &mut store.read().await.unwrap() {
        Tx::Sqlite(tx) => (
            sqlx::query_as(SQLITE).fetch_all(&mut **tx).await.unwrap(),
            sqlx::query_scalar(SQLITE_INDEXES)
                .fetch_all(&mut **tx)
                .await
                .unwrap(),
        ),
        Tx::Postgres(tx) => (
            sqlx::query_as(POSTGRES).fetch_all(&mut **tx).await.unwrap(),
            sqlx::query_scalar(POSTGRES_INDEXES)
                .fetch_all(&mut **tx)
                .await
                .unwrap(),
        ),
    };
    assert!(
        columns.len() > 100 && indexes.len() > 10,
        "the question about the schema finds too little"
    );
    let columns = columns.into_iter().map(|(table, name, kind, needed)| {
        format!(
            "{table}.{name} {kind}{}",
            if needed { " NOT NULL" } else { "" }
        )
    });
    columns
        .chain(indexes.into_iter().map(|index| format!("index {index}")))
        .collect()
}

fn migrations(database: &str) -> Vec<String> {
    let folder = format!("migrations/{database}/");
    files()
        .into_iter()
        .filter_map(|file| Some(file.path.strip_prefix(&folder)?.to_owned()))
        .collect()
}

#[test]
fn migrations_come_in_pairs_of_one_name() {
    let names = migrations("sqlite");
    assert!(!names.is_empty());
    assert_eq!(names, migrations("postgres"));
}

#[test]
fn every_migration_is_compiled_in() {
    let list = super::read("src/store/migrate.rs");
    for database in ["sqlite", "postgres"] {
        for name in migrations(database) {
            assert!(
                list.contains(&format!("migrations/{database}/{name}")),
                "{database}/{name} is not in src/store/migrate.rs"
            );
        }
    }
}

#[tokio::test]
async fn both_databases_end_with_the_same_columns_and_indexes() {
    let file = sqlite().await.unwrap();
    let on_sqlite = shape(&file.store).await;
    // `make test` sets it; alone on SQLite there is nothing to compare with.
    let Ok(server) = std::env::var("CAREBELL_TEST_POSTGRES") else {
        return;
    };
    let server = postgres(&server).await.unwrap();
    let on_postgres = shape(&server.store).await;
    let only = |these: &BTreeSet<String>, those: &BTreeSet<String>, name: &str| -> Vec<String> {
        these
            .difference(those)
            .map(|what| format!("only on {name}: {what}"))
            .collect()
    };
    none(
        &[
            only(&on_sqlite, &on_postgres, "SQLite"),
            only(&on_postgres, &on_sqlite, "PostgreSQL"),
        ]
        .concat(),
    );
}

#[test]
fn when_everything_is_to_be_tested_postgres_is_there() {
    let all = std::env::var("CAREBELL_TEST_ALL").is_ok_and(|all| all == "1");
    assert!(
        !all || std::env::var("CAREBELL_TEST_POSTGRES").is_ok(),
        "run it through scripts/with-postgres"
    );
}
