//! Which patients have to be planned again.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{StoreError, Tx, on, rows};
use crate::model::id::PatientId;

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

    use crate::model::id::PatientId;
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
}
