//! When a lead falls due: the wall clock, working days, quiet hours, and what is too late (rules/README.md, rule 1-5).

use jiff::Timestamp;
use jiff::civil::Time;

use crate::calendar::quiet::{QuietHours, Shift};
use crate::calendar::wall;
use crate::model::class::Role;
use crate::model::reminder::SkipReason;
use crate::rules::lead::Lead;
use crate::rules::note::{Late, Moved, Note};
use crate::rules::rule::{Rule, Step};
use crate::rules::triggers::Occurrence;

/// What became of a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It is due then.
    Due(Timestamp),
    /// It was past before it could be planned.
    Missed(Timestamp),
    /// It cannot be kept, and nothing is caught up for it.
    Dropped(Timestamp, SkipReason, String),
}

/// Nothing of `occurrence` can be due earlier than this.
pub(crate) fn earliest(occurrence: &Occurrence<'_>, now: Timestamp) -> Timestamp {
    occurrence.since.map_or(now, |since| since.max(now))
}

/// When `lead` of `step` falls due; what it took on the way is told to `note`.
pub(crate) fn moment(
    rule: &Rule,
    step: &Step,
    lead: Lead,
    occurrence: &Occurrence<'_>,
    now: Timestamp,
    note: &mut dyn FnMut(Note<'_>),
) -> Moment {
    let zone = &rule.timezone;
    let earliest = earliest(occurrence, now);
    let (start, unknown, why) = match lead {
        Lead::Created => (
            occurrence.created,
            "nobody knows when it came up: it was there before the first import",
            Note::Late(Late::NoCreation),
        ),
        Lead::Moved => (
            occurrence.moved,
            "it was never moved",
            Note::Late(Late::NeverMoved),
        ),
        Lead::Now | Lead::Before(_) | Lead::After(_) => {
            (Some(occurrence.start), "", Note::Late(Late::NoCreation))
        }
    };
    let Some(start) = start else {
        note(why);
        return Moment::Dropped(occurrence.start, SkipReason::Missed, unknown.to_owned());
    };
    let is_at_once = matches!(lead, Lead::Created | Lead::Moved);
    let mut due = lead.instant(zone, start, occurrence.day, step.at);
    note(Note::Lead {
        lead,
        from: start,
        day: occurrence.day,
        due,
    });
    if goes_back(step) && !is_at_once {
        due = previous_workday(rule, due, note);
    }
    let runs_after = matches!(lead, Lead::After(_));
    if !runs_after && due > occurrence.end {
        note(Note::Moved(Moved::AfterOccasion {
            due,
            end: occurrence.end,
        }));
        return Moment::Dropped(
            due,
            SkipReason::TooLate,
            format!(
                "falls after the occasion, which ends {}",
                shown(rule, occurrence.end)
            ),
        );
    }
    let limit = (!runs_after).then(|| useful_until(rule, occurrence));
    let (due, dropped) = shift(rule, step, due, limit, earliest, note);
    if let Some(why) = dropped {
        return Moment::Dropped(due, SkipReason::QuietHours, why);
    }
    // What was past anyhow was missed, whatever the rule's first day: a late booking is still told of.
    if due < wall::minute(earliest) {
        note(Note::Late(Late::Missed { due, at: earliest }));
        return Moment::Missed(due);
    }
    in_effect(rule, due, note)
}

/// Due, unless the rule's first day is still to come.
fn in_effect(rule: &Rule, due: Timestamp, note: &mut dyn FnMut(Note<'_>)) -> Moment {
    let first = rule
        .effective_from
        .filter(|from| wall::date(&rule.timezone, due) < *from);
    if let Some(from) = first {
        note(Note::Moved(Moved::NotEffective { due, from }));
        let why = "before the rule's first day".to_owned();
        Moment::Dropped(due, SkipReason::NotEffective, why)
    } else {
        Moment::Due(due)
    }
}

/// The one late reminder of an entry all of whose leads were missed.
pub(crate) fn catch_up(
    rule: &Rule,
    step: &Step,
    occurrence: &Occurrence<'_>,
    now: Timestamp,
    note: &mut dyn FnMut(Note<'_>),
) -> Moment {
    let earliest = earliest(occurrence, now);
    if earliest > useful_until(rule, occurrence) {
        note(Note::Late(Late::TooLittleLeft {
            end: occurrence.end,
            min_useful: rule.min_useful,
        }));
        return Moment::Dropped(
            earliest,
            SkipReason::TooLate,
            "too little time is left before the occasion to catch up".to_owned(),
        );
    }
    note(Note::Late(Late::CatchUp { at: earliest }));
    let (due, dropped) = shift(
        rule,
        step,
        earliest,
        Some(useful_until(rule, occurrence)),
        earliest,
        note,
    );
    match dropped {
        Some(why) => Moment::Dropped(due, SkipReason::QuietHours, why),
        None => in_effect(rule, due, note),
    }
}

/// A long holiday is shorter; who looks further for a working day finds none.
const LATE_ENTRY_DAYS: i64 = 21;

/// The next time the clock shows `step.at` on or before the last day of a season; for staff who keep working days, on one of these.
pub(crate) fn late_entry(
    rule: &Rule,
    step: &Step,
    occurrence: &Occurrence<'_>,
    now: Timestamp,
    note: &mut dyn FnMut(Note<'_>),
) -> Option<Timestamp> {
    let last = occurrence.late_until?;
    let earliest = wall::minute(earliest(occurrence, now));
    let effective = rule.effective_from.map_or(earliest, |from| {
        earliest.max(wall::instant(
            &rule.timezone,
            from.to_datetime(Time::midnight()),
        ))
    });
    let today = wall::date(&rule.timezone, effective);
    let mut days = (0..LATE_ENTRY_DAYS)
        .map(|days| wall::add_days(today, days))
        .take_while(|day| *day <= last);
    days.find_map(|day| {
        let mut due = wall::instant(&rule.timezone, day.to_datetime(step.at));
        if goes_back(step) {
            due = previous_workday(rule, due, note);
        }
        if due < effective {
            return None;
        }
        let (due, dropped) = shift(
            rule,
            step,
            due,
            Some(useful_until(rule, occurrence)),
            effective,
            note,
        );
        dropped.is_none().then_some(due)
    })
}

/// The last instant that leaves `min_useful` before the occasion.
fn useful_until(rule: &Rule, occurrence: &Occurrence<'_>) -> Timestamp {
    occurrence
        .end
        .saturating_sub(rule.min_useful)
        .unwrap_or(Timestamp::MIN)
}

/// Whether it moves back to a working day; patients and family are never moved.
fn goes_back(step: &Step) -> bool {
    step.to == Role::Staff && step.previous_workday
}

fn previous_workday(rule: &Rule, due: Timestamp, note: &mut dyn FnMut(Note<'_>)) -> Timestamp {
    let wall = rule.timezone.to_datetime(due);
    let day = rule.working_days.on_or_before(&rule.timezone, wall.date());
    if day == wall.date() {
        return due;
    }
    let moved = wall::instant(&rule.timezone, day.to_datetime(wall.time()));
    note(Note::Moved(Moved::Workday {
        was: due,
        due: moved,
    }));
    moved
}

/// Where quiet hours put it, or why they leave no room for it. Staff have none.
fn shift(
    rule: &Rule,
    step: &Step,
    due: Timestamp,
    limit: Option<Timestamp>,
    earliest: Timestamp,
    note: &mut dyn FnMut(Note<'_>),
) -> (Timestamp, Option<String>) {
    let Some(quiet) = rule.quiet.filter(|_| step.to != Role::Staff) else {
        return (due, None);
    };
    match quiet.shift(&rule.timezone, due, limit, earliest) {
        Shift::Stands => (due, None),
        Shift::Pushed(end) => {
            note(Note::Moved(Moved::Quiet {
                hours: quiet,
                was: due,
                due: end,
                is_back: false,
            }));
            (end, None)
        }
        Shift::PulledBack(evening) => {
            note(Note::Moved(Moved::Quiet {
                hours: quiet,
                was: due,
                due: evening,
                is_back: true,
            }));
            (evening, None)
        }
        Shift::Dropped { end, evening } => {
            note(Note::Moved(Moved::QuietDrop {
                hours: quiet,
                was: due,
                end,
                evening,
            }));
            let why = format!(
                "in quiet hours {}; their end {} is too late, and {} is past",
                hours(quiet),
                shown(rule, end),
                shown(rule, evening)
            );
            (due, Some(why))
        }
    }
}

fn hours(quiet: QuietHours) -> String {
    format!(
        "{}-{}",
        quiet.from.strftime("%H:%M"),
        quiet.to.strftime("%H:%M")
    )
}

/// An instant as people of the rule's zone read it.
pub(crate) fn shown(rule: &Rule, at: Timestamp) -> String {
    at.to_zoned(rule.timezone.clone())
        .strftime("%Y-%m-%dT%H:%M%:z")
        .to_string()
}
