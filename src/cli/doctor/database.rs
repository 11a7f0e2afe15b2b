//! The database: reached, of our schema, written to quickly, with room; and what in it wants a person.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Finding;
use crate::config::Config;
use crate::store::{Store, StoreError, disk, findings, migrate, site};

/// A commit slower than this makes every message slow.
const COMMIT: Duration = Duration::from_millis(50);
/// Clocks that differ by more than this are wrong.
const CLOCKS_MS: i64 = 2_000;
/// A journal larger than this says that something holds it open.
const JOURNAL_BYTES: u64 = 512 << 20;
/// What waits longer than this, waits for something.
const WAITS_MS: i64 = 15 * 60 * 1000;

pub(super) async fn look(config: &Config, is_running: bool, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(file) = config.database.url.strip_prefix("sqlite://") {
        let file = config.base.join(file);
        found.extend(on_disk(config, &file));
        if !file.exists() {
            found.push(Finding::warn(
                "database",
                format!("{} is not there yet", file.display()),
                "`carebell serve` makes it at its first start",
            ));
            return found;
        }
    }
    let store = match Store::open(&config.database.url, &config.base).await {
        Ok(store) => store,
        Err(problem) => {
            let advice = "start the server, or correct [database] url";
            found.push(Finding::fail("database", problem.to_string(), advice));
            return found;
        }
    };
    match inside(&store, is_running, now).await {
        Ok(more) => found.extend(more),
        Err(problem) => found.push(Finding::fail(
            "database",
            problem.to_string(),
            "see the server's log, or restore a backup: docs/operating.md",
        )),
    }
    store.close().await;
    found
}

fn on_disk(config: &Config, file: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    let least = config.database.min_free_mb.saturating_mul(1_000_000);
    if let Ok(free) = disk::free_bytes(file) {
        let text = format!("{} MB are free for {}", free / 1_000_000, file.display());
        found.push(if free < least {
            let advice = "make room: nothing new is taken in below [database] min_free_mb";
            Finding::fail("disk", text, advice)
        } else if free < least.saturating_mul(4) {
            Finding::warn("disk", text, "make room before it gets too little")
        } else {
            Finding::ok("disk", text)
        });
    }
    let journal = format!("{}-wal", file.display());
    if let Ok(journal) = std::fs::metadata(journal)
        && journal.len() > JOURNAL_BYTES
    {
        found.push(Finding::warn(
            "journal",
            format!("the journal of the file has {} MB", journal.len() >> 20),
            "something reads for a long time: look for a backup or a query that hangs",
        ));
    }
    found
}

async fn inside(
    store: &Store,
    is_running: bool,
    now: Timestamp,
) -> Result<Vec<Finding>, StoreError> {
    let schema = migrate::schema(store).await?;
    if !schema.unknown.is_empty() {
        let text = "it belongs to a later version of the program";
        let advice = "use the program that it belongs to";
        return Ok(vec![Finding::fail("database", text, advice)]);
    }
    if !schema.missing.is_empty() {
        let text = format!("it lacks {} changes of its schema", schema.missing.len());
        let advice = "run `carebell migrate`; on SQLite `carebell serve` does it";
        return Ok(vec![Finding::warn("database", text, advice)]);
    }
    let mut found = vec![Finding::ok(
        "database",
        format!("it answers, with schema {}", schema.at),
    )];
    found.push(commits(store, now).await?);
    let mut tx = store.read().await?;
    let standing = findings::read(&mut tx, now).await?;
    drop(tx);
    found.extend(clock(&standing));
    found.extend(waiting(&standing, is_running, now));
    Ok(found)
}

async fn commits(store: &Store, now: Timestamp) -> Result<Finding, StoreError> {
    let mut took = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        site::probe(store, now).await?;
        took.push(began.elapsed());
    }
    took.sort();
    let middle = took.get(2).copied().unwrap_or_default();
    let text = format!(
        "a commit that is on the disk takes {:.1} ms",
        middle.as_secs_f64() * 1000.0
    );
    Ok(if middle > COMMIT {
        let advice = "put the database on a quicker disk: every message waits for two commits";
        Finding::warn("commits", text, advice)
    } else {
        Finding::ok("commits", text)
    })
}

fn clock(standing: &findings::Findings) -> Option<Finding> {
    let ahead = standing.clock_ahead_ms?;
    Some(if ahead.abs() > CLOCKS_MS {
        Finding::fail(
            "clock",
            format!("the clock of the database is {ahead} ms ahead of ours"),
            "let both machines take their time from the same server (chrony, systemd-timesyncd)",
        )
    } else {
        Finding::ok("clock", format!("{ahead} ms from the database's"))
    })
}

fn waiting(standing: &findings::Findings, is_running: bool, now: Timestamp) -> Vec<Finding> {
    let age = |since: Option<i64>| since.map_or(0, |since| now.as_millisecond() - since);
    let minutes = |ms: i64| ms / 60_000;
    let mut found = Vec::new();
    found.push(if standing.uncertain > 0 {
        Finding::warn(
            "uncertain",
            format!("of {} messages nobody knows whether they went out", standing.uncertain),
            "they resolve themselves by [delivery] uncertain; a held one by `carebell message resolve`",
        )
    } else {
        Finding::ok("uncertain", "no message is in doubt")
    });
    let waits = age(standing.oldest_ready);
    found.push(if waits > WAITS_MS {
        let advice = if is_running {
            "see whether its provider is up and its rate is enough"
        } else {
            "start the daemon"
        };
        let text = format!(
            "the oldest due message has waited {} minutes",
            minutes(waits)
        );
        Finding::warn("queue", text, advice)
    } else {
        Finding::ok("queue", "no due message waits for long")
    });
    if standing.dead_leases > 0 {
        found.push(Finding::warn(
            "leases",
            format!(
                "{} messages are claimed by a process that is gone",
                standing.dead_leases
            ),
            "a running daemon takes them over within seconds: start one",
        ));
    }
    let untold = age(standing.untold_since);
    if untold > WAITS_MS {
        found.push(Finding::warn(
            "outbox",
            format!("an event has waited {} minutes to be told", minutes(untold)),
            "see whether the daemon runs and its listeners (broker, webhooks) answer",
        ));
    }
    if standing.future_rows {
        found.push(Finding::fail(
            "clock",
            "the database holds rows from the future",
            "this machine's clock went back, or a copy of another site's database is used: correct the clock",
        ));
    }
    found
}
