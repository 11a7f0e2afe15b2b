//! Bookings and other dated facts that reminders hang on.

use std::collections::HashMap;

use jiff::Timestamp;

use super::events::{self, NewEvent};
use super::{Id, StoreError, Tx, id_set, on, rows};
use crate::model::id::{OccasionId, PatientId};
use crate::model::occasion::{
    Confirmation, ConfirmationEvent, Occasion, OccasionStatus, OccasionTime,
};
use crate::model::staff::StaffKey;

/// How long an occasion is still looked at after it was over.
const LOOK_BACK_MS: i64 = 400 * 24 * 3_600_000;

#[derive(sqlx::FromRow)]
struct Row {
    id: OccasionId,
    patient_id: PatientId,
    kind: String,
    local_at: String,
    timezone: String,
    status: String,
    epoch: i64,
    confirmation: String,
    created_at: Option<i64>,
    moved_at: Option<i64>,
    cancelled_at: Option<i64>,
    department: Option<String>,
    doctor: Option<String>,
    doctor_key: Option<String>,
    place: Option<String>,
    attributes: String,
}

/// The occasions of these patients in the order of time, but for those that were over for more than
/// 400 days when they were last told of.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn of(
    tx: &mut Tx,
    patients: &[PatientId],
) -> Result<HashMap<PatientId, Vec<Occasion>>, StoreError> {
    of_kinds(tx, patients, None).await
}

/// The same, of one of `kinds` alone; of all with `None`.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn of_kinds(
    tx: &mut Tx,
    patients: &[PatientId],
    kinds: Option<&[&str]>,
) -> Result<HashMap<PatientId, Vec<Occasion>>, StoreError> {
    const SQL: &str = "SELECT o.id, o.patient_id, o.kind, o.local_at, o.timezone, o.status, o.epoch, o.confirmation, o.created_at,
        o.moved_at, o.cancelled_at, o.department, o.doctor, o.doctor_key, o.place, o.attributes
        FROM json_each($1) AS j CROSS JOIN occasion AS o WHERE o.patient_id = j.atom AND o.at > o.updated_at - $2
          AND ($3 = '[]' OR o.kind || '' IN (SELECT k.value ->> 'id' FROM json_each($3) AS k))
        ORDER BY o.patient_id, o.at, o.id";
    if patients.is_empty() || kinds.is_some_and(<[&str]>::is_empty) {
        return Ok(HashMap::new());
    }
    let kinds = super::patients::words(kinds);
    let set = id_set(patients.iter().map(PatientId::as_str));
    let found: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).bind(set).bind(LOOK_BACK_MS).bind(&kinds).fetch_all(conn).await)?;
    by_patient(found)
}

/// Those of these occasions that are there still and not long over, by their patients.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn changed(
    tx: &mut Tx,
    occasions: &[OccasionId],
) -> Result<HashMap<PatientId, Vec<Occasion>>, StoreError> {
    const SQL: &str = "SELECT o.id, o.patient_id, o.kind, o.local_at, o.timezone, o.status, o.epoch, o.confirmation, o.created_at,
        o.moved_at, o.cancelled_at, o.department, o.doctor, o.doctor_key, o.place, o.attributes
        FROM json_each($1) AS j CROSS JOIN occasion AS o WHERE o.id = j.atom AND o.at > o.updated_at - $2
        ORDER BY o.patient_id, o.at, o.id";
    let set = id_set(occasions.iter().map(OccasionId::as_str));
    let found: Vec<Row> =
        on!(tx, conn => sqlx::query_as(SQL).bind(set).bind(LOOK_BACK_MS).fetch_all(conn).await)?;
    by_patient(found)
}

fn by_patient(found: Vec<Row>) -> Result<HashMap<PatientId, Vec<Occasion>>, StoreError> {
    let mut all: HashMap<PatientId, Vec<Occasion>> = HashMap::new();
    for row in found {
        let occasion = occasion(row)?;
        all.entry(occasion.patient.clone())
            .or_default()
            .push(occasion);
    }
    Ok(all)
}

/// These occasions, in the order of time; those that are gone are left out.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn load(tx: &mut Tx, occasions: &[OccasionId]) -> Result<Vec<Occasion>, StoreError> {
    const SQL: &str = "SELECT o.id, o.patient_id, o.kind, o.local_at, o.timezone, o.status, o.epoch, o.confirmation, o.created_at,
        o.moved_at, o.cancelled_at, o.department, o.doctor, o.doctor_key, o.place, o.attributes
        FROM occasion AS o WHERE o.id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j) ORDER BY o.at, o.id";
    if occasions.is_empty() {
        return Ok(Vec::new());
    }
    let set: Vec<Id<'_>> = occasions.iter().map(|id| Id { id: id.as_str() }).collect();
    let found: Vec<Row> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(&set)).fetch_all(conn).await)?;
    found.into_iter().map(occasion).collect()
}

