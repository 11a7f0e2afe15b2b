//! The reminder of one recipient: its key, its channels and how long it is of use.

use jiff::Timestamp;

use crate::calendar::wall;
use crate::model::class::Role;
use crate::model::patient::Patient;
use crate::rules::plan::PlannedReminder;
use crate::rules::recipient::Recipient;
use crate::rules::rule::{Rule, Step};
use crate::rules::triggers::Occurrence;

/// A lead of a step, on its way to its recipients.
pub(crate) struct Entry<'a> {
    pub(crate) occurrence: &'a Occurrence<'a>,
    pub(crate) step: &'a Step,
    pub(crate) lead: String,
    pub(crate) runs_after: bool,
    pub(crate) due: Timestamp,
    pub(crate) catch_up: bool,
}

/// The reminder for one recipient of a lead.
pub(crate) fn reminder(
    rule: &Rule,
    patient: &Patient,
    entry: &Entry<'_>,
    recipient: &Recipient<'_>,
) -> PlannedReminder {
    let occurrence = entry.occurrence;
    let (role, relation, department, channels, stands_in) = match recipient {
        Recipient::Patient { channels } => (Role::Patient, None, None, channels.clone(), false),
        Recipient::Family {
            relation,
            channels,
            stands_in,
        } => (
            Role::Family,
            Some(relation.id.clone()),
            None,
            channels.clone(),
            *stands_in,
        ),
        Recipient::Staff {
            department,
            channel,
            stands_in,
        } => (
            Role::Staff,
            None,
            department.map(str::to_owned),
            vec![*channel],
            *stands_in,
        ),
    };
    PlannedReminder {
        key: key(rule, patient, entry, recipient),
        rule: rule.id.clone(),
        patient: patient.id.clone(),
        occasion: occurrence.occasion.map(|occasion| occasion.id.clone()),
        epoch: occurrence.epoch,
        occurrence: occurrence.key.clone(),
        step: entry.step.id.clone(),
        lead: entry.lead.clone(),
        role,
        relation,
        department,
        channels,
        class: rule.class,
        template: entry
            .step
            .template(role, rule.trigger.turn(&occurrence.key))
            .to_owned(),
        ask: entry.step.ask.filter(|_| role != Role::Staff),
        unless: entry.step.unless,
        due_at: entry.due,
        expires_at: expires_at(rule, entry),
        catch_up: entry.catch_up,
        stands_in,
    }
}

/// The occasion's start less `min_useful`; the occasion itself for a lead that is nearer;
/// the end of the local day for what is reckoned or comes after.
fn expires_at(rule: &Rule, entry: &Entry<'_>) -> Timestamp {
    let end = entry.occurrence.end;
    if entry.occurrence.occasion.is_some() && !entry.runs_after {
        let useful = end.saturating_sub(rule.min_useful).unwrap_or(end);
        if useful > entry.due {
            return useful;
        }
        if end > entry.due {
            return end;
        }
    }
    wall::end_of_day(&rule.timezone, wall::date(&rule.timezone, entry.due))
}

/// Who hears of it, as far as hearing it twice goes.
pub(crate) fn address(recipient: &Recipient<'_>) -> String {
    match recipient {
        Recipient::Patient { .. } => "patient".to_owned(),
        Recipient::Family { relation, .. } => format!("family:{}", relation.id),
        Recipient::Staff { department, .. } => format!("staff:{}", department.unwrap_or_default()),
    }
}

/// Rule, subject, occurrence, step, lead, recipient, for staff the channel, and the epoch.
fn key(rule: &Rule, patient: &Patient, entry: &Entry<'_>, recipient: &Recipient<'_>) -> String {
    let whom = match recipient {
        Recipient::Patient { .. } | Recipient::Family { .. } => address(recipient),
        Recipient::Staff { channel, .. } => format!("{}:{channel}", address(recipient)),
    };
    // Staff hear once of a holiday, not once per patient.
    let subject = if rule.trigger.is_shared() && entry.step.to == Role::Staff {
        "all"
    } else {
        patient.id.as_str()
    };
    let parts = [
        rule.id.as_str(),
        subject,
        &entry.occurrence.key,
        &entry.step.id,
        &entry.lead,
        &whom,
    ];
    let plain = parts.map(|part| part.replace('%', "%25").replace('/', "%2F"));
    format!("{}/{}", plain.join("/"), entry.occurrence.epoch)
}
