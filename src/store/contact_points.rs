//! Numbers and addresses: whose they are and what became of them.

use std::collections::{HashMap, HashSet};

use super::bulk::{Cell, Insert};
use super::{StoreError, Tx, on, rows};
use crate::model::class::ContactKind;
use crate::model::id::{ContactPointId, PatientId, RelationId};
use crate::model::patient::ContactStatus;

/// Sets the status of an address, of one patient's record or wherever it is kept.
///
/// Returns the patients whose record changed, for the caller to mark.
/// # Errors
/// When the database refuses.
pub async fn mark(
    tx: &mut Tx,
    address_hash: &str,
    patient: Option<&PatientId>,
    status: ContactStatus,
) -> Result<Vec<PatientId>, StoreError> {
    const SQL: &str = "UPDATE contact_point SET status = $1
        WHERE address_hash = $2 AND ($3 = '' OR patient_id = $3) AND status <> $1 RETURNING patient_id";
    let of = patient.map_or("", PatientId::as_str);
    on!(tx, conn => sqlx::query_scalar(SQL).bind(status.as_str()).bind(address_hash).bind(of).fetch_all(conn).await)
}

/// Whose a contact point is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub(super) patient: PatientId,
    pub(super) relation: Option<RelationId>,
}

impl Owner {
    pub(super) fn patient(id: &PatientId) -> Self {
        Self {
            patient: id.clone(),
            relation: None,
        }
    }
}

/// A contact point to be written. Holds private data in the open: it has no `Debug`.
#[derive(Clone)]
pub struct ContactPut {
    /// Number or mail address.
    pub kind: ContactKind,
    /// In E.164, or the address.
    pub address: String,
    /// Its keyed hash.
    pub address_hash: String,
}

/// Puts `contacts`, in their order, in the place of all that `owners` had.
/// An address that an owner keeps has the id and status that it had.
pub(super) async fn replace(
    tx: &mut Tx,
    owners: &[Owner],
    contacts: Vec<(Owner, ContactPut)>,
) -> Result<(), StoreError> {
    #[derive(serde::Serialize)]
    struct Row {
        id: ContactPointId,
        patient: PatientId,
        relation: Option<RelationId>,
        kind: &'static str,
        address: String,
        hash: String,
        rank: usize,
        status: String,
    }
    const SQL: &str = "INSERT INTO contact_point (id, patient_id, relation_id, kind, address, address_hash, rank, status)
        SELECT j.value ->> 'id', j.value ->> 'patient', j.value ->> 'relation', j.value ->> 'kind', j.value ->> 'address', j.value ->> 'hash',
            CAST(j.value ->> 'rank' AS BIGINT), j.value ->> 'status'
        FROM json_each($1) AS j";
    let mut had = take_out(tx, owners).await?;
    let mut ranks: HashMap<Owner, usize> = HashMap::new();
    let mut seen = HashSet::new();
    let mut set = Vec::with_capacity(contacts.len());
    for (owner, contact) in contacts {
        if !seen.insert((owner.clone(), contact.address.clone())) {
            continue;
        }
        let rank = ranks.entry(owner.clone()).or_default();
        *rank += 1;
        let (id, status) = had
            .remove(&(owner.clone(), contact.address.clone()))
            .unwrap_or_else(|| {
                (
                    ContactPointId::generate(),
                    ContactStatus::Ok.as_str().to_owned(),
                )
            });
        set.push(Row {
            id,
            patient: owner.patient,
            relation: owner.relation,
            kind: contact.kind.as_str(),
            address: contact.address,
            hash: contact.address_hash,
            rank: *rank,
            status,
        });
    }
    if !set.is_empty() {
        on!(tx, conn => sqlx::query(SQL).bind(rows(&set)).execute(conn).await.map(|_| ()))?;
    }
    Ok(())
}

/// Writes the contact points of owners that are new, in their order.
pub(super) async fn insert(
    tx: &mut Tx,
    contacts: &[(Owner, &ContactPut)],
) -> Result<(), StoreError> {
    static INSERT: Insert = Insert::new(
        "INSERT INTO contact_point (id, patient_id, relation_id, kind, address, address_hash, rank, status) VALUES",
        "(?, ?, NULL, ?, ?, ?, ?, $1)",
        "",
    );
    struct Row<'a> {
        id: ContactPointId,
        patient: &'a PatientId,
        contact: &'a ContactPut,
        rank: i64,
    }
    let mut set: Vec<Row<'_>> = Vec::with_capacity(contacts.len());
    let mut first = 0;
    for (owner, contact) in contacts {
        // What belongs to one owner stands together.
        if set.last().is_some_and(|row| *row.patient != owner.patient) {
            first = set.len();
        }
        if set[first..]
            .iter()
            .any(|row| row.contact.address == contact.address)
        {
            continue;
        }
        set.push(Row {
            id: ContactPointId::generate(),
            patient: &owner.patient,
            contact,
            rank: i64::try_from(set.len() - first).unwrap_or(i64::MAX) + 1,
        });
    }
    let shared = [Cell::Text(ContactStatus::Ok.as_str())];
    INSERT
        .run(tx, &shared, &set, |row, cells| {
            cells.extend([
                Cell::Text(row.id.as_str()),
                Cell::Text(row.patient.as_str()),
                Cell::Text(row.contact.kind.as_str()),
                Cell::Text(&row.contact.address),
                Cell::Text(&row.contact.address_hash),
                Cell::Number(row.rank),
            ]);
        })
        .await?;
    Ok(())
}

/// The ids and statuses of addresses, by whose they are.
type Kept = HashMap<(Owner, String), (ContactPointId, String)>;

/// Deletes all that `owners` had and brings it back.
async fn take_out(tx: &mut Tx, owners: &[Owner]) -> Result<Kept, StoreError> {
    type Gone = (
        ContactPointId,
        PatientId,
        Option<RelationId>,
        String,
        String,
    );
    #[derive(serde::Serialize)]
    struct Whose<'a> {
        patient: &'a PatientId,
        relation: &'a str,
    }
    const SQL: &str = "DELETE FROM contact_point WHERE patient_id IN (SELECT k.value ->> 'patient' FROM json_each($1) AS k)
        AND (patient_id, COALESCE(relation_id, '')) IN (SELECT j.value ->> 'patient', j.value ->> 'relation' FROM json_each($1) AS j)
        RETURNING id, patient_id, relation_id, address, status";
    let whose: Vec<Whose<'_>> = owners
        .iter()
        .map(|owner| Whose {
            patient: &owner.patient,
            relation: owner.relation.as_ref().map_or("", RelationId::as_str),
        })
        .collect();
    let gone: Vec<Gone> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(&whose)).fetch_all(conn).await)?;
    Ok(gone
        .into_iter()
        .map(|(id, patient, relation, address, status)| {
            ((Owner { patient, relation }, address), (id, status))
        })
        .collect())
}
