//! Seasons: once per patient and season, also for who comes late.

use jiff::civil::Date;

use crate::rules::rule::Rule;
use crate::rules::trigger::MonthDay;
use crate::rules::triggers::{Occurrence, last_minute};

/// The seasons that touch `from` to `to`; each is known by the year it begins in.
pub(crate) fn find<'a>(
    rule: &Rule,
    first: MonthDay,
    until: MonthDay,
    from: Date,
    to: Date,
) -> Vec<Occurrence<'a>> {
    let years = from.year().saturating_sub(1)..=to.year();
    let season = |year: i16| {
        let (start, end) = span(first, until, year);
        (start <= to && end >= from).then(|| {
            let day = Occurrence::on_day(rule, year.to_string(), start);
            Occurrence {
                end: last_minute(rule, end),
                late_until: Some(end),
                ..day
            }
        })
    };
    years.filter_map(season).collect()
}

/// First and last day of the season that begins in `year`; it may end in the next.
pub(crate) fn span(first: MonthDay, until: MonthDay, year: i16) -> (Date, Date) {
    let ends_in = if until < first {
        year.saturating_add(1).min(9999)
    } else {
        year
    };
    (first.in_year(year), until.in_year(ends_in))
}
