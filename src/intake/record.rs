//! What every format and inlet ends in: one checked record, with the place it came from.
//!
//! What is in here has been parsed at the edge: numbers are in E.164, dates are dates. Nothing here is stored yet.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use super::birth::Birth;
use super::contacts::Contact;
use crate::model::class::{Channel, Class};
use crate::model::occasion::{OccasionStatus, OccasionTime};
use crate::model::patient::{LunarDay, OptOut, PersonName, Sex};
use crate::model::private::Private;
use crate::model::staff::Away;

/// Where a record stands in its file, to name it without repeating it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file as it was given, or the name of the inlet.
    pub file: Arc<str>,
    /// Counted from 1; 0 where there are no lines.
    pub line: u64,
}

impl Origin {
    /// A record that came by an inlet without lines, such as `http`.
    pub fn inlet(name: &str) -> Self {
        Self {
            file: Arc::from(name),
            line: 0,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// The name of a record: the system it is from and that system's key. Keys are private: many hospitals
/// use the number of an identity card.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Such as `his`.
    pub source: Arc<str>,
    /// Unique within the source and the kind of record.
    pub key: Private<String>,
}

impl Key {
    /// The record that `source` knows by `key`.
    pub fn new(source: &Arc<str>, key: impl Into<String>) -> Self {
        Self {
            source: Arc::clone(source),
            key: Private::new(key.into()),
        }
    }
}

/// One change of what we know.
#[derive(Clone, Debug)]
pub enum RecordUpdate {
    /// A patient, whole.
    Patient(Box<PatientRecord>),
    /// A family member or guardian that is a record of its own.
    Relation(Box<FamilyRecord>),
    /// A dated, coded statement about a patient.
    Fact(Box<FactRecord>),
    /// A booking or another dated fact.
    Occasion(Box<OccasionRecord>),
    /// A member of staff.
    Staff(Box<StaffRecord>),
    /// A department.
    Department(DepartmentRecord),
    /// Something is no more.
    Remove(Removal),
}

impl RecordUpdate {
    /// Where it came from.
    pub fn origin(&self) -> &Origin {
        match self {
            Self::Patient(record) => &record.origin,
            Self::Relation(record) => &record.origin,
            Self::Fact(record) => &record.origin,
            Self::Occasion(record) => &record.origin,
            Self::Staff(record) => &record.origin,
            Self::Department(record) => &record.origin,
            Self::Remove(removal) => &removal.origin,
        }
    }

    /// What it is about.
    pub const fn kind(&self) -> RecordKind {
        match self {
            Self::Patient(_) => RecordKind::Patient,
            Self::Relation(_) => RecordKind::Relation,
            Self::Fact(_) => RecordKind::Fact,
            Self::Occasion(_) => RecordKind::Occasion,
            Self::Staff(_) => RecordKind::Staff,
            Self::Department(_) => RecordKind::Department,
            Self::Remove(_) => RecordKind::Removal,
        }
    }

    /// The patient whose data it is, if it is about one.
    pub fn patient(&self) -> Option<&Key> {
        match self {
            Self::Patient(record) => Some(&record.key),
            Self::Relation(record) => Some(&record.patient),
            Self::Fact(record) => Some(&record.patient),
            Self::Occasion(record) => Some(&record.patient),
            Self::Remove(removal) => match &removal.what {
                Removed::Patient(key) => Some(key),
                Removed::Occasion(_) => None,
            },
            Self::Staff(_) | Self::Department(_) => None,
        }
    }
}

crate::model::words! {
    /// What a record is about, as reports count it.
    RecordKind {
        /// A department.
        Department = "department",
        /// A member of staff.
        Staff = "staff",
        /// A patient.
        Patient = "patient",
        /// A family member or guardian.
        Relation = "relation",
        /// A dated, coded statement.
        Fact = "fact",
        /// A booking or another dated fact.
        Occasion = "occasion",
        /// Something that is no more.
        Removal = "removal",
    }
}

/// A patient as a source tells it; what it does not tell is empty and will be empty with us.
#[derive(Clone, Debug)]
pub struct PatientRecord {
    /// Where it came from.
    pub origin: Origin,
    /// What the source calls it.
    pub key: Key,
    /// Other keys of the same person, for the list of sensitive ones only; never stored.
    pub also_known: Vec<Private<String>>,
    /// What they are called.
    pub name: Private<PersonName>,
    /// As the hospital records it.
    pub sex: Option<Sex>,
    /// When they were born, as exactly as it is known.
    pub birth: Option<Private<Birth>>,
    /// The lunar birthday they keep instead of the solar one.
    pub lunar_birthday: Option<Private<LunarDay>>,
    /// BCP 47.
    pub language: Option<String>,
    /// Whether they have died.
    pub deceased: bool,
    /// To be reached through the family always.
    pub special: bool,
    /// The source says that this record is not in use.
    pub inactive: bool,
    /// Free marks.
    pub tags: Vec<String>,
    /// Channels they asked for, best first.
    pub prefer: Vec<Channel>,
    /// What else is told and may be stored.
    pub attributes: Private<serde_json::Map<String, serde_json::Value>>,
    /// Numbers and addresses, best first.
    pub contacts: Vec<Contact>,
    /// Family and guardians told within this record, in order.
    pub family: Vec<RelationRecord>,
    /// What they allow and refuse.
    pub consents: Vec<ConsentRecord>,
    /// All that the source tells of them; `None` where facts are records of their own.
    pub facts: Option<Vec<FactRecord>>,
    /// An older one is ignored.
    pub version: Option<i64>,
    /// The record says itself that nothing of it may be stored.
    pub sensitive: bool,
    /// Marks that may make it sensitive, never stored.
    pub flags: Vec<String>,
    /// The fields that are told where the source does not tell a whole record; the others stay as they are.
    pub told: Option<Vec<Field>>,
}

impl PatientRecord {
    /// A record that says nothing but that the patient must not be stored.
    pub fn forbidden(origin: Origin, key: Key) -> Self {
        Self {
            origin,
            key,
            also_known: Vec::new(),
            name: Private::default(),
            sex: None,
            birth: None,
            lunar_birthday: None,
            language: None,
            deceased: false,
            special: false,
            inactive: false,
            tags: Vec::new(),
            prefer: Vec::new(),
            attributes: Private::default(),
            contacts: Vec::new(),
            family: Vec::new(),
            consents: Vec::new(),
            facts: None,
            version: None,
            sensitive: true,
            flags: Vec::new(),
            told: None,
        }
    }
}

/// A field of a patient that a table may tell or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// What they are called.
    Name,
    /// Their sex.
    Sex,
    /// The day of birth.
    Birth,
    /// The lunar birthday.
    Lunar,
    /// The language they read.
    Language,
    /// Whether they have died.
    Deceased,
    /// To be reached through the family.
    Special,
    /// Whether the record is in use.
    Active,
    /// Free marks.
    Tags,
    /// Channels they asked for.
    Prefer,
    /// Their numbers.
    Phone,
    /// Their mail addresses.
    Email,
    /// Family and guardians.
    Family,
    /// What they refuse.
    Consent,
}

/// A family member or guardian.
#[derive(Clone, Debug)]
pub struct RelationRecord {
    /// What they are to the patient.
    pub kind: String,
    /// What they are called.
    pub name: Option<Private<PersonName>>,
    /// BCP 47.
    pub language: Option<String>,
    /// Whether they may be told.
    pub consented: Consented,
    /// The classes that the consent is for; none for all.
    pub classes: Vec<Class>,
    /// Numbers and addresses, best first.
    pub contacts: Vec<Contact>,
}

/// Whether a relation may be told of the patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consented {
    /// They may.
    Yes,
    /// They may not.
    No,
    /// They may while the patient is under 18: a parent whom no record of consent names.
    WhileMinor,
}

