//! Who did what, where a person or a key acted: ids and words, never a name, a number or a text of a patient.

use jiff::Timestamp;

use super::{StoreError, Tx, execute, on};

/// Something that somebody did.
#[derive(Debug)]
pub struct Act<'a> {
    /// `api:<key id>`, `cli`, or a member of staff.
    pub actor: &'a str,
    /// What they did, such as `message.cancel`.
    pub action: &'a str,
    /// The id of what they did it to.
    pub target: &'a str,
    /// What else is worth knowing.
    pub detail: serde_json::Value,
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

/// Writes `act` down, in the transaction of the act itself.
///
/// # Errors
/// When the database fails.
pub async fn add(tx: &mut Tx, act: &Act<'_>, now: Timestamp) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO audit (id, at, actor, action, target, detail) VALUES ($1, $2, $3, $4, $5, $6)";
    let id = format!("aud_{}", uuid::Uuid::now_v7().simple());
    let detail = act.detail.to_string();
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(id)
            .bind(now.as_millisecond())
            .bind(act.actor)
            .bind(act.action)
            .bind(act.target)
            .bind(detail)
    )?;
    Ok(())
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
