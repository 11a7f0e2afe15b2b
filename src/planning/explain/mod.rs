//! Why somebody gets something or nothing by a rule: the plan's own explanation, what the last moment would say,
//! what the text would be, and what became of it already.
//!
//! Decides and writes nothing. A sensitive patient is not in the store, so there is nothing to tell of one.

mod company;
mod gates;
mod history;
mod outcome;
mod spreading;
mod staff;
mod switch;
mod wording;

use jiff::{SignedDuration, Timestamp};

use crate::calendar::wall;
use crate::gates::Caps;
use crate::model::class::{Class, Role};
use crate::model::id::PatientId;
use crate::model::private::Private;
use crate::model::reminder::{ReminderState, SkipReason};
use crate::planning::House;
use crate::planning::book::Book;
use crate::planning::context::About;
use crate::planning::decide::{self, Horizon, WHOLE};
use crate::planning::explain::company::Beside;
use crate::planning::explain::spreading::Place;
use crate::planning::material::Material;
use crate::planning::preview::as_reminder;
use crate::planning::subject::{self, Needs, Subject};
use crate::rules::explain::language::{Language, Names};
use crate::rules::explain::{Explanation, Line, Said, Section, explain_in};
use crate::rules::plan::{self, PlannedReminder};
use crate::rules::rule::Rule;
use crate::rules::trigger::Trigger;
use crate::store::reminders::Reminder;
use crate::store::rule_switches::Switch;
use crate::store::{Store, StoreError, due, reminder_history, rule_plans, rule_switches};

pub use outcome::{Outcome, State};

/// How far ahead reckoned days are looked for: every birthday and feast comes up once.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 400);

/// So many coming occurrences are told of; the later ones come about alike.
const MOST_OCCURRENCES: usize = 3;

/// So many of the last reminders are told of.
const MOST_PAST: i64 = 20;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The patient.
    pub patient: &'a PatientId,
    /// The moment to plan at.
    pub at: Timestamp,
    /// The language to answer in, BCP 47: Chinese, or else English.
    pub language: &'a str,
    /// How many of the capped classes one recipient gets.
    pub caps: Caps,
    /// Classes that go only to who gave leave for them.
    pub need_consent: &'a [Class],
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Whose it is, as the source names them.
    pub patient: (String, Private<String>),
    /// What decided, in order.
    pub lines: Vec<Line>,
    /// How many more occurrences come up than are told of.
    pub more: usize,
    /// What comes of it.
    pub outcome: Outcome,
}

/// What all the answer is made of.
struct Case<'a> {
    question: &'a Question<'a>,
    language: Language,
    book: &'a Book,
    house: &'a House,
    subject: &'a Subject,
    material: &'a Material,
    names: &'a Names,
    switch: Option<&'a Switch>,
    /// What the patient gets by any rule, where it may go together.
    beside: &'a Beside,
}

