//! Decides what the rules yield for one patient, given what was planned and sent before.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::civil::Time;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::wall;
use crate::model::class::Role;
use crate::model::id::OccasionId;
use crate::model::reminder::{ReminderState, SkipReason};
use crate::planning::campaign;
use crate::planning::subject::Subject;
use crate::rules::plan::{self, Decision, Plan, PlannedReminder, SentLead};
use crate::rules::rule::Rule;
use crate::rules::trigger::Trigger;
use crate::store::reminders::{NewReminder, Reminder};

/// How long after it came up an occasion that nobody planned yet is planned as of the moment it came up.
const FRESH: SignedDuration = SignedDuration::from_hours(48);

/// How far ahead occasions are planned: whole.
pub const WHOLE: SignedDuration = SignedDuration::from_hours(24 * 3660);

/// How far to look.
#[derive(Clone, Copy, Debug)]
pub struct Horizon {
    /// The present moment.
    pub now: Timestamp,
    /// How far ahead computed dates are planned, and the rest of that day.
    pub ahead: SignedDuration,
    /// Whether to plan as of the moment an occasion came up: for changed records, not for a rule switched on.
    pub looks_back: bool,
    /// Plans all up to here instead: for a look ahead.
    pub to: Option<Timestamp>,
}

/// What the rules yield for one patient.
#[derive(Clone, Debug, Default)]
pub struct Decided {
    /// What is to be said or done.
    pub reminders: Vec<NewReminder>,
    /// What is not, and why, by rule.
    pub decisions: Vec<(String, Decision)>,
}

impl Horizon {
    /// The first moment that is not planned yet for `rule`.
    pub fn until(&self, rule: &Rule) -> Timestamp {
        if let Some(to) = self.to {
            return to;
        }
        let after = |ahead| self.now.saturating_add(ahead).unwrap_or(Timestamp::MAX);
        match rule.trigger {
            Trigger::Occasion { .. } => after(WHOLE),
            Trigger::Birthday
            | Trigger::Holiday { .. }
            | Trigger::Season { .. }
            | Trigger::Every { .. }
            | Trigger::Manual => {
                // Whole days, so that a day's birthdays are looked for once.
                let next = wall::add_days(wall::date(&rule.timezone, after(self.ahead)), 1);
                wall::instant(&rule.timezone, next.to_datetime(Time::midnight()))
            }
        }
    }
}

/// What `rules` yield for `subject`.
///
/// What is due but not composed yet counts as sent, so that it is neither repeated nor caught up, and stays
/// only if the rule, asked as of that moment, still wants it.
pub fn decide<'r>(
    rules: impl Iterator<Item = &'r Rule>,
    subject: &Subject,
    horizon: &Horizon,
) -> Decided {
    let mut decided = Decided::default();
    let fresh = if horizon.looks_back {
        Fresh::of(subject, horizon.now)
    } else {
        Fresh::default()
    };
    let mut by_rule: BTreeMap<&str, Vec<&Reminder>> = BTreeMap::new();
    for reminder in &subject.reminders {
        by_rule
            .entry(&reminder.plan.rule)
            .or_default()
            .push(reminder);
    }
    for rule in rules {
        let known = by_rule.get(rule.id.as_str()).map_or(&[][..], Vec::as_slice);
        decide_one(rule, subject, known, &fresh, horizon, &mut decided);
    }
    decided
}

