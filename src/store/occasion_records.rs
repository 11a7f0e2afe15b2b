//! Occasions as a source tells them: what is known, and what a change of date or status brings with it.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::json;

use super::bulk::{Cell, Insert};
use super::events::{self, NewEvent};
use super::{Id, StoreError, Tx, earlier, marks, on, rows, withdraw};
use crate::model::id::{ChangeRequestId, OccasionId, PatientId};
use crate::model::occasion::{Confirmation, OccasionStatus};

/// What we have of an occasion, as far as a new record must be compared with it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Our own id.
    pub id: OccasionId,
    /// Whose it is.
    pub patient: PatientId,
    /// The version it was last told in.
    pub version: Option<i64>,
    /// Hash of the record it was last told by.
    pub row_hash: String,
    /// As it is written on the wall clock.
    pub local_at: String,
    /// The instant in ms.
    pub at: i64,
    /// What the source said of it.
    pub status: OccasionStatus,
    /// What the patient answered.
    pub confirmation: Confirmation,
}

/// An occasion to be written. Holds private data in the open: it has no `Debug`.
#[derive(Clone, serde::Serialize)]
pub struct OccasionPut {
    /// Our id: a known one or a new one.
    pub id: OccasionId,
    /// Whose it is.
    pub patient: PatientId,
    /// The source's key.
    pub source_key: String,
    /// `appointment` … an open set.
    pub kind: String,
    /// As it is written on the wall clock.
    pub local_at: String,
    /// IANA.
    pub timezone: String,
    /// The instant in ms.
    pub at: i64,
    /// A word of `OccasionStatus`.
    pub status: &'static str,
    /// For a new one: when it came up, in ms.
    pub created_at: Option<i64>,
    /// Who sees the patient.
    pub department: Option<String>,
    /// The doctor's name.
    pub doctor: Option<String>,
    /// `source/key` of the treating doctor.
    pub doctor_key: Option<String>,
    /// Where to go.
    pub place: Option<String>,
    /// JSON object.
    pub attributes: String,
    /// Of the source.
    pub version: Option<i64>,
    /// Of the whole record.
    pub row_hash: String,
}

/// What is known of the occasions that `source` calls by these keys.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn known(
    tx: &mut Tx,
    source: &str,
    keys: &[&str],
) -> Result<HashMap<String, Known>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        source_key: String,
        id: OccasionId,
        patient_id: PatientId,
        version: Option<i64>,
        row_hash: String,
        local_at: String,
        at: i64,
        status: String,
        confirmation: String,
    }
    const SQL: &str = "SELECT o.source_key, o.id, o.patient_id, o.version, o.row_hash, o.local_at, o.at, o.status, o.confirmation
        FROM occasion AS o WHERE o.source = $1 AND o.source_key IN (SELECT j.value ->> 'key' FROM json_each($2) AS j)";
    let set = rows(
        &keys
            .iter()
            .map(|key| json!({"key": key}))
            .collect::<Vec<_>>(),
    );
    let found: Vec<Row> =
        on!(tx, conn => sqlx::query_as(SQL).bind(source).bind(set).fetch_all(conn).await)?;
    found
        .into_iter()
        .map(|row| {
            let bad = |what| StoreError::BadRow {
                table: "occasion",
                what,
            };
            let status = OccasionStatus::parse(&row.status).ok_or(bad("status"))?;
            let confirmation = Confirmation::parse(&row.confirmation).ok_or(bad("confirmation"))?;
            let Row {
                id,
                patient_id: patient,
                version,
                row_hash,
                local_at,
                at,
                ..
            } = row;
            Ok((
                row.source_key,
                Known {
                    id,
                    patient,
                    version,
                    row_hash,
                    local_at,
                    at,
                    status,
                    confirmation,
                },
            ))
        })
        .collect()
}

/// Whether any occasion of `source` is known.
///
/// # Errors
/// When the database refuses.
pub async fn any(tx: &mut Tx, source: &str) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM occasion WHERE source = $1 LIMIT 1";
    let one: Option<i32> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(source).fetch_optional(conn).await)?;
    Ok(one.is_some())
}

