//! Makes of one due reminder what is to be written: a message, tasks, or a named reason why not. Pure.

pub(crate) mod send;
pub(crate) mod staff;
mod work;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::gates::{self, Case, Verdict};
use crate::model::class::Role;
use crate::model::message::Ask;
use crate::model::occasion::Confirmation;
use crate::model::reminder::{SkipReason, Unless};
use crate::planning::House;
use crate::planning::book::Book;
use crate::planning::context::About;
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

/// Makes of `reminder` what is to be written.
pub(crate) fn make(bench: Bench<'_>, reminder: &Reminder, material: &mut Material) -> Made {
    let made = match piece(bench, reminder, material) {
        Ok(piece) => piece.made(material),
        Err(reason) => return Made::skipped(reason),
    };
    let plan = &reminder.plan;
    if let (true, Outcome::Message(_), Some(patient)) = (
        plan.class.is_capped() && plan.role != Role::Staff,
        &made.outcome,
        &plan.patient,
    ) {
        material.count(patient, plan.relation.as_ref());
    }
    made
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
        .filter(|_| may_ask && plan.role != Role::Staff);
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

impl Piece<'_> {
    fn made(&self, material: &Material) -> Made {
        let plan = &self.about.reminder.plan;
        let case = self.case(material);
        match gates::may_send(&case, self.bench.now) {
            Verdict::Wait(at) => Made::put_off(at),
            Verdict::No(reason) => {
                let hides = matches!(
                    reason,
                    SkipReason::NoContactPoint
                        | SkipReason::OptedOut
                        | SkipReason::NoGuardian
                        | SkipReason::NoConsent
                );
                let tells = hides && plan.class.is_transactional() && plan.role != Role::Staff;
                Made::skipped(reason).with_task(tells.then(|| self.unreachable(reason)))
            }
            Verdict::Go(_) if self.stands_in => self.stand_in(),
            Verdict::Go(_) if plan.role == Role::Staff => self.for_staff(material),
            Verdict::Go(open) => self.for_people(&open, material),
        }
    }

    fn case<'c>(&'c self, material: &'c Material) -> Case<'c> {
        let reminder = self.about.reminder;
        let plan = &reminder.plan;
        let counts = plan
            .patient
            .as_ref()
            .map(|patient| material.counts(patient, plan.relation.as_ref()));
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
            is_delivered: material.delivered.contains(&reminder.id),
            suppressions: &material.standing,
            address_key: &self.bench.house.address_key,
            quiet: self.about.rule.and_then(|rule| rule.quiet),
            zone: self.zone(),
            counts: counts.unwrap_or_default(),
            caps: self.bench.settings.caps(),
            planned_at: reminder.created_at,
            due_at: plan.due_at,
            expires_at: plan.expires_at,
        }
    }

    /// The wall clock it goes by.
    fn zone(&self) -> &TimeZone {
        self.about
            .rule
            .map_or(&self.bench.house.timezone, |rule| &rule.timezone)
    }
}
