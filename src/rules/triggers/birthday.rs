//! Birthdays: solar, or lunar for who keeps that one (rules/README.md, rule 8-9).

use jiff::civil::Date;

use crate::calendar::lunar;
use crate::model::patient::Patient;
use crate::rules::rule::{LeapDay, Rule};
use crate::rules::triggers::Occurrence;

/// The patient's birthdays from `from` to `to`; the day of birth itself is none.
pub(crate) fn find<'a>(
    rule: &Rule,
    patient: &Patient,
    from: Date,
    to: Date,
) -> Vec<Occurrence<'a>> {
    let born = patient.birth_on.as_ref().map(|birth| *birth.reveal());
    let days = match (&patient.lunar_birthday, born) {
        (Some(lunar), _) => lunar::dates(*lunar.reveal(), from, to),
        (None, Some(born)) => (from.year()..=to.year())
            .filter_map(|year| in_year(born, year, rule.leap_day))
            .collect(),
        (None, None) => Vec::new(),
    };
    let wanted = days
        .into_iter()
        .filter(|day| (from..=to).contains(day) && born.is_none_or(|born| born < *day));
    wanted
        .map(|day| Occurrence::on_day(rule, day.to_string(), day))
        .collect()
}

/// The birthday in `year` of who was born on `born`.
pub(crate) fn in_year(born: Date, year: i16, leap_day: LeapDay) -> Option<Date> {
    let same = Date::new(year, born.month(), born.day());
    // Only 29 February can be missing.
    same.or_else(|_| match leap_day {
        LeapDay::Feb28 => Date::new(year, 2, 28),
        LeapDay::Mar1 => Date::new(year, 3, 1),
    })
    .ok()
}
