//! Makes of due reminders what is to be written: messages, tasks, or a named reason why not. Pure.

mod merge;
pub(crate) mod send;
pub(crate) mod staff;
mod work;

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::gates::{self, Case, Open, Verdict};
use crate::model::class::{Class, Role};
use crate::model::id::{PatientId, RelationId, ReminderId};
use crate::model::message::Ask;
use crate::model::occasion::Confirmation;
use crate::model::reminder::{SkipReason, Unless};
use crate::planning::House;
use crate::planning::book::Book;
use crate::planning::company;
use crate::planning::context::About;
use crate::planning::earlier::earlier;
use crate::planning::material::Material;
use crate::rules::rule::Step;
use crate::scheduler::Settings;
use crate::scheduler::digest::Item;
use crate::store::due::Outcome;
use crate::store::messages::{Desk, NewMessage};
use crate::store::questions::NewQuestion;
use crate::store::reminders::{ANSWER_RULE, Reminder};
use crate::store::tasks::NewTask;

/// What the composer works with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) book: &'a Book,
    pub(crate) house: &'a House,
    pub(crate) desk: &'a Desk,
    pub(crate) settings: &'a Settings,
    pub(crate) gates: &'a gates::Settings,
    pub(crate) now: Timestamp,
}

/// What became of a reminder, with all that is to be written for it.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) outcome: Outcome,
    pub(crate) messages: Vec<NewMessage>,
    pub(crate) tasks: Vec<NewTask>,
    pub(crate) questions: Vec<NewQuestion>,
    /// It is told with others, in a digest: that settles what became of it.
    pub(crate) item: Option<Box<Item>>,
}

impl Made {
    fn skipped(reason: SkipReason) -> Self {
        Self {
            outcome: Outcome::Skipped(reason),
            messages: Vec::new(),
            tasks: Vec::new(),
            questions: Vec::new(),
            item: None,
        }
    }

    fn put_off(at: Timestamp) -> Self {
        Self {
            outcome: Outcome::PutOff(at),
            ..Self::skipped(SkipReason::QuietHours)
        }
    }

    fn work(task: NewTask) -> Self {
        Self {
            outcome: Outcome::Task(task.id.clone()),
            tasks: vec![task],
            ..Self::skipped(SkipReason::Superseded)
        }
    }

    fn with_task(mut self, task: Option<NewTask>) -> Self {
        self.tasks.extend(task);
        self
    }
}

/// A reminder with its records, and what its rule says now: an edited wording counts at once.
struct Piece<'a> {
    bench: Bench<'a>,
    about: About<'a>,
    step: Option<&'a Step>,
    template: &'a str,
    ask: Option<Ask>,
    unless: Option<Unless>,
    /// A task that stands in for a patient who cannot be reached.
    stands_in: bool,
}

/// What the gates leave to be done.
enum Judged<'a> {
    /// All is decided.
    Made(Made),
    /// It goes by these ways, and may go together with others.
    Goes(Vec<Open<'a>>),
}

/// What of the capped classes each recipient gets in this pass.
type Given<'a> = HashMap<(&'a PatientId, Option<&'a RelationId>), u32>;

/// Makes of `reminders` what is to be written.
///
/// Of what a cap binds the worthier goes first, then what was due first.
pub(crate) fn make_all(
    bench: Bench<'_>,
    reminders: &[Reminder],
    material: &Material,
) -> Vec<(ReminderId, Made)> {
    let mut order: Vec<&Reminder> = reminders.iter().collect();
    order.sort_by_key(|reminder| Reverse(worth(reminder)));
    let (mut all, mut going, mut given) = (Vec::new(), Vec::new(), Given::new());
    for reminder in order {
        let plan = &reminder.plan;
        let recipient = plan.patient.as_ref().map(|id| (id, plan.relation.as_ref()));
        let is_capped = plan.class.is_capped() && plan.role != Role::Staff;
        let piece = match piece(bench, reminder, material) {
            Ok(piece) => piece,
            Err(reason) => {
                all.push((reminder.id.clone(), Made::skipped(reason)));
                continue;
            }
        };
        let before = recipient.and_then(|one| given.get(&one).copied());
        match piece.judged(before.unwrap_or(0), material) {
            Judged::Goes(open) if piece.may_merge() => going.push((piece, open)),
            Judged::Goes(open) => {
                let made = piece.for_people(&open, material);
                if let (true, Outcome::Message(_), Some(one)) =
                    (is_capped, &made.outcome, recipient)
                {
                    *given.entry(one).or_default() += 1;
                }
                all.push((reminder.id.clone(), made));
            }
            Judged::Made(made) => all.push((reminder.id.clone(), made)),
        }
    }
    all.extend(merge::together(&going, material));
    all
}

