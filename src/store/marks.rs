//! What has to be planned again: patients as a whole, or single occasions where nothing else of theirs changed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{StoreError, Tx, on, rows};
use crate::model::id::{OccasionId, PatientId};

#[derive(serde::Serialize)]
struct Row<'a> {
    id: &'a str,
    n: i64,
}

/// Marks `patients` as changed.
///
/// # Errors
/// When the database refuses.
pub async fn add(tx: &mut Tx, patients: &[PatientId], now: Timestamp) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO plan_mark (patient_id, n, marked_at)
        SELECT j.value ->> 'id', CAST(j.value ->> 'n' AS BIGINT), CAST($2 AS BIGINT) FROM json_each($1) AS j WHERE TRUE
        ON CONFLICT (patient_id) DO UPDATE SET n = excluded.n, marked_at = excluded.marked_at";
    // In one order always, so that two writers never wait for each other.
    let patients: BTreeSet<&str> = patients.iter().map(PatientId::as_str).collect();
    let set: Vec<Row<'_>> = patients
        .into_iter()
        .map(|id| Row { id, n: fresh() })
        .collect();
    if set.is_empty() {
        return Ok(());
    }
    on!(tx, conn => sqlx::query(SQL).bind(rows(&set)).bind(now.as_millisecond()).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// Marks `occasions`, each with its patient, as changed. Where a patient is marked as a whole that mark says enough.
///
/// # Errors
/// When the database refuses.
pub async fn add_occasions(
    tx: &mut Tx,
    occasions: &[(OccasionId, PatientId)],
    now: Timestamp,
) -> Result<(), StoreError> {
    #[derive(serde::Serialize)]
    struct Row<'a> {
        id: &'a str,
        patient: &'a str,
        n: i64,
    }
    // The mark gets a new number, so that whoever plans this patient at this moment does not clear it.
    const WHOLE: &str = "UPDATE plan_mark SET n = $2 WHERE patient_id IN (SELECT j.value ->> 'patient' FROM json_each($1) AS j) RETURNING patient_id";
    const SQL: &str = "INSERT INTO plan_mark_occasion (occasion_id, patient_id, n, marked_at)
        SELECT j.value ->> 'id', j.value ->> 'patient', CAST(j.value ->> 'n' AS BIGINT), CAST($2 AS BIGINT) FROM json_each($1) AS j WHERE TRUE
        ON CONFLICT (occasion_id) DO UPDATE SET patient_id = excluded.patient_id, n = excluded.n, marked_at = excluded.marked_at";
    if occasions.is_empty() {
        return Ok(());
    }
    // In one order always, so that two writers never wait for each other.
    let set: BTreeMap<&str, &str> = occasions
        .iter()
        .map(|(id, patient)| (id.as_str(), patient.as_str()))
        .collect();
    let row = |(id, patient)| Row {
        id,
        patient,
        n: fresh(),
    };
    let all: Vec<Row<'_>> = set.into_iter().map(row).collect();
    let whole: Vec<String> = on!(&mut *tx, conn => sqlx::query_scalar(WHOLE).bind(rows(&all)).bind(fresh()).fetch_all(conn).await)?;
    let whole: BTreeSet<&str> = whole.iter().map(String::as_str).collect();
    let alone: Vec<Row<'_>> = all
        .into_iter()
        .filter(|row| !whole.contains(row.patient))
        .collect();
    if alone.is_empty() {
        return Ok(());
    }
    on!(tx, conn => sqlx::query(SQL).bind(rows(&alone)).bind(now.as_millisecond()).execute(conn).await.map(|_| ()))
}

/// The longest waiting marks of single occasions, up to `limit`. They stay until they are cleared.
///
/// # Errors
/// When the database refuses.
pub async fn take_occasions(
    tx: &mut Tx,
    limit: i64,
) -> Result<Vec<(OccasionId, PatientId, i64)>, StoreError> {
    const SQL: &str = "SELECT occasion_id, patient_id, n FROM plan_mark_occasion ORDER BY marked_at, occasion_id LIMIT $1";
    on!(tx, conn => sqlx::query_as(SQL).bind(limit).fetch_all(conn).await)
}

/// The marks of single occasions of `patients`, who are planned as a whole.
///
/// # Errors
/// When the database refuses.
pub async fn occasions_of(
    tx: &mut Tx,
    patients: &[PatientId],
) -> Result<Vec<(OccasionId, i64)>, StoreError> {
    const SQL: &str = "SELECT m.occasion_id, m.n FROM plan_mark_occasion AS m
        WHERE m.patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    on!(tx, conn => sqlx::query_as(SQL).bind(super::patients::ids(patients)).fetch_all(conn).await)
}

