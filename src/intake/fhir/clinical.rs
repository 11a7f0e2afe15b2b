//! Condition, Encounter, Immunization, MedicationRequest, Observation and DiagnosticReport: facts, and the
//! occasions that two of them bring.

use jiff::civil::Date;
use jiff::{Span, ToSpan as _};
use serde_json::{Map, json};

use super::Context;
use super::resource::{
    Concept, Condition, Encounter, Immunization, MedicationRequest, Meta, Quantity, Reference,
    Result as LabResult,
};
use crate::intake::import::Parsed;
use crate::intake::record::{
    Coding, FactRecord, Key, OccasionRecord, Origin, RecordUpdate, Series,
};
use crate::intake::report::Fault;
use crate::model::occasion::{OccasionStatus, OccasionTime};
use crate::model::private::Private;

/// An occasion that was over longer ago is of no use to anybody.
const LONG_OVER_DAYS: i64 = 400;

pub(super) fn condition(
    context: &Context,
    origin: &Origin,
    condition: &Condition,
) -> Result<Parsed, Fault> {
    let mut fact = fact(
        context,
        origin,
        "diagnosis",
        condition.id.as_ref(),
        &condition.meta,
        &condition.subject,
    )?;
    fact.gone = condition
        .verification_status
        .has_code(&["entered-in-error", "refuted"])
        || condition.clinical_status.has_code(&["entered-in-error"]);
    fact.codings = codings(std::slice::from_ref(&condition.code));
    let onset = condition
        .onset_date_time
        .as_deref()
        .or(condition.onset_period.start.as_deref());
    dated(
        context,
        &mut fact,
        onset.or(condition.recorded_date.as_deref()),
        "onsetDateTime",
    )?;
    if let Some(status) = condition
        .clinical_status
        .coding
        .iter()
        .find_map(|coding| coding.code.as_deref())
    {
        attribute(&mut fact, "status", status);
    }
    Ok(Parsed::of(RecordUpdate::Fact(Box::new(fact))))
}

