//! `carebell templates preview`: what a template says, and what it costs.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use crate::model::class::{Channel, Role};
use crate::render::{Catalog, RenderError, Rendered, sample};
use crate::segments::Alphabet;

/// Prints `template` filled with the JSON of `data`, or with sample data; 1 when it cannot be filled.
///
/// # Errors
/// When the folder or the data cannot be read: exit 3.
pub fn preview(
    dir: &Path,
    template: &str,
    language: &str,
    channel: Channel,
    data: Option<&Path>,
    json: bool,
) -> anyhow::Result<u8> {
    let context = match data {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            serde_json::from_str(&text)
                .with_context(|| format!("{}: expected JSON", path.display()))?
        }
        None => sample_for(template, language, channel),
    };
    let (catalog, errors) = Catalog::load_dir(dir);
    if let Some(error) = errors
        .iter()
        .find(|error| matches!(error, RenderError::Unreadable { .. }))
    {
        anyhow::bail!("{error}");
    }
    let mut out = std::io::stdout().lock();
    let mine: Vec<&RenderError> = errors
        .iter()
        .filter(|error| is_about(error, template))
        .collect();
    let rendered = catalog.render(template, &[language], channel, &context);
    match rendered {
        Ok(rendered) => {
            if json {
                writeln!(out, "{}", as_json(template, channel, &rendered))?;
            } else {
                write_text(&mut out, &rendered, &mine)?;
            }
            Ok(u8::from(!mine.is_empty()))
        }
        Err(error) => {
            let reason = mine
                .first()
                .map_or_else(|| error.to_string(), |first| first.to_string());
            if json {
                writeln!(out, "{}", json!({"template": template, "error": reason}))?;
            } else {
                writeln!(std::io::stderr(), "{reason}")?;
            }
            Ok(1)
        }
    }
}

fn sample_for(template: &str, language: &str, channel: Channel) -> serde_json::Value {
    let role = if template.ends_with("_staff") {
        Role::Staff
    } else {
        Role::Patient
    };
    let mut data = sample(language, channel, role);
    if let Some(data) = data.as_object_mut() {
        data.remove("occasions");
    }
    data
}

fn is_about(error: &RenderError, template: &str) -> bool {
    let file = match error {
        RenderError::Fault { file, .. }
        | RenderError::Parse { file, .. }
        | RenderError::TooLong { file }
        | RenderError::Unreadable { file, .. } => file,
        RenderError::UnknownTemplate { .. }
        | RenderError::NoText { .. }
        | RenderError::MissingValue { .. } => return false,
    };
    Path::new(file)
        .parent()
        .and_then(Path::file_name)
        .is_some_and(|folder| folder == template)
}

const fn encoding(alphabet: Alphabet) -> &'static str {
    match alphabet {
        Alphabet::Gsm7 => "gsm7",
        Alphabet::Ucs2 => "ucs2",
    }
}

fn as_json(template: &str, channel: Channel, rendered: &Rendered) -> serde_json::Value {
    let mut line = json!({
        "template": template, "language": rendered.language, "channel": channel, "version": rendered.version,
        "variant": rendered.variant, "text": rendered.text.reveal(), "warnings": rendered.warnings,
    });
    if let Some(subject) = &rendered.subject {
        line["subject"] = json!(subject.reveal());
    }
    if let Some(html) = &rendered.html {
        line["html"] = json!(html.reveal());
    }
    if let Some(measure) = &rendered.measure {
        line["encoding"] = json!(encoding(measure.alphabet));
        line["units"] = json!(measure.units);
        line["segments"] = json!(measure.segments);
    }
    line
}

fn write_text(
    out: &mut impl std::io::Write,
    rendered: &Rendered,
    errors: &[&RenderError],
) -> std::io::Result<()> {
    if let Some(subject) = &rendered.subject {
        writeln!(out, "Subject: {}\n", subject.reveal())?;
    }
    writeln!(out, "{}\n", rendered.text.reveal())?;
    let variant = rendered.variant.map_or_else(
        || "the text for everybody".to_owned(),
        |at| format!("variant {}", at + 1),
    );
    writeln!(
        out,
        "{} · {variant} · version {}",
        rendered.language, rendered.version
    )?;
    if let Some(measure) = &rendered.measure {
        let unit = match measure.alphabet {
            Alphabet::Gsm7 => "septets",
            Alphabet::Ucs2 => "UTF-16 units",
        };
        let segments = if measure.segments == 1 {
            "segment"
        } else {
            "segments"
        };
        writeln!(
            out,
            "{} · {} {unit} · {} {segments}",
            encoding(measure.alphabet),
            measure.units,
            measure.segments
        )?;
    }
    for warning in &rendered.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    for error in errors {
        writeln!(out, "error: {error}")?;
    }
    Ok(())
}