/// Removes the marks of occasions whose number is still the one given.
///
/// # Errors
/// When the database refuses.
pub async fn clear_occasions(tx: &mut Tx, marks: &[(OccasionId, i64)]) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM plan_mark_occasion WHERE (occasion_id, n) IN
        (SELECT j.value ->> 'id', CAST(j.value ->> 'n' AS BIGINT) FROM json_each($1) AS j)";
    if marks.is_empty() {
        return Ok(());
    }
    let set: Vec<Row<'_>> = marks
        .iter()
        .map(|(id, n)| Row {
            id: id.as_str(),
            n: *n,
        })
        .collect();
    on!(tx, conn => sqlx::query(SQL).bind(rows(&set)).execute(conn).await.map(|_| ()))
}

/// The longest waiting marks, up to `limit`. They stay until they are cleared.
///
/// # Errors
/// When the database refuses.
pub async fn take(tx: &mut Tx, limit: i64) -> Result<Vec<(PatientId, i64)>, StoreError> {
    const SQL: &str = "SELECT patient_id, n FROM plan_mark ORDER BY marked_at, patient_id LIMIT $1";
    on!(tx, conn => sqlx::query_as(SQL).bind(limit).fetch_all(conn).await)
}

/// Removes the marks whose number is still the one given: a patient that changed meanwhile stays marked.
///
/// # Errors
/// When the database refuses.
pub async fn clear(tx: &mut Tx, marks: &[(PatientId, i64)]) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM plan_mark WHERE (patient_id, n) IN
        (SELECT j.value ->> 'id', CAST(j.value ->> 'n' AS BIGINT) FROM json_each($1) AS j)";
    let set: Vec<Row<'_>> = marks
        .iter()
        .map(|(id, n)| Row {
            id: id.as_str(),
            n: *n,
        })
        .collect();
    on!(tx, conn => sqlx::query(SQL).bind(rows(&set)).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// A number that no earlier mark had, even one of the same patient that is gone already.
fn fresh() -> i64 {
    let random = uuid::Uuid::now_v7().as_u64_pair();
    i64::try_from((random.0 ^ random.1.rotate_left(17)) >> 11).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::model::id::{OccasionId, PatientId};
    use crate::store::{StoreError, marks, testing};

    #[tokio::test]
    async fn a_mark_set_while_planning_survives_the_clearing() -> Result<(), StoreError> {
        for test in testing::stores().await {
            let mut tx = test.store.write().await?;
            let (ana, bo) = (PatientId::generate(), PatientId::generate());
            marks::add(
                &mut tx,
                &[ana.clone(), bo.clone(), ana.clone()],
                Timestamp::UNIX_EPOCH,
            )
            .await?;
            let taken = marks::take(&mut tx, 10).await?;
            assert_eq!(taken.len(), 2);
            marks::add(&mut tx, std::slice::from_ref(&ana), Timestamp::UNIX_EPOCH).await?;
            marks::clear(&mut tx, &taken).await?;
            let left = marks::take(&mut tx, 10).await?;
            assert_eq!(left.iter().map(|(id, _)| id).collect::<Vec<_>>(), [&ana]);
            marks::clear(&mut tx, &left).await?;
            assert!(marks::take(&mut tx, 10).await?.is_empty());
        }
        Ok(())
    }

    #[tokio::test]
    async fn an_occasion_is_marked_alone_unless_its_patient_is_marked_whole()
    -> Result<(), StoreError> {
        for test in testing::stores().await {
            let mut tx = test.store.write().await?;
            let (ana, bo) = (PatientId::generate(), PatientId::generate());
            let (of_ana, of_bo) = (OccasionId::generate(), OccasionId::generate());
            marks::add(&mut tx, std::slice::from_ref(&ana), Timestamp::UNIX_EPOCH).await?;
            let taken = marks::take(&mut tx, 10).await?;
            let both = [(of_ana, ana.clone()), (of_bo.clone(), bo)];
            marks::add_occasions(&mut tx, &both, Timestamp::UNIX_EPOCH).await?;
            let alone = marks::take_occasions(&mut tx, 10).await?;
            assert_eq!(
                alone.iter().map(|mark| &mark.0).collect::<Vec<_>>(),
                [&of_bo]
            );
            marks::clear(&mut tx, &taken).await?;
            assert_eq!(
                marks::take(&mut tx, 10).await?.len(),
                1,
                "what changed after the mark was taken is planned again"
            );
            let one = both.get(1..).unwrap();
            marks::add_occasions(&mut tx, one, Timestamp::UNIX_EPOCH).await?;
            let done: Vec<_> = alone.into_iter().map(|(id, _, n)| (id, n)).collect();
            marks::clear_occasions(&mut tx, &done).await?;
            let left = marks::take_occasions(&mut tx, 10).await?;
            assert_eq!(left.len(), 1, "and so is an occasion");
            let of = marks::occasions_of(&mut tx, &[left[0].1.clone()]).await?;
            marks::clear_occasions(&mut tx, &of).await?;
            assert!(marks::take_occasions(&mut tx, 10).await?.is_empty());
        }
        Ok(())
    }
}
