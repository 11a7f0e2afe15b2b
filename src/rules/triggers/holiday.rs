//! Holidays, each on its day.

use jiff::civil::Date;

use crate::calendar::holiday::Holiday;
use crate::rules::rule::Rule;
use crate::rules::triggers::Occurrence;

/// The days of `holiday` from `from` to `to`.
pub(crate) fn find<'a>(
    rule: &Rule,
    holiday: &Holiday,
    from: Date,
    to: Date,
) -> Vec<Occurrence<'a>> {
    holiday
        .dates(from, to)
        .into_iter()
        .map(|day| Occurrence::on_day(rule, day.to_string(), day))
        .collect()
}
