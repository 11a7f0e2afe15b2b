//! `carebell rules test`: runs cases and tells which fail, and why.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::rules::cases::{self, CaseResult};
use crate::rules::document;
use crate::rules::rule::Rule;
use crate::rules::site::Site;

/// Runs the cases of `files`, rules by id out of `rules_dir`: 0 when all hold, 1 when one does not, 3 when a file cannot be read.
/// # Errors
/// When nothing can be written to standard output.
pub fn test(files: &[PathBuf], json: bool, rules_dir: &Path, site: &Site) -> anyhow::Result<u8> {
    let report = if json { Report::Json } else { Report::Text };
    Ok(test_to(
        &mut io::stdout().lock(),
        &mut io::stderr().lock(),
        files,
        report,
        rules_dir,
        site,
    )?)
}

/// How results are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Report {
    Text,
    Json,
}

fn test_to(
    out: &mut dyn Write,
    err: &mut dyn Write,
    files: &[PathBuf],
    report: Report,
    rules_dir: &Path,
    site: &Site,
) -> io::Result<u8> {
    let (mut failed, mut all, mut unreadable) = (0_usize, 0_usize, false);
    for file in files {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                writeln!(err, "{}: {error}", file.display())?;
                unreadable = true;
                continue;
            }
        };
        for result in cases::run(&text, |id| resolve(rules_dir, id, site), site) {
            all += 1;
            failed += usize::from(!result.ok);
            match report {
                Report::Json => writeln!(out, "{}", result.to_json())?,
                Report::Text if !result.ok => tell(out, file, &result)?,
                Report::Text => {}
            }
        }
    }
    if report == Report::Text {
        match failed {
            0 => writeln!(out, "{all} cases hold")?,
            _ => writeln!(out, "{failed} of {all} cases fail")?,
        }
    }
    Ok(if unreadable { 3 } else { u8::from(failed > 0) })
}

/// The rule `id` of `rules_dir`. A fault in it is the case's fault and is told there, so it is only not found here.
fn resolve(rules_dir: &Path, id: &str, site: &Site) -> Option<Rule> {
    let plain = !id.is_empty()
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let path = rules_dir.join(format!("{id}.toml"));
    let text = plain
        .then(|| std::fs::read_to_string(&path).ok())
        .flatten()?;
    document::parse(id, &path.display().to_string(), &text, site).ok()
}

fn tell(out: &mut dyn Write, file: &Path, result: &CaseResult) -> io::Result<()> {
    let why = if result.why.is_empty() {
        String::new()
    } else {
        format!(" ({})", result.why)
    };
    writeln!(out, "{}: {}{why} fails", file.display(), result.id)?;
    if let Some(error) = &result.error {
        writeln!(out, "  {error}")?;
    }
    for event in result.lacking() {
        writeln!(out, "  expected, not planned: {}", event.to_text())?;
    }
    for event in result.surplus() {
        writeln!(out, "  planned, not expected: {}", event.to_text())?;
    }
    for line in &result.explanation {
        let place = [line.step.as_str(), line.lead.as_str()].join(" ");
        let place = if place.trim().is_empty() {
            String::new()
        } else {
            format!("{}: ", place.trim())
        };
        writeln!(out, "    {place}{}", line.text)?;
    }
    Ok(())
}