/// Writes occasions of `source` that are not known yet. Marks nobody.
///
/// Returns whether all were new. If one of them was not, another process having been first, nothing is written.
/// # Errors
/// When the database refuses.
pub async fn insert(
    tx: &mut Tx,
    source: &str,
    occasions: &[&OccasionPut],
    now: Timestamp,
) -> Result<bool, StoreError> {
    static INSERT: Insert = Insert::new(
        "INSERT INTO occasion (id, patient_id, source, source_key, kind, local_at, timezone, at, status, epoch, confirmation,
            created_at, moved_at, cancelled_at, department, doctor, doctor_key, place, attributes, version, row_hash, updated_at) VALUES",
        "(?, ?, $1, ?, ?, ?, ?, ?, ?, 1, 'none', ?, NULL, ?, ?, ?, ?, ?, ?, ?, ?, $2)",
        "ON CONFLICT (source, source_key) DO NOTHING",
    );
    const BACK: &str =
        "DELETE FROM occasion WHERE id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    let at = now.as_millisecond();
    let shared = [Cell::Text(source), Cell::Number(at)];
    let cancelled = OccasionStatus::Cancelled.as_str();
    let inserted = INSERT
        .run(tx, &shared, occasions, |occasion, cells| {
            cells.extend([
                Cell::Text(occasion.id.as_str()),
                Cell::Text(occasion.patient.as_str()),
                Cell::Text(&occasion.source_key),
                Cell::Text(&occasion.kind),
                Cell::Text(&occasion.local_at),
                Cell::Text(&occasion.timezone),
                Cell::Number(occasion.at),
                Cell::Text(occasion.status),
                Cell::Counted(occasion.created_at),
                Cell::Counted((occasion.status == cancelled).then_some(at)),
                Cell::Told(occasion.department.as_deref()),
                Cell::Told(occasion.doctor.as_deref()),
                Cell::Told(occasion.doctor_key.as_deref()),
                Cell::Told(occasion.place.as_deref()),
                Cell::Text(&occasion.attributes),
                Cell::Counted(occasion.version),
                Cell::Text(&occasion.row_hash),
            ]);
        })
        .await?;
    if inserted == occasions.len() as u64 {
        return Ok(true);
    }
    let ours: Vec<Id<'_>> = occasions
        .iter()
        .map(|occasion| Id {
            id: occasion.id.as_str(),
        })
        .collect();
    on!(tx, conn => sqlx::query(BACK).bind(rows(&ours)).execute(conn).await.map(|_| ()))?;
    Ok(false)
}

/// Writes occasions of `source` and marks them; `created_at` counts for new ones only.
///
/// One that has another date or time, comes back after it was cancelled or has another patient starts a new
/// epoch: what was answered counts no more, and a patient's open wish about it is superseded. One that
/// is cancelled as the patient wished accepts the wish.
/// # Errors
/// When the database refuses.
pub async fn put(
    tx: &mut Tx,
    source: &str,
    occasions: &[OccasionPut],
    now: Timestamp,
) -> Result<(), StoreError> {
    macro_rules! new_epoch {
        () => {
            "(occasion.at <> excluded.at OR occasion.local_at <> excluded.local_at OR occasion.patient_id <> excluded.patient_id
             OR (occasion.status = 'cancelled' AND excluded.status <> 'cancelled'))"
        };
    }
    const SQL: &str = concat!(
        "INSERT INTO occasion (id, patient_id, source, source_key, kind, local_at, timezone, at, status, epoch, confirmation,
            created_at, moved_at, cancelled_at, department, doctor, doctor_key, place, attributes, version, row_hash, updated_at)
        SELECT j.value ->> 'id', j.value ->> 'patient', $1, j.value ->> 'source_key', j.value ->> 'kind', j.value ->> 'local_at',
            j.value ->> 'timezone', CAST(j.value ->> 'at' AS BIGINT), j.value ->> 'status', 1, 'none',
            CAST(j.value ->> 'created_at' AS BIGINT), CAST(NULL AS BIGINT),
            CASE WHEN j.value ->> 'status' = 'cancelled' THEN CAST($3 AS BIGINT) END,
            j.value ->> 'department', j.value ->> 'doctor', j.value ->> 'doctor_key', j.value ->> 'place', j.value ->> 'attributes',
            CAST(j.value ->> 'version' AS BIGINT), j.value ->> 'row_hash', CAST($3 AS BIGINT)
        FROM json_each($2) AS j WHERE TRUE
        ON CONFLICT (source, source_key) DO UPDATE SET patient_id = excluded.patient_id, kind = excluded.kind, local_at = excluded.local_at,
            timezone = excluded.timezone, at = excluded.at, status = excluded.status,
            epoch = occasion.epoch + CASE WHEN ", new_epoch!(), " THEN 1 ELSE 0 END,
            confirmation = CASE WHEN ", new_epoch!(), " THEN 'none' ELSE occasion.confirmation END,
            moved_at = CASE WHEN ", new_epoch!(), " THEN excluded.updated_at ELSE occasion.moved_at END,
            cancelled_at = CASE WHEN excluded.status = 'cancelled' THEN COALESCE(occasion.cancelled_at, excluded.updated_at) END,
            department = excluded.department, doctor = excluded.doctor, doctor_key = excluded.doctor_key, place = excluded.place, attributes = excluded.attributes,
            version = excluded.version, row_hash = excluded.row_hash, updated_at = excluded.updated_at
        WHERE occasion.version IS NULL OR excluded.version IS NULL OR occasion.version <= excluded.version
        RETURNING id, patient_id"
    );
    if occasions.is_empty() {
        return Ok(());
    }
    let dates: Vec<(&str, &str)> = occasions
        .iter()
        .map(|put| (put.source_key.as_str(), put.local_at.as_str()))
        .collect();
    earlier::keep_dates(tx, source, &dates).await?;
    let written: Vec<(OccasionId, PatientId)> = on!(&mut *tx, conn => sqlx::query_as(SQL).bind(source).bind(rows(occasions)).bind(now.as_millisecond()).fetch_all(conn).await)?;
    let ids: Vec<OccasionId> = written.iter().map(|(id, _)| id.clone()).collect();
    settle_wishes(tx, &ids, now).await?;
    withdraw::withdraw_stale(tx, &ids, now).await?;
    marks::add_occasions(tx, &written, now).await
}

