//! Family and guardians as sources tell them: within the patient's record, or as records of their own.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::contact_points::{self, ContactPut, Owner};
use super::patients::ids;
use super::{Id, StoreError, Tx, execute, marks, on, rows, withdraw};
use crate::model::class::Class;
use crate::model::id::{PatientId, RelationId};

/// A relation to be written. Holds private data in the open: it has no `Debug`.
#[derive(Clone)]
pub struct RelationPut {
    /// `#…` within a patient's record, else the source's key.
    pub source_key: String,
    /// Lower goes first.
    pub rank: i64,
    /// What they are to the patient.
    pub kind: String,
    /// A name as JSON.
    pub name: Option<String>,
    /// BCP 47.
    pub language: Option<String>,
    /// Whether they may be told.
    pub consented: bool,
    /// The classes that the consent is for; none for all.
    pub classes: Vec<Class>,
    /// Of the record; empty within a patient's.
    pub row_hash: String,
    /// Their numbers and addresses, best first.
    pub contacts: Vec<ContactPut>,
}

/// Relations that are records of their own: their hashes, by patient and key.
///
/// # Errors
/// When the database refuses.
pub async fn known(
    tx: &mut Tx,
    patients: &[PatientId],
) -> Result<HashMap<(PatientId, String), String>, StoreError> {
    const SQL: &str = "SELECT r.patient_id, r.source_key, r.row_hash FROM relation AS r
        WHERE r.patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j) AND r.source_key NOT LIKE '#%'";
    let found: Vec<(PatientId, String, String)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(ids(patients)).fetch_all(conn).await)?;
    Ok(found
        .into_iter()
        .map(|(patient, key, hash)| ((patient, key), hash))
        .collect())
}

/// Those relations of these patients that are told within the patient's record.
///
/// # Errors
/// When the database refuses.
pub async fn told_within(
    tx: &mut Tx,
    patients: &[PatientId],
) -> Result<HashSet<RelationId>, StoreError> {
    let had = had(tx, patients).await?;
    Ok(had
        .into_iter()
        .filter(|((_, key), _)| key.starts_with('#'))
        .map(|(_, id)| id)
        .collect())
}

/// Writes relations that are records of their own, and marks their patients.
///
/// # Errors
/// When the database refuses.
pub async fn put(
    tx: &mut Tx,
    family: Vec<(PatientId, RelationPut)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let patients: Vec<PatientId> = family.iter().map(|(patient, _)| patient.clone()).collect();
    let had = had(tx, &patients).await?;
    write(tx, family, &had, now).await?;
    marks::add(tx, &patients, now).await
}

/// Removes relations that are records of their own, and marks their patients.
///
/// # Errors
/// When the database refuses.
pub async fn remove(
    tx: &mut Tx,
    gone: &[(PatientId, String)],
    now: Timestamp,
) -> Result<(), StoreError> {
    let patients: Vec<PatientId> = gone.iter().map(|(patient, _)| patient.clone()).collect();
    let had = had(tx, &patients).await?;
    let gone: Vec<RelationId> = gone
        .iter()
        .filter_map(|key| had.get(key).cloned())
        .collect();
    delete(tx, &gone, now).await?;
    marks::add(tx, &patients, now).await
}

/// Puts `family` in the place of all that the records of `patients` told of relations before.
/// A relation that is told again keeps its id.
pub(super) async fn replace_told_within(
    tx: &mut Tx,
    patients: &[PatientId],
    family: Vec<(PatientId, RelationPut)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let had = had(tx, patients).await?;
    let told: HashSet<(&PatientId, &str)> = family
        .iter()
        .map(|(patient, put)| (patient, put.source_key.as_str()))
        .collect();
    let gone: Vec<RelationId> = had
        .iter()
        .filter(|((patient, key), _)| {
            key.starts_with('#') && !told.contains(&(patient, key.as_str()))
        })
        .map(|(_, id)| id.clone())
        .collect();
    delete(tx, &gone, now).await?;
    write(tx, family, &had, now).await
}

/// Writes the family of patients that are new themselves.
pub(super) async fn insert(
    tx: &mut Tx,
    family: Vec<(PatientId, RelationPut)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    write(tx, family, &HashMap::new(), now).await
}

async fn had(
    tx: &mut Tx,
    patients: &[PatientId],
) -> Result<HashMap<(PatientId, String), RelationId>, StoreError> {
    const SQL: &str = "SELECT r.patient_id, r.source_key, r.id FROM relation AS r
        WHERE r.patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    let found: Vec<(PatientId, String, RelationId)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(ids(patients)).fetch_all(conn).await)?;
    Ok(found
        .into_iter()
        .map(|(patient, key, id)| ((patient, key), id))
        .collect())
}

