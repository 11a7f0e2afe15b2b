//! Finds what is wrong with templates before a patient does: for `carebell check`.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::class::{Channel, Class, Role};
use crate::render::catalog::{MANY_SEGMENTS, engine_context, serves};
use crate::render::reserved::{self, RESERVED_WORDS};
use crate::render::sensitivity::{self, KNOWN, Sensitivity, is_known, is_printed};
use crate::render::{Catalog, RenderError, TemplateText, language, sample};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It will fail, or must not go out.
    Error,
    /// It deserves a look.
    Warning,
}

/// Something wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, or the template where there is none.
    pub file: String,
    /// The line, from 1; 0 for the whole file.
    pub line: usize,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong and what was expected.
    pub message: String,
}

/// Checks the templates of `catalog` that `uses` name, each with a channel and the class it is sent in.
///
/// With the words that carriers usually take for a stop.
pub fn lint(catalog: &Catalog, uses: &[(&str, Channel, Class)]) -> Vec<Finding> {
    lint_with(catalog, uses, &RESERVED_WORDS.map(str::to_owned))
}

/// The same, with the words that this house's carriers take for a stop.
pub fn lint_with(
    catalog: &Catalog,
    uses: &[(&str, Channel, Class)],
    reserved: &[String],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut by_template: BTreeMap<&str, BTreeSet<(Channel, Class)>> = BTreeMap::new();
    for (template, channel, class) in uses {
        by_template
            .entry(template)
            .or_default()
            .insert((*channel, *class));
    }
    let site_languages: BTreeSet<&str> = by_template
        .keys()
        .flat_map(|name| catalog.texts_of(name))
        .map(|text| text.language.as_str())
        .collect();
    for (template, pairs) in &by_template {
        if catalog.texts_of(template).is_empty() {
            findings.push(whole(
                template,
                Severity::Error,
                "there is no such template".to_owned(),
            ));
            continue;
        }
        let channels: BTreeSet<Channel> = pairs.iter().map(|(channel, _)| *channel).collect();
        for channel in channels {
            missing(catalog, template, channel, &site_languages, &mut findings);
        }
        for text in catalog.texts_of(template) {
            let classes = pairs
                .iter()
                .filter(|(channel, _)| serves(text.channel, *channel))
                .map(|(_, class)| *class);
            check_text(
                catalog,
                text,
                &classes.collect::<BTreeSet<_>>(),
                reserved,
                &mut findings,
            );
        }
    }
    findings.sort_by(|a, b| (&a.file, a.line, a.severity).cmp(&(&b.file, b.line, b.severity)));
    findings.dedup();
    findings
}

fn whole(file: &str, severity: Severity, message: String) -> Finding {
    Finding {
        file: file.to_owned(),
        line: 0,
        severity,
        message,
    }
}

fn missing(
    catalog: &Catalog,
    template: &str,
    channel: Channel,
    languages: &BTreeSet<&str>,
    findings: &mut Vec<Finding>,
) {
    if !catalog.has(template, channel) {
        findings.push(whole(
            template,
            Severity::Error,
            format!("there is no text for {channel}"),
        ));
        return;
    }
    let there: Vec<&TemplateText> = catalog
        .texts_of(template)
        .iter()
        .filter(|text| serves(text.channel, channel))
        .collect();
    for wanted in languages {
        if !there.iter().any(|text| text.language == *wanted) {
            findings.push(whole(
                template,
                Severity::Warning,
                format!("there is no text in {wanted} for {channel}, as other templates have"),
            ));
        }
    }
}

