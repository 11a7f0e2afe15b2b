//! `carebell doctor`: what a new operator gets wrong, found before patients notice; each finding says what to do.
//!
//! It works beside a running daemon and without one; all it writes is a word to see that it can.

mod certificate;
mod database;
mod network;
mod system;

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::{CANNOT_RUN, WRONG, check};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};

/// How good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    Ok,
    Warn,
    Fail,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What one look found.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    check: &'static str,
    status: Status,
    text: String,
    /// What to do about it.
    advice: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self {
            check,
            status: Status::Ok,
            text: text.into(),
            advice: None,
        }
    }

    pub(super) fn warn(
        check: &'static str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            status: Status::Warn,
            advice: Some(advice.into()),
            ..Self::ok(check, text)
        }
    }

    pub(super) fn fail(
        check: &'static str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            status: Status::Fail,
            ..Self::warn(check, text, advice)
        }
    }
}

/// Looks at everything; 1 when something fails, 3 when the config cannot be read at all.
///
/// # Errors
/// When nobody reads the output.
pub async fn run(
    config: Result<Config, ConfigError>,
    file: Option<&Path>,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let config = match config {
        Ok(config) => config,
        Err(problem) => {
            let advice = "correct it; `carebell.example.toml` shows every key";
            let found = [Finding::fail("config", problem.to_string(), advice)];
            tell(&found, json, out)?;
            return Ok(match problem {
                ConfigError::Unreadable { .. } => CANNOT_RUN,
                ConfigError::Wrong { .. } => WRONG,
            });
        }
    };
    let named = file.map_or_else(|| "carebell.toml".into(), Path::to_owned);
    let mut found = vec![if named.is_file() {
        Finding::ok("config", format!("{} can be read", named.display()))
    } else {
        Finding::warn(
            "config",
            "there is no carebell.toml here: the defaults hold",
            "name it by --config, or run this in its folder",
        )
    }];
    found.push(documents(&config));
    found.extend(system::look(&config, &named));
    let running = network::running(&config).await;
    found.extend(database::look(&config, running.is_some(), Clock::System.now()).await);
    found.extend(network::look(&config, running.as_ref()).await);
    tell(&found, json, out)?;
    let fails = found.iter().any(|one| one.status == Status::Fail);
    Ok(if fails { WRONG } else { 0 })
}

/// What `carebell check` finds, in a line.
fn documents(config: &Config) -> Finding {
    let today = Clock::System.now().to_zoned(config.zone()).date();
    let checked = check::look(config, today);
    let count = format!(
        "{} rules and {} templates",
        checked.rules, checked.templates
    );
    let errors = checked.errors();
    let first = checked.findings.iter().find(|(is_warning, _)| !is_warning);
    if let Some((_, first)) = first {
        return Finding::fail(
            "documents",
            format!("{count}: {errors} faults, the first: {first}"),
            "run `carebell check` for all of them",
        );
    }
    if checked.rules == 0 {
        let advice = "nothing is planned without rules: see rules/README.md";
        return Finding::warn("documents", count, advice);
    }
    let warnings = checked.findings.len();
    if warnings > 0 {
        let text = format!("{count}: {warnings} warnings");
        return Finding::warn("documents", text, "run `carebell check` to read them");
    }
    Finding::ok("documents", format!("{count} without a fault"))
}

fn tell(found: &[Finding], json: bool, out: &mut impl Write) -> std::io::Result<()> {
    for one in found {
        let status = one.status.as_str();
        if json {
            let line = json!({"check": one.check, "status": status, "text": one.text, "advice": one.advice});
            writeln!(out, "{line}")?;
            continue;
        }
        writeln!(out, "{status:<5}{:<14}{}", one.check, one.text)?;
        if let Some(advice) = &one.advice {
            writeln!(out, "{:<19}→ {advice}", "")?;
        }
    }
    if !json {
        let count = |status| found.iter().filter(|one| one.status == status).count();
        let (fails, warns) = (count(Status::Fail), count(Status::Warn));
        writeln!(
            out,
            "{} checks: {fails} failed, {warns} warnings.",
            found.len()
        )?;
    }
    Ok(())
}
