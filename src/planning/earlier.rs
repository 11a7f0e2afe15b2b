//! What happened before a reminder of one occurrence: what arrived, what was answered, what makes the rest needless.

use jiff::civil::Date;

use crate::calendar::wall;
use crate::gates::Earlier;
use crate::model::occasion::{Occasion, OccasionStatus};
use crate::model::patient::Fact;
use crate::model::reminder::SkipReason;
use crate::planning::House;
use crate::planning::context::About;
use crate::planning::material::Material;

/// What happened before `about`, as the gates ask for it.
pub(crate) fn earlier(about: &About<'_>, material: &Material, house: &House) -> Earlier {
    let id = &about.reminder.id;
    let heard = material.heard.get(id).copied().unwrap_or_default();
    Earlier {
        is_delivered: material.delivered.contains(id),
        is_answered: heard.is_answered,
        is_confirmed: heard.is_confirmed,
        is_told: !about.is_moved() || material.told.contains_key(id),
        cleared: cleared(about, material, house).map(Cleared::reason),
    }
}

/// What makes the rest of an occurrence or of a group needless.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cleared<'a> {
    /// A fact that the rule names, of that day.
    Fact(&'a Fact, Date),
    /// A question of the group was answered.
    Answered,
    /// The patient came to a booking after the first word of the group.
    Came(&'a Occasion),
    /// The record has a visit on a day after the first word of the group.
    Seen(Date),
}

impl Cleared<'_> {
    /// In a word.
    pub(crate) const fn reason(self) -> SkipReason {
        match self {
            Self::Answered => SkipReason::AlreadyAnswered,
            Self::Fact(..) | Self::Came(_) | Self::Seen(_) => SkipReason::Done,
        }
    }
}

/// What the record shows, or the patient did, that makes the rest of the occurrence or of the group needless.
pub(crate) fn cleared<'a>(
    about: &About<'_>,
    material: &'a Material,
    house: &House,
) -> Option<Cleared<'a>> {
    let own = about.rule.map_or(&house.timezone, |rule| &rule.timezone);
    let reminder = about.reminder;
    let patient = reminder.plan.patient.as_ref()?;
    let facts = material.facts.get(patient).map_or(&[][..], Vec::as_slice);
    if let Some((fact, day)) = about.done_by(facts) {
        return Some(Cleared::Fact(fact, day));
    }
    let group = material.group.get(&reminder.id)?;
    if group.is_answered {
        return Some(Cleared::Answered);
    }
    let since = group.first_at?;
    let visits = material.visits.get(patient).into_iter().flatten();
    let came = visits.into_iter().find(|visit| {
        let zone = wall::zone(&visit.timezone);
        let at = visit.when.instant(zone.as_ref().unwrap_or(own));
        matches!(
            visit.status,
            OccasionStatus::Arrived | OccasionStatus::Fulfilled
        ) && at.is_ok_and(|at| at > since)
    });
    // A day alone may have been before the word: only a later one counts for sure.
    let sent_on = wall::date(own, since);
    let seen = || {
        let visits = facts.iter().filter(|fact| fact.kind == "encounter");
        let later = visits.filter(|fact| match fact.at {
            Some(at) => at > since.as_millisecond(),
            None => fact.on.is_some_and(|on| on > sent_on),
        });
        later.filter_map(|fact| fact.day(own)).min()
    };
    came.map(Cleared::Came)
        .or_else(|| seen().map(Cleared::Seen))
}