fn decide_one(
    rule: &Rule,
    subject: &Subject,
    known: &[&Reminder],
    fresh: &Fresh<'_>,
    horizon: &Horizon,
    decided: &mut Decided,
) {
    if matches!(rule.trigger, Trigger::Manual) {
        // What somebody started is planned again as of then.
        return campaign::decide(rule, subject, known, None, horizon.now, decided);
    }
    let waits = |r: &&&Reminder| is_waiting(r, horizon.now);
    let waiting: BTreeMap<&str, &Reminder> = known
        .iter()
        .filter(waits)
        .map(|r| (r.plan.plan_key.as_str(), *r))
        .collect();
    let sent: Vec<SentLead> = known
        .iter()
        .filter(|r| is_settled(r) || waits(r))
        .map(|r| sent(r))
        .collect();
    let until = horizon.until(rule);
    let plan = plan_at(rule, subject, &sent, horizon.now, until);
    let decisions = plan.decisions.into_iter();
    decided
        .decisions
        .extend(decisions.map(|decision| (rule.id.clone(), decision)));
    let of_now = plan
        .reminders
        .into_iter()
        .filter(|reminder| !fresh.has(reminder) && !waiting.contains_key(reminder.key.as_str()));
    for reminder in of_now {
        if stays_missed(&reminder, known, horizon) {
            decided
                .decisions
                .push((rule.id.clone(), missed_before(reminder)));
        } else if is_told(&reminder, known) {
            let detail = "staff have a task about it already".to_owned();
            let decision = not_again(reminder, SkipReason::Duplicate, detail);
            decided.decisions.push((rule.id.clone(), decision));
        } else {
            decided.reminders.push(new_reminder(rule, reminder));
        }
    }
    // Once more as of each moment past: for what waits since then, and for what came up before anybody planned it.
    // Of a lead that waits, what went out to another recipient is no reason against it; and the lead may have
    // another recipient by now.
    let leads: HashMap<Lead<'_>, Timestamp> = waiting
        .values()
        .map(|r| (lead_of(r), planned_moment(r)))
        .collect();
    let settled: Vec<SentLead> = known
        .iter()
        .filter(|r| is_settled(r) && !leads.contains_key(&lead_of(r)))
        .map(|r| self::sent(r))
        .collect();
    let moments: BTreeSet<Timestamp> = leads.values().chain(fresh.0.values()).copied().collect();
    for moment in moments {
        // What waited before then was on its way: nothing is caught up for it, which would stand in the way of others.
        let earlier = waiting.values().filter(|r| planned_moment(r) < moment);
        let mut sent = settled.clone();
        sent.extend(earlier.map(|r| self::sent(r)));
        for reminder in plan_at(rule, subject, &sent, moment, until).reminders {
            let since = leads.get(&planned_lead(&reminder)).copied();
            if since.or_else(|| fresh.since(&reminder)) == Some(moment) {
                let before = waiting.get(reminder.key.as_str()).copied();
                let mut new = new_reminder(rule, reminder);
                keep_moment(&mut new, before);
                decided.reminders.push(new);
            }
        }
    }
}

/// What counts as sent for `rule` at the horizon's present, and as of when each occasion is planned that nobody
/// planned yet: what an explanation of the same plan starts from.
pub(crate) fn basis<'a>(
    rule: &Rule,
    subject: &'a Subject,
    horizon: &Horizon,
) -> (Vec<SentLead>, BTreeMap<&'a OccasionId, Timestamp>) {
    let of_rule = subject.reminders.iter().filter(|r| r.plan.rule == rule.id);
    let sent = of_rule
        .filter(|r| is_settled(r) || is_waiting(r, horizon.now))
        .map(sent);
    (sent.collect(), Fresh::of(subject, horizon.now).0)
}

/// Whether a late reminder would make up for leads that were past before the rule had a say: those stay missed,
/// so that a rule that is switched on or edited tells nobody what is over.
fn stays_missed(reminder: &PlannedReminder, known: &[&Reminder], horizon: &Horizon) -> bool {
    !horizon.looks_back
        && reminder.catch_up
        && reminder.occasion.is_some()
        && !known.iter().any(|r| r.plan.plan_key == reminder.key)
}

/// Whether a late task in a patient's place would say once more what the composer gave staff a task about: that
/// nobody can be reached.
fn is_told(reminder: &PlannedReminder, known: &[&Reminder]) -> bool {
    let hides = [
        SkipReason::NoContactPoint,
        SkipReason::OptedOut,
        SkipReason::NoGuardian,
        SkipReason::NoConsent,
    ];
    let is_same = |plan: &NewReminder| {
        (&plan.occurrence, plan.epoch, &plan.step)
            == (&reminder.occurrence, reminder.epoch, &reminder.step)
    };
    let told = |r: &&Reminder| {
        let why = r.reason.as_deref();
        r.state == ReminderState::Skipped && hides.iter().any(|reason| why == Some(reason.as_str()))
    };
    reminder.stands_in
        && reminder.role == Role::Staff
        && reminder.catch_up
        && known.iter().any(|r| is_same(&r.plan) && told(r))
}

fn missed_before(reminder: PlannedReminder) -> Decision {
    let detail = "its leads were past before the rule planned anything for the occasion".to_owned();
    not_again(reminder, SkipReason::Missed, detail)
}

fn not_again(reminder: PlannedReminder, reason: SkipReason, detail: String) -> Decision {
    Decision {
        at: Some(reminder.due_at),
        occurrence: reminder.occurrence,
        step: reminder.step,
        lead: reminder.lead,
        role: Some(reminder.role),
        reason,
        detail,
    }
}

/// What the rule yields as of `at`, from a day before, since a minute that runs counts as well.
fn plan_at(
    rule: &Rule,
    subject: &Subject,
    sent: &[SentLead],
    at: Timestamp,
    until: Timestamp,
) -> Plan {
    let subject = plan::Subject {
        patient: &subject.patient,
        facts: &subject.facts,
        occasions: &subject.occasions,
        sent,
        sensitive: false,
        overrides: &subject.overrides,
    };
    let from = at
        .saturating_sub(SignedDuration::from_hours(24))
        .unwrap_or(at);
    plan::plan(rule, &subject, at, from..until)
}

