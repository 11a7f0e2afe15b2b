//! FHIR R4 as files of NDJSON: a folder with any of the resource types, in files of any name.
//!
//! Each line is one resource. What we do not use of it is let go unread; a line that cannot be read is told of by
//! file and line and harms no other.

mod booking;
mod clinical;
mod index;
mod person;
mod resource;
mod staff;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::index::Index;
use self::resource::{Meta, Reference};
use super::import::Parsed;
use super::lines::{self, LIMIT_BYTES, Line};
use super::record::{Key, Origin, RecordKind};
use super::report::Fault;
use super::{IntakeError, Settings, SiteInfo, located};

/// What reading a resource has to know.
pub(crate) struct Context {
    site: Arc<SiteInfo>,
    settings: Arc<Settings>,
    source: Arc<str>,
    today: Date,
    index: Index,
}

impl Context {
    /// The day, in the site's zone, and the instant where one is told. A month or a year is its first day.
    fn moment(&self, text: &str) -> Option<(Date, Option<Timestamp>)> {
        let text = text.trim();
        match text.len() {
            4 => Some((format!("{text}-01-01").parse().ok()?, None)),
            7 => Some((format!("{text}-01").parse().ok()?, None)),
            10 => Some((text.parse().ok()?, None)),
            _ => {
                let at: Timestamp = text.parse().ok()?;
                Some((self.wall(at).date(), Some(at)))
            }
        }
    }

    /// An instant on the site's wall clock, to the minute.
    fn wall(&self, at: Timestamp) -> DateTime {
        let wall = at.to_zoned(self.site.timezone.clone()).datetime();
        wall.with()
            .second(0)
            .subsec_nanosecond(0)
            .build()
            .unwrap_or(wall)
    }

    fn patient(&self, origin: &Origin, reference: &Reference, path: &str) -> Result<Key, Fault> {
        let key = self.index.patient(reference);
        key.map(|key| Key::new(&self.source, key)).ok_or_else(|| {
            Fault::row(
                origin,
                path.to_owned(),
                "expected a reference to a patient, such as Patient/123",
            )
        })
    }

    /// Whether a resource says itself that it is restricted (v3 Confidentiality R, V), or bears a configured flag.
    fn is_secret(&self, meta: &Meta) -> bool {
        let labels = meta
            .security
            .iter()
            .filter_map(|coding| coding.code.as_deref());
        labels
            .into_iter()
            .any(|code| matches!(code, "R" | "V") || self.site.sensitive.is_flag(code))
    }
}

/// A folder, looked through once.
pub(crate) struct Folder {
    context: Context,
    files: Vec<PathBuf>,
    root: PathBuf,
    /// What kinds of resources each file holds.
    types: BTreeMap<PathBuf, BTreeSet<String>>,
}

/// The one thing that is read of every line.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "resourceType", borrow)]
    resource_type: std::borrow::Cow<'a, str>,
}

