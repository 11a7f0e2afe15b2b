//! Tables: CSV and its kin, with a mapping file or by the names of their columns.
//!
//! Columns that no mapping names are dropped unread and counted. One row may tell of a patient, their family,
//! facts and an occasion.

mod cells;
mod encoding;
mod headers;
mod map;
mod row;
mod rows;
mod staff;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use encoding_rs::Encoding;

use self::map::Mapping;
use self::rows::{Row, Rows, cells};
use super::import::Parsed;
use super::lines::LIMIT_BYTES;
use super::record::Origin;
use super::report::Fault;
use super::{IntakeError, Settings, SiteInfo};

/// A table, looked at once.
pub(crate) struct Table {
    site: Arc<SiteInfo>,
    file: PathBuf,
    name: Arc<str>,
    source: Arc<str>,
    mapping: Mapping,
    encoding: &'static Encoding,
    delimiter: u8,
    header: Vec<String>,
    columns: HashMap<String, usize>,
    /// The line that the header ends on.
    first: u64,
}

impl Table {
    /// Finds encoding, delimiter and columns, and checks the mapping against them.
    pub(crate) fn open(
        file: &Path,
        map: Option<&Path>,
        source: Option<&str>,
        site: &Arc<SiteInfo>,
        settings: &Settings,
    ) -> Result<Self, IntakeError> {
        let unreadable = |what| IntakeError::Unreadable {
            file: file.display().to_string(),
            what,
        };
        let mapping = map.map(map::load).transpose()?;
        let encoding = encoding_of(file, mapping.as_ref()).map_err(unreadable)?;
        let mut rows = Rows::open(file, encoding).map_err(|error| unreadable(error.to_string()))?;
        let head = rows.head().map_err(unreadable)?;
        let delimiter = delimiter_of(&head, mapping.as_ref()).map_err(unreadable)?;
        let header: Vec<String> = cells(&head, delimiter)
            .into_iter()
            .map(|name| name.trim().to_owned())
            .collect();
        let mapping = mapping.unwrap_or_else(|| headers::mapping(&header));
        let columns = header
            .iter()
            .enumerate()
            .rev()
            .map(|(at, name)| (name.to_lowercase(), at))
            .collect();
        let source = Arc::from(
            source
                .or(mapping.source.as_deref())
                .unwrap_or(&settings.source),
        );
        let name = file.file_name().map_or_else(
            || file.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        );
        let table = Self {
            site: Arc::clone(site),
            file: file.to_owned(),
            name: Arc::from(name),
            source,
            mapping,
            encoding,
            delimiter,
            header,
            columns,
            first: rows.line,
        };
        table.check(map)?;
        Ok(table)
    }

    pub(crate) fn source(&self) -> Arc<str> {
        Arc::clone(&self.source)
    }

    /// Columns that are dropped unread.
    pub(crate) fn unknown_columns(&self) -> Vec<String> {
        let used = self.used();
        self.header
            .iter()
            .filter(|name| !name.is_empty() && !used.contains(&name.to_lowercase()))
            .cloned()
            .collect()
    }

    /// Every row below the header.
    pub(crate) fn read(&self) -> impl Iterator<Item = Result<Parsed, IntakeError>> {
        let unreadable = |error: std::io::Error| IntakeError::Unreadable {
            file: self.file.display().to_string(),
            what: error.to_string(),
        };
        let mut rows = Some(Rows::open(&self.file, self.encoding).map_err(unreadable));
        std::iter::from_fn(move || match rows.take()? {
            Err(error) => Some(Err(error)),
            Ok(mut open) => match open.next(Some((self.delimiter, self.header.len()))) {
                Err(error) => Some(Err(unreadable(error))),
                Ok(None) => None,
                Ok(Some((line, row))) => {
                    rows = Some(Ok(open));
                    Some(Ok(if line <= self.first {
                        Parsed::default()
                    } else {
                        self.row(line, row)
                    }))
                }
            },
        })
    }

