//! What patients and occasions look like in JSON.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::model::class::{Channel, Class, ContactKind};
use crate::model::occasion::{Confirmation, Occasion, OccasionStatus};
use crate::model::patient::{
    ContactPoint, ContactStatus, LunarDay, OptOut, Patient, PersonName, Relation, Sex,
};
use crate::model::private::Private;

/// A record that was told.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Stored {
    /// Our id of it.
    pub(super) id: String,
    /// `new`, `changed`, `unchanged`, or `older` than what we have.
    pub(super) outcome: &'static str,
}

/// What a person is called.
#[derive(Serialize, ToSchema)]
#[schema(as = Name)]
pub(in crate::api) struct NameView {
    /// The whole name.
    full: String,
    /// Given name.
    given: Option<String>,
    /// Family name.
    family: Option<String>,
}

impl NameView {
    fn of(name: &Private<PersonName>) -> Self {
        let name = name.reveal();
        Self {
            full: name.full.clone(),
            given: name.given.clone(),
            family: name.family.clone(),
        }
    }
}

/// A number or address of somebody.
#[derive(Serialize, ToSchema)]
#[schema(as = ContactPoint)]
pub(in crate::api) struct ContactView {
    /// Number or mail address.
    kind: ContactKind,
    /// Whether it may be used, and if not why.
    status: ContactStatus,
    /// The address; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

impl ContactView {
    fn of(contact: ContactPoint, sees_private: bool) -> Self {
        let address = sees_private.then(|| contact.address.into_revealed());
        Self {
            kind: contact.kind,
            status: contact.status,
            address,
        }
    }
}

/// A family member or guardian.
#[derive(Serialize, ToSchema)]
#[schema(as = Relation)]
pub(in crate::api) struct RelationView {
    /// What they are to the patient.
    relation: String,
    /// The language they read.
    language: Option<String>,
    /// Whether there is consent to tell them.
    consented: bool,
    /// The classes that the consent is for; empty for all.
    consented_to: Vec<Class>,
    /// Their numbers and addresses.
    contacts: Vec<ContactView>,
    /// What they refused.
    opt_outs: Vec<&'static str>,
    /// What they are called; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<NameView>,
}

impl RelationView {
    fn of(relation: Relation, sees_private: bool) -> Self {
        Self {
            name: relation
                .name
                .as_ref()
                .filter(|_| sees_private)
                .map(NameView::of),
            consented: relation.consented,
            consented_to: relation.consented_to().collect(),
            relation: relation.kind,
            language: relation.language,
            contacts: relation
                .contacts
                .into_iter()
                .map(|contact| ContactView::of(contact, sees_private))
                .collect(),
            opt_outs: words(&relation.opt_outs),
        }
    }
}

fn words(opt_outs: &[OptOut]) -> Vec<&'static str> {
    opt_outs.iter().map(|opt_out| opt_out.as_str()).collect()
}

/// A patient as we know them. What tells who they are only for keys with `private:read`.
#[derive(Serialize, ToSchema)]
#[schema(as = Patient)]
pub(in crate::api) struct PatientView {
    /// Our id.
    id: String,
    /// The language they read.
    language: Option<String>,
    /// Whether they have died.
    deceased: bool,
    /// To be reached through the family always.
    special: bool,
    /// Blocked until further notice.
    held: bool,
    /// Channels they asked for, best first.
    prefer: Vec<Channel>,
    /// What they refused: `all`, classes, channels.
    opt_outs: Vec<&'static str>,
    /// Their numbers and addresses, best first.
    contacts: Vec<ContactView>,
    /// Family and guardians.
    relations: Vec<RelationView>,
    /// What they are called; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<NameView>,
    /// As the hospital records it; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    sex: Option<Sex>,
    /// Day of birth; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    birth_date: Option<String>,
    /// The lunar birthday they keep; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    lunar_birthday: Option<LunarDay>,
    /// Free marks; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<String>>,
    /// What else rules and templates use; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Map<String, Value>>,
}

impl PatientView {
    pub(super) fn of(patient: Patient, sees_private: bool) -> Self {
        Self {
            id: patient.id.to_string(),
            language: patient.language,
            deceased: patient.deceased,
            special: patient.special,
            held: patient.held,
            prefer: patient.prefer,
            opt_outs: words(&patient.opt_outs),
            contacts: patient
                .contacts
                .into_iter()
                .map(|contact| ContactView::of(contact, sees_private))
                .collect(),
            relations: patient
                .family
                .into_iter()
                .map(|relation| RelationView::of(relation, sees_private))
                .collect(),
            name: sees_private.then(|| NameView::of(&patient.name)),
            sex: patient.sex.filter(|_| sees_private),
            birth_date: patient
                .birth_on
                .filter(|_| sees_private)
                .map(|day| day.reveal().to_string()),
            lunar_birthday: patient
                .lunar_birthday
                .filter(|_| sees_private)
                .map(Private::into_revealed),
            tags: sees_private.then_some(patient.tags),
            attributes: sees_private.then(|| patient.attributes.into_revealed()),
        }
    }
}

/// An occasion as we know it.
#[derive(Serialize, ToSchema)]
#[schema(as = Occasion)]
pub(in crate::api) struct OccasionView {
    /// Our id.
    id: String,
    /// Our id of the patient.
    patient: String,
    /// `appointment`, `revisit`, `recheck` …
    kind: String,
    /// On the clinic's wall clock: `2026-07-24T10:00`, or a day alone.
    at: String,
    /// The clinic's IANA zone.
    timezone: String,
    /// What the hospital's system says of it.
    status: OccasionStatus,
    /// Rises only when date or time really change.
    epoch: i64,
    /// What the patient answered for this epoch.
    confirmation: Confirmation,
    /// When it came up; null when it was there before the first import.
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
    /// When it was last moved.
    #[schema(value_type = Option<String>, format = DateTime)]
    moved_at: Option<Timestamp>,
    /// When it was called off.
    #[schema(value_type = Option<String>, format = DateTime)]
    cancelled_at: Option<Timestamp>,
    /// The department that sees the patient.
    department: Option<String>,
    /// The doctor's name as it may be told.
    doctor: Option<String>,
    /// The treating doctor, as the source calls them: SOURCE/KEY.
    doctor_key: Option<String>,
    /// Where to go, as it may be told.
    place: Option<String>,
    /// What else templates use; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Map<String, Value>>,
}

impl OccasionView {
    pub(super) fn of(occasion: Occasion, sees_private: bool) -> Self {
        Self {
            id: occasion.id.to_string(),
            patient: occasion.patient.to_string(),
            kind: occasion.kind,
            at: occasion.when.to_text(),
            timezone: occasion.timezone,
            status: occasion.status,
            epoch: occasion.epoch,
            confirmation: occasion.confirmation,
            created_at: occasion.created_at,
            moved_at: occasion.moved_at,
            cancelled_at: occasion.cancelled_at,
            department: occasion.department,
            doctor: occasion.doctor,
            doctor_key: occasion.doctor_key.map(|key| key.to_text()),
            place: occasion.place,
            attributes: sees_private.then_some(occasion.attributes),
        }
    }
}
