//! What a template of an enqueued message can print: the caller's data, the site, the patient, the occasion.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Site;
use crate::calendar::wall;
use crate::model::occasion::{Occasion, OccasionTime};
use crate::model::patient::Patient;
use crate::model::private::Private;

/// The context: the members of `data` at the top and under `data`; what we know ourselves wins at the top.
pub(super) fn context(
    data: &Map<String, Value>,
    site: &Site,
    patient: Option<&Patient>,
    occasion: Option<&Occasion>,
    has_question: bool,
    now: Timestamp,
) -> Private<Value> {
    let mut all = data.clone();
    all.insert("data".to_owned(), Value::Object(data.clone()));
    all.insert("site".to_owned(), json!({"name": site.name}));
    all.insert("ask".to_owned(), json!(has_question));
    if let Some(patient) = patient {
        let name = &patient.name.reveal().full;
        all.insert("patient".to_owned(), of_patient(patient, site, now));
        all.insert(
            "recipient".to_owned(),
            json!({"role": "patient", "name": name}),
        );
    }
    if let Some(occasion) = occasion {
        let occasion = of_occasion(occasion);
        all.insert("occasions".to_owned(), json!([occasion]));
        all.insert("occasion".to_owned(), occasion);
    }
    Private::new(Value::Object(all))
}

fn of_patient(patient: &Patient, site: &Site, now: Timestamp) -> Value {
    let name = patient.name.reveal();
    let today = wall::date(&site.timezone, now);
    json!({
        "name": name.full,
        "given": name.given,
        "family": name.family,
        "sex": patient.sex,
        "age": patient.birth_on.as_ref().map(|birth| wall::age_on(*birth.reveal(), today)),
        "tags": patient.tags,
        "attributes": patient.attributes.reveal(),
    })
}

fn of_occasion(occasion: &Occasion) -> Value {
    let clock = match occasion.when {
        OccasionTime::At(at) => Some(at.time().strftime("%H:%M").to_string()),
        OccasionTime::On(_) => None,
    };
    json!({
        "kind": occasion.kind,
        "date": occasion.when.date().to_string(),
        "clock": clock,
        "doctor": occasion.doctor,
        "place": occasion.place,
        "department": occasion.department,
        "confirmation": occasion.confirmation,
        "attributes": occasion.attributes,
    })
}