fn check_text(
    catalog: &Catalog,
    text: &TemplateText,
    classes: &BTreeSet<Class>,
    reserved: &[String],
    findings: &mut Vec<Finding>,
) {
    let mut find = |line: usize, severity: Severity, message: String| {
        findings.push(Finding {
            file: text.file.clone(),
            line,
            severity,
            message,
        })
    };
    for (at, variant) in text.variants.iter().enumerate() {
        let Ok(template) = catalog.texts.get_template(&variant.name) else {
            continue;
        };
        if let Some((when, line)) = &variant.when
            && let Ok(condition) = catalog.conditions.get_template(when)
        {
            // A condition may look at anything, but at nothing that is not there.
            for path in condition.undeclared_variables(true) {
                check_known(text, classes, &path, *line, &mut find);
            }
        }
        let mut paths: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        paths.sort();
        for path in &paths {
            let line = variant.line
                + template
                    .source()
                    .lines()
                    .position(|line| line.contains(path.as_str()))
                    .unwrap_or(0);
            check_path(text, classes, path, line, template.source(), &mut find);
        }
        check_together(text, template.source(), &paths, variant.line, &mut find);
        for (number, line) in template.source().lines().enumerate() {
            check_line(
                text,
                reserved,
                line,
                variant.line + number,
                number == 0,
                &mut find,
            );
        }
        check_filled(catalog, text, at, variant.line, &mut find);
    }
}

fn check_path(
    text: &TemplateText,
    classes: &BTreeSet<Class>,
    path: &str,
    line: usize,
    source: &str,
    find: &mut impl FnMut(usize, Severity, String),
) {
    check_known(text, classes, path, line, find);
    let sensitivity = sensitivity::of(path);
    // Whoever sees a phone can tell from a text for a few what they have; a mail is opened by its reader.
    let is_open = matches!(text.channel, Channel::Sms | Channel::Voice);
    let is_said = (is_open && sensitivity == Sensitivity::Medical) || is_printed(source, path);
    let verdict = sensitivity::verdict(sensitivity, text.channel);
    let Some(severity) = verdict.filter(|_| is_said && !text.is_approved) else {
        return;
    };
    let channel = text.channel;
    let message = if sensitivity == Sensitivity::Medical {
        format!(
            "`{path}` may not be said by {channel}: no diagnosis, drug, result or identity number"
        )
    } else {
        format!(
            "`{path}` may tell by {channel} what the patient has to whoever sees it; leave it out, or write `private = \"approved\"` in the head"
        )
    };
    find(line, severity, message);
}

/// The whole name beside the clinic's tells more than either.
fn check_together(
    text: &TemplateText,
    source: &str,
    paths: &[String],
    line: usize,
    find: &mut impl FnMut(usize, Severity, String),
) {
    let says = |wanted: &str| paths.iter().any(|path| path == wanted) && is_printed(source, wanted);
    let is_open = matches!(text.channel, Channel::Sms | Channel::Voice) && !text.is_approved;
    if is_open && says("patient.name") && says("occasion.department") {
        find(
            line,
            Severity::Warning,
            "names the patient in full beside the clinic: a salutation tells less, or write `private = \"approved\"` in the head".to_owned(),
        );
    }
}

/// A reminder fills only what the composer gives; other systems may give what they like.
fn check_known(
    text: &TemplateText,
    classes: &BTreeSet<Class>,
    path: &str,
    line: usize,
    find: &mut impl FnMut(usize, Severity, String),
) {
    let is_known = is_known(path);
    let is_data = path == "data" || path.starts_with("data.");
    let is_message =
        classes.is_empty() || text.template == "custom" || classes.contains(&Class::Reply);
    if !is_known && !is_data && !is_message {
        let near = KNOWN
            .iter()
            .map(|(known, _)| *known)
            .filter(|known| !known.ends_with('*'))
            .min_by_key(|known| distance(known, path));
        find(
            line,
            Severity::Error,
            format!(
                "`{path}` is nothing a reminder knows; did you mean `{}`?",
                near.unwrap_or("occasion.date")
            ),
        );
    }
}

fn check_line(
    text: &TemplateText,
    reserved: &[String],
    line: &str,
    number: usize,
    is_first: bool,
    find: &mut impl FnMut(usize, Severity, String),
) {
    if text.channel != Channel::Sms {
        return;
    }
    let brackets = line.matches('【').count();
    if brackets > usize::from(is_first) || (brackets == 1 && !line.starts_with('【')) {
        find(
            number,
            Severity::Error,
            "【】 may stand once, around the signature that leads the text".to_owned(),
        );
    }
    if let Some(word) = reserved::offered(line, reserved) {
        find(
            number,
            Severity::Error,
            format!("`{word}` is a reserved word of carriers: offer digits instead"),
        );
    }
    check_words(line, number, find);
}

