//! Words kept about this database itself, by name; and whether it takes writes at all.

use jiff::Timestamp;

use super::{StoreError, Tx, execute, on};

/// Written by every look whether the database takes writes.
const PROBED_AT: &str = "probed_at";
/// Written by a verb that wants the daemon to read its documents anew.
const RELOAD_ASKED: &str = "reload_asked";

/// The word that is kept under `name`.
///
/// # Errors
/// When the database fails.
pub async fn get(tx: &mut Tx, name: &str) -> Result<Option<String>, StoreError> {
    const SQL: &str = "SELECT value FROM site WHERE name = $1";
    Ok(on!(tx, conn => sqlx::query_scalar(SQL).bind(name).fetch_optional(conn).await)?)
}

/// Keeps `value` under `name`.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut Tx, name: &str, value: &str) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO site (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value";
    execute!(tx, sqlx::query(SQL).bind(name).bind(value)).map(|_| ())
}

/// Writes a word in a transaction of its own: when this returns, the database takes writes.
///
/// # Errors
/// When it does not.
pub async fn probe(store: &super::Store, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    put(&mut tx, PROBED_AT, &now.as_millisecond().to_string()).await?;
    tx.commit().await
}

/// Asks the daemon that works on this database to read its documents anew.
///
/// # Errors
/// When the database fails.
pub async fn ask_to_reload(tx: &mut Tx) -> Result<(), StoreError> {
    let id = uuid::Uuid::now_v7().simple().to_string();
    put(tx, RELOAD_ASKED, &id).await
}

/// What was asked last; another one than before asks anew.
///
/// # Errors
/// When the database fails.
pub async fn reload_asked(tx: &mut Tx) -> Result<Option<String>, StoreError> {
    get(tx, RELOAD_ASKED).await
}
