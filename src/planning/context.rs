//! What a template can print: the values it is filled with.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use crate::calendar::wall;
use crate::model::class::Role;
use crate::model::occasion::{Occasion, OccasionTime};
use crate::model::patient::{Fact, Patient, PersonName, Relation};
use crate::planning::House;
use crate::planning::material::Material;
use crate::rules::audience::Moment;
use crate::rules::lead::Lead;
use crate::rules::plan::CATCH_UP;
use crate::rules::rule::Rule;
use crate::rules::trigger::Trigger;
use crate::store::reminders::Reminder;

/// A reminder with the records it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    pub(crate) reminder: &'a Reminder,
    pub(crate) rule: Option<&'a Rule>,
    pub(crate) patient: Option<&'a Patient>,
    pub(crate) relation: Option<&'a Relation>,
    pub(crate) occasion: Option<&'a Occasion>,
    pub(crate) asks: bool,
}

impl<'a> About<'a> {
    /// `reminder` with its rule and the records that `material` has of it.
    pub(crate) fn of(
        reminder: &'a Reminder,
        rule: Option<&'a Rule>,
        material: &'a Material,
    ) -> Self {
        let plan = &reminder.plan;
        let patient = plan.patient.as_ref();
        let patient = patient.and_then(|id| material.patients.get(id));
        let relation = plan.relation.as_ref();
        let relation =
            relation.and_then(|id| patient?.family.iter().find(|relation| relation.id == *id));
        let occasion = plan.occasion.as_ref();
        Self {
            reminder,
            rule,
            patient,
            relation,
            occasion: occasion.and_then(|id| material.occasions.get(id)),
            asks: plan.ask.is_some(),
        }
    }
}

impl About<'_> {
    /// Whether it is the word of a move, for who was told the old date.
    pub(crate) fn is_moved(&self) -> bool {
        self.reminder.plan.lead == Lead::Moved.to_string()
    }

    /// The fact that makes the rest of the occurrence needless, with its day, if the record shows one.
    pub(crate) fn done_by<'f>(&self, facts: &'f [Fact]) -> Option<(&'f Fact, Date)> {
        let (rule, day) = (self.rule?, day_of(self)?);
        let moment = Moment {
            day,
            kind: rule.trigger.word(),
            occasion: self.occasion,
        };
        rule.done_by(facts, moment)
    }

    /// Whether it is due only since the occasion came up or was moved just now.
    pub(crate) fn is_at_once(&self) -> bool {
        let lead = &self.reminder.plan.lead;
        *lead == Lead::Created.to_string() || lead == CATCH_UP
    }
}

/// The values for the template of `about`.
pub(crate) fn context(
    about: &About<'_>,
    material: &Material,
    house: &House,
    now: Timestamp,
) -> Value {
    let occasions = occasions(about, material);
    context_of_all(about, &occasions, material, house, now)
}

/// What it tells of: the occasions that our own answer names, else the one that it hangs on.
pub(crate) fn occasions<'a>(about: &About<'a>, material: &'a Material) -> Vec<&'a Occasion> {
    let data = about.reminder.data.as_ref();
    let named = data
        .into_iter()
        .flat_map(|data| data.reveal().occasions())
        .filter_map(|id| material.occasions.get(&id));
    let named: Vec<&Occasion> = named.collect();
    if named.is_empty() {
        about.occasion.into_iter().collect()
    } else {
        named
    }
}

