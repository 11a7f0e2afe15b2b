//! Rule cases of our own, and what the reader of cases says of faults.

use std::path::Path;

use jiff::tz::TimeZone;

use super::{CaseResult, run};
use crate::rules::document;
use crate::rules::site::Site;

fn site() -> Site {
    Site::new(TimeZone::get("Asia/Shanghai").unwrap(), "CN")
}

#[track_caller]
fn run_file(path: &Path) -> Vec<CaseResult> {
    let text = std::fs::read_to_string(path).unwrap();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let resolve = |id: &str| {
        let text = ["", "packs/"].map(|folder| rules.join(format!("{folder}{id}.toml")));
        let text = text
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok())?;
        document::parse(id, id, &text, &site()).ok()
    };
    let results = run(&text, resolve, &site());
    for result in results.iter().filter(|result| !result.ok) {
        let shown = |events: Vec<&super::Event>| {
            events
                .iter()
                .map(|event| event.to_text())
                .collect::<Vec<_>>()
        };
        eprintln!(
            "{} {}: {:?}\n  lacking {:?}\n  surplus {:?}",
            result.id,
            result.why,
            result.error,
            shown(result.lacking()),
            shown(result.surplus())
        );
        result
            .explanation
            .iter()
            .for_each(|line| eprintln!("    {} {} {}", line.step, line.lead, line.text));
    }
    assert!(results.iter().all(|result| result.ok), "{}", path.display());
    results
}

#[test]
fn the_shared_examples_hold_where_they_lie() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .skip(1)
        .map(|dir| dir.join("shared/rules/examples.jsonl"));
    let Some(path) = beside.into_iter().find(|path| path.exists()) else {
        eprintln!("absent: ../shared/rules/examples.jsonl");
        return;
    };
    assert_eq!(run_file(&path).len(), 10);
}

#[test]
fn our_own_cases_hold() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/cases");
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let run: usize = files.iter().map(|file| run_file(file).len()).sum();
    assert!(run >= 100, "{run} cases in {} files", files.len());
}

const PLAIN: &str = r#"{"id": "plain", "rule": {"class": "appointment", "trigger": {"on": "recheck"}, "step": [{"to": "patient", "before": ["3d"], "send": "x"}]}, "patient": {"phone": "+8613900000001"}, "occasions": [{"kind": "recheck", "at": "2026-07-24T10:00"}], "now": "2026-07-02T00:00", "window": {"from": "2026-07-02T00:00", "to": "2026-07-25T00:00"}, "expect": [{"at": "2026-07-21T09:00+08:00", "to": "patient", "channel": "sms"}]}"#;

fn told(text: &str) -> Vec<(String, bool)> {
    let results = run(text, |_| None, &site());
    results
        .into_iter()
        .map(|result| (result.id, result.ok))
        .collect()
}

#[test]
fn a_first_line_that_is_no_json_harms_no_other() {
    let told = told(&format!("id\": \"torn\"}}\n{PLAIN}\n"));
    assert_eq!(told, [("line 1".into(), false), ("plain".into(), true)]);
}

#[test]
fn a_fault_in_one_case_of_toml_harms_no_other() {
    let rule = "rule = { class = \"appointment\", trigger = { on = \"recheck\" }, step = [{ to = \"patient\", before = [\"3d\"], send = \"x\" }] }";
    let good = format!(
        "[[case]]\nid = \"good\"\n{rule}\nnow = 2026-07-02\nexpect = []\n[case.patient]\nphone = \"1\"\n"
    );
    let text = format!("[[case]]\nid = \"torn\n{good}");
    assert_eq!(
        told(&text),
        [("line 1".into(), false), ("good".into(), true)]
    );
    let results = run(&text, |_| None, &site());
    let error = results[0].error.as_deref().unwrap();
    assert!(error.contains("line 2"), "{error}");
}

#[test]
fn what_has_the_wrong_shape_is_an_error_and_not_left_out() {
    assert_eq!(told(PLAIN), [("plain".into(), true)]);
    for (from, to, said) in [
        (
            r#"{"from": "2026-07-02T00:00", "to": "2026-07-25T00:00"}"#,
            r#""July""#,
            "window: expected a table",
        ),
        (
            r#"{"kind": "recheck""#,
            r#"{"kind": 5"#,
            "occasions[1].kind: expected text",
        ),
        (
            r#"{"phone""#,
            r#"{"attributes": 5, "phone""#,
            "patient.attributes: expected a table",
        ),
    ] {
        let text = PLAIN.replace(from, to);
        assert_ne!(text, PLAIN);
        let results = run(&text, |_| None, &site());
        let error = results[0].error.as_deref().unwrap_or_default();
        assert!(error.starts_with(said), "{error}");
    }
}
