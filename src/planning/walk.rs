//! Who is worth a look: from a rule and a window to candidates that an index finds.
//!
//! May name too many, never too few; what comes of each the rule decides.

use std::collections::BTreeSet;
use std::ops::Range;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::{lunar, wall};
use crate::model::class::Role;
use crate::model::patient::{LunarDay, Patient};
use crate::planning::House;
use crate::planning::decide::Horizon;
use crate::rules::audience::Moment;
use crate::rules::lead::{Lead, Unit};
use crate::rules::rule::{Rule, Step};
use crate::rules::trigger::Trigger;
use crate::store::candidates::{self, Among, Candidates};
use crate::store::rule_plans::{RulePlan, Walk};
use crate::store::{StoreError, Tx, facts, patients};

/// The longest that going back to a working day takes: a long holiday with the weekends around it.
const LONGEST_HOLIDAY: i64 = 16;

/// Patients looked at together when a condition has to be asked of each.
const PAGE: i64 = 500;

/// Who may have something due in `window` by `rule`; `None` when nobody can.
///
/// `is_first`: nothing was planned by it before, so whoever came late to a season counts as well.
pub fn candidates(rule: &Rule, window: &Range<Timestamp>, is_first: bool) -> Option<Candidates> {
    let days = days(rule, window);
    let among = match &rule.trigger {
        Trigger::Birthday => birthdays(&days)?,
        Trigger::Holiday { holiday, .. } => {
            let (first, last) = (*days.first()?, *days.last()?);
            holiday
                .dates(first, last)
                .iter()
                .any(|day| days.contains(day))
                .then_some(Among::Everybody)?
        }
        Trigger::Season { from, until } => {
            let begins = days.iter().any(|day| from.in_year(day.year()) == *day);
            let today = wall::date(&rule.timezone, window.start);
            let (start, end) = (from.in_year(today.year()), until.in_year(today.year()));
            let runs = if start <= end {
                start <= today && today <= end
            } else {
                start <= today || today <= end
            };
            (begins || (is_first && runs)).then_some(Among::Everybody)?
        }
        Trigger::Every { .. } => Among::Everybody,
        // A person starts it, for an audience of its own.
        Trigger::Manual => return None,
        Trigger::Occasion { kind, .. } => dated(rule, kind, window),
    };
    Some(Candidates {
        among,
        diagnosis: rule.audience.diagnosis.clone(),
        sex: None,
        born_until: None,
        born_after: None,
        tags: Vec::new(),
    })
}

/// What is to be walked for a rule, if anything is.
pub fn next(rule: &Rule, known: Option<RulePlan>, horizon: &Horizon) -> Option<RulePlan> {
    let to = horizon.until(rule);
    let anew = || RulePlan {
        rule: rule.id.clone(),
        timing: rule.timing_hash().to_owned(),
        until: Timestamp::UNIX_EPOCH,
        walk: Some(Walk {
            from: horizon.now,
            to,
            after: None,
        }),
    };
    let Some(known) = known.filter(|known| known.timing == rule.timing_hash()) else {
        return Some(anew());
    };
    if known.walk.is_some() {
        return Some(known);
    }
    // Occasions are planned whole whenever they change.
    let is_computed = !matches!(rule.trigger, Trigger::Occasion { .. });
    (is_computed && known.until < to).then(|| RulePlan {
        walk: Some(Walk {
            from: known.until.max(horizon.now),
            to,
            after: None,
        }),
        ..known
    })
}

/// How many patients qualify for `occurrence` of a rule that staff are told of once.
///
/// # Errors
/// When the database fails.
pub async fn count(
    tx: &mut Tx,
    rule: &Rule,
    occurrence: &str,
    house: &House,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let day = occurrence
        .get(..10)
        .and_then(|day| day.parse().ok())
        .unwrap_or_else(|| wall::date(&house.timezone, now));
    let audience = &rule.audience;
    let years_before = |years: i64| {
        day.checked_sub(jiff::Span::new().try_years(years).ok()?)
            .ok()
    };
    let all = Candidates {
        among: Among::Everybody,
        diagnosis: audience.diagnosis.clone(),
        sex: audience.sex,
        born_until: audience
            .min_age
            .map(|age| years_before(age).map_or_else(|| "0".to_owned(), |day| day.to_string())),
        born_after: audience
            .max_age
            .and_then(|age| years_before(age + 1))
            .map(|day| day.to_string()),
        tags: audience.tags.clone(),
    };
    if audience.condition.is_none() {
        return candidates::count(tx, &all).await;
    }
    // What only the condition can say is asked of each.
    let (mut count, mut after) = (0, None);
    loop {
        let ids = candidates::page(tx, &all, after.as_ref(), PAGE).await?;
        let facts = facts::of(tx, &ids).await?;
        let of = |patient: &Patient| facts.get(&patient.id).map_or(&[][..], Vec::as_slice);
        let moment = Moment {
            day,
            kind: rule.trigger.word(),
            occasion: None,
        };
        let admits = |patient: &&Patient| {
            !patient.deceased && audience.admits(patient, of(patient), moment).is_ok()
        };
        count += patients::load(tx, &ids)
            .await?
            .iter()
            .filter(admits)
            .map(|_| 1)
            .sum::<i64>();
        match ids.last() {
            Some(last) if ids.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX) => {
                after = Some(last.clone())
            }
            Some(_) | None => return Ok(count),
        }
    }
}