/// Cancels the occasions with these keys, as the source has them no more; returns whose they were.
///
/// # Errors
/// When the database refuses.
pub async fn cancel(
    tx: &mut Tx,
    source: &str,
    keys: &[&str],
    now: Timestamp,
) -> Result<Vec<PatientId>, StoreError> {
    // Without its hash the same record, told again, books it again.
    const SQL: &str = "UPDATE occasion SET status = 'cancelled', cancelled_at = $3, updated_at = $3, row_hash = ''
        WHERE source = $1 AND source_key IN (SELECT j.value ->> 'key' FROM json_each($2) AS j) AND status <> 'cancelled'
        RETURNING id, patient_id";
    let set = rows(
        &keys
            .iter()
            .map(|key| json!({"key": key}))
            .collect::<Vec<_>>(),
    );
    let written: Vec<(OccasionId, PatientId)> = on!(&mut *tx, conn => sqlx::query_as(SQL).bind(source).bind(set).bind(now.as_millisecond()).fetch_all(conn).await)?;
    let ids: Vec<OccasionId> = written.iter().map(|(id, _)| id.clone()).collect();
    settle_wishes(tx, &ids, now).await?;
    withdraw::withdraw_stale(tx, &ids, now).await?;
    marks::add_occasions(tx, &written, now).await?;
    Ok(written.into_iter().map(|(_, patient)| patient).collect())
}

/// Closes the open wishes about occasions whose epoch is another by now, or that are cancelled.
async fn settle_wishes(
    tx: &mut Tx,
    occasions: &[OccasionId],
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE change_request SET answered_at = $2,
            state = CASE WHEN wish = 'cancel' AND EXISTS (SELECT 1 FROM occasion AS o WHERE o.id = change_request.occasion_id AND o.status = 'cancelled')
                THEN 'accepted' ELSE 'superseded' END
        WHERE state = 'new' AND occasion_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)
        AND EXISTS (SELECT 1 FROM occasion AS o WHERE o.id = change_request.occasion_id AND (o.epoch <> change_request.epoch OR o.status = 'cancelled'))
        RETURNING id, state, occasion_id, patient_id";
    let set = rows(
        &occasions
            .iter()
            .map(|id| json!({"id": id}))
            .collect::<Vec<_>>(),
    );
    let settled: Vec<(ChangeRequestId, String, OccasionId, PatientId)> = on!(&mut *tx, conn => sqlx::query_as(SQL).bind(set).bind(now.as_millisecond()).fetch_all(conn).await)?;
    let told: Vec<NewEvent> = settled.into_iter().map(|(id, state, occasion, patient)| NewEvent {
        kind: format!("change_request.{state}"),
        data: json!({"change_request": id, "occasion": occasion, "patient": patient, "state": state}),
    }).collect();
    events::add(tx, &told, now).await
}
