//! Patient and RelatedPerson.

use super::Context;
use super::resource::{
    Coding, Communication, Concept, HumanName, Patient, PatientContact, Period, RelatedPerson,
    Telecom,
};
use crate::intake::birth::Birth;
use crate::intake::contacts::Contact;
use crate::intake::contacts::{emails, is_nothing, phones};
use crate::intake::import::Parsed;
use crate::intake::names;
use crate::intake::record::{
    Consented, FamilyRecord, Key, Origin, PatientRecord, RecordKind, RecordUpdate, RelationRecord,
};
use crate::intake::report::Fault;
use crate::model::patient::{PersonName, Sex};
use crate::model::private::Private;

pub(super) fn patient(
    context: &Context,
    origin: &Origin,
    patient: &Patient,
) -> Result<Parsed, Fault> {
    let id = super::id_of(origin, patient.id.as_ref())?;
    let key = super::index::patient_key(
        id,
        &patient.identifier,
        context.settings.fhir.patient_identifier.as_deref(),
    );
    let key = Key::new(&context.source, key);
    if context.is_secret(&patient.meta) {
        // Whatever else is wrong with it: it must be known as a forbidden one.
        return Ok(Parsed::of(RecordUpdate::Patient(Box::new(
            PatientRecord::forbidden(origin.clone(), key),
        ))));
    }
    let birth = birth(origin, patient)?;
    let mut parsed = Parsed::default();
    let contacts = contacts(context, origin, "telecom", &patient.telecom, &mut parsed);
    let mut family = Vec::new();
    for (n, contact) in patient.contact.iter().enumerate() {
        if let Some(relation) = relation_within(context, origin, n, contact, &mut parsed) {
            family.push(relation);
        }
    }
    let (security, tag) = (&patient.meta.security, &patient.meta.tag);
    parsed.update(RecordUpdate::Patient(Box::new(PatientRecord {
        origin: origin.clone(),
        key,
        also_known: also_known(patient, id),
        name: Private::new(best_name(context, &patient.name).unwrap_or_default()),
        sex: patient.gender.as_deref().and_then(Sex::parse),
        birth: birth.map(Private::new),
        lunar_birthday: None,
        language: language(&patient.communication),
        deceased: patient.deceased_boolean == Some(true) || patient.deceased_date_time.is_some(),
        special: false,
        inactive: patient.active == Some(false),
        tags: codes(tag).collect(),
        prefer: Vec::new(),
        attributes: Private::default(),
        contacts,
        family,
        consents: Vec::new(),
        facts: None,
        version: super::version(&patient.meta),
        sensitive: false,
        flags: codes(security).chain(codes(tag)).collect(),
        told: None,
    })));
    Ok(parsed)
}

fn birth(origin: &Origin, patient: &Patient) -> Result<Option<Birth>, Fault> {
    let Some(text) = patient.birth_date.as_deref() else {
        return Ok(None);
    };
    let expected = "expected YYYY-MM-DD, YYYY-MM or YYYY";
    Birth::parse(text.trim())
        .map(Some)
        .ok_or_else(|| Fault::row(origin, "birthDate".to_owned(), expected))
}

/// Every key that another file may name them by.
fn also_known(patient: &Patient, id: &str) -> Vec<Private<String>> {
    let identifiers = patient.identifier.iter();
    identifiers
        .filter_map(|identifier| identifier.value.clone())
        .chain([id.to_owned()])
        .map(Private::new)
        .collect()
}

fn codes(codings: &[Coding]) -> impl Iterator<Item = String> + '_ {
    codings.iter().filter_map(|coding| coding.code.clone())
}