/// Occurrence, epoch, step and lead.
type Lead<'a> = (&'a str, i64, &'a str, &'a str);

fn lead_of(reminder: &Reminder) -> Lead<'_> {
    let plan = &reminder.plan;
    (&plan.occurrence, plan.epoch, &plan.step, &plan.lead)
}

fn planned_lead(planned: &PlannedReminder) -> Lead<'_> {
    (
        &planned.occurrence,
        planned.epoch,
        &planned.step,
        &planned.lead,
    )
}

/// What the composer put off, and a catch-up that waits already, stay where they are.
pub(super) fn keep_moment(new: &mut NewReminder, before: Option<&Reminder>) {
    if let Some(before) = before
        && (before.planned_for == Some(new.due_at) || before.plan.catch_up)
    {
        new.due_at = before.plan.due_at;
        // Where its day went by it has another one.
        new.expires_at = new.expires_at.max(before.plan.expires_at);
    }
}

/// The moment it was planned for.
fn planned_moment(reminder: &Reminder) -> Timestamp {
    reminder.planned_for.unwrap_or(reminder.plan.due_at)
}

/// Whether its moment has come and nobody composed it yet.
fn is_waiting(reminder: &Reminder, now: Timestamp) -> bool {
    reminder.state == ReminderState::Planned && planned_moment(reminder) <= now
}

/// Whether it is done with: it went out, or there is no sense in making up for it.
pub(super) fn is_settled(reminder: &Reminder) -> bool {
    match reminder.state {
        ReminderState::Composed => true,
        ReminderState::Planned | ReminderState::Superseded => false,
        ReminderState::Skipped => {
            let needless = [
                SkipReason::AlreadyAnswered,
                SkipReason::AlreadyDelivered,
                SkipReason::Declined,
                SkipReason::FrequencyCap,
                SkipReason::Merged,
                SkipReason::OptedOut,
                SkipReason::Shadow,
            ];
            needless
                .iter()
                .any(|reason| reminder.reason.as_deref() == Some(reason.as_str()))
        }
    }
}

pub(super) fn sent(reminder: &Reminder) -> SentLead {
    let plan = &reminder.plan;
    SentLead {
        occurrence: plan.occurrence.clone(),
        epoch: plan.epoch,
        step: Some(plan.step.clone()),
        lead: plan.lead.clone(),
    }
}

/// Occasions that came up or were moved lately and that nobody planned since, with that moment.
#[derive(Debug, Default)]
struct Fresh<'a>(BTreeMap<&'a OccasionId, Timestamp>);

impl<'a> Fresh<'a> {
    fn of(subject: &'a Subject, now: Timestamp) -> Self {
        let oldest = now.saturating_sub(FRESH).unwrap_or(Timestamp::MIN);
        let rows = subject.reminders.iter();
        let planned: HashSet<(&OccasionId, i64)> = rows
            .filter_map(|r| Some((r.plan.occasion.as_ref()?, r.plan.epoch)))
            .collect();
        let occasions = subject.occasions.iter();
        let came_up = occasions.filter_map(|o| Some((o, o.created_at.max(o.moved_at)?)));
        let fresh = came_up.filter(|(o, since)| {
            *since <= now && *since >= oldest && !planned.contains(&(&o.id, o.epoch))
        });
        Self(fresh.map(|(o, since)| (&o.id, since)).collect())
    }

    fn since(&self, reminder: &PlannedReminder) -> Option<Timestamp> {
        self.0.get(reminder.occasion.as_ref()?).copied()
    }

    fn has(&self, reminder: &PlannedReminder) -> bool {
        self.since(reminder).is_some()
    }
}

/// A planned reminder as the store takes it.
pub(crate) fn new_reminder(rule: &Rule, planned: PlannedReminder) -> NewReminder {
    // Staff hear of a holiday once, with a count.
    let is_shared = rule.trigger.is_shared() && planned.role == Role::Staff && !planned.stands_in;
    NewReminder {
        plan_key: planned.key,
        rule: planned.rule,
        rule_version: rule.version.clone(),
        timing: rule.timing_hash().to_owned(),
        class: planned.class,
        patient: (!is_shared).then_some(planned.patient),
        relation: planned.relation,
        occasion: planned.occasion,
        epoch: planned.epoch,
        occurrence: planned.occurrence,
        step: planned.step,
        lead: planned.lead,
        role: planned.role,
        department: planned.department,
        channels: planned.channels,
        template: planned.template,
        ask: planned.ask,
        unless: planned.unless,
        catch_up: planned.catch_up,
        due_at: planned.due_at,
        expires_at: planned.expires_at,
    }
}
