//! Two rules, or two steps, that tell the same person the same thing at the same moment.

use crate::model::class::{Channel, Role};
use crate::planning::book::{Book, Problem};
use crate::planning::lint::place;
use crate::rules::audience::Audience;
use crate::rules::lead::Lead;
use crate::rules::rule::{Rule, Step};
use crate::rules::trigger::Trigger;

/// Every pair of rules that may tell one recipient twice at one moment.
pub(super) fn pairs(book: &Book, rules: &[&Rule]) -> Vec<Problem> {
    let mut found = Vec::new();
    for (at, first) in rules.iter().enumerate() {
        for second in rules.iter().skip(at + 1) {
            if are_apart(first, second) {
                continue;
            }
            found.extend(steps(book, first, second));
        }
    }
    found
}

/// Whether no patient gets something by both at once, for sure.
fn are_apart(first: &Rule, second: &Rule) -> bool {
    !starts_alike(&first.trigger, &second.trigger)
        || first.timezone.iana_name() != second.timezone.iana_name()
        || are_disjoint(&first.audience, &second.audience)
}

fn starts_alike(first: &Trigger, second: &Trigger) -> bool {
    match (first, second) {
        (Trigger::Birthday, Trigger::Birthday) => true,
        (Trigger::Holiday { holiday: a, .. }, Trigger::Holiday { holiday: b, .. }) => a == b,
        (Trigger::Season { from: a, .. }, Trigger::Season { from: b, .. }) => a == b,
        (Trigger::Every { pattern: a, .. }, Trigger::Every { pattern: b, .. }) => a == b,
        (Trigger::Occasion { kind: a, codes: x }, Trigger::Occasion { kind: b, codes: y }) => {
            let meet = |one: &String, other: &String| {
                one.starts_with(other.as_str()) || other.starts_with(one.as_str())
            };
            let codes_meet = x.is_empty()
                || y.is_empty()
                || x.iter().any(|one| y.iter().any(|other| meet(one, other)));
            a == b && codes_meet
        }
        (
            Trigger::Birthday
            | Trigger::Holiday { .. }
            | Trigger::Season { .. }
            | Trigger::Every { .. }
            | Trigger::Manual
            | Trigger::Occasion { .. },
            _,
        ) => false,
    }
}

/// Whether nobody can be in both. Codes and marks say nothing: one patient may have several.
fn are_disjoint(first: &Audience, second: &Audience) -> bool {
    let below = |max: Option<i64>, min: Option<i64>| {
        max.is_some_and(|max| min.is_some_and(|min| max < min))
    };
    let sexes = first
        .sex
        .is_some_and(|a| second.sex.is_some_and(|b| a != b));
    sexes || below(first.max_age, second.min_age) || below(second.max_age, first.min_age)
}

fn steps(book: &Book, first: &Rule, second: &Rule) -> Vec<Problem> {
    let mut found = Vec::new();
    for (at, step) in second.steps.iter().enumerate() {
        let twin = first
            .steps
            .iter()
            .enumerate()
            .find_map(|(place, other)| Some((place, other, together(other, step)?)));
        let (Some((twin_at, twin, lead)), Some((file, text)), Some((other, other_text))) =
            (twin, book.source(&second.id), book.source(&first.id))
        else {
            continue;
        };
        let mut said = step.all_templates();
        let same = if said.any(|template| twin.all_templates().any(|other| other == template)) {
            ", with the same template"
        } else {
            ""
        };
        let path = format!("step[{}]", at + 1);
        let here = place(file, text, &path);
        let there = place(other, other_text, &format!("step[{}]", twin_at + 1));
        found.push(Problem {
            is_warning: true,
            text: format!(
                "{here}: {path}: goes to the same {} at the same moment ({lead}) as rule `{}` ({there}){same}; nothing keeps the two audiences apart",
                step.to, first.id
            ),
        });
    }
    found
}

/// The first lead that brings both to the same recipient by the same way at the same moment.
pub(super) fn together(first: &Step, second: &Step) -> Option<Lead> {
    let same_place = match first.to {
        Role::Patient | Role::Family => first.to == second.to,
        Role::Staff => second.to == Role::Staff && first.department == second.department,
    };
    let default = |step: &Step| match step.to {
        Role::Staff => vec![Channel::Task],
        Role::Patient | Role::Family => vec![Channel::Sms, Channel::Email],
    };
    let ways = |step: &Step| step.by.clone().unwrap_or_else(|| default(step));
    let (a, b) = (ways(first), ways(second));
    let same_way = match first.to {
        Role::Staff => a.iter().any(|channel| b.contains(channel)),
        Role::Patient | Role::Family => a.first() == b.first(),
    };
    if !same_place || !same_way || first.previous_workday != second.previous_workday {
        return None;
    }
    let leads = second.leads.iter();
    leads.copied().find(|lead| {
        first
            .leads
            .iter()
            .any(|other| meets(first, *other, second, *lead))
    })
}

/// Whether both leads point at one moment.
fn meets(first: &Step, a: Lead, second: &Step, b: Lead) -> bool {
    let (Some(left), Some(right)) = (moment(a), moment(b)) else {
        return a == b;
    };
    let on_wall = |lead: Lead| match lead {
        Lead::Before(distance) | Lead::After(distance) => distance.is_calendar(),
        Lead::Created | Lead::Moved | Lead::Now => false,
    };
    left == right && (!on_wall(a) || first.at == second.at)
}

/// A lead as a signed count of its smallest unit, where two ways to write it are one; months have no such count.
pub(super) fn moment(lead: Lead) -> Option<(bool, i64)> {
    use crate::rules::lead::Unit;
    let (distance, sign) = match lead {
        Lead::Before(distance) => (distance, -1),
        Lead::After(distance) => (distance, 1),
        Lead::Created | Lead::Moved | Lead::Now => return None,
    };
    let count = i64::from(distance.count) * sign;
    match distance.unit {
        Unit::Months if distance.count == 0 => Some((true, 0)),
        Unit::Months => None,
        Unit::Weeks => Some((true, count * 7)),
        Unit::Days => Some((true, count)),
        Unit::Hours => Some((false, count * 60)),
        Unit::Minutes => Some((false, count)),
    }
}
