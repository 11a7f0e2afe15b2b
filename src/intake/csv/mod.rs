//! Tables: CSV and its kin, with a mapping file or by the names of their columns.
//!
//! Columns that no mapping names are dropped unread and counted. One row may tell of a patient, their family,
//! facts and an occasion.

mod cells;
mod encoding;
mod headers;
mod map;
mod row;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use encoding_rs::Encoding;

use self::encoding::Decoded;
use self::map::Mapping;
use super::import::Parsed;
use super::lines::{LIMIT_BYTES, Line, Lines};
use super::record::Origin;
use super::report::Fault;
use super::{IntakeError, Settings, SiteInfo};

/// How many lines a quoted cell may go over; an unclosed quote must not swallow the rest of the file.
const LINES_IN_A_ROW: usize = 50;

/// A table, looked at once.
pub(crate) struct Table<'a> {
    site: &'a SiteInfo,
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

impl<'a> Table<'a> {
    /// Finds encoding, delimiter and columns, and checks the mapping against them.
    pub(crate) fn open(
        file: &Path,
        map: Option<&Path>,
        source: Option<&str>,
        site: &'a SiteInfo,
        settings: &Settings,
    ) -> Result<Self, IntakeError> {
        let unreadable = |what: String| IntakeError::Unreadable {
            file: file.display().to_string(),
            what,
        };
        let mapping = map.map(map::load).transpose()?;
        let wanted = mapping
            .as_ref()
            .and_then(|mapping| mapping.encoding.as_deref())
            .filter(|name| *name != "auto");
        let encoding = match wanted {
            Some(name) => Encoding::for_label(name.as_bytes()).ok_or_else(|| {
                unreadable(
                    "expected an encoding such as utf-8, gbk or gb18030 in the mapping".to_owned(),
                )
            })?,
            None => encoding::detect(file).map_err(|error| unreadable(error.to_string()))?,
        };
        let mut rows = Rows::open(file, encoding).map_err(|error| unreadable(error.to_string()))?;
        let head = loop {
            match rows
                .next(None)
                .map_err(|error| unreadable(error.to_string()))?
            {
                Some((_, Row::Text(text))) if text.trim().is_empty() => {}
                Some((_, Row::Text(text))) => break text,
                Some((_, Row::TooLong | Row::Unclosed)) | None => {
                    return Err(unreadable(
                        "expected a first row with the names of the columns".to_owned(),
                    ));
                }
            }
        };
        let delimiter = match mapping
            .as_ref()
            .and_then(|mapping| mapping.delimiter.as_deref())
            .filter(|text| *text != "auto")
        {
            Some("tab" | "\\t") => b'\t',
            Some(text) if text.len() == 1 => text.as_bytes()[0],
            Some(_) => {
                return Err(unreadable(
                    "expected a delimiter of one character in the mapping".to_owned(),
                ));
            }
            None => likely_delimiter(&head),
        };
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
            site,
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

/// What a row turned out to be.
enum Row {
    Text(String),
    TooLong,
    Unclosed,
}

/// Rows of a table: lines, or several where a quoted cell goes over their ends.
struct Rows {
    lines: Lines<BufReader<Decoded>>,
    /// Lines that were read ahead in search of a closing quote.
    ahead: std::collections::VecDeque<(u64, Line)>,
    line: u64,
}

impl Rows {
    fn open(file: &Path, encoding: &'static Encoding) -> std::io::Result<Self> {
        let decoded = BufReader::with_capacity(256 * 1024, Decoded::open(file, encoding)?);
        Ok(Self {
            lines: Lines::new(decoded),
            ahead: std::collections::VecDeque::new(),
            line: 0,
        })
    }

    /// The next row and the line that it begins on. With delimiter and width, several lines are one row only
    /// if they have that many cells together: a stray quote costs its own line and no other.
    fn next(&mut self, shape: Option<(u8, usize)>) -> std::io::Result<Option<(u64, Row)>> {
        let Some((first, line)) = self.line()? else {
            return Ok(None);
        };
        let Line::Bytes(bytes) = line else {
            return Ok(Some((first, Row::TooLong)));
        };
        let mut text = text(bytes);
        let mut taken = Vec::new();
        let is_whole = |text: &str, several: bool| {
            is_closed(text, shape.map(|shape| shape.0))
                && (!several
                    || shape.is_none_or(|(delimiter, width)| cells(text, delimiter).len() == width))
        };
        while !is_whole(&text, !taken.is_empty()) {
            let next = if taken.len() < LINES_IN_A_ROW && text.len() < LIMIT_BYTES {
                self.line()?
            } else {
                None
            };
            let Some((number, line)) = next else {
                // The row is given up, and what was read ahead is read as rows of its own.
                for waiting in taken.into_iter().rev() {
                    self.ahead.push_front(waiting);
                }
                return Ok(Some((first, Row::Unclosed)));
            };
            if let Line::Bytes(bytes) = &line {
                text.push('\n');
                text.push_str(&self::text(bytes.clone()));
            }
            taken.push((number, line));
        }
        Ok(Some((first, Row::Text(text))))
    }

    fn line(&mut self) -> std::io::Result<Option<(u64, Line)>> {
        let next = match self.ahead.pop_front() {
            Some(line) => Some(line),
            None => self.lines.next()?,
        };
        if let Some((number, _)) = &next {
            self.line = *number;
        }
        Ok(next)
    }
}

fn text(bytes: Vec<u8>) -> String {
    let mut text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    if text.ends_with('\r') {
        text.pop();
    }
    text
}

/// Whether every cell that begins with a quote ends with one. A quote within a cell is a plain sign, as for Excel.
fn is_closed(text: &str, delimiter: Option<u8>) -> bool {
    let splits = |byte: u8| {
        delimiter.map_or(matches!(byte, b',' | b';' | b'\t' | b'|'), |delimiter| {
            byte == delimiter
        })
    };
    let (mut begins, mut quoted) = (true, false);
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if quoted && bytes.peek() == Some(&b'"') => {
                bytes.next();
            }
            b'"' if quoted => quoted = false,
            b'"' if begins => quoted = true,
            _ => {}
        }
        begins = !quoted && splits(byte);
    }
    !quoted
}

/// The cells of a row; a cell that begins with a quote goes to the next lone one, and two of them stand for one.
fn cells(text: &str, delimiter: u8) -> Vec<String> {
    let delimiter = char::from(delimiter);
    let (mut all, mut cell) = (Vec::new(), String::new());
    let (mut begins, mut quoted) = (true, false);
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '"' if quoted && signs.peek() == Some(&'"') => {
                signs.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if begins => quoted = true,
            sign if sign == delimiter && !quoted => all.push(std::mem::take(&mut cell)),
            sign => cell.push(sign),
        }
        begins = !quoted && sign == delimiter;
    }
    all.push(cell);
    all
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
    use super::{cells, is_closed, likely_delimiter};

    #[test]
    fn cells_are_split_as_spreadsheets_write_them() {
        let check = |text: &str, expected: &[&str]| {
            assert!(is_closed(text, Some(b',')), "{text}");
            assert_eq!(cells(text, b','), expected, "{text}");
        };
        check("a,b,,c,", &["a", "b", "", "c", ""]);
        check(r#""a,b","say ""hi""""#, &["a,b", "say \"hi\""]);
        check(r#"5" tall,"x""#, &["5\" tall", "x"]);
        check("\"two\nlines\",b", &["two\nlines", "b"]);
        check("", &[""]);
        assert!(!is_closed(r#"a,"b,c"#, Some(b',')));
    }

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
