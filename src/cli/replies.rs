//! `carebell replies classify`: replies in, readings out, a line of JSON each.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::json;

use crate::intents::{Reader, ReplyContext};

/// Longest line that is read; a reply is never that long.
const LONGEST_LINE: u64 = 4 * 1024 * 1024;

#[derive(Deserialize)]
struct Case {
    id: serde_json::Value,
    text: String,
    context: ReplyContext,
}

/// Reads each line of `input` (or of standard input) with the words of `replies_dir`, if given; 1 when a line was bad.
///
/// # Errors
/// When the input or the words cannot be read: exit 3.
pub fn classify(input: Option<PathBuf>, replies_dir: Option<&Path>) -> anyhow::Result<u8> {
    let loaded;
    let reader = match replies_dir {
        Some(dir) => {
            loaded = Reader::load_dir(dir).map_err(|errors| {
                let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
                anyhow::anyhow!("{}", all.join("\n"))
            })?;
            &loaded
        }
        None => Reader::builtin(),
    };
    let lines: Box<dyn BufRead> = match input {
        Some(path) if path.as_os_str() != "-" => Box::new(BufReader::new(
            File::open(&path).with_context(|| path.display().to_string())?,
        )),
        Some(_) | None => Box::new(BufReader::new(std::io::stdin())),
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let has_bad = classify_lines(reader, lines, &mut out)?;
    out.flush()?;
    Ok(u8::from(has_bad))
}

/// Whether any line was bad.
fn classify_lines(
    reader: &Reader,
    mut lines: impl BufRead,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let (mut has_bad, mut number) = (false, 0_usize);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)?
            == 0
        {
            return Ok(has_bad);
        }
        number += 1;
        let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line);
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<Case>(line) {
            Ok(case) => {
                let reading = reader.read(&case.text, &case.context);
                let mut answer = json!({"id": case.id, "intent": reading.intent, "slots": reading.slots, "needs_human": reading.needs_human});
                if let Some(reason) = reading.stop_reason {
                    answer["stop_reason"] = json!(reason);
                }
                writeln!(out, "{answer}")?;
            }
            Err(error) => {
                has_bad = true;
                let id = serde_json::from_slice::<serde_json::Value>(line)
                    .ok()
                    .and_then(|value| value.get("id").cloned());
                writeln!(
                    out,
                    "{}",
                    json!({"id": id, "error": format!("line {number}: {}", reason(&error))})
                )?;
            }
        }
    }
}

/// What was wrong, without the words of the line.
fn reason(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => {
            let text = error.to_string();
            let is_plain = text.starts_with("missing field") || text.starts_with("unknown variant");
            if is_plain {
                text.split(" at line").next().unwrap_or_default().to_owned()
            } else {
                format!(
                    "expected another kind of value at column {}",
                    error.column()
                )
            }
        }
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => {
            format!("expected a JSON object, at column {}", error.column())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, classify_lines};

    #[test]
    fn a_bad_line_harms_no_other() {
        let input = concat!(
            "{\"id\": \"a\", \"text\": \"1\", \"context\": {\"awaiting\": \"confirm\", \"now\": \"2026-03-16T10:00\", \"appointment_at\": \"2026-03-18T09:00\"}}\n",
            "\n",
            "{\"id\": \"b\", \"text\": 7, \"context\": {}}\n",
            "oops\n",
            "{\"id\": \"c\", \"text\": \"TD\", \"context\": {\"now\": \"2026-03-16T10:00\"}, \"more\": 1}",
        );
        let mut out = Vec::new();
        let has_bad = classify_lines(Reader::builtin(), input.as_bytes(), &mut out).unwrap();
        assert!(has_bad);
        let expected = concat!(
            "{\"id\":\"a\",\"intent\":\"confirm\",\"slots\":{},\"needs_human\":false}\n",
            "{\"id\":\"b\",\"error\":\"line 3: expected another kind of value at column 21\"}\n",
            "{\"id\":null,\"error\":\"line 4: expected a JSON object, at column 1\"}\n",
            "{\"id\":\"c\",\"intent\":\"opt_out\",\"slots\":{},\"needs_human\":false}\n",
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
