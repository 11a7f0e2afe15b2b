//! Campaigns: what a manual rule yields for the moment that somebody started it for, and how many it would reach.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use crate::calendar::wall;
use crate::model::campaign::CampaignState;
use crate::model::class::{Channel, Class};
use crate::model::id::PatientId;
use crate::model::reminder::{ReminderState, SkipReason};
use crate::planning::House;
use crate::planning::book::Book;
use crate::planning::decide::{Decided, is_settled, keep_moment, new_reminder, sent};
use crate::planning::fill::fill;
use crate::planning::preview::Line;
use crate::planning::spread::{self, Days};
use crate::planning::subject::{self, Needs, Subject};
use crate::planning::totals::{Amount, Tariff};
use crate::rules::lead::Lead;
use crate::rules::plan::{self, SentLead};
use crate::rules::rule::Rule;
use crate::rules::trigger::Trigger;
use crate::store::campaigns::Campaign;
use crate::store::candidates::{self, Among, Candidates};
use crate::store::reminders::{NewReminder, Reminder};
use crate::store::{Store, StoreError};

/// Patients looked at together.
const PAGE: i64 = 500;

/// The word that the reminders of a campaign have for its moment.
pub fn occurrence(rule: &Rule, at: Timestamp) -> String {
    let wall = rule.timezone.to_datetime(at);
    wall.strftime("%Y-%m-%dT%H:%M").to_string()
}

/// The moment of an occurrence.
fn moment(rule: &Rule, occurrence: &str) -> Option<Timestamp> {
    let wall: DateTime = occurrence.parse().ok()?;
    Some(wall::instant(&rule.timezone, wall))
}

/// Who may be reached.
pub fn candidates(rule: &Rule) -> Candidates {
    Candidates {
        among: Among::Everybody,
        diagnosis: rule.audience.diagnosis.clone(),
        sex: None,
        born_until: None,
        born_after: None,
        tags: Vec::new(),
    }
}

/// The moments of those of `current` that are still to be planned by `rule`.
pub(crate) fn moments(rule: &Rule, current: &[Campaign]) -> Vec<Timestamp> {
    let mine = current.iter().filter(|campaign| campaign.rule == rule.id);
    let ahead = mine.filter(|campaign| match campaign.state {
        CampaignState::Counting | CampaignState::Waiting | CampaignState::Planning => true,
        CampaignState::Planned | CampaignState::Cancelled => false,
    });
    ahead.map(|campaign| campaign.at).collect()
}

/// Whom a manual rule may have something for: all it is meant for.
pub(crate) fn among(rule: &Rule, current: &[Campaign]) -> Option<Candidates> {
    let is_running = current.iter().any(|campaign| campaign.rule == rule.id);
    (is_manual(rule) && is_running).then(|| candidates(rule))
}

/// How many days before its moment a campaign has something to say, at most.
pub fn days_before(rule: &Rule) -> i64 {
    let before = |lead: &Lead| match lead {
        Lead::Before(distance) => i64::try_from(distance.most_days()).unwrap_or(0),
        Lead::After(_) | Lead::Created | Lead::Moved | Lead::Now => 0,
    };
    let leads = rule.steps.iter().flat_map(|step| &step.leads);
    leads.map(before).max().unwrap_or(0)
}

/// What `rule` yields for the moment `at`, if one is given, and for every moment that something of it is planned for already.
///
/// Each is planned as of its own moment, so that planning again moves nothing.
pub(crate) fn decide(
    rule: &Rule,
    subject: &Subject,
    known: &[&Reminder],
    at: Option<Timestamp>,
    now: Timestamp,
    decided: &mut Decided,
) {
    let planned: HashMap<&str, &Reminder> = known
        .iter()
        .filter(|r| r.state == ReminderState::Planned)
        .map(|r| (r.plan.plan_key.as_str(), *r))
        .collect();
    let before = planned.values();
    let before = before.filter_map(|r| moment(rule, &r.plan.occurrence));
    let moments: BTreeSet<Timestamp> = before.chain(at).collect();
    if moments.is_empty() {
        return;
    }
    let sent: Vec<SentLead> = known
        .iter()
        .filter(|r| is_settled(r))
        .map(|r| sent(r))
        .collect();
    let subject = plan::Subject {
        patient: &subject.patient,
        facts: &subject.facts,
        occasions: &subject.occasions,
        sent: &sent,
        sensitive: false,
        overrides: &subject.overrides,
    };
    for at in moments {
        // As of the first that waits, so that what is due by now is not missed.
        let of_this = planned
            .values()
            .filter(|r| moment(rule, &r.plan.occurrence) == Some(at));
        let first = of_this
            .map(|r| r.planned_for.unwrap_or(r.plan.due_at))
            .min();
        let as_of = now.min(at).min(first.unwrap_or(at));
        let plan = plan::plan_manual(rule, &subject, as_of, at);
        for reminder in plan.reminders {
            let mut new = new_reminder(rule, reminder);
            let before = planned.get(new.plan_key.as_str()).copied();
            keep_moment(&mut new, before);
            decided.reminders.push(new);
        }
        let told = plan.decisions.into_iter();
        let told = told.map(|decision| (rule.id.clone(), decision));
        decided.decisions.extend(told);
    }
}

