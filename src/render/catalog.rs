//! The catalog: all templates, read and compiled once, then only looked up.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::Path;

use minijinja::Environment;
use minijinja::value::{Serde, Value};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::model::class::Channel;
use crate::model::private::Private;
use crate::render::engine::{self, Failure};
use crate::render::language;
use crate::render::source::{self, FileName, Form};
use crate::render::{RenderError, Rendered};
use crate::segments::measure;

/// Segments above which a text is worth a warning.
pub(crate) const MANY_SEGMENTS: usize = 3;

/// One file of a template.
#[derive(Clone, Debug)]
pub struct TemplateText {
    /// The path it was loaded from.
    pub file: String,
    /// The template it belongs to.
    pub template: String,
    /// Its language, as the file name has it.
    pub language: String,
    /// Its channel.
    pub channel: Channel,
    /// What staff see in lists.
    pub title: Option<String>,
    /// Whether somebody accepted what it tells of patients.
    pub is_approved: bool,
    /// A hash of its content.
    pub version: String,
    /// The file as it was read.
    pub source: String,
    pub(crate) form: Form,
    pub(crate) variants: Vec<Variant>,
}

/// One text of a file, by the names of its parts in the engines.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) when: Option<(String, usize)>,
    pub(crate) subject: Option<(String, usize)>,
    pub(crate) name: String,
    pub(crate) line: usize,
}

/// All templates.
#[derive(Clone)]
pub struct Catalog {
    pub(crate) texts: Environment<'static>,
    pub(crate) conditions: Environment<'static>,
    templates: BTreeMap<String, Vec<TemplateText>>,
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("templates", &self.templates.keys())
            .finish_non_exhaustive()
    }
}

impl Catalog {
    /// Reads `files`, each a path ending in `<template>/<language>.<channel>.<ext>` and its content.
    ///
    /// What cannot be read is named in the errors and left out.
    pub fn load(files: impl IntoIterator<Item = (String, String)>) -> (Self, Vec<RenderError>) {
        let mut catalog = Self {
            texts: engine::texts(),
            conditions: engine::conditions(),
            templates: BTreeMap::new(),
        };
        let mut errors = Vec::new();
        let mut files: Vec<(String, String)> = files.into_iter().collect();
        files.sort();
        for (path, content) in files {
            if let Err(error) = catalog.add(&path, &content) {
                errors.push(error);
            }
        }
        (catalog, errors)
    }

