//! What a reply was read as.

use jiff::civil::{Date, DateTime};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::model::private::Private;

/// What a reply means, in the order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// A person is in acute danger.
    Emergency,
    /// The number is not the patient's, or the patient has died.
    StopWrongNumber,
    /// No more messages.
    OptOut,
    /// Another time.
    Reschedule,
    /// Will not come.
    Cancel,
    /// On the way, or late.
    RunningLate,
    /// One of the offered times.
    Choice,
    /// A score.
    Rating,
    /// Will come.
    Confirm,
    /// Something was bad.
    Complaint,
    /// Wants to know something.
    Question,
    /// Wants to know what this number does.
    Help,
    /// Messages again.
    OptIn,
    /// Thanks, or an end of the talk.
    Gratitude,
    /// Anything else.
    Unknown,
}

impl Intent {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::StopWrongNumber => "stop_wrong_number",
            Self::OptOut => "opt_out",
            Self::Reschedule => "reschedule",
            Self::Cancel => "cancel",
            Self::RunningLate => "running_late",
            Self::Choice => "choice",
            Self::Rating => "rating",
            Self::Confirm => "confirm",
            Self::Complaint => "complaint",
            Self::Question => "question",
            Self::Help => "help",
            Self::OptIn => "opt_in",
            Self::Gratitude => "gratitude",
            Self::Unknown => "unknown",
        }
    }
}

/// Why nothing may be sent to the number any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It is somebody else's.
    WrongNumber,
    /// The patient has died.
    Deceased,
}

/// A part of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DayPart {
    /// Before noon.
    Morning,
    /// After noon.
    Afternoon,
    /// After work.
    Evening,
}

impl DayPart {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Morning => "morning",
            Self::Afternoon => "afternoon",
            Self::Evening => "evening",
        }
    }
}

/// What was named in the reply. A parsed time is a wish; it moves no booking by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// The wanted day and clock, local.
    pub datetime: Option<DateTime>,
    /// The wanted day, when no clock was named.
    pub date: Option<Date>,
    /// The wanted part of the day, when no clock was named.
    pub period: Option<DayPart>,
    /// The number of the chosen option.
    pub choice: Option<u32>,
    /// The score.
    pub rating: Option<u8>,
}

impl Serialize for Slots {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(at) = self.datetime {
            map.serialize_entry("datetime", &at.strftime("%Y-%m-%dT%H:%M").to_string())?;
        }
        if let Some(date) = self.date {
            map.serialize_entry("date", &date.to_string())?;
        }
        if let Some(period) = self.period {
            map.serialize_entry("period", &period)?;
        }
        if let Some(choice) = self.choice {
            map.serialize_entry("choice", &choice)?;
        }
        if let Some(rating) = self.rating {
            map.serialize_entry("rating", &rating)?;
        }
        map.end()
    }
}

/// One thing that was found in a reply, and the words it was found in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// What the words mean by themselves.
    pub sense: &'static str,
    /// The words, folded.
    pub words: Private<String>,
}

/// A reply, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What it means.
    pub intent: Intent,
    /// What it names.
    pub slots: Slots,
    /// Why to stop, with `Intent::StopWrongNumber`.
    pub stop_reason: Option<StopReason>,
    /// Whether a person must look at it.
    pub needs_human: bool,
    /// What it was decided from.
    pub matched: Vec<Matched>,
}

impl Reading {
    pub(crate) fn new(intent: Intent, needs_human: bool) -> Self {
        Self {
            intent,
            slots: Slots::default(),
            stop_reason: None,
            needs_human,
            matched: Vec::new(),
        }
    }

    /// In doubt: a person decides.
    pub(crate) fn unknown() -> Self {
        Self::new(Intent::Unknown, true)
    }

    pub(crate) fn with(mut self, slots: Slots) -> Self {
        self.slots = slots;
        self
    }

    pub(crate) fn human_if(mut self, needs_human: bool) -> Self {
        self.needs_human |= needs_human;
        self
    }
}