/// A relation that is a record of its own.
#[derive(Clone, Debug)]
pub struct FamilyRecord {
    /// Where it came from.
    pub origin: Origin,
    /// Whose relation it is.
    pub patient: Key,
    /// What the source calls it.
    pub key: Private<String>,
    /// The relation; `None` when it is no more.
    pub relation: Option<RelationRecord>,
}

/// What a patient allows or refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRecord {
    /// Everything, a class or a channel.
    pub scope: OptOut,
    /// Leave, or its withdrawal.
    pub granted: bool,
    /// When they said so, if the source tells.
    pub at: Option<Timestamp>,
}

/// A dated, coded statement about a patient.
#[derive(Clone, Debug)]
pub struct FactRecord {
    /// Where it came from.
    pub origin: Origin,
    /// Whose it is.
    pub patient: Key,
    /// What the source calls it; unique within source and kind.
    pub key: Private<String>,
    /// `diagnosis`, `encounter` … an open set.
    pub kind: String,
    /// Every code of the same statement; may be none.
    pub codings: Vec<Coding>,
    /// The day it holds from.
    pub on: Option<Date>,
    /// The moment, where the source tells one.
    pub at: Option<Timestamp>,
    /// Where it was made.
    pub department: Option<String>,
    /// What else is told and may be stored.
    pub attributes: Private<serde_json::Map<String, serde_json::Value>>,
    /// Codes that may make the patient sensitive beside those above; never stored.
    pub reasons: Vec<Private<String>>,
    /// The record says itself that it may not be stored.
    pub sensitive: bool,
    /// It was made in error or is called off: what we have of it goes.
    pub gone: bool,
}

