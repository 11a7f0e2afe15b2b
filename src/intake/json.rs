//! Our own records as NDJSON: each line is one record, in the shape of the API's bodies, with its kind and key.
//!
//! A line is read straight into its type. One that does not fit is read again as a tree, which is slow and
//! can name the path of what is wrong.

use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde_json::Value;

use super::from_json::{keyed, occasion_updates, patient_from_value, patient_updates};
use super::import::Parsed;
use super::input::{OccasionInput, PatientInput};
use super::lines::{self, LIMIT_BYTES, Line};
use super::messages::storable;
use super::record::{Origin, RecordKind, RecordUpdate, Removal, Removed};
use super::report::Fault;
use super::{IntakeError, SiteInfo, located};
use crate::model::private::Private;

/// A file of our own records, or a folder of them.
pub(crate) struct Records {
    site: Arc<SiteInfo>,
    source: Arc<str>,
    files: Vec<PathBuf>,
    root: PathBuf,
}

/// One line.
#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum RecordLine {
    Patient(Keyed<PatientInput>),
    Occasion(Keyed<OccasionInput>),
    Remove(RemoveInput),
}

/// What the source has no more.
#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum RemoveInput {
    /// A patient, by key: every row about them goes.
    Patient(Private<String>),
    /// An occasion, by key: it is kept as cancelled.
    Occasion(Private<String>),
}

/// What a record may be.
const KINDS: [(&str, RecordKind); 3] = [
    ("patient", RecordKind::Patient),
    ("occasion", RecordKind::Occasion),
    ("remove", RecordKind::Removal),
];

impl Records {
    pub(crate) fn open(
        path: &Path,
        source: &Arc<str>,
        site: &Arc<SiteInfo>,
    ) -> Result<Self, IntakeError> {
        Ok(Self {
            site: Arc::clone(site),
            source: Arc::clone(source),
            files: lines::files(path)?,
            root: lines::root(path),
        })
    }

    /// Reads every line.
    pub(crate) fn read(&self) -> impl Iterator<Item = Result<Parsed, IntakeError>> + Send {
        let each = |origin: &Origin, line: Line| self.line(origin, line);
        lines::read(&self.root, self.files.iter(), each)
    }

