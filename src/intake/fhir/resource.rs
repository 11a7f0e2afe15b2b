//! The parts of FHIR R4 resources that we use; all else is let go unread.

use serde::Deserialize;

macro_rules! resources {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        pub(super) struct $name { $(pub(super) $field: $type,)* }
    )*};
}

resources! {
    /// What every resource has.
    Any { id: Option<String>, meta: Meta, identifier: OneOrMany<Identifier>, name: OneOrMany<serde_json::Value>, resource_type: String, }
    Meta { version_id: Option<String>, last_updated: Option<String>, security: Vec<Coding>, tag: Vec<Coding>, }
    Coding { system: Option<String>, code: Option<String>, display: Option<String>, }
    Concept { coding: Vec<Coding>, text: Option<String>, }
    Identifier { system: Option<String>, value: Option<String>, }
    Reference { reference: Option<String>, identifier: Option<Identifier>, display: Option<String>, }
    Period { start: Option<String>, end: Option<String>, }
    HumanName { r#use: Option<String>, text: Option<String>, family: Option<String>, given: Vec<Option<String>>, period: Period, }
    Telecom { system: Option<String>, value: Option<String>, r#use: Option<String>, rank: Option<i64>, period: Period, }
    Communication { language: Concept, preferred: bool, }
    PatientContact { relationship: Vec<Concept>, name: Option<HumanName>, telecom: Vec<Telecom>, period: Period, }
    Quantity { value: Option<f64>, unit: Option<String>, code: Option<String>, }
    Patient {
        id: Option<String>, meta: Meta, identifier: Vec<Identifier>, active: Option<bool>, name: Vec<HumanName>, telecom: Vec<Telecom>,
        gender: Option<String>, birth_date: Option<String>, deceased_boolean: Option<bool>, deceased_date_time: Option<String>,
        communication: Vec<Communication>, contact: Vec<PatientContact>,
    }
    RelatedPerson {
        id: Option<String>, meta: Meta, active: Option<bool>, patient: Reference, relationship: Vec<Concept>, name: Vec<HumanName>,
        telecom: Vec<Telecom>, period: Period, communication: Vec<Communication>,
    }
    Condition {
        id: Option<String>, meta: Meta, clinical_status: Concept, verification_status: Concept, code: Concept, subject: Reference,
        onset_date_time: Option<String>, onset_period: Period, recorded_date: Option<String>,
    }
    EncounterLocation { location: Reference, }
    Encounter {
        id: Option<String>, meta: Meta, status: Option<String>, class: Coding, r#type: Vec<Concept>, service_type: Concept, subject: Reference, period: Period,
        reason_code: Vec<Concept>, service_provider: Reference, location: Vec<EncounterLocation>,
    }
    Immunization { id: Option<String>, meta: Meta, status: Option<String>, vaccine_code: Concept, patient: Reference, occurrence_date_time: Option<String>, }
    Dispense { expected_supply_duration: Option<Quantity>, number_of_repeats_allowed: Option<f64>, validity_period: Period, }
    Contained { id: Option<String>, code: Concept, }
    MedicationRequest {
        id: Option<String>, meta: Meta, status: Option<String>, intent: Option<String>, medication_codeable_concept: Concept,
        medication_reference: Reference, contained: Vec<Contained>, subject: Reference, authored_on: Option<String>, reason_code: Vec<Concept>,
        dispense_request: Dispense,
    }
    Result {
        id: Option<String>, meta: Meta, status: Option<String>, category: OneOrMany<Concept>, code: Concept, subject: Reference,
        effective_date_time: Option<String>, effective_period: Period, issued: Option<String>, interpretation: Vec<Concept>,
    }
    Participant { actor: Reference, }
    Appointment {
        id: Option<String>, meta: Meta, status: Option<String>, appointment_type: Concept, service_category: Vec<Concept>, service_type: Vec<Concept>,
        specialty: Vec<Concept>, reason_code: Vec<Concept>, start: Option<String>, created: Option<String>, participant: Vec<Participant>,
    }
    Practitioner { id: Option<String>, identifier: Vec<Identifier>, active: Option<bool>, name: Vec<HumanName>, telecom: Vec<Telecom>, }
    PractitionerRole {
        id: Option<String>, active: Option<bool>, practitioner: Reference, organization: Reference, healthcare_service: Vec<Reference>, code: Vec<Concept>,
        specialty: Vec<Concept>, telecom: Vec<Telecom>,
    }
    Organization { id: Option<String>, active: Option<bool>, r#type: Vec<Concept>, name: Option<String>, alias: Vec<String>, identifier: Vec<Identifier>, }
}

/// FHIR has some elements once in one resource and as a list in another.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T> OneOrMany<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::Many(many) => many,
            Self::One(one) => std::slice::from_ref(one),
        }
    }
}

impl Concept {
    /// The text, else the name of a code.
    pub(super) fn words(&self) -> Option<&str> {
        let display = || {
            self.coding
                .iter()
                .find_map(|coding| coding.display.as_deref())
        };
        self.text
            .as_deref()
            .or_else(display)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    }

    pub(super) fn has_code(&self, codes: &[&str]) -> bool {
        self.coding.iter().any(|coding| {
            coding
                .code
                .as_deref()
                .is_some_and(|code| codes.contains(&code))
        })
    }
}