    fn row(&self, line: u64, row: Row) -> Parsed {
        let origin = Origin {
            file: Arc::clone(&self.name),
            line,
        };
        let fault = |expected: String| Parsed {
            faults: vec![(self.main_kind(), Fault::row(&origin, None, expected))],
            ..Parsed::default()
        };
        let text = match row {
            Row::Text(text) if text.trim().is_empty() => return Parsed::default(),
            Row::Text(text) => text,
            Row::TooLong => return fault(format!("expected a row of at most {LIMIT_BYTES} bytes")),
            Row::Unclosed => return fault("expected a closing quote".to_owned()),
        };
        if text.contains('\u{fffd}') {
            return fault(format!("expected text in {}", self.encoding.name()));
        }
        let mut cells = cells(&text, self.delimiter);
        while cells.len() > self.header.len()
            && cells.last().is_some_and(|cell| cell.trim().is_empty())
        {
            cells.pop();
        }
        if cells.len() != self.header.len() {
            return fault(format!(
                "expected {} cells as in the header",
                self.header.len()
            ));
        }
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            return Parsed::default();
        }
        row::read(self, &origin, &cells)
    }

    /// Lower-case names of the columns that the mapping uses.
    fn used(&self) -> BTreeSet<String> {
        let mapping = &self.mapping;
        let cells = mapping
            .patient
            .cells()
            .chain(mapping.relation.iter().flat_map(map::RelationMap::cells));
        let cells = cells
            .chain(mapping.occasion.iter().flat_map(map::OccasionMap::cells))
            .chain(mapping.fact.iter().flat_map(map::FactMap::cells));
        let cells = cells.chain(mapping.staff.iter().flat_map(map::StaffMap::cells));
        cells
            .flat_map(|cell| &cell.columns)
            .chain(mapping.only.keys())
            .map(|name| name.trim().to_lowercase())
            .collect()
    }

    fn check(&self, map: Option<&Path>) -> Result<(), IntakeError> {
        let file = map.unwrap_or(&self.file).display().to_string();
        let wrong = |what: String| {
            Err(IntakeError::Unreadable {
                file: file.clone(),
                what,
            })
        };
        if let Some(name) = self
            .used()
            .into_iter()
            .find(|name| !self.columns.contains_key(name))
        {
            return wrong(format!(
                "expected the column `{name}` in the header of {}",
                self.name
            ));
        }
        let mapping = &self.mapping;
        if mapping.patient.key.is_none() && mapping.staff.is_none() {
            return wrong("expected a column with the patient's key: name it as `key` under [patient] in a mapping file (--map)".to_owned());
        }
        if !mapping.patient.tells_patients()
            && mapping.occasion.is_empty()
            && mapping.fact.is_empty()
            && mapping.relation.is_empty()
            && mapping.staff.is_none()
        {
            return wrong("expected columns that tell something beside the key: name them in a mapping file (--map)".to_owned());
        }
        let timeless = mapping
            .occasion
            .iter()
            .any(|occasion| occasion.at.is_none() && occasion.date.is_none());
        if timeless {
            return wrong("expected `at`, or `date` and `time`, under [[occasion]]".to_owned());
        }
        Ok(())
    }
}

/// The mapping's encoding, or what the file looks like.
fn encoding_of(file: &Path, mapping: Option<&Mapping>) -> Result<&'static Encoding, String> {
    let told = mapping.and_then(|mapping| mapping.encoding.as_deref());
    match told.filter(|name| *name != "auto") {
        Some(name) => Encoding::for_label(name.as_bytes()).ok_or_else(|| {
            "expected an encoding such as utf-8, gbk or gb18030 in the mapping".to_owned()
        }),
        None => encoding::detect(file).map_err(|error| error.to_string()),
    }
}

/// The mapping's delimiter, or what the header looks like.
fn delimiter_of(head: &str, mapping: Option<&Mapping>) -> Result<u8, String> {
    let told = mapping.and_then(|mapping| mapping.delimiter.as_deref());
    match told.filter(|text| *text != "auto") {
        Some("tab" | "\\t") => Ok(b'\t'),
        Some(text) if text.len() == 1 => Ok(text.as_bytes()[0]),
        Some(_) => Err("expected a delimiter of one character in the mapping".to_owned()),
        None => Ok(likely_delimiter(head)),
    }
}

/// The sign that stands in the header most often, outside of quotes.
fn likely_delimiter(head: &str) -> u8 {
    let mut counts: BTreeMap<u8, usize> = BTreeMap::new();
    let mut quoted = false;
    for byte in head.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b',' | b';' | b'\t' | b'|' if !quoted => *counts.entry(byte).or_default() += 1,
            _ => {}
        }
    }
    counts
        .into_iter()
        .max_by_key(|(byte, count)| (*count, *byte == b','))
        .map_or(b',', |(byte, _)| byte)
}

#[cfg(test)]
mod tests {
    use super::likely_delimiter;

    #[test]
    fn the_delimiter_is_the_commonest_sign_of_the_header() {
        for (head, expected) in [
            ("a,b;c,d", b','),
            ("a;b;c,d", b';'),
            ("a\tb\tc", b'\t'),
            ("a|b", b'|'),
            ("\"a;b;c\",d", b','),
            ("a", b','),
        ] {
            assert_eq!(likely_delimiter(head), expected, "{head}");
        }
    }
}
