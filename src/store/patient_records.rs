//! Patients as a source tells them: what is known already, and what is written of a set of records.
//!
//! A record is whole: contact points, family and consent that it does not name are gone afterwards. What
//! people said to us and what became of an address is ours and stays.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::bulk::{Cell, Insert};
use super::contact_points::{self, ContactPut, Owner};
use super::patients::ids;
use super::relations::{self, RelationPut};
use super::{StoreError, Tx, marks, on, rows, withdraw};
use crate::model::id::PatientId;
use crate::model::patient::OptOut;

/// What we have of a patient, as far as a new record must be compared with it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Our own id.
    pub id: PatientId,
    /// The version it was last told in.
    pub version: Option<i64>,
    /// Hash of the record it was last told by.
    pub row_hash: String,
    /// Whether they are known to be dead.
    pub deceased: bool,
    /// Whether they are held.
    pub held: bool,
    /// Whether the source said last time that the record is not in use.
    pub inactive: bool,
    /// The day of birth, as it is kept.
    pub birth_on: Option<String>,
}

/// A patient to be written. Holds private data in the open, only to be bound to a statement: it has no `Debug`.
#[derive(Clone, serde::Serialize)]
pub struct PatientPut {
    /// Our id: a known one or a new one.
    pub id: PatientId,
    /// The source's key.
    pub source_key: String,
    /// A name as JSON.
    pub name: String,
    /// A word of `Sex`.
    pub sex: Option<&'static str>,
    /// Civil day.
    pub birth_on: Option<String>,
    /// Month * 100 + day.
    pub birth_md: Option<i64>,
    /// Lunar month * 100 + day.
    pub lunar_md: Option<i64>,
    /// BCP 47.
    pub language: Option<String>,
    /// Whether they have died.
    pub deceased: bool,
    /// To be reached through the family.
    pub special: bool,
    /// Blocked.
    pub held: bool,
    /// JSON list.
    pub tags: String,
    /// JSON list.
    pub prefer: String,
    /// JSON object.
    pub attributes: String,
    /// Of the source.
    pub version: Option<i64>,
    /// Of the whole record.
    pub row_hash: String,
    /// Their numbers and addresses, best first.
    #[serde(skip)]
    pub contacts: Vec<ContactPut>,
    /// Family told within the record.
    #[serde(skip)]
    pub family: Vec<RelationPut>,
    /// What they allow and refuse.
    #[serde(skip)]
    pub consents: Vec<ConsentPut>,
}

/// What a record says about consent.
#[derive(Clone, Debug)]
pub struct ConsentPut {
    /// Everything, a class or a channel.
    pub scope: OptOut,
    /// Leave, or its withdrawal.
    pub granted: bool,
    /// When it was said; a word without a day never outweighs what somebody told us.
    pub at: Option<i64>,
}

/// What is known of the patients that `source` calls by these keys.
///
/// # Errors
/// When the database refuses.
pub async fn known(
    tx: &mut Tx,
    source: &str,
    keys: &[&str],
) -> Result<HashMap<String, Known>, StoreError> {
    type Row = (
        String,
        PatientId,
        Option<i64>,
        String,
        bool,
        bool,
        String,
        Option<String>,
    );
    const SQL: &str = "SELECT p.source_key, p.id, p.version, p.row_hash, p.deceased, p.held, p.attributes, p.birth_on
        FROM patient AS p WHERE p.source = $1 AND p.source_key IN (SELECT j.value ->> 'key' FROM json_each($2) AS j)";
    #[derive(serde::Serialize)]
    struct Wanted<'a> {
        key: &'a str,
    }
    let set = rows(&keys.iter().map(|key| Wanted { key }).collect::<Vec<_>>());
    let found: Vec<Row> =
        on!(tx, conn => sqlx::query_as(SQL).bind(source).bind(set).fetch_all(conn).await)?;
    Ok(found
        .into_iter()
        .map(
            |(key, id, version, row_hash, deceased, held, attributes, birth_on)| {
                // Few have the word at all.
                let inactive = attributes.contains("\"active\"")
                    && serde_json::from_str::<serde_json::Value>(&attributes)
                        .is_ok_and(|all| all["active"] == false);
                (
                    key,
                    Known {
                        id,
                        version,
                        row_hash,
                        deceased,
                        held,
                        inactive,
                        birth_on,
                    },
                )
            },
        )
        .collect())
}

/// Whether any patient of `source` is known.
///
/// # Errors
/// When the database refuses.
pub async fn any(tx: &mut Tx, source: &str) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM patient WHERE source = $1 LIMIT 1";
    let one: Option<i32> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(source).fetch_optional(conn).await)?;
    Ok(one.is_some())
}

