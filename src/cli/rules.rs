//! `carebell rules test`: runs cases and tells which fail, and why.

use std::cell::RefCell;
use std::collections::BTreeSet;
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
        let faults = RefCell::new(BTreeSet::new());
        for result in cases::run(&text, |id| resolve(rules_dir, id, site, &faults), site) {
            all += 1;
            failed += usize::from(!result.ok);
            if let Some(fault) = &result.fault {
                let at = file.display();
                writeln!(err, "{at}: {}: a fault of the rule: {fault}", result.id)?;
            }
            match report {
                Report::Json => writeln!(out, "{}", result.to_json())?,
                Report::Text if !result.ok => tell(out, file, &result)?,
                Report::Text => {}
            }
        }
        for fault in faults.into_inner() {
            writeln!(err, "{fault}")?;
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

/// The rule `id` of `rules_dir`; why there is none goes to `faults`, once however many cases ask for it.
fn resolve(
    rules_dir: &Path,
    id: &str,
    site: &Site,
    faults: &RefCell<BTreeSet<String>>,
) -> Option<Rule> {
    let plain = !id.is_empty()
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let path = rules_dir.join(format!("{id}.toml"));
    // What lies beside the rules to be picked has cases too.
    let beside = rules_dir.join("packs").join(format!("{id}.toml"));
    let path = if !path.exists() && beside.exists() {
        beside
    } else {
        path
    };
    let found = if plain {
        std::fs::read_to_string(&path).map_err(|error| vec![error.to_string()])
    } else {
        Err(vec!["no name for a rule".to_owned()])
    };
    let file = path.display().to_string();
    let rule = match found {
        Ok(text) => document::parse(id, &file, &text, site)
            .map_err(|told| told.iter().map(ToString::to_string).collect()),
        Err(told) => Err(told
            .into_iter()
            .map(|why| format!("{file}: {why}"))
            .collect::<Vec<_>>()),
    };
    rule.map_err(|told| faults.borrow_mut().extend(told)).ok()
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

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    /// Runs `rules test` on one file with `text` in it.
    #[track_caller]
    fn check(name: &str, text: &str, report: Report, code: u8) -> (Vec<String>, String) {
        let dir =
            std::env::temp_dir().join(format!("carebell-rules-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("broken.toml"), "class = \"greting\"\n").unwrap();
        let file = dir.join("cases.jsonl");
        std::fs::write(&file, text).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let site = Site::new(TimeZone::get("Asia/Shanghai").unwrap(), "CN");
        assert_eq!(
            test_to(&mut out, &mut err, &[file], report, &dir, &site).unwrap(),
            code
        );
        std::fs::remove_dir_all(&dir).unwrap();
        let out = String::from_utf8(out).unwrap();
        (
            out.lines().map(str::to_owned).collect(),
            String::from_utf8(err).unwrap(),
        )
    }

    const GOOD: &str = r#"{"id": "good", "rule": {"class": "greeting", "trigger": {"on": "birthday"}, "step": [{"to": "patient", "before": ["0d"], "send": "x"}]}, "patient": {"birth_date": "1980-05-05", "phone": "+8613900000001"}, "now": "2026-05-01T00:00", "window": {"from": "2026-05-01T00:00", "to": "2026-06-01T00:00"}, "expect": [{"at": "2026-05-05T09:00+08:00", "to": "patient", "channel": "sms"}]}"#;

    #[test]
    fn a_case_that_fails_is_told_with_what_decided() {
        let (out, _) = check(
            "fails",
            &GOOD.replace(
                "\"2026-05-01T00:00\", \"window",
                "\"2026-05-05T10:00\", \"window",
            ),
            Report::Text,
            1,
        );
        let told = out.join("\n");
        assert!(told.contains("good fails"), "{told}");
        assert!(
            told.contains("expected, not planned: 2026-05-05T09:00+08:00 patient sms"),
            "{told}"
        );
        assert!(told.contains("patient_1 0d: Missed: Tuesday 5 May 2026 at 09:00 was past already on Tuesday 5 May 2026 at 10:00."), "{told}");
        assert!(told.ends_with("1 of 1 cases fail"), "{told}");
    }

    #[test]
    fn one_bad_case_harms_no_other() {
        let by_id = r#"{"id": "by_id", "rule": "broken", "patient": {}, "now": "2026-05-01", "expect": []}"#;
        let text = format!(
            "# a note\n{{\"id\": 1,\n{by_id}\n{}\n{GOOD}\n",
            GOOD.replace("1980-05-05", "1980-05-32")
                .replace("\"good\"", "\"odd\"")
        );
        let (out, err) = check("bad", &text, Report::Json, 1);
        let lines: Vec<serde_json::Value> = out
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let told: Vec<_> = lines
            .iter()
            .map(|line| (line["id"].as_str().unwrap(), line["ok"].as_bool().unwrap()))
            .collect();
        assert_eq!(
            told,
            [
                ("line 2", false),
                ("by_id", false),
                ("odd", false),
                ("good", true)
            ]
        );
        assert_eq!(
            lines[2]["error"],
            "patient.birth_date: expected a day such as 1975-04-02, found `1980-05-32`"
        );
        assert_eq!(
            lines[3],
            serde_json::json!({"id": "good", "ok": true, "events": [{"at": "2026-05-05T09:00+08:00", "to": "patient", "channel": "sms"}]})
        );
        assert!(
            err.contains("broken.toml:1: class: `greting` is none of urgent"),
            "{err}"
        );
    }

    /// The case may hold: nothing was expected, and nothing comes of a rule with a fault.
    #[test]
    fn a_fault_of_the_rule_is_told_even_where_the_case_holds() {
        let at = GOOD.find("\"expect\"").unwrap();
        let rule = "{\"class\": \"greeting\", \"audience\": {\"where\": \"patient.age > 'a'\"},";
        let text =
            format!("{}\"expect\": []}}", &GOOD[..at]).replace("{\"class\": \"greeting\",", rule);
        let (out, err) = check("fault", &text, Report::Json, 0);
        assert!(
            out[0].contains("\"ok\":true") && out[0].contains("\"fault\":\"where: "),
            "{out:?}"
        );
        assert!(err.contains("good: a fault of the rule: where: "), "{err}");
    }

    #[test]
    fn cases_may_be_toml() {
        let text = "[[case]]\nid = \"t\"\nnow = 2026-05-01T00:00:00\nwindow = { from = 2026-05-01T00:00:00, to = 2026-06-01 }\nexpect = [{ at = 2026-05-05T09:00:00+08:00, to = \"patient\", channel = \"sms\" }]\n                    [case.patient]\nbirth_date = 1980-05-05\nphone = \"+8613900000001\"\n[case.rule]\nclass = \"greeting\"\ntrigger = { on = \"birthday\" }\nstep = [{ to = \"patient\", before = [\"0d\"], send = \"x\" }]\n";
        let (out, _) = check("toml", text, Report::Text, 0);
        assert_eq!(out, ["1 cases hold"]);
    }

    #[test]
    fn a_file_that_is_not_there_cannot_run() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let site = Site::new(TimeZone::UTC, "CN");
        let code = test_to(
            &mut out,
            &mut err,
            &[PathBuf::from("/no/such/file")],
            Report::Json,
            Path::new("/no"),
            &site,
        )
        .unwrap();
        assert!(code == 3 && out.is_empty() && !err.is_empty());
    }
}
