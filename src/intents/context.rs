//! What we asked, and what is known when the reply arrives.

use jiff::civil::DateTime;
use serde::Deserialize;

/// What a message asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Awaiting {
    /// Whether they will come.
    Confirm,
    /// Which of the offered times.
    Choice,
    /// A score.
    Survey,
    /// Nothing.
    #[default]
    None,
}

/// A time that was offered under a number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct OfferedTime {
    /// The number it was offered under.
    pub n: u32,
    /// When, on the local wall clock.
    #[serde(default)]
    pub at: Option<DateTime>,
    /// What else stood there, such as the doctor's name.
    #[serde(default)]
    pub label: String,
}

/// An earlier prompt, still unanswered when the latest one went out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PriorQuestion {
    /// What it asked for.
    #[serde(default)]
    pub awaiting: Awaiting,
    /// When it went out.
    #[serde(default)]
    pub sent_at: Option<DateTime>,
    /// The booking it was about.
    #[serde(default)]
    pub appointment_at: Option<DateTime>,
    /// What it offered.
    #[serde(default)]
    pub options: Vec<OfferedTime>,
}

/// The reader's input beside the text. All times are local wall clock in `tz`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ReplyContext {
    /// What the latest message asked for.
    #[serde(default)]
    pub awaiting: Awaiting,
    /// What it offered.
    #[serde(default)]
    pub options: Vec<OfferedTime>,
    /// The booking under discussion.
    #[serde(default)]
    pub appointment_at: Option<DateTime>,
    /// When it went out.
    #[serde(default)]
    pub sent_at: Option<DateTime>,
    /// When the reply arrived.
    pub now: DateTime,
    /// The IANA zone of all of these.
    #[serde(default)]
    pub tz: Option<String>,
    /// The language we write to them in, BCP 47.
    #[serde(default)]
    pub locale: Option<String>,
    /// The highest score of a survey.
    #[serde(default)]
    pub scale: Option<u8>,
    /// The earlier prompt.
    #[serde(default)]
    pub prior: Option<PriorQuestion>,
}

impl ReplyContext {
    /// A context in which nothing was asked.
    pub fn at(now: DateTime) -> Self {
        Self {
            awaiting: Awaiting::None,
            options: Vec::new(),
            appointment_at: None,
            sent_at: None,
            now,
            tz: None,
            locale: None,
            scale: None,
            prior: None,
        }
    }

    /// Whether the latest or the earlier prompt asked for `awaiting`.
    pub(crate) fn asks(&self, awaiting: Awaiting) -> bool {
        self.awaiting == awaiting
            || self
                .prior
                .as_ref()
                .is_some_and(|prior| prior.awaiting == awaiting)
    }

    /// The booking that words about coming or not are about.
    pub(crate) fn booking(&self) -> Option<DateTime> {
        match &self.prior {
            Some(prior)
                if self.awaiting != Awaiting::Confirm && prior.awaiting == Awaiting::Confirm =>
            {
                prior.appointment_at.or(self.appointment_at)
            }
            Some(_) | None => self.appointment_at,
        }
    }

    /// Whether that booking is still to come; unknown counts as to come while a confirmation is awaited.
    pub(crate) fn is_ahead(&self) -> bool {
        match self.booking() {
            Some(at) => at > self.now,
            None => self.asks(Awaiting::Confirm),
        }
    }
}