/// Writes patients of `source` that are not known yet, with all that belongs to them. Marks nobody.
///
/// Returns whether all were new. If one of them was not, another process having been first, nothing is written.
/// # Errors
/// When the database refuses.
pub async fn insert(
    tx: &mut Tx,
    source: &str,
    patients: &[&PatientPut],
    now: Timestamp,
) -> Result<bool, StoreError> {
    static INSERT: Insert = Insert::new(
        "INSERT INTO patient (id, source, source_key, name, sex, birth_on, birth_md, lunar_md, language, deceased, special, held,
            tags, prefer, attributes, version, row_hash, created_at, updated_at) VALUES",
        "(?, $1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, $2, $2)",
        "ON CONFLICT (source, source_key) DO NOTHING",
    );
    const BACK: &str =
        "DELETE FROM patient WHERE id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    let shared = [Cell::Text(source), Cell::Number(now.as_millisecond())];
    let inserted = INSERT
        .run(tx, &shared, patients, |patient, cells| {
            cells.extend([
                Cell::Text(patient.id.as_str()),
                Cell::Text(&patient.source_key),
                Cell::Text(&patient.name),
                Cell::Told(patient.sex),
                Cell::Told(patient.birth_on.as_deref()),
                Cell::Counted(patient.birth_md),
                Cell::Counted(patient.lunar_md),
                Cell::Told(patient.language.as_deref()),
                Cell::Flag(patient.deceased),
                Cell::Flag(patient.special),
                Cell::Flag(patient.held),
                Cell::Text(&patient.tags),
                Cell::Text(&patient.prefer),
                Cell::Text(&patient.attributes),
                Cell::Counted(patient.version),
                Cell::Text(&patient.row_hash),
            ]);
        })
        .await?;
    if inserted < patients.len() as u64 {
        let all: Vec<PatientId> = patients.iter().map(|patient| patient.id.clone()).collect();
        on!(tx, conn => sqlx::query(BACK).bind(ids(&all)).execute(conn).await.map(|_| ()))?;
        return Ok(false);
    }
    let mut contacts: Vec<(Owner, &ContactPut)> = Vec::with_capacity(patients.len());
    let (mut family, mut said) = (Vec::new(), Vec::new());
    for patient in patients {
        let owner = || Owner::patient(&patient.id);
        contacts.extend(patient.contacts.iter().map(|contact| (owner(), contact)));
        let own = |relation: &RelationPut| (patient.id.clone(), relation.clone());
        family.extend(patient.family.iter().map(own));
        let own = |consent: &ConsentPut| (patient.id.clone(), consent.clone());
        said.extend(patient.consents.iter().map(own));
    }
    contact_points::insert(tx, &contacts).await?;
    relations::insert(tx, family, now).await?;
    if !said.is_empty() {
        let with: Vec<PatientId> = said.iter().map(|(patient, _)| patient.clone()).collect();
        replace_consents(tx, &with, &format!("source:{source}"), said, now).await?;
    }
    Ok(true)
}

/// Writes patients of `source` with all that belongs to them, and marks them. Returns those that were written:
/// one that another process brought up to a later version meanwhile is left alone.
///
/// # Errors
/// When the database refuses.
pub async fn put(
    tx: &mut Tx,
    source: &str,
    patients: Vec<PatientPut>,
    now: Timestamp,
) -> Result<Vec<PatientId>, StoreError> {
    const SQL: &str = "INSERT INTO patient (id, source, source_key, name, sex, birth_on, birth_md, lunar_md, language, deceased, special, held,
            tags, prefer, attributes, version, row_hash, created_at, updated_at)
        SELECT j.value ->> 'id', $1, j.value ->> 'source_key', j.value ->> 'name', j.value ->> 'sex', j.value ->> 'birth_on',
            CAST(j.value ->> 'birth_md' AS BIGINT), CAST(j.value ->> 'lunar_md' AS BIGINT), j.value ->> 'language',
            CAST(j.value ->> 'deceased' AS BOOLEAN), CAST(j.value ->> 'special' AS BOOLEAN), CAST(j.value ->> 'held' AS BOOLEAN),
            j.value ->> 'tags', j.value ->> 'prefer', j.value ->> 'attributes', CAST(j.value ->> 'version' AS BIGINT), j.value ->> 'row_hash',
            CAST($3 AS BIGINT), CAST($3 AS BIGINT)
        FROM json_each($2) AS j WHERE TRUE ORDER BY 3
        ON CONFLICT (source, source_key) DO UPDATE SET name = excluded.name, sex = excluded.sex, birth_on = excluded.birth_on,
            birth_md = excluded.birth_md, lunar_md = excluded.lunar_md, language = excluded.language, deceased = excluded.deceased,
            special = excluded.special, held = excluded.held, tags = excluded.tags, prefer = excluded.prefer, attributes = excluded.attributes,
            version = excluded.version, row_hash = excluded.row_hash, updated_at = excluded.updated_at
        WHERE patient.version IS NULL OR excluded.version IS NULL OR patient.version <= excluded.version
        RETURNING id, source_key";
    if patients.is_empty() {
        return Ok(Vec::new());
    }
    let set = rows(&patients);
    let written: Vec<(PatientId, String)> = on!(&mut *tx, conn => sqlx::query_as(SQL).bind(source).bind(set).bind(now.as_millisecond()).fetch_all(conn).await)?;
    // Another process may have made one of them first: its id counts.
    let written: HashMap<String, PatientId> =
        written.into_iter().map(|(id, key)| (key, id)).collect();
    let mut contacts: Vec<(Owner, ContactPut)> = Vec::new();
    let mut family: Vec<(PatientId, RelationPut)> = Vec::new();
    let mut said: Vec<(PatientId, ConsentPut)> = Vec::new();
    for patient in patients {
        let Some(id) = written.get(&patient.source_key) else {
            continue;
        };
        contacts.extend(
            patient
                .contacts
                .into_iter()
                .map(|contact| (Owner::patient(id), contact)),
        );
        family.extend(
            patient
                .family
                .into_iter()
                .map(|relation| (id.clone(), relation)),
        );
        said.extend(
            patient
                .consents
                .into_iter()
                .map(|consent| (id.clone(), consent)),
        );
    }
    let all: Vec<PatientId> = written.into_values().collect();
    let owners: Vec<Owner> = all.iter().map(Owner::patient).collect();
    contact_points::replace(tx, &owners, contacts).await?;
    relations::replace_told_within(tx, &all, family, now).await?;
    replace_consents(tx, &all, &format!("source:{source}"), said, now).await?;
    withdraw::withdraw_refused(tx, &all, now).await?;
    marks::add(tx, &all, now).await?;
    Ok(all)
}

