//! Which patients must never be stored: by a flag, a code, a list of ids, or the record's own word.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::IntakeError;
use super::record::{FactRecord, OccasionRecord, PatientRecord, RecordUpdate};
use crate::model::private::Private;

/// `[intake] sensitive`: dropped before anything is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Flags, tags and security labels of a patient; upper and lower case are one.
    pub flags: Vec<String>,
    /// What a diagnosis or a reason of a visit begins with; dots count no more than case.
    pub codes: Vec<String>,
    /// A file with one key of a patient in each line, or `sha256:` and the hash of one.
    pub ids_file: Option<PathBuf>,
}

/// The settings, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Sensitive {
    flags: HashSet<String>,
    codes: Vec<String>,
    ids: HashSet<Private<String>>,
    hashed_ids: HashSet<String>,
}

impl Sensitive {
    /// Reads the settings; a relative `ids_file` lies beside the config, in `base`.
    ///
    /// # Errors
    /// When the list of ids cannot be read: importing without it would store what must not be stored.
    pub fn open(settings: &Settings, base: &Path) -> Result<Self, IntakeError> {
        let mut open = Self {
            flags: settings
                .flags
                .iter()
                .map(|flag| flag.trim().to_lowercase())
                .filter(|flag| !flag.is_empty())
                .collect(),
            codes: settings
                .codes
                .iter()
                .map(|code| bare(code))
                .filter(|code| !code.is_empty())
                .collect(),
            ..Self::default()
        };
        let Some(file) = &settings.ids_file else {
            return Ok(open);
        };
        let file = base.join(file);
        let text = std::fs::read_to_string(&file).map_err(|error| IntakeError::Unreadable {
            file: file.display().to_string(),
            what: error.to_string(),
        })?;
        for line in text
            .trim_start_matches('\u{feff}')
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            match line.strip_prefix("sha256:") {
                Some(hash) => open.hashed_ids.insert(hash.trim().to_lowercase()),
                None => open.ids.insert(Private::new(line.to_owned())),
            };
        }
        Ok(open)
    }

    /// Whether this patient must not be stored, as far as their own record tells.
    pub fn is_patient(&self, record: &PatientRecord) -> bool {
        record.sensitive
            || record
                .flags
                .iter()
                .chain(&record.tags)
                .any(|flag| self.is_flag(flag))
            || self.is_id(record.key.key.reveal())
            || record.also_known.iter().any(|id| self.is_id(id.reveal()))
            || record.facts.iter().flatten().any(|fact| self.is_fact(fact))
    }

    /// Whether a fact makes its patient a sensitive one.
    pub fn is_fact(&self, record: &FactRecord) -> bool {
        let own = record.kind == "diagnosis"
            && record
                .codings
                .iter()
                .any(|coding| self.is_code(coding.code.reveal()));
        !record.gone
            && (own
                || record
                    .reasons
                    .iter()
                    .any(|code| self.is_code(code.reveal())))
    }

    /// Whether an occasion makes its patient a sensitive one.
    pub fn is_occasion(&self, record: &OccasionRecord) -> bool {
        record
            .reasons
            .iter()
            .any(|code| self.is_code(code.reveal()))
    }

    /// Whether an update shows that its patient must not be stored.
    pub fn shows(&self, update: &RecordUpdate) -> bool {
        if update
            .patient()
            .is_some_and(|key| self.is_id(key.key.reveal()))
        {
            return true;
        }
        match update {
            RecordUpdate::Patient(record) => self.is_patient(record),
            RecordUpdate::Fact(record) => self.is_fact(record),
            RecordUpdate::Occasion(record) => self.is_occasion(record),
            RecordUpdate::Relation(_)
            | RecordUpdate::Staff(_)
            | RecordUpdate::Department(_)
            | RecordUpdate::Remove(_) => false,
        }
    }

    /// Whether a word is one of the flags.
    pub fn is_flag(&self, word: &str) -> bool {
        if self.flags.is_empty() {
            return false;
        }
        self.flags.contains(&word.trim().to_lowercase())
    }

    fn is_code(&self, code: &str) -> bool {
        if self.codes.is_empty() {
            return false;
        }
        let code = bare(code);
        self.codes
            .iter()
            .any(|prefix| code.starts_with(prefix.as_str()))
    }

    fn is_id(&self, id: &str) -> bool {
        let id = id.trim();
        if self.ids.is_empty() && self.hashed_ids.is_empty() {
            return false;
        }
        if self.ids.contains(&Private::new(id.to_owned())) {
            return true;
        }
        if self.hashed_ids.is_empty() {
            return false;
        }
        let hash = Sha256::digest(id.as_bytes());
        self.hashed_ids.contains(&super::hex(&hash))
    }
}

fn bare(code: &str) -> String {
    code.chars()
        .filter(|c| *c != '.' && !c.is_whitespace())
        .flat_map(char::to_uppercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Sensitive, Settings};
    use crate::intake::record::{Key, Origin, PatientRecord, RecordUpdate};

    #[test]
    fn a_list_of_ids_may_be_plain_or_hashed() {
        let file =
            std::env::temp_dir().join(format!("carebell-test-{}", uuid::Uuid::now_v7().simple()));
        // The hash is that of `M-2`.
        let hash = crate::intake::hex(&<sha2::Sha256 as sha2::Digest>::digest(b"M-2"));
        std::fs::write(
            &file,
            format!("\u{feff}# kept apart\nM-1\r\n\nsha256:{hash}\n"),
        )
        .expect("a file");
        let settings = Settings {
            ids_file: Some(file.clone()),
            ..Settings::default()
        };
        let sensitive = Sensitive::open(&settings, std::path::Path::new("/")).expect("it opens");
        std::fs::remove_file(&file).expect("it can be removed");
        let shows = |key: &str| {
            let mut record =
                PatientRecord::forbidden(Origin::inlet("test"), Key::new(&Arc::from("his"), key));
            record.sensitive = false;
            sensitive.shows(&RecordUpdate::Patient(Box::new(record)))
        };
        assert!(shows("M-1") && shows("M-2") && !shows("M-3"));
        assert!(
            Sensitive::open(&settings, std::path::Path::new("/")).is_err(),
            "without its list nothing may be imported"
        );
    }
}
