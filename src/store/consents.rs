//! Leave to send, or its withdrawal.

use jiff::Timestamp;

use super::{StoreError, Tx, on};
use crate::model::id::{PatientId, RelationId};
use crate::model::patient::OptOut;

/// Sets what a patient, or one of their relations, said about `scope`; the later word counts.
///
/// `origin` says where the word came from: `reply`, `staff`, `source:<name>`.
/// # Errors
/// When the database refuses.
pub async fn set(
    tx: &mut Tx,
    patient: &PatientId,
    relation: Option<&RelationId>,
    scope: OptOut,
    granted: bool,
    origin: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO consent (patient_id, relation_id, scope, granted, origin, at) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (patient_id, relation_id, scope) DO UPDATE SET granted = excluded.granted, origin = excluded.origin, at = excluded.at
        WHERE consent.at <= excluded.at";
    let relation = relation.map_or("", RelationId::as_str);
    let (scope, at) = (scope.as_str(), now.as_millisecond());
    on!(tx, conn => sqlx::query(SQL).bind(patient).bind(relation).bind(scope).bind(granted).bind(origin).bind(at).execute(conn).await.map(|_| ()))?;
    Ok(())
}
