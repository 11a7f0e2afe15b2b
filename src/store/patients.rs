//! Patients with everything that planning and composing look at, and how all work for one is stopped.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::json;

use super::events;
use super::messages::told;
use super::{StoreError, Tx, id_set, on, rows};
use crate::model::class::{Channel, ContactKind};
use crate::model::id::{ContactPointId, MessageId, PatientId, RelationId};
use crate::model::patient::{
    ContactPoint, ContactStatus, LunarDay, OptOut, Patient, PersonName, Relation, Sex,
};
use crate::model::private::Private;
use crate::model::reminder::SkipReason;

/// Ids as a set of rows with one column `id`.
pub(super) fn ids(patients: &[PatientId]) -> String {
    #[derive(serde::Serialize)]
    struct Id<'a> {
        id: &'a str,
    }
    rows(
        &patients
            .iter()
            .map(|id| Id { id: id.as_str() })
            .collect::<Vec<_>>(),
    )
}

/// Words as a set of rows with one column `id`; empty for `None`, which stands for all.
pub(super) fn words(words: Option<&[&str]>) -> String {
    let set = |words: &[&str]| rows(&words.iter().map(|id| super::Id { id }).collect::<Vec<_>>());
    words.map_or_else(|| "[]".to_owned(), set)
}

/// These patients, with contact points, family and refusals, in the order of their ids.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn load(tx: &mut Tx, patients: &[PatientId]) -> Result<Vec<Patient>, StoreError> {
    Ok(load_bound(tx, patients).await?.0)
}

/// What stands against addresses: the scopes that are refused, by contact point.
pub type Binding = HashMap<ContactPointId, Vec<OptOut>>;

/// The same, with what stands against addresses of these patients and their families.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn load_bound(
    tx: &mut Tx,
    patients: &[PatientId],
) -> Result<(Vec<Patient>, Binding), StoreError> {
    let mut found = bare(tx, patients).await?;
    if found.is_empty() {
        return Ok((found, Binding::new()));
    }
    let set = id_set(patients.iter().map(PatientId::as_str));
    let Contacts {
        mut own,
        mut of_relations,
        binding,
    } = contacts(tx, &set).await?;
    let mut said = said(tx, &set).await?;
    let mut family = family(tx, &set, &mut of_relations, &mut said).await?;
    for patient in &mut found {
        patient.contacts = own.remove(&patient.id).unwrap_or_default();
        patient.family = family.remove(&patient.id).unwrap_or_default();
        (patient.opt_outs, patient.consents) = said
            .remove(&(patient.id.clone(), String::new()))
            .unwrap_or_default();
    }
    Ok((found, binding))
}

/// These patients without contact points, family and refusals: what an audience looks at.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn bare(tx: &mut Tx, patients: &[PatientId]) -> Result<Vec<Patient>, StoreError> {
    const SQL: &str = "SELECT p.id, p.source, p.source_key, p.name, p.sex, p.birth_on, p.lunar_md, p.language, p.deceased, p.special, p.held,
        p.tags, p.prefer, p.attributes
        FROM json_each($1) AS j CROSS JOIN patient AS p WHERE p.id = j.atom";
    if patients.is_empty() {
        return Ok(Vec::new());
    }
    let set = id_set(patients.iter().map(PatientId::as_str));
    let mut found: Vec<PatientRow> =
        on!(tx, conn => sqlx::query_as(SQL).bind(set).fetch_all(conn).await)?;
    found.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    found.into_iter().map(PatientRow::into_patient).collect()
}

/// The patient that a source knows by `key`.
///
/// # Errors
/// When the database refuses.
pub async fn find(tx: &mut Tx, source: &str, key: &str) -> Result<Option<PatientId>, StoreError> {
    const SQL: &str = "SELECT id FROM patient WHERE source = $1 AND source_key = $2";
    on!(tx, conn => sqlx::query_scalar(SQL).bind(source).bind(key).fetch_optional(conn).await)
}

/// Whose address it is: patients themselves and relations of patients; not those who said that it is a wrong one.
///
/// # Errors
/// When the database refuses.
pub async fn by_address(
    tx: &mut Tx,
    address_hash: &str,
) -> Result<Vec<(PatientId, Option<RelationId>)>, StoreError> {
    const SQL: &str = "SELECT DISTINCT patient_id, relation_id FROM contact_point
        WHERE address_hash = $1 AND status <> 'wrong_number' ORDER BY patient_id, relation_id";
    on!(tx, conn => sqlx::query_as(SQL).bind(address_hash).fetch_all(conn).await)
}

