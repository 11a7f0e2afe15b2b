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
