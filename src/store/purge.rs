//! Takes every row about a patient away: for one who is found to be sensitive, or whom the source forgets.

use jiff::Timestamp;

use super::patients::{ids, stop_all};
use super::{Store, StoreError, Tx, on};
use crate::model::id::PatientId;
use crate::model::reminder::SkipReason;

/// Withdraws what has not left for these patients and removes every row about them. What stays are
/// events, which carry ids only.
///
/// # Errors
/// When the database refuses.
pub async fn patients(
    tx: &mut Tx,
    gone: &[PatientId],
    reason: SkipReason,
    now: Timestamp,
) -> Result<(), StoreError> {
    // Children first. Contact points, relations, facts, occasions and consent go with the patient.
    const STATEMENTS: [&str; 12] = [
        "DELETE FROM attempt_part WHERE attempt_id IN (SELECT a.id FROM attempt AS a JOIN message AS m ON m.id = a.message_id
            WHERE m.patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j))",
        "DELETE FROM attempt WHERE message_id IN (SELECT m.id FROM message AS m WHERE m.patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j))",
        "DELETE FROM dispatch WHERE message_id IN (SELECT m.id FROM message AS m WHERE m.patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j))",
        "DELETE FROM inbox WHERE id IN (SELECT r.inbox_id FROM reply AS r WHERE r.patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j))",
        "DELETE FROM reply WHERE patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)",
        "DELETE FROM question WHERE patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)",
        "DELETE FROM task WHERE patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)",
        "DELETE FROM change_request WHERE patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)",
        "DELETE FROM reminder WHERE patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)",
        "DELETE FROM message WHERE patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)",
        "DELETE FROM suppression WHERE patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)",
        "DELETE FROM patient WHERE id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)",
    ];
    if gone.is_empty() {
        return Ok(());
    }
    stop_all(tx, gone, reason, now).await?;
    let set = ids(gone);
    for sql in STATEMENTS {
        on!(&mut *tx, conn => sqlx::query(sql).bind(&set).execute(conn).await.map(|_| ()))?;
    }
    // The planner has nothing to plan for somebody who is gone.
    const MARK: &str = "DELETE FROM plan_mark WHERE patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    const OF_OCCASIONS: &str = "DELETE FROM plan_mark_occasion WHERE patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    on!(&mut *tx, conn => sqlx::query(MARK).bind(&set).execute(conn).await.map(|_| ()))?;
    on!(tx, conn => sqlx::query(OF_OCCASIONS).bind(&set).execute(conn).await.map(|_| ()))
}

/// After the commit of a purge: empties SQLite's journal, where old pages would stay until it is written over.
/// PostgreSQL's autovacuum does the like in its own time.
///
/// # Errors
/// When the database refuses.
pub async fn forget(store: &Store) -> Result<(), StoreError> {
    store.empty_log().await
}
