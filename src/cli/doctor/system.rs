//! The machine: who may read what is secret, the time zone database, limits, memory.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use rustix::process::{Resource, getrlimit};

use super::Finding;
use crate::config::Config;

/// Fewer open files than this, and a busy day may run out of them.
const FILES: u64 = 1024;
/// Less free memory than this is little, in KiB.
const MEMORY_KIB: u64 = 200 * 1024;

pub(super) fn look(config: &Config, file: &Path) -> Vec<Finding> {
    let mut found = vec![zones(config)];
    found.extend(secrets(config, file));
    found.push(files());
    found.extend(memory());
    found
}

fn zones(config: &Config) -> Finding {
    // One whose offset is known: an empty database gives none.
    let known = TimeZone::get("Asia/Shanghai").is_ok() && TimeZone::get("America/New_York").is_ok();
    if known {
        Finding::ok(
            "time_zones",
            format!("the site's is {}", config.site.timezone),
        )
    } else {
        Finding::fail(
            "time_zones",
            "the system has no database of time zones",
            "install the package tzdata",
        )
    }
}

/// Files that hold a secret or a patient's data, and may be read by others.
fn secrets(config: &Config, file: &Path) -> Vec<Finding> {
    let mut all: Vec<PathBuf> = Vec::new();
    if file.is_file() && config.holds_a_password() {
        all.push(file.to_owned());
    }
    for name in config.providers.keys() {
        if let Ok(settings) = config.smpp(name) {
            all.extend(settings.password_file);
        }
    }
    if let Some(database) = config.database.url.strip_prefix("sqlite://") {
        all.push(config.base.join(database));
    }
    let mut found = Vec::new();
    for path in &all {
        let Ok(metadata) = std::fs::metadata(path) else {
            continue;
        };
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            found.push(Finding::warn(
                "permissions",
                format!("{} can be read by others (mode {mode:03o})", path.display()),
                format!("chmod 600 {}", path.display()),
            ));
        }
    }
    if found.is_empty() {
        let text = format!(
            "{} files with secrets or records are their owner's alone",
            all.len()
        );
        found.push(Finding::ok("permissions", text));
    }
    found
}

fn files() -> Finding {
    let limit = getrlimit(Resource::Nofile).current;
    match limit {
        Some(limit) if limit < FILES => Finding::warn(
            "open_files",
            format!("this process may open {limit} files and connections"),
            "raise it: `LimitNOFILE=65536` in the unit, or `ulimit -n 65536`",
        ),
        Some(limit) => Finding::ok("open_files", format!("up to {limit}")),
        None => Finding::ok("open_files", "no limit"),
    }
}

fn memory() -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let mib = kib / 1024;
    Some(if kib < MEMORY_KIB {
        Finding::warn(
            "memory",
            format!("{mib} MiB are free"),
            "free some: the daemon wants about 100 MiB, and the system its cache",
        )
    } else {
        Finding::ok("memory", format!("{mib} MiB are free"))
    })
}