/// No cap binds what is for staff.
fn worth(reminder: &Reminder) -> u8 {
    match reminder.plan.role {
        Role::Staff => Class::Clinical.worth(),
        Role::Patient | Role::Family => reminder.plan.class.worth(),
    }
}

fn piece<'a>(
    bench: Bench<'a>,
    reminder: &'a Reminder,
    material: &'a Material,
) -> Result<Piece<'a>, SkipReason> {
    let plan = &reminder.plan;
    let rule = bench.book.rule(&plan.rule);
    let is_answer = plan.rule == ANSWER_RULE;
    if let Some(reason) = bench.book.rests(&plan.rule).filter(|_| !is_answer) {
        return Err(reason);
    }
    let patient = plan
        .patient
        .as_ref()
        .and_then(|id| material.patients.get(id));
    let relation = plan
        .relation
        .as_ref()
        .and_then(|id| patient?.family.iter().find(|relation| relation.id == *id));
    let occasion = plan
        .occasion
        .as_ref()
        .and_then(|id| material.occasions.get(id));
    let step = bench.book.step(plan);
    // Until HIS answers the patient's wish for another time, nobody asks again.
    let may_ask =
        occasion.is_none_or(|occasion| occasion.confirmation != Confirmation::ChangeRequested);
    let ask = bench
        .book
        .ask(plan)
        .filter(|ask| ask.is_ours() || (may_ask && plan.role != Role::Staff));
    Ok(Piece {
        bench,
        about: About {
            reminder,
            rule,
            patient,
            relation,
            occasion,
            asks: ask.is_some(),
        },
        step,
        template: bench.book.template(plan),
        ask,
        unless: bench.book.unless(plan),
        stands_in: plan.role == Role::Staff && step.is_some_and(|step| step.to != Role::Staff),
    })
}

impl<'a> Piece<'a> {
    fn judged(&self, given: u32, material: &'a Material) -> Judged<'a> {
        let plan = &self.about.reminder.plan;
        let case = self.case(given, material);
        match gates::may_send(&case, self.bench.now) {
            Verdict::Wait(at) => Judged::Made(Made::put_off(at)),
            Verdict::No(reason) => {
                let hides = matches!(
                    reason,
                    SkipReason::NoContactPoint
                        | SkipReason::OptedOut
                        | SkipReason::NoGuardian
                        | SkipReason::NoConsent
                );
                let tells = hides && plan.class.is_transactional() && plan.role != Role::Staff;
                let task = tells.then(|| self.unreachable(reason));
                Judged::Made(Made::skipped(reason).with_task(task))
            }
            Verdict::Go(_) if self.stands_in => {
                let why = gates::why_unreachable(&case, self.bench.now);
                Judged::Made(self.stand_in(why))
            }
            Verdict::Go(_) if plan.role == Role::Staff => Judged::Made(self.for_staff(material)),
            Verdict::Go(open) => Judged::Goes(open),
        }
    }

    /// Whether it may become part of one message with others: it tells of an occasion, and no cap binds it.
    fn may_merge(&self) -> bool {
        company::may_merge(&self.about)
    }

    fn case(&self, given: u32, material: &'a Material) -> Case<'a> {
        let reminder = self.about.reminder;
        let plan = &reminder.plan;
        let counts = plan
            .patient
            .as_ref()
            .map(|patient| material.counts(patient, plan.relation.as_ref(), plan.class));
        let mut counts = counts.unwrap_or_default();
        counts.today = counts.today.saturating_add(given);
        counts.week = counts.week.saturating_add(given);
        Case {
            class: plan.class,
            role: plan.role,
            patient: self.about.patient,
            relation: self.about.relation,
            channels: &plan.channels,
            answer_to: reminder
                .answer_to
                .as_ref()
                .map(|address| address.reveal().as_str()),
            occasion: plan
                .occasion
                .as_ref()
                .map(|_| (self.about.occasion, plan.epoch)),
            unless: self.unless,
            ask: self.bench.book.ask(plan),
            earlier: earlier(&self.about, material, self.bench.house),
            need_consent: &self.bench.gates.need_consent,
            suppressions: &material.standing,
            address_key: &self.bench.house.address_key,
            quiet: self.about.rule.and_then(|rule| rule.quiet),
            zone: self.zone(),
            counts,
            caps: self.bench.settings.caps(),
            planned_at: reminder.created_at,
            due_at: plan.due_at,
            expires_at: plan.expires_at,
        }
    }

    /// The wall clock it goes by.
    fn zone(&self) -> &'a TimeZone {
        self.about
            .rule
            .map_or(&self.bench.house.timezone, |rule| &rule.timezone)
    }
}
