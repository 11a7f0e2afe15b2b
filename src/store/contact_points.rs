//! Numbers and addresses: what became of them.

use super::{StoreError, Tx, on};
use crate::model::id::PatientId;
use crate::model::patient::ContactStatus;

/// Sets the status of an address, of one patient's record or wherever it is kept.
///
/// Returns the patients whose record changed, for the caller to mark.
/// # Errors
/// When the database refuses.
pub async fn mark(tx: &mut Tx, address_hash: &str, patient: Option<&PatientId>, status: ContactStatus) -> Result<Vec<PatientId>, StoreError> {
    const SQL: &str = "UPDATE contact_point SET status = $1
        WHERE address_hash = $2 AND ($3 = '' OR patient_id = $3) AND status <> $1 RETURNING patient_id";
    let of = patient.map_or("", PatientId::as_str);
    on!(tx, conn => sqlx::query_scalar(SQL).bind(status.as_str()).bind(address_hash).bind(of).fetch_all(conn).await)
}
