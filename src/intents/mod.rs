//! Reads what a patient answered: a text and the open question give an intent and its slots, or unknown.
//!
//! Knows words, dates and questions, but no bookings and no database: what an intent does is decided in `inbound`.
//! Labels, precedence and conventions are those of the label guide for replies.

mod booking;
mod choice;
mod clocks;
mod context;
mod dates;
mod days_chinese;
mod days_latin;
mod decide;
mod fold;
mod lexicon;
mod moments;
mod numbers;
mod phrase;
mod proposal;
mod rating;
mod reading;
mod script;
mod sense;
mod shifts;
mod strip;
#[cfg(test)]
mod tests;
mod token;
mod typo;
mod wish;
mod words;

pub use context::{Awaiting, OfferedTime, PriorQuestion, ReplyContext};
pub use lexicon::LexiconError;
pub use reading::{DayPart, Intent, Matched, Reading, Slots, StopReason};

use std::path::Path;
use std::sync::LazyLock;

use lexicon::Lexicon;

static BUILTIN: LazyLock<Reader> = LazyLock::new(|| Reader {
    lexicon: Lexicon::builtin(),
});

/// A reader of replies with its words.
#[derive(Clone, Debug)]
pub struct Reader {
    lexicon: Lexicon,
}

impl Reader {
    /// The reader with the words that are compiled in.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// A reader with the words of `dir`: a file there replaces the shipped one of its name, or adds a language.
    ///
    /// # Errors
    /// When a file cannot be read or has a mistake.
    pub fn load_dir(dir: &Path) -> Result<Self, Vec<LexiconError>> {
        Ok(Self {
            lexicon: Lexicon::load_dir(dir)?,
        })
    }

    /// Reads `text` as an answer in `context`. In doubt it is unknown, for a human.
    pub fn read(&self, text: &str, context: &ReplyContext) -> Reading {
        decide::read(&self.lexicon, text, context)
    }
}

/// Reads `text` as an answer in `context`, with the shipped words.
pub fn read(text: &str, context: &ReplyContext) -> Reading {
    Reader::builtin().read(text, context)
}
