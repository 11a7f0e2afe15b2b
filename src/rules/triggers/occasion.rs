//! Occasions that the hospital keeps, and facts for steps that come after them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::calendar::wall;
use crate::model::occasion::{Occasion, OccasionStatus, OccasionTime};
use crate::model::patient::Fact;
use crate::model::reminder::SkipReason;
use crate::rules::lead::Lead;
use crate::rules::rule::Rule;
use crate::rules::triggers::{Closed, Found, Occurrence, Records, last_minute};

/// Facts of this kind tell of a state, and are told again at every visit.
const DIAGNOSIS: &str = "diagnosis";

/// The patient's occasions of `kind`, and the facts of that kind on days without one.
pub(crate) fn find<'a>(
    rule: &Rule,
    kind: &str,
    codes: &[String],
    records: Records<'a>,
) -> Found<'a> {
    let mut found = Found::default();
    for occasion in records
        .occasions
        .iter()
        .filter(|occasion| occasion.kind == kind)
    {
        let occurrence = of_occasion(rule, occasion);
        match closed(occasion) {
            Some((reason, detail)) => found.closed.push(Closed {
                key: occurrence.key,
                at: occurrence.start,
                reason,
                detail,
            }),
            None => found.occurrences.push(occurrence),
        }
    }
    let follows = rule
        .steps
        .iter()
        .flat_map(|step| &step.leads)
        .any(|lead| matches!(lead, Lead::After(_)));
    if follows {
        let mut days: BTreeSet<Date> = found.occurrences.iter().map(|other| other.day).collect();
        for fact in wanted(rule, kind, codes, records.facts) {
            let Some(occurrence) = of_fact(rule, fact) else {
                continue;
            };
            // Several statements of one day, or several codes of one, are one thing to follow up.
            if days.insert(occurrence.day) {
                found.occurrences.push(occurrence);
            }
        }
    }
    found
}

/// The facts that steps follow: every one, but of diagnoses the first with its code, since later ones
/// only say again what is known.
fn wanted<'f>(
    rule: &'f Rule,
    kind: &'f str,
    codes: &'f [String],
    facts: &'f [Fact],
) -> impl Iterator<Item = &'f Fact> {
    let first = move |fact: &&Fact| {
        let day = fact.day(&rule.timezone);
        let earlier = |other: &Fact| {
            let same = other.kind == fact.kind && other.code == fact.code;
            same && other.day(&rule.timezone).is_some_and(|on| Some(on) < day)
        };
        kind != DIAGNOSIS || !facts.iter().any(earlier)
    };
    let of_kind = facts.iter().filter(move |fact| fact.kind == kind);
    of_kind
        .filter(move |fact| begins(fact, codes))
        .filter(first)
}

fn of_occasion<'a>(rule: &Rule, occasion: &'a Occasion) -> Occurrence<'a> {
    let zone = wall::zone(&occasion.timezone).unwrap_or_else(|| rule.timezone.clone());
    let (day, start) = match occasion.when {
        OccasionTime::At(at) => {
            let start = wall::instant(&zone, at);
            (wall::date(&rule.timezone, start), start)
        }
        OccasionTime::On(day) => (day, last_minute(rule, day)),
    };
    let since = occasion.created_at.max(occasion.moved_at);
    Occurrence {
        key: occasion.id.as_str().to_owned(),
        epoch: occasion.epoch,
        occasion: Some(occasion),
        day,
        start,
        end: start,
        created: since,
        moved: occasion.moved_at,
        since,
        catches_up: since.is_some(),
        is_over: occasion.status != OccasionStatus::Booked,
        late_until: None,
    }
}

/// Why nothing at all comes of an occasion. One that took place still has the steps after it.
fn closed(occasion: &Occasion) -> Option<(SkipReason, String)> {
    match occasion.status {
        OccasionStatus::Cancelled => Some((
            SkipReason::Cancelled,
            "the occasion was called off".to_owned(),
        )),
        OccasionStatus::NoShow => Some((SkipReason::Past, "the patient did not come".to_owned())),
        OccasionStatus::Booked | OccasionStatus::Arrived | OccasionStatus::Fulfilled => None,
    }
}

/// Whether the code of `fact` begins with one of `prefixes`; none given takes all.
pub(crate) fn begins(fact: &Fact, prefixes: &[String]) -> bool {
    let code = fact.code.as_deref().unwrap_or_default();
    let begins = |prefix: &String| {
        code.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    prefixes.is_empty() || prefixes.iter().any(begins)
}

fn of_fact<'a>(rule: &Rule, fact: &Fact) -> Option<Occurrence<'a>> {
    let day = fact.day(&rule.timezone)?;
    // Without the code: a code that is corrected does not make it another occurrence.
    let occurrence = Occurrence::on_day(rule, format!("{day}.{}", fact.kind), day);
    let moment = fact.at.and_then(|at| Timestamp::from_millisecond(at).ok());
    let start = moment.unwrap_or(occurrence.start);
    Some(Occurrence {
        start,
        end: start,
        is_over: true,
        ..occurrence
    })
}
