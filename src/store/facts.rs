//! Dated, coded statements about patients.

use std::collections::HashMap;

use super::patients::ids;
use super::{StoreError, Tx, on};
use crate::model::id::PatientId;
use crate::model::patient::Fact;

/// Every fact of these patients, the earliest first.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn of(tx: &mut Tx, patients: &[PatientId]) -> Result<HashMap<PatientId, Vec<Fact>>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        patient_id: PatientId,
        kind: String,
        code: Option<String>,
        system: Option<String>,
        on_day: Option<String>,
        at: Option<i64>,
    }
    const SQL: &str = "SELECT f.patient_id, f.kind, f.code, f.system, f.on_day, f.at
        FROM fact AS f WHERE f.patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)
        ORDER BY f.patient_id, f.on_day, f.id";
    let mut all: HashMap<PatientId, Vec<Fact>> = HashMap::new();
    if patients.is_empty() {
        return Ok(all);
    }
    let found: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).bind(ids(patients)).fetch_all(conn).await)?;
    for row in found {
        let on = row.on_day.map(|day| day.parse().map_err(|_| StoreError::BadRow { table: "fact", what: "on_day" })).transpose()?;
        let fact = Fact { kind: row.kind, code: row.code, system: row.system, on, at: row.at };
        all.entry(row.patient_id).or_default().push(fact);
    }
    Ok(all)
}