impl<'a> Case<'a> {
    fn about(&self, reminder: &'a Reminder) -> About<'a> {
        About::of(reminder, Some(self.question.rule), self.material)
    }
}

/// Answers `question`; `None` when there is no such patient.
///
/// # Errors
/// When the database fails.
pub async fn answer(
    store: &Store,
    book: &Book,
    house: &House,
    question: &Question<'_>,
) -> Result<Option<Answer>, StoreError> {
    let (rule, at) = (question.rule, question.at);
    let language = Language::of(question.language);
    let mut tx = store.read().await?;
    let ids = [question.patient.clone()];
    let found = subject::load(&mut tx, &ids, &Needs::all(), at).await?;
    let Some(subject) = found.first() else {
        return Ok(None);
    };
    let past = reminder_history::of(&mut tx, question.patient, &rule.id, MOST_PAST).await?;
    let names = Names(due::departments(&mut tx).await?);
    let switch = rule_switches::all(&mut tx).await?.remove(&rule.id);
    let plans = rule_plans::all(&mut tx).await?;
    let is_planned = plans.iter().any(|plan| plan.rule == rule.id);
    let mut explained = explained(rule, subject, at, (language, &names));
    let more = shorten(&mut explained, at);
    let held = switch::lines(rule, switch.as_ref(), is_planned, language);
    let place = explained.lines.iter();
    let place = place
        .take_while(|line| line.section == Section::Rule)
        .count();
    explained.lines.splice(place..place, held);
    let planned = explained.plan.reminders.iter();
    let mut reminders: Vec<Reminder> = planned
        .map(|planned| stored(subject, rule, planned, at))
        .collect();
    let places = spreading::place(&mut tx, rule, subject, &mut reminders, at).await?;
    let beside = Beside::of(book, rule, subject, at);
    let all: Vec<Reminder> = reminders.iter().chain(&beside.reminders).cloned().collect();
    let material = Material::load(&mut tx, &all, book, house, at).await?;
    drop(tx);
    let case = Case {
        question,
        language,
        book,
        house,
        subject,
        material: &material,
        names: &names,
        switch: switch.as_ref(),
        beside: &beside,
    };
    let verdicts = last_words(&case, &mut explained, &reminders, &places);
    explained.lines.extend(gates::standing(&case));
    explained
        .lines
        .extend(history::lines(&past, rule, language));
    let outcome = outcome::of(&case, &explained, &verdicts, &past);
    Ok(Some(Answer {
        patient: (
            subject.patient.source.clone(),
            subject.patient.source_key.clone(),
        ),
        lines: explained.lines,
        more,
        outcome,
    }))
}

/// Adds to each planned reminder what becomes of it up to its last moment; says why it would not go out.
fn last_words(
    case: &Case<'_>,
    explained: &mut Explanation,
    reminders: &[Reminder],
    places: &[Place],
) -> Vec<Option<SkipReason>> {
    let mut verdicts = Vec::new();
    let planned = explained.plan.reminders.iter_mut();
    for ((planned, reminder), place) in planned.zip(reminders).zip(places) {
        let mut said = Vec::new();
        let mut no = spreading::say(place, reminder, case, &mut said);
        if no.is_none() {
            staff::say(planned, reminder, case, &mut said);
            let together = company::say(reminder, case, &mut said);
            no = gates::last_moment(case, (planned, reminder), &together, &mut said);
        }
        let here = |said: Said| said.line(&planned.occurrence, &planned.step, &planned.lead);
        let lines = said.into_iter().map(here).collect();
        insert(&mut explained.lines, planned, lines);
        // Where it stands by now: on another day, or put off.
        planned.due_at = reminder.plan.due_at;
        verdicts.push(no);
    }
    verdicts
}

/// The plan at `at` and how it came about; an occasion that nobody planned yet is planned as of when it came up.
fn explained(
    rule: &Rule,
    subject: &Subject,
    at: Timestamp,
    (language, names): (Language, &Names),
) -> Explanation {
    let is_occasion = matches!(rule.trigger, Trigger::Occasion { .. });
    let ahead = if is_occasion { WHOLE } else { AHEAD };
    let horizon = Horizon {
        now: at,
        ahead,
        looks_back: true,
        to: Some(at.saturating_add(ahead).unwrap_or(Timestamp::MAX)),
    };
    let (sent, fresh) = decide::basis(rule, subject, &horizon);
    let asked = plan::Subject {
        patient: &subject.patient,
        facts: &subject.facts,
        occasions: &subject.occasions,
        sent: &sent,
        sensitive: false,
        overrides: &subject.overrides,
    };
    let as_of = |moment: Timestamp| {
        let day = SignedDuration::from_hours(24);
        let from = moment.saturating_sub(day).unwrap_or(moment);
        let window = from..horizon.until(rule);
        explain_in(rule, &asked, moment, window, (language, names))
    };
    let mut explained = as_of(at);
    for (occasion, moment) in fresh {
        let mut then = as_of(moment);
        let id = occasion.as_str();
        then.lines.retain(|line| line.occurrence == id);
        if then.lines.is_empty() {
            continue;
        }
        then.plan.reminders.retain(|one| one.occurrence == id);
        let place = explained
            .lines
            .iter()
            .position(|line| line.occurrence == id);
        let place = place.unwrap_or(explained.lines.len());
        explained.lines.retain(|line| line.occurrence != id);
        explained.plan.reminders.retain(|one| one.occurrence != id);
        let tail = explained.lines.split_off(place.min(explained.lines.len()));
        explained.lines.extend(then.lines);
        explained.lines.extend(tail);
        explained.plan.reminders.extend(then.plan.reminders);
    }
    explained
}

/// Leaves the last occurrence that is over and the next few; says how many more would come.
fn shorten(explained: &mut Explanation, at: Timestamp) -> usize {
    let found: Vec<(String, bool)> = explained
        .lines
        .iter()
        .filter(|line| line.section == Section::Trigger && !line.occurrence.is_empty())
        .map(|line| {
            let minute = line.at.map(wall::minute);
            (
                line.occurrence.clone(),
                minute.is_some_and(|start| start < at),
            )
        })
        .collect();
    let over = found.iter().filter(|(_, is_over)| *is_over).count();
    let planned: Vec<String> = explained
        .plan
        .reminders
        .iter()
        .map(|reminder| reminder.occurrence.clone())
        .collect();
    let mut next = 0;
    let mut kept = Vec::new();
    for (place, (key, is_over)) in found.iter().enumerate() {
        let is_last = *is_over && place + 1 == over;
        let waits = *is_over && planned.contains(key);
        if !is_over {
            next += 1;
        }
        if is_last || waits || (!is_over && next <= MOST_OCCURRENCES) {
            kept.push(key.clone());
        }
    }
    let keep = |key: &String| key.is_empty() || kept.contains(key);
    explained.lines.retain(|line| keep(&line.occurrence));
    let reminders = &mut explained.plan.reminders;
    reminders.retain(|reminder| keep(&reminder.occurrence));
    next.saturating_sub(MOST_OCCURRENCES)
}

/// The reminder as it is on the books, with what happened around it; or as it would be.
fn stored(subject: &Subject, rule: &Rule, planned: &PlannedReminder, at: Timestamp) -> Reminder {
    let known = subject
        .reminders
        .iter()
        .find(|one| one.plan.plan_key == planned.key && one.state == ReminderState::Planned);
    known.map_or_else(
        || as_reminder(&decide::new_reminder(rule, planned.clone()), at),
        Reminder::clone,
    )
}

/// Puts `lines` behind the line that tells of `planned`; what they say of the recipient before it.
fn insert(all: &mut Vec<Line>, planned: &PlannedReminder, lines: Vec<Line>) {
    let is_its = |line: &Line| {
        (
            line.occurrence.as_str(),
            line.step.as_str(),
            line.lead.as_str(),
        ) == (&planned.occurrence, &planned.step, &planned.lead)
            && line.reason == "planned"
            && line.at == Some(planned.due_at)
            && line.decided_by.as_deref() == Some(planned.role.as_str())
    };
    let (whom, rest): (Vec<Line>, Vec<Line>) = lines
        .into_iter()
        .partition(|line| line.section == Section::Recipient);
    let place = all.iter().position(is_its);
    let after = place.map_or(all.len(), |at| at + 1);
    all.splice(after..after, rest);
    let before = place.unwrap_or(all.len());
    all.splice(before..before, whom);
}

/// Whether it leaves the house for patient or family.
fn is_for_people(planned: &PlannedReminder) -> bool {
    planned.role != Role::Staff
}
