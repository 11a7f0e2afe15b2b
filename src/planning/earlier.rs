//! What happened before a reminder of one occurrence: what arrived, what was answered, what makes the rest needless.

use crate::calendar::wall;
use crate::gates::Earlier;
use crate::model::occasion::OccasionStatus;
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
        cleared: cleared(about, material, house),
    }
}

/// What the record shows, or the patient did, that makes the rest of the occurrence or of the group needless.
fn cleared(about: &About<'_>, material: &Material, house: &House) -> Option<SkipReason> {
    let own = about.rule.map_or(&house.timezone, |rule| &rule.timezone);
    let reminder = about.reminder;
    let patient = reminder.plan.patient.as_ref()?;
    let facts = material.facts.get(patient).map_or(&[][..], Vec::as_slice);
    if about.is_done(facts) {
        return Some(SkipReason::Done);
    }
    let group = material.group.get(&reminder.id)?;
    if group.is_answered {
        return Some(SkipReason::AlreadyAnswered);
    }
    let since = group.first_at?;
    let visits = material.visits.get(patient).into_iter().flatten();
    let came = visits.into_iter().any(|visit| {
        let zone = wall::zone(&visit.timezone);
        let at = visit.when.instant(zone.as_ref().unwrap_or(own));
        matches!(
            visit.status,
            OccasionStatus::Arrived | OccasionStatus::Fulfilled
        ) && at.is_ok_and(|at| at > since)
    });
    // A day alone may have been before the word: only a later one counts for sure.
    let sent_on = wall::date(own, since);
    let seen = facts.iter().any(|fact| {
        fact.kind == "encounter"
            && match fact.at {
                Some(at) => at > since.as_millisecond(),
                None => fact.on.is_some_and(|on| on > sent_on),
            }
    });
    (came || seen).then_some(SkipReason::Done)
}
