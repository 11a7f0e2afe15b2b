//! What a message says on each of its channels.

use jiff::Timestamp;

use super::fields::Fault;
use super::reach::Target;
use super::request::{Content, MessageRequest};
use super::{Intake, context};
use crate::model::class::Channel;
use crate::model::occasion::Occasion;
use crate::model::patient::Patient;
use crate::model::private::Private;
use crate::render::RenderError;
use crate::segments::measure;
use crate::store::messages::Way;

/// The most segments of one SMS: 1,675 Chinese characters.
const MOST_SEGMENTS: usize = 25;

/// The words, and where they came from.
#[derive(Clone, Debug)]
pub(super) struct Wording {
    /// One for each target, in order.
    pub(super) ways: Vec<Way>,
    /// The language they are in.
    pub(super) language: Option<String>,
    /// The template and its version.
    pub(super) template: Option<(String, String)>,
}

/// Words `request` for each of `targets`. A template's missing value is the caller's fault, and named.
pub(super) fn write(
    intake: &Intake,
    request: &MessageRequest,
    patient: Option<&Patient>,
    occasion: Option<&Occasion>,
    targets: &[Target],
    now: Timestamp,
) -> Result<Wording, Fault> {
    let mut wording = Wording {
        ways: Vec::new(),
        language: request.language.clone(),
        template: None,
    };
    match &request.content {
        Content::Text { text, subject } => {
            for target in targets {
                wording
                    .ways
                    .push(way(target, text.clone(), subject.clone(), "text")?);
            }
        }
        Content::Template { name, data } => {
            let context = context::context(
                data.reveal(),
                &intake.site,
                patient,
                occasion,
                request.ask.is_some(),
                now,
            );
            let own = patient.and_then(|patient| patient.language.as_deref());
            let languages: Vec<&str> = request
                .language
                .as_deref()
                .into_iter()
                .chain(own)
                .chain([intake.site.language.as_str()])
                .collect();
            let catalog = intake.catalog.borrow().clone();
            // A patient whom nothing reaches: the template is tried all the same, so that its caller hears of a fault.
            let tried = if targets.is_empty() {
                vec![Channel::Sms]
            } else {
                targets.iter().map(|target| target.channel).collect()
            };
            for (n, channel) in tried.into_iter().enumerate() {
                let rendered = catalog
                    .render(name, &languages, channel, context.reveal())
                    .map_err(|problem| fault(&problem))?;
                if wording.template.is_none() {
                    wording.language = Some(rendered.language);
                    wording.template = Some((name.clone(), rendered.version));
                }
                if let Some(target) = targets.get(n) {
                    wording
                        .ways
                        .push(way(target, rendered.text, rendered.subject, "template")?);
                }
            }
        }
    }
    Ok(wording)
}

fn way(
    target: &Target,
    text: Private<String>,
    subject: Option<Private<String>>,
    path: &str,
) -> Result<Way, Fault> {
    let segments = match target.channel {
        Channel::Sms => measure(text.reveal()).segments,
        Channel::Email | Channel::Voice | Channel::Popup | Channel::Task => 1,
    };
    if segments > MOST_SEGMENTS {
        let expected = format!("at most {MOST_SEGMENTS} segments as an SMS, or another channel");
        return Err(Fault {
            code: "too_long",
            path: path.to_owned(),
            expected,
        });
    }
    Ok(Way {
        channel: target.channel,
        address: target.address.clone(),
        text,
        subject,
        segments,
    })
}

/// A fault of the template, as far as a caller can do something about it; its errors hold no value.
fn fault(problem: &RenderError) -> Fault {
    let at = |code, path: &str| Fault {
        code,
        path: path.to_owned(),
        expected: format!("something else: {problem}"),
    };
    match problem {
        RenderError::UnknownTemplate { .. } => Fault {
            code: "unknown_template",
            path: "template".to_owned(),
            expected: "a template of this site".to_owned(),
        },
        RenderError::NoText { channel, .. } => Fault {
            code: "no_text",
            path: "channels".to_owned(),
            expected: format!("a channel that the template has words for, which {channel} is not"),
        },
        RenderError::MissingValue { path, .. } => {
            let is_ours = ["data.", "patient.", "occasion.", "site.", "recipient."]
                .iter()
                .any(|root| path.starts_with(root));
            let path = if is_ours {
                path.clone()
            } else {
                format!("data.{path}")
            };
            Fault {
                code: "missing_value",
                path,
                expected: "a value, which the template prints".to_owned(),
            }
        }
        RenderError::Fault { .. }
        | RenderError::Parse { .. }
        | RenderError::TooLong { .. }
        | RenderError::Unreadable { .. } => at("template_fault", "template"),
    }
}