/// What the records of `source` said about consent.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn consents(
    tx: &mut Tx,
    patients: &[PatientId],
    source: &str,
) -> Result<HashMap<PatientId, Vec<(OptOut, bool)>>, StoreError> {
    const SQL: &str = "SELECT c.patient_id, c.scope, c.granted FROM consent AS c
        WHERE c.patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j) AND c.relation_id = '' AND c.origin = $2 ORDER BY c.scope";
    let origin = format!("source:{source}");
    let found: Vec<(PatientId, String, bool)> = on!(tx, conn => sqlx::query_as(SQL).bind(ids(patients)).bind(origin).fetch_all(conn).await)?;
    let mut all: HashMap<PatientId, Vec<(OptOut, bool)>> = HashMap::new();
    for (patient, scope, granted) in found {
        let scope = OptOut::parse(&scope).ok_or(StoreError::BadRow {
            table: "consent",
            what: "scope",
        })?;
        all.entry(patient).or_default().push((scope, granted));
    }
    Ok(all)
}

/// Puts what the records of one origin say in the place of what they said before.
async fn replace_consents(
    tx: &mut Tx,
    patients: &[PatientId],
    origin: &str,
    said: Vec<(PatientId, ConsentPut)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    #[derive(serde::Serialize)]
    struct Row {
        patient: PatientId,
        scope: &'static str,
        granted: bool,
        at: i64,
    }
    const GONE: &str = "DELETE FROM consent WHERE patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j) AND relation_id = '' AND origin = $2
        AND (patient_id, scope) NOT IN (SELECT k.value ->> 'patient', k.value ->> 'scope' FROM json_each($3) AS k)";
    const DATED: &str = "INSERT INTO consent (patient_id, relation_id, scope, granted, origin, at)
        SELECT j.value ->> 'patient', '', j.value ->> 'scope', CAST(j.value ->> 'granted' AS BOOLEAN), $2, CAST(j.value ->> 'at' AS BIGINT)
        FROM json_each($1) AS j WHERE TRUE
        ON CONFLICT (patient_id, relation_id, scope) DO UPDATE SET granted = excluded.granted, origin = excluded.origin, at = excluded.at
        WHERE consent.origin = excluded.origin OR consent.at < excluded.at";
    const UNDATED: &str = "INSERT INTO consent (patient_id, relation_id, scope, granted, origin, at)
        SELECT j.value ->> 'patient', '', j.value ->> 'scope', CAST(j.value ->> 'granted' AS BOOLEAN), $2, CAST(j.value ->> 'at' AS BIGINT)
        FROM json_each($1) AS j WHERE TRUE
        ON CONFLICT (patient_id, relation_id, scope) DO UPDATE SET granted = excluded.granted, at = excluded.at
        WHERE consent.origin = excluded.origin";
    let (mut dated, mut undated, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    // A statement may touch a row once: the last word of a record counts.
    for (patient, consent) in said.into_iter().rev() {
        if seen.insert((patient.clone(), consent.scope)) {
            let row = Row {
                patient,
                scope: consent.scope.as_str(),
                granted: consent.granted,
                at: consent.at.unwrap_or(now.as_millisecond()),
            };
            if consent.at.is_some() {
                dated.push(row)
            } else {
                undated.push(row)
            }
        }
    }
    let kept = rows(&dated.iter().chain(&undated).collect::<Vec<_>>());
    on!(&mut *tx, conn => sqlx::query(GONE).bind(ids(patients)).bind(origin).bind(kept).execute(conn).await.map(|_| ()))?;
    for (sql, set) in [(DATED, dated), (UNDATED, undated)] {
        if !set.is_empty() {
            on!(&mut *tx, conn => sqlx::query(sql).bind(rows(&set)).bind(origin).execute(conn).await.map(|_| ()))?;
        }
    }
    Ok(())
}
