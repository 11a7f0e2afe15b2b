//! Working days: a table per country and year, Monday to Friday where there is none.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use crate::calendar::{holiday, wall};

const CHINA: &str = include_str!("china.toml");

/// Which days people work, by zone and year.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkingDays {
    tables: Vec<Table>,
}

/// The announced days of the zones of one country.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Table {
    zones: BTreeSet<String>,
    years: BTreeSet<i16>,
    /// Only what differs from Monday to Friday needs to stand here.
    works: BTreeMap<Date, bool>,
}

/// Why a table of working days was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkingDaysError {
    /// Not TOML, or not of the shape.
    #[error("{0}")]
    Shape(String),
    /// A day that cannot be read.
    #[error("line {line}: expected {expected}")]
    Line {
        /// Line of the file, from 1.
        line: usize,
        /// What should have stood there.
        expected: &'static str,
    },
    /// A day that cannot be read, or that its year does not have.
    #[error("year {year}: `{day}` is no day or range such as `05-01..05-05`")]
    Day {
        /// The year it stands in.
        year: i16,
        /// What stands there.
        day: String,
    },
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    zones: Vec<String>,
    #[serde(default)]
    year: Vec<Year>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Year {
    year: i16,
    #[serde(default)]
    off: Vec<String>,
    #[serde(default)]
    work: Vec<String>,
}

impl WorkingDays {
    /// The tables that come with Carebell: China.
    pub fn shipped() -> Self {
        Self::from_toml(CHINA).expect("the shipped table is read by a test")
    }

    /// Monday to Friday everywhere.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads a table in TOML: `zones`, and per `[[year]]` what is `off` and which weekend days are `work`.
    /// # Errors
    /// When it is no TOML of that shape or names a day that does not exist.
    pub fn from_toml(text: &str) -> Result<Self, WorkingDaysError> {
        let file: File =
            toml::from_str(text).map_err(|error| WorkingDaysError::Shape(error.to_string()))?;
        let mut table = Table {
            zones: file.zones.into_iter().collect(),
            ..Table::default()
        };
        for year in &file.year {
            table.years.insert(year.year);
            for (days, works) in [(&year.off, false), (&year.work, true)] {
                for text in days {
                    let range = range(year.year, text).ok_or_else(|| WorkingDaysError::Day {
                        year: year.year,
                        day: text.clone(),
                    })?;
                    table
                        .works
                        .extend(range.into_iter().map(|day| (day, works)));
                }
            }
        }
        Ok(Self {
            tables: vec![table],
        })
    }

    /// Reads a table in CSV, `2026-01-01,off` or `2026-01-04,work` a line, for `zones`; every year named counts as known.
    /// # Errors
    /// When a line is not of that shape.
    pub fn from_csv(text: &str, zones: &[&str]) -> Result<Self, WorkingDaysError> {
        let mut table = Table {
            zones: zones.iter().map(|zone| (*zone).to_owned()).collect(),
            ..Table::default()
        };
        for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || (at == 0 && line.starts_with("date")) {
                continue;
            }
            let refuse = |expected| WorkingDaysError::Line {
                line: at + 1,
                expected,
            };
            let mut cells = line.split([',', ';', '\t']).map(str::trim);
            let day = cells
                .next()
                .and_then(|cell| cell.parse::<Date>().ok())
                .ok_or_else(|| refuse("a day such as 2026-01-01"))?;
            let works = match cells.next() {
                Some("off") => false,
                Some("work") => true,
                Some(_) | None => return Err(refuse("`off` or `work` after the day")),
            };
            table.years.insert(day.year());
            table.works.insert(day, works);
        }
        Ok(Self {
            tables: vec![table],
        })
    }

    /// Takes in `newer`: its years replace ours where both know one, for the zones they share.
    #[must_use]
    pub fn with(mut self, newer: Self) -> Self {
        for table in newer.tables {
            if let Some(ours) = self
                .tables
                .iter_mut()
                .find(|ours| !ours.zones.is_disjoint(&table.zones))
            {
                ours.works
                    .retain(|day, _| !table.years.contains(&day.year()));
                ours.works.extend(table.works);
                ours.years.extend(table.years);
                ours.zones.extend(table.zones);
            } else {
                self.tables.push(table);
            }
        }
        self
    }

    /// Whether people work on `date` in `zone`.
    pub fn is_working(&self, zone: &TimeZone, date: Date) -> bool {
        let announced = self
            .table(zone)
            .filter(|table| table.years.contains(&date.year()))
            .and_then(|table| table.works.get(&date));
        announced.copied().unwrap_or(!matches!(
            date.weekday(),
            Weekday::Saturday | Weekday::Sunday
        ))
    }

    /// `date` if people work then, else the last working day before it.
    pub fn on_or_before(&self, zone: &TimeZone, date: Date) -> Date {
        // No country rests for a month on end; a table that says so is not followed for ever.
        (0..60)
            .map(|back| wall::add_days(date, -back))
            .find(|day| self.is_working(zone, *day))
            .unwrap_or(date)
    }

    /// Whether `zone` has a table and it lacks the year of `date`: what is scheduled there counts Monday to Friday.
    pub fn lacks_year(&self, zone: &TimeZone, date: Date) -> bool {
        self.table(zone)
            .is_some_and(|table| !table.years.contains(&date.year()))
    }

    fn table(&self, zone: &TimeZone) -> Option<&Table> {
        let name = zone.iana_name()?;
        self.tables.iter().find(|table| table.zones.contains(name))
    }
}

