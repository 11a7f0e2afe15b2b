//! Dated, coded statements about patients.

use std::collections::HashMap;

use jiff::Timestamp;

use super::bulk::{Cell, Insert};
use super::patients::ids;
use super::{Id, StoreError, Tx, id_set, marks, on, rows};
use crate::model::id::{FactId, PatientId};
use crate::model::patient::Fact;

/// Every fact of these patients, the earliest first.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn of(
    tx: &mut Tx,
    patients: &[PatientId],
) -> Result<HashMap<PatientId, Vec<Fact>>, StoreError> {
    of_kinds(tx, patients, None).await
}

/// The facts of these patients that are of one of `kinds`, or all with `None`; the earliest first.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn of_kinds(
    tx: &mut Tx,
    patients: &[PatientId],
    kinds: Option<&[&str]>,
) -> Result<HashMap<PatientId, Vec<Fact>>, StoreError> {
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
        FROM json_each($1) AS j CROSS JOIN fact AS f WHERE f.patient_id = j.atom
          AND ($2 = '[]' OR f.kind || '' IN (SELECT k.value ->> 'id' FROM json_each($2) AS k))
        ORDER BY f.patient_id, f.on_day, f.id";
    let mut all: HashMap<PatientId, Vec<Fact>> = HashMap::new();
    if patients.is_empty() || kinds.is_some_and(<[&str]>::is_empty) {
        return Ok(all);
    }
    let kinds = super::patients::words(kinds);
    let set = id_set(patients.iter().map(PatientId::as_str));
    let found: Vec<Row> =
        on!(tx, conn => sqlx::query_as(SQL).bind(set).bind(&kinds).fetch_all(conn).await)?;
    for row in found {
        let on = row
            .on_day
            .map(|day| {
                day.parse().map_err(|_| StoreError::BadRow {
                    table: "fact",
                    what: "on_day",
                })
            })
            .transpose()?;
        let fact = Fact {
            kind: row.kind,
            code: row.code,
            system: row.system,
            on,
            at: row.at,
        };
        all.entry(row.patient_id).or_default().push(fact);
    }
    Ok(all)
}

/// One code of a fact to be written. Holds private data in the open: it has no `Debug`.
#[derive(Clone, serde::Serialize)]
pub struct FactPut {
    /// `diagnosis` … an open set.
    pub kind: String,
    /// The source's key.
    pub source_key: String,
    /// Which of the codes of this statement, from 0.
    pub coding: usize,
    /// The code.
    pub code: Option<String>,
    /// The system the code is from.
    pub system: Option<String>,
    /// Civil day.
    pub on_day: Option<String>,
    /// Instant in ms.
    pub at: Option<i64>,
    /// Where it was made.
    pub department: Option<String>,
    /// JSON object.
    pub attributes: String,
    /// Of the whole statement.
    pub row_hash: String,
}

#[derive(serde::Serialize)]
struct Name<'a> {
    kind: &'a str,
    key: &'a str,
    codings: usize,
}

/// Whose the facts with these kinds and keys are, and the hashes of their records.
///
/// # Errors
/// When the database refuses.
pub async fn known(
    tx: &mut Tx,
    source: &str,
    names: &[(&str, &str)],
) -> Result<HashMap<(String, String), (PatientId, String)>, StoreError> {
    // A plain JOIN lets SQLite scan the facts and read the set again for each of them.
    const SQL: &str = "SELECT f.kind, f.source_key, f.patient_id, f.row_hash FROM json_each($2) AS j
        CROSS JOIN fact AS f WHERE f.source = $1 AND f.kind = j.value ->> 'kind' AND f.source_key = j.value ->> 'key' AND f.coding = 0";
    let set = whole(names);
    let found: Vec<(String, String, PatientId, String)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(source).bind(rows(&set)).fetch_all(conn).await)?;
    Ok(found
        .into_iter()
        .map(|(kind, key, patient, hash)| ((kind, key), (patient, hash)))
        .collect())
}

/// Kind, key and hash of the facts that `source` told of these patients.
///
/// # Errors
/// When the database refuses.
pub async fn told(
    tx: &mut Tx,
    source: &str,
    patients: &[PatientId],
) -> Result<HashMap<PatientId, HashMap<(String, String), String>>, StoreError> {
    const SQL: &str = "SELECT f.patient_id, f.kind, f.source_key, f.row_hash FROM fact AS f
        WHERE f.patient_id IN (SELECT j.value ->> 'id' FROM json_each($2) AS j) AND f.source = $1 AND f.coding = 0";
    let mut all: HashMap<PatientId, HashMap<(String, String), String>> = HashMap::new();
    if patients.is_empty() {
        return Ok(all);
    }
    let found: Vec<(PatientId, String, String, String)> = on!(tx, conn => sqlx::query_as(SQL).bind(source).bind(ids(patients)).fetch_all(conn).await)?;
    for (patient, kind, key, hash) in found {
        all.entry(patient).or_default().insert((kind, key), hash);
    }
    Ok(all)
}

/// Whether any fact of `source` is known.
///
/// # Errors
/// When the database refuses.
pub async fn any(tx: &mut Tx, source: &str) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM fact WHERE source = $1 LIMIT 1";
    let one: Option<i32> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(source).fetch_optional(conn).await)?;
    Ok(one.is_some())
}