/// A code and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coding {
    /// Such as `E11.9`.
    pub code: Private<String>,
    /// Such as `http://hl7.org/fhir/sid/icd-10`.
    pub system: Option<String>,
}

/// A booking or another dated fact.
#[derive(Clone, Debug)]
pub struct OccasionRecord {
    /// Where it came from.
    pub origin: Origin,
    /// What the source calls it.
    pub key: Key,
    /// Whose it is.
    pub patient: Key,
    /// `appointment`, `revisit` … an open set.
    pub kind: String,
    /// When, on the wall clock of `timezone`.
    pub when: OccasionTime,
    /// IANA; `None` is the site's.
    pub timezone: Option<String>,
    /// What the source says of it.
    pub status: OccasionStatus,
    /// When it came up, if the source tells.
    pub created_at: Option<Timestamp>,
    /// Who sees the patient.
    pub department: Option<String>,
    /// The doctor's name as it may be told.
    pub doctor: Option<String>,
    /// What the source calls the treating doctor.
    pub doctor_key: Option<Key>,
    /// Where to go.
    pub place: Option<String>,
    /// What else is told and may be stored.
    pub attributes: serde_json::Map<String, serde_json::Value>,
    /// An older one is ignored.
    pub version: Option<i64>,
    /// Codes that may make the patient sensitive; never stored.
    pub reasons: Vec<Private<String>>,
    /// The record says itself that it may not be stored.
    pub sensitive: bool,
    /// What else goes by the same key.
    pub series: Series,
}

/// Whether an occasion is one of several that one record tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Series {
    /// Its format knows of no such.
    Untold,
    /// It is one; if it repeated before, those are cancelled.
    Single,
    /// It is the first of `count`; the others that there were are cancelled, and so is a single one of the key.
    First {
        /// The key of the whole.
        key: Private<String>,
        /// How many there are.
        count: u32,
    },
    /// It is another of them.
    Other,
}

/// A member of staff.
#[derive(Clone, Debug)]
pub struct StaffRecord {
    /// Where it came from.
    pub origin: Origin,
    /// What the source calls them.
    pub key: Key,
    /// What they are called.
    pub name: Private<String>,
    /// The department's id, if told.
    pub department: Option<String>,
    /// What they are there, if told.
    pub role: Option<String>,
    /// In E.164.
    pub phone: Option<Private<String>>,
    /// Mail address.
    pub email: Option<Private<String>>,
    /// Whether they work here now.
    pub active: bool,
    /// When they are away and who stands in; not told: what we had stays.
    pub absence: Option<Absence>,
}

/// When a member of staff is away, and who stands in.
#[derive(Clone, Debug, Default)]
pub struct Absence {
    /// Days without them.
    pub away: Vec<Away>,
    /// Who gets meanwhile what is theirs.
    pub substitute: Option<Key>,
}

/// A department.
#[derive(Clone, Debug)]
pub struct DepartmentRecord {
    /// Where it came from.
    pub origin: Origin,
    /// As rules name it.
    pub id: String,
    /// As staff name it.
    pub name: String,
    /// As patients may read it.
    pub public_name: Option<String>,
}

/// Something that is no more.
#[derive(Clone, Debug)]
pub struct Removal {
    /// Where it came from.
    pub origin: Origin,
    /// What.
    pub what: Removed,
}

/// What is no more.
#[derive(Clone, Debug)]
pub enum Removed {
    /// A patient with every row about them.
    Patient(Key),
    /// An occasion: it is kept as cancelled.
    Occasion(Key),
}
