//! Patients with everything that decides about their reminders, loaded in sets.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::gates::Standing;
use crate::model::id::PatientId;
use crate::model::occasion::Occasion;
use crate::model::patient::{ContactPoint, ContactStatus, Fact, OptOut, Patient};
use crate::model::phone::address_hash;
use crate::model::reminder::SkipReason;
use crate::planning::own::settings;
use crate::rules::overrides::Override;
use crate::store::reminders::{self, Reminder};
use crate::store::suppressions::{self, Suppression, SuppressionReason};
use crate::store::{StoreError, Tx, facts, occasions, overrides, patients};

/// How far back the planner looks for what it did.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(24 * 400);

/// One patient with everything that planning looks at.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Who; what stands against an address shows in its contact points and refusals.
    pub patient: Patient,
    /// Diagnoses and other dated facts.
    pub facts: Vec<Fact>,
    /// Bookings and other occasions.
    pub occasions: Vec<Occasion>,
    /// What is planned and what became of it, but for what was superseded.
    pub reminders: Vec<Reminder>,
    /// The patient's own settings, which win over rules.
    pub overrides: Vec<Override>,
}

/// These patients; those that are gone are left out.
///
/// # Errors
/// When the database fails.
pub async fn load(
    tx: &mut Tx,
    ids: &[PatientId],
    address_key: &[u8],
    now: Timestamp,
) -> Result<Vec<Subject>, StoreError> {
    let found = patients::load(tx, ids).await?;
    let mut facts = facts::of(tx, ids).await?;
    let mut occasions = occasions::of(tx, ids).await?;
    let mut done = reminders::of(tx, ids, now - LOOK_BACK).await?;
    let standing = standing(tx, &found, address_key).await?;
    let mut own = overrides::of(tx, ids).await?;
    Ok(found
        .into_iter()
        .map(|mut patient| {
            fold(&mut patient, &standing, address_key);
            Subject {
                facts: facts.remove(&patient.id).unwrap_or_default(),
                occasions: occasions.remove(&patient.id).unwrap_or_default(),
                reminders: done.remove(&patient.id).unwrap_or_default(),
                overrides: settings(own.remove(&patient.id).unwrap_or_default()),
                patient,
            }
        })
        .collect())
}

/// What stands against any address of these patients and their families.
///
/// # Errors
/// When the database fails.
pub async fn standing(
    tx: &mut Tx,
    patients: &[Patient],
    address_key: &[u8],
) -> Result<Vec<Standing>, StoreError> {
    let contacts = patients.iter().flat_map(|p| {
        p.contacts
            .iter()
            .chain(p.family.iter().flat_map(|relation| &relation.contacts))
    });
    let hashes: Vec<String> = contacts
        .map(|contact| address_hash(address_key, contact.address.reveal()))
        .collect();
    Ok(suppressions::standing(tx, &hashes)
        .await?
        .into_iter()
        .map(standing_of)
        .collect())
}

/// A stored suppression as the gates see it.
pub fn standing_of(suppression: Suppression) -> Standing {
    let reason = match suppression.reason {
        SuppressionReason::Stop
        | SuppressionReason::Complaint
        | SuppressionReason::Import
        | SuppressionReason::Staff => SkipReason::OptedOut,
        SuppressionReason::WrongNumber => SkipReason::NoContactPoint,
        SuppressionReason::Deceased => SkipReason::Deceased,
    };
    Standing {
        address_hash: suppression.address_hash,
        patient: suppression.patient,
        scope: suppression.scope,
        reason,
        since: suppression.created_at,
    }
}

/// Shows what stands against addresses where rules look: in the contact points and refusals.
fn fold(patient: &mut Patient, standing: &[Standing], address_key: &[u8]) {
    if standing.is_empty() {
        return;
    }
    let mut by_hash: HashMap<&str, Vec<&Standing>> = HashMap::new();
    let of_patient = standing
        .iter()
        .filter(|s| s.patient.as_ref().is_none_or(|id| *id == patient.id));
    for one in of_patient {
        by_hash.entry(&one.address_hash).or_default().push(one);
    }
    fold_contacts(
        &mut patient.contacts,
        &mut patient.opt_outs,
        &by_hash,
        address_key,
    );
    for relation in &mut patient.family {
        fold_contacts(
            &mut relation.contacts,
            &mut relation.opt_outs,
            &by_hash,
            address_key,
        );
    }
}

/// An address that is not to be used at all is no contact point; a class or channel refused on the only
/// address it could take is refused.
fn fold_contacts(
    contacts: &mut [ContactPoint],
    refusals: &mut Vec<OptOut>,
    by_hash: &HashMap<&str, Vec<&Standing>>,
    address_key: &[u8],
) {
    for contact in contacts {
        let hash = address_hash(address_key, contact.address.reveal());
        for standing in by_hash.get(hash.as_str()).into_iter().flatten() {
            match standing.scope {
                OptOut::All => contact.status = ContactStatus::Invalid,
                OptOut::Class(_) | OptOut::Channel(_) if !refusals.contains(&standing.scope) => {
                    refusals.push(standing.scope)
                }
                OptOut::Class(_) | OptOut::Channel(_) => {}
            }
        }
    }
}
