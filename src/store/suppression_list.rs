//! Suppressions as others look at them and take them back: by id.

use jiff::Timestamp;

use super::message_view::{Place, instant};
use super::suppressions::{Suppression, SuppressionReason};
use super::{StoreError, Tx, audits, execute, on};
use crate::model::id::{PatientId, SuppressionId};
use crate::model::patient::OptOut;

/// One page of the suppressions that stand, newest first; of one address, if its hash is given.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list(
    tx: &mut Tx,
    address_hash: &str,
    after: Option<&Place>,
    most: i64,
) -> Result<Vec<Suppression>, StoreError> {
    const SQL: &str = "SELECT id, address_hash, patient_id, scope, reason, created_at FROM suppression
        WHERE lifted_at IS NULL AND ($1 = '' OR address_hash = $1) AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT $4";
    let (at, id) = after.map_or((i64::MAX, "zzzz"), |place| (place.at, place.id.as_str()));
    let rows: Vec<(SuppressionId, String, String, String, String, i64)> = on!(tx, conn => sqlx::query_as(SQL).bind(address_hash).bind(at).bind(id).bind(most).fetch_all(conn).await)?;
    let bad = |what| StoreError::BadRow {
        table: "suppression",
        what,
    };
    rows.into_iter()
        .map(|(id, address_hash, patient, scope, reason, at)| {
            Ok(Suppression {
                id,
                address_hash,
                patient: PatientId::parse(&patient),
                scope: OptOut::parse(&scope).ok_or(bad("scope"))?,
                reason: SuppressionReason::parse(&reason).ok_or(bad("reason"))?,
                created_at: instant("suppression", at)?,
            })
        })
        .collect()
}

/// Lifts a suppression for `actor`; false when none of that id stands.
///
/// # Errors
/// When the database fails.
pub async fn lift(
    tx: &mut Tx,
    id: &SuppressionId,
    actor: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE suppression SET lifted_at = $2 WHERE id = $1 AND lifted_at IS NULL";
    if execute!(
        &mut *tx,
        sqlx::query(SQL).bind(id).bind(now.as_millisecond())
    )? == 0
    {
        return Ok(false);
    }
    let act = audits::NewAudit {
        actor,
        action: "suppression.lift",
        target: id.as_str(),
        detail: serde_json::json!({}),
    };
    audits::add(tx, &act, now).await?;
    Ok(true)
}
