//! Two stages: `plan` turns changed records and coming dates into reminders, `compose` turns due reminders
//! into messages, tasks or a named reason why not.
//!
//! Neither decides by itself: what a rule yields is `planning`'s, whether it may go is `gates`'.

mod approval;
mod campaigns;
pub mod compose;
mod digest;
mod make;
mod notes;
pub mod plan;
pub mod switching;
#[cfg(test)]
mod tests;
mod workdays;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::gates::Caps;

/// How planning goes about its work.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How far ahead birthdays, holidays and other reckoned dates are planned, such as `2d`.
    #[serde(deserialize_with = "duration")]
    pub plan_ahead: SignedDuration,
    /// How many greetings, tips, surveys, invitations and promotions one recipient gets a day.
    pub cap_a_day: u32,
    /// And in seven days.
    pub cap_a_week: u32,
    /// How many patients are planned, or reminders composed, in one transaction.
    pub chunk: u32,
    /// The department that gets the tasks no other owns.
    pub department: String,
    /// A campaign, or a rule that is switched on, that reaches more patients than this on its first day waits for
    /// a second person; 0 is no limit.
    pub activation_cap: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            plan_ahead: SignedDuration::from_hours(48),
            cap_a_day: Caps::default().a_day,
            cap_a_week: Caps::default().a_week,
            chunk: 200,
            department: "clinical".to_owned(),
            activation_cap: 1000,
        }
    }
}

impl Settings {
    /// The caps as the gates take them.
    pub const fn caps(&self) -> Caps {
        Caps {
            a_day: self.cap_a_day,
            a_week: self.cap_a_week,
        }
    }

    /// Whether a second person has to agree to something that reaches so many on its first day.
    pub(crate) fn is_too_many(&self, reach: i64) -> bool {
        self.activation_cap > 0 && reach > i64::from(self.activation_cap)
    }

    /// The most patients or reminders in one transaction.
    pub(crate) fn limit(&self) -> i64 {
        i64::from(self.chunk.clamp(1, 1000))
    }
}

/// Reads `2d`, `36h`, `90m`.
fn duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SignedDuration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let read = text.split_at_checked(text.len().saturating_sub(1));
    let read = read.and_then(|(count, unit)| {
        let count: i32 = count.parse().ok()?;
        match unit {
            "d" => Some(SignedDuration::from_hours(24 * i64::from(count))),
            "h" => Some(SignedDuration::from_hours(count.into())),
            "m" => Some(SignedDuration::from_mins(count.into())),
            _ => None,
        }
    });
    read.filter(|read| *read > SignedDuration::ZERO)
        .ok_or_else(|| {
            let expected = "expected a duration such as \"2d\", \"36h\" or \"90m\"";
            serde::de::Error::custom(format!("`{text}`: {expected}"))
        })
}
