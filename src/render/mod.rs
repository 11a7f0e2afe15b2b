//! Renders messages: picks language and variant, fills the text, counts its segments, finds its faults.
//!
//! Pure but for `Catalog::load_dir`. Who gets what, and whether, is decided elsewhere.

mod catalog;
mod engine;
mod feasts;
mod filters;
mod language;
mod lint;
mod names;
mod reserved;
mod sample;
mod sensitivity;
mod source;
#[cfg(test)]
mod tests;

pub use catalog::{Catalog, TemplateText};
pub use lint::{Finding, Severity, lint, lint_with};
pub use reserved::RESERVED_WORDS;
pub use sample::sample;

use crate::model::private::Private;
use crate::segments::{Measure, measure};

/// A text ready to go.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// What to say.
    pub text: Private<String>,
    /// The head line of a mail, task or popup.
    pub subject: Option<Private<String>>,
    /// The same mail in HTML, where the template has it.
    pub html: Option<Private<String>>,
    /// The language it is in.
    pub language: String,
    /// A hash of the file it was made from.
    pub version: String,
    /// What it costs, for an SMS.
    pub measure: Option<Measure>,
    /// Which `--- when` was taken, from 0; `None` for the text for everybody else.
    pub variant: Option<usize>,
    /// What staff should know; no private values.
    pub warnings: Vec<String>,
}

impl Rendered {
    /// Adds a line at the end, and counts anew what it costs.
    pub fn add_line(&mut self, line: &str) {
        let text = format!("{}\n{line}", self.text.reveal());
        self.measure = self.measure.is_some().then(|| measure(&text));
        self.text = Private::new(text);
        // It stands in the plain text alone.
        self.html = None;
    }
}

/// Why there is no text. It never holds a value of the data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Nobody wrote such a template.
    #[error("unknown template `{template}`")]
    UnknownTemplate {
        /// Its name.
        template: String,
    },
    /// It is there, but not for this channel.
    #[error("template `{template}` has no text for {channel}")]
    NoText {
        /// Its name.
        template: String,
        /// The channel.
        channel: &'static str,
    },
    /// It prints a value that is missing, null or empty.
    #[error("template `{template}` prints `{path}`, which has no value")]
    MissingValue {
        /// Its name.
        template: String,
        /// What it prints, as the template has it.
        path: String,
    },
    /// It cannot be filled.
    #[error("{file}:{line}: {message}")]
    Fault {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The file cannot be read as a template; line 0 means its name.
    #[error("{file}{}: expected {expected}", if *line == 0 { String::new() } else { format!(":{line}") })]
    Parse {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What was expected there.
        expected: String,
    },
    /// It grew beyond all bounds.
    #[error("{file}: the text is longer than {} bytes", engine::MOST_BYTES)]
    TooLong {
        /// The file.
        file: String,
    },
    /// The file or folder cannot be read at all.
    #[error("{file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        reason: String,
    },
}
