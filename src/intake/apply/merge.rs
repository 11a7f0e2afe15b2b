//! Lays what a table tells of a patient over what is known: columns that it has not leave things as they are.

use std::collections::BTreeSet;

use crate::intake::birth::Birth;
use crate::intake::contacts::Contact;
use crate::intake::record::{ConsentRecord, Consented, Field, PatientRecord, RelationRecord};
use crate::model::class::ContactKind;
use crate::model::patient::{ContactPoint, Patient, Relation};

/// What we have of a patient, as the record that would tell just this.
pub(super) fn as_record(
    like: &PatientRecord,
    known: &Patient,
    inactive: bool,
    consents: Vec<ConsentRecord>,
) -> PatientRecord {
    let mut attributes = known.attributes.reveal().clone();
    attributes.remove("active");
    PatientRecord {
        name: known.name.clone(),
        sex: known.sex,
        birth: known.birth_on.map(|day| day.map(Birth::Day)),
        lunar_birthday: known.lunar_birthday,
        language: known.language.clone(),
        deceased: known.deceased,
        special: known.special,
        inactive,
        tags: known.tags.clone(),
        prefer: known.prefer.clone(),
        attributes: attributes.into(),
        contacts: known.contacts.iter().map(contact).collect(),
        family: known.family.iter().map(relation).collect(),
        consents,
        ..like.clone()
    }
}

/// The known record with what `told` tells laid over it.
pub(super) fn overlay(known: PatientRecord, told: &PatientRecord) -> PatientRecord {
    let mut merged = known;
    for field in told.told.iter().flatten() {
        match field {
            Field::Name => merged.name = told.name.clone(),
            Field::Sex => merged.sex = told.sex,
            Field::Birth => merged.birth = told.birth,
            Field::Lunar => merged.lunar_birthday = told.lunar_birthday,
            Field::Language => merged.language.clone_from(&told.language),
            Field::Deceased => merged.deceased = told.deceased,
            Field::Special => merged.special = told.special,
            Field::Active => merged.inactive = told.inactive,
            Field::Tags => merged.tags.clone_from(&told.tags),
            Field::Prefer => merged.prefer.clone_from(&told.prefer),
            Field::Phone => replace(&mut merged.contacts, &told.contacts, ContactKind::Phone),
            Field::Email => replace(&mut merged.contacts, &told.contacts, ContactKind::Email),
            Field::Family => merged.family.clone_from(&told.family),
            Field::Consent => merged.consents.clone_from(&told.consents),
        }
    }
    let mut attributes = std::mem::take(&mut merged.attributes).into_revealed();
    if told
        .told
        .iter()
        .flatten()
        .any(|field| *field == Field::Birth)
    {
        attributes.remove("birth_year");
    }
    attributes.extend(told.attributes.reveal().clone());
    merged.attributes = attributes.into();
    merged
}

/// Puts the addresses of one kind in the place of those that were there.
fn replace(contacts: &mut Vec<Contact>, told: &[Contact], kind: ContactKind) {
    let at = contacts
        .iter()
        .position(|contact| contact.kind == kind)
        .unwrap_or(contacts.len());
    contacts.retain(|contact| contact.kind != kind);
    let told: Vec<Contact> = told
        .iter()
        .filter(|contact| contact.kind == kind)
        .cloned()
        .collect();
    let at = at.min(contacts.len());
    contacts.splice(at..at, told);
}

fn contact(point: &ContactPoint) -> Contact {
    Contact {
        kind: point.kind,
        address: point.address.clone(),
    }
}

fn relation(relation: &Relation) -> RelationRecord {
    RelationRecord {
        kind: relation.kind.clone(),
        name: relation.name.clone(),
        language: relation.language.clone(),
        consented: if relation.consented {
            Consented::Yes
        } else {
            Consented::No
        },
        classes: relation
            .consented_to()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        contacts: relation.contacts.iter().map(contact).collect(),
    }
}
