//! Who qualifies for a rule.

use jiff::civil::Date;
use serde_json::json;

use crate::calendar::wall;
use crate::model::occasion::{Occasion, OccasionTime};
use crate::model::patient::{Fact, Patient, Sex};
use crate::model::reminder::SkipReason;
use crate::rules::condition::Condition;
use crate::rules::condition::record::Record;
use crate::rules::note::{Asked, Note};

/// Who qualifies: all that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct Audience {
    /// A diagnosis whose code begins with one of these.
    pub diagnosis: Vec<String>,
    /// At least this old on the day of the occasion.
    pub min_age: Option<i64>,
    /// At most this old on that day.
    pub max_age: Option<i64>,
    /// Of this sex.
    pub sex: Option<Sex>,
    /// With each of these marks.
    pub tags: Vec<String>,
    /// And this holds.
    pub condition: Option<Condition>,
}

/// Why somebody does not qualify. Tells what was asked, not what the patient is.
pub(crate) type Refusal = (SkipReason, String);

/// What an audience looks at beside the patient.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    /// The day of the occasion, which ages are reckoned on.
    pub(crate) day: Date,
    /// `recheck`, `birthday` …
    pub(crate) kind: &'a str,
    /// The occasion, if it is a stored one.
    pub(crate) occasion: Option<&'a Occasion>,
}

impl Audience {
    /// Whether `patient` qualifies on that day, and if not why.
    pub(crate) fn admits(
        &self,
        patient: &Patient,
        facts: &[Fact],
        moment: Moment<'_>,
    ) -> Result<(), Refusal> {
        self.admits_telling(patient, facts, moment, &mut |_| {})
    }

    /// The same, and tells `note` what it asked and what it found.
    pub(crate) fn admits_telling(
        &self,
        patient: &Patient,
        facts: &[Fact],
        moment: Moment<'_>,
        note: &mut dyn FnMut(Note<'_>),
    ) -> Result<(), Refusal> {
        let no = |detail: String| Err((SkipReason::NotInAudience, detail));
        if !self.diagnosis.is_empty() {
            let (asked, found) = (&self.diagnosis, diagnosis(facts, &self.diagnosis));
            note(Note::Asked(Asked::Diagnosis { asked, found }));
            if found.is_none() {
                return no(format!(
                    "no diagnosis that begins with {}",
                    asked.join(" or ")
                ));
            }
        }
        let age = patient
            .birth_on
            .as_ref()
            .map(|birth| wall::age_on(*birth.reveal(), moment.day));
        if self.min_age.is_some() || self.max_age.is_some() {
            note(Note::Asked(Asked::Age {
                min: self.min_age,
                max: self.max_age,
                day: moment.day,
                age,
            }));
        }
        if let Some(min) = self.min_age
            && age.is_none_or(|age| age < min)
        {
            return no(format!("not known to be {min} or older on {}", moment.day));
        }
        if let Some(max) = self.max_age
            && age.is_none_or(|age| age > max)
        {
            return no(format!(
                "not known to be {max} or younger on {}",
                moment.day
            ));
        }
        if let Some(asked) = self.sex {
            let found = patient.sex;
            note(Note::Asked(Asked::Sex { asked, found }));
            if found != Some(asked) {
                return no(format!("not recorded as {asked}"));
            }
        }
        for asked in &self.tags {
            let found = patient.tags.contains(asked);
            note(Note::Asked(Asked::Tag { asked, found }));
            if !found {
                return no(format!("no tag `{asked}`"));
            }
        }
        let Some(condition) = &self.condition else {
            if self.asks_nothing() {
                note(Note::Asked(Asked::Everybody));
            }
            return Ok(());
        };
        let outcome = condition.holds(
            &patient_record(patient, facts, age),
            &occasion_record(moment),
        );
        note(Note::Asked(Asked::Where {
            source: condition.source(),
            outcome: outcome.as_ref().map(|holds| *holds).map_err(String::as_str),
        }));
        match outcome {
            Ok(true) => Ok(()),
            Ok(false) => no("`where` does not hold".to_owned()),
            Err(fault) => Err((SkipReason::RuleFault, format!("where: {fault}"))),
        }
    }

    /// Whether everybody qualifies.
    pub(crate) fn asks_nothing(&self) -> bool {
        self.diagnosis.is_empty()
            && self.min_age.is_none()
            && self.max_age.is_none()
            && self.sex.is_none()
            && self.tags.is_empty()
            && self.condition.is_none()
    }
}

/// The first diagnosis whose code begins with one of `prefixes`.
fn diagnosis<'a>(facts: &'a [Fact], prefixes: &[String]) -> Option<&'a str> {
    let begins = |code: &str, prefix: &String| {
        code.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let mut codes = facts
        .iter()
        .filter(|fact| fact.kind == "diagnosis")
        .filter_map(|fact| fact.code.as_deref());
    codes.find(|code| prefixes.iter().any(|prefix| begins(code, prefix)))
}

fn patient_record(patient: &Patient, facts: &[Fact], age: Option<i64>) -> Record {
    let codes: Vec<&str> = facts
        .iter()
        .filter(|fact| fact.kind == "diagnosis")
        .filter_map(|fact| fact.code.as_deref())
        .collect();
    Record::new([
        (
            "attributes",
            serde_json::Value::Object(patient.attributes.reveal().clone()),
        ),
        ("age", json!(age)),
        ("sex", json!(patient.sex)),
        ("tags", json!(patient.tags)),
        ("language", json!(patient.language)),
        ("diagnoses", json!(codes)),
    ])
}

fn occasion_record(moment: Moment<'_>) -> Record {
    let occasion = moment.occasion;
    let time = occasion.and_then(|occasion| match occasion.when {
        OccasionTime::At(at) => Some(at.strftime("%H:%M").to_string()),
        OccasionTime::On(_) => None,
    });
    Record::new([
        ("kind", json!(moment.kind)),
        ("date", json!(moment.day.to_string())),
        ("time", json!(time)),
        ("status", json!(occasion.map(|occasion| occasion.status))),
        (
            "department",
            json!(occasion.and_then(|occasion| occasion.department.as_deref())),
        ),
        (
            "place",
            json!(occasion.and_then(|occasion| occasion.place.as_deref())),
        ),
        (
            "attributes",
            serde_json::Value::Object(
                occasion
                    .map(|occasion| occasion.attributes.clone())
                    .unwrap_or_default(),
            ),
        ),
    ])
}
