//! Looks ahead: what would be sent in some days, to whom, by what, and what would not and why. Writes nothing.

use std::collections::HashSet;
use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use crate::model::class::Role;
use crate::model::id::{OccasionId, PatientId, ReminderId};
use crate::model::price::Price;
use crate::model::private::Private;
use crate::model::reminder::{ReminderState, SkipReason};
use crate::planning::book::Book;
use crate::planning::decide::{Decided, Horizon, decide};
use crate::planning::fill::fill;
use crate::planning::spread::{self, Days};
use crate::planning::subject::{self, Needs, Subject};
use crate::planning::totals::{Tariff, Totals};
use crate::planning::{House, addressee, campaign};
use crate::planning::{together, walk};
use crate::rules::plan::Decision;
use crate::rules::rule::{Mode, Rule};
use crate::store::reminders::{NewReminder, Reminder};
use crate::store::{Store, StoreError, campaigns, candidates};

/// Patients looked at together.
pub(super) const PAGE: i64 = 500;

/// What to look at.
#[derive(Clone, Debug)]
pub struct Look<'a> {
    /// The present moment; the plan is made now, or at the window's start where that is past.
    pub now: Timestamp,
    /// From when to when.
    pub window: Range<Timestamp>,
    /// Only this rule.
    pub rule: Option<&'a str>,
    /// Only this patient, and then with every reason why not.
    pub patient: Option<&'a PatientId>,
}

impl Look<'_> {
    pub(super) fn horizon(&self) -> Horizon {
        Horizon {
            now: self.now.min(self.window.start),
            ahead: SignedDuration::ZERO,
            looks_back: true,
            to: Some(self.window.end),
        }
    }
}

/// One thing that would be sent or done.
#[derive(Clone, Debug)]
pub struct Line {
    /// The reminder as it would be planned.
    pub plan: NewReminder,
    /// Whose it is, as the source names them; `None` where one stands for many.
    pub patient: Option<(String, Private<String>)>,
    /// How many patients it stands for.
    pub count: i64,
    /// Segments, for an SMS.
    pub segments: usize,
    /// What they cost, where their provider has a price.
    pub cost: Price,
    /// Why it would be skipped all the same, as far as that is known beforehand.
    pub problem: Option<(SkipReason, String)>,
    /// By itself, or together with others.
    pub goes: Goes,
}

/// Whether a line goes out by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goes {
    /// It does.
    Alone,
    /// Its message tells of so many bookings; segments and cost are those of the whole.
    Leads(usize),
    /// It is told in the message of this reminder.
    Into(Merged),
    /// It is told to staff in a digest.
    Digest(Gathered),
}

/// The reminder whose message tells of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Its rule.
    pub rule: String,
    /// Its booking.
    pub occasion: Option<OccasionId>,
}

/// The digest that something is told in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// Recipient, channel and minute.
    pub(crate) key: String,
    /// Who gets it.
    pub to: Private<String>,
    /// Whether it counts as the digest: the first that goes into it does.
    pub counts: bool,
}

/// One thing that would not be sent.
#[derive(Clone, Debug)]
pub struct Not {
    /// The rule.
    pub rule: String,
    /// Whose it is, as the source names them.
    pub patient: (String, Private<String>),
    /// What and why.
    pub decision: Decision,
}

/// What a look ahead brings.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// What would be sent, in the order of time; nothing where only totals are wanted.
    pub lines: Vec<Line>,
    /// What would not; nothing where only totals are wanted.
    pub not: Vec<Not>,
    /// How much of both there is.
    pub totals: Totals,
    /// The digests that were counted.
    digests: HashSet<String>,
}

/// How a look ahead goes about it.
pub struct Manner<'a> {
    /// Whether only totals are wanted: each page of patients is then forgotten when it is counted.
    pub is_summary: bool,
    /// What segments cost.
    pub tariff: &'a Tariff,
    /// Hears after each page which rule it looks at and how many patients were looked at for it.
    pub progress: &'a mut (dyn FnMut(&str, usize) + Send),
}

impl Line {
    /// A line that is not filled yet.
    pub(super) fn of(plan: NewReminder, patient: Option<(String, Private<String>)>) -> Self {
        Self {
            plan,
            patient,
            count: 1,
            segments: 0,
            cost: Price::default(),
            problem: None,
            goes: Goes::Alone,
        }
    }
}

/// Looks ahead as `look` says, and keeps every line.
///
/// # Errors
/// When the database fails.
pub async fn preview(
    store: &Store,
    book: &Book,
    house: &House,
    look: &Look<'_>,
) -> Result<Preview, StoreError> {
    let mut manner = Manner {
        is_summary: false,
        tariff: &Tariff::default(),
        progress: &mut |_, _| {},
    };
    look_ahead(store, book, house, look, &mut manner).await
}

