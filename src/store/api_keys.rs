//! API keys, by their hash. What they allow is read in `access`.

use jiff::Timestamp;

use super::{StoreError, Tx, audits, execute, on};
use crate::model::id::ApiKeyId;

/// A key that is to be kept.
#[derive(Debug)]
pub struct NewApiKey<'a> {
    /// Its id.
    pub id: &'a ApiKeyId,
    /// What people call it.
    pub name: &'a str,
    /// The hash of what its holder shows.
    pub hash: &'a str,
    /// The words of its scopes.
    pub scopes: &'a [&'a str],
}

/// A key as it is kept.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What people call it.
    pub name: String,
    /// The hash of what its holder shows.
    pub hash: String,
    /// The words of its scopes.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

type Row = (ApiKeyId, String, String, String, i64, Option<i64>);

/// Keeps a key, and writes that down in the audit.
///
/// # Errors
/// When the database fails.
pub async fn add(
    tx: &mut Tx,
    new: &NewApiKey<'_>,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO api_key (id, name, hash, scopes, created_at) VALUES ($1, $2, $3, $4, $5)";
    let scopes = serde_json::json!(new.scopes).to_string();
    execute!(
        &mut *tx,
        sqlx::query(SQL)
            .bind(new.id)
            .bind(new.name)
            .bind(new.hash)
            .bind(&scopes)
            .bind(now.as_millisecond())
    )?;
    let detail = serde_json::json!({"name": new.name, "scopes": new.scopes});
    audits::add(
        tx,
        &audits::NewAudit {
            actor,
            action: "api_key.create",
            target: new.id.as_str(),
            detail,
        },
        now,
    )
    .await
}

/// The key with this hash, revoked or not.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn by_hash(tx: &mut Tx, hash: &str) -> Result<Option<ApiKey>, StoreError> {
    const SQL: &str =
        "SELECT id, name, hash, scopes, created_at, revoked_at FROM api_key WHERE hash = $1";
    let row: Option<Row> =
        on!(tx, conn => sqlx::query_as(SQL).bind(hash).fetch_optional(conn).await)?;
    row.map(read).transpose()
}

/// What a key is called.
///
/// # Errors
/// When the database fails.
pub async fn name(tx: &mut Tx, id: &ApiKeyId) -> Result<Option<String>, StoreError> {
    const SQL: &str = "SELECT name FROM api_key WHERE id = $1";
    on!(tx, conn => sqlx::query_scalar(SQL).bind(id).fetch_optional(conn).await)
}

/// All keys, oldest first.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list(tx: &mut Tx) -> Result<Vec<ApiKey>, StoreError> {
    const SQL: &str =
        "SELECT id, name, hash, scopes, created_at, revoked_at FROM api_key ORDER BY id";
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).fetch_all(conn).await)?;
    rows.into_iter().map(read).collect()
}

/// Takes a key back; whether it stood until now.
///
/// # Errors
/// When the database fails.
pub async fn revoke(
    tx: &mut Tx,
    id: &ApiKeyId,
    actor: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    let taken = execute!(
        &mut *tx,
        sqlx::query(SQL).bind(id).bind(now.as_millisecond())
    )?;
    if taken == 0 {
        return Ok(false);
    }
    let act = audits::NewAudit {
        actor,
        action: "api_key.revoke",
        target: id.as_str(),
        detail: serde_json::json!({}),
    };
    audits::add(tx, &act, now).await?;
    Ok(true)
}

fn read((id, name, hash, scopes, created_at, revoked_at): Row) -> Result<ApiKey, StoreError> {
    let bad = |what| StoreError::BadRow {
        table: "api_key",
        what,
    };
    let instant = |ms| Timestamp::from_millisecond(ms).map_err(|_| bad("an instant"));
    Ok(ApiKey {
        id,
        name,
        hash,
        scopes: serde_json::from_str(&scopes).map_err(|_| bad("scopes"))?,
        created_at: instant(created_at)?,
        revoked_at: revoked_at.map(instant).transpose()?,
    })
}