/// Stops all that has not left for these patients: planned reminders are skipped and waiting messages
/// suppressed, in this transaction (promise 6).
///
/// What is on the wire is left to its outcome but never sent again. A message that may have gone out
/// once ends in `unconfirmed`, since `suppressed` would claim that nothing did.
/// # Errors
/// When the database refuses.
pub async fn stop_all(
    tx: &mut Tx,
    patients: &[PatientId],
    reason: SkipReason,
    now: Timestamp,
) -> Result<(), StoreError> {
    const REMINDERS: &str = "UPDATE reminder SET state = 'skipped', reason = $2, updated_at = $3
        WHERE state = 'planned' AND patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    // Taking the rows first makes a worker that journals an attempt at this moment come wholly before or after us.
    const LOCK: &str =
        "UPDATE dispatch SET fence = fence WHERE message_id IN (SELECT m.id FROM message AS m
        WHERE m.patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j))";
    // The state is cast so that no index goes by it: SQLite would walk all that wait, whoever they are for.
    const MESSAGES: &str = "UPDATE message SET reason = $2, updated_at = $3, state = CASE WHEN EXISTS
            (SELECT 1 FROM attempt AS a WHERE a.message_id = message.id AND a.phase = 'unknown') THEN 'unconfirmed' ELSE 'suppressed' END
        WHERE patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)
        AND CAST(state AS TEXT) IN ('scheduled', 'queued', 'held', 'sending')
        AND NOT EXISTS (SELECT 1 FROM attempt AS a WHERE a.message_id = message.id AND a.phase = 'prepared')
        RETURNING id, state, reference";
    const LAST: &str = "UPDATE message SET no_resend = TRUE, updated_at = $2
        WHERE patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j) AND CAST(state AS TEXT) IN ('sending', 'uncertain')";
    const DISPATCH: &str = "DELETE FROM dispatch WHERE message_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    if patients.is_empty() {
        return Ok(());
    }
    let (set, why, at) = (ids(patients), reason.as_str(), now.as_millisecond());
    on!(&mut *tx, conn => sqlx::query(REMINDERS).bind(&set).bind(why).bind(at).execute(conn).await.map(|_| ()))?;
    on!(&mut *tx, conn => sqlx::query(LOCK).bind(&set).execute(conn).await.map(|_| ()))?;
    let stopped: Vec<(MessageId, String, Option<String>)> = on!(&mut *tx, conn => sqlx::query_as(MESSAGES).bind(&set).bind(why).bind(at).fetch_all(conn).await)?;
    on!(&mut *tx, conn => sqlx::query(LAST).bind(&set).bind(at).execute(conn).await.map(|_| ()))?;
    let gone = rows(
        &stopped
            .iter()
            .map(|(id, ..)| json!({"id": id}))
            .collect::<Vec<_>>(),
    );
    on!(&mut *tx, conn => sqlx::query(DISPATCH).bind(gone).execute(conn).await.map(|_| ()))?;
    let news: Vec<_> = stopped
        .iter()
        .map(|(id, state, reference)| told(id, state, Some(why), reference.as_deref()))
        .collect();
    events::add(tx, &news, now).await
}

#[derive(sqlx::FromRow)]
struct PatientRow {
    id: PatientId,
    source: String,
    source_key: String,
    name: String,
    sex: Option<String>,
    birth_on: Option<String>,
    lunar_md: Option<i64>,
    language: Option<String>,
    deceased: bool,
    special: bool,
    held: bool,
    tags: String,
    prefer: String,
    attributes: String,
}

impl PatientRow {
    fn into_patient(self) -> Result<Patient, StoreError> {
        let bad = |what| StoreError::BadRow {
            table: "patient",
            what,
        };
        let prefer: Vec<Channel> = serde_json::from_str(&self.prefer).map_err(|_| bad("prefer"))?;
        Ok(Patient {
            id: self.id,
            source: self.source,
            source_key: Private::new(self.source_key),
            name: Private::new(serde_json::from_str(&self.name).map_err(|_| bad("name"))?),
            sex: self
                .sex
                .map(|word| Sex::parse(&word).ok_or(bad("sex")))
                .transpose()?,
            birth_on: self
                .birth_on
                .map(|day| day.parse().map(Private::new).map_err(|_| bad("birth_on")))
                .transpose()?,
            lunar_birthday: self
                .lunar_md
                .map(|md| lunar_day(md).map(Private::new).ok_or(bad("lunar_md")))
                .transpose()?,
            language: self.language,
            deceased: self.deceased,
            special: self.special,
            held: self.held,
            tags: serde_json::from_str(&self.tags).map_err(|_| bad("tags"))?,
            prefer,
            attributes: Private::new(
                serde_json::from_str(&self.attributes).map_err(|_| bad("attributes"))?,
            ),
            contacts: Vec::new(),
            family: Vec::new(),
            opt_outs: Vec::new(),
            consents: Vec::new(),
        })
    }
}

fn lunar_day(md: i64) -> Option<LunarDay> {
    let (month, day) = (u8::try_from(md / 100).ok()?, u8::try_from(md % 100).ok()?);
    ((1..=12).contains(&month) && (1..=30).contains(&day)).then_some(LunarDay { month, day })
}