pub(super) fn related_person(
    context: &Context,
    origin: &Origin,
    person: &RelatedPerson,
) -> Result<Parsed, Fault> {
    let id = super::id_of(origin, person.id.as_ref())?;
    let patient = context.patient(origin, &person.patient, "patient")?;
    let mut parsed = Parsed::default();
    if context.is_secret(&person.meta) {
        return Ok(parsed.left_out("RelatedPerson: restricted"));
    }
    let over = person.active == Some(false) || !is_current(context, &person.period);
    let relation = if over {
        None
    } else {
        let kind = kind_of(&person.relationship);
        Some(RelationRecord {
            consented: consented(context, kind),
            classes: Vec::new(),
            kind: kind.to_owned(),
            name: best_name(context, &person.name).map(Private::new),
            language: language(&person.communication),
            contacts: contacts(context, origin, "telecom", &person.telecom, &mut parsed),
        })
    };
    parsed.update(RecordUpdate::Relation(Box::new(FamilyRecord {
        origin: origin.clone(),
        patient,
        key: Private::new(id.to_owned()),
        relation,
    })));
    Ok(parsed)
}

fn relation_within(
    context: &Context,
    origin: &Origin,
    n: usize,
    contact: &PatientContact,
    parsed: &mut Parsed,
) -> Option<RelationRecord> {
    if !is_current(context, &contact.period) {
        return None;
    }
    let kind = kind_of(&contact.relationship);
    let contacts = contacts(
        context,
        origin,
        &format!("contact[{n}].telecom"),
        &contact.telecom,
        parsed,
    );
    let name = contact
        .name
        .as_ref()
        .and_then(person_name)
        .map(Private::new);
    if name.is_none() && contacts.is_empty() {
        return None;
    }
    Some(RelationRecord {
        kind: kind.to_owned(),
        name,
        language: None,
        consented: consented(context, kind),
        classes: Vec::new(),
        contacts,
    })
}

fn consented(context: &Context, kind: &str) -> Consented {
    match kind {
        kind if context.settings.consented.iter().any(|word| word == kind) => Consented::Yes,
        "parent" => Consented::WhileMinor,
        _ => Consented::No,
    }
}

/// What codes of v3 RoleCode and v2-0131 say that somebody is.
const KINDS: [(&str, &[&str]); 9] = [
    (
        "guardian",
        &["GUARD", "HPOWATT", "POWATT", "DPOWATT", "SPOWATT"],
    ),
    (
        "parent",
        &[
            "PRN", "MTH", "FTH", "NPRN", "NMTH", "NFTH", "STPPRN", "STPMTH", "STPFTH", "ADOPTP",
            "ADOPTM", "ADOPTF", "PRNFOST", "MTHFOST", "FTHFOST", "GESTM",
        ],
    ),
    (
        "child",
        &[
            "CHILD",
            "CHLDADOPT",
            "SONADOPT",
            "DAUADOPT",
            "CHLDFOST",
            "DAUFOST",
            "SONFOST",
            "NCHILD",
            "DAU",
            "SON",
            "DAUC",
            "SONC",
            "STPCHLD",
            "STPDAU",
            "STPSON",
            "CHLDINLAW",
            "DAUINLAW",
            "SONINLAW",
        ],
    ),
    ("spouse", &["SPS", "HUSB", "WIFE", "DOMPART", "SIGOTHR"]),
    (
        "sibling",
        &[
            "SIB", "BRO", "SIS", "HBRO", "HSIB", "HSIS", "NBRO", "NSIB", "NSIS",
        ],
    ),
    (
        "grandparent",
        &[
            "GRPRN", "GRMTH", "GRFTH", "MGRMTH", "MGRFTH", "PGRMTH", "PGRFTH",
        ],
    ),
    ("grandchild", &["GRNDCHILD", "GRNDDAU", "GRNDSON"]),
    ("next_of_kin", &["N"]),
    ("emergency_contact", &["C"]),
];

/// What plain words say, if no code does.
const WORDS: [(&str, &[&str]); 5] = [
    ("guardian", &["guardian", "监护"]),
    ("parent", &["mother", "father", "parent", "母", "父"]),
    ("child", &["son", "daughter", "child", "子", "女"]),
    (
        "spouse",
        &["spouse", "wife", "husband", "partner", "配偶", "妻", "夫"],
    ),
    ("sibling", &["brother", "sister", "兄", "弟", "姐", "妹"]),
];

