//! Working days: a table per country and year, Monday to Friday where there is none.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use toml::Spanned;

use crate::calendar::{holiday, wall};

const CHINA: &str = include_str!("china.toml");

/// Which days people work, by zone and year.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkingDays {
    /// The newest first; the first that knows a year of a zone is the one that counts.
    layers: Vec<Vec<Table>>,
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
#[error("line {line}: expected {expected}")]
pub struct WorkingDaysError {
    /// Line of the file, from 1.
    pub line: usize,
    /// What should have stood there.
    pub expected: String,
}

/// What is known of one zone and year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownYear {
    /// IANA.
    pub zone: String,
    /// The year.
    pub year: i16,
    /// Days from Monday to Friday on which people rest.
    pub off: usize,
    /// Days of weekends on which people work.
    pub work: usize,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    zones: Vec<Spanned<String>>,
    #[serde(default)]
    year: Vec<Year>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Year {
    year: i16,
    #[serde(default)]
    off: Vec<Spanned<String>>,
    #[serde(default)]
    work: Vec<Spanned<String>>,
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
    /// When it is no TOML of that shape or names a zone or day that does not exist.
    pub fn from_toml(text: &str) -> Result<Self, WorkingDaysError> {
        let line = |at: usize| 1 + text.get(..at).unwrap_or_default().matches('\n').count();
        let file: File = toml::from_str(text).map_err(|error| WorkingDaysError {
            line: error.span().map_or(1, |span| line(span.start)),
            expected: format!("another shape ({})", error.message()),
        })?;
        let mut table = Table::default();
        for zone in file.zones {
            let at = line(zone.span().start);
            table.zones.insert(known_zone(zone.get_ref(), at)?);
        }
        for year in &file.year {
            table.years.insert(year.year);
            for (days, works) in [(&year.off, false), (&year.work, true)] {
                for text in days {
                    let range =
                        range(year.year, text.get_ref()).ok_or_else(|| WorkingDaysError {
                            line: line(text.span().start),
                            expected: format!(
                                "a day or range of {} such as \"05-01..05-05\"",
                                year.year
                            ),
                        })?;
                    let days = range.into_iter().map(|day| (day, works));
                    table.works.extend(days);
                }
            }
        }
        Self::of(table)
    }

    /// Reads a table in CSV, `2026-01-01,off` or `2026-01-04,work` a line; every year named counts as known.
    ///
    /// For the zones of a line `# zones: Asia/Shanghai, Asia/Urumqi`, else for `zones`.
    /// # Errors
    /// When a line is not of that shape.
    pub fn from_csv(text: &str, zones: &[&str]) -> Result<Self, WorkingDaysError> {
        let mut table = Table {
            zones: zones.iter().map(|zone| (*zone).to_owned()).collect(),
            ..Table::default()
        };
        for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if let Some(names) = line.strip_prefix('#').and_then(zone_line) {
                let names = names.split(',').map(str::trim);
                let read = names.map(|name| known_zone(name, at + 1));
                table.zones = read.collect::<Result<_, _>>()?;
                continue;
            }
            if line.is_empty() || line.starts_with('#') || (at == 0 && line.starts_with("date")) {
                continue;
            }
            let refuse = |expected: &str| WorkingDaysError {
                line: at + 1,
                expected: expected.to_owned(),
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
        Self::of(table)
    }

    fn of(table: Table) -> Result<Self, WorkingDaysError> {
        let refuse = |expected: &str| WorkingDaysError {
            line: 1,
            expected: expected.to_owned(),
        };
        if table.zones.is_empty() {
            return Err(refuse("at least one zone"));
        }
        if table.years.is_empty() {
            return Err(refuse("at least one year with its days"));
        }
        Ok(Self {
            layers: vec![vec![table]],
        })
    }

    /// Takes in `newer`: its years replace ours where both know one, zone by zone.
    #[must_use]
    pub fn with(mut self, newer: Self) -> Self {
        self.layers.splice(0..0, newer.layers);
        self
    }

    /// Takes in `other` beside what stands: both count for the years that both know, and of one day the later word.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let ours = self.layers.into_iter().flatten();
        let both = ours.chain(other.layers.into_iter().flatten()).collect();
        self.layers = vec![both];
        self
    }

    /// The zones that share a table with `zone`, or it alone.
    pub fn beside<'a>(&'a self, zone: &'a str) -> Vec<&'a str> {
        let mut tables = self.layers.iter().flatten();
        match tables.find(|table| table.zones.contains(zone)) {
            Some(table) => table.zones.iter().map(String::as_str).collect(),
            None => vec![zone],
        }
    }

    /// Every zone and year there is a table of, in order.
    pub fn known(&self) -> Vec<KnownYear> {
        let tables = self.layers.iter().flatten();
        let pairs: BTreeSet<(&str, i16)> = tables
            .flat_map(|table| {
                let years = move |zone| table.years.iter().map(move |year| (zone, *year));
                table.zones.iter().map(String::as_str).flat_map(years)
            })
            .collect();
        let all = pairs.into_iter().map(|(zone, year)| {
            let days = self.differing(zone, year);
            KnownYear {
                zone: zone.to_owned(),
                year,
                off: days.iter().filter(|(_, works)| !works).count(),
                work: days.iter().filter(|(_, works)| *works).count(),
            }
        });
        all.collect()
    }

    /// The days of a year that are not as the week has them, with whether people work.
    fn differing(&self, zone: &str, year: i16) -> Vec<(Date, bool)> {
        let announced = self.layer(zone, year).into_iter().flat_map(|layer| {
            let tables = layer.iter().filter(|table| table.zones.contains(zone));
            tables.flat_map(|table| &table.works)
        });
        let days: BTreeMap<Date, bool> = announced
            .filter(|(day, _)| day.year() == year)
            .map(|(day, works)| (*day, *works))
            .collect();
        days.into_iter()
            .filter(|(day, works)| *works != is_weekday(*day))
            .collect()
    }

    /// Whether people work on `date` in `zone`.
    pub fn is_working(&self, zone: &TimeZone, date: Date) -> bool {
        let announced = zone.iana_name().and_then(|zone| {
            let mut tables = self.layer(zone, date.year())?.iter().rev();
            tables.find_map(|table| {
                table
                    .works
                    .get(&date)
                    .filter(|_| table.zones.contains(zone))
            })
        });
        announced.copied().unwrap_or_else(|| is_weekday(date))
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
        zone.iana_name().is_some_and(|zone| {
            let mut tables = self.layers.iter().flatten();
            tables.any(|table| table.zones.contains(zone))
                && self.layer(zone, date.year()).is_none()
        })
    }

    /// The newest tables that know `year` of `zone`.
    fn layer(&self, zone: &str, year: i16) -> Option<&[Table]> {
        let knows = |table: &Table| table.zones.contains(zone) && table.years.contains(&year);
        let found = self.layers.iter().find(|layer| layer.iter().any(knows));
        found.map(Vec::as_slice)
    }
}

