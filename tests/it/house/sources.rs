//! What every file keeps to: length, header, words that are not left behind, and the lints that check the rest.

use super::rust::{Token, tokens};
use super::{File, files, none, read, rust_files};

const TOO_LONG: usize = 700;

/// One fault for each file that `check` finds something wrong with.
fn faults<T: IntoIterator<Item = String>>(
    files: &[File],
    check: impl Fn(&File) -> T,
) -> Vec<String> {
    files
        .iter()
        .flat_map(|file| {
            check(file)
                .into_iter()
                .map(|fault| format!("{}{fault}", file.path))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn no_file_is_too_long_to_read_once() {
    none(&faults(&rust_files(), |file| {
        let lines = file.text.lines().count();
        (lines >= TOO_LONG)
            .then(|| format!(": {lines} lines; several jobs hide in a file of {TOO_LONG}"))
    }));
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    none(&faults(&rust_files(), |file| {
        (!file.text.starts_with("//! ")).then(|| ":1: open with a `//!` line".to_owned())
    }));
}

#[test]
fn nothing_is_left_for_later() {
    none(&faults(&rust_files(), |file| {
        let tokens = tokens(&file.text);
        let pairs = tokens.windows(2).filter_map(|pair| match pair {
            [
                (line, Token::Word(word @ ("todo" | "unimplemented" | "dbg"))),
                (_, Token::Mark('!')),
            ] => Some(format!(":{line}: `{word}!`")),
            [(line, Token::Mark('[')), (_, Token::Word("ignore"))] => {
                Some(format!(":{line}: a test that is ignored"))
            }
            _ => None,
        });
        pairs.collect::<Vec<_>>()
    }));
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    // Spelled in parts, or this file would find itself.
    let folders = ["home", "root", "work", "Users", "tmp"].map(|folder| format!("/{folder}/"));
    none(&faults(&files(), |file| {
        let lines = file.text.lines().enumerate();
        let bad = lines.filter(|(_, line)| folders.iter().any(|folder| names_path(line, folder)));
        bad.map(|(n, line)| format!(":{}: a path of one machine: {}", n + 1, line.trim()))
            .collect::<Vec<_>>()
    }));
}

/// Whether a path in `line` begins with `folder`: not where it goes on from something, as in a URL.
fn names_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| {
            !c.is_alphanumeric() && !['.', '_', '-', '}', ')', '>', '$'].contains(&c)
        })
    })
}

#[test]
fn cargo_toml_holds_the_lints_of_the_house() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let expected = [
        ("rust", "unsafe_code", "forbid"),
        ("rust", "unreachable_pub", "warn"),
        ("rust", "missing_docs", "warn"),
        ("clippy", "unwrap_used", "warn"),
        ("clippy", "print_stdout", "warn"),
        ("clippy", "dbg_macro", "warn"),
        ("clippy", "todo", "warn"),
        ("clippy", "unimplemented", "warn"),
        ("clippy", "too_many_lines", "warn"),
        ("clippy", "allow_attributes", "warn"),
        ("clippy", "disallowed_methods", "warn"),
    ];
    for (tool, lint, level) in expected {
        let set = manifest
            .get("lints")
            .and_then(|lints| lints.get(tool)?.get(lint)?.as_str());
        assert_eq!(set, Some(level), "[lints.{tool}] {lint}");
    }
}

#[test]
fn the_example_config_explains_every_key() {
    // Until there is one, the defaults are the code's own.
    let Some(file) = files()
        .into_iter()
        .find(|file| file.path == "carebell.example.toml")
    else {
        return;
    };
    let lines: Vec<_> = file.text.lines().collect();
    let mut unexplained = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        let explained = n > 0 && is_prose(lines[n - 1])
            || line
                .split_once(" = ")
                .is_some_and(|(_, value)| value.contains(" # "));
        if is_key(line) && !explained {
            unexplained.push(format!(
                "{}:{}: a comment above is expected: {line}",
                file.path,
                n + 1
            ));
        }
    }
    none(&unexplained);
}

/// Whether `line` sets a key; what needs a choice stands commented out.
fn is_key(line: &str) -> bool {
    let line = line.trim_start_matches(['#', ' ']);
    line.split_once(" = ").is_some_and(|(key, _)| {
        !key.is_empty()
            && key
                .chars()
                .all(|c| c.is_ascii_lowercase() || "_.0123456789\"".contains(c))
    })
}

fn is_prose(line: &str) -> bool {
    line.starts_with('#') && !is_key(line) && !line.trim_start_matches(['#', ' ']).starts_with('[')
}