/// The days an occurrence may be on for one of its leads to fall due in `window`.
fn days(rule: &Rule, window: &Range<Timestamp>) -> BTreeSet<Date> {
    let first = wall::date(&rule.timezone, window.start);
    let last = wall::date(
        &rule.timezone,
        window
            .end
            .saturating_sub(SignedDuration::from_millis(1))
            .unwrap_or(window.end),
    );
    let mut days = BTreeSet::new();
    for step in &rule.steps {
        let (early, late) = slack(rule, step);
        for lead in &step.leads {
            let (low, high) = reach(*lead);
            let from = wall::add_days(first, low - early);
            let to = wall::add_days(last, high + late);
            days.extend(
                from.series(jiff::Span::new().days(1))
                    .take_while(|day| *day <= to)
                    .take(20_000),
            );
        }
    }
    days
}

/// How many days after its lead's moment the occurrence lies: at least and at most.
fn reach(lead: Lead) -> (i64, i64) {
    let most = |distance: crate::rules::lead::Distance| {
        i64::try_from(distance.most_days()).unwrap_or(i64::MAX / 4)
    };
    let least = |distance: crate::rules::lead::Distance| match distance.unit {
        Unit::Months => i64::from(distance.count) * 28,
        Unit::Hours | Unit::Minutes => (most(distance) - 1).max(0),
        Unit::Weeks | Unit::Days => most(distance),
    };
    match lead {
        Lead::Before(distance) => (least(distance), most(distance)),
        Lead::After(distance) => (-most(distance), -least(distance)),
        Lead::Created | Lead::Moved | Lead::Now => (0, 0),
    }
}

/// How many days quiet hours and holidays may move what a step says, back and forth.
fn slack(rule: &Rule, step: &Step) -> (i64, i64) {
    if step.to == Role::Staff {
        return if step.previous_workday {
            (0, LONGEST_HOLIDAY)
        } else {
            (0, 0)
        };
    }
    let is_hourly = |lead: &Lead| match lead {
        Lead::Before(distance) | Lead::After(distance) => !distance.is_calendar(),
        Lead::Created | Lead::Moved | Lead::Now => true,
    };
    let may_shift =
        rule.quiet.is_some_and(|quiet| quiet.contains(step.at)) || step.leads.iter().any(is_hourly);
    if may_shift { (1, 1) } else { (0, 0) }
}

fn birthdays(days: &BTreeSet<Date>) -> Option<Among> {
    let (first, last) = (*days.first()?, *days.last()?);
    let md = |month: i8, day: i8| i64::from(month) * 100 + i64::from(day);
    let mut solar: BTreeSet<i64> = days.iter().map(|day| md(day.month(), day.day())).collect();
    // Where 29 February goes in common years the rule knows.
    if solar.contains(&228) || solar.contains(&301) {
        solar.insert(229);
    }
    let mut lunar = BTreeSet::new();
    for (month, day) in (1..=12_u8).flat_map(|month| (1..=30_u8).map(move |day| (month, day))) {
        if lunar::dates(LunarDay { month, day }, first, last)
            .iter()
            .any(|date| days.contains(date))
        {
            lunar.insert(i64::from(month) * 100 + i64::from(day));
        }
    }
    Some(Among::Birthdays {
        solar: solar.into_iter().collect(),
        lunar: lunar.into_iter().collect(),
    })
}

/// Occasions from as long ago as a step reaches back, and facts where steps follow them.
fn dated(rule: &Rule, kind: &str, window: &Range<Timestamp>) -> Among {
    let after = |lead: &Lead| match lead {
        Lead::After(distance) => i64::try_from(distance.most_days()).ok(),
        Lead::Before(_) | Lead::Created | Lead::Moved | Lead::Now => None,
    };
    let longest = rule
        .steps
        .iter()
        .flat_map(|step| &step.leads)
        .filter_map(after)
        .max();
    let back = SignedDuration::from_hours(24 * (longest.unwrap_or(0) + 2));
    let from = window.start.saturating_sub(back).unwrap_or(Timestamp::MIN);
    Among::Dated {
        kind: kind.to_owned(),
        from: from.as_millisecond(),
        // Whatever is due in the window may hang on an occasion far ahead.
        to: i64::MAX,
        facts_from: longest.map(|_| wall::date(&rule.timezone, from).to_string()),
    }
}
