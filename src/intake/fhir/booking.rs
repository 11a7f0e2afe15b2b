//! Appointment.

use serde_json::Map;

use super::Context;
use super::resource::Appointment;
use crate::intake::import::Parsed;
use crate::intake::record::{Key, OccasionRecord, Origin, RecordUpdate, Removal, Removed};
use crate::intake::report::Fault;
use crate::model::occasion::{OccasionStatus, OccasionTime};

pub(super) fn appointment(
    context: &Context<'_>,
    origin: &Origin,
    appointment: &Appointment,
) -> Result<Parsed, Fault> {
    let id = super::id_of(origin, appointment.id.as_ref())?;
    let key = Key::new(&context.source, id);
    let status = match appointment.status.as_deref().unwrap_or_default() {
        "booked" | "pending" => OccasionStatus::Booked,
        "arrived" | "checked-in" => OccasionStatus::Arrived,
        "fulfilled" => OccasionStatus::Fulfilled,
        "cancelled" | "entered-in-error" => OccasionStatus::Cancelled,
        "noshow" => OccasionStatus::NoShow,
        // Nobody has agreed on these yet.
        "proposed" | "waitlist" => {
            return Ok(Parsed::default().left_out("Appointment: not agreed yet"));
        }
        _ => {
            return Err(Fault::row(
                origin,
                "status".to_owned(),
                "expected a status of FHIR R4, such as booked or cancelled",
            ));
        }
    };
    let Some(start) = appointment.start.as_deref() else {
        if status == OccasionStatus::Cancelled {
            let what = Removed::Occasion(key);
            return Ok(Parsed::of(RecordUpdate::Remove(Removal {
                origin: origin.clone(),
                what,
            })));
        }
        return Err(Fault::row(
            origin,
            "start".to_owned(),
            "expected the instant at which it starts",
        ));
    };
    let expected = || {
        Fault::row(
            origin,
            "start".to_owned(),
            "expected an instant with its offset, such as 2026-07-24T09:30:00+08:00",
        )
    };
    let (_, at) = context.moment(start).ok_or_else(expected)?;
    let at = at.ok_or_else(expected)?;
    let actor = |kind: &str| {
        let of_kind = |reference: &&super::resource::Reference| {
            reference
                .reference
                .as_deref()
                .is_some_and(|text| text.contains(kind))
        };
        appointment
            .participant
            .iter()
            .map(|participant| &participant.actor)
            .find(of_kind)
    };
    let patients = appointment.participant.iter().find_map(|participant| {
        context.index.patient(&participant.actor).filter(|_| {
            participant
                .actor
                .reference
                .as_deref()
                .is_none_or(|text| text.contains("Patient") || text.starts_with("urn:uuid:"))
        })
    });
    let patient = patients.ok_or_else(|| {
        Fault::row(
            origin,
            "participant".to_owned(),
            "expected an actor that is a patient",
        )
    })?;
    let named = |kind: &str| actor(kind).and_then(|reference| context.index.name(reference, kind));
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
            place: named("Location"),
            attributes: Map::new(),
            version: super::version(&appointment.meta),
            reasons: super::clinical::reasons(&appointment.reason_code),
            sensitive: context.is_secret(&appointment.meta),
        },
    ))))
}

/// The kind by the site's own words first, then by the codes of v2-0276 and plain words.
fn kind_of(context: &Context<'_>, appointment: &Appointment) -> String {
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
