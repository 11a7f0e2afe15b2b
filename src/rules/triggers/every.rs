//! By the clock: a cron pattern on the rule's wall clock.

use croner::Cron;
use jiff::civil::{Date, DateTime, Time};

use crate::calendar::wall;
use crate::rules::rule::Rule;
use crate::rules::triggers::Occurrence;

/// More than this in one plan is a mistake of the pattern or of the window.
const MOST: usize = 10_000;

/// The moments of `cron` from `from` to `to`. A time that does not exist shifts forward, one that occurs twice fires once.
pub(crate) fn find<'a>(rule: &Rule, cron: &Cron, from: Date, to: Date) -> Vec<Occurrence<'a>> {
    let mut found: Vec<Occurrence<'a>> = Vec::new();
    for wall in moments(cron, from, to) {
        let moment = at(rule, wall);
        if found.last().is_none_or(|last| last.start < moment.start) {
            found.push(moment);
        }
    }
    found
}

/// What the pattern says, on the wall clock.
pub(crate) fn moments(cron: &Cron, from: Date, to: Date) -> Vec<DateTime> {
    let end = to.to_datetime(Time::MAX);
    let mut next = cron
        .find_next_occurrence(&from.to_datetime(Time::midnight()), true)
        .ok();
    let mut found = Vec::new();
    while let Some(moment) = next.filter(|moment| *moment <= end && found.len() < MOST) {
        found.push(moment);
        next = cron.find_next_occurrence(&moment, false).ok();
    }
    found
}

/// The occurrence at one moment of the wall clock; its use ends with that day.
pub(crate) fn at<'a>(rule: &Rule, wall: DateTime) -> Occurrence<'a> {
    let start = wall::instant(&rule.timezone, wall);
    let day = Occurrence::on_day(
        rule,
        wall.strftime("%Y-%m-%dT%H:%M").to_string(),
        wall.date(),
    );
    Occurrence {
        start,
        end: day.end.max(start),
        ..day
    }
}