/// Looks ahead as `look` says, in the manner asked for.
///
/// # Errors
/// When the database fails.
pub async fn look_ahead(
    store: &Store,
    book: &Book,
    house: &House,
    look: &Look<'_>,
    manner: &mut Manner<'_>,
) -> Result<Preview, StoreError> {
    let mut preview = Preview::default();
    let mut told = HashSet::new();
    let current = campaigns::current(&mut store.read().await?, Timestamp::MIN).await?;
    let rules = book.rules().filter(|r| {
        look.rule
            .map_or(r.mode != Mode::Off, |wanted| r.id == wanted)
    });
    for rule in rules {
        if look.patient.is_none() {
            let mut tx = store.read().await?;
            let shared = walk::shared(&mut tx, rule, house, &look.horizon(), true).await?;
            drop(tx);
            let mut page = Preview::default();
            take((rule, book), shared, None, look, &mut told, &mut page);
            fill(store, book, house, look.now, manner.tariff, &mut page.lines).await?;
            keep(&mut preview, page, manner.is_summary, house);
        }
        let started = campaign::moments(rule, &current);
        let among = campaign::among(rule, &current)
            .or_else(|| walk::candidates(rule, &spread::window(rule, &look.window), true));
        let among: Vec<_> = among.into_iter().chain(walk::of_own_leads(rule)).collect();
        if among.is_empty() {
            continue;
        }
        let mut days = Days::load(&mut store.read().await?, rule, look.now).await?;
        let mut after: Option<PatientId> = None;
        let mut looked = 0;
        loop {
            let mut tx = store.read().await?;
            let ids = match look.patient {
                Some(patient) => vec![patient.clone()],
                None => candidates::page_of_all(&mut tx, &among, after.as_ref(), PAGE).await?,
            };
            let subjects = subject::load(&mut tx, &ids, &Needs::of(rule), look.now).await?;
            if let Some(days) = &mut days {
                days.know(&mut tx, &ids).await?;
            }
            drop(tx);
            let mut page = Preview::default();
            for subject in &subjects {
                let turn = (&started[..], &mut days);
                look_at((rule, book), subject, look, turn, &mut told, &mut page);
            }
            fill(store, book, house, look.now, manner.tariff, &mut page.lines).await?;
            let tariff = manner.tariff;
            together::merge(store, (book, house), look, rule, tariff, &mut page.lines).await?;
            keep(&mut preview, page, manner.is_summary, house);
            looked += ids.len();
            (manner.progress)(&rule.id, looked);
            let is_last =
                look.patient.is_some() || ids.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            after = ids.last().cloned();
            if is_last {
                break;
            }
        }
    }
    preview
        .lines
        .sort_by(|a, b| (a.plan.due_at, &a.plan.plan_key).cmp(&(b.plan.due_at, &b.plan.plan_key)));
    Ok(preview)
}

/// Counts a page, and keeps it if it is wanted.
fn keep(preview: &mut Preview, mut page: Preview, is_summary: bool, house: &House) {
    for line in &mut page.lines {
        if let (Goes::Digest(digest), None) = (&mut line.goes, &line.problem) {
            digest.counts = preview.digests.insert(digest.key.clone());
        }
        preview.totals.count(line, house);
    }
    for not in &page.not {
        preview.totals.refuse(not.decision.reason);
    }
    if !is_summary {
        preview.lines.extend(page.lines);
        preview.not.extend(page.not);
    }
}

fn look_at(
    (rule, book): (&Rule, &Book),
    subject: &Subject,
    look: &Look<'_>,
    (started, days): (&[Timestamp], &mut Option<Days<'_>>),
    told: &mut HashSet<String>,
    preview: &mut Preview,
) {
    let who = (
        subject.patient.source.clone(),
        subject.patient.source_key.clone(),
    );
    let horizon = look.horizon();
    let mut decided = decide(std::iter::once(rule), subject, &horizon);
    for at in started {
        let one = campaign::plan_one(rule, subject, *at, horizon.now);
        decided.reminders.extend(one.reminders);
        decided.decisions.extend(one.decisions);
    }
    spread::place(days, subject, &mut decided, look.now);
    let Decided {
        reminders,
        decisions,
    } = decided;
    take((rule, book), reminders, Some(&who), look, told, preview);
    let of_use = decisions
        .into_iter()
        .filter(|(_, decision)| is_worth_telling(decision, look));
    preview.not.extend(of_use.map(|(rule, decision)| Not {
        rule,
        patient: who.clone(),
        decision,
    }));
}

/// Takes what would be sent within the window, each thing once.
fn take(
    (rule, book): (&Rule, &Book),
    reminders: Vec<NewReminder>,
    who: Option<&(String, Private<String>)>,
    look: &Look<'_>,
    told: &mut HashSet<String>,
    preview: &mut Preview,
) {
    for mut plan in reminders {
        let step = rule.steps.iter().find(|step| step.id == plan.step);
        if plan.role == Role::Staff {
            // What comes up just now may wait for the next digest.
            plan.due_at = addressee::told_at(&plan, step, &rule.timezone, book);
        }
        // One patient's keys come up once; what stands for many may come up with each of them.
        let is_new = plan.patient.is_some() || !told.contains(&plan.plan_key);
        if look.window.contains(&plan.due_at) && is_new {
            if plan.patient.is_none() {
                told.insert(plan.plan_key.clone());
            }
            let patient = plan.patient.as_ref().and(who).cloned();
            let problem = (rule.mode == Mode::Shadow).then(|| {
                (
                    SkipReason::Shadow,
                    "the rule plans and shows only".to_owned(),
                )
            });
            preview.lines.push(Line {
                problem,
                ..Line::of(plan, patient)
            });
        }
    }
}

/// Of many patients only what somebody might have expected; of one patient everything.
fn is_worth_telling(decision: &Decision, look: &Look<'_>) -> bool {
    let is_plain = matches!(
        decision.reason,
        SkipReason::NotInAudience
            | SkipReason::Past
            | SkipReason::Duplicate
            | SkipReason::NotEffective
            | SkipReason::Cancelled
    );
    let is_near = decision.at.is_none_or(|at| look.window.contains(&at));
    is_near && (look.patient.is_some() || (!is_plain && decision.at.is_some()))
}

/// The reminder that this plan would be.
pub(crate) fn as_reminder(plan: &NewReminder, now: Timestamp) -> Reminder {
    Reminder {
        id: ReminderId::generate(),
        plan: plan.clone(),
        state: ReminderState::Planned,
        reason: None,
        planned_for: None,
        answer_to: None,
        data: None,
        created_at: now,
    }
}