/// Words that tell what the patient has.
const TELLING: &str =
    "糖尿病|艾滋|肿瘤|癌|精神科|性病|抑郁|diabetes|diabetic|cancer|psychiatr|hiv|oncolog|depress";

fn check_words(line: &str, number: usize, find: &mut impl FnMut(usize, Severity, String)) {
    let lower = line.to_lowercase();
    for word in TELLING.split('|').filter(|word| lower.contains(word)) {
        find(
            number,
            Severity::Warning,
            format!("`{word}` tells what the patient has to whoever sees the phone"),
        );
    }
    let is_latin = line.chars().all(|c| (c as u32) < 0x2e80);
    let is_costly = |c: &char| "‘’“”–—…\u{a0}\u{200b}".contains(*c);
    let costly: BTreeSet<char> = line.chars().filter(is_costly).collect();
    if is_latin && !costly.is_empty() {
        let costly: String = costly.into_iter().collect();
        find(
            number,
            Severity::Warning,
            format!(
                "`{costly}` makes every segment hold 70 characters instead of 160: write plain quotes, dashes and dots"
            ),
        );
    }
}

/// Fills the text with sample data of each kind of reader, whole and with all that may be absent left out.
fn check_filled(
    catalog: &Catalog,
    text: &TemplateText,
    at: usize,
    line: usize,
    find: &mut impl FnMut(usize, Severity, String),
) {
    let roles = [Role::Patient, Role::Family, Role::Staff];
    for role in roles {
        let data = sample(&text.language, text.channel, role);
        let context = engine_context(&data, &text.language, text.channel);
        match catalog.render_variant(text, at, &context) {
            Ok(rendered) => {
                if let Some(measure) = rendered
                    .measure
                    .filter(|measure| measure.segments > MANY_SEGMENTS)
                {
                    find(
                        line,
                        Severity::Warning,
                        format!(
                            "{} segments with sample data: more than {MANY_SEGMENTS} are costly and often cut",
                            measure.segments
                        ),
                    );
                }
            }
            // What no reminder knows is found by its path, what may be absent below.
            Err(RenderError::MissingValue { .. }) => {}
            Err(RenderError::Fault { line, message, .. }) => find(line, Severity::Error, message),
            Err(error) => find(line, Severity::Error, error.to_string()),
        }
    }
    let context = engine_context(
        &bare(&text.language, text.channel),
        &text.language,
        text.channel,
    );
    if let Err(RenderError::MissingValue { path, .. }) = catalog.render_variant(text, at, &context)
        && (path.contains("occasion.") || path.contains("attributes."))
    {
        find(
            line,
            Severity::Warning,
            format!(
                "prints `{path}` always: reminders without it will not be sent; write {{% if … %}} around it"
            ),
        );
    }
}

/// The sample without what the hospital may not know.
fn bare(tag: &str, channel: Channel) -> serde_json::Value {
    let mut data = sample(tag, channel, Role::Patient);
    for pointer in ["/occasion", "/occasions/0", "/occasions/1"] {
        if let Some(occasion) = data
            .pointer_mut(pointer)
            .and_then(serde_json::Value::as_object_mut)
        {
            for key in ["clock", "doctor", "place", "department"] {
                occasion.insert(key.to_owned(), serde_json::Value::Null);
            }
            occasion.insert("attributes".to_owned(), serde_json::json!({}));
        }
    }
    data
}

/// Edits between two words (Levenshtein), to guess what was meant.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The languages that `template` lacks among `wanted`, by the nearest language there is.
impl Catalog {
    /// The languages of `wanted` for which `template` has no text of its own on `channel`.
    pub fn missing_languages<'a>(
        &self,
        template: &str,
        channel: Channel,
        wanted: &[&'a str],
    ) -> Vec<&'a str> {
        let there: Vec<&str> = self
            .texts_of(template)
            .iter()
            .filter(|text| serves(text.channel, channel))
            .map(|text| text.language.as_str())
            .collect();
        wanted
            .iter()
            .copied()
            .filter(|want| !language::best(&[want], &there).is_some_and(|(_, is_wanted)| is_wanted))
            .collect()
    }
}
