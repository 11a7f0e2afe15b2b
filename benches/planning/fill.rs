//! Fills a database with so many patients, each with two facts and one occasion on average, by one statement for each table.

use carebell::store::{Store, StoreError, Tx};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

/// The day that a bench begins on.
pub(crate) const FIRST: Date = Date::constant(2026, 9, 18);
/// Occasions lie on the days from a year back to half a year ahead.
const BACK: i64 = 360;
const DAYS: i64 = 540;
/// Patients filled in one transaction.
const BATCH: i64 = 50_000;

// What is as if drawn by lot hangs on the number i alone: i times a large prime, and what remains of it.

const PATIENT: &str = "INSERT INTO patient (id, source, source_key, name, sex, birth_on, birth_md, language, deceased, special, held, tags, prefer,
      attributes, row_hash, created_at, updated_at)
    SELECT 'pat_019900000000700080000' || CAST(10000000000 + i AS TEXT), 'his', 'P' || CAST(10000000000 + i AS TEXT),
      '{\"full\":\"Patient ' || CAST(i AS TEXT) || '\"}', CASE WHEN b % 2 = 0 THEN 'female' ELSE 'male' END,
      CAST(1930 + b % 90 AS TEXT) || '-' || SUBSTR(CAST(101 + a % 12 AS TEXT), 2) || '-' || SUBSTR(CAST(101 + c % 28 AS TEXT), 2),
      (1 + a % 12) * 100 + 1 + c % 28, 'zh-CN', c % 50 = 7, FALSE, FALSE, CASE WHEN b % 100 = 0 THEN '[\"vip\"]' ELSE '[]' END, '[]',
      '{\"occupation\":\"teacher\"}', 'h' || CAST(i AS TEXT), 0, 0
    FROM bench_lot WHERE i > $1 AND i <= $2";
const CONTACT: &str = "INSERT INTO contact_point (id, patient_id, relation_id, kind, address, address_hash, rank, status)
    SELECT 'con_019900000000700080000' || CAST(10000000000 + i AS TEXT), 'pat_019900000000700080000' || CAST(10000000000 + i AS TEXT), NULL,
      'phone', '+86138' || SUBSTR(CAST(100000000 + i AS TEXT), 2), CAST(1000000000000000 + a * 7919 AS TEXT) || CAST(1000000000000000 + i AS TEXT), 0, 'ok'
    FROM bench_lot WHERE i > $1 AND i <= $2";
/// Eight of a hundred have diabetes; all have another diagnosis.
const DIAGNOSIS: &str = "INSERT INTO fact (id, patient_id, source, source_key, coding, kind, code, on_day, attributes, row_hash, updated_at)
    SELECT 'fac_019900000000700080000' || CAST(10000000000 + i AS TEXT), 'pat_019900000000700080000' || CAST(10000000000 + i AS TEXT), 'his',
      'D' || CAST(10000000000 + i AS TEXT), 0, 'diagnosis', CASE WHEN c % 100 < 8 THEN 'E1' || CAST(c % 5 AS TEXT) || '.9'
        ELSE 'J' || CAST(10 + b % 90 AS TEXT) || '.' || CAST(a % 10 AS TEXT) END,
      CAST(2015 + b % 11 AS TEXT) || '-' || SUBSTR(CAST(101 + a % 12 AS TEXT), 2) || '-11', '{}', 'h' || CAST(i AS TEXT), 0
    FROM bench_lot WHERE i > $1 AND i <= $2";
const ENCOUNTER: &str = "INSERT INTO fact (id, patient_id, source, source_key, coding, kind, code, on_day, attributes, row_hash, updated_at)
    SELECT 'fac_019900000000700090000' || CAST(10000000000 + i AS TEXT), 'pat_019900000000700080000' || CAST(10000000000 + i AS TEXT), 'his',
      'E' || CAST(10000000000 + i AS TEXT), 0, CASE WHEN a % 2 = 0 THEN 'encounter' ELSE 'medication' END, 'X' || CAST(a % 300 AS TEXT),
      CAST(2015 + a % 11 AS TEXT) || '-' || SUBSTR(CAST(101 + b % 12 AS TEXT), 2) || '-12', '{}', 'h' || CAST(i AS TEXT), 0
    FROM bench_lot WHERE i > $1 AND i <= $2";