    /// Reads every `.txt` and `.html` one folder below `dir`.
    pub fn load_dir(dir: &Path) -> (Self, Vec<RenderError>) {
        let (mut files, mut errors) = (Vec::new(), Vec::new());
        let unreadable = |path: &Path, error: &std::io::Error| RenderError::Unreadable {
            file: path.display().to_string(),
            reason: error.to_string(),
        };
        let folders = match std::fs::read_dir(dir) {
            Ok(folders) => folders,
            Err(error) => {
                let (catalog, _) = Self::load([]);
                return (catalog, vec![unreadable(dir, &error)]);
            }
        };
        for folder in folders
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
        {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    errors.push(unreadable(&folder, &error));
                    continue;
                }
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                let is_text = path.extension().is_some_and(|e| e == "txt" || e == "html");
                if !is_text
                    || path
                        .file_name()
                        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
                {
                    continue;
                }
                match std::fs::read_to_string(&path) {
                    Ok(content) => files.push((path.display().to_string(), content)),
                    Err(error) => errors.push(unreadable(&path, &error)),
                }
            }
        }
        let (catalog, more) = Self::load(files);
        errors.extend(more);
        (catalog, errors)
    }

    fn add(&mut self, path: &str, content: &str) -> Result<(), RenderError> {
        let name = FileName::parse(path)?;
        let (head, blocks) = source::parse(path, &name, content)?;
        let mut variants = Vec::new();
        let stem = format!(
            "{}/{}.{}.{}",
            name.template,
            name.language,
            name.channel,
            if name.form == Form::Html {
                "html"
            } else {
                "txt"
            }
        );
        for (at, block) in blocks.into_iter().enumerate() {
            let key = format!("{stem}#{at}");
            let fault = |line: usize| {
                move |error: minijinja::Error| fault_of(path, line, "", engine::failure(&error))
            };
            self.texts
                .add_template_owned(key.clone(), block.text)
                .map_err(fault(block.line))?;
            let subject = match block.subject {
                Some((subject, line)) => {
                    // Not named `.html`: a head line is never marked up.
                    let subject_key = format!(
                        "{}/{}.{}.subject#{at}",
                        name.template, name.language, name.channel
                    );
                    let subject_key = if name.form == Form::Html {
                        format!("{subject_key}-h")
                    } else {
                        subject_key
                    };
                    self.texts
                        .add_template_owned(subject_key.clone(), subject)
                        .map_err(fault(line))?;
                    Some((subject_key, line))
                }
                None => None,
            };
            let when = match block.when {
                Some(when) => {
                    self.conditions
                        .add_template_owned(key.clone(), engine::condition(&when))
                        .map_err(fault(block.when_line))?;
                    Some((key.clone(), block.when_line))
                }
                None => None,
            };
            variants.push(Variant {
                when,
                subject,
                name: key,
                line: block.line,
            });
        }
        let text = TemplateText {
            file: path.to_owned(),
            template: name.template.clone(),
            language: name.language,
            channel: name.channel,
            title: head.title,
            is_approved: head.private.is_some(),
            version: version_of(content),
            source: content.to_owned(),
            form: name.form,
            variants,
        };
        self.templates.entry(name.template).or_default().push(text);
        Ok(())
    }

    /// The names of all templates.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.templates.keys().map(String::as_str)
    }

    /// All files of a template.
    pub fn texts_of(&self, template: &str) -> &[TemplateText] {
        self.templates.get(template).map_or(&[], Vec::as_slice)
    }

    /// Whether `template` has any text for `channel`.
    pub fn has(&self, template: &str, channel: Channel) -> bool {
        self.texts_of(template)
            .iter()
            .any(|text| serves(text.channel, channel))
    }

    /// Fills `template` for a reader of `languages` (best first) with `context`.
    ///
    /// # Errors
    /// When there is no such text, or a value that it prints is missing, null or empty.
    pub fn render(
        &self,
        template: &str,
        languages: &[&str],
        channel: Channel,
        context: &serde_json::Value,
    ) -> Result<Rendered, RenderError> {
        let (text, html, is_wanted) = self.pick(template, languages, channel)?;
        let context = engine_context(context, &text.language, channel);
        let mut rendered = self.render_variant(text, self.variant_of(text, &context)?, &context)?;
        if let Some(html) = html {
            rendered.html = self
                .render_variant(html, self.variant_of(html, &context)?, &context)?
                .html;
        }
        if !is_wanted {
            rendered.warnings.push(format!(
                "no text in {}: taken in {}",
                languages.join(", "),
                text.language
            ));
        }
        Ok(rendered)
    }

    /// Whether the text that `render` would choose prints `occasions`, and not only the first of them.
    pub fn lists_occasions(
        &self,
        template: &str,
        languages: &[&str],
        channel: Channel,
        context: &serde_json::Value,
    ) -> bool {
        let Ok((text, html, _)) = self.pick(template, languages, channel) else {
            return false;
        };
        let context = engine_context(context, &text.language, channel);
        let lists = |text: &TemplateText| {
            let chosen = self.variant_of(text, &context).ok();
            let chosen = chosen.and_then(|at| text.variants.get(at));
            let body = chosen.and_then(|variant| self.texts.get_template(&variant.name).ok());
            body.is_some_and(|body| body.undeclared_variables(false).contains("occasions"))
        };
        lists(text) && html.is_none_or(lists)
    }

    fn pick(
        &self,
        template: &str,
        languages: &[&str],
        channel: Channel,
    ) -> Result<(&TemplateText, Option<&TemplateText>, bool), RenderError> {
        let all = self
            .templates
            .get(template)
            .ok_or_else(|| RenderError::UnknownTemplate {
                template: template.to_owned(),
            })?;
        let mut there: Vec<&TemplateText> =
            all.iter().filter(|text| text.channel == channel).collect();
        if there.is_empty() {
            there = all
                .iter()
                .filter(|text| serves(text.channel, channel))
                .collect();
        }
        let tags: Vec<&str> = there.iter().map(|text| text.language.as_str()).collect();
        let best = language::best(languages, &tags);
        let (tag, is_wanted) = best.ok_or_else(|| RenderError::NoText {
            template: template.to_owned(),
            channel: channel.as_str(),
        })?;
        let of_form = |form: Form| {
            there
                .iter()
                .find(|text| text.language == tag && text.form == form)
                .copied()
        };
        let (plain, html) = (of_form(Form::Plain), of_form(Form::Html));
        let text = plain.or(html).expect("the tag was taken from one of them");
        Ok((text, html, is_wanted))
    }

    fn variant_of(&self, text: &TemplateText, context: &Value) -> Result<usize, RenderError> {
        for (at, variant) in text.variants.iter().enumerate() {
            if let Some((when, line)) = &variant.when {
                let holds = engine::holds(&self.conditions, when, context);
                if holds.map_err(|failure| fault_of(&text.file, *line, &text.template, failure))? {
                    return Ok(at);
                }
            }
        }
        Ok(0)
    }

    /// Fills one variant of one file, whether its condition holds or not.
    pub(crate) fn render_variant(
        &self,
        text: &TemplateText,
        at: usize,
        context: &Value,
    ) -> Result<Rendered, RenderError> {
        let variant = text
            .variants
            .get(at)
            .or_else(|| text.variants.first())
            .expect("a file has a text");
        let fill = |name: &str, line: usize| {
            engine::render(&self.texts, name, context)
                .map_err(|failure| fault_of(&text.file, line, &text.template, failure))
        };
        let body = without_gaps(&fill(&variant.name, variant.line)?, text.channel);
        let subject = variant.subject.as_ref().or_else(|| {
            text.variants
                .first()
                .and_then(|first| first.subject.as_ref())
        });
        let subject = match subject {
            Some((name, line)) => Some(Private::new(fill(name, *line)?.replace('\n', " "))),
            None => None,
        };
        let is_html = text.form == Form::Html;
        let measure = (text.channel == Channel::Sms).then(|| measure(&body));
        let mut warnings = Vec::new();
        if let Some(measure) = measure.filter(|measure| measure.segments > MANY_SEGMENTS) {
            warnings.push(format!("{} segments", measure.segments));
        }
        Ok(Rendered {
            html: is_html.then(|| Private::new(body.clone())),
            text: Private::new(if is_html { plain_of(&body) } else { body }),
            subject,
            language: text.language.clone(),
            version: text.version.clone(),
            measure,
            variant: at.checked_sub(1),
            warnings,
        })
    }
}

