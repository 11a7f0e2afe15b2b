//! Lines of a file, none longer than a limit.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// The longest line that is read.
pub(crate) const LIMIT_BYTES: usize = 1024 * 1024;

/// The lines of an open file, counted from 1.
pub(crate) struct Lines<R> {
    reader: R,
    line: u64,
}

/// What a line turned out to be.
pub(crate) enum Line {
    /// Its bytes, without the end.
    Bytes(Vec<u8>),
    /// More bytes than the limit: none of them was kept.
    TooLong,
}

impl Lines<BufReader<File>> {
    pub(crate) fn open(file: &Path) -> std::io::Result<Self> {
        Ok(Self::new(BufReader::with_capacity(
            256 * 1024,
            File::open(file)?,
        )))
    }
}

impl<R: BufRead> Lines<R> {
    pub(crate) const fn new(reader: R) -> Self {
        Self { reader, line: 0 }
    }

    /// The next line and its number.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<(u64, Line)>> {
        let (mut bytes, mut long) = (Vec::new(), false);
        loop {
            let have = self.reader.fill_buf()?;
            if have.is_empty() {
                if bytes.is_empty() && !long {
                    return Ok(None);
                }
                break;
            }
            let end = have.iter().position(|byte| *byte == b'\n');
            let part = end.map_or(have, |end| &have[..end]);
            long |= bytes.len() + part.len() > LIMIT_BYTES;
            if long {
                bytes.clear()
            } else {
                bytes.extend_from_slice(part)
            }
            let used = end.map_or(have.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                break;
            }
        }
        self.line += 1;
        if self.line == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        Ok(Some((
            self.line,
            if long {
                Line::TooLong
            } else {
                Line::Bytes(bytes)
            },
        )))
    }
}
