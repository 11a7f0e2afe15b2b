//! Patients, occasions and staff as JSON: the bodies of `PUT /v1/patients/…`, `/v1/occasions/…` and `/v1/staff/…`, and of their AMQP twins.

use serde_json::{Map, Value};

use crate::model::private::Private;

/// A patient, whole: what is left out is empty afterwards, but for `facts`, which then stay as they are.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientInput {
    /// What they are called.
    #[serde(default)]
    pub name: NameInput,
    /// `female`, `male`, `other` or `unknown`.
    pub sex: Option<String>,
    /// `1975-04-02`; a month or a year alone is kept as far as it goes.
    #[schema(value_type = Option<String>)]
    pub birth_date: Option<Private<String>>,
    /// The lunar birthday they keep instead of the solar one.
    pub lunar_birthday: Option<LunarDayInput>,
    /// The language they read, BCP 47.
    pub language: Option<String>,
    /// Whether they have died: nothing is sent any more.
    #[serde(default)]
    pub deceased: bool,
    /// To be reached through the family always.
    #[serde(default)]
    pub special: bool,
    /// `false` when the source no longer uses this record: nothing is sent while it is so.
    pub active: Option<bool>,
    /// The record must not be stored: it is refused, and what is known of the patient is purged.
    #[serde(default)]
    pub sensitive: bool,
    /// Free marks, such as `vip`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Channels they asked for, best first: `sms`, `voice`, `email`.
    #[serde(default)]
    pub prefer: Vec<String>,
    /// What else rules and templates may use.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub attributes: Private<Map<String, Value>>,
    /// Numbers and addresses, best first.
    #[serde(default)]
    pub contacts: Vec<ContactInput>,
    /// Family and guardians, in the order in which they are asked.
    #[serde(default)]
    pub relations: Vec<RelationInput>,
    /// What they allow and refuse.
    #[serde(default)]
    pub consent: Vec<ConsentInput>,
    /// Diagnoses, encounters …: all that this source tells of the patient.
    pub facts: Option<Vec<FactInput>>,
    /// A record with a lower one than we have is ignored.
    pub version: Option<i64>,
}

/// What a person is called: the whole name, or its parts.
#[derive(Debug, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NameInput {
    /// The whole name, as it is written to them.
    #[schema(value_type = Option<String>)]
    pub full: Option<Private<String>>,
    /// Given name.
    #[schema(value_type = Option<String>)]
    pub given: Option<Private<String>>,
    /// Family name.
    #[schema(value_type = Option<String>)]
    pub family: Option<Private<String>>,
}

/// A day of the Chinese lunisolar calendar.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LunarDayInput {
    /// 1 to 12.
    pub month: u8,
    /// 1 to 30.
    pub day: u8,
}

/// A number or an address: one of the two.
#[derive(Debug, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactInput {
    /// E.164, or a number of the site's country.
    #[schema(value_type = Option<String>)]
    pub phone: Option<Private<String>>,
    /// A mail address.
    #[schema(value_type = Option<String>)]
    pub email: Option<Private<String>>,
}

/// A family member or guardian.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RelationInput {
    /// `child`, `parent`, `spouse`, `guardian` …
    pub relation: String,
    /// What they are called.
    #[serde(default)]
    pub name: Option<NameInput>,
    /// The language they read.
    #[serde(default)]
    pub language: Option<String>,
    /// Whether there is consent to tell them; by default whether `consented_to` names anything.
    #[serde(default)]
    pub consented: Option<bool>,
    /// The classes that the consent is for, such as `appointment`; left out or with `all` it is for all.
    #[serde(default)]
    pub consented_to: Option<Vec<String>>,
    /// Numbers and addresses, best first.
    #[serde(default)]
    pub contacts: Vec<ContactInput>,
}

/// Leave to send, or its withdrawal.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentInput {
    /// `all`, a class or a channel.
    pub scope: String,
    /// Leave, or its withdrawal.
    pub granted: bool,
    /// When they said so, RFC 3339; a word without a day never outweighs what the patient told us.
    #[serde(default)]
    pub at: Option<String>,
}