fn is_weekday(day: Date) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// What follows `zones:`.
fn zone_line(comment: &str) -> Option<&str> {
    comment.trim().strip_prefix("zones:")
}

fn known_zone(name: &str, line: usize) -> Result<String, WorkingDaysError> {
    match TimeZone::get(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err(WorkingDaysError {
            line,
            expected: "IANA zones such as Asia/Shanghai".to_owned(),
        }),
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
        check("Asia/Shanghai", "2025-02-05", "2025-02-05");
        check("Asia/Shanghai", "2025-02-04", "2025-01-27");
        check("Asia/Shanghai", "2025-10-08", "2025-09-30");
        check("Asia/Shanghai", "2025-09-28", "2025-09-28");
        check("Asia/Shanghai", "2024-10-07", "2024-09-30");
        check("Asia/Shanghai", "2024-05-12", "2024-05-11");
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
    fn several_files_add_up_and_their_years_replace_the_shipped_ones() {
        let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
        let csv = |text: &str| WorkingDays::from_csv(text, &["Asia/Shanghai"]).unwrap();
        let files = csv("2026-03-02,off").and(csv("2026-03-03,off\n2027-01-01,off"));
        let days = WorkingDays::shipped().with(files);
        let is_working = |day: &str| days.is_working(&shanghai, day.parse().unwrap());
        assert!(
            !is_working("2026-03-02") && !is_working("2026-03-03") && !is_working("2027-01-01")
        );
        assert!(is_working("2026-10-01"), "the shipped year is replaced");
        let urumqi = TimeZone::get("Asia/Urumqi").unwrap();
        assert!(!days.is_working(&urumqi, "2026-10-01".parse().unwrap()));
        assert!(days.lacks_year(&urumqi, "2027-01-01".parse().unwrap()));
    }

    #[test]
    fn a_table_may_name_its_zones_and_zones_of_one_country_share_one() {
        let text =
            "# Days off of the hospital\n# zones: Asia/Hong_Kong, Asia/Macau\n2026-07-01,off\n";
        let days = WorkingDays::shipped().with(WorkingDays::from_csv(text, &[]).unwrap());
        let hong_kong = TimeZone::get("Asia/Hong_Kong").unwrap();
        assert!(!days.is_working(&hong_kong, "2026-07-01".parse().unwrap()));
        assert!(days.is_working(&hong_kong, "2026-10-01".parse().unwrap()));
        assert_eq!(days.beside("Asia/Macau"), ["Asia/Hong_Kong", "Asia/Macau"]);
        assert!(days.beside("Asia/Shanghai").contains(&"Asia/Urumqi"));
        assert_eq!(days.beside("Europe/Madrid"), ["Europe/Madrid"]);
    }

    #[test]
    fn what_is_known_is_counted_against_the_week() {
        let known = WorkingDays::shipped().known();
        let shanghai = known.iter().filter(|one| one.zone == "Asia/Shanghai");
        let counts: Vec<_> = shanghai.map(|one| (one.year, one.off, one.work)).collect();
        assert_eq!(counts, [(2024, 19, 8), (2025, 18, 5), (2026, 19, 6)]);
    }

    #[test]
    fn bad_tables_are_refused_by_line() {
        let check = |read: Result<WorkingDays, WorkingDaysError>, expected: &str| {
            assert_eq!(read.unwrap_err().to_string(), expected);
        };
        let csv = |text: &str| WorkingDays::from_csv(text, &["Asia/Shanghai"]);
        check(
            csv("2027-02-06,off\n2027-02-30,off"),
            "line 2: expected a day such as 2026-01-01",
        );
        check(
            csv("2027-02-06,free"),
            "line 1: expected `off` or `work` after the day",
        );
        check(
            csv("# zones: Asia/Nowhere\n2027-02-06,off"),
            "line 1: expected IANA zones such as Asia/Shanghai",
        );
        check(
            csv("# nothing"),
            "line 1: expected at least one year with its days",
        );
        let toml = "zones = [\"Asia/Shanghai\"]\n[[year]]\nyear = 2027\noff = [\n  \"02-29\"]";
        check(
            WorkingDays::from_toml(toml),
            "line 5: expected a day or range of 2027 such as \"05-01..05-05\"",
        );
        let read = WorkingDays::from_toml("zones = [\"Asia/Shanghai\"]\n[[year]]\nyears = 2027");
        assert_eq!(read.unwrap_err().line, 3);
    }
}