pub(super) fn encounter(
    context: &Context,
    origin: &Origin,
    encounter: &Encounter,
) -> Result<Parsed, Fault> {
    let status = encounter.status.as_deref().unwrap_or_default();
    if status == "planned" {
        return Ok(Parsed::default().left_out("Encounter: planned"));
    }
    let mut fact = fact(
        context,
        origin,
        "encounter",
        encounter.id.as_ref(),
        &encounter.meta,
        &encounter.subject,
    )?;
    fact.gone = matches!(status, "entered-in-error" | "cancelled");
    let class = encounter.class.code.as_deref();
    fact.codings = class
        .map(|code| Coding {
            code: Private::new(code.to_owned()),
            system: encounter.class.system.clone(),
        })
        .into_iter()
        .collect();
    fact.codings.extend(codings(&encounter.r#type));
    fact.reasons = reasons(&encounter.reason_code);
    fact.department = encounter.service_type.words().map(str::to_owned);
    dated(
        context,
        &mut fact,
        encounter.period.start.as_deref(),
        "period.start",
    )?;
    let inpatient = matches!(class, Some("IMP" | "ACUTE" | "NONAC"));
    attribute(
        &mut fact,
        "class",
        if inpatient { "inpatient" } else { "outpatient" },
    );
    let mut parsed = Parsed::default();
    let end = match encounter.period.end.as_deref() {
        Some(text) => Some(moment(context, origin, "period.end", text)?),
        None => None,
    };
    if let Some((day, _)) = end {
        attribute(&mut fact, "end_on", &day.to_string());
    }
    let over = matches!(status, "finished" | "discharged");
    if let Some((day, at)) = end.filter(|_| inpatient && over && !fact.gone) {
        let when = at.map_or(OccasionTime::On(day), |at| {
            OccasionTime::At(context.wall(at))
        });
        let name = format!("Encounter/{}", fact.key.reveal());
        let place = encounter
            .location
            .iter()
            .find_map(|stay| context.index.name(&stay.location, "Location"));
        let place = place.or_else(|| {
            context
                .index
                .name(&encounter.service_provider, "Organization")
        });
        parsed.occasion(
            context,
            occasion(context, &fact, name, "discharge", when, place),
            day,
        );
    }
    parsed.update(RecordUpdate::Fact(Box::new(fact)));
    Ok(parsed)
}

pub(super) fn immunization(
    context: &Context,
    origin: &Origin,
    shot: &Immunization,
) -> Result<Parsed, Fault> {
    let mut fact = fact(
        context,
        origin,
        "vaccination",
        shot.id.as_ref(),
        &shot.meta,
        &shot.patient,
    )?;
    fact.gone = matches!(
        shot.status.as_deref(),
        Some("entered-in-error" | "not-done")
    );
    fact.codings = codings(std::slice::from_ref(&shot.vaccine_code));
    dated(
        context,
        &mut fact,
        shot.occurrence_date_time.as_deref(),
        "occurrenceDateTime",
    )?;
    Ok(Parsed::of(RecordUpdate::Fact(Box::new(fact))))
}

pub(super) fn medication_request(
    context: &Context,
    origin: &Origin,
    request: &MedicationRequest,
) -> Result<Parsed, Fault> {
    let status = request.status.as_deref().unwrap_or_default();
    if matches!(
        request.intent.as_deref(),
        Some("proposal" | "plan" | "option")
    ) || matches!(status, "draft")
    {
        return Ok(Parsed::default().left_out("MedicationRequest: not ordered"));
    }
    let mut fact = fact(
        context,
        origin,
        "medication",
        request.id.as_ref(),
        &request.meta,
        &request.subject,
    )?;
    fact.gone = matches!(status, "entered-in-error" | "cancelled");
    fact.codings = codings(std::slice::from_ref(medication_of(request)));
    fact.reasons = reasons(&request.reason_code);
    dated(
        context,
        &mut fact,
        request.authored_on.as_deref(),
        "authoredOn",
    )?;
    attribute(&mut fact, "status", status);
    let mut parsed = Parsed::default();
    if status == "active" && !fact.gone {
        prescription_end(context, request, &fact, &mut parsed);
    }
    parsed.update(RecordUpdate::Fact(Box::new(fact)));
    Ok(parsed)
}

/// What is ordered: told within the request, or as a code.
fn medication_of(request: &MedicationRequest) -> &Concept {
    let reference = request.medication_reference.reference.as_deref();
    let within = reference
        .and_then(|text| text.strip_prefix('#'))
        .and_then(|id| {
            let mut contained = request.contained.iter();
            contained.find(|one| one.id.as_deref() == Some(id))
        });
    within.map_or(&request.medication_codeable_concept, |one| &one.code)
}

/// The day on which the course runs out, with its repeats, is an occasion.
fn prescription_end(
    context: &Context,
    request: &MedicationRequest,
    fact: &FactRecord,
    parsed: &mut Parsed,
) {
    let dispense = &request.dispense_request;
    let Some(course) = dispense.expected_supply_duration.as_ref().and_then(span) else {
        return;
    };
    let told = dispense.validity_period.start.as_deref();
    let start = told
        .and_then(|text| context.moment(text))
        .map(|(day, _)| day);
    let repeats = dispense
        .number_of_repeats_allowed
        .filter(|n| (0.0..=1000.0).contains(n))
        .unwrap_or(0.0);
    let end = start
        .or(fact.on)
        .and_then(|start| course_end(start, course, repeats));
    if let Some(end) = end {
        let name = format!("MedicationRequest/{}", fact.key.reveal());
        let on = OccasionTime::On(end);
        let occasion = occasion(context, fact, name, "prescription_end", on, None);
        parsed.occasion(context, occasion, end);
    }
}

/// A result is kept as a date and a code, never with a value.
pub(super) fn result(
    context: &Context,
    origin: &Origin,
    kind: &str,
    result: &LabResult,
) -> Result<Parsed, Fault> {
    let status = result.status.as_deref().unwrap_or_default();
    let is = |codes: &[&str]| {
        result
            .category
            .as_slice()
            .iter()
            .any(|category| category.has_code(codes))
    };
    if is(&[
        "vital-signs",
        "social-history",
        "survey",
        "exam",
        "therapy",
        "activity",
    ]) || matches!(status, "registered" | "partial" | "preliminary")
    {
        return Ok(Parsed::default().left_out(&format!("{kind}: no final result")));
    }
    let mut fact = fact(
        context,
        origin,
        "result",
        result.id.as_ref(),
        &result.meta,
        &result.subject,
    )?;
    fact.key = Private::new(format!("{kind}/{}", fact.key.reveal()));
    fact.gone = matches!(status, "entered-in-error" | "cancelled");
    fact.codings = codings(std::slice::from_ref(&result.code));
    let at = result
        .effective_date_time
        .as_deref()
        .or(result.effective_period.start.as_deref())
        .or(result.issued.as_deref());
    dated(context, &mut fact, at, "effectiveDateTime")?;
    if !result.interpretation.is_empty() {
        let normal = result
            .interpretation
            .iter()
            .all(|one| one.has_code(&["N", "NEG", "ND", "NR"]));
        fact.attributes = Private::new(Map::from_iter([("abnormal".to_owned(), json!(!normal))]));
    }
    Ok(Parsed::of(RecordUpdate::Fact(Box::new(fact))))
}

fn fact(
    context: &Context,
    origin: &Origin,
    kind: &str,
    id: Option<&String>,
    meta: &Meta,
    subject: &Reference,
) -> Result<FactRecord, Fault> {
    let id = super::id_of(origin, id)?;
    let path = if kind == "vaccination" {
        "patient"
    } else {
        "subject"
    };
    Ok(FactRecord {
        origin: origin.clone(),
        patient: context.patient(origin, subject, path)?,
        key: Private::new(id.to_owned()),
        kind: kind.to_owned(),
        codings: Vec::new(),
        on: None,
        at: None,
        department: None,
        attributes: Private::default(),
        reasons: Vec::new(),
        sensitive: context.is_secret(meta),
        gone: false,
    })
}

fn occasion(
    context: &Context,
    fact: &FactRecord,
    name: String,
    kind: &str,
    when: OccasionTime,
    place: Option<String>,
) -> OccasionRecord {
    OccasionRecord {
        origin: fact.origin.clone(),
        key: Key::new(&context.source, name),
        patient: fact.patient.clone(),
        kind: kind.to_owned(),
        when,
        timezone: None,
        status: OccasionStatus::Booked,
        created_at: None,
        department: fact.department.clone(),
        doctor: None,
        doctor_key: None,
        place,
        attributes: Map::new(),
        version: None,
        reasons: Vec::new(),
        sensitive: fact.sensitive,
        series: Series::Untold,
    }
}

impl Parsed {
    /// Adds an occasion unless it was over long ago.
    fn occasion(&mut self, context: &Context, record: OccasionRecord, day: Date) {
        if context
            .today
            .checked_sub(LONG_OVER_DAYS.days())
            .is_ok_and(|line| day > line)
        {
            self.update(RecordUpdate::Occasion(Box::new(record)));
        }
    }
}

fn dated(
    context: &Context,
    fact: &mut FactRecord,
    text: Option<&str>,
    path: &str,
) -> Result<(), Fault> {
    if let Some(text) = text {
        let (day, at) = moment(context, &fact.origin, path, text)?;
        (fact.on, fact.at) = (Some(day), at);
    }
    Ok(())
}

fn moment(
    context: &Context,
    origin: &Origin,
    path: &str,
    text: &str,
) -> Result<(Date, Option<jiff::Timestamp>), Fault> {
    context.moment(text).ok_or_else(|| {
        Fault::row(
            origin,
            path.to_owned(),
            "expected a date such as 2026-07-24 or an instant with its offset",
        )
    })
}

fn attribute(fact: &mut FactRecord, name: &str, value: &str) {
    let mut attributes = std::mem::take(&mut fact.attributes).into_revealed();
    attributes.insert(name.to_owned(), json!(value));
    fact.attributes = Private::new(attributes);
}

fn codings(concepts: &[Concept]) -> Vec<Coding> {
    let all = concepts.iter().flat_map(|concept| &concept.coding);
    all.filter_map(|coding| {
        coding.code.clone().map(|code| Coding {
            code: Private::new(code),
            system: coding.system.clone(),
        })
    })
    .collect()
}

pub(super) fn reasons(concepts: &[Concept]) -> Vec<Private<String>> {
    codings(concepts)
        .into_iter()
        .map(|coding| coding.code)
        .collect()
}

/// A duration in whole days, weeks or months, from UCUM or a word.
fn span(quantity: &Quantity) -> Option<(f64, &'static str)> {
    let value = quantity
        .value
        .filter(|value| *value > 0.0 && *value <= 3650.0)?;
    let unit = quantity
        .code
        .as_deref()
        .or(quantity.unit.as_deref())?
        .to_lowercase();
    let unit = match unit.as_str() {
        "d" | "day" | "days" | "天" | "日" => "d",
        "wk" | "week" | "weeks" | "周" => "wk",
        "mo" | "month" | "months" | "月" => "mo",
        "a" | "year" | "years" | "年" => "a",
        _ => return None,
    };
    Some((value, unit))
}

/// The last day of supply: its length, times one and the repeats.
fn course_end(start: Date, (value, unit): (f64, &'static str), repeats: f64) -> Option<Date> {
    let total = (value * (1.0 + repeats)).round();
    if !(1.0..=36_500.0).contains(&total) {
        return None;
    }
    // The range above fits.
    let total = format!("{total:.0}").parse::<i64>().ok()?;
    let span: Span = match unit {
        "wk" => total.weeks(),
        "mo" => total.months(),
        "a" => total.years(),
        _ => total.days(),
    };
    start.checked_add(span).ok()
}