/// Contact points, and what stands against their addresses.
#[derive(Default)]
struct Contacts {
    /// The patients' own.
    own: HashMap<PatientId, Vec<ContactPoint>>,
    of_relations: HashMap<RelationId, Vec<ContactPoint>>,
    binding: Binding,
}

async fn contacts(tx: &mut Tx, set: &str) -> Result<Contacts, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        id: ContactPointId,
        patient_id: PatientId,
        relation_id: Option<RelationId>,
        kind: String,
        address: String,
        rank: i64,
        status: String,
        scope: Option<String>,
    }
    // A row for each that stands against the address, or one with none.
    const SQL: &str = "SELECT c.id, c.patient_id, c.relation_id, c.kind, c.address, c.rank, c.status, s.scope
        FROM json_each($1) AS j CROSS JOIN contact_point AS c LEFT JOIN suppression AS s ON s.address_hash = c.address_hash
          AND s.lifted_at IS NULL AND (s.patient_id = '' OR s.patient_id = c.patient_id)
        WHERE c.patient_id = j.atom ORDER BY c.rank, c.id, s.id";
    let found: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).bind(set).fetch_all(conn).await)?;
    let mut all = Contacts::default();
    for row in found {
        if let Some(scope) = row.scope {
            let scope = OptOut::parse(&scope).ok_or(StoreError::BadRow {
                table: "suppression",
                what: "scope",
            })?;
            let scopes = all.binding.entry(row.id.clone()).or_default();
            scopes.push(scope);
            if scopes.len() > 1 {
                continue;
            }
        }
        let bad = |what| StoreError::BadRow {
            table: "contact_point",
            what,
        };
        let contact = ContactPoint {
            id: row.id,
            kind: ContactKind::parse(&row.kind).ok_or(bad("kind"))?,
            address: Private::new(row.address),
            rank: row.rank,
            status: ContactStatus::parse(&row.status).ok_or(bad("status"))?,
        };
        match row.relation_id {
            Some(relation) => all.of_relations.entry(relation).or_default().push(contact),
            None => all.own.entry(row.patient_id).or_default().push(contact),
        }
    }
    Ok(all)
}

/// What each person refused and what they gave leave for: by patient, and relation or `''` for the patient.
type Said = HashMap<(PatientId, String), (Vec<OptOut>, Vec<OptOut>)>;

async fn said(tx: &mut Tx, set: &str) -> Result<Said, StoreError> {
    const SQL: &str = "SELECT c.patient_id, c.relation_id, c.scope, c.granted FROM json_each($1) AS j CROSS JOIN consent AS c
        WHERE c.patient_id = j.atom ORDER BY c.scope";
    let found: Vec<(PatientId, String, String, bool)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(set).fetch_all(conn).await)?;
    let mut all = Said::new();
    for (patient, relation, scope, granted) in found {
        let scope = OptOut::parse(&scope).ok_or(StoreError::BadRow {
            table: "consent",
            what: "scope",
        })?;
        let (refused, allowed) = all.entry((patient, relation)).or_default();
        if granted {
            allowed.push(scope);
        } else {
            refused.push(scope);
        }
    }
    Ok(all)
}

async fn family(
    tx: &mut Tx,
    set: &str,
    contacts: &mut HashMap<RelationId, Vec<ContactPoint>>,
    said: &mut Said,
) -> Result<HashMap<PatientId, Vec<Relation>>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        id: RelationId,
        patient_id: PatientId,
        kind: String,
        name: Option<String>,
        language: Option<String>,
        consented: bool,
    }
    const SQL: &str = "SELECT r.id, r.patient_id, r.kind, r.name, r.language, r.consented
        FROM json_each($1) AS j CROSS JOIN relation AS r WHERE r.patient_id = j.atom ORDER BY r.rank, r.source_key, r.id";
    let found: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).bind(set).fetch_all(conn).await)?;
    let mut all: HashMap<PatientId, Vec<Relation>> = HashMap::new();
    for row in found {
        let name: Option<PersonName> = row
            .name
            .map(|name| serde_json::from_str(&name))
            .transpose()
            .map_err(|_| StoreError::BadRow {
                table: "relation",
                what: "name",
            })?;
        let key = (row.patient_id, row.id.as_str().to_owned());
        let (opt_outs, consents) = said.remove(&key).unwrap_or_default();
        let relation = Relation {
            kind: row.kind,
            name: name.map(Private::new),
            language: row.language,
            consented: row.consented,
            contacts: contacts.remove(&row.id).unwrap_or_default(),
            opt_outs,
            consents,
            id: row.id,
        };
        all.entry(key.0).or_default().push(relation);
    }
    Ok(all)
}

/// Blocks a patient until a person has looked: nothing is sent to them or about them.
///
/// # Errors
/// When the database fails.
pub async fn hold(tx: &mut Tx, patient: &PatientId, now: Timestamp) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE patient SET held = TRUE, updated_at = $2 WHERE id = $1";
    super::execute!(
        tx,
        sqlx::query(SQL).bind(patient).bind(now.as_millisecond())
    )?;
    Ok(())
}
