//! `carebell check`: config, rules, templates, before anything starts.

use std::io::Write as _;

use jiff::civil::Date;

use crate::app::site;
use crate::config::Config;
use crate::intents::Reader;
use crate::model::class::{Channel, Class, Role};
use crate::planning::book::{Book, DIGEST};
use crate::planning::lint;
use crate::render;
use crate::rules::site::Site;

/// Checks everything that can be checked without a database; warnings alone are fine.
///
/// # Errors
/// When the output cannot be written.
pub fn check(config: &Config, today: Date, json: bool) -> anyhow::Result<u8> {
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
    if let Some(Err(fault)) = config.amqp.as_ref().map(|amqp| amqp.link(&config.base)) {
        findings.push((false, fault.to_string()));
    }
    let uses = [uses(&book), uses(&packs)].concat();
    let lints = render::lint_with(&book.catalog, &uses, &config.reserved_words());
    findings.extend(lints.iter().map(|f| {
        (
            f.severity != render::Severity::Error,
            format!("{}:{}: {}", f.file, f.line, f.message),
        )
    }));
    let carried: Vec<Channel> = Channel::ALL
        .iter()
        .copied()
        .filter(|channel| config.routes().has(*channel))
        .collect();
    let ground = lint::Ground {
        carried,
        language: config.site.language.clone(),
        today,
    };
    let between = lint::lint(&book, &ground);
    findings.extend(between.into_iter().map(|p| (p.is_warning, p.text)));
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

/// What each rule sends, by which channel, in which class; without `by` the channels that all have by default.
fn uses(book: &Book) -> Vec<(&str, Channel, Class)> {
    let mut all = Vec::new();
    for rule in book.rules() {
        for step in &rule.steps {
            let channels = step.by.as_deref().unwrap_or(match step.to {
                Role::Staff => &[Channel::Task],
                Role::Patient | Role::Family => &[Channel::Sms, Channel::Email],
            });
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
