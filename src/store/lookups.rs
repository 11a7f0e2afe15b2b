//! What a batch of requests asks before it is accepted, each with one statement for all of them.

use jiff::Timestamp;
use serde::Serialize;

use super::{StoreError, Tx, execute, on, rows};
use crate::model::id::{MessageId, OccasionId, PatientId};

/// A record by the key of the system it is from. The key is private: this is for binding only.
#[derive(Clone, Copy, Serialize)]
pub struct SourceKey<'a> {
    /// Such as `his`.
    pub source: &'a str,
    /// That system's key.
    pub key: &'a str,
}

/// The patients with these keys: source, key, id.
///
/// # Errors
/// When the database fails.
pub async fn patients(
    tx: &mut Tx,
    keys: &[SourceKey<'_>],
) -> Result<Vec<(String, String, PatientId)>, StoreError> {
    const SQL: &str = "SELECT p.source, p.source_key, p.id FROM json_each($1) AS j
        JOIN patient AS p ON p.source = j.value ->> 'source' AND p.source_key = j.value ->> 'key'";
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    on!(tx, conn => sqlx::query_as(SQL).bind(rows(keys)).fetch_all(conn).await)
}

/// The occasions with these keys: source, key, id.
///
/// # Errors
/// When the database fails.
pub async fn occasions(
    tx: &mut Tx,
    keys: &[SourceKey<'_>],
) -> Result<Vec<(String, String, OccasionId)>, StoreError> {
    const SQL: &str = "SELECT o.source, o.source_key, o.id FROM json_each($1) AS j
        JOIN occasion AS o ON o.source = j.value ->> 'source' AND o.source_key = j.value ->> 'key'";
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    on!(tx, conn => sqlx::query_as(SQL).bind(rows(keys)).fetch_all(conn).await)
}

/// A message that holds an idempotency key.
#[derive(Clone, Debug)]
pub struct Former {
    /// Whose key.
    pub source: String,
    /// The key.
    pub key: String,
    /// The message.
    pub id: MessageId,
    /// Hash of the request that made it.
    pub body_hash: String,
    /// When it was accepted.
    pub created_at: i64,
}

/// The messages that hold these keys.
///
/// # Errors
/// When the database fails.
pub async fn formers(tx: &mut Tx, keys: &[SourceKey<'_>]) -> Result<Vec<Former>, StoreError> {
    const SQL: &str =
        "SELECT m.source, m.dedupe_key, m.id, m.body_hash, m.created_at FROM json_each($1) AS j
        JOIN message AS m ON m.source = j.value ->> 'source' AND m.dedupe_key = j.value ->> 'key'";
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<(String, String, MessageId, String, i64)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(keys)).fetch_all(conn).await)?;
    Ok(found
        .into_iter()
        .map(|(source, key, id, body_hash, created_at)| Former {
            source,
            key,
            id,
            body_hash,
            created_at,
        })
        .collect())
}

/// Frees the keys that these messages hold: they are too old to be repeated.
///
/// # Errors
/// When the database fails.
pub async fn free_keys(tx: &mut Tx, messages: &[MessageId]) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE message SET dedupe_key = id WHERE id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    let ids: Vec<super::Id<'_>> = messages
        .iter()
        .map(|id| super::Id { id: id.as_str() })
        .collect();
    execute!(tx, sqlx::query(SQL).bind(rows(&ids))).map(|_| ())
}

/// Messages of the classes that are capped, for these patients and addresses, due at `since` or later:
/// patient, hash of the address, when due.
///
/// What was never sent and never will be does not count.
/// # Errors
/// When the database fails.
pub async fn capped(
    tx: &mut Tx,
    patients: &[PatientId],
    address_hashes: &[&str],
    since: Timestamp,
) -> Result<Vec<(Option<PatientId>, String, i64)>, StoreError> {
    // One branch for each index.
    const SQL: &str = "SELECT m.patient_id, m.address_hash, m.send_at FROM message AS m
          WHERE m.patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j) AND m.send_at >= $3
            AND m.class IN ('survey', 'health_tip', 'invitation', 'greeting', 'promotion')
            AND m.state NOT IN ('suppressed', 'cancelled', 'failed', 'expired')
        UNION ALL SELECT m.patient_id, m.address_hash, m.send_at FROM message AS m
          WHERE m.address_hash IN (SELECT j.value ->> 'id' FROM json_each($2) AS j) AND m.patient_id IS NULL AND m.send_at >= $3
            AND m.class IN ('survey', 'health_tip', 'invitation', 'greeting', 'promotion')
            AND m.state NOT IN ('suppressed', 'cancelled', 'failed', 'expired')";
    if patients.is_empty() && address_hashes.is_empty() {
        return Ok(Vec::new());
    }
    let patients: Vec<super::Id<'_>> = patients
        .iter()
        .map(|id| super::Id { id: id.as_str() })
        .collect();
    let hashes: Vec<super::Id<'_>> = address_hashes.iter().map(|id| super::Id { id }).collect();
    on!(tx, conn => sqlx::query_as(SQL).bind(rows(&patients)).bind(rows(&hashes)).bind(since.as_millisecond()).fetch_all(conn).await)
}

/// Addresses of which every known holder has died, or of which everybody said that they are wrong: hash, died, wrong.
///
/// One that a living patient or a relation holds as well is not among the died.
/// # Errors
/// When the database fails.
pub async fn lost_addresses(
    tx: &mut Tx,
    address_hashes: &[&str],
) -> Result<Vec<(String, bool, bool)>, StoreError> {
    const SQL: &str = "SELECT c.address_hash,
          MIN(CASE WHEN p.deceased AND c.relation_id IS NULL THEN 1 ELSE 0 END) = 1,
          MIN(CASE WHEN c.status <> 'ok' THEN 1 ELSE 0 END) = 1
        FROM contact_point AS c JOIN patient AS p ON p.id = c.patient_id
        WHERE c.address_hash IN (SELECT j.value ->> 'id' FROM json_each($1) AS j) GROUP BY c.address_hash";
    if address_hashes.is_empty() {
        return Ok(Vec::new());
    }
    let hashes: Vec<super::Id<'_>> = address_hashes.iter().map(|id| super::Id { id }).collect();
    on!(tx, conn => sqlx::query_as(SQL).bind(rows(&hashes)).fetch_all(conn).await)
}
