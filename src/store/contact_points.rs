//! Numbers and addresses: whose they are and what became of them.

use std::collections::{HashMap, HashSet};

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
    type Kept = (
        ContactPointId,
        PatientId,
        Option<RelationId>,
        String,
        String,
    );
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
    #[derive(serde::Serialize)]
    struct Whose<'a> {
        patient: &'a PatientId,
        relation: &'a str,
    }
    const GONE: &str = "DELETE FROM contact_point WHERE patient_id IN (SELECT k.value ->> 'patient' FROM json_each($1) AS k)
        AND (patient_id, COALESCE(relation_id, '')) IN (SELECT j.value ->> 'patient', j.value ->> 'relation' FROM json_each($1) AS j)
        RETURNING id, patient_id, relation_id, address, status";
    const SQL: &str = "INSERT INTO contact_point (id, patient_id, relation_id, kind, address, address_hash, rank, status)
        SELECT j.value ->> 'id', j.value ->> 'patient', j.value ->> 'relation', j.value ->> 'kind', j.value ->> 'address', j.value ->> 'hash',
            CAST(j.value ->> 'rank' AS BIGINT), j.value ->> 'status'
        FROM json_each($1) AS j";
    let whose: Vec<Whose<'_>> = owners
        .iter()
        .map(|owner| Whose {
            patient: &owner.patient,
            relation: owner.relation.as_ref().map_or("", RelationId::as_str),
        })
        .collect();
    let had: Vec<Kept> =
        on!(&mut *tx, conn => sqlx::query_as(GONE).bind(rows(&whose)).fetch_all(conn).await)?;
    let mut had: HashMap<(Owner, String), (ContactPointId, String)> = had
        .into_iter()
        .map(|(id, patient, relation, address, status)| {
            ((Owner { patient, relation }, address), (id, status))
        })
        .collect();
    let mut ranks: HashMap<Owner, usize> = HashMap::new();
    let mut seen = HashSet::new();
    let mut set = Vec::with_capacity(contacts.len());
    for (owner, contact) in contacts {
        if !seen.insert((owner.clone(), contact.address.clone())) {
            continue;
        }
        let rank = ranks.entry(owner.clone()).or_default();
        *rank += 1;
        let fresh = || {
            (
                ContactPointId::generate(),
                ContactStatus::Ok.as_str().to_owned(),
            )
        };
        let (id, status) = had
            .remove(&(owner.clone(), contact.address.clone()))
            .unwrap_or_else(fresh);
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
