//! Who is worth a look: from a rule and a window to candidates that an index finds.
//!
//! May name too many, never too few; what comes of each the rule decides.

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::{lunar, wall};
use crate::model::class::Role;
use crate::model::id::PatientId;
use crate::model::patient::Patient;
use crate::planning::House;
use crate::planning::decide::{Horizon, decide};
use crate::planning::subject::{Needs, Subject};
use crate::rules::audience::{Audience, Moment};
use crate::rules::candidates::Candidates as RuleCandidates;
use crate::rules::lead::{Lead, Unit};
use crate::rules::rule::{Rule, Step};
use crate::rules::trigger::Trigger;
use crate::store::candidates::{self, Among, Candidates};
use crate::store::reminders::NewReminder;
use crate::store::rule_plans::{RulePlan, Walk};
use crate::store::{StoreError, Tx, facts, patients};

/// The longest that going back to a working day takes: a long holiday with the weekends around it.
const LONGEST_HOLIDAY: i64 = 16;

/// Patients looked at together when a condition has to be asked of each.
const PAGE: i64 = 2000;

/// Who may have something due in `window` by `rule`; `None` when nobody can.
///
/// `is_first`: nothing was planned by it before, so whoever came late to a season counts as well.
pub fn candidates(rule: &Rule, window: &Range<Timestamp>, is_first: bool) -> Option<Candidates> {
    let days = days(rule, window);
    if days.is_empty() && rule.trigger.is_shared() {
        return None;
    }
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
        Trigger::Every { .. } => match rule.candidates(window) {
            RuleCandidates::Everyone { occurrences, .. } => occurrences
                .iter()
                .any(|day| days.contains(day))
                .then_some(Among::Everybody)?,
            RuleCandidates::Occasions { .. } | RuleCandidates::Birthdays { .. } => return None,
        },
        // A person starts it, for an audience of its own.
        Trigger::Manual => return None,
        Trigger::Occasion { kind, .. } => dated(rule, kind, window),
    };
    // Who comes late to a season is as old as on its first day, which may lie before those days.
    let span = match &rule.trigger {
        Trigger::Birthday | Trigger::Holiday { .. } | Trigger::Every { .. } => {
            days.first().zip(days.last())
        }
        Trigger::Season { .. } | Trigger::Manual | Trigger::Occasion { .. } => None,
    };
    Some(narrowed(
        rule,
        among,
        span.map(|(first, last)| *first..=*last),
    ))
}

/// Who is looked at whatever the window: their own leads may fall due on days that the rule's do not.
///
/// Occasions are planned whole whenever they change, and what somebody starts goes to all at once.
pub fn of_own_leads(rule: &Rule) -> Option<Candidates> {
    let has_lead = |lead: &Lead| matches!(lead, Lead::Before(_));
    let mut of_people = rule.steps.iter().filter(|step| step.to != Role::Staff);
    match rule.trigger {
        Trigger::Birthday
        | Trigger::Holiday { .. }
        | Trigger::Season { .. }
        | Trigger::Every { .. } => {}
        Trigger::Manual | Trigger::Occasion { .. } => return None,
    }
    let rule_id = rule.id.clone();
    of_people
        .any(|step| step.leads.iter().any(has_lead))
        .then(|| narrowed(rule, Among::OfOwnLeads { rule: rule_id }, None))
}

/// Those of `among` who fit the keys of the rule's audience, on one of `days` as far as age goes.
fn narrowed(rule: &Rule, among: Among, days: Option<RangeInclusive<Date>>) -> Candidates {
    let audience = &rule.audience;
    let years_before = |day: Date, years: i64| {
        day.checked_sub(jiff::Span::new().try_years(years).ok()?)
            .ok()
    };
    let born_until = |days: &RangeInclusive<Date>| {
        let day = years_before(*days.end(), audience.min_age?);
        // Nobody is so old.
        Some(day.map_or_else(|| "0".to_owned(), |day| day.to_string()))
    };
    let born_after = |days: &RangeInclusive<Date>| {
        years_before(*days.start(), audience.max_age? + 1).map(|day| day.to_string())
    };
    Candidates {
        among,
        diagnosis: audience.diagnosis.clone(),
        sex: audience.sex,
        born_until: days.as_ref().and_then(born_until),
        born_after: days.as_ref().and_then(born_after),
        tags: audience.tags.clone(),
    }
}

/// The rule as it is asked of candidates: without what they were found by.
pub fn sieved(rule: &Rule) -> Rule {
    let mut sieved = rule.clone();
    match rule.trigger {
        Trigger::Birthday
        | Trigger::Holiday { .. }
        | Trigger::Season { .. }
        | Trigger::Every { .. }
        | Trigger::Manual => sieved.audience.diagnosis.clear(),
        // Occasions and facts are found by their dates alone.
        Trigger::Occasion { .. } => {}
    }
    sieved
}

