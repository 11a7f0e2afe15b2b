//! Days and clocks as staff read them, on the hospital's wall clock and in their language.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::model::occasion::OccasionTime;
use crate::pages::Language;

/// How dates are written for one reader.
#[derive(Clone, Debug)]
pub(super) struct Dates {
    language: Language,
    zone: TimeZone,
    today: Date,
}

impl Dates {
    pub(super) fn new(language: Language, zone: TimeZone, now: Timestamp) -> Self {
        let today = now.to_zoned(zone.clone()).date();
        Self {
            language,
            zone,
            today,
        }
    }

    /// `09:30`, with the day before it when it is not today.
    pub(super) fn moment(&self, at: Timestamp) -> String {
        let zoned = at.to_zoned(self.zone.clone());
        let clock = zoned.strftime("%H:%M").to_string();
        if zoned.date() == self.today {
            clock
        } else {
            format!("{} {clock}", self.short_day(zoned.date()))
        }
    }

    /// For machines: the instant with the zone's offset.
    pub(super) fn machine(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone())
            .strftime("%Y-%m-%dT%H:%M:%S%:z")
            .to_string()
    }

    /// `Tuesday 1 December 2026`.
    pub(super) fn long_day(&self, at: Timestamp) -> String {
        let date = at.to_zoned(self.zone.clone()).date();
        match self.language {
            Language::English => date.strftime("%A %-d %B %Y").to_string(),
            Language::Chinese => format!(
                "{}年{} {}",
                date.year(),
                self.short_day(date),
                self.weekday(date)
            ),
        }
    }

    /// The head of a group: `Today, Tue 1 Dec`.
    pub(super) fn head(&self, date: Date) -> String {
        let day = format!("{} {}", self.short_day(date), self.weekday(date));
        let day = if self.language == Language::English {
            format!("{} {}", self.weekday(date), self.short_day(date))
        } else {
            day
        };
        let near = [(0, "Today", "今天"), (1, "Tomorrow", "明天")];
        let near = near
            .iter()
            .find(|(days, ..)| self.today.checked_add(days.days()).is_ok_and(|d| d == date));
        match near {
            Some((_, english, chinese)) => {
                format!("{} · {day}", self.language.pick(english, chinese))
            }
            None => day,
        }
    }

    /// `1 Dec`, `12月1日`; with the year when it is another.
    pub(super) fn short_day(&self, date: Date) -> String {
        let same_year = date.year() == self.today.year();
        match (self.language, same_year) {
            (Language::English, true) => date.strftime("%-d %b").to_string(),
            (Language::English, false) => date.strftime("%-d %b %Y").to_string(),
            (Language::Chinese, true) => format!("{}月{}日", date.month(), date.day()),
            (Language::Chinese, false) => {
                format!("{}年{}月{}日", date.year(), date.month(), date.day())
            }
        }
    }

    /// The clock of an occasion, if it has one.
    pub(super) fn clock(&self, when: OccasionTime) -> Option<String> {
        match when {
            OccasionTime::At(at) => Some(at.strftime("%H:%M").to_string()),
            OccasionTime::On(_) => None,
        }
    }

    fn weekday(&self, date: Date) -> &'static str {
        let (english, chinese) = match date.weekday() {
            Weekday::Monday => ("Mon", "周一"),
            Weekday::Tuesday => ("Tue", "周二"),
            Weekday::Wednesday => ("Wed", "周三"),
            Weekday::Thursday => ("Thu", "周四"),
            Weekday::Friday => ("Fri", "周五"),
            Weekday::Saturday => ("Sat", "周六"),
            Weekday::Sunday => ("Sun", "周日"),
        };
        self.language.pick(english, chinese)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    use super::Dates;
    use crate::pages::Language;

    #[test]
    fn days_are_written_as_each_language_writes_them() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let now = "2026-11-30T17:30:00Z".parse().unwrap();
        let english = Dates::new(Language::English, zone.clone(), now);
        let chinese = Dates::new(Language::Chinese, zone, now);
        assert_eq!(
            (english.moment(now), chinese.moment(now)),
            ("01:30".to_owned(), "01:30".to_owned())
        );
        assert_eq!(english.head(date(2026, 12, 1)), "Today · Tue 1 Dec");
        assert_eq!(chinese.head(date(2026, 12, 2)), "明天 · 12月2日 周三");
        assert_eq!(english.head(date(2027, 1, 5)), "Tue 5 Jan 2027");
        assert_eq!(chinese.long_day(now), "2026年12月1日 周二");
        assert_eq!(
            english.moment("2026-12-02T01:00:00Z".parse().unwrap()),
            "2 Dec 09:00"
        );
    }
}