/// Writes facts of `source` that are not known yet, every code of each. Marks nobody.
///
/// Returns whether all were new. If one of them was not, another process having been first, nothing is written.
/// # Errors
/// When the database refuses.
pub async fn insert(
    tx: &mut Tx,
    source: &str,
    facts: &[(&PatientId, &FactPut)],
    now: Timestamp,
) -> Result<bool, StoreError> {
    static INSERT: Insert = Insert::new(
        "INSERT INTO fact (id, patient_id, source, source_key, coding, kind, code, system, on_day, at, department, attributes, row_hash, updated_at) VALUES",
        "(?, ?, $1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, $2)",
        "ON CONFLICT (source, kind, source_key, coding) DO NOTHING",
    );
    const BACK: &str =
        "DELETE FROM fact WHERE id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    let set: Vec<(FactId, &PatientId, &FactPut)> = facts
        .iter()
        .map(|(patient, fact)| (FactId::generate(), *patient, *fact))
        .collect();
    let shared = [Cell::Text(source), Cell::Number(now.as_millisecond())];
    let inserted = INSERT
        .run(tx, &shared, &set, |(id, patient, fact), cells| {
            cells.extend([
                Cell::Text(id.as_str()),
                Cell::Text(patient.as_str()),
                Cell::Text(&fact.source_key),
                Cell::Number(i64::try_from(fact.coding).unwrap_or(i64::MAX)),
                Cell::Text(&fact.kind),
                Cell::Told(fact.code.as_deref()),
                Cell::Told(fact.system.as_deref()),
                Cell::Told(fact.on_day.as_deref()),
                Cell::Counted(fact.at),
                Cell::Told(fact.department.as_deref()),
                Cell::Text(&fact.attributes),
                Cell::Text(&fact.row_hash),
            ]);
        })
        .await?;
    if inserted == set.len() as u64 {
        return Ok(true);
    }
    let ours: Vec<Id<'_>> = set.iter().map(|(id, ..)| Id { id: id.as_str() }).collect();
    on!(tx, conn => sqlx::query(BACK).bind(rows(&ours)).execute(conn).await.map(|_| ()))?;
    Ok(false)
}

/// Writes facts of `source`, every code of each, and marks their patients.
///
/// # Errors
/// When the database refuses.
pub async fn put(
    tx: &mut Tx,
    source: &str,
    facts: &[(&PatientId, &FactPut)],
    now: Timestamp,
) -> Result<(), StoreError> {
    #[derive(serde::Serialize)]
    struct Row<'a> {
        id: FactId,
        patient: &'a PatientId,
        #[serde(flatten)]
        fact: &'a FactPut,
    }
    const SQL: &str = "INSERT INTO fact (id, patient_id, source, source_key, coding, kind, code, system, on_day, at, department, attributes, row_hash, updated_at)
        SELECT j.value ->> 'id', j.value ->> 'patient', $1, j.value ->> 'source_key', CAST(j.value ->> 'coding' AS BIGINT), j.value ->> 'kind',
            j.value ->> 'code', j.value ->> 'system', j.value ->> 'on_day', CAST(j.value ->> 'at' AS BIGINT), j.value ->> 'department',
            j.value ->> 'attributes', j.value ->> 'row_hash', CAST($3 AS BIGINT)
        FROM json_each($2) AS j WHERE TRUE
        ON CONFLICT (source, kind, source_key, coding) DO UPDATE SET patient_id = excluded.patient_id, code = excluded.code,
            system = excluded.system, on_day = excluded.on_day, at = excluded.at, department = excluded.department,
            attributes = excluded.attributes, row_hash = excluded.row_hash, updated_at = excluded.updated_at";
    if facts.is_empty() {
        return Ok(());
    }
    let set: Vec<Row<'_>> = facts
        .iter()
        .map(|(patient, fact)| Row {
            id: FactId::generate(),
            patient,
            fact,
        })
        .collect();
    on!(&mut *tx, conn => sqlx::query(SQL).bind(source).bind(rows(&set)).bind(now.as_millisecond()).execute(conn).await.map(|_| ()))?;
    let mut codings: HashMap<(&str, &str), usize> = HashMap::new();
    for (_, fact) in facts {
        *codings.entry((&fact.kind, &fact.source_key)).or_default() += 1;
    }
    let names: Vec<Name<'_>> = codings
        .into_iter()
        .map(|((kind, key), codings)| Name { kind, key, codings })
        .collect();
    trim(tx, source, &names).await?;
    let patients: Vec<PatientId> = facts
        .iter()
        .map(|(patient, _)| (*patient).clone())
        .collect();
    marks::add(tx, &patients, now).await
}

/// Removes the facts with these kinds and keys; returns and marks their patients.
///
/// # Errors
/// When the database refuses.
pub async fn remove(
    tx: &mut Tx,
    source: &str,
    names: &[(&str, &str)],
    now: Timestamp,
) -> Result<Vec<PatientId>, StoreError> {
    let set = whole(names);
    let patients = trim(tx, source, &set).await?;
    marks::add(tx, &patients, now).await?;
    Ok(patients)
}

/// Facts with every code that they have.
fn whole<'a>(names: &[(&'a str, &'a str)]) -> Vec<Name<'a>> {
    let name = |&(kind, key): &(&'a str, &'a str)| Name {
        kind,
        key,
        codings: 0,
    };
    names.iter().map(name).collect()
}

/// Removes the codes that a statement no longer has.
async fn trim(tx: &mut Tx, source: &str, names: &[Name<'_>]) -> Result<Vec<PatientId>, StoreError> {
    const SQL: &str = "DELETE FROM fact WHERE id IN (SELECT f.id FROM json_each($2) AS j
        CROSS JOIN fact AS f WHERE f.source = $1 AND f.kind = j.value ->> 'kind' AND f.source_key = j.value ->> 'key'
        AND f.coding >= CAST(j.value ->> 'codings' AS BIGINT)) RETURNING patient_id";
    on!(tx, conn => sqlx::query_scalar(SQL).bind(source).bind(rows(names)).fetch_all(conn).await)
}
