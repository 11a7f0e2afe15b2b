//! Addresses that are not to be used, whoever they belong to.

use jiff::Timestamp;

use super::events::{self, NewEvent};
use super::{StoreError, Tx, on, rows};
use crate::model::id::{PatientId, SuppressionId};
use crate::model::patient::OptOut;

/// Why an address is not to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SuppressionReason {
    /// Its holder said stop.
    Stop,
    /// Somebody else has it.
    WrongNumber,
    /// The patient has died.
    Deceased,
    /// Its holder complained.
    Complaint,
    /// A list of another system says so.
    Import,
    /// A member of staff says so.
    Staff,
}

impl SuppressionReason {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::WrongNumber => "wrong_number",
            Self::Deceased => "deceased",
            Self::Complaint => "complaint",
            Self::Import => "import",
            Self::Staff => "staff",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [
            Self::Stop,
            Self::WrongNumber,
            Self::Deceased,
            Self::Complaint,
            Self::Import,
            Self::Staff,
        ];
        all.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// A suppression to be made.
#[derive(Clone, Debug)]
pub struct NewSuppression {
    /// The address, by its hash.
    pub address_hash: String,
    /// The one patient it binds; `None` binds the address for all.
    pub patient: Option<PatientId>,
    /// What is not to be sent.
    pub scope: OptOut,
    /// Why.
    pub reason: SuppressionReason,
}

/// A suppression that stands.
#[derive(Clone, Debug)]
pub struct Suppression {
    /// Our own id.
    pub id: SuppressionId,
    /// The address, by its hash.
    pub address_hash: String,
    /// The one patient it binds; `None` binds the address for all.
    pub patient: Option<PatientId>,
    /// What is not to be sent.
    pub scope: OptOut,
    /// Why.
    pub reason: SuppressionReason,
    /// Since when.
    pub created_at: Timestamp,
}

/// Makes a suppression and tells of it; `None` when the same one stands already.
///
/// # Errors
/// When the database refuses.
pub async fn add(
    tx: &mut Tx,
    new: &NewSuppression,
    now: Timestamp,
) -> Result<Option<SuppressionId>, StoreError> {
    const SQL: &str = "INSERT INTO suppression (id, address_hash, patient_id, scope, reason, created_at) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (address_hash, patient_id, scope) WHERE lifted_at IS NULL DO NOTHING";
    let id = SuppressionId::generate();
    let patient = new.patient.as_ref().map_or("", PatientId::as_str);
    let (scope, reason) = (new.scope.as_str(), new.reason.as_str());
    let made = on!(tx, conn => sqlx::query(SQL).bind(&id).bind(&new.address_hash).bind(patient).bind(scope).bind(reason)
        .bind(now.as_millisecond()).execute(conn).await.map(|done| done.rows_affected()))?;
    if made == 0 {
        return Ok(None);
    }
    let data = serde_json::json!({"suppression": id, "patient": new.patient, "scope": scope, "reason": reason});
    events::add(
        tx,
        &[NewEvent {
            kind: "suppression.created".to_owned(),
            data,
        }],
        now,
    )
    .await?;
    Ok(Some(id))
}

/// The suppressions that stand for any of these addresses.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn standing<H: AsRef<str>>(
    tx: &mut Tx,
    address_hashes: &[H],
) -> Result<Vec<Suppression>, StoreError> {
    #[derive(serde::Serialize)]
    struct Row<'a> {
        hash: &'a str,
    }
    const SQL: &str = "SELECT s.id, s.address_hash, s.patient_id, s.scope, s.reason, s.created_at FROM suppression AS s
        WHERE s.lifted_at IS NULL AND s.address_hash IN (SELECT j.value ->> 'hash' FROM json_each($1) AS j) ORDER BY s.id";
    if address_hashes.is_empty() {
        return Ok(Vec::new());
    }
    let set: Vec<Row<'_>> = address_hashes
        .iter()
        .map(|hash| Row {
            hash: hash.as_ref(),
        })
        .collect();
    let found: Vec<(SuppressionId, String, String, String, String, i64)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(&set)).fetch_all(conn).await)?;
    found
        .into_iter()
        .map(|(id, address_hash, patient, scope, reason, at)| {
            let bad = |what| StoreError::BadRow {
                table: "suppression",
                what,
            };
            Ok(Suppression {
                id,
                address_hash,
                patient: PatientId::parse(&patient),
                scope: OptOut::parse(&scope).ok_or(bad("scope"))?,
                reason: SuppressionReason::parse(&reason).ok_or(bad("reason"))?,
                created_at: Timestamp::from_millisecond(at).map_err(|_| bad("created_at"))?,
            })
        })
        .collect()
}

/// Lifts what stands for an address: of one patient or of all, of one scope or of every one.
///
/// Returns how many were lifted.
/// # Errors
/// When the database refuses.
pub async fn lift(
    tx: &mut Tx,
    address_hash: &str,
    patient: Option<&PatientId>,
    scope: Option<OptOut>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    const SQL: &str =
        "UPDATE suppression SET lifted_at = $1 WHERE lifted_at IS NULL AND address_hash = $2
        AND ($3 = '' OR patient_id = $3) AND ($4 = '' OR scope = $4)";
    let (of, scope) = (
        patient.map_or("", PatientId::as_str),
        scope.map_or("", OptOut::as_str),
    );
    on!(tx, conn => sqlx::query(SQL).bind(now.as_millisecond()).bind(address_hash).bind(of).bind(scope).execute(conn).await.map(|done| done.rows_affected()))
}
