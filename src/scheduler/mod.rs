//! Two stages: `plan` turns changed records and coming dates into reminders, `compose` turns due reminders
//! into messages, tasks or a named reason why not.
//!
//! Neither decides by itself: what a rule yields is `planning`'s, whether it may go is `gates`'.

pub mod compose;
mod make;
mod notes;
pub mod plan;
#[cfg(test)]
mod tests;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::gates::Caps;
use crate::rules::lead::{Distance, Unit};

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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            plan_ahead: SignedDuration::from_hours(48),
            cap_a_day: Caps::default().a_day,
            cap_a_week: Caps::default().a_week,
            chunk: 200,
            department: "clinical".to_owned(),
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

    /// The most patients or reminders in one transaction.
    pub(crate) fn limit(&self) -> i64 {
        i64::from(self.chunk.clamp(1, 1000))
    }
}

/// Reads `2d`, `1h`, `30m`.
fn duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SignedDuration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let read = |distance: Distance| match distance.unit {
        Unit::Days | Unit::Weeks => i64::try_from(distance.most_days())
            .ok()
            .map(|days| SignedDuration::from_hours(24 * days)),
        Unit::Hours | Unit::Minutes => distance.elapsed(),
        Unit::Months => None,
    };
    let known = Distance::parse(&text)
        .and_then(read)
        .filter(|read| *read > SignedDuration::ZERO);
    known.ok_or_else(|| {
        serde::de::Error::custom(format!(
            "`{text}` is no duration; expected one such as \"2d\", \"1h\" or \"30m\""
        ))
    })
}
