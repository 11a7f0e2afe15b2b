//! A second, plain reckoning of leads, quiet hours and catch-ups, minute by minute and day by day, held against the first.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::rules::cases;
use crate::rules::site::Site;

/// A day on which the clock changes, or an ordinary one.
const DAYS: &[(&str, [i16; 3])] = &[
    ("America/New_York", [2026, 3, 8]),
    ("America/New_York", [2026, 11, 1]),
    ("Europe/London", [2026, 3, 29]),
    ("Europe/London", [2027, 10, 31]),
    ("Australia/Lord_Howe", [2026, 4, 5]),
    ("Australia/Lord_Howe", [2026, 10, 4]),
    ("Asia/Shanghai", [2026, 3, 31]),
    ("Asia/Shanghai", [2028, 2, 29]),
];

/// From, to, the evening before. No end lies in a gap: there the scan by minutes knows no better.
const QUIET: &[[&str; 3]] = &[
    ["21:00", "08:00", "20:00"],
    ["00:00", "07:15", "19:30"],
    ["22:30", "03:30", "20:00"],
    ["12:00", "14:00", "11:30"],
];

const LEADS: &[&str] = &["0d", "1d", "3d", "1w", "1mo"];
const ELAPSED: &[&str] = &["0m", "1m", "90m", "2h", "24h", "36h"];

#[derive(Clone, Debug)]
struct Booking {
    zone: &'static str,
    quiet: [&'static str; 3],
    class: &'static str,
    to: &'static str,
    leads: Vec<&'static str>,
    is_elapsed: bool,
    at: Time,
    useful_minutes: i64,
    when: DateTime,
    has_clock: bool,
    created: Option<DateTime>,
    now: DateTime,
}

fn clock() -> impl Strategy<Value = Time> {
    let edges = prop::sample::select(vec!["00:00", "01:30", "02:30", "08:00", "20:59", "21:00"])
        .prop_map(|text| text.parse::<Time>().expect("a time"));
    let any = (0..24_i8, 0..60_i8).prop_map(|(hour, minute)| Time::constant(hour, minute, 0, 0));
    prop_oneof![edges, any]
}

/// Near the edges: a lead or the last useful minute, at it, a minute off, or anywhere.
fn near() -> impl Strategy<Value = (usize, i64)> {
    (
        0..6_usize,
        prop_oneof![Just(-1), Just(0), Just(1), -3000..600_i64],
    )
}

fn booking() -> impl Strategy<Value = Booking> {
    let leads = prop_oneof![
        prop::sample::subsequence(LEADS, 1..=3).prop_map(|leads| (leads, false)),
        prop::sample::subsequence(ELAPSED, 1..=3).prop_map(|leads| (leads, true)),
    ];
    let what = (
        prop::sample::select(DAYS),
        prop::sample::select(QUIET),
        prop::sample::select(vec!["appointment", "greeting"]),
        prop::sample::select(vec!["patient", "patient", "staff"]),
        leads,
        clock(),
    );
    let when = (
        0..4_i64,
        clock(),
        any::<bool>(),
        prop::option::weighted(0.8, near()),
        near(),
        prop::sample::select(vec![30, 120, 1440_i64]),
    );
    (what, when).prop_map(
        |(
            (day, quiet, class, to, (leads, is_elapsed), at),
            (days, time, has_clock, created, now, useful_minutes),
        )| {
            let (zone, [year, month, first]) = day;
            let part = |number: i16| i8::try_from(number).expect("small");
            let first = Date::constant(year, part(month), part(first));
            let date = (0..days).fold(first, |date, _| date.tomorrow().expect("no end of time"));
            let when = date.to_datetime(time);
            let mut booking = Booking {
                zone,
                quiet,
                class,
                to,
                leads,
                is_elapsed,
                at,
                useful_minutes,
                when,
                has_clock,
                created: None,
                now: when,
            };
            let zone = booking.zone();
            let mut edges: Vec<Timestamp> = booking
                .leads
                .iter()
                .map(|lead| booking.points_at(lead))
                .collect();
            edges.push(earlier(booking.end(), useful_minutes));
            edges.push(booking.end());
            let pick = |(edge, off): (usize, i64)| {
                zone.to_datetime(earlier(edges[edge % edges.len()], -off))
            };
            booking.created = created.map(pick);
            booking.now = pick(now);
            booking
        },
    )
}

fn earlier(at: Timestamp, minutes: i64) -> Timestamp {
    at - SignedDuration::from_mins(minutes)
}

/// The instant when the clock shows `wall`, by trying the offsets of the day before and the day after.
fn instant(zone: &TimeZone, wall: DateTime) -> Timestamp {
    let as_utc = wall
        .to_zoned(TimeZone::UTC)
        .expect("no end of time")
        .timestamp();
    let with_offset_of = |day: i64| {
        let seconds = zone.to_offset(earlier(as_utc, -day * 1440)).seconds();
        as_utc - SignedDuration::from_secs(i64::from(seconds))
    };
    let (before, after) = (with_offset_of(-1), with_offset_of(1));
    let mut shown: Vec<Timestamp> = [before, after]
        .into_iter()
        .filter(|at| zone.to_datetime(*at) == wall)
        .collect();
    shown.sort();
    // A wall time in a gap: the clock before it tells how far forward.
    shown.first().copied().unwrap_or(before)
}

impl Booking {
    fn zone(&self) -> TimeZone {
        TimeZone::get(self.zone).expect("a zone")
    }

