//! Who works here: how sources call them, and when they are away.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A time in which a member of staff gets nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Away {
    /// The first day; `None`: already.
    pub from: Option<Date>,
    /// The last day; `None`: until further notice.
    pub until: Option<Date>,
}

impl Away {
    /// Whether `day` lies within.
    pub fn covers(self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day <= until)
    }

    /// Whether it ends before it begins.
    pub fn is_empty(self) -> bool {
        matches!((self.from, self.until), (Some(from), Some(until)) if until < from)
    }
}

/// How a source calls a member of staff: `his/D17`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct StaffKey {
    /// The source.
    pub source: String,
    /// Its key.
    pub key: String,
}

impl StaffKey {
    /// Reads `source/key`.
    pub fn parse(text: &str) -> Option<Self> {
        let (source, key) = text.split_once('/')?;
        (!source.is_empty() && !key.is_empty()).then(|| Self {
            source: source.to_owned(),
            key: key.to_owned(),
        })
    }

    /// `source/key`.
    pub fn to_text(&self) -> String {
        format!("{}/{}", self.source, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::{Away, StaffKey};

    #[test]
    fn both_days_of_an_absence_are_included_and_either_may_be_open() {
        let day = |text: &str| text.parse().unwrap();
        let away = |from: Option<&str>, until: Option<&str>| Away {
            from: from.map(day),
            until: until.map(day),
        };
        let leave = away(Some("2026-07-01"), Some("2026-07-20"));
        assert!(leave.covers(day("2026-07-01")) && leave.covers(day("2026-07-20")));
        assert!(!leave.covers(day("2026-06-30")) && !leave.covers(day("2026-07-21")));
        assert!(away(Some("2026-07-01"), None).covers(day("2030-01-01")));
        assert!(away(None, Some("2026-07-20")).covers(day("2020-01-01")));
        assert!(away(Some("2026-07-20"), Some("2026-07-01")).is_empty());
    }

    #[test]
    fn a_key_is_a_source_and_what_it_calls_them() {
        let key = StaffKey::parse("his/D/17").unwrap();
        assert_eq!((key.source.as_str(), key.key.as_str()), ("his", "D/17"));
        assert_eq!(key.to_text(), "his/D/17");
        assert_eq!(StaffKey::parse("D17"), None);
        assert_eq!(StaffKey::parse("/D17"), None);
    }
}
