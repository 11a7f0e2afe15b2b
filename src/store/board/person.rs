//! One patient as staff read about them.

use jiff::civil::Date;

use super::rows::{name, read};
use super::{FromRow, Private, StoreError, Tx, on};
use crate::model::class::ContactKind;
use crate::model::patient::{ContactStatus, Sex};

/// The head of a patient's page.
#[derive(Clone, Debug)]
pub struct Card {
    /// What they are called.
    pub name: Private<String>,
    /// As the hospital records it.
    pub sex: Option<Sex>,
    /// Day of birth.
    pub birth_on: Option<Private<Date>>,
    /// The language they read.
    pub language: Option<String>,
    /// Whether they have died.
    pub deceased: bool,
    /// To be reached through the family.
    pub special: bool,
    /// Blocked by a person.
    pub held: bool,
    /// Their own numbers and addresses, by rank.
    pub contacts: Vec<ContactLine>,
    /// Family and guardians, by rank.
    pub family: Vec<FamilyLine>,
    /// What they refused: `all`, classes, channels.
    pub refused: Vec<String>,
}

/// A number or address.
#[derive(Clone, Debug)]
pub struct ContactLine {
    /// Number or mail address.
    pub kind: ContactKind,
    /// The number in E.164, or the address.
    pub address: Private<String>,
    /// Whether it may be used.
    pub status: ContactStatus,
    /// What stands against it: scope and reason.
    pub suppressed: Option<(String, String)>,
}

/// A family member or guardian.
#[derive(Clone, Debug)]
pub struct FamilyLine {
    /// What they are to the patient.
    pub kind: String,
    /// What they are called.
    pub name: Option<Private<String>>,
    /// Whether they may be told.
    pub consented: bool,
    /// Their numbers and addresses.
    pub contacts: Vec<ContactLine>,
}

#[derive(FromRow)]
struct PatientRow {
    name: String,
    sex: Option<String>,
    birth_on: Option<String>,
    language: Option<String>,
    deceased: bool,
    special: bool,
    held: bool,
}

#[derive(FromRow)]
struct ContactRow {
    relation_id: Option<String>,
    kind: String,
    address: String,
    status: String,
    scope: Option<String>,
    reason: Option<String>,
}

#[derive(FromRow)]
struct RelationRow {
    id: String,
    kind: String,
    name: Option<String>,
    consented: bool,
}

/// The patient with that id.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn card(tx: &mut Tx, id: &str) -> Result<Option<Card>, StoreError> {
    const PATIENT: &str =
        "SELECT name, sex, birth_on, language, deceased, special, held FROM patient WHERE id = $1";
    const CONTACTS: &str = "SELECT c.relation_id, c.kind, c.address, c.status, s.scope, s.reason FROM contact_point AS c
        LEFT JOIN suppression AS s ON s.address_hash = c.address_hash AND s.patient_id IN ('', c.patient_id) AND s.lifted_at IS NULL
        WHERE c.patient_id = $1 ORDER BY c.rank, c.id LIMIT 50";
    const FAMILY: &str = "SELECT id, kind, name, consented FROM relation WHERE patient_id = $1 ORDER BY rank, id LIMIT 50";
    const REFUSED: &str = "SELECT scope FROM consent WHERE patient_id = $1 AND relation_id = '' AND granted = FALSE ORDER BY scope LIMIT 50";
    let row: Option<PatientRow> =
        on!(&mut *tx, conn => sqlx::query_as(PATIENT).bind(id).fetch_optional(conn).await)?;
    let Some(row) = row else { return Ok(None) };
    let contacts: Vec<ContactRow> =
        on!(&mut *tx, conn => sqlx::query_as(CONTACTS).bind(id).fetch_all(conn).await)?;
    let relations: Vec<RelationRow> =
        on!(&mut *tx, conn => sqlx::query_as(FAMILY).bind(id).fetch_all(conn).await)?;
    let refused: Vec<String> =
        on!(tx, conn => sqlx::query_scalar(REFUSED).bind(id).fetch_all(conn).await)?;
    let of = |relation: Option<&str>| -> Result<Vec<ContactLine>, StoreError> {
        contacts
            .iter()
            .filter(|c| c.relation_id.as_deref() == relation)
            .map(ContactRow::line)
            .collect()
    };
    let family = relations.iter().map(|relation| {
        Ok(FamilyLine {
            kind: relation.kind.clone(),
            name: relation.name.as_deref().map(name).transpose()?,
            consented: relation.consented,
            contacts: of(Some(&relation.id))?,
        })
    });
    Ok(Some(Card {
        name: name(&row.name)?,
        sex: row
            .sex
            .as_deref()
            .map(|word| read("patient", word, Sex::parse))
            .transpose()?,
        birth_on: row
            .birth_on
            .as_deref()
            .map(|day| read("patient", day, |day| day.parse().ok()).map(Private::new))
            .transpose()?,
        language: row.language,
        deceased: row.deceased,
        special: row.special,
        held: row.held,
        contacts: of(None)?,
        family: family.collect::<Result<_, StoreError>>()?,
        refused,
    }))
}

impl ContactRow {
    fn line(&self) -> Result<ContactLine, StoreError> {
        Ok(ContactLine {
            kind: read("contact_point", &self.kind, ContactKind::parse)?,
            address: Private::new(self.address.clone()),
            status: read("contact_point", &self.status, ContactStatus::parse)?,
            suppressed: self.scope.clone().zip(self.reason.clone()),
        })
    }
}
