//! By hand: somebody says when.

use jiff::Timestamp;

use crate::rules::rule::Rule;
use crate::rules::triggers::{Occurrence, every};

/// The occurrence that somebody started for the moment `at`.
pub(crate) fn at<'a>(rule: &Rule, at: Timestamp) -> Occurrence<'a> {
    let wall = rule.timezone.to_datetime(at);
    Occurrence {
        start: at,
        ..every::at(rule, wall)
    }
}