    fn line(&self, origin: &Origin, line: Line) -> Parsed {
        let Line::Bytes(bytes) = line else {
            let expected = format!("expected a line of at most {LIMIT_BYTES} bytes");
            return faulty(None, Fault::row(origin, None, expected));
        };
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Parsed::default();
        }
        // Only an escape can bring a character that a database refuses.
        let plain = !bytes.contains(&b'\\');
        let quick = plain.then(|| serde_json::from_slice::<RecordLine>(&bytes).ok());
        let updates = match quick.flatten() {
            Some(record) => self.updates(record, origin),
            None => None,
        };
        match updates {
            Some(updates) => Parsed {
                updates,
                ..Parsed::default()
            },
            None => self.slowly(&bytes, origin),
        }
    }

    /// What a line that fits tells; `None` when something is wrong with it after all.
    fn updates(&self, record: RecordLine, origin: &Origin) -> Option<Vec<RecordUpdate>> {
        let origin = origin.clone();
        match record {
            RecordLine::Patient(Keyed { key, record }) => {
                let key = keyed(&self.source, key?.reveal())?;
                patient_updates(record, key, origin, &self.site).ok()
            }
            RecordLine::Occasion(Keyed { key, record }) => {
                let key = keyed(&self.source, key?.reveal())?;
                occasion_updates(record, key, origin, &self.site).ok()
            }
            RecordLine::Remove(what) => self.removal(what, origin),
        }
    }

    fn removal(&self, what: RemoveInput, origin: Origin) -> Option<Vec<RecordUpdate>> {
        let what = match what {
            RemoveInput::Patient(key) => Removed::Patient(keyed(&self.source, key.reveal())?),
            RemoveInput::Occasion(key) => Removed::Occasion(keyed(&self.source, key.reveal())?),
        };
        Some(vec![RecordUpdate::Remove(Removal { origin, what })])
    }

    /// Reads a line as a tree, to say what is wrong with it.
    fn slowly(&self, bytes: &[u8], origin: &Origin) -> Parsed {
        let expected = "expected one record as JSON on the line: patient, occasion or remove";
        let value: Value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(error) => {
                let at = format!("column {}", error.column());
                return faulty(None, Fault::row(origin, at, expected));
            }
        };
        let Value::Object(mut line) = value else {
            return faulty(None, Fault::row(origin, None, expected));
        };
        let known = KINDS.iter().find(|(word, _)| line.contains_key(*word));
        let Some((word, kind)) = known.filter(|_| line.len() == 1) else {
            let expected = "expected one of patient, occasion and remove, and nothing beside it";
            return faulty(None, Fault::row(origin, None, expected));
        };
        let body = line.remove(*word).unwrap_or_default();
        match self.told(*kind, body, origin) {
            Ok(updates) => Parsed {
                updates,
                ..Parsed::default()
            },
            Err((path, expected)) => {
                let at = match path.as_str() {
                    "" | "the body" => (*word).to_owned(),
                    path => format!("{word}.{path}"),
                };
                faulty(Some(*kind), Fault::row(origin, at, expected))
            }
        }
    }

    /// One record of `kind`, or the path of what is wrong and what was expected there.
    fn told(
        &self,
        kind: RecordKind,
        mut body: Value,
        origin: &Origin,
    ) -> Result<Vec<RecordUpdate>, (String, String)> {
        let wrong = |path: &str, expected: &str| (path.to_owned(), expected.to_owned());
        storable(&body).map_err(|fault| wrong("", &format!("expected {}", fault.expected)))?;
        let located = |error: IntakeError| match error {
            IntakeError::Input { path, expected } => (path, expected),
            other => (String::new(), other.to_string()),
        };
        if kind == RecordKind::Removal {
            let what: RemoveInput = serde_json::from_value(body)
                .map_err(|_| wrong("", "expected patient or occasion, and its key"))?;
            let removal = self.removal(what, origin.clone());
            return removal.ok_or_else(|| wrong("", "expected a key of 1 to 200 characters"));
        }
        let Some(body_map) = body.as_object_mut() else {
            return Err(wrong("", "expected the members of the record"));
        };
        let key = body_map.remove("key");
        let key = key.as_ref().and_then(Value::as_str);
        let key = key.and_then(|key| keyed(&self.source, key));
        let key = key.ok_or_else(|| wrong("key", "expected a key of 1 to 200 characters"))?;
        if kind == RecordKind::Patient {
            return patient_from_value(key, origin.clone(), &body, &self.site).map_err(located);
        }
        let input: OccasionInput = located::read(&body).map_err(located)?;
        occasion_updates(input, key, origin.clone(), &self.site).map_err(located)
    }
}

fn faulty(kind: Option<RecordKind>, fault: Fault) -> Parsed {
    Parsed {
        faults: vec![(kind, fault)],
        ..Parsed::default()
    }
}

/// A record with its key beside its own members.
struct Keyed<T> {
    key: Option<Private<String>>,
    record: T,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Keyed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Keyed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the members of a record")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Keyed<T>, A::Error> {
                let mut key = None;
                let rest = Rest { map, key: &mut key };
                let record = T::deserialize(MapAccessDeserializer::new(rest))?;
                Ok(Keyed { key, record })
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// The members of a map but for `key`, which it keeps.
struct Rest<'a, A> {
    map: A,
    key: &'a mut Option<Private<String>>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rest<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(Name(name)) = self.map.next_key()? {
            if name != "key" {
                let name: StrDeserializer<'_, A::Error> = name.into_deserializer();
                return seed.deserialize(name).map(Some);
            }
            *self.key = Some(self.map.next_value()?);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// The name of a member, as it stands in the line.
#[derive(serde::Deserialize)]
struct Name<'a>(&'a str);
