//! Who may import whom: the table of ARCHITECTURE.md is the law, the source is held against it.

use std::collections::{BTreeMap, BTreeSet};

use super::rust::modules_named;
use super::{none, read, rust_files};

const LAW: &str = "ARCHITECTURE.md";
const BASE: &[&str] = &["model", "clock", "stage", "telemetry"];
const STAGES: &[&str] = &["scheduler", "delivery", "inbound", "outbox", "retention"];
const FACES: &[&str] = &["api", "amqp", "console"];

/// Modules in reading order, each with those it may import.
type Layers = Vec<(String, BTreeSet<String>)>;

/// Reads the table whose third column is headed "may import".
fn layers() -> Layers {
    let text = read(LAW);
    let rows = text
        .lines()
        .skip_while(|line| !line.contains("| may import |"))
        .skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let mut layers = Layers::new();
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, names, _, may_import, _] = cells[..] else {
            panic!("{LAW}: three columns are expected in: {row}")
        };
        let above: Vec<String> = layers.iter().map(|(name, _)| name.clone()).collect();
        let allowed = allowed(may_import, &above);
        layers.extend(modules_in(names).map(|name| (name, allowed.clone())));
    }
    layers
}

/// The module names of a cell such as "`cli/`, `main.rs`".
fn modules_in(cell: &str) -> impl Iterator<Item = String> + '_ {
    cell.split(',').map(|name| {
        name.trim()
            .trim_matches('`')
            .trim_end_matches('/')
            .trim_end_matches(".rs")
            .to_owned()
    })
}

fn allowed(cell: &str, above: &[String]) -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for name in modules_in(cell) {
        match name.as_str() {
            "nothing" => {}
            "base" => allowed.extend(BASE.iter().map(ToString::to_string)),
            "all above" => allowed.extend(above.iter().cloned()),
            _ => drop(allowed.insert(name)),
        }
    }
    allowed
}

/// The path of the module that a file of `src` holds: `src/store/mod.rs` is `["store"]`.
fn module_of(path: &str) -> Vec<&str> {
    let mut module: Vec<_> = path
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .split('/')
        .collect();
    if module.last() == Some(&"mod") {
        module.pop();
    }
    module
}

#[test]
fn every_module_imports_only_what_its_layer_may() {
    let layers: BTreeMap<_, _> = layers().into_iter().collect();
    let mut faults = Vec::new();
    for file in rust_files()
        .iter()
        .filter(|file| file.path.starts_with("src/"))
    {
        let module = module_of(&file.path);
        let own = module[0];
        if own == "lib" {
            continue;
        }
        let Some(allowed) = layers.get(own) else {
            faults.push(format!(
                "{}: say in the table of {LAW} what `{own}` may import",
                file.path
            ));
            continue;
        };
        for (line, named) in modules_named(&file.text, &module) {
            if layers.contains_key(&named) && named != own && !allowed.contains(&named) {
                faults.push(format!(
                    "{}:{line}: `{own}` may not import `{named}` ({LAW})",
                    file.path
                ));
            }
        }
    }
    none(&faults);
}

#[test]
fn the_table_keeps_stages_apart_and_the_wiring_on_top() {
    let mut faults = Vec::new();
    for (module, allowed) in layers() {
        let wiring = ["app", "cli", "main"].contains(&module.as_str());
        let stage_or_face = STAGES.contains(&module.as_str()) || FACES.contains(&module.as_str());
        for import in allowed.iter().map(String::as_str) {
            let wrong = (stage_or_face && STAGES.contains(&import))
                || (!wiring && ["app", "cli", "main"].contains(&import))
                || (module == "delivery" && import == "rules")
                || (module == "channels" && import == "store")
                || (module == "segments");
            if wrong {
                faults.push(format!("{LAW} lets `{module}` import `{import}`"));
            }
        }
    }
    none(&faults);
}
