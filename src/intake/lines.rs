//! Lines of files, none longer than a limit.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::IntakeError;
use super::import::Parsed;
use super::record::Origin;

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

/// The files of NDJSON in a folder, or the one file that `path` is.
pub(crate) fn files(path: &Path) -> Result<Vec<PathBuf>, IntakeError> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|file| {
            let ending = file
                .extension()
                .and_then(|ending| ending.to_str())
                .unwrap_or_default();
            file.is_file() && matches!(ending.to_ascii_lowercase().as_str(), "ndjson" | "jsonl")
        })
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(IntakeError::Unreadable {
            file: path.display().to_string(),
            what: "expected a folder with files that end in .ndjson".to_owned(),
        });
    }
    Ok(files)
}

/// The folder that reports name files within.
pub(crate) fn root(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.to_owned()
    } else {
        path.parent().unwrap_or(path).to_owned()
    }
}

/// What `each` makes of every line of `files`, one file after the other.
pub(crate) fn read<'a>(
    root: &'a Path,
    files: impl Iterator<Item = &'a PathBuf> + Send,
    each: impl Fn(&Origin, Line) -> Parsed + Copy + Send,
) -> impl Iterator<Item = Result<Parsed, IntakeError>> + Send {
    files.flat_map(move |file| {
        let mut lines = Some(open(file));
        let name: Arc<str> = Arc::from(
            file.strip_prefix(root)
                .unwrap_or(file)
                .display()
                .to_string(),
        );
        std::iter::from_fn(move || match lines.take()? {
            Err(error) => Some(Err(error)),
            Ok(mut open) => match open.next() {
                Err(error) => Some(Err(unreadable(file, &error))),
                Ok(None) => None,
                Ok(Some((number, line))) => {
                    lines = Some(Ok(open));
                    let origin = Origin {
                        file: Arc::clone(&name),
                        line: number,
                    };
                    Some(Ok(each(&origin, line)))
                }
            },
        })
    })
}

pub(crate) fn open(file: &Path) -> Result<Lines<BufReader<File>>, IntakeError> {
    Lines::open(file).map_err(|error| unreadable(file, &error))
}

pub(crate) fn unreadable(file: &Path, error: &std::io::Error) -> IntakeError {
    IntakeError::Unreadable {
        file: file.display().to_string(),
        what: error.to_string(),
    }
}
