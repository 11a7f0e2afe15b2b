//! Records in: check, filter sensitive patients, de-duplicate, apply.
//!
//! One parser per format, all ending in [`record::RecordUpdate`]; [`apply::apply`] is shared by files, HTTP and AMQP.

pub mod apply;
pub mod birth;
pub mod contacts;
pub(crate) mod csv;
pub(crate) mod fhir;
pub mod input;
pub mod from_json;
pub mod import;
mod json;
mod lines;
mod located;
pub mod messages;
pub mod moment;
mod names;
pub mod record;
mod repeat;
pub mod report;
pub mod sensitive;
pub mod staff_json;
mod survey;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_family;
#[cfg(test)]
mod tests_json;

use std::path::Path;

use jiff::tz::TimeZone;

use crate::store::{Store, StoreError, sources};
use sensitive::Sensitive;

/// `[intake]`: where records come from and which are never stored.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The name of the system that files are from, where nothing else says so.
    pub source: String,
    /// Patients that are dropped before anything is stored.
    pub sensitive: sensitive::Settings,
    /// Relations that may be told without a record of their consent.
    pub consented: Vec<String>,
    /// How FHIR is read.
    pub fhir: FhirSettings,
}

/// `[intake.fhir]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FhirSettings {
    /// The identifier that is a patient's key; without it, the id of the resource.
    pub patient_identifier: Option<String>,
    /// Appointment types and service types, by code or text, and the kind of occasion that they are.
    pub kinds: std::collections::BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            source: "his".to_owned(),
            sensitive: sensitive::Settings::default(),
            consented: vec!["guardian".to_owned()],
            fhir: FhirSettings::default(),
        }
    }
}

/// What reading and applying records has to know of the site.
#[derive(Clone, Debug)]
pub struct SiteInfo {
    /// The zone of its wall clock; one with an IANA name.
    pub timezone: TimeZone,
    /// How a number without a prefix is read, ISO 3166-1 alpha-2.
    pub country: String,
    /// The key of address hashes.
    pub address_key: Vec<u8>,
    /// Who must never be stored.
    pub sensitive: Sensitive,
    /// What records make needless of what waits to be sent.
    pub clearings: Vec<Clearing>,
}

/// A rule whose messages a record may make needless: what waits of it when such a record comes is looked at anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clearing {
    /// The rule's id.
    pub rule: String,
    /// The kind of fact that stops it, and what its code begins with; none for any code.
    pub fact: Option<(String, Vec<String>)>,
    /// Whether a visit ends it as well: an encounter, or a booking that the patient came to.
    pub by_visits: bool,
}

impl Clearing {
    /// Whether a fact of `kind` with `code` may end it.
    pub(crate) fn heeds(&self, kind: &str, code: Option<&str>) -> bool {
        let is_visit = self.by_visits && kind == "encounter";
        let begins = |prefix: &String| {
            let start = code.and_then(|code| code.get(..prefix.len()));
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let fact = self.fact.as_ref().filter(|(fact, _)| fact == kind);
        is_visit || fact.is_some_and(|(_, codes)| codes.is_empty() || codes.iter().any(begins))
    }
}

impl SiteInfo {
    /// Gathers it: the address key from the store, the list of sensitive ids from beside the config in `base`.
    ///
    /// # Errors
    /// When the zone is not known, the list cannot be read or the store fails.
    pub async fn open(
        store: &Store,
        timezone: &str,
        country: &str,
        settings: &Settings,
        base: &Path,
    ) -> Result<Self, IntakeError> {
        let zone =
            TimeZone::get(timezone).map_err(|_| IntakeError::Timezone(timezone.to_owned()))?;
        Ok(Self {
            timezone: zone,
            country: country.to_owned(),
            address_key: sources::address_key(store).await?,
            sensitive: Sensitive::open(&settings.sensitive, base)?,
            clearings: Vec::new(),
        })
    }
}

/// Why records could not be taken in at all. A single bad row is no error: it is in the report.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read.
    #[error("{file}: {what}")]
    Unreadable {
        /// Which.
        file: String,
        /// Why.
        what: String,
    },
    /// A mapping file has a fault.
    #[error("{file}:{line}: {expected}")]
    Mapping {
        /// Which.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What was expected.
        expected: String,
    },
    /// A JSON body has a fault.
    #[error("{path}: {expected}")]
    Input {
        /// Where, such as `contacts[1].phone`.
        path: String,
        /// What was expected.
        expected: String,
    },
    /// The zone is not known.
    #[error("`{0}` is no time zone: expected an IANA name such as Asia/Shanghai")]
    Timezone(String),
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
