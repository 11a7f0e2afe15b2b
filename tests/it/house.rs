//! The rules of the house, read from the files as they lie in the repository.
//!
//! A rule that fails says which file breaks it and what to do.

mod dependencies;
mod layers;
mod links;
mod rust;
mod schema;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository.
struct File {
    /// Its path below the root, with `/` between.
    path: String,
    text: String,
}

impl File {
    fn has_extension(&self, wanted: &str) -> bool {
        self.path
            .rsplit_once('.')
            .is_some_and(|(_, extension)| extension == wanted)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file of ours.
fn files() -> Vec<File> {
    let mut found = Vec::new();
    collect(root(), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(folder: &Path, found: &mut Vec<File>) {
    // What is made by building and running, and what npm brings.
    const NOT_OURS: &[&str] = &[".git", "target", "node_modules", "demo-data"];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if NOT_OURS.contains(&name.as_ref()) {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push(File {
                path: below_root(&path),
                text,
            });
        }
    }
}

fn below_root(path: &Path) -> String {
    let parts: Vec<_> = path
        .strip_prefix(root())
        .unwrap()
        .iter()
        .map(|part| part.to_string_lossy())
        .collect();
    parts.join("/")
}

/// Every Rust file of ours.
fn rust_files() -> Vec<File> {
    files()
        .into_iter()
        .filter(|file| file.has_extension("rs"))
        .collect()
}

fn read(path: &str) -> String {
    let full: PathBuf = root().join(path);
    fs::read_to_string(&full).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fails with every fault that was found, one a line.
#[track_caller]
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