impl Folder {
    /// Looks through a folder, or one file, for what resources refer to.
    pub(crate) fn open(
        path: &Path,
        source: &Arc<str>,
        site: &Arc<SiteInfo>,
        settings: &Arc<Settings>,
        now: Timestamp,
    ) -> Result<Self, IntakeError> {
        let today = now.to_zoned(site.timezone.clone()).date();
        let context = Context {
            site: Arc::clone(site),
            settings: Arc::clone(settings),
            source: Arc::clone(source),
            today,
            index: Index::default(),
        };
        let mut folder = Self {
            context,
            files: lines::files(path)?,
            root: lines::root(path),
            types: BTreeMap::new(),
        };
        for file in folder.files.clone() {
            let mut lines = lines::open(&file)?;
            let mut types = BTreeSet::new();
            while let Some((_, line)) = lines
                .next()
                .map_err(|error| lines::unreadable(&file, &error))?
            {
                let Line::Bytes(bytes) = line else { continue };
                let Ok(head) = serde_json::from_slice::<Head<'_>>(&bytes) else {
                    continue;
                };
                if matches!(
                    &*head.resource_type,
                    "Patient"
                        | "Practitioner"
                        | "PractitionerRole"
                        | "Organization"
                        | "Location"
                        | "HealthcareService"
                ) && let Ok(value) = serde_json::from_slice::<Value>(&bytes)
                {
                    folder
                        .context
                        .index
                        .add(&value, settings.fhir.patient_identifier.as_deref());
                }
                if !types.contains(&*head.resource_type) {
                    types.insert(head.resource_type.into_owned());
                }
            }
            folder.types.insert(file, types);
        }
        Ok(folder)
    }

    /// Reads every line of the files that may hold one of `kinds`.
    pub(crate) fn read(
        &self,
        kinds: &[RecordKind],
    ) -> impl Iterator<Item = Result<Parsed, IntakeError>> + Send {
        let wanted = |file: &&PathBuf| {
            let types = self.types.get(*file);
            types.is_none_or(|types| {
                types.is_empty()
                    || types
                        .iter()
                        .any(|name| kinds_of(name).iter().any(|kind| kinds.contains(kind)))
            })
        };
        let each = |origin: &Origin, line: Line| self.line(origin, line);
        lines::read(&self.root, self.files.iter().filter(wanted), each)
    }

    fn line(&self, origin: &Origin, line: Line) -> Parsed {
        let Line::Bytes(bytes) = line else {
            let fault = Fault::row(
                origin,
                None,
                format!("expected a line of at most {LIMIT_BYTES} bytes"),
            );
            return Parsed {
                faults: vec![(None, fault)],
                ..Parsed::default()
            };
        };
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Parsed::default();
        }
        let value: Value = match serde_json::from_slice(&bytes) {
            Ok(value) => value,
            Err(error) => {
                let fault = Fault::row(
                    origin,
                    format!("column {}", error.column()),
                    "expected one FHIR resource as JSON on the line",
                );
                return Parsed {
                    faults: vec![(None, fault)],
                    ..Parsed::default()
                };
            }
        };
        let Some(kind) = value.get("resourceType").and_then(Value::as_str) else {
            let fault = Fault::row(
                origin,
                "resourceType".to_owned(),
                "expected the type of a FHIR resource",
            );
            return Parsed {
                faults: vec![(None, fault)],
                ..Parsed::default()
            };
        };
        self.resource(origin, kind, &value)
            .unwrap_or_else(|fault| Parsed {
                faults: vec![(kinds_of(kind).first().copied(), fault)],
                ..Parsed::default()
            })
    }

    fn resource(&self, origin: &Origin, kind: &str, value: &Value) -> Result<Parsed, Fault> {
        let context = &self.context;
        match kind {
            "Patient" => person::patient(context, origin, &read(origin, value)?),
            "RelatedPerson" => person::related_person(context, origin, &read(origin, value)?),
            "Condition" => clinical::condition(context, origin, &read(origin, value)?),
            "Encounter" => clinical::encounter(context, origin, &read(origin, value)?),
            "Immunization" => clinical::immunization(context, origin, &read(origin, value)?),
            "MedicationRequest" => {
                clinical::medication_request(context, origin, &read(origin, value)?)
            }
            "Observation" | "DiagnosticReport" => {
                clinical::result(context, origin, kind, &read(origin, value)?)
            }
            "Appointment" => booking::appointment(context, origin, &read(origin, value)?),
            "Practitioner" => staff::practitioner(context, origin, &read(origin, value)?),
            "Organization" => staff::organization(origin, &read(origin, value)?),
            // Read already, for what they say of others.
            "PractitionerRole" | "Location" | "HealthcareService" => {
                Ok(Parsed::default().left_out(&format!("{kind}: used by others")))
            }
            other => Ok(Parsed::default().left_out(&plain_type(other))),
        }
    }
}

/// What a type of resource becomes.
fn kinds_of(kind: &str) -> &'static [RecordKind] {
    match kind {
        "Patient" => &[RecordKind::Patient],
        "RelatedPerson" => &[RecordKind::Relation],
        "Condition" | "Immunization" | "Observation" | "DiagnosticReport" => &[RecordKind::Fact],
        "Encounter" | "MedicationRequest" => &[RecordKind::Fact, RecordKind::Occasion],
        "Appointment" => &[RecordKind::Occasion, RecordKind::Removal],
        "Practitioner" => &[RecordKind::Staff],
        "Organization" => &[RecordKind::Department],
        _ => &[],
    }
}

fn read<T: DeserializeOwned>(origin: &Origin, value: &Value) -> Result<T, Fault> {
    located::read(value).map_err(|error| match error {
        IntakeError::Input { path, expected } => Fault::row(origin, path, expected),
        other => Fault::row(origin, None, other.to_string()),
    })
}

fn id_of<'r>(origin: &Origin, id: Option<&'r String>) -> Result<&'r str, Fault> {
    let id = id
        .map(|id| id.trim())
        .filter(|id| !id.is_empty() && id.len() <= 200);
    id.ok_or_else(|| Fault::row(origin, "id".to_owned(), "expected the id of the resource"))
}

/// A number that rises: the version where it is one, else the instant of the last change.
fn version(meta: &Meta) -> Option<i64> {
    let number = meta
        .version_id
        .as_deref()
        .and_then(|text| text.parse().ok());
    number.or_else(|| {
        meta.last_updated
            .as_deref()
            .and_then(|text| text.parse::<Timestamp>().ok())
            .map(Timestamp::as_millisecond)
    })
}

/// The name of a type as it may be repeated in a report: only if it looks like one.
fn plain_type(name: &str) -> String {
    let fits =
        !name.is_empty() && name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphabetic());
    if fits {
        name.to_owned()
    } else {
        "unknown resources".to_owned()
    }
}