fn range(year: i16, text: &str) -> Option<Vec<Date>> {
    let day = |text: &str| {
        holiday::month_day(text).and_then(|(month, day)| Date::new(year, month, day).ok())
    };
    let (first, last) = match text.split_once("..") {
        Some((first, last)) => (day(first)?, day(last)?),
        None => (day(text)?, day(text)?),
    };
    (first <= last).then(|| {
        first
            .series(jiff::ToSpan::day(1))
            .take_while(|day| *day <= last)
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(zone: &str, date: &str, expected: &str) {
        let zone = TimeZone::get(zone).unwrap();
        let found = WorkingDays::shipped().on_or_before(&zone, date.parse().unwrap());
        assert_eq!(found.to_string(), expected, "{date}");
    }

    #[test]
    fn the_last_working_day_in_china() {
        check("Asia/Shanghai", "2026-07-20", "2026-07-20");
        check("Asia/Shanghai", "2026-07-19", "2026-07-17");
        // Spring Festival: the Saturday before is worked.
        check("Asia/Shanghai", "2026-02-23", "2026-02-14");
        check("Asia/Shanghai", "2026-02-28", "2026-02-28");
        check("Asia/Shanghai", "2026-10-07", "2026-09-30");
        check("Asia/Shanghai", "2026-10-10", "2026-10-10");
        check("Asia/Shanghai", "2026-10-11", "2026-10-10");
        check("Asia/Shanghai", "2026-01-03", "2025-12-31");
        check("Asia/Shanghai", "2026-09-27", "2026-09-24");
    }

    #[test]
    fn monday_to_friday_without_a_table() {
        check("Asia/Shanghai", "2027-10-03", "2027-10-01");
        check("America/New_York", "2026-02-22", "2026-02-20");
        check("America/New_York", "2026-10-01", "2026-10-01");
    }

    #[test]
    fn it_says_which_year_is_missing() {
        let days = WorkingDays::shipped();
        let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
        assert!(!days.lacks_year(&shanghai, "2026-12-31".parse().unwrap()));
        assert!(days.lacks_year(&shanghai, "2027-01-01".parse().unwrap()));
        assert!(!days.lacks_year(&TimeZone::UTC, "2027-01-01".parse().unwrap()));
    }

    #[test]
    fn a_new_year_is_taken_in() {
        let csv = "date,day\n2027-02-06,off\n2027-02-07,work\n";
        let days =
            WorkingDays::shipped().with(WorkingDays::from_csv(csv, &["Asia/Shanghai"]).unwrap());
        let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
        assert!(days.is_working(&shanghai, "2027-02-07".parse().unwrap()));
        assert!(!days.is_working(&shanghai, "2026-02-17".parse().unwrap()));
        assert!(!days.lacks_year(&shanghai, "2027-01-01".parse().unwrap()));
    }

    #[test]
    fn bad_tables_are_refused_by_line() {
        let line = WorkingDays::from_csv("2027-02-06,off\n2027-02-30,off", &["X"]);
        assert_eq!(
            line,
            Err(WorkingDaysError::Line {
                line: 2,
                expected: "a day such as 2026-01-01"
            })
        );
        let day = WorkingDays::from_toml("zones = []\n[[year]]\nyear = 2027\noff = [\"02-29\"]");
        assert_eq!(
            day,
            Err(WorkingDaysError::Day {
                year: 2027,
                day: "02-29".into()
            })
        );
    }
}