/// What staff are told once of all patients: decided once for the rule, where anybody qualifies.
///
/// `is_first`: nothing was planned by it before, so that what was missed may be made up for.
/// # Errors
/// When the database fails.
pub async fn shared(
    tx: &mut Tx,
    rule: &Rule,
    house: &House,
    horizon: &Horizon,
    is_first: bool,
) -> Result<Vec<NewReminder>, StoreError> {
    // A campaign plans what it says itself.
    if !rule.trigger.is_shared() || matches!(rule.trigger, Trigger::Manual) {
        return Ok(Vec::new());
    }
    let mut of_staff = rule.clone();
    of_staff.steps.retain(|step| step.to == Role::Staff);
    if of_staff.steps.is_empty() {
        return Ok(Vec::new());
    }
    // Asked of nobody in particular, it says when; whether it says so at all hangs on who there is.
    of_staff.audience = Audience::default();
    of_staff.stop = None;
    let decided = decide(std::iter::once(&of_staff), &Subject::nobody(), horizon);
    let mut planned: Vec<NewReminder> = decided.reminders;
    planned.retain(|reminder| reminder.patient.is_none() && (is_first || !reminder.catch_up));
    let occurrences: BTreeSet<String> = planned.iter().map(|r| r.occurrence.clone()).collect();
    for occurrence in occurrences {
        if qualifying(tx, rule, &occurrence, house, horizon.now, Some(1)).await? == 0 {
            planned.retain(|reminder| reminder.occurrence != occurrence);
        }
    }
    Ok(planned)
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
    qualifying(tx, rule, occurrence, house, now, None).await
}

/// The same, but `enough` are as good as all.
async fn qualifying(
    tx: &mut Tx,
    rule: &Rule,
    occurrence: &str,
    house: &House,
    now: Timestamp,
    enough: Option<i64>,
) -> Result<i64, StoreError> {
    let day = occurrence
        .get(..10)
        .and_then(|day| day.parse().ok())
        .unwrap_or_else(|| wall::date(&house.timezone, now));
    let all = narrowed(rule, Among::Everybody, Some(day..=day));
    let is_plain = rule.audience.condition.is_none() && rule.stop.is_none();
    if is_plain && enough.is_none() {
        return candidates::count(tx, &all).await;
    }
    // What only the condition or the record can say is asked of each.
    let rule = sieved(rule);
    let needs = Needs::of(&rule);
    let page = if is_plain {
        enough.unwrap_or(PAGE)
    } else {
        PAGE
    };
    let (mut count, mut after) = (0, None);
    loop {
        let ids = candidates::page(tx, &all, after.as_ref(), page).await?;
        count += among(tx, &rule, &needs, &ids, day).await?;
        match ids.last() {
            Some(last)
                if ids.len() >= usize::try_from(page).unwrap_or(usize::MAX)
                    && enough.is_none_or(|enough| count < enough) =>
            {
                after = Some(last.clone())
            }
            Some(_) | None => return Ok(count),
        }
    }
}

/// How many of these patients qualify on `day`.
async fn among(
    tx: &mut Tx,
    rule: &Rule,
    needs: &Needs<'_>,
    ids: &[PatientId],
    day: Date,
) -> Result<i64, StoreError> {
    let facts = facts::of_kinds(tx, ids, needs.facts()).await?;
    let moment = Moment {
        day,
        kind: rule.trigger.word(),
        occasion: None,
    };
    let qualifies = |patient: &&Patient| {
        let facts = facts.get(&patient.id).map_or(&[][..], Vec::as_slice);
        !patient.deceased
            && rule.audience.admits(patient, facts, moment).is_ok()
            && rule.done(facts, moment).is_none()
    };
    let found = patients::bare(tx, ids).await?;
    Ok(found.iter().filter(qualifies).map(|_| 1).sum())
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
    // What staff are told once of all needs no look at anybody.
    let steps = rule.steps.iter();
    for step in steps.filter(|step| step.to != Role::Staff || !rule.trigger.is_shared()) {
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
    if days.is_empty() {
        return None;
    }
    let md = |month: i8, day: i8| i64::from(month) * 100 + i64::from(day);
    let mut solar: BTreeSet<i64> = days.iter().map(|day| md(day.month(), day.day())).collect();
    // Where 29 February goes in common years the rule knows.
    if solar.contains(&228) || solar.contains(&301) {
        solar.insert(229);
    }
    let mut lunar = BTreeSet::new();
    for found in days.iter().filter_map(|day| lunar::of(*day)) {
        lunar.insert(i64::from(found.month) * 100 + i64::from(found.day));
        // Day 30 is kept on day 29 of a short month.
        if found.day == 29 {
            lunar.insert(i64::from(found.month) * 100 + 30);
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
