//! Appointment.

use jiff::Timestamp;
use serde_json::Map;

use super::Context;
use super::resource::{Appointment, Reference};
use crate::intake::import::Parsed;
use crate::intake::record::{Key, OccasionRecord, Origin, RecordUpdate, Removal, Removed, Series};
use crate::intake::report::Fault;
use crate::model::occasion::{OccasionStatus, OccasionTime};

pub(super) fn appointment(
    context: &Context,
    origin: &Origin,
    appointment: &Appointment,
) -> Result<Parsed, Fault> {
    let id = super::id_of(origin, appointment.id.as_ref())?;
    let key = Key::new(&context.source, id);
    let Some(status) = status_of(origin, appointment)? else {
        return Ok(Parsed::default().left_out("Appointment: not agreed yet"));
    };
    let Some(start) = appointment.start.as_deref() else {
        return without_start(origin, key, status);
    };
    let at = start_at(context, origin, start)?;
    let patient = patient_of(context, appointment).ok_or_else(|| {
        let expected = "expected an actor that is a patient";
        Fault::row(origin, "participant".to_owned(), expected)
    })?;
    let named =
        |kind: &str| actor(appointment, kind).and_then(|found| context.index.name(found, kind));
    let specialty = || {
        appointment
            .specialty
            .iter()
            .find_map(|concept| concept.words())
            .map(str::to_owned)
    };
    Ok(Parsed::of(RecordUpdate::Occasion(Box::new(
        OccasionRecord {
            origin: origin.clone(),
            key,
            patient: Key::new(&context.source, patient),
            kind: kind_of(context, appointment),
            when: OccasionTime::At(context.wall(at)),
            timezone: None,
            status,
            created_at: appointment
                .created
                .as_deref()
                .and_then(|text| context.moment(text))
                .and_then(|(_, at)| at),
            department: named("HealthcareService").or_else(specialty),
            doctor: named("Practitioner"),
            doctor_key: actor(appointment, "Practitioner")
                .and_then(|found| context.index.practitioner(found))
                .map(|id| Key::new(&context.source, id)),
            place: named("Location"),
            attributes: Map::new(),
            version: super::version(&appointment.meta),
            reasons: super::clinical::reasons(&appointment.reason_code),
            sensitive: context.is_secret(&appointment.meta),
            series: Series::Untold,
        },
    ))))
}

/// `None` where nobody has agreed on it yet.
fn status_of(origin: &Origin, appointment: &Appointment) -> Result<Option<OccasionStatus>, Fault> {
    match appointment.status.as_deref().unwrap_or_default() {
        "booked" | "pending" => Ok(Some(OccasionStatus::Booked)),
        "arrived" | "checked-in" => Ok(Some(OccasionStatus::Arrived)),
        "fulfilled" => Ok(Some(OccasionStatus::Fulfilled)),
        "cancelled" | "entered-in-error" => Ok(Some(OccasionStatus::Cancelled)),
        "noshow" => Ok(Some(OccasionStatus::NoShow)),
        "proposed" | "waitlist" => Ok(None),
        _ => Err(Fault::row(
            origin,
            "status".to_owned(),
            "expected a status of FHIR R4, such as booked or cancelled",
        )),
    }
}

/// A cancelled one need not say when it would have been.
fn without_start(origin: &Origin, key: Key, status: OccasionStatus) -> Result<Parsed, Fault> {
    if status != OccasionStatus::Cancelled {
        let expected = "expected the instant at which it starts";
        return Err(Fault::row(origin, "start".to_owned(), expected));
    }
    Ok(Parsed::of(RecordUpdate::Remove(Removal {
        origin: origin.clone(),
        what: Removed::Occasion(key),
    })))
}

fn start_at(context: &Context, origin: &Origin, start: &str) -> Result<Timestamp, Fault> {
    let at = context.moment(start).and_then(|(_, at)| at);
    at.ok_or_else(|| {
        Fault::row(
            origin,
            "start".to_owned(),
            "expected an instant with its offset, such as 2026-07-24T09:30:00+08:00",
        )
    })
}

/// The first participant whose reference is of this kind.
fn actor<'a>(appointment: &'a Appointment, kind: &str) -> Option<&'a Reference> {
    let mut actors = appointment.participant.iter().map(|one| &one.actor);
    actors.find(|actor| {
        let reference = actor.reference.as_deref();
        reference.is_some_and(|text| text.contains(kind))
    })
}

/// The key of the first participant who is a patient that we know of.
fn patient_of(context: &Context, appointment: &Appointment) -> Option<String> {
    let may_be = |actor: &Reference| {
        let reference = actor.reference.as_deref();
        reference.is_none_or(|text| text.contains("Patient") || text.starts_with("urn:uuid:"))
    };
    let mut actors = appointment.participant.iter().map(|one| &one.actor);
    actors.find_map(|actor| context.index.patient(actor).filter(|_| may_be(actor)))
}

/// The kind by the site's own words first, then by the codes of v2-0276 and plain words.
fn kind_of(context: &Context, appointment: &Appointment) -> String {
    const WORDS: [(&str, &[&str]); 3] = [
        (
            "recheck",
            &["checkup", "check-up", "recheck", "re-check", "复查", "体检"],
        ),
        (
            "revisit",
            &[
                "followup",
                "follow-up",
                "follow up",
                "revisit",
                "复诊",
                "随访",
            ],
        ),
        ("vaccination", &["vaccin", "immuni", "接种", "疫苗"]),
    ];
    let concepts = || {
        std::iter::once(&appointment.appointment_type)
            .chain(&appointment.service_type)
            .chain(&appointment.service_category)
    };
    let coded = concepts()
        .flat_map(|concept| &concept.coding)
        .flat_map(|coding| [coding.code.as_deref(), coding.display.as_deref()]);
    let words: Vec<&str> = coded
        .flatten()
        .chain(concepts().filter_map(|concept| concept.text.as_deref()))
        .map(str::trim)
        .collect();
    if let Some(kind) = words
        .iter()
        .find_map(|word| context.settings.fhir.kinds.get(*word))
    {
        return kind.clone();
    }
    let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let says = |list: &[&str]| {
        lower
            .iter()
            .any(|word| list.iter().any(|part| word.contains(part)))
    };
    WORDS
        .iter()
        .find(|(_, list)| says(list))
        .map_or("appointment", |(kind, _)| kind)
        .to_owned()
}