/// What the campaign of `rule` at `at` yields for `subject`; of the rule's other campaigns what is planned already.
pub fn plan_one(rule: &Rule, subject: &Subject, at: Timestamp, now: Timestamp) -> Decided {
    let mut decided = Decided::default();
    let known: Vec<&Reminder> = subject
        .reminders
        .iter()
        .filter(|r| r.plan.rule == rule.id)
        .collect();
    decide(rule, subject, &known, Some(at), now, &mut decided);
    decided
}

/// Whether a campaign reaches a patient, or why not; nothing for who is not in its audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Something is planned.
    Yes,
    /// Nothing is, for this reason.
    No(SkipReason),
    /// It was never meant for them.
    NotMeant,
}

/// Whether what was decided reaches the patient.
pub fn reached(decided: &Decided, occurrence: &str) -> Reached {
    let mine = |plan: &NewReminder| plan.occurrence == occurrence && plan.patient.is_some();
    if decided.reminders.iter().any(mine) {
        return Reached::Yes;
    }
    let told = decided.decisions.iter().map(|(_, decision)| decision);
    let mut told = told.filter(|d| d.occurrence.is_empty() || d.occurrence == occurrence);
    match told.next().map(|decision| decision.reason) {
        None | Some(SkipReason::NotInAudience) => Reached::NotMeant,
        // It went out already: planning again does not reach them less.
        Some(SkipReason::Duplicate) => Reached::Yes,
        Some(reason) => Reached::No(reason),
    }
}

/// How many a campaign would reach.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Patients with something planned.
    pub patients: i64,
    /// Patients it was meant for and does not reach, by reason.
    pub not: BTreeMap<SkipReason, i64>,
    /// Messages and tasks by day, channel and class.
    pub amounts: BTreeMap<(Date, Channel, Class), Amount>,
    /// Messages whose text cannot be made, by what is wrong.
    pub problems: BTreeMap<String, i64>,
}

/// How many the campaign of `rule` at `at` would reach. Writes nothing, and keeps no more than a page of patients.
///
/// # Errors
/// When the database fails.
pub async fn preview(
    store: &Store,
    book: &Book,
    house: &House,
    rule: &Rule,
    (at, now): (Timestamp, Timestamp),
) -> Result<Reach, StoreError> {
    let mut reach = Reach::default();
    let key = occurrence(rule, at);
    let mut shared = BTreeSet::new();
    let mut days = Days::load(&mut store.read().await?, rule, now).await?;
    let mut after: Option<PatientId> = None;
    loop {
        let mut tx = store.read().await?;
        let ids = candidates::page(&mut tx, &candidates(rule), after.as_ref(), PAGE).await?;
        let subjects = subject::load(&mut tx, &ids, &Needs::of(rule), now).await?;
        if let Some(days) = &mut days {
            days.know(&mut tx, &ids).await?;
        }
        drop(tx);
        let mut lines = Vec::new();
        for subject in &subjects {
            let mut decided = plan_one(rule, subject, at, now);
            decided.reminders.retain(|plan| plan.occurrence == key);
            spread::place(&mut days, subject, &mut decided, now);
            match reached(&decided, &key) {
                Reached::Yes => reach.patients += 1,
                Reached::No(reason) => *reach.not.entry(reason).or_default() += 1,
                Reached::NotMeant => continue,
            }
            let new = decided.reminders.into_iter();
            lines.extend(
                new.filter(|plan| plan.patient.is_some() || shared.insert(plan.plan_key.clone()))
                    .map(|plan| Line::of(plan, None)),
            );
        }
        fill(store, book, house, now, &Tariff::default(), &mut lines).await?;
        reach.add(house, &lines);
        after = ids.last().cloned();
        if ids.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
            break;
        }
    }
    Ok(reach)
}

impl Reach {
    fn add(&mut self, house: &House, lines: &[Line]) {
        for line in lines {
            if let Some((_, why)) = &line.problem {
                *self.problems.entry(why.clone()).or_default() += 1;
                continue;
            }
            let Some(channel) = line.plan.channels.first() else {
                continue;
            };
            let day = wall::date(&house.timezone, line.plan.due_at);
            let amount = self.amounts.entry((day, *channel, line.plan.class));
            let amount: &mut Amount = amount.or_default();
            amount.messages += 1;
            amount.segments += line.segments;
        }
    }
}

/// How many are reached on the first day, as far as the rule's own cap lets them.
pub fn first_day(rule: &Rule, reach: i64) -> i64 {
    rule.daily_cap
        .map_or(reach, |cap| reach.min(i64::from(cap)))
}

/// Whether somebody may start it.
pub fn is_manual(rule: &Rule) -> bool {
    matches!(rule.trigger, Trigger::Manual)
}
