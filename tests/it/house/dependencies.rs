//! What we build on: every crate of the tree has a licence that deny.toml allows, comes from crates.io,
//! and is none of those that it bans.
//!
//! `cargo deny` would say the same, but takes longer to build than all of Carebell.

use std::collections::BTreeSet;
use std::process::Command;

use serde::Deserialize;

use super::{none, read, root};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    name: String,
    reason: String,
}

/// Every package that this machine's build takes.
fn packages() -> Vec<Package> {
    let version = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let metadata = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--offline",
            "--filter-platform",
            host,
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        metadata.status.success(),
        "{}",
        String::from_utf8_lossy(&metadata.stderr)
    );
    serde_json::from_slice::<Metadata>(&metadata.stdout)
        .unwrap()
        .packages
}

/// Whether an SPDX expression can be met with the licences of `allow`.
fn is_met(expression: &str, allow: &BTreeSet<String>) -> bool {
    // An older spelling of OR.
    let expression = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<_> = expression.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest, allow) && rest.is_empty()
}

fn any_of(rest: &mut &[&str], allow: &BTreeSet<String>) -> bool {
    let mut met = all_of(rest, allow);
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        met |= all_of(rest, allow);
    }
    met
}

fn all_of(rest: &mut &[&str], allow: &BTreeSet<String>) -> bool {
    let mut met = one(rest, allow);
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        met &= one(rest, allow);
    }
    met
}

fn one(rest: &mut &[&str], allow: &BTreeSet<String>) -> bool {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let met = any_of(rest, allow);
            let [")", after @ ..] = *rest else {
                return false;
            };
            *rest = after;
            met
        }
        [licence, "WITH", exception, after @ ..] => {
            *rest = after;
            allow.contains(&format!("{licence} WITH {exception}"))
        }
        [licence, after @ ..] => {
            *rest = after;
            allow.contains(*licence)
        }
        [] => false,
    }
}

#[test]
fn every_dependency_is_free_to_use_known_and_not_banned() {
    let deny: Deny = toml::from_str(&read("deny.toml")).unwrap();
    let mut faults = Vec::new();
    for Package {
        name,
        version,
        license,
        source,
    } in packages()
    {
        let license = license.unwrap_or_default();
        if !is_met(&license, &deny.licenses.allow) {
            faults.push(format!(
                "{name} {version}: its licence `{license}` is not one that deny.toml allows"
            ));
        }
        if name != env!("CARGO_PKG_NAME")
            && source.as_deref() != Some("registry+https://github.com/rust-lang/crates.io-index")
        {
            faults.push(format!("{name} {version} does not come from crates.io"));
        }
        if let Some(ban) = deny.bans.deny.iter().find(|ban| ban.name == name) {
            faults.push(format!("{name} {version} is banned: {}", ban.reason));
        }
    }
    none(&faults);
}

#[test]
fn licence_expressions_are_read_right() {
    let allow = ["MIT", "Apache-2.0 WITH LLVM-exception", "ISC"]
        .map(str::to_owned)
        .into();
    let check = |expression, met| assert_eq!(is_met(expression, &allow), met, "{expression}");
    check("MIT", true);
    check("MIT/Apache-2.0", true);
    check("GPL-3.0 OR MIT", true);
    check("GPL-3.0 AND MIT", false);
    check("Apache-2.0 WITH LLVM-exception", true);
    check("Apache-2.0", false);
    check("(GPL-3.0 OR MIT) AND ISC", true);
    check("(MIT OR ISC", false);
    check("MIT ISC", false);
    check("", false);
}
