//! The patient, how to reach them, who stands by them, and what they refused.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::class::{Channel, Class, ContactKind};
use super::id::{ContactPointId, PatientId, RelationId};
use super::private::Private;
use super::words::words;

/// A patient with everything that planning and composing look at.
#[derive(Clone, Debug)]
pub struct Patient {
    /// Our own id.
    pub id: PatientId,
    /// The system the record came from, such as `his`.
    pub source: String,
    /// That system's key.
    pub source_key: Private<String>,
    /// What they are called.
    pub name: Private<PersonName>,
    /// As the hospital records it.
    pub sex: Option<Sex>,
    /// Day of birth.
    pub birth_on: Option<Private<Date>>,
    /// The lunar birthday they keep instead of the solar one.
    pub lunar_birthday: Option<Private<LunarDay>>,
    /// The language they read, BCP 47.
    pub language: Option<String>,
    /// Whether they have died.
    pub deceased: bool,
    /// Flagged to be reached through the family always.
    pub special: bool,
    /// Blocked by a person until further notice.
    pub held: bool,
    /// Free marks of the hospital.
    pub tags: Vec<String>,
    /// Channels they asked for, best first.
    pub prefer: Vec<Channel>,
    /// What else the hospital tells; rules reach it by `patient.attributes`.
    pub attributes: Private<serde_json::Map<String, serde_json::Value>>,
    /// Their numbers and addresses, by rank.
    pub contacts: Vec<ContactPoint>,
    /// Family and guardians, in the order of the source.
    pub family: Vec<Relation>,
    /// What they refused.
    pub opt_outs: Vec<OptOut>,
    /// What they gave leave for in so many words.
    pub consents: Vec<OptOut>,
}

/// What a person is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct PersonName {
    /// The whole name, as it is written to them.
    pub full: String,
    /// Given name, where the source tells it apart.
    pub given: Option<String>,
    /// Family name, where the source tells it apart.
    pub family: Option<String>,
}

words! {
    /// Administrative sex (FHIR administrative-gender).
    Sex {
        /// Female.
        Female = "female",
        /// Male.
        Male = "male",
        /// Other.
        Other = "other",
        /// Not known.
        Unknown = "unknown",
    }
}

/// A day of the Chinese lunisolar calendar, without a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct LunarDay {
    /// Ordinary month, 1 to 12.
    pub month: u8,
    /// Day, 1 to 30.
    pub day: u8,
}

/// A number or address of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactPoint {
    /// Our own id.
    pub id: ContactPointId,
    /// Number or mail address.
    pub kind: ContactKind,
    /// The number in E.164, or the address.
    pub address: Private<String>,
    /// Lower goes first.
    pub rank: i64,
    /// Whether it may be used, and if not why.
    pub status: ContactStatus,
}

words! {
    /// Whether a contact point may be used.
    ContactStatus {
        /// It may.
        Ok = "ok",
        /// Somebody else has it.
        WrongNumber = "wrong_number",
        /// The network says it does not exist.
        Invalid = "invalid",
    }
}

/// A family member or guardian.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Our own id.
    pub id: RelationId,
    /// What they are to the patient: `child`, `parent`, `spouse`, `guardian` …
    pub kind: String,
    /// What they are called.
    pub name: Option<Private<PersonName>>,
    /// The language they read.
    pub language: Option<String>,
    /// Whether there is consent to tell them.
    pub consented: bool,
    /// Their numbers and addresses.
    pub contacts: Vec<ContactPoint>,
    /// What they refused themselves.
    pub opt_outs: Vec<OptOut>,
    /// What the consent is for, where it is not for everything: classes, or nothing named.
    pub consents: Vec<OptOut>,
}

impl Relation {
    /// Whether there is consent to tell them a word of `class`.
    ///
    /// Where classes are named these alone count: that the relation wants to hear from us again gives no leave of the patient's.
    pub fn may_hear(&self, class: Class) -> bool {
        let mut classes = self.consented_to().peekable();
        let is_for_all = classes.peek().is_none();
        self.consented && (is_for_all || classes.any(|allowed| allowed == class))
    }

    /// The classes that the consent is for; none for all.
    pub fn consented_to(&self) -> impl Iterator<Item = Class> {
        self.consents.iter().filter_map(|consent| match consent {
            OptOut::Class(class) => Some(*class),
            OptOut::All | OptOut::Channel(_) => None,
        })
    }
}

/// One refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OptOut {
    /// Everything.
    All,
    /// One class.
    Class(Class),
    /// One channel.
    Channel(Channel),
}

impl OptOut {
    /// The word for it: `all`, a class or a channel.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Class(class) => class.as_str(),
            Self::Channel(channel) => channel.as_str(),
        }
    }

    /// Reads `all`, a class or a channel.
    pub fn parse(word: &str) -> Option<Self> {
        if word == "all" {
            return Some(Self::All);
        }
        Class::parse(word)
            .map(Self::Class)
            .or_else(|| Channel::parse(word).map(Self::Channel))
    }
}

/// A coded statement about a patient: diagnosis, encounter, prescription, vaccination, result.
#[derive(Clone, Debug)]
pub struct Fact {
    /// `diagnosis`, `encounter`, `medication`, `vaccination`, `result` … an open set.
    pub kind: String,
    /// The code, such as an ICD-10 one.
    pub code: Option<String>,
    /// The system the code is from.
    pub system: Option<String>,
    /// The day it holds from.
    pub on: Option<Date>,
    /// The moment, where the source tells one, in ms.
    pub at: Option<i64>,
}

impl Fact {
    /// The day it holds from; that of its moment in `zone` where no day is told.
    pub fn day(&self, zone: &TimeZone) -> Option<Date> {
        let of_moment = || Timestamp::from_millisecond(self.at?).ok();
        self.on
            .or_else(|| of_moment().map(|at| zone.to_datetime(at).date()))
    }
}
