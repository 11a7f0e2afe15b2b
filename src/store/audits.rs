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
