//! Occasions that the hospital keeps, and facts for steps that come after them.

use jiff::Timestamp;

use crate::calendar::wall;
use crate::model::occasion::{Occasion, OccasionStatus, OccasionTime};
use crate::model::patient::Fact;
use crate::model::reminder::SkipReason;
use crate::rules::lead::Lead;
use crate::rules::rule::Rule;
use crate::rules::triggers::{Closed, Found, Occurrence, Records, last_minute};

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
        let wanted = |fact: &&Fact| fact.kind == kind && begins(fact, codes);
        for fact in records.facts.iter().filter(wanted) {
            let Some(occurrence) = of_fact(rule, fact) else {
                continue;
            };
            let taken = found
                .occurrences
                .iter()
                .any(|other| other.day == occurrence.day);
            if !taken {
                found.occurrences.push(occurrence);
            }
        }
    }
    found
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
    let moment = fact.at.and_then(|at| Timestamp::from_millisecond(at).ok());
    let day = fact
        .on
        .or_else(|| moment.map(|at| wall::date(&rule.timezone, at)))?;
    let key = format!(
        "{day}.{}.{}",
        fact.kind,
        fact.code.as_deref().unwrap_or_default()
    );
    let occurrence = Occurrence::on_day(rule, key, day);
    let start = moment.unwrap_or(occurrence.start);
    Some(Occurrence {
        start,
        end: start,
        is_over: true,
        ..occurrence
    })
}
