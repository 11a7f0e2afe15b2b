//! How much each placeholder tells of a patient, and which channel may say so much.

use crate::model::class::Channel;
use crate::render::lint::Severity;

/// How much a value tells to whoever sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sensitivity {
    /// Nothing of a person: the house, the day, the language.
    Open,
    /// Who it is and where they are to be.
    Personal,
    /// What may tell what the patient has: the clinic's name, marks, age.
    Telling,
    /// What the patient has, takes or was found, or who they are to the state.
    Medical,
}

/// What the composer gives; `*` stands for anything below.
pub(super) const KNOWN: [(&str, Sensitivity); 39] = {
    use Sensitivity::{Medical, Open, Personal, Telling};
    [
        ("site", Open),
        ("site.name", Open),
        ("site.phone", Open),
        ("patient", Personal),
        ("patient.name", Personal),
        ("patient.given", Personal),
        ("patient.family", Personal),
        ("patient.sex", Personal),
        ("patient.age", Telling),
        ("patient.attributes.*", Telling),
        ("patient.tags", Telling),
        ("patient.diagnoses", Medical),
        ("recipient", Personal),
        ("recipient.role", Open),
        ("recipient.name", Personal),
        ("recipient.relation", Personal),
        ("occasion", Personal),
        ("occasion.kind", Open),
        ("occasion.date", Personal),
        ("occasion.clock", Personal),
        ("occasion.doctor", Personal),
        ("occasion.place", Personal),
        ("occasion.department", Telling),
        ("occasion.attributes.*", Personal),
        ("occasion.confirmation", Open),
        ("occasions", Personal),
        ("holiday", Open),
        ("holiday.id", Open),
        ("rule", Telling),
        ("rule.id", Telling),
        ("rule.title", Telling),
        ("count", Open),
        ("items", Personal),
        ("today", Open),
        ("lead", Open),
        ("lead.days", Open),
        ("ask", Open),
        ("language", Open),
        ("channel", Open),
    ]
};

/// What is medical whatever it hangs on, by the last word of its path.
const MEDICAL: [&str; 16] = [
    "diagnoses",
    "diagnosis",
    "drug",
    "drugs",
    "medication",
    "medications",
    "prescription",
    "test",
    "result",
    "results",
    "id_number",
    "birth_date",
    "birth_on",
    "insurance_number",
    "address",
    "disease",
];

/// Whether a reminder has a value of this path.
pub(super) fn is_known(path: &str) -> bool {
    KNOWN.iter().any(|(known, _)| fits(known, path))
}

fn fits(known: &str, path: &str) -> bool {
    known == path
        || known
            .strip_suffix('*')
            .is_some_and(|front| path.starts_with(front) || path == front.trim_end_matches('.'))
}

/// How much `path` tells; a value that other systems give is theirs to answer for.
pub(super) fn of(path: &str) -> Sensitivity {
    let last = path.rsplit('.').next().unwrap_or(path);
    if MEDICAL.contains(&last) {
        return Sensitivity::Medical;
    }
    let known = KNOWN.iter().find(|(known, _)| fits(known, path));
    known.map_or(Sensitivity::Open, |(_, sensitivity)| *sensitivity)
}

/// How bad it is to say so much on that channel, if it is.
pub(super) fn verdict(sensitivity: Sensitivity, channel: Channel) -> Option<Severity> {
    match (sensitivity, channel) {
        (Sensitivity::Open | Sensitivity::Personal, _)
        | (_, Channel::Popup | Channel::Task)
        | (Sensitivity::Telling, Channel::Email) => None,
        (Sensitivity::Telling, Channel::Sms | Channel::Voice)
        | (Sensitivity::Medical, Channel::Email) => Some(Severity::Warning),
        (Sensitivity::Medical, Channel::Sms | Channel::Voice) => Some(Severity::Error),
    }
}

/// Whether `source` prints `path`, and does not only ask whether it is there.
pub(super) fn is_printed(source: &str, path: &str) -> bool {
    source.split("{{").skip(1).any(|rest| {
        let inside = rest.split("}}").next().unwrap_or_default();
        inside.match_indices(path).any(|(at, _)| {
            let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
            let before = inside.get(..at).and_then(|text| text.chars().next_back());
            let after = inside
                .get(at + path.len()..)
                .and_then(|text| text.chars().next());
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
    })
}