/// A text for the console serves both of its channels.
pub(crate) fn serves(has: Channel, wanted: Channel) -> bool {
    has == wanted
        || matches!(
            (has, wanted),
            (Channel::Popup, Channel::Task) | (Channel::Task, Channel::Popup)
        )
}

/// The data as the engine takes it: enqueued keys also at top level, lists that may be left out, the language.
pub(crate) fn engine_context(
    context: &serde_json::Value,
    language: &str,
    channel: Channel,
) -> Value {
    let mut map = context.as_object().cloned().unwrap_or_default();
    if let Some(data) = map
        .get("data")
        .and_then(serde_json::Value::as_object)
        .cloned()
    {
        for (key, value) in data {
            map.entry(key).or_insert(value);
        }
    }
    map.entry("occasions").or_insert_with(|| json!([]));
    map.entry("ask").or_insert(json!(false));
    for name in ["site", "patient", "recipient", "occasion"] {
        let part = map.entry(name).or_insert_with(|| json!({}));
        if let Some(part) = part.as_object_mut().filter(|_| name != "site") {
            part.entry("attributes").or_insert_with(|| json!({}));
        }
    }
    map.insert("language".to_owned(), json!(language));
    map.insert("channel".to_owned(), json!(channel.as_str()));
    Value::from(Serde(serde_json::Value::Object(map)))
}

fn fault_of(file: &str, line: usize, template: &str, failure: Failure) -> RenderError {
    match failure {
        Failure::Missing(path) => RenderError::MissingValue {
            template: template.to_owned(),
            path,
        },
        Failure::TooLong => RenderError::TooLong {
            file: file.to_owned(),
        },
        Failure::Fault {
            line: within,
            message,
        } => RenderError::Fault {
            file: file.to_owned(),
            line: line + within.saturating_sub(1),
            message,
        },
    }
}

/// A text without the gaps that left-out lines leave: no empty lines in an SMS, one at a time elsewhere.
fn without_gaps(text: &str, channel: Channel) -> String {
    let most_empty = usize::from(!matches!(channel, Channel::Sms | Channel::Voice));
    let (mut whole, mut empty) = (String::with_capacity(text.len()), 0);
    for line in text.lines().map(str::trim_end) {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty > most_empty {
            continue;
        }
        if !whole.is_empty() {
            whole.push('\n');
        }
        whole.push_str(line);
    }
    whole
}

fn version_of(content: &str) -> String {
    let mut version = String::with_capacity(16);
    for byte in Sha256::digest(content.as_bytes()).iter().take(8) {
        let _ = write!(version, "{byte:02x}");
    }
    version
}

/// HTML as plain text, for readers of mail who see no HTML.
fn plain_of(html: &str) -> String {
    let mut plain = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        plain.push_str(before);
        let (tag, after) = after.split_once('>').unwrap_or((after, ""));
        let tag = tag
            .trim_start_matches('/')
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_lowercase();
        if matches!(
            tag.trim_end_matches('/'),
            "p" | "br" | "div" | "li" | "tr" | "h1" | "h2" | "h3"
        ) && !plain.ends_with('\n')
        {
            plain.push('\n');
        }
        rest = after;
    }
    plain.push_str(rest);
    let plain = plain
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#x27;", "'");
    let plain = plain
        .replace("&#x2f;", "/")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&");
    let lines: Vec<&str> = plain
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("\n")
}
