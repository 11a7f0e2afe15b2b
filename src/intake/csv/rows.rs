//! The rows of a table and the cells of a row.

use std::collections::VecDeque;
use std::io::BufReader;
use std::path::Path;

use encoding_rs::Encoding;

use super::encoding::Decoded;
use crate::intake::lines::{LIMIT_BYTES, Line, Lines};

/// How many lines a quoted cell may go over; an unclosed quote must not swallow the rest of the file.
const LINES_IN_A_ROW: usize = 50;

/// What a row turned out to be.
pub(super) enum Row {
    Text(String),
    TooLong,
    Unclosed,
}

/// Rows of a table: lines, or several where a quoted cell goes over their ends.
pub(super) struct Rows {
    lines: Lines<BufReader<Decoded>>,
    /// Lines that were read ahead in search of a closing quote.
    ahead: VecDeque<(u64, Line)>,
    /// The last line that was read.
    pub(super) line: u64,
}

impl Rows {
    pub(super) fn open(file: &Path, encoding: &'static Encoding) -> std::io::Result<Self> {
        let decoded = BufReader::with_capacity(256 * 1024, Decoded::open(file, encoding)?);
        Ok(Self {
            lines: Lines::new(decoded),
            ahead: VecDeque::new(),
            line: 0,
        })
    }

    /// The next row and the line that it begins on. With delimiter and width, several lines are one row only
    /// if they have that many cells together: a stray quote costs its own line and no other.
    pub(super) fn next(
        &mut self,
        shape: Option<(u8, usize)>,
    ) -> std::io::Result<Option<(u64, Row)>> {
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

    /// The first row that says anything: the names of the columns.
    pub(super) fn head(&mut self) -> Result<String, String> {
        loop {
            match self.next(None).map_err(|error| error.to_string())? {
                Some((_, Row::Text(text))) if text.trim().is_empty() => {}
                Some((_, Row::Text(text))) => return Ok(text),
                Some((_, Row::TooLong | Row::Unclosed)) | None => {
                    return Err("expected a first row with the names of the columns".to_owned());
                }
            }
        }
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
pub(super) fn cells(text: &str, delimiter: u8) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::{cells, is_closed};

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
}