/// When these occasions last came in anew or changed.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn updated_at(
    tx: &mut Tx,
    occasions: &[&OccasionId],
) -> Result<HashMap<OccasionId, Timestamp>, StoreError> {
    const SQL: &str = "SELECT o.id, o.updated_at FROM json_each($1) AS j CROSS JOIN occasion AS o WHERE o.id = j.value ->> 'id'";
    let set: Vec<Id<'_>> = occasions.iter().map(|id| Id { id: id.as_str() }).collect();
    let found: Vec<(OccasionId, i64)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(&set)).fetch_all(conn).await)?;
    let read = |(id, ms)| {
        let at = Timestamp::from_millisecond(ms).map_err(|_| StoreError::BadRow {
            table: "occasion",
            what: "an instant",
        })?;
        Ok((id, at))
    };
    found.into_iter().map(read).collect()
}

/// The occasion that a source knows by `key`.
///
/// # Errors
/// When the database refuses.
pub async fn find(tx: &mut Tx, source: &str, key: &str) -> Result<Option<OccasionId>, StoreError> {
    const SQL: &str = "SELECT id FROM occasion WHERE source = $1 AND source_key = $2";
    on!(tx, conn => sqlx::query_scalar(SQL).bind(source).bind(key).fetch_optional(conn).await)
}

/// The occasion that a source knows by `key`, or the first of those that it repeats as.
///
/// # Errors
/// When the database refuses.
pub async fn find_first(
    tx: &mut Tx,
    source: &str,
    key: &str,
) -> Result<Option<OccasionId>, StoreError> {
    match find(tx, source, key).await? {
        Some(single) => Ok(Some(single)),
        None => find(tx, source, &format!("{key}#1")).await,
    }
}

/// Keeps what the patient answered about `epoch` of an occasion, and tells of it.
///
/// Returns what then stands, or `None` when the occasion is gone or has another epoch: the answer was to
/// a date that is no more.
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn answer(
    tx: &mut Tx,
    occasion: &OccasionId,
    epoch: i64,
    event: ConfirmationEvent,
    now: Timestamp,
) -> Result<Option<Confirmation>, StoreError> {
    const READ: &str = "SELECT confirmation, patient_id, source, source_key FROM occasion WHERE id = $1 AND epoch = $2";
    const WRITE: &str =
        "UPDATE occasion SET confirmation = $3 WHERE id = $1 AND epoch = $2 AND confirmation = $4";
    loop {
        let found: Option<(String, PatientId, String, String)> = on!(&mut *tx, conn => sqlx::query_as(READ).bind(occasion).bind(epoch).fetch_optional(conn).await)?;
        let Some((word, patient, source, key)) = found else {
            return Ok(None);
        };
        let before = Confirmation::parse(&word).ok_or(StoreError::BadRow {
            table: "occasion",
            what: "confirmation",
        })?;
        let after = before.after(event);
        if after == before {
            return Ok(Some(after));
        }
        let written = on!(&mut *tx, conn => sqlx::query(WRITE).bind(occasion).bind(epoch).bind(after.as_str()).bind(&word)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        // Another answer came between reading and writing: look again.
        if written == 0 {
            continue;
        }
        let data = serde_json::json!({"occasion": occasion, "patient": patient, "epoch": epoch, "source": source, "source_key": key});
        events::add(
            tx,
            &[NewEvent {
                kind: format!("occasion.{after}"),
                data,
            }],
            now,
        )
        .await?;
        return Ok(Some(after));
    }
}

fn occasion(row: Row) -> Result<Occasion, StoreError> {
    let bad = |what| StoreError::BadRow {
        table: "occasion",
        what,
    };
    let instant = |ms: Option<i64>| {
        ms.map(|ms| Timestamp::from_millisecond(ms).map_err(|_| bad("an instant")))
            .transpose()
    };
    Ok(Occasion {
        id: row.id,
        patient: row.patient_id,
        kind: row.kind,
        when: OccasionTime::parse(&row.local_at).ok_or(bad("local_at"))?,
        timezone: row.timezone,
        status: OccasionStatus::parse(&row.status).ok_or(bad("status"))?,
        epoch: row.epoch,
        confirmation: Confirmation::parse(&row.confirmation).ok_or(bad("confirmation"))?,
        created_at: instant(row.created_at)?,
        moved_at: instant(row.moved_at)?,
        cancelled_at: instant(row.cancelled_at)?,
        department: row.department,
        doctor: row.doctor,
        doctor_key: row.doctor_key.as_deref().and_then(StaffKey::parse),
        place: row.place,
        attributes: serde_json::from_str(&row.attributes).map_err(|_| bad("attributes"))?,
    })
}