const OCCASION: &str = "INSERT INTO occasion (id, patient_id, source, source_key, kind, local_at, timezone, at, status, epoch, confirmation, created_at,
      department, place, attributes, row_hash, updated_at)
    SELECT 'occ_019900000000700080000' || CAST(10000000000 + i AS TEXT),
      'pat_019900000000700080000' || CAST(10000000000 + 1 + (i - 1) / 10 * 10 + a % 10 AS TEXT), 'his', 'O' || CAST(10000000000 + i AS TEXT),
      CASE WHEN c % 10 < 4 THEN 'appointment' WHEN c % 10 < 6 THEN 'recheck' WHEN c % 10 < 8 THEN 'revisit' ELSE 'infusion' END,
      d.day || 'T' || SUBSTR(CAST(108 + c % 9 AS TEXT), 2) || ':30', 'Asia/Shanghai', d.midnight + (8 + c % 9) * 3600000 + 1800000,
      CASE WHEN d.n < 360 THEN 'fulfilled' ELSE 'booked' END, 1, 'none', NULL, 'clinical', 'Room 3', '{}', 'h' || CAST(i AS TEXT), d.midnight
    FROM bench_lot CROSS JOIN bench_day AS d WHERE i > $1 AND i <= $2 AND d.n = b % 540";

/// Fills an empty database with `size` patients.
pub(crate) async fn fill(store: &Store, size: i64) -> Result<(), StoreError> {
    quick(store, true).await?;
    let mut tx = store.write().await?;
    tx.run("CREATE TABLE bench_lot (i BIGINT PRIMARY KEY, a BIGINT, b BIGINT, c BIGINT)")
        .await?;
    tx.run("CREATE TABLE bench_day (n BIGINT PRIMARY KEY, day TEXT, midnight BIGINT)")
        .await?;
    days(&mut tx).await?;
    numbers(
        &mut tx,
        "WITH RECURSIVE n (i) AS (SELECT CAST($1 AS BIGINT) + 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
            INSERT INTO bench_lot SELECT i, i * 2654435761 % 1000003, i * 40503001 % 999983, i * 69621077 % 999961 FROM n",
        0,
        size,
    )
    .await?;
    tx.commit().await?;
    let mut from = 0;
    while from < size {
        let to = (from + BATCH).min(size);
        let mut tx = store.write().await?;
        for sql in [PATIENT, CONTACT, DIAGNOSIS, ENCOUNTER, OCCASION] {
            numbers(&mut tx, sql, from, to).await?;
        }
        tx.commit().await?;
        from = to;
    }
    let mut tx = store.write().await?;
    tx.run("DROP TABLE bench_lot").await?;
    tx.run("DROP TABLE bench_day").await?;
    tx.commit().await?;
    quick(store, false).await?;
    if let Store::Postgres { pool } = store {
        // What autovacuum does by itself within a minute or two of such an import.
        sqlx::query("VACUUM ANALYZE").execute(pool).await?;
        sqlx::query("CHECKPOINT").execute(pool).await?;
    }
    Ok(())
}

/// SQLite fills faster without a sync at each commit and with a large cache; PostgreSQL needs neither.
async fn quick(store: &Store, quick: bool) -> Result<(), StoreError> {
    if let Store::Sqlite { write, .. } = store {
        let pragmas = if quick {
            ["PRAGMA synchronous = OFF", "PRAGMA cache_size = -400000"]
        } else {
            [
                "PRAGMA wal_checkpoint(TRUNCATE)",
                "PRAGMA synchronous = FULL",
            ]
        };
        for pragma in pragmas {
            sqlx::query(pragma).execute(write).await?;
        }
    }
    Ok(())
}

/// Runs `sql` with two numbers.
async fn numbers(tx: &mut Tx, sql: &'static str, from: i64, to: i64) -> Result<(), StoreError> {
    match tx {
        Tx::Sqlite(tx) => {
            let query = sqlx::query(sql).bind(from).bind(to);
            query.execute(&mut **tx).await?;
        }
        Tx::Postgres(tx) => {
            let query = sqlx::query(sql).bind(from).bind(to);
            query.execute(&mut **tx).await?;
        }
    }
    Ok(())
}

/// The days that occasions lie on.
async fn days(tx: &mut Tx) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO bench_day (n, day, midnight) VALUES ($1, $2, $3)";
    let zone = TimeZone::get("Asia/Shanghai").expect("the database of zones has it");
    for n in 0..DAYS {
        let day = FIRST.saturating_add(Span::new().days(n - BACK));
        let midnight = zone.to_timestamp(day.at(0, 0, 0, 0));
        let midnight = midnight.expect("a day of our time").as_millisecond();
        let day = day.to_string();
        match tx {
            Tx::Sqlite(tx) => {
                let query = sqlx::query(SQL).bind(n).bind(&day).bind(midnight);
                query.execute(&mut **tx).await?;
            }
            Tx::Postgres(tx) => {
                let query = sqlx::query(SQL).bind(n).bind(&day).bind(midnight);
                query.execute(&mut **tx).await?;
            }
        }
    }
    Ok(())
}

/// Noon of the day `n` days after the first.
pub(crate) fn noon(n: i64) -> jiff::Timestamp {
    let zone = TimeZone::get("Asia/Shanghai").expect("the database of zones has it");
    let day = FIRST.saturating_add(n.days());
    zone.to_timestamp(day.at(12, 0, 0, 0))
        .expect("a day of our time")
}