/// What somebody is to the patient: v3 RoleCode first, then the coarser v2-0131, then words.
fn kind_of(relationship: &[Concept]) -> &'static str {
    let coded = KINDS
        .iter()
        .find(|(_, codes)| relationship.iter().any(|concept| concept.has_code(codes)));
    if let Some((kind, _)) = coded {
        return kind;
    }
    let words: String = relationship
        .iter()
        .filter_map(Concept::words)
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase();
    WORDS
        .iter()
        .find(|(_, list)| list.iter().any(|word| words.contains(word)))
        .map_or("other", |(kind, _)| kind)
}

/// The official name, else the usual one, else the first that is neither old nor a maiden name.
pub(super) fn best_name(context: &Context, names: &[HumanName]) -> Option<PersonName> {
    let rank = |name: &&HumanName| match name.r#use.as_deref() {
        Some("official") => 0,
        Some("usual") => 1,
        None => 2,
        Some("old" | "maiden") => 9,
        Some(_) => 3,
    };
    let current = names
        .iter()
        .filter(|name| is_current(context, &name.period))
        .min_by_key(rank);
    current.or_else(|| names.first()).and_then(person_name)
}

/// A name with its parts; the whole one is made of them where no text is told.
pub(super) fn person_name(name: &HumanName) -> Option<PersonName> {
    let part = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let family = name.family.as_deref().and_then(part);
    let given: Vec<&str> = name
        .given
        .iter()
        .flatten()
        .map(|given| given.trim())
        .filter(|given| !given.is_empty())
        .collect();
    let given = part(
        &given.join(if given.iter().any(|given| names::is_han(given)) {
            ""
        } else {
            " "
        }),
    );
    let full = name
        .text
        .as_deref()
        .and_then(part)
        .or_else(|| names::whole(family.as_deref(), given.as_deref()))?;
    Some(PersonName {
        full,
        given,
        family,
    })
}

/// The language they prefer, else the first one.
fn language(communication: &[Communication]) -> Option<String> {
    let best = communication
        .iter()
        .find(|one| one.preferred)
        .or_else(|| communication.first())?;
    let code = best
        .language
        .coding
        .iter()
        .find_map(|coding| coding.code.clone());
    code.or_else(|| best.language.text.clone())
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// Numbers and addresses that are in use: by rank, mobile before home before work. One that cannot be read is told of and left out.
pub(super) fn contacts(
    context: &Context,
    origin: &Origin,
    path: &str,
    telecom: &[Telecom],
    parsed: &mut Parsed,
) -> Vec<Contact> {
    let mut ranked: Vec<(i64, usize, Contact)> = Vec::new();
    for (n, point) in telecom.iter().enumerate() {
        let Some(value) = point.value.as_deref().filter(|value| !is_nothing(value)) else {
            continue;
        };
        let order = match point.r#use.as_deref() {
            Some("old") => continue,
            Some("mobile") => 0,
            Some("home") => 1,
            Some("work") => 3,
            None | Some(_) => 2,
        };
        if !is_current(context, &point.period) {
            continue;
        }
        let (found, faulty, expected) = match point.system.as_deref() {
            Some("phone" | "sms") => {
                let (found, faulty) = phones(value, &context.site.country);
                (found, faulty, "expected a phone number")
            }
            Some("email") => {
                let (found, faulty) = emails(value);
                (found, faulty, "expected a mail address")
            }
            None | Some(_) => continue,
        };
        if faulty {
            parsed.fault(
                Some(RecordKind::Patient),
                Fault::value(origin, format!("{path}[{n}].value"), expected),
            );
        }
        ranked.extend(
            found
                .into_iter()
                .map(|contact| (point.rank.map_or(1000 + order, |rank| rank), n, contact)),
        );
    }
    ranked.sort_by_key(|(rank, n, _)| (*rank, *n));
    ranked.into_iter().map(|(_, _, contact)| contact).collect()
}

/// Whether a period has not ended before today.
fn is_current(context: &Context, period: &Period) -> bool {
    let end = period.end.as_deref().and_then(|end| context.moment(end));
    end.is_none_or(|end| end.0 >= context.today)
}