/// The same for a message about `occasions`, in the order of time.
pub(crate) fn context_of_all(
    about: &About<'_>,
    occasions: &[&Occasion],
    material: &Material,
    house: &House,
    now: Timestamp,
) -> Value {
    let zone = about.rule.map_or(&house.timezone, |rule| &rule.timezone);
    let today = wall::date(zone, now);
    let day = day_of(about).unwrap_or(today);
    let mut all = Map::new();
    all.insert(
        "site".to_owned(),
        json!({"name": house.name, "phone": house.phone}),
    );
    if let Some(patient) = about.patient {
        let facts = material
            .facts
            .get(&patient.id)
            .map_or(&[][..], Vec::as_slice);
        all.insert("patient".to_owned(), patient_values(patient, facts, day));
    }
    all.insert("recipient".to_owned(), recipient_values(about, material));
    if let Some(occasion) = about.occasion {
        let list = occasions.iter().map(|one| occasion_values(one, material));
        all.insert("occasions".to_owned(), list.collect());
        let mut values = occasion_values(occasion, material);
        // The date that the recipient was told before it moved.
        let told = material.told.get(&about.reminder.id).copied().flatten();
        let previous = told.map(|at| json!({"date": at.date().to_string(), "clock": clock(at)}));
        if let Some(values) = values.as_object_mut() {
            values.insert("previous".to_owned(), json!(previous));
        }
        all.insert("occasion".to_owned(), values);
    } else {
        all.insert(
            "occasion".to_owned(),
            json!({"kind": about.rule.map(|rule| rule.trigger.word()), "date": day.to_string()}),
        );
    }
    if let Some(rule) = about.rule {
        all.insert(
            "rule".to_owned(),
            json!({"id": rule.id, "title": rule.title}),
        );
        if let Trigger::Holiday { id, .. } = &rule.trigger {
            all.insert("holiday".to_owned(), json!({"id": id}));
        }
    }
    all.insert(
        "count".to_owned(),
        json!(material.many.get(&about.reminder.id).copied().unwrap_or(1)),
    );
    all.insert(
        "lead".to_owned(),
        json!({"days": day.duration_since(today).as_hours() / 24}),
    );
    all.insert("ask".to_owned(), json!(about.asks));
    if let Some(data) = &about.reminder.data {
        all.insert("data".to_owned(), Value::Object(data.reveal().data.clone()));
    }
    Value::Object(all)
}

/// The languages to try, best first.
pub(crate) fn languages<'a>(about: &About<'a>, house: &'a House) -> Vec<&'a str> {
    let of_patient = about
        .patient
        .and_then(|patient| patient.language.as_deref());
    let own = match about.reminder.plan.role {
        Role::Staff => return vec![&house.language],
        Role::Patient => of_patient,
        Role::Family => about
            .relation
            .and_then(|relation| relation.language.as_deref()),
    };
    let answers = about
        .reminder
        .data
        .as_ref()
        .and_then(|data| data.reveal().language.as_deref());
    let mut all: Vec<&str> = [answers, own, of_patient].into_iter().flatten().collect();
    all.push(&house.language);
    all
}

/// The day of the occasion, or of the computed occurrence.
fn day_of(about: &About<'_>) -> Option<Date> {
    match about.occasion {
        Some(occasion) => Some(occasion.when.date()),
        None => about.reminder.plan.occurrence.get(..10)?.parse().ok(),
    }
}

fn patient_values(patient: &Patient, facts: &[Fact], day: Date) -> Value {
    let name = patient.name.reveal();
    let age = patient
        .birth_on
        .as_ref()
        .map(|birth| wall::age_on(*birth.reveal(), day));
    let codes: Vec<&str> = facts
        .iter()
        .filter(|fact| fact.kind == "diagnosis")
        .filter_map(|fact| fact.code.as_deref())
        .collect();
    json!({
        "name": name.full, "given": name.given, "family": name.family, "sex": patient.sex, "age": age,
        "attributes": patient.attributes.reveal(), "tags": patient.tags, "diagnoses": codes,
    })
}

fn recipient_values(about: &About<'_>, material: &Material) -> Value {
    let plan = &about.reminder.plan;
    let full = |name: &PersonName| name.full.clone();
    let (name, relation) = match plan.role {
        Role::Patient => (
            about.patient.map(|patient| full(patient.name.reveal())),
            None,
        ),
        Role::Family => {
            let name = about
                .relation
                .and_then(|relation| relation.name.as_ref())
                .map(|name| full(name.reveal()));
            (name, about.relation.map(|relation| relation.kind.as_str()))
        }
        Role::Staff => (
            plan.department
                .as_deref()
                .map(|id| department(id, material)),
            None,
        ),
    };
    json!({"role": plan.role, "name": name, "relation": relation})
}

fn occasion_values(occasion: &Occasion, material: &Material) -> Value {
    json!({
        "kind": occasion.kind, "date": occasion.when.date().to_string(), "clock": clock(occasion.when), "doctor": occasion.doctor,
        "place": occasion.place, "department": occasion.department.as_deref().map(|id| department(id, material)),
        "attributes": occasion.attributes, "confirmation": occasion.confirmation,
    })
}

fn clock(when: OccasionTime) -> Option<String> {
    match when {
        OccasionTime::At(at) => Some(at.strftime("%H:%M").to_string()),
        OccasionTime::On(_) => None,
    }
}

/// What a department is called, or its id where it has no name.
fn department(id: &str, material: &Material) -> String {
    material
        .departments
        .get(id)
        .cloned()
        .unwrap_or_else(|| id.to_owned())
}