/// A dated, coded statement.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FactInput {
    /// `diagnosis`, `encounter`, `medication`, `vaccination`, `result` …
    pub kind: String,
    /// The source's key; by default made of kind, code and day.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub key: Option<Private<String>>,
    /// The code, such as `E11.9`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub code: Option<Private<String>>,
    /// The system the code is from.
    #[serde(default)]
    pub system: Option<String>,
    /// The day it holds from.
    #[serde(default)]
    pub on: Option<String>,
    /// Where it was made.
    #[serde(default)]
    pub department: Option<String>,
    /// What else rules and templates may use.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub attributes: Private<Map<String, Value>>,
}

/// How an occasion repeats. Each of them is counted from the anchor, so that the ends of months never drift.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RepeatInput {
    /// The day that they are counted from, such as `2026-01-31`; the first is one distance after it.
    pub anchor: String,
    /// The distance: `1mo`, `2w`, `10d`, `1y`.
    pub every: String,
    /// How many: 1 to 120.
    pub count: u32,
}

/// A booking or another dated fact that reminders hang on.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OccasionInput {
    /// `his/12345`, or the key alone within the same source.
    #[schema(value_type = String)]
    pub patient: Private<String>,
    /// `appointment`, `revisit`, `recheck`, `discharge` … an open set.
    pub kind: String,
    /// `2026-07-24T10:00` on the wall clock, a day alone, or RFC 3339 with an offset. With `repeat` the clock alone counts.
    pub at: String,
    /// It repeats: as many occasions, with the keys `KEY#1`, `KEY#2` …
    #[serde(default)]
    pub repeat: Option<RepeatInput>,
    /// IANA; by default the site's.
    #[serde(default)]
    pub timezone: Option<String>,
    /// `booked` (the default), `cancelled`, `arrived`, `fulfilled` or `no_show`.
    #[serde(default)]
    pub status: Option<String>,
    /// When the booking was made, RFC 3339; by default now.
    #[serde(default)]
    pub created_at: Option<String>,
    /// The department that sees the patient.
    #[serde(default)]
    pub department: Option<String>,
    /// The doctor's name as it may be told to the patient.
    #[serde(default)]
    pub doctor: Option<String>,
    /// The treating doctor as a source calls them: `his/D17`, or the key alone within the same source.
    #[serde(default)]
    pub doctor_key: Option<String>,
    /// Where to go, as it may be told to the patient.
    #[serde(default)]
    pub place: Option<String>,
    /// What else templates may use.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
    /// The record must not be stored.
    #[serde(default)]
    pub sensitive: bool,
    /// A record with a lower one than we have is ignored.
    #[serde(default)]
    pub version: Option<i64>,
}

/// A member of staff, whole: what is left out is empty afterwards, but for `department` and `role`.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StaffInput {
    /// What they are called.
    #[schema(value_type = String)]
    pub name: Private<String>,
    /// The id of their department.
    #[serde(default)]
    pub department: Option<String>,
    /// What they are there.
    #[serde(default)]
    pub role: Option<String>,
    /// For work: E.164, or a number of the site's country.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub phone: Option<Private<String>>,
    /// For work.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub email: Option<Private<String>>,
    /// `false` when they work here no more: they get nothing.
    #[serde(default)]
    pub active: Option<bool>,
    /// When they are away: they get nothing, and who stands in does.
    #[serde(default)]
    pub away: Vec<AwayInput>,
    /// Who stands in: `his/D17`, or the key alone within the same source.
    #[serde(default)]
    pub substitute: Option<String>,
}

/// A time in which somebody is away, both days included.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AwayInput {
    /// The first day, such as `2026-07-24`; left out: already.
    #[serde(default)]
    pub from: Option<String>,
    /// The last day; left out: until further notice.
    #[serde(default)]
    pub until: Option<String>,
}
