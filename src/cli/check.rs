//! `carebell check`: config, rules, templates, before anything starts.

use std::io::Write as _;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::app::site;
use crate::clock::Clock;
use crate::config::Config;
use crate::intents::Reader;
use crate::model::class::{Channel, Class};
use crate::planning::book::{Book, DIGEST};
use crate::render;
use crate::rules::site::Site;

/// The month in which the next year's days off are announced in China.
const ANNOUNCED_IN: i8 = 11;

/// Checks everything that can be checked without a database; warnings alone are fine.
///
/// # Errors
/// When the output cannot be written.
pub fn check(config: &Config, json: bool) -> anyhow::Result<u8> {
    let (site, fault) = match site(config) {
        Ok(site) => (site, None),
        Err(fault) => (
            Site::new(config.zone(), config.site.country.clone()),
            Some((false, fault.to_string())),
        ),
    };
    let rules_dir = config.path(&config.rules.dir);
    let (book, problems) = Book::load(&rules_dir, &config.path(&config.templates.dir), &site);
    let (packs, beside) = book.beside(&rules_dir, &site);
    let mut findings: Vec<(bool, String)> = problems
        .iter()
        .chain(&beside)
        .map(|p| (p.is_warning, p.text.clone()))
        .collect();
    findings.extend(fault);
    findings.extend(missing_workdays(&book, Clock::System.now()));
    let uses = [uses(&book), uses(&packs)].concat();
    let lints = render::lint(&book.catalog, &uses);
    findings.extend(lints.iter().map(|f| {
        (
            f.severity != render::Severity::Error,
            format!("{}:{}: {}", f.file, f.line, f.message),
        )
    }));
    let words = config.path(&config.rules.dir).join("replies");
    if words.is_dir()
        && let Err(faults) = Reader::load_dir(&words)
    {
        findings.extend(faults.iter().map(|fault| (false, fault.to_string())));
    }
    let errors = findings
        .iter()
        .filter(|(is_warning, _)| !is_warning)
        .count();
    let mut out = std::io::stdout();
    for (is_warning, text) in &findings {
        let severity = if *is_warning { "warning" } else { "error" };
        if json {
            writeln!(
                out,
                "{}",
                serde_json::json!({"severity": severity, "text": text})
            )?;
        } else {
            writeln!(out, "{severity}: {text}")?;
        }
    }
    if !json {
        let rules = book.rules().count();
        writeln!(
            out,
            "{rules} rules and {} templates: {errors} errors, {} warnings.",
            book.catalog.names().count(),
            findings.len() - errors
        )?;
    }
    Ok(u8::from(errors > 0))
}

/// The years that rules go by and no table of working days knows: this one, and when it is due to be announced the next.
fn missing_workdays(book: &Book, now: Timestamp) -> Vec<(bool, String)> {
    let mut all = Vec::new();
    for rule in book.active() {
        let today = rule.timezone.to_datetime(now).date();
        let ahead = if today.month() >= ANNOUNCED_IN { 1 } else { 0 };
        let to = Date::new(today.year() + ahead, 1, 1).unwrap_or(today);
        let missing = rule.missing_workday_years(today, today.max(to));
        let zone = rule.timezone.iana_name().unwrap_or_default();
        all.extend(missing.into_iter().map(|year| {
            let text = format!(
                "rule `{}`: the table of working days for {zone} lacks {year}, so Monday to Friday count; give it under [calendar] workdays",
                rule.id
            );
            (true, text)
        }));
    }
    all
}

/// What each rule sends, by which channel, in which class; without `by` the channels that all have by default.
fn uses(book: &Book) -> Vec<(&str, Channel, Class)> {
    let mut all = Vec::new();
    for rule in book.rules() {
        for step in &rule.steps {
            let channels = step
                .by
                .as_deref()
                .unwrap_or(&[Channel::Sms, Channel::Email]);
            let gathered = step.digest.then_some(DIGEST);
            for template in step.all_templates().chain(gathered) {
                let uses = channels
                    .iter()
                    .map(|channel| (template, *channel, rule.class));
                all.extend(uses);
            }
        }
    }
    all
}