    fn end(&self) -> Timestamp {
        let last = self.when.date().at(23, 59, 0, 0);
        instant(&self.zone(), if self.has_clock { self.when } else { last })
    }

    fn points_at(&self, lead: &str) -> Timestamp {
        let digits = lead.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let count: i64 = digits.parse().expect("a number");
        let days = match &lead[digits.len()..] {
            "m" => return earlier(self.end(), count),
            "h" => return earlier(self.end(), count * 60),
            "w" => count * 7,
            "d" => count,
            _ => {
                return instant(
                    &self.zone(),
                    month_before(self.when.date()).to_datetime(self.at),
                );
            }
        };
        let day = (0..days).fold(self.when.date(), |day, _| day.yesterday().expect("a day"));
        instant(&self.zone(), day.to_datetime(self.at))
    }

    fn is_quiet(&self, at: Timestamp) -> bool {
        let time = |text: &str| text.parse::<Time>().expect("a time");
        let (from, to) = (time(self.quiet[0]), time(self.quiet[1]));
        let shown = self.zone().to_datetime(at).time();
        let (after, before) = (shown >= from, shown < to);
        if from < to {
            after && before
        } else {
            after || before
        }
    }

    /// Out of quiet hours, one minute after the other; else the evening before; else nothing.
    fn awake(&self, due: Timestamp, earliest: Timestamp) -> Option<Timestamp> {
        if self.to == "staff" || !self.is_quiet(due) {
            return Some(due);
        }
        let mut out = due;
        while self.is_quiet(out) {
            out = earlier(out, -1);
        }
        if out <= earlier(self.end(), self.useful_minutes) {
            return Some(out);
        }
        let eve = self
            .zone()
            .to_datetime(out)
            .date()
            .yesterday()
            .expect("a day");
        let evening = self.quiet[2].parse().expect("a time");
        let back = instant(&self.zone(), eve.to_datetime(evening));
        (back >= earliest).then_some(back)
    }

    fn expected(&self) -> BTreeSet<Timestamp> {
        let known = [Some(self.now), self.created];
        let earliest = known
            .iter()
            .flatten()
            .map(|wall| instant(&self.zone(), *wall))
            .max()
            .expect("now is known");
        let mut due = BTreeSet::new();
        if earliest > self.end() {
            return due;
        }
        let mut all_missed = true;
        for lead in &self.leads {
            let points_at = self.points_at(lead);
            let shifted = Some(points_at)
                .filter(|at| *at <= self.end())
                .and_then(|at| self.awake(at, earliest));
            all_missed &= shifted.is_some_and(|at| at < earliest);
            due.extend(shifted.filter(|at| *at >= earliest));
        }
        let is_useful = earliest <= earlier(self.end(), self.useful_minutes);
        if all_missed && is_useful && self.class == "appointment" && self.created.is_some() {
            due.extend(self.awake(earliest, earliest));
        }
        due
    }

    fn as_case(&self) -> Value {
        let [from, to, back] = self.quiet;
        let mut step = json!({"to": self.to, "before": self.leads, "send": "t"});
        if !self.is_elapsed {
            step["at"] = json!(self.at.strftime("%H:%M").to_string());
        }
        let wall = |at: DateTime| at.strftime("%Y-%m-%dT%H:%M").to_string();
        let at = if self.has_clock {
            wall(self.when)
        } else {
            self.when.date().to_string()
        };
        json!({
            "rule": {"department": "d", "class": self.class, "timezone": self.zone, "trigger": {"on": "visit"}, "step": [step],
                "quiet": {"from": from, "to": to, "pull_back_to": back}, "min_useful": format!("{}m", self.useful_minutes)},
            "patient": {"birth_date": "1970-05-05", "phone": "+8613800000001"},
            "occasions": [{"kind": "visit", "at": at, "created_at": self.created.map(wall)}],
            "now": wall(self.now), "window": {"from": "2026-01-01", "to": "2029-01-01"}, "expect": [],
        })
    }
}

fn month_before(day: Date) -> Date {
    let (year, month) = if day.month() == 1 {
        (day.year() - 1, 12)
    } else {
        (day.year(), day.month() - 1)
    };
    (28..=day.day())
        .rev()
        .chain([day.day()])
        .find_map(|day| Date::new(year, month, day).ok())
        .expect("every month has 28 days")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn leads_quiet_hours_and_catch_ups_are_as_reckoned_by_hand(booking in booking()) {
        let site = Site::new(TimeZone::UTC, "CN");
        let results = cases::run(&booking.as_case().to_string(), |_| None, &site);
        prop_assert_eq!(&results[0].error, &None);
        let planned: BTreeSet<Timestamp> = results[0].events.iter().map(|event| event.at).collect();
        prop_assert_eq!(planned, booking.expected(), "{}", booking.as_case());
    }
}