/// Contact points go by themselves; what such a relation refused goes here, and what waits to be sent to them.
async fn delete(tx: &mut Tx, gone: &[RelationId], now: Timestamp) -> Result<(), StoreError> {
    const CONSENT: &str = "DELETE FROM consent WHERE relation_id <> '' AND (patient_id, relation_id) IN
        (SELECT r.patient_id, r.id FROM relation AS r WHERE r.id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j))";
    const RELATION: &str =
        "DELETE FROM relation WHERE id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    if gone.is_empty() {
        return Ok(());
    }
    let set = rows(
        &gone
            .iter()
            .map(|id| serde_json::json!({"id": id}))
            .collect::<Vec<_>>(),
    );
    on!(&mut *tx, conn => sqlx::query(CONSENT).bind(&set).execute(conn).await.map(|_| ()))?;
    withdraw::withdraw_from_relations(tx, gone, withdraw::Which::All, now).await?;
    on!(&mut *tx, conn => sqlx::query(RELATION).bind(&set).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// A relation as it is bound to a statement.
#[derive(serde::Serialize)]
struct Row {
    id: RelationId,
    patient: PatientId,
    source_key: String,
    rank: i64,
    kind: String,
    name: Option<String>,
    language: Option<String>,
    consented: bool,
    row_hash: String,
}

async fn put_rows(tx: &mut Tx, set: &[Row]) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO relation (id, patient_id, source_key, rank, kind, name, language, consented, row_hash)
        SELECT j.value ->> 'id', j.value ->> 'patient', j.value ->> 'source_key', CAST(j.value ->> 'rank' AS BIGINT), j.value ->> 'kind',
            j.value ->> 'name', j.value ->> 'language', CAST(j.value ->> 'consented' AS BOOLEAN), j.value ->> 'row_hash'
        FROM json_each($1) AS j WHERE TRUE
        ON CONFLICT (id) DO UPDATE SET rank = excluded.rank, kind = excluded.kind, name = excluded.name, language = excluded.language,
            consented = excluded.consented, row_hash = excluded.row_hash";
    on!(tx, conn => sqlx::query(SQL).bind(rows(set)).execute(conn).await.map(|_| ()))
}

async fn write(
    tx: &mut Tx,
    family: Vec<(PatientId, RelationPut)>,
    had: &HashMap<(PatientId, String), RelationId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if family.is_empty() {
        return Ok(());
    }
    let (mut set, mut contacts) = (Vec::with_capacity(family.len()), Vec::new());
    let (mut consents, mut known) = (Vec::new(), Vec::new());
    for (patient, put) in family {
        let id = had
            .get(&(patient.clone(), put.source_key.clone()))
            .cloned()
            .unwrap_or_else(RelationId::generate);
        let owner = Owner {
            patient: patient.clone(),
            relation: Some(id.clone()),
        };
        contacts.extend(put.contacts.into_iter().map(|one| (owner.clone(), one)));
        let leave = |class: &Class| Leave {
            patient: patient.clone(),
            relation: id.clone(),
            scope: class.as_str(),
        };
        consents.extend(put.classes.iter().map(leave));
        if had.contains_key(&(patient.clone(), put.source_key.clone())) {
            known.push(id.clone());
        }
        set.push(Row {
            id,
            patient,
            source_key: put.source_key,
            rank: put.rank,
            kind: put.kind,
            name: put.name,
            language: put.language,
            consented: put.consented,
            row_hash: put.row_hash,
        });
    }
    put_rows(tx, &set).await?;
    let owners: Vec<Owner> = set
        .into_iter()
        .map(|row| Owner {
            patient: row.patient,
            relation: Some(row.id),
        })
        .collect();
    contact_points::replace(tx, &owners, contacts).await?;
    replace_leaves(tx, &known, &consents, now).await?;
    withdraw::withdraw_from_relations(tx, &known, withdraw::Which::WithoutConsent, now).await
}

/// Leave to tell a relation of one class.
#[derive(serde::Serialize)]
struct Leave {
    patient: PatientId,
    relation: RelationId,
    scope: &'static str,
}

/// Puts the classes that a record names in the place of those it named before, of relations that were `known`.
///
/// What a relation refused themselves stays.
async fn replace_leaves(
    tx: &mut Tx,
    known: &[RelationId],
    leaves: &[Leave],
    now: Timestamp,
) -> Result<(), StoreError> {
    const GONE: &str = "DELETE FROM consent WHERE granted = TRUE AND origin = 'record' AND (patient_id, relation_id) IN
        (SELECT r.patient_id, r.id FROM json_each($1) AS j CROSS JOIN relation AS r WHERE r.id = j.value ->> 'id')";
    const GIVEN: &str = "INSERT INTO consent (patient_id, relation_id, scope, granted, origin, at)
        SELECT j.value ->> 'patient', j.value ->> 'relation', j.value ->> 'scope', TRUE, 'record', CAST($2 AS BIGINT)
        FROM json_each($1) AS j WHERE TRUE ON CONFLICT (patient_id, relation_id, scope) DO NOTHING";
    if !known.is_empty() {
        let known: Vec<Id<'_>> = known.iter().map(|id| Id { id: id.as_str() }).collect();
        execute!(&mut *tx, sqlx::query(GONE).bind(rows(&known)))?;
    }
    if !leaves.is_empty() {
        let at = now.as_millisecond();
        execute!(tx, sqlx::query(GIVEN).bind(rows(leaves)).bind(at))?;
    }
    Ok(())
}
