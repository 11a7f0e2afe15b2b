//! Who did what, where a person, a key or an import acted.

use jiff::Timestamp;

use super::{StoreError, Tx, on};

/// One row of the audit. It names records by id or by keyed hash, never by name or number.
#[derive(Clone, Debug)]
pub struct NewAudit<'a> {
    /// Who, such as `import:imp_…`.
    pub actor: &'a str,
    /// What, such as `patient.purged`.
    pub action: &'a str,
    /// To what.
    pub target: &'a str,
    /// More, such as counts.
    pub detail: serde_json::Value,
}

/// Writes one row.
///
/// # Errors
/// When the database refuses.
pub async fn add(tx: &mut Tx, audit: &NewAudit<'_>, now: Timestamp) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO audit (id, at, actor, action, target, detail) VALUES ($1, $2, $3, $4, $5, $6)";
    let id = format!("aud_{}", uuid::Uuid::now_v7().simple());
    on!(tx, conn => sqlx::query(SQL).bind(id).bind(now.as_millisecond()).bind(audit.actor).bind(audit.action).bind(audit.target)
        .bind(audit.detail.to_string()).execute(conn).await.map(|_| ()))
}

/// An act as it is kept.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// What else is worth knowing.
    pub detail: serde_json::Value,
}

/// What was done to `target`, in order.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn of(tx: &mut Tx, target: &str) -> Result<Vec<Entry>, StoreError> {
    const SQL: &str =
        "SELECT at, actor, action, detail FROM audit WHERE target = $1 ORDER BY at, id";
    let rows: Vec<(i64, String, String, String)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(target).fetch_all(conn).await)?;
    let bad = |what| StoreError::BadRow {
        table: "audit",
        what,
    };
    rows.into_iter()
        .map(|(at, actor, action, detail)| {
            let at = Timestamp::from_millisecond(at).map_err(|_| bad("at"))?;
            Ok(Entry {
                at,
                actor,
                action,
                detail: serde_json::from_str(&detail).map_err(|_| bad("detail"))?,
            })
        })
        .collect()
}
